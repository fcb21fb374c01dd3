"""The fit of a curve law: damped Gauss-Newton on ln loss over many steps of a few runs.

Residuals and their derivatives come from the law's own equation under JAX, padded so that one
executable serves tables of similar size; the iteration itself has a handful of parameters and
runs in NumPy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.numerics.mestimate import huber
from scaling_cli.schedules._path import Path

# A tile is a point beside TILE of the drops before it: work is done for pairs that matter, and
# sums within a tile need no scatter. Arrays are padded so that similar tables share executables.
TILE, POINTS_PADDED, TILES_PADDED = 32, 64, 512
ARRAYS = ("step", "area", "params", "functional", "gap", "rate", "drop_step", "drop_area")
MOST_ITERATIONS = 300
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-12, 1e12
STILL = 1e-13  # of the objective: a step that gains less is the last
FLAT = 1e-10
Sensed = tuple[Any, Any]  # padded residuals and their derivatives
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
    known: Sensed | None = None,
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
    known : Sensed, optional
        What `sensed` says of the start: the same for all draws that begin there.
    """
    with jax.enable_x64(True):
        data = _stacked(problem)
        if times is not None:
            data["weight"][: len(times)] = times
        u = coordinates(start, problem.scales)
        current = _evaluate(problem, data, u, known)
        damping, iteration = FIRST_DAMPING, 0
        # A start whose curve turns negative somewhere has no loss and no way on.
        most = MOST_ITERATIONS if np.isfinite(current.value) else 0
        while iteration < most and damping < MOST_DAMPING:
            iteration += 1
            step = current.step(damping, problem.free)
            trial = _evaluate(problem, data, u + step)
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
    with jax.enable_x64(True):
        data = _stacked(problem)
        u = coordinates(law, problem.scales)
        residuals, jacobian = _kernel(problem.law)(u, data, problem.scales)
    there = data["weight"] > 0
    return Linearised(problem, u, np.asarray(residuals)[there], np.asarray(jacobian)[there])


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


def sensed(problem: CurveProblem, law: CurveLaw) -> Sensed:
    """Return the residuals of a law and their derivatives, padded."""
    with jax.enable_x64(True):
        at = coordinates(law, problem.scales)
        return _kernel(problem.law)(at, _stacked(problem), problem.scales)


def _evaluate(
    problem: CurveProblem,
    data: dict[str, np.ndarray],
    u: np.ndarray,
    known: Sensed | None = None,
) -> _Evaluation:
    residuals, jacobian = known or _kernel(problem.law)(u, data, problem.scales)
    there = data["weight"] > 0
    r, J, times = (np.asarray(v)[there] for v in (residuals, jacobian, data["weight"]))
    mean, precision = problem.prior.T
    size = np.abs(r)
    off = u - mean
    # A trial may have no loss that is positive, or no slope: its sum is infinite, and refused.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        weight = times * np.where(size <= problem.delta, 1.0, problem.delta / size)
        total = float(times @ huber(r, problem.delta) + 0.5 * precision @ off**2)
        gradient = J.T @ (weight * r) + precision * off
        hessian = (J.T * weight) @ J + np.diag(precision)
    there = np.isfinite(total) and np.isfinite(gradient).all() and np.isfinite(hessian).all()
    return _Evaluation(total if there else float("inf"), gradient, hessian, r)


@lru_cache
def _kernel(law: type[CurveLaw]) -> Any:
    """Return the jitted residuals, shape (runs, n), and Jacobian, (runs, n, k), of a law."""

    def residuals(u: Any, data: dict[str, Any], scales: Any) -> Any:
        fitted = law_at(law, u, scales)
        path = Path(**{name: data[name] for name in ARRAYS})
        predicted = fitted.backbone(path)
        if law.clock != "none":
            now, then = law.clocks(path)
            drops = data["tile_drops"]
            elapsed = (now[data["tile_point"]][:, None] - then[drops]) * data["tile_mask"]
            taken = (path.gap * fitted.effect(path))[drops]
            moved = fitted.relaxed(elapsed, path.rate[drops]) * taken
            total = jax.ops.segment_sum(moved.sum(1), data["tile_point"], len(now))
            predicted -= fitted.share(path) * total
        return jnp.log(predicted) - jnp.log(data["loss"])

    return jax.jit(lambda *given: (residuals(*given), jax.jacfwd(residuals)(*given)))


def _stacked(problem: CurveProblem) -> dict[str, np.ndarray]:
    """Return all runs as one: points, drops, and the tiles that say which drops a point sees."""
    paths, data = problem.paths, {}
    for name in ARRAYS:  # ones for what a law does not look at
        columns = [(getattr(path, name), np.ones(len(path.step))) for path in paths]
        data[name] = np.concatenate([ones if own is None else own for own, ones in columns])
    data["loss"] = np.concatenate(problem.losses)
    data["weight"] = np.ones(len(data["loss"]))
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
    padded["weight"][len(data["weight"]) :] = 0.0
    tiles = {"tile_point": point, "tile_drops": drops, "tile_mask": mask.astype(float)}
    return padded | {name: _filled(rows, TILES_PADDED, 0) for name, rows in tiles.items()}


def _filled(rows: np.ndarray, step: int, fill: float) -> np.ndarray:
    """Return rows with more of them at the end: a multiple of `step`, and not none."""
    more = -(-max(len(rows), 1) // step) * step - len(rows)
    return np.concatenate([rows, np.full((more, *rows.shape[1:]), fill, rows.dtype)])
