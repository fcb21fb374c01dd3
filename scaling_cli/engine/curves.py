"""The fit of a curve law: damped Gauss-Newton on ln loss over many steps of a few runs.

Residuals and their derivatives come from the law's own equation under JAX, padded so that one
executable serves tables of similar size; the iteration itself has a handful of parameters and
runs in NumPy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.compiled import compiled
from scaling_cli.numerics.mestimate import huber
from scaling_cli.schedules._path import Path

# A tile is a point beside TILE of the drops before it: work is done for pairs that matter, and
# sums within a tile need no scatter. Arrays are padded so that similar tables share executables.
TILE, POINTS_PADDED, BLOCK = 32, 256, 512
ARRAYS = ("step", "area", "params", "functional", "gap", "rate", "drop_step", "drop_area")
MOST_ITERATIONS = 300
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-12, 1e12
STILL = 1e-13  # of the objective: a step that gains less is the last
FLAT = 1e-10
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
        """What `sensed` calls, with all runs as one on the device: the same for every refit."""
        scales = {name: np.asarray(scale) for name, scale in self.scales.items()}
        key, u = ("curve", *sorted(scales)), np.zeros(len(self.free))
        with jax.enable_x64(True):
            data = jax.device_put((_stacked(self.paths, self.losses), scales))
            run = compiled(self.law, key, lambda: _jitted(self.law), u, *data)
        return lambda u: np.asarray(run(u, *data))


@dataclass(frozen=True)
class CurveSolution:
    """Where one start ended."""

    law: CurveLaw
    value: float
    residuals: np.ndarray  # ln prediction - ln loss, runs after one another
    decrement: float  # what a whole step would still gain, as a share of the value
    iterations: int

    @property
    def converged(self) -> bool:
        """Whether this is a minimum."""
        return bool(np.isfinite(self.value) and self.decrement < CONVERGED)


def coordinates(law: CurveLaw, scales: Mapping[str, float]) -> np.ndarray:
    """Return the free coordinates of a law: logarithms, of coefficients at the scales."""
    free = {name: float(type(law).parameters()[name].free(v)) for name, v in law.values().items()}
    for name, shift in _shifts(type(law), law.values(), scales).items():
        free[name] -= float(shift)
    return np.array(list(free.values()))


def law_at(law: type[CurveLaw], u: Any, scales: Mapping[str, float]) -> CurveLaw:
    """Return the law at free coordinates (NumPy or JAX)."""
    xp, values = jnp if isinstance(u, jax.Array) else np, {}
    for (name, declared), v in zip(law.parameters().items(), u, strict=True):
        values[name] = xp.exp(v) if declared.positive else v
    for name, shift in _shifts(law, values, scales).items():
        values[name] = values[name] * xp.exp(shift)
    return law(**({n: float(v) for n, v in values.items()} if xp is np else values))


def _shifts(
    law: type[CurveLaw], values: Mapping[str, Any], scales: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how far ln of each coefficient lies above its coordinate."""
    log = jnp.log if any(isinstance(v, jax.Array) for v in scales.values()) else np.log
    return {
        name: sum(
            a.times * (values[a.exponent] if a.exponent else 1.0) * log(scales[a.input])
            for a in p.absorbs
        )
        for name, p in law.parameters().items()
        if p.absorbs
    }


def solve_curves(
    problem: CurveProblem,
    start: CurveLaw,
    *,
    times: np.ndarray | None = None,
    still: float = STILL,
    known: np.ndarray | None = None,
) -> CurveSolution:
    """Minimise from one start, until no step gains anything.

    Parameters
    ----------
    problem : CurveProblem
    start : CurveLaw
        Its loss must be positive at every point.
    times : array, shape (n,), optional
        How often each point counts, runs after one another. Default: once.
    still : float
        Share of the objective: a step that gains less is the last.
    known : array, optional
        What `sensed` says of the start: the same for all draws that begin there.
    """
    u = coordinates(start, problem.scales)
    counted = np.ones(problem.n_points) if times is None else times
    current = _evaluate(problem, counted, u, known)
    damping, iteration = FIRST_DAMPING, 0
    # A start whose curve turns negative somewhere has no loss and no way on.
    most = MOST_ITERATIONS if np.isfinite(current.value) else 0
    while iteration < most and damping < MOST_DAMPING:
        iteration += 1
        step = current.step(damping, problem.free)
        trial = _evaluate(problem, counted, u + step)
        gain = current.value - trial.value
        if not gain > 0:  # also where the trial has no finite loss
            damping *= 8
            continue
        u, current, damping = u + step, trial, max(damping / 4, LEAST_DAMPING)
        if gain < still * current.value:
            break
    law, decrement = law_at(problem.law, u, problem.scales), current.decrement(problem.free)
    return CurveSolution(law, current.value, current.residuals, decrement, iteration)


@dataclass(frozen=True)
class Linearised:
    """A solution as a straight line: residuals + jacobian @ (u - at), runs after one another."""

    problem: CurveProblem
    at: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray  # shape (n, k)


def linearise(problem: CurveProblem, law: CurveLaw) -> Linearised:
    """Return the residuals of a law and their derivatives by its free coordinates."""
    rows = sensed(problem, law)[: problem.n_points]
    return Linearised(problem, coordinates(law, problem.scales), rows[:, 0], rows[:, 1:])


class _Evaluation(NamedTuple):
    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    residuals: np.ndarray

    def step(self, damping: float, free: np.ndarray) -> np.ndarray:
        """Return the damped step; coordinates that are not free stay."""
        hessian = self.hessian[np.ix_(free, free)]
        size = np.diag(hessian)
        # A coordinate on its way to a bound (a floor of zero) has no curvature left of its own.
        damped = hessian + damping * np.diag(np.maximum(size, FLAT * size.max()))
        step = np.zeros(len(free))
        step[free] = np.linalg.solve(damped, -self.gradient[free])
        return step

    def decrement(self, free: np.ndarray) -> float:
        """Return what a whole step would still gain, as a share of the value."""
        if not np.isfinite(self.value):
            return float("inf")
        gradient = self.gradient[free]
        step = np.linalg.lstsq(self.hessian[np.ix_(free, free)], gradient, rcond=None)[0]
        return float(0.5 * gradient @ step / self.value)


def sensed(problem: CurveProblem, law: CurveLaw) -> np.ndarray:
    """Return the residuals of a law and their derivatives, shape (n, 1 + k), padded."""
    return _sensed(problem, coordinates(law, problem.scales))


def _sensed(problem: CurveProblem, u: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return problem.sensing(u)


def _evaluate(
    problem: CurveProblem, times: np.ndarray, u: np.ndarray, known: np.ndarray | None = None
) -> _Evaluation:
    rows = _sensed(problem, u) if known is None else known
    there = times > 0
    rows, times = rows[: len(times)][there], times[there]
    r, J = rows[:, 0], rows[:, 1:]
    mean, precision = problem.prior.T
    size = np.abs(r)
    off = u - mean
    # A trial may have no loss that is positive, or no slope: its sum is infinite, and refused.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        weight = times * np.where(size <= problem.delta, 1.0, problem.delta / size)
        total = float(times @ huber(r, problem.delta) + 0.5 * precision @ off**2)
        gradient = J.T @ (weight * r) + precision * off
        hessian = (J.T * weight) @ J + np.diag(precision)
    finite = np.isfinite(total) and np.isfinite(gradient).all() and np.isfinite(hessian).all()
    return _Evaluation(total if finite else float("inf"), gradient, hessian, r)


@lru_cache
def _jitted(law: type[CurveLaw]) -> Any:
    """Return the jitted residuals of a law with their derivatives.

    Nearly all of the time goes to the pairs of a point and a drop. So `relaxed` is linearised only
    in the parameters that it reads, and what drops take off in those that `effect` reads.
    """

    def rows(u: Any, data: dict[str, Any], scales: Any) -> Any:
        path = Path(**{name: data[name] for name in ARRAYS})

        def around(u: Any) -> Any:
            fitted = law_at(law, u, scales)
            ones = jnp.ones_like(path.area)
            return fitted.backbone(path), ones * fitted.share(path), _vector(fitted)

        at, slopes = around(u), jax.jacfwd(around)(u)
        predicted, by_u = at[0][:, None], slopes[0]
        if law.clock != "none":
            total, by_value = _drops(law, path, data, at[2])
            share = at[1][:, None]
            predicted -= share * total[:, None]
            by_u -= share * (by_value @ slopes[2]) + slopes[1] * total[:, None]
        residuals = jnp.log(predicted) - jnp.log(data["loss"])[:, None]
        return jnp.concatenate([residuals, by_u / predicted], axis=1)

    return jax.jit(rows, keep_unused=True)


def _vector(law: CurveLaw) -> Any:
    return jnp.stack([getattr(law, name) for name in law.parameters()])


def _drops(law: type[CurveLaw], path: Path, data: dict[str, Any], values: Any) -> tuple[Any, Any]:
    """Return the sum over drops at each point, and its derivatives by the law's parameters."""
    now, then = law.clocks(path)
    effect, effect_by = _linearised(lambda *v: path.gap * _law(law, v).effect(path), [*values])

    def sums(tiles: tuple[Any, Any, Any]) -> Any:
        point, drops, mask = tiles
        elapsed, rate = (now[point][:, None] - then[drops]) * mask, path.rate[drops]
        moved, moved_by = _linearised(lambda *v: _law(law, v).relaxed(elapsed, rate), [*values])
        columns = [jnp.zeros(len(point))] * len(values)
        for i, slope in moved_by.items():
            columns[i] += (slope * effect[drops]).sum(1)
        for i, slope in effect_by.items():
            columns[i] += (moved * slope[drops]).sum(1)
        return jnp.stack([(moved * effect[drops]).sum(1), *columns], axis=1)

    # In blocks that stay in the processor's cache.
    tiles = [data[f"tile_{name}"] for name in ("point", "drops", "mask")]
    each = jax.lax.map(sums, [rows.reshape(-1, BLOCK, *rows.shape[1:]) for rows in tiles])
    each = each.reshape(-1, each.shape[-1])
    total = jax.ops.segment_sum(each, data["tile_point"], len(now))
    return total[:, 0], total[:, 1:]


def _law(law: type[CurveLaw], values: Sequence[Any]) -> CurveLaw:
    return law(**dict(zip(law.parameters(), values, strict=True)))


def _linearised(function: Callable[..., Any], values: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
    """Return a function's value and its derivatives by those of its arguments that it reads."""
    traced = jax.make_jaxpr(function)(*values).jaxpr
    used = {id(read) for equation in traced.eqns for read in equation.invars}
    read = [i for i, argument in enumerate(traced.invars) if id(argument) in used]

    def of_read(*some: Any) -> Any:
        return function(*[some[read.index(i)] if i in read else v for i, v in enumerate(values)])

    value, along = jax.linearize(of_read, *(values[i] for i in read))
    # A barrier, or exp and ln of every pair are taken again for each derivative.
    value, along = jax.lax.optimization_barrier((value, along))
    one, zero = jnp.ones(()), jnp.zeros(())
    return value, {i: along(*(one if i == j else zero for j in read)) for i in read}


def _stacked(paths: Sequence[Path], losses: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return all runs as one: points, drops, and the tiles that say which drops a point sees."""
    data = {}
    for name in ARRAYS:  # ones for what a law does not look at
        columns = [(getattr(path, name), np.ones(len(path.step))) for path in paths]
        data[name] = np.concatenate([ones if own is None else own for own, ones in columns])
    data["loss"] = np.concatenate(losses)
    # Drops are in order of their steps: a point sees the first few of its run.
    seen = np.concatenate([np.searchsorted(p.drop_step, p.step, side="right") for p in paths])
    before = np.cumsum([0, *(len(p.gap) for p in paths)])[:-1]
    offset = np.repeat(before, [len(p.step) for p in paths])
    tiles = -(-seen // TILE)
    point = np.repeat(np.arange(len(seen)), tiles)
    number = np.arange(len(point)) - np.repeat(np.cumsum(tiles) - tiles, tiles)
    place = number[:, None] * TILE + np.arange(TILE)
    mask = place < seen[point][:, None]
    drops = np.where(mask, place + offset[point][:, None], 0)
    # What is added has no weight, no size, no elapsed time; the last, repeated, stays inside the
    # law's domain.
    padded = {name: _filled(v, POINTS_PADDED, v[-1] if len(v) else 1.0) for name, v in data.items()}
    padded["gap"][len(data["gap"]) :] = 0.0
    tiles = {"tile_point": point, "tile_drops": drops, "tile_mask": mask.astype(float)}
    return padded | {name: _filled(rows, BLOCK, 0) for name, rows in tiles.items()}


def _filled(rows: np.ndarray, step: int, fill: float) -> np.ndarray:
    """Return rows with more of them at the end: a multiple of `step`, and not none."""
    more = -(-max(len(rows), 1) // step) * step - len(rows)
    return np.concatenate([rows, np.full((more, *rows.shape[1:]), fill, rows.dtype)])
