"""`anticipate`: from when a learning curve can be believed, and when it will have converged.

After Vilares Ferro et al. (arXiv:2402.02515), in our reading: only the abstract and introduction
were at hand, so the thresholds are named after theirs and may not be theirs to the letter. One
difference is meant: a fluctuation of the asymptote is counted per unit of ln x, theirs per unit of
x, so that the threshold does not change between steps and tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.forecasting.despiking import stretches
from scaling_cli.numerics.power_law import projected
from scaling_cli.vocabulary.errors import DataError, UsageError

FEWEST = 3  # observations that a power law with a floor passes through
MOST = 40  # observations; more are averaged in stretches of equal length in ln x
LOW, HIGH = 0.01, 8.0  # where exponents are looked for
ZOOMS, PLACES = 7, 33  # of the search: each zoom narrows it sixteenfold
VERTICALITY = 0.1  # of the spread of the observed values, per unit of ln x
LOOKAHEAD = 5

Trend = tuple[float, float, float]


@dataclass(frozen=True)
class Levels:
    """What the growing trace of fits says about a curve.

    Parameters
    ----------
    working : float or None
        x from which on the asymptote of the fits no longer fluctuates; None: not yet.
    prediction : float or None
        First x at or beyond the working level with a feasible asymptote: from here on forecasts
        are to be believed.
    convergence : float or None
        First x at or beyond the prediction level where no more than `threshold` is left to gain.
    forecast : float or None
        Where the last fit will be within `threshold` of its asymptote; None before the prediction
        level.
    threshold : float
        What may be left to gain, in the unit of the values.
    x, asymptote, remaining : array, shape (m,)
        The trace: last x of each prefix, the asymptote of its fit, and the distance of the fit from
        it there. The asymptotes are the backbone.
    trend : tuple of float
        Asymptote, amplitude and exponent of the last fit, asymptote + amplitude x^-exponent.
    notes : sequence of str
    """

    working: float | None
    prediction: float | None
    convergence: float | None
    forecast: float | None
    threshold: float
    x: np.ndarray
    asymptote: np.ndarray
    remaining: np.ndarray
    trend: Trend
    notes: tuple[str, ...]


def anticipate(
    x: ArrayLike,
    values: ArrayLike,
    threshold: float,
    *,
    rising: bool = False,
    limit: float | None = None,
    verticality: float | None = None,
    lookahead: int = LOOKAHEAD,
    first: int = FEWEST,
    anchor: bool = False,
) -> Levels:
    """Fit a power law with an asymptote to growing prefixes and read the levels off the trace.

    The pattern is asymptote + amplitude x^-exponent, fitted by least squares of the values; the
    amplitude is negative for what rises. Spikes are not looked for.

    Parameters
    ----------
    x, values : array-like, shape (n,)
        Observations: sizes, steps or tokens, increasing, and losses, or accuracies.
    threshold : float
        The stopping threshold: what may be left to gain, in the unit of the values.
    rising : bool
        Whether the values rise (accuracies) or fall (losses).
    limit : float, optional
        What no asymptote can pass: 0 for losses, 1 for accuracies by default (give 100 for
        percentages).
    verticality : float, optional
        Largest change of the asymptote per unit of ln x that counts as none. Default: 0.1 times
        the spread of the values.
    lookahead : int
        Over how many further prefixes the asymptote must stay so.
    first : int
        Observations in the first prefix, 3 or more.
    anchor : bool
        Whether each fit also sees the asymptote of the one before as an observation at infinity,
        which damps the trace of irregular data.

    Raises
    ------
    DataError
        If there are too few observations, or they are no numbers that can be fitted.
    UsageError
        If a threshold makes no sense.
    """
    place, measured = _observations(x, values, first, lookahead)
    if not threshold > 0:
        raise UsageError(f"the stopping threshold must be positive, not {threshold:g}.")
    if verticality is not None and not verticality > 0:
        raise UsageError(f"the verticality threshold must be positive, not {verticality:g}.")
    if lookahead < 1 or first < FEWEST:
        raise UsageError(f"look ahead by 1 or more, from prefixes of {FEWEST} or more.")
    bound = limit if limit is not None else float(rising)
    steep = verticality if verticality is not None else VERTICALITY * float(np.ptp(measured))
    fits: list[Trend] = []
    for end in range(first, len(place) + 1):
        before = fits[-1][0] if anchor and fits else None
        fits.append(_fitted(place[:end], measured[:end], rising, before))
    ends, trends = place[first - 1 :], np.array(fits)
    asymptote = trends[:, 0]
    remaining = np.abs(trends[:, 1]) * ends ** -trends[:, 2]
    feasible = asymptote <= bound if rising else asymptote >= bound
    working = _first(_calm(ends, asymptote, steep, lookahead), 0)
    prediction = _first(feasible, working)
    convergence = _first(remaining <= threshold, prediction)
    rows = (working, prediction, convergence)
    begun, trusted, done = (None if i is None else float(ends[i]) for i in rows)
    level, amplitude, exponent = trends[-1].tolist()
    forecast = None if trusted is None else (abs(amplitude) / threshold) ** (1 / exponent)
    trend, trace = (level, amplitude, exponent), (ends, asymptote, remaining)
    notes = tuple(_notes(np.size(x), len(place), bool(feasible[-1]), level, bound))
    return Levels(begun, trusted, done, forecast, threshold, *trace, trend, notes)


def _observations(
    x: ArrayLike, values: ArrayLike, first: int, lookahead: int
) -> tuple[np.ndarray, np.ndarray]:
    place, measured = np.asarray(x, float), np.asarray(values, float)
    if place.shape != measured.shape or place.ndim != 1:
        raise DataError("a curve needs as many values as places.")
    if len(place) < max(first, FEWEST) + lookahead:
        raise DataError(
            f"{len(place)} observations are too few for a trace: with prefixes from {first} on and "
            f"{lookahead} to look ahead, {max(first, FEWEST) + lookahead} are needed."
        )
    if not np.isfinite(measured).all():
        raise DataError(f"the value at {place[~np.isfinite(measured)][0]:g} is not a number.")
    if not np.isfinite(place).all() or (np.diff(place) <= 0).any() or place[0] <= 0:
        raise DataError("places must be positive numbers that increase.")
    if len(place) <= MOST:
        return place, measured
    starts = [rows.start for rows in stretches(place, MOST)]
    size = np.diff([*starts, len(place)])
    return np.add.reduceat(place, starts) / size, np.add.reduceat(measured, starts) / size


def _fitted(x: np.ndarray, values: np.ndarray, rising: bool, infinity: float | None) -> Trend:
    """Return the least-squares pattern: linear parameters in closed form, the exponent by zooms."""
    unit, low, high = x[-1], np.log(LOW), np.log(HIGH)
    ratio = np.log(x / unit)
    if infinity is not None:
        ratio, values = np.append(ratio, np.inf), np.append(values, infinity)
    weight = np.ones(len(values))
    for _ in range(ZOOMS):
        places = np.linspace(low, high, PLACES)
        error = projected(np.exp(places), ratio, values, weight, rising=rising)[2]
        best, width = places[int(np.argmin(error))], (high - low) / (PLACES - 1)
        low, high = max(np.log(LOW), best - width), min(np.log(HIGH), best + width)
    exponent = float(np.exp(0.5 * (low + high)))
    level, slope, _ = projected(np.full(1, exponent), ratio, values, weight, rising=rising)
    return float(level[0]), float(slope[0] * unit**exponent), exponent


def _calm(x: np.ndarray, asymptote: np.ndarray, steep: float, lookahead: int) -> np.ndarray:
    """Say from which prefixes on the asymptote stays calm over the look-ahead, shape (m,)."""
    level = np.asarray(np.abs(np.diff(asymptote) / np.diff(np.log(x))) <= steep)
    still = np.lib.stride_tricks.sliding_window_view(level, lookahead).min(axis=1)
    return np.append(still, np.zeros(len(x) - len(still), bool))


def _first(holds: np.ndarray, start: int | None) -> int | None:
    """Return where it holds first, from a place on; None if never, or from no place on."""
    held = np.flatnonzero(holds[start:])
    return None if start is None or not len(held) else int(held[0]) + start


def _notes(given: int, used: int, feasible: bool, asymptote: float, bound: float) -> Iterator[str]:
    if used < given:
        yield f"{given} observations averaged to {used}, evenly spaced in ln x."
    if not feasible:
        yield f"the asymptote of the last fit, {asymptote:g}, lies beyond what there is, {bound:g}."
