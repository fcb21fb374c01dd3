"""The fit of a curve law: damped Gauss-Newton on ln loss over many steps of a few runs.

Residuals and their derivatives come from the law's own equation under JAX, padded so that one
executable serves tables of similar size. They are what costs, so each linearisation is used up:
Huber's sum of the linearised residuals is minimised, a handful of parameters in NumPy for many
refits at once, and what that promises beside what it brings says how far the next may go.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.compiled import compiled
from scaling_cli.engine.curve_coordinates import AT_DROPS, AT_POINTS, coordinates, law_at
from scaling_cli.numerics.mestimate import huber
from scaling_cli.schedules._path import Path
from scaling_cli.vocabulary.workers import processors

# A tile is POINTS points of a run beside DROPS of the drops before the last of them; as many tiles
# are summed at once as stay in the processor's cache. Arrays are padded, so that similar tables and
# their parts share executables; what is added to the tiles costs no time.
POINTS, DROPS, TILES, LEAST_ROOM = 16, 32, 16, 32
NOWHERE = 2**30  # a block that is not there: what is added to it is lost
NEAR, LEAST_AREA = 1 / 3, 1 / 64  # of the distance of drops; of the area of a run
MOST_ITERATIONS, MOST_INNER = 300, 30
FIRST_DAMPING, LEAST_DAMPING = 1e-3, 1e-12
NEAR_DAMPING = 1e-5  # of what begins near its end
WELL, BADLY = 0.75, 0.25  # of what was promised: a step that brings more, or less
FACTORS, REFUSED, EASED = (1 / 16, 1.0, 4.0), 8.0, 1e3  # of the damping after each
BENDS = -0.9, 10.0  # of the curvature of tangents: what they may miss
SURE = 1e-8  # of the cosine of a step and what it taught
LARGEST = 1e100  # residual or slope with which doubles can calculate
STILL = 1e-12  # of the objective: where a step promises less, a refit ends
ENOUGH = 1e-4  # of what the linearised sum has lost: an inner step that gains less is the last
FLAT = 1e-10
R = TypeVar("R")
CONVERGED = 1e-9  # of the objective: a minimum is where a whole step would gain less


@dataclass(frozen=True)
class CurveProblem:
    """What is minimised: Huber of ln prediction - ln loss, summed, plus the penalty of a prior.

    Parameters
    ----------
    law : type[CurveLaw]
    paths : sequence of Path
        One per run, compressed, rates in one unit.
    losses : sequence of array
        Measured, nats/token.
    delta : float
        Huber's corner.
    prior : array, shape (k, 2)
        Mean and precision of each free coordinate; precision zero where there is none.
    free : bool array, shape (k,)
        Coordinates that are searched; the others stay where they start.
    scales : mapping of input to float
        Where coefficients are measured: the coordinate of A is ln(A area^-alpha), the size of its
        term at a typical area, which the data determine.
    """

    law: type[CurveLaw]
    paths: Sequence[Path]
    losses: Sequence[np.ndarray]
    delta: float
    prior: np.ndarray
    free: np.ndarray
    scales: Mapping[str, float]

    @property
    def n_points(self) -> int:
        """Return the number of points of all runs."""
        return sum(map(len, self.losses))

    @cached_property
    def sensing(self) -> Callable[[np.ndarray], np.ndarray]:
        """Residuals at free coordinates, and their derivatives: of all runs, on the device.

        Its result has shape (n, 1 + k).
        """
        scales = {name: np.asarray(scale) for name, scale in self.scales.items()}
        key, u = ("curve", *sorted(scales)), np.zeros(len(self.free))

        def jitted() -> Any:
            from scaling_cli.engine import curve_kernel  # late: an executable needs no JAX

            return curve_kernel.jitted(self.law)

        data = _stacked(self.law, self.paths, self.losses), scales
        run = compiled(self.law, key, jitted, u, *data).bound(*data)
        return lambda u: np.asarray(run(u))[: self.n_points]


@dataclass(frozen=True)
class Linearised:
    """A solution as a straight line: residuals + jacobian @ (u - at), runs after one another."""

    problem: CurveProblem
    at: np.ndarray
    rows: np.ndarray  # shape (n, 1 + k)

    @property
    def residuals(self) -> np.ndarray:
        """Return ln prediction - ln loss, shape (n,)."""
        return self.rows[:, 0]

    @property
    def jacobian(self) -> np.ndarray:
        """Return the derivatives by the free coordinates, shape (n, k)."""
        return self.rows[:, 1:]


@dataclass(frozen=True)
class CurveSolution:
    """Where one start ended."""

    law: CurveLaw
    value: float
    line: Linearised  # there
    decrement: float  # what a whole step would still gain, as a share of the value
    iterations: int

    @property
    def converged(self) -> bool:
        """Whether this is a minimum."""
        return bool(np.isfinite(self.value) and self.decrement < CONVERGED)


def solve_curves(
    problem: CurveProblem,
    starts: Sequence[CurveLaw],
    *,
    times: np.ndarray | None = None,
    still: float = STILL,
    known: Linearised | None = None,
) -> list[CurveSolution]:
    """Minimise from each start, until no step promises anything.

    Parameters
    ----------
    problem : CurveProblem
    starts : sequence of CurveLaw
        A loss must be positive at every point that counts.
    times : array, shape (starts, n), optional
        How often each of them counts each point, runs after one another. Default: once.
    still : float
        Share of the objective: where a step promises less, a refit ends.
    known : Linearised, optional
        What is known of the one law that all starts are: they begin near their ends.
    """
    u = np.array([coordinates(start, problem.scales) for start in starts])
    counted = np.ones((len(u), problem.n_points)) if times is None else times
    rows = np.array([problem.sensing(at) for at in u] if known is None else [known.rows] * len(u))
    damping = np.full(len(u), FIRST_DAMPING if known is None else NEAR_DAMPING)
    lanes = _Lanes(problem, counted, u, rows, _values(problem, counted, u, rows), damping)
    iterations = lanes.descend(still)
    return [
        CurveSolution(
            law_at(problem.law, u[lane], problem.scales),
            float(lanes.value[lane]),
            Linearised(problem, u[lane], rows[lane]),
            _decrement(problem, counted[lane], u[lane], rows[lane]),
            int(iterations[lane]),
        )
        for lane in range(len(u))
    ]


def _values(
    problem: CurveProblem, times: np.ndarray, u: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return objectives: infinite where a point has no loss that is positive, or no slope."""
    mean, precision = problem.prior.T
    there = np.where(times[:, :, None] > 0, rows, 0.0)
    usable = np.all(np.abs(there) < LARGEST, axis=(1, 2))
    sums = np.einsum(
        "mn,mn->m", times, huber(np.where(usable[:, None], there[:, :, 0], 0.0), problem.delta)
    )
    return np.where(usable, sums + 0.5 * (u - mean) ** 2 @ precision, np.inf)


def _decrement(problem: CurveProblem, times: np.ndarray, u: np.ndarray, rows: np.ndarray) -> float:
    """Return what a whole step would still gain, as a share of the value."""
    [value] = _values(problem, times[None], u[None], rows[None])
    if not np.isfinite(value):
        return float("inf")
    mean, precision = problem.prior.T
    there, free = rows[times > 0], problem.free
    weight = times[times > 0] * _irls(there[:, 0], problem.delta)
    gradient = there[:, 1:].T @ (weight * there[:, 0]) + precision * (u - mean)
    hessian = (there[:, 1:].T * weight) @ there[:, 1:] + np.diag(precision)
    step = np.linalg.lstsq(hessian[np.ix_(free, free)], gradient[free], rcond=None)[0]
    return float(0.5 * gradient[free] @ step / value)


def _irls(residuals: np.ndarray, delta: float) -> np.ndarray:
    """Return the weights of least squares that have Huber's gradient."""
    return delta / np.maximum(np.abs(residuals), delta)


@dataclass(frozen=True)
class _Lanes:
    """Refits side by side, moved in place: where each stands, and what its way has taught."""

    problem: CurveProblem
    times: np.ndarray  # shape (m, n)
    u: np.ndarray  # (m, k)
    rows: np.ndarray  # (m, n, 1 + k)
    value: np.ndarray  # (m,)
    damping: np.ndarray  # (m,)

    @cached_property
    def least(self) -> np.ndarray:
        """Return the damping below which the last step was refused, (m,)."""
        return np.full(len(self.u), LEAST_DAMPING)

    @cached_property
    def bend(self) -> np.ndarray:
        """Return what tangents miss of the second derivatives, as learnt so far, (m, k, k)."""
        return np.zeros((*self.u.shape, self.u.shape[1]))

    def descend(self, still: float) -> np.ndarray:
        """Move each refit until nothing is promised; return how often it was tried, (m,)."""
        tries = np.zeros(len(self.u), int)
        # A start whose curve turns negative somewhere has no loss and no way on.
        live = np.flatnonzero(np.isfinite(self.value))
        while len(live):
            step, promised = _Tangents.of(self, live).lowest(self.damping[live])
            small = promised <= still * self.value[live]
            ended = self._eased(live, small)
            moved = live[~small]
            if len(moved):
                self._move(moved, step[~small], promised[~small])
            tries[moved] += 1
            live = live[~ended & (tries[live] < MOST_ITERATIONS)]
        return tries

    def _eased(self, live: np.ndarray, small: np.ndarray) -> np.ndarray:
        """Return which refits have ended of those that are promised little.

        More may be promised without what they have learnt, or with less damping.
        """
        taught = self.bend[live].any((1, 2))
        ended = small & ~taught & (self.damping[live] <= self.least[live])
        self.bend[live[small & taught]] = 0.0
        lower = live[small & ~taught]
        self.damping[lower] = np.maximum(self.damping[lower] / EASED, self.least[lower])
        return ended

    def _move(self, lanes: np.ndarray, step: np.ndarray, promised: np.ndarray) -> None:
        """Try steps, keep those that lower the sum, and learn from all."""
        u = self.u[lanes] + step
        rows = np.array([self.problem.sensing(at) for at in u])
        value = _values(self.problem, self.times[lanes], u, rows)
        share = (self.value[lanes] - value) / promised
        fell = share > 0
        self.bend[lanes] += self._taught(lanes, step, rows, fell)
        factor = np.select([share > WELL, share > BADLY, fell], FACTORS, REFUSED)
        self.damping[lanes] = np.maximum(self.damping[lanes] * factor, LEAST_DAMPING)
        self.least[lanes] = np.where(fell, LEAST_DAMPING, self.damping[lanes])
        for own, new in ((self.u, u), (self.rows, rows), (self.value, value)):
            own[lanes[fell]] = new[fell]

    def _taught(
        self, lanes: np.ndarray, step: np.ndarray, rows: np.ndarray, fell: np.ndarray
    ) -> np.ndarray:
        """Return the symmetric change of rank one with which `bend` explains how slopes turned."""
        times, delta, before = self.times[lanes], self.problem.delta, self.rows[lanes]
        at = np.where(fell[:, None], rows[:, :, 0], before[:, :, 0])
        with np.errstate(invalid="ignore", over="ignore"):  # a trial without a loss teaches nothing
            turned = np.where(times[:, :, None] > 0, rows - before, 0.0)[:, :, 1:]
            pull = np.where(times > 0, times * np.clip(at, -delta, delta), 0.0)
            known = (self.bend[lanes] @ step[:, :, None])[:, :, 0]
            missed = np.einsum("mn,mnk->mk", pull, turned) - known
            along = np.einsum("mk,mk->m", missed, step)
            sure = np.abs(along) > SURE * np.linalg.norm(missed, axis=1) * np.linalg.norm(
                step, axis=1
            )
            change = (
                missed[:, :, None] * missed[:, None] / np.where(sure, along, 1.0)[:, None, None]
            )
        return np.where(sure[:, None, None], change, 0.0)


@dataclass(frozen=True)
class _Tangents:
    """Sums of Huber along straight lines, a refit each, with priors and what lines miss.

    Coordinates are those that are free, in units in which the curvature of each is one.
    """

    delta: float
    times: np.ndarray  # shape (m, n)
    residuals: np.ndarray  # (m, n)
    jacobian: np.ndarray  # (m, n, f)
    precision: np.ndarray  # (m, f)
    off: np.ndarray  # (m, f), from the means of the priors
    bend: np.ndarray  # (m, f, f)
    size: np.ndarray  # (m, k), of the units; zero where a coordinate is not free

    @classmethod
    def of(cls, lanes: _Lanes, live: np.ndarray) -> "_Tangents":
        """Return the tangents of some refits; points that are not counted need have no loss."""
        problem, times = lanes.problem, lanes.times[live]
        free, (mean, precision) = problem.free, problem.prior[problem.free].T
        rows = np.where(times[:, :, None] > 0, lanes.rows[live], 0.0)
        residuals, jacobian = rows[:, :, 0], rows[:, :, 1:][:, :, free]
        weight = times * _irls(residuals, problem.delta)
        curvature = np.einsum("mn,mnk->mk", weight, jacobian**2) + precision
        # A coordinate on its way to a bound (a floor of zero) has no curvature left of its own.
        unit = 1 / np.sqrt(np.maximum(curvature, FLAT * curvature.max(1, keepdims=True)))
        size = np.zeros((len(live), len(free)))
        size[:, free] = unit
        jacobian *= unit[:, None]
        bend = lanes.bend[live][:, free][:, :, free] * unit[:, :, None] * unit[:, None]
        flat = (
            _diagonal(precision * unit**2)
            + (jacobian.transpose(0, 2, 1) * weight[:, None]) @ jacobian
        )
        off = (lanes.u[live][:, free] - mean) / unit
        bend = _bounded(bend, flat) if bend.any() else bend
        return cls(problem.delta, times, residuals, jacobian, precision * unit**2, off, bend, size)

    def take(self, lanes: np.ndarray) -> "_Tangents":
        """Return these refits only."""
        arrays = (getattr(self, field.name)[lanes] for field in fields(self)[1:])
        return _Tangents(self.delta, *arrays)

    def value(
        self, z: np.ndarray, residuals: np.ndarray, damping: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Return the sums after steps z, (m, f), that led to these residuals, (m, n)."""
        sums = np.einsum("mn,mn->m", self.times, huber(residuals, self.delta))
        sums += 0.5 * (self.precision * (self.off + z) ** 2).sum(1)
        return (
            sums + 0.5 * np.einsum("mi,mij,mj->m", z, self.bend, z) + 0.5 * damping * (z**2).sum(1)
        )

    def lowest(self, damping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps, (m, k), to the lowest damped sums, and how far the sums fall, (m,)."""
        z, residuals = np.zeros(self.off.shape), self.residuals.copy()
        first = self.value(z, residuals)
        now, soft, live = first.copy(), np.zeros(len(z), bool), np.arange(len(z))
        for _ in range(MOST_INNER):
            some = self.take(live)
            step = some.newton(z[live], residuals[live], damping[live], soft[live])
            there = residuals[live] + (some.jacobian @ step[:, :, None])[:, :, 0]
            sums = some.value(z[live] + step, there, damping[live])
            gain = now[live] - sums
            fell = gain > 0
            moved = live[fell]
            z[moved] += step[fell]
            residuals[moved], now[moved] = there[fell], sums[fell]
            # Newton's step may overshoot; reweighting cannot, but for rounding.
            ended = np.where(fell, gain <= ENOUGH * (first[live] - sums), soft[live])
            soft[live] = ~fell
            live = live[~ended]
            if not len(live):
                break
        steps = self.size.copy()
        steps[self.size > 0] *= z.ravel()
        return steps, first - self.value(z, residuals)

    def newton(
        self, z: np.ndarray, residuals: np.ndarray, damping: np.ndarray, soft: np.ndarray
    ) -> np.ndarray:
        """Return Newton's steps; where `soft`, those of reweighted least squares."""
        slope = self.times * np.clip(residuals, -self.delta, self.delta)
        inside = np.abs(residuals) <= self.delta
        weight = self.times * np.where(soft[:, None], _irls(residuals, self.delta), inside)
        turned = self.jacobian.transpose(0, 2, 1)
        own = _diagonal(self.precision + damping[:, None]) + self.bend
        hessian = (turned * weight[:, None]) @ self.jacobian + own
        pull = own @ z[:, :, None] + turned @ slope[:, :, None]
        gradient = pull[:, :, 0] + self.precision * self.off
        return -np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]


def _diagonal(values: np.ndarray) -> np.ndarray:
    return values[:, :, None] * np.eye(values.shape[1])


def _bounded(bend: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Return what tangents miss between bounds relative to them, (m, f, f): the sum is convex."""
    root = np.linalg.cholesky(flat + FLAT * np.eye(flat.shape[1]))
    relative = np.linalg.solve(root, np.linalg.solve(root, bend).transpose(0, 2, 1))
    shares, axes = np.linalg.eigh(relative)
    axes = root @ axes
    return (axes * np.clip(shares, *BENDS)[:, None]) @ axes.transpose(0, 2, 1)


def side_by_side(names: Iterable[str], function: Callable[[str], R]) -> dict[str, R]:
    """Return a function of each name: XLA compiles and runs outside the interpreter's lock."""
    keys = [*names]
    with ThreadPoolExecutor(processors()) as threads:
        return dict(zip(keys, threads.map(function, keys), strict=True))


def linearise(problem: CurveProblem, law: CurveLaw) -> Linearised:
    """Return the residuals of a law and their derivatives by its free coordinates."""
    u = coordinates(law, problem.scales)
    return Linearised(problem, u, problem.sensing(u))


def _stacked(
    law: type[CurveLaw], paths: Sequence[Path], losses: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Return all runs as one: points, and for each block of them rows of the drops that it sees."""
    data = {name: _column(paths, name) for name in AT_POINTS} | {"loss": np.concatenate(losses)}
    points, place, seen, first = [], [], [], 0
    for path in paths:
        n = len(path.step)
        own = np.minimum(np.arange(-(-n // POINTS) * POINTS), n - 1).reshape(-1, POINTS)
        place.append(len(seen) * POINTS + np.arange(n))
        points.append(first + own)
        seen += [_seen(law, path, block) for block in own]
        first += n
    data |= {"points": np.concatenate(points), "place": np.concatenate(place)}
    return {name: _filled(rows, rows[-1]) for name, rows in data.items()} | _rounds(seen)


def _column(paths: Sequence[Path], name: str) -> np.ndarray:
    """Return a quantity at all points; ones for what a law does not look at."""
    columns = [(getattr(path, name), np.ones(len(path.step))) for path in paths]
    return np.concatenate([ones if own is None else own for own, ones in columns])


def _seen(law: type[CurveLaw], path: Path, points: np.ndarray) -> Path:
    """Return the drops that some points of a run see, those far away taken together.

    A stretch is at most a share NEAR of its distance, and neither rate nor area doubles in it: so
    two drops in its place change losses by less than 1e-6 nats/token.
    """
    count = int(np.searchsorted(path.drop_step, path.step[points].max(), side="right"))
    drops = replace(path, **{name: getattr(path, name)[:count] for name in AT_DROPS})
    if not count:
        return drops
    now, then = law.clocks(drops)
    away, alone = now[points].min() - then, -float(NOWHERE) - np.arange(count)
    distance = np.log(np.where(away > 0, away, 1.0)) / np.log1p(NEAR)
    area = np.maximum(drops.drop_area, LEAST_AREA * path.area.max())
    kinds = (
        np.where(away > 0, np.floor(distance), alone),
        np.sign(drops.gap),
        np.floor(np.log2(drops.rate)),
        np.floor(np.log2(area)),
    )
    return drops.merged(np.append(True, np.any([np.diff(kind) != 0 for kind in kinds], axis=0)))


def _rounds(seen: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the drops of each block in rows, TILES at a time, and how many times.

    What is added to a row has no size, and rows that are added are of no block.
    """
    rows = [-(-len(drops.gap) // DROPS) for drops in seen]
    rounds = -(-sum(rows) // TILES)
    block = np.full(rounds * TILES, NOWHERE)
    block[: sum(rows)] = np.repeat(np.arange(len(rows)), rows)
    data = {"block": _filled(block.reshape(-1, TILES), NOWHERE), "rounds": np.array(rounds)}
    for name in AT_DROPS:
        columns = [getattr(drops, name) for drops in seen]
        more = [-len(column) % DROPS for column in columns]
        ends = [0.0 if name == "gap" else column[-1] if len(column) else 1.0 for column in columns]
        parts = [np.append(c, np.full(m, e)) for c, m, e in zip(columns, more, ends, strict=True)]
        blank = np.full((rounds * TILES - sum(rows)) * DROPS, 0.0 if name == "gap" else 1.0)
        whole = np.concatenate([*parts, blank]).reshape(-1, TILES, DROPS)
        data[name] = _filled(whole, 0.0 if name == "gap" else 1.0)
    return data


def _filled(rows: np.ndarray, fill: Any) -> np.ndarray:
    """Return rows with more at the end, to a power of two, so that similar tables are one shape."""
    least = LEAST_ROOM * (POINTS if rows.ndim == 1 else 1)
    room = max(least, 1 << max(len(rows) - 1, 0).bit_length())
    more = np.broadcast_to(np.asarray(fill, rows.dtype), (room - len(rows), *rows.shape[1:]))
    return np.concatenate([rows, more])
