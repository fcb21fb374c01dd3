"""The ensemble of one variable: a power law and a damped slope of late."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.job import Job, binned


def of(running: Job, method: str, until: float) -> Forecast:
    return forecast(running, method=method, until=until)[0]


def test_the_ensemble_is_the_mean_of_the_power_law_and_a_damped_slope() -> None:
    """The slope of 2.1 + 8/x^.2 of late, three quarters as steep in the octave beyond."""
    x = np.arange(20.0, 2020.0, 20.0)
    noise = np.exp(0.003 * np.random.default_rng(3).standard_normal(len(x)))
    running = Job("run", x, (2.1 + 8 / x**0.2) * noise)
    power, both = (of(running, method=m, until=4000) for m in ("power", "ensemble"))
    bins = binned(running, 0.25 * running.now)
    late = bins.x >= bins.x[-1] / 2**1.5
    root = np.sqrt(bins.weight[late])
    slope, level = np.polyfit(np.log(bins.x[late] / bins.x[-1]), np.log(bins.loss[late]), 1, w=root)
    octaves = np.log2(4000 / bins.x[-1])
    gone = sum(0.75 ** (1 + k) for k in range(2))
    local = level + slope * np.log(2) * 3 * (1 - 0.75**octaves)
    assert gone == pytest.approx(3 * (1 - 0.75**2))
    assert np.log(both.value) == pytest.approx((np.log(power.value) + local) / 2, abs=1e-6)
    assert both.interval[0] < 2.1 + 8 / 4000**0.2 < both.interval[1]
    widths = np.diff(np.log([both.path.low, both.path.high]), axis=0)[0]
    assert np.all(np.diff(widths) > 0)
    assert (both.backtests, both.notes) == ((), ["until step 4000."])


def test_what_never_rises_is_believed_half_as_much() -> None:
    running = Job("run", np.arange(1.0, 101.0), 2 + 3 / np.arange(1.0, 101.0) ** 0.5)
    found = of(running, method="ensemble", until=200)
    said = "the rows never rise, as of a running minimum: the interval is twice as wide."
    assert found.notes == ["until step 200.", said]
    once = running.loss.copy()
    once[[50, 60, 70]] = once[[49, 59, 69]] * (1 + 1e-9)
    other = of(replace(running, loss=once), method="ensemble", until=200)
    assert other.notes == ["until step 200."]
    twice, single = (np.log(f.interval[1] / f.interval[0]) for f in (found, other))
    assert twice == pytest.approx(2 * single, rel=0.01)
