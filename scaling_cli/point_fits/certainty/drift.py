"""Drift: how much faster than its noise a forecast goes wrong, per decade beyond the data.

Each backtest says how far the law missed the runs it did not see, and how far its own variance
allowed. What is left is taken to grow in proportion to the decades of compute. Its size per decade
has a prior, which is what other people's tables showed, and is updated by the backtests of the
user's own table; the posterior's root mean square is the drift.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

# Chosen in benchmarks/coverage.py, with whole families of tables held out: half of all tables
# drift by less than the median (sd of ln loss per decade), one in six by more than e^0.5 times it.
PRIOR_MEDIAN = 0.025
PRIOR_LOG_SD = 0.5
# Cuts nest: each hides what the one before hid. Seven of them say about as much as three or four.
WEIGHT = 0.5
_STEPS = np.linspace(-8.0, 8.0, 1601)  # sds of the prior


class Miss(Protocol):
    """What a backtest says about drift, in ln loss."""

    @property
    def rms(self) -> float:
        """Root mean square of the misses."""
        ...

    @property
    def own(self) -> float:
        """Sd that the law's own variance and the noise of one run explain."""
        ...

    @property
    def decades(self) -> float:
        """Root mean square of the decades between the fitted runs and the hidden ones."""
        ...


def prior() -> float:
    """Return the drift of a table without backtests: the prior's root mean square."""
    return float(PRIOR_MEDIAN * np.exp(PRIOR_LOG_SD**2))


def learned(
    misses: Sequence[Miss], *, median: float = PRIOR_MEDIAN, log_sd: float = PRIOR_LOG_SD
) -> float:
    """Return the sd of ln loss per decade, from backtests: posterior root mean square.

    A miss is normal with variance own^2 + (drift x decades)^2; the prior of the drift is
    log-normal. Without backtests it is `prior()`.
    """
    drift = median * np.exp(_STEPS * log_sd)
    log_density = -0.5 * _STEPS**2
    for miss in misses:
        variance = miss.own**2 + (drift * miss.decades) ** 2
        log_density -= 0.5 * WEIGHT * (np.log(variance) + miss.rms**2 / variance)
    density = np.exp(log_density - np.max(log_density))
    return float(np.sqrt(np.sum(density * drift**2) / np.sum(density)))


def source(misses: Sequence[Miss]) -> str:
    """Say where the drift comes from."""
    count = len(misses)
    if not count:
        return "that of other tables: no backtest was possible"
    backtests = "1 backtest" if count == 1 else f"{count} backtests"
    return f"{100 * prior():.2g} % in other tables, updated by {backtests} of this one"
