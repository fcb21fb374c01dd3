"""Which of several running jobs to stop: how likely each ends best, and what stopping saves.

Forecasts err together: runs of one kind are all forecast too high or too low, and whether a
cool-down comes is one fact of all of them. So the ends are drawn jointly, with a part of the error
in common, and the schedule that comes is the same for all that may have several.
"""

from collections.abc import Sequence

import numpy as np

from scaling_cli.artefacts.forecast import Candidate, Forecast, Stopping
from scaling_cli.forecasting.job import Job
from scaling_cli.numerics.quantiles import quantile

DRAWS = 8000
# Of the variance of errors of forecasts, what runs that are candidates together share: on the
# groups of benchmarks/stopping.py.
SHARED = 0.5
RISK = 0.1


def ends(forecasts: Sequence[Forecast], finished: Sequence[Job]) -> np.ndarray:
    """Return joint draws of where runs end, shape (forecasts and finished, draws).

    Parameters
    ----------
    forecasts : sequence of Forecast
    finished : sequence of Job
        Runs whose end is known.
    """
    draw = np.random.default_rng(0)
    schedule, common = draw.uniform(size=DRAWS), draw.normal(size=DRAWS)
    rows = []
    for forecast in forecasts:
        own = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * draw.normal(size=DRAWS)
        rows.append(_end(forecast, own, schedule))
    known = [np.full(DRAWS, job.level()) for job in finished]
    return np.array([*rows, *known])


def _end(forecast: Forecast, error: np.ndarray, schedule: np.ndarray) -> np.ndarray:
    """Return draws of one end: of the schedules that may come by weight, in the order of names."""
    ways = sorted(forecast.scenarios, key=lambda s: s.name) or [forecast]
    weight = np.cumsum([getattr(way, "weight", 1.0) for way in ways])
    which = np.searchsorted(weight / weight[-1], schedule).clip(max=len(ways) - 1)
    middle = np.array([way.value for way in ways])[which]
    low, high = (np.array([way.interval[i] for way in ways])[which] for i in (0, 1))
    side = np.where(error > 0, high - middle, middle - low) / quantile(forecast.level)
    return middle + error * side


def which_to_stop(
    forecasts: Sequence[Forecast],
    jobs: Sequence[Job],
    finished: Sequence[Job],
    *,
    rising: bool = False,
    risk: float = RISK,
) -> Stopping:
    """Return which runs to stop: the least likely ones, as long as together they stay below a risk.

    Parameters
    ----------
    forecasts : sequence of Forecast
        Of the runs that go on.
    jobs : sequence of Job
        The same runs.
    finished : sequence of Job
        Candidates that have ended.
    rising : bool
        Whether the highest end is the best.
    risk : float
        How likely the best may be among what is stopped.
    """
    drawn = ends(forecasts, finished)
    worse = -drawn if rising else drawn
    best = np.argmin(worse, axis=0)
    likely = np.bincount(best, minlength=len(worse)) / DRAWS
    going = np.array([f.until - f.now for f in forecasts] + [0.0] * len(finished))
    cost, by = _costs(jobs, forecasts)
    share = np.append(cost, np.zeros(len(finished)))
    share = share / (share.sum() or 1.0)
    order = np.argsort(likely, kind="stable")
    stopped = np.zeros(len(worse), bool)
    stopped[order[np.cumsum(likely[order]) <= risk]] = True
    stopped[len(forecasts) :] = False  # nothing is left of them to stop
    stopped[order[-1]] = False
    kept = worse[~stopped].min(axis=0) - worse.min(axis=0)
    names = [f.run for f in forecasts] + [job.run for job in finished]
    candidates = [
        Candidate(names[i], float(likely[i]), bool(stopped[i]), float(going[i]), float(share[i]))
        for i in order[::-1].tolist()
    ]
    saved, risked = float(share[stopped].sum()), float(likely[stopped].sum())
    return Stopping(risk, risked, float(kept.mean()), saved, by, tuple(candidates))


def _costs(jobs: Sequence[Job], forecasts: Sequence[Forecast]) -> tuple[np.ndarray, str]:
    """Return what runs have still to spend, and in what that is counted."""
    left = np.array([f.until - f.now for f in forecasts])
    tokens = [1.0 if job.unit == "tokens" else job.batch_tokens for job in jobs]
    sizes = [job.params for job in jobs]
    if any(each is None for each in tokens):
        return left, "steps"
    counted = left * np.array(tokens, float)
    if any(size is None for size in sizes):
        return counted, "tokens"
    return counted * np.array(sizes, float), "compute"
