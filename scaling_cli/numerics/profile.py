"""A profile along one coordinate: pulled outwards in lanes, then closed in on where it ends.

Each value is reached by a quadratic pull, not by a constraint: the minimum of objective + pull is
also the least objective at whatever value it ends at. So the engine solves profiles as it solves
fits, all values at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

STEPS = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])  # on each side, in half-widths of delta
FARTHER = 4.0  # factor by which the outermost steps grow while an end is not in sight
FARTHEST = 60.0  # from the optimum, in a logarithm: what is not bounded there is not
WIDENINGS = 5
PLACES = 5  # beside the optimum and its neighbours, where each value is begun
PASSES = 3  # of starting every value again where its neighbours ended
REFINEMENTS = 40
CHECKS = 6
SETTLED = 1e-3  # of the rise at an end, and of its distance: what may still be missed
CLOSE = 1e-9  # of the signed root of the rise, relative to its value at the ends


@dataclass(frozen=True)
class Target:
    """What is profiled, in a coordinate without bounds (the logarithm of what is positive).

    Parameters
    ----------
    u : array, shape (k,)
        Optimum in searched coordinates.
    others : array, shape (m, k)
        Other places to begin at. What is dead at the optimum (a term that has vanished) has no
        slope there, and would stay dead however far the coordinate is pulled.
    at : float
        Its coordinate there.
    step : float
        The delta method's half-width: how far to look first.
    along : array, shape (k,)
        How the searched coordinates move per unit of the coordinate, to first order.
    pull : callable
        From aims (lanes,) and starts (lanes, k) to ends (lanes, k) and the sum of objective and
        pull there (lanes,), infinite where a lane did not converge.
    reached : callable
        From ends (lanes, k) to the coordinate (lanes,).
    rise : callable
        From ends to the objective above its minimum in units of tau / 2, (lanes,).
    search : callable
        From an aim and the coordinate reached by it to where a search from many starts ends with
        the coordinate held there, (m, k), and whether that is a minimum.
    """

    u: np.ndarray
    others: np.ndarray
    at: float
    step: float
    along: np.ndarray
    pull: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    reached: Callable[[np.ndarray], np.ndarray]
    rise: Callable[[np.ndarray], np.ndarray]
    search: Callable[[float, float], tuple[np.ndarray, bool]]


class Curve(NamedTuple):
    """Points of a profile, ordered by what they were pulled to; leading axis: point."""

    aim: np.ndarray
    u: np.ndarray
    total: np.ndarray
    at: np.ndarray
    rise: np.ndarray

    def take(self, rows: np.ndarray | list[int]) -> "Curve":
        """Return some points."""
        return Curve(*(column[rows] for column in self))

    def joined(self, other: "Curve") -> "Curve":
        """Return the points of both, in order."""
        both = Curve(*map(np.concatenate, zip(self, other, strict=True)))
        return both.take(np.argsort(both.aim, kind="stable"))

    def replaced(self, where: np.ndarray, other: "Curve") -> "Curve":
        """Return the other's points where that is true, and these elsewhere."""
        pairs = zip(other, self, strict=True)
        return Curve(*(np.where(where.reshape(-1, *(1,) * (a.ndim - 1)), a, b) for a, b in pairs))


def sweep(target: Target, threshold: float) -> Curve:
    """Return the profile from one end of the interval to the other, or as far as it is followed.

    Parameters
    ----------
    target : Target
    threshold : float
        Rise at the ends.
    """
    aims = target.at + target.step * np.concatenate([-STEPS[::-1], STEPS])
    curve = _begun(target, aims)
    for _ in range(WIDENINGS):
        curve = _from_neighbours(target, curve)
        wider = [aim for side in (-1, 1) for aim in _wider(target, curve, side, threshold)]
        if not wider:
            break
        outer = np.array(wider)
        nearest = np.where(outer > target.at, len(curve.aim) - 1, 0)
        farther = _pulled(target, outer, curve.u[nearest])
        begun = _begun(target, outer)
        curve = curve.joined(farther.replaced(begun.total < farther.total, begun))
    return curve


def _begun(target: Target, aims: np.ndarray) -> Curve:
    """Pull from the optimum, from where it leads to first order, and from the other places."""
    led = target.u + np.outer(aims - target.at, target.along)
    begin = np.concatenate([led[:, None], _places(target, aims)], axis=1)
    count = begin.shape[1]
    tried = _pulled(target, np.repeat(aims, count), begin.reshape(-1, begin.shape[2]))
    best = np.argmin(tried.total.reshape(-1, count), axis=1) + count * np.arange(len(aims))
    return tried.take(best)


def _places(target: Target, aims: np.ndarray) -> np.ndarray:
    """Return the optimum and the other places nearest to each aim, shape (aims, places, k)."""
    optimum = np.broadcast_to(target.u, (len(aims), 1, len(target.u)))
    if not len(target.others):
        return optimum
    away = np.abs(aims[:, None] - target.reached(target.others))
    nearest = np.argsort(away, axis=1, kind="stable")[:, :PLACES]  # among equals, the best first
    return np.concatenate([optimum, target.others[nearest]], axis=1)


def _wider(target: Target, curve: Curve, side: int, threshold: float) -> list[float]:
    """Return where to look next on a side whose end is not in sight."""
    outermost = 0 if side < 0 else -1
    out = abs(float(curve.aim[outermost]) - target.at)
    if curve.rise[outermost] >= threshold or out >= FARTHEST * (1 - CLOSE):
        return []
    return [target.at + side * min(out * f, FARTHEST) for f in (FARTHER / 2, FARTHER)]


def _pulled(target: Target, aims: np.ndarray, begin: np.ndarray) -> Curve:
    u, total = target.pull(aims, begin)
    at, rise = np.full((2, len(aims)), np.nan)
    good = np.isfinite(total)  # a lane that ran away is nowhere
    if np.any(good):
        at[good], rise[good] = target.reached(u[good]), target.rise(u[good])
    u = np.where(good[:, None], u, target.u)
    return Curve(aims, u, total, at, rise)


def _from_neighbours(target: Target, curve: Curve) -> Curve:
    """Start every value again where its neighbours ended; keep what is lower."""
    for _ in range(PASSES):
        improved = False
        for shift in (1, -1):
            other = _pulled(target, curve.aim, np.roll(curve.u, shift, axis=0))
            lower = other.total < curve.total * (1 - CLOSE)
            improved |= bool(np.any(lower))
            curve = curve.replaced(lower, other)
        if not improved:
            break
    return curve


def end(target: Target, curve: Curve, side: int, threshold: float) -> tuple[float, bool]:
    """Return where the profile crosses the threshold on one side, and whether that is sure.

    Infinite where it does not cross. Where it crosses more than once, the outermost crossing
    counts. What is found is looked at from every other place, and by a search from many starts;
    where one leads lower there, the crossing lies farther out. It is not sure where one does so
    every time, or where the rest of the parameters has no minimum.
    """
    crossed, sure = side * np.inf, False
    for _ in range(CHECKS):
        crossing = _crossing(target, curve, side, threshold)
        if crossing is None:
            return side * np.inf, True
        aim, crossed = crossing.aim, crossing.at
        searched, ended = target.search(aim, crossed)
        begin = np.concatenate([target.others, searched])
        if not len(begin):
            return crossed, ended
        seen = _pulled(target, np.full(len(begin), aim), begin)
        best = int(np.argmin(seen.total))
        # A lower place that lies inside says nothing of what is outside.
        outside = side * (seen.at[best] - crossed) > -SETTLED * abs(crossed - target.at)
        if not (seen.rise[best] < threshold * (1 - CLOSE) - CLOSE and outside):
            return crossed, ended
        sure = ended and bool(seen.rise[best] > threshold * (1 - SETTLED))
        curve = curve.joined(seen.take([best]))
    return crossed, sure


class _Point(NamedTuple):
    aim: float
    u: np.ndarray
    rise: float
    at: float

    def miss(self, threshold: float) -> float:
        """Return by how much the root of the rise exceeds that of the threshold."""
        return float(np.sqrt(max(self.rise, 0.0))) - float(np.sqrt(threshold))


def _crossing(target: Target, curve: Curve, side: int, threshold: float) -> _Point | None:
    """Return the outermost point where the profile reaches the threshold on one side."""
    # A lane that was pulled out and ended on the other side is in a basin of its own.
    out = (side * (curve.aim - target.at) > 0) & (side * (curve.at - target.at) > 0)
    use = curve.take(out & np.isfinite(curve.total))
    rows = zip(*use.take(np.argsort(side * use.aim)), strict=True)
    points = [_Point(aim, u, float(rise), float(at)) for aim, u, _, at, rise in rows]
    if not points or points[-1].rise < threshold:
        return None
    points.insert(0, _Point(target.at, target.u, 0.0, target.at))
    i = max(j for j, point in enumerate(points) if point.rise < threshold)
    return _closed_in(target, points[i], points[i + 1], threshold)


def _closed_in(target: Target, inner: _Point, outer: _Point, threshold: float) -> _Point:
    """Find the crossing between two points by regula falsi (Illinois) on the root of the rise."""
    low, high, last = inner.miss(threshold), outer.miss(threshold), 0
    for _ in range(REFINEMENTS):
        aim = inner.aim + low / (low - high) * (outer.aim - inner.aim)
        begin = np.concatenate([[inner.u, outer.u], _places(target, np.array([aim]))[0]])
        tried = _pulled(target, np.full(len(begin), aim), begin)
        best = int(np.argmin(tried.total))
        if not np.isfinite(tried.total[best]):
            break  # no lane converged: what is known is interpolated below
        point = _Point(aim, tried.u[best], float(tried.rise[best]), float(tried.at[best]))
        miss = point.miss(threshold)
        if abs(miss) <= CLOSE * float(np.sqrt(threshold)):
            return point
        side = 1 if miss > 0 else -1
        if miss > 0:
            outer, high, low = point, miss, low / 2 if last == side else low
        else:
            inner, low, high = point, miss, high / 2 if last == side else high
        last = side
    share = inner.miss(threshold) / (inner.miss(threshold) - outer.miss(threshold))
    aim, at = (a + share * (b - a) for a, b in ((inner.aim, outer.aim), (inner.at, outer.at)))
    return _Point(float(aim), inner.u, threshold, float(at))
