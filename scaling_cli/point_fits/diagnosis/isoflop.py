"""N*(C) from isoFLOP slices: a parabola through each budget, a straight line through their optima.

A second opinion on the allocation that does not pass through the law's exponents. On real tables
the line missed the optima of budgets that were held back by 6 to 16 % where the law's N* missed
them by several times as much; but parabolas are biased on grids that are wide, lopsided or not
centred, so the bias of this very grid is simulated on the fitted law and printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import FARTHEST, on_slice, optimal_range, optimal_size
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.outcomes import TELLING

MOST_POINTS = 4096  # more are rows along runs, not slices
WINDOW = 0.2  # of ln C within which points belong to one budget
FEWEST_SIZES = 5
# Of compute that is planned to be equal: how nearly it is, how many sizes make a parabola, and the
# share of all points that such budgets hold where they are the design and no accident of a grid.
EQUAL, FEWEST_PLANNED, DESIGNED = 0.02, 3, 0.8
DOWNWARDS = "the loss does not curve upwards"
GRID = 4001  # sizes among which N* is sought where compute is not the law's
FEWEST_BUDGETS = 3
SAME_SIZE = 2  # decimals of ln N
# Half-width in ln N of the points a parabola sees: wider ones see the surface's asymmetry. With
# 1.0 held-out budgets of seven real tables were missed by 6, 12 and 16 % at half a decade, one
# and two; with 0.7 or 1.5 by up to twice that, with every point by five times.
NEAR = 1.0
SETTLED = 1e-6  # of ln N, where the window has stopped moving
MOST_MOVES = 20
# Half-width of ln N* per decade of compute beyond the budgets, added to that of the line: with it
# 85 to 89 % of held-out optima lay in a nominal 90 %.
DRIFT = 0.2


@dataclass(frozen=True)
class Budget:
    """One isoFLOP slice.

    Parameters
    ----------
    compute : float
        The geometric mean of its points, as logged where the slices are cut by that, else 6ND.
    n : int
        Points that the parabola saw.
    sizes : (float, float)
        Smallest and largest of them.
    curvature : float
        Half the second derivative of the output in ln N.
    optimum : float or None
        Size of least output; None where the parabola has no bracketed minimum.
    output : float or None
        The output there.
    centring : float or None
        ln of the optimum over the middle of the sizes, over half their range: 0 is centred.
    simulated : float or None
        ln of the optimum that the same points give on the fitted law's own losses over the
        law's true optimum.
    reason : str
        Why there is no optimum.
    """

    compute: float
    n: int
    sizes: tuple[float, float]
    curvature: float
    optimum: float | None
    output: float | None
    centring: float | None
    simulated: float | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return vars(self) | {"sizes": list(self.sizes)}


@dataclass(frozen=True)
class Line:
    """ln N* = centre + slope (ln C - mean): least squares through the budgets' optima."""

    mean: float
    centre: float
    slope: float
    sd: float
    """Of the optima around the line."""
    n: int
    spread: float
    """Sum of squares of ln C around its mean."""
    low: float
    high: float
    """Range of ln C of the budgets."""

    def at(self, compute: float) -> float:
        """Return N* at a compute."""
        return float(np.exp(self.centre + self.slope * (np.log(compute) - self.mean)))

    def half_width(self, compute: float, level: float) -> float:
        """Return the half-width of ln N*: the optimum of one more budget, and drift beyond."""
        x = np.log(compute)
        error = self.sd * np.sqrt(1 + 1 / self.n + (x - self.mean) ** 2 / self.spread)
        decades = max(0.0, x - self.high, self.low - x) / np.log(10)
        return float(np.hypot(quantile(level, self.n - 2) * error, DRIFT * decades))


@dataclass(frozen=True)
class Allocation:
    """N* at one compute by both ways; intervals are (low, high)."""

    compute: float
    size: float
    interval: tuple[float, float]
    law_size: float | None
    law_interval: tuple[float, float] | None

    @property
    def hull(self) -> tuple[float, float]:
        """The smallest interval that holds both."""
        both = [self.interval, *([self.law_interval] if self.law_interval else [])]
        return min(low for low, _ in both), max(high for _, high in both)

    @property
    def agree(self) -> bool | None:
        """Whether the law's N* lies in the interval of the line; None where that cannot be told.

        Without an N* of the law, or where the interval is so wide that anything lies in it.
        """
        low, high = self.interval
        if self.law_size is None:
            return None
        if not low <= self.law_size <= high:
            return False
        return True if high < TELLING * low else None

    def to_dict(self, level: float) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "C": self.compute,
            "N": self.size,
            "level": level,
            "interval": list(self.interval),
            "law": self.law_size,
            "law_interval": None if self.law_interval is None else list(self.law_interval),
            "hull": list(self.hull),
        }


@dataclass(frozen=True)
class IsoFlop:
    """The slices of a table and what they say about N*(C)."""

    budgets: Sequence[Budget]
    line: Line | None
    allocations: Sequence[Allocation]
    bias: float | None
    """ln N* of the line through simulated optima over the law's own, at the headline."""
    level: float
    logged: bool = False
    """Whether compute is that of the table, not the law's."""

    def nearest(self, compute: float) -> Allocation:
        """Return the allocation at the compute nearest to this one."""
        return min(self.allocations, key=lambda a: abs(np.log(a.compute / compute)))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        line = self.line
        return {
            "budgets": [b.to_dict() for b in self.budgets],
            "exponent": None if line is None else line.slope,
            "exponent_interval": None if line is None else self._slope_interval(line),
            "allocations": [a.to_dict(self.level) for a in self.allocations],
            "simulated_bias": self.bias,
            "compute": "logged" if self.logged else "by the law",
        }

    def _slope_interval(self, line: Line) -> list[float]:
        half = quantile(self.level, line.n - 2) * line.sd / np.sqrt(line.spread)
        return [float(line.slope - half), float(line.slope + half)]


def isoflop(
    points: Points,
    law: Law,
    draws: Mapping[str, np.ndarray],
    computes: Sequence[float],
    *,
    headline: float,
    level: float = 0.9,
) -> IsoFlop | None:
    """Look for isoFLOP slices and read N*(C) off them.

    Parameters
    ----------
    points : Points
    law : Law
        The fitted law: points of a budget are moved along it to the budget's mean compute, and
        the bias of the parabolas is simulated on it.
    draws : mapping of parameter to array, shape (draws,)
        Joint draws behind the law's own interval.
    computes : sequence of float
        Where N* is wanted.
    headline : float
        Where the bias of the parabolas is simulated.
    level : float

    Returns
    -------
    IsoFlop or None
        None where the table has no three slices: of three sizes where budgets are met exactly, by
        logged compute first; else of five.
    """
    spent = law.size_and_data()
    if spent is None or set(law.inputs()) != set(spent) or len(points) > MOST_POINTS:
        return None
    sizes, own = np.asarray(points.inputs[spent[0]], float), law.along(points.inputs)
    logged = [] if points.compute is None else planned(sizes, np.asarray(points.compute, float))
    slices = logged or planned(sizes, own) or slices_of(sizes, own)
    if len(slices) < FEWEST_BUDGETS:
        return None
    compute = np.asarray(points.compute, float) if logged else own
    counting = Counting.of(law, sizes, compute / own)
    times = float(np.max(compute) / np.max(own))  # from the law's compute to that of the slices
    budgets = [_budget(points, counting, sizes[rows], compute[rows], rows) for rows in slices]
    used = [b for b in budgets if b.optimum is not None]
    line = line_through([b.compute for b in used], [b.optimum or np.nan for b in used])
    if line is None:
        return IsoFlop(budgets, None, [], None, level, bool(logged))
    allocations = [_allocation(line, counting, draws, times * C, level) for C in computes]
    bias = _line_bias(counting, used, times * headline)
    return IsoFlop(budgets, line, allocations, bias, level, bool(logged))


@dataclass(frozen=True)
class Counting:
    """A law whose compute is counted as a table does: by a factor that depends on the size.

    Parameters
    ----------
    law : Law
    x, factor : array, shape (sizes,)
        ln of each size, and ln of compute as counted over the law's; beyond the sizes as at the
        nearest.
    """

    law: Law
    x: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, law: Law, sizes: np.ndarray, factors: np.ndarray) -> "Counting":
        """Return it by the median factor of each size; one factor where all are nearly 1."""
        x, member = np.unique(np.log(sizes), return_inverse=True)
        logs = np.log(factors)
        medians = np.array([np.median(logs[np.ravel(member) == k]) for k in range(len(x))])
        plain = bool(np.all(np.abs(medians) < EQUAL))
        return cls(law, x, np.zeros(len(x)) if plain else medians)

    def outputs(self, sizes: np.ndarray, compute: float) -> np.ndarray:
        """Return the output at these sizes with exactly this compute, as it is counted."""
        counted = np.exp(np.interp(np.log(sizes), self.x, self.factor))
        return on_slice(self.law, sizes, compute / counted)

    def optimum(self, compute: float) -> float | None:
        """Return N* at this compute, as it is counted; None where the law has none."""
        own = optimal_size(self.law, compute)
        if own is None or not self.factor.any():
            return own
        sizes = own * np.exp(np.linspace(-FARTHEST, FARTHEST, GRID))
        return float(sizes[np.nanargmin(self.outputs(sizes, compute))])


def planned(sizes: np.ndarray, compute: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each budget, by rising compute, where runs were planned by budgets.

    Nothing unless most points lie in budgets that are met exactly by three sizes or more.
    """
    order = np.argsort(compute, kind="stable")
    ends = np.flatnonzero(np.diff(np.log(compute[order])) > EQUAL) + 1
    slices = [
        rows
        for rows in np.split(order, ends)
        if len(np.unique(np.round(np.log(sizes[rows]), SAME_SIZE))) >= FEWEST_PLANNED
    ]
    held = sum(len(rows) for rows in slices)
    return slices if len(slices) >= FEWEST_BUDGETS and held >= DESIGNED * len(sizes) else []


def slices_of(sizes: np.ndarray, compute: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each budget, by rising compute: the densest windows of ln C first."""
    log_compute = np.log(compute)
    order, free = np.argsort(log_compute, kind="stable"), np.ones(len(compute), bool)
    slices = []
    while free.sum() >= FEWEST_SIZES:
        rows = order[free[order]]
        x = log_compute[rows]
        counts = np.searchsorted(x, x + WINDOW, side="right") - np.arange(len(x))
        first = int(np.argmax(counts))
        if counts[first] < FEWEST_SIZES:
            break
        inside = rows[first : first + counts[first]]
        free[inside] = False
        if len(np.unique(np.round(np.log(sizes[inside]), SAME_SIZE))) >= FEWEST_SIZES:
            slices.append(inside)
            free &= np.abs(log_compute - np.mean(log_compute[inside])) > WINDOW
    return sorted(slices, key=lambda rows: float(np.mean(log_compute[rows])))


def _budget(
    points: Points, counting: Counting, sizes: np.ndarray, compute: np.ndarray, rows: np.ndarray
) -> Budget:
    x, centre = np.log(sizes), float(np.exp(np.mean(np.log(compute))))
    moved = counting.outputs(sizes, centre)
    own = {s: np.asarray(v)[rows] for s, v in points.inputs.items()}
    output = np.asarray(points.output)[rows] + moved - np.asarray(counting.law(**own), float)
    near, curvature, best, least = parabola(x, output)
    low, high = float(np.min(x[near])), float(np.max(x[near]))
    sizes_run = float(np.exp(low)), float(np.exp(high))
    open_ = Budget(centre, int(np.sum(near)), sizes_run, curvature, None, None, None, None, "")
    if curvature <= 0:
        return replace(open_, reason=DOWNWARDS)
    if not low < best < high:
        side = "below" if best <= low else "above"
        return replace(open_, reason=f"the minimum lies {side} the sizes that were run")
    return replace(
        open_,
        optimum=float(np.exp(best)),
        output=least,
        centring=(best - (low + high) / 2) / ((high - low) / 2),
        simulated=_simulated_bias(counting, x, moved, centre),
    )


def parabola(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """Fit a parabola to the points near its own minimum.

    Returns
    -------
    near : array of bool, shape (n,)
        The points that were used: within NEAR of the minimum, at least FEWEST_SIZES.
    curvature, best, least : float
        Of (x - best)^2, where it is least, and the value there.
    """
    centre = float(x[np.argmin(y)])
    near, c, best, least = _parabola_near(x, y, centre)
    for _ in range(MOST_MOVES):
        there = float(np.clip(best, np.min(x), np.max(x)))
        if c <= 0 or abs(there - centre) < SETTLED:
            break
        centre = there
        near, c, best, least = _parabola_near(x, y, centre)
    return near, c, best, least


def _parabola_near(
    x: np.ndarray, y: np.ndarray, centre: float
) -> tuple[np.ndarray, float, float, float]:
    """Fit a parabola to the points within NEAR of a place, or the nearest few."""
    away = np.abs(x - centre)
    near = away <= max(NEAR, float(np.sort(away)[min(FEWEST_SIZES, len(x)) - 1]))
    mean = np.mean(x[near])
    columns = np.stack([np.ones(near.sum()), x[near] - mean, (x[near] - mean) ** 2], axis=1)
    a, b, c = np.linalg.lstsq(columns, y[near], rcond=None)[0].tolist()
    if c == 0:
        return near, 0.0, centre, a
    return near, c, float(mean - b / (2 * c)), a - b * b / (4 * c)


def _simulated_bias(
    counting: Counting, x: np.ndarray, moved: np.ndarray, compute: float
) -> float | None:
    true = counting.optimum(compute)
    near, curvature, best, _ = parabola(x, moved)
    if true is None or curvature <= 0:
        return None
    bracketed = np.min(x[near]) < best < np.max(x[near])
    return float(best - np.log(true)) if bracketed else None


def line_through(compute: Sequence[float], sizes: Sequence[float]) -> Line | None:
    """Return the straight line through optima in logarithms; None below FEWEST_BUDGETS."""
    if len(compute) < FEWEST_BUDGETS:
        return None
    x, y = np.log(compute), np.log(sizes)
    mean, centre = float(np.mean(x)), float(np.mean(y))
    spread = float(np.sum((x - mean) ** 2))
    slope = float(np.sum((x - mean) * (y - centre)) / spread)
    left = y - centre - slope * (x - mean)
    sd = float(np.sqrt(np.sum(left**2) / (len(x) - 2)))
    return Line(mean, centre, slope, sd, len(x), spread, float(np.min(x)), float(np.max(x)))


def _allocation(
    line: Line, counting: Counting, draws: Mapping[str, np.ndarray], compute: float, level: float
) -> Allocation:
    size, half = line.at(compute), line.half_width(compute, level)
    law, best = counting.law, counting.optimum(compute)
    ends = optimal_range(law, draws, compute, level)
    moved = (best or np.nan) / (optimal_size(law, compute) or np.nan)  # by the other count
    return Allocation(
        compute=compute,
        size=size,
        interval=(float(size * np.exp(-half)), float(size * np.exp(half))),
        law_size=best,
        law_interval=None if ends is None or best is None else (moved * ends[0], moved * ends[1]),
    )


def _line_bias(counting: Counting, used: Sequence[Budget], compute: float) -> float | None:
    """Return ln N* of the line through simulated optima over the law's own."""
    known = [(b.compute, b.simulated) for b in used if b.simulated is not None]
    own = {C: counting.optimum(C) or np.nan for C in (*(C for C, _ in known), compute)}
    optima = [own[C] * float(np.exp(moved)) for C, moved in known]
    line = line_through([C for C, _ in known], optima)
    return None if line is None else float(np.log(line.at(compute) / own[compute]))
