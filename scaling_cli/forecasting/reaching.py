"""When a running job reaches a level: from the same distributions as the forecast of its end.

The error of a forecast is that of its law: a run that is ahead of what was expected stays ahead.
So the loss has reached a level at x as likely as its forecast at x, or at any place before, lies
below it, and quantiles of that are quantiles of the place.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import NormalDist

import numpy as np

from scaling_cli.artefacts.forecast import Estimate, Reaching, Way
from scaling_cli.forecasting.job import Job, binned

DATES_FROM = 1e8  # seconds that count from 1970, not from the start of the run
_BELOW = np.vectorize(NormalDist().cdf, otypes=[float])


def reached_by(level: float, centre: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return how likely a level is reached at places or before, one row a schedule.

    Parameters
    ----------
    level : float
    centre, sd : array, shape (k, n)
        Of the logarithm of the loss.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        below = _BELOW(np.nan_to_num((np.log(level) - centre) / sd, nan=0.0))
    return np.maximum.accumulate(below, axis=1)


def place(share: float, x: np.ndarray, reached: np.ndarray) -> float | None:
    """Return where a level is reached with a probability; None where not before the last place."""
    if reached[-1] < share:
        return None
    i = int(np.argmax(reached >= share))
    if i == 0:
        return float(x[0])
    before, after = reached[i - 1 : i + 1]
    return float(x[i - 1] + (x[i] - x[i - 1]) * (share - before) / (after - before))


def reaching(
    level: float,
    job: Job,
    seen: float,
    x: np.ndarray,
    ways: Sequence[tuple[str, float, np.ndarray]],
    *,
    coverage: float,
) -> Reaching:
    """Return when a level is reached.

    Parameters
    ----------
    level : float
    job : Job
    seen : float
        The present loss.
    x : array, shape (n,)
        Places from now to the end.
    ways : sequence of (name, weight, array of shape (n,))
        How likely the level is reached at each, by schedule.
    coverage : float
        Of the intervals.
    """
    every = sum(weight * reached for _, weight, reached in ways)
    already = _already(job, level) if seen <= level else None
    if already is not None:
        every = np.ones(len(x))
    shares = (0.5, (1 - coverage) / 2, (1 + coverage) / 2)
    at, low, high = (place(share, x, np.asarray(every)) for share in shares)
    there = Estimate(at, (low, high))
    pace = _pace(job)
    by = {"steps": job.batch_tokens, "tokens": 1.0}[job.unit]
    seconds = None if pace is None else _times(there, pace, job.now)
    told = already is None
    return Reaching(
        level,
        already,
        step=there if told and job.unit == "steps" else None,
        tokens=_times(there, by) if told and by is not None else None,
        seconds=seconds if told else None,
        date=_date(job, seconds) if told else None,
        never=float(1 - np.asarray(every)[-1]),
        ways=[
            Way(name, place(0.5, x, reached), float(1 - reached[-1]))
            for name, _, reached in ways
            if told and len(ways) > 1
        ],
    )


def _already(job: Job, level: float) -> float | None:
    """Return where the losses, freed of spikes and averaged, first were at a level."""
    bins = binned(job, 0.0)
    there = np.flatnonzero(bins.loss <= level)
    return float(bins.x[there[0]]) if len(there) else job.now


def _times(there: Estimate, each: float, less: float = 0.0) -> Estimate:
    def told(x: float | None) -> float | None:
        return None if x is None else (x - less) * each

    return Estimate(told(there.value), (told(there.interval[0]), told(there.interval[1])))


def _pace(job: Job) -> float | None:
    """Return the seconds of one unit of the axis: the median of the later half of the rows."""
    if job.seconds is None:
        return None
    known = np.isfinite(job.seconds)
    x, seconds = job.x[known], job.seconds[known]
    each = (np.diff(seconds) / np.diff(x))[len(x) // 2 :]
    each = each[each > 0]
    return float(np.median(each)) if len(each) else None


def _date(job: Job, seconds: Estimate | None) -> str | None:
    """Return when a level is expected, where the log tells the time of day."""
    if job.seconds is None or seconds is None or seconds.value is None:
        return None
    last = float(np.nanmax(job.seconds))
    if last < DATES_FROM:
        return None
    return datetime.fromtimestamp(last + seconds.value, UTC).isoformat(timespec="seconds")
