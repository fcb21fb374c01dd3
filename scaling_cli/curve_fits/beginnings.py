"""The warm-up before logs that begin after it: one fact of all runs, and what the curves say of it.

The area under the rate before the first logged step is the same in all runs of a model, but the
curves of different schedules feel it differently, and so tell it. The fit is repeated with warm-ups
that end anywhere between step 0 (none) and where the logs begin.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from scaling_cli.artefacts.curve_fit import BY_CURVES, HiddenWarmup
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.runs.curve import Curve

PLACES = 5  # of the grid between no warm-up and one that ends where the logs begin
ACCURATE = 0.01  # of that range
CLEARLY = 0.99  # the confidence from which the curves overrule what is assumed
BLIND = 1e-6  # of the objective: a law that changes by less does not see the warm-up


def begun_at(curves: Sequence[Curve], warmup: float) -> list[Curve]:
    """Return curves with another warm-up before logs that do not show it."""
    return [
        c if c.beginning is None else c.begun(replace(c.beginning, warmup=warmup)) for c in curves
    ]


def compare(
    curves: Sequence[Curve],
    objective: Callable[[Sequence[Curve]], tuple[float, float, float]],
    level: float,
) -> HiddenWarmup:
    """Return which warm-up is taken, and what the curves say of it.

    Parameters
    ----------
    curves : sequence of Curve
        Some of which do not show their warm-up.
    objective : function
        Of a law fitted to curves: the minimised sum, the misfit, and how many independent points
        are as good as all of them.
    level : float
        Of the interval.
    """
    hidden = [curve.beginning for curve in curves if curve.beginning]
    until, first = min(b.until for b in hidden), hidden[0]
    tried: dict[float, tuple[float, float, float]] = {}

    def value(warmup: float) -> float:
        if warmup not in tried:
            tried[warmup] = objective(begun_at(curves, warmup))
        return tried[warmup][0]

    taken = HiddenWarmup(until, first.warmup, first.source)
    if abs(value(until) / value(0.0) - 1) < BLIND:
        return taken
    value(first.warmup)
    best = _minimum(value, np.linspace(0.0, until, PLACES))
    misfits = {
        "none": tried[0.0][1],
        first.latest: tried[until][1],
        first.source: tried[first.warmup][1],
        BY_CURVES: tried[best][1],
    }
    least, _, independent = tried[best]
    excess = {w: independent * np.log(v / least) for w, (v, *_) in sorted(tried.items())}
    told = replace(
        taken,
        curves=best,
        level=level,
        interval=_within(excess, best, quantile(level)),
        misfits=misfits,
        contradicted=bool(excess[first.warmup] > quantile(CLEARLY) ** 2),
    )
    if told.contradicted and not first.stated:
        return replace(told, warmup=best, source=BY_CURVES, contradicted=False)
    return told


def _minimum(value: Callable[[float], float], grid: np.ndarray) -> float:
    """Return the lowest place of a grid, refined between its neighbours; whole steps."""
    from scipy.optimize import minimize_scalar

    near = int(np.argmin([value(float(place)) for place in grid]))
    low, high = grid[max(near - 1, 0)], grid[min(near + 1, len(grid) - 1)]
    options = {"xatol": ACCURATE * grid[-1]}
    ended = minimize_scalar(value, bounds=(low, high), method="bounded", options=options)
    return min([float(grid[near]), float(round(ended.x))], key=value)


def _within(excess: dict[float, float], best: float, most: float) -> tuple[float, float]:
    """Return between which places the root of the excess stays below `most`."""
    at, root = np.array([*excess]), np.sqrt(np.maximum([*excess.values()], 0.0))
    ends = []
    for side in (at <= best, at >= best):
        away = np.argsort(np.abs(at[side] - best))
        # Beyond what was tried nothing is known: the farthest place is the end.
        reached = np.maximum.accumulate(root[side][away])
        ends.append(float(np.interp(most, reached, at[side][away])))
    return ends[0], ends[1]
