"""The optimiser: batched damped Newton over many lanes (starts or resamples) under one jit.

A lane is one optimisation. All lanes share the law and the inputs; each has its own start,
outputs, weights and prior. Every iteration evaluates value, gradient and two Hessians in float64:
the exact one, without which Huber's linear arms converge slowly, and the IRLS Gauss-Newton one,
positive semidefinite, in whose metric the exact one is damped. Finished lanes are refilled with
waiting work, so that one executable of fixed shape serves one start and ten thousand resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from scaling_cli.artefact import Objective
from scaling_cli.engine.iteration import (
    FIRST_DAMPING,
    STUCK,
    Lanes,
    Work,
    evaluate,
    iterate,
    objective,
)
from scaling_cli.law import Domain, Law

# Lanes side by side. Their temporaries should stay in the second-level cache: with 64 lanes of
# 2,000 points a fit took six times as long as with 8.
MOST_LANES, FEWEST_LANES = 64, 8
CACHED_ELEMENTS = 1 << 14  # lanes x points
ITERATIONS_PER_CALL = 4  # between two looks at which lanes have finished
MAX_ITERATIONS = 400
MIN_POINTS_PADDED = 8


@dataclass(frozen=True)
class Frame:
    """How the vector that is searched maps to the law's parameters: fixed and tied ones.

    full free coordinates = offset + matrix @ u, u of shape (k,).
    """

    matrix: np.ndarray  # (p, k)
    offset: np.ndarray  # (p,)
    names: tuple[str, ...]  # of the k searched coordinates


@dataclass(frozen=True)
class Problem:
    """A law, the inputs it is evaluated at, and what is minimised.

    Parameters
    ----------
    law : type[Law]
    inputs : mapping of symbol to array, shape (n,)
    output : array, shape (n,)
    weight : array, shape (n,)
    objective : Objective
    frame : Frame
    """

    law: type[Law]
    inputs: Mapping[str, np.ndarray]
    output: np.ndarray
    weight: np.ndarray
    objective: Objective
    frame: Frame


@dataclass(frozen=True)
class Solution:
    """Where each lane ended; leading axis: lane."""

    u: np.ndarray  # (m, k)
    value: np.ndarray  # (m,)
    gradient: np.ndarray  # (m, k)
    hessian: np.ndarray  # (m, k, k) exact
    irls: np.ndarray  # (m, k, k)
    converged: np.ndarray  # (m,)
    iterations: np.ndarray  # (m,)


def frame(law: type[Law], fix: Mapping[str, float], tie: Mapping[str, str]) -> Frame:
    """Return the map from searched to full coordinates.

    `tie` maps a parameter to the one it follows; chains are not followed.
    """
    names = list(law.parameters())
    searched = tuple(n for n in names if n not in fix and n not in tie)
    matrix = np.zeros((len(names), len(searched)))
    offset = np.zeros(len(names))
    for row, name in enumerate(names):
        leader = tie.get(name, name)
        if leader in fix:
            offset[row] = to_free(law, leader, fix[leader])
        else:
            matrix[row, searched.index(leader)] = 1.0
    return Frame(matrix, offset, searched)


def to_free(law: type[Law], name: str, value: Any) -> Any:
    """Return the free coordinate of a parameter value: its logarithm where it is positive.

    A parameter held at zero has the coordinate -inf, which the exponential takes back exactly.
    """
    if law.parameters()[name].domain is Domain.POSITIVE:
        with np.errstate(divide="ignore"):
            return np.log(value)
    return np.asarray(value, float)


def parameters(problem: Problem, u: np.ndarray) -> dict[str, np.ndarray]:
    """Return parameter values, each of shape (m,), at searched coordinates u of shape (m, k)."""
    full = u @ problem.frame.matrix.T + problem.frame.offset
    return {
        name: np.exp(full[:, i]) if p.domain is Domain.POSITIVE else full[:, i]
        for i, (name, p) in enumerate(problem.law.parameters().items())
    }


def solve(
    problem: Problem,
    starts: np.ndarray,
    *,
    output: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    prior_mean: np.ndarray | None = None,
    prior_precision: np.ndarray | None = None,
    corner: np.ndarray | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Solution:
    """Minimise the objective from each start.

    Parameters
    ----------
    problem : Problem
    starts : array, shape (m, k)
        In searched coordinates.
    output, weight : array, shape (m, n), optional
        Per-lane outputs and weights; the problem's own by default.
    prior_mean, prior_precision : array, shape (m, p), optional
        Adds precision (u - mean)^2 / 2 per full free coordinate.
    corner : array, shape (m,), optional
        Per-lane Huber corner; the objective's by default (infinite for l2).
    max_iterations : int

    Returns
    -------
    Solution
        A lane that did not converge within MAX_ITERATIONS says so; nothing raises.
    """
    m, p = len(starts), len(problem.law.parameters())
    target = problem.output[None, :] if output is None else output
    if problem.objective.space == "log":
        target = np.log(target)
    weights = problem.weight if weight is None else weight
    pool = Work(
        _shared_rows(_padded(np.atleast_2d(target), 0.0), m),
        _shared_rows(_padded(np.atleast_2d(weights), 0.0), m),
        np.broadcast_to(corner_of(problem.objective) if corner is None else corner, (m,)),
        np.broadcast_to(0.0 if prior_mean is None else prior_mean, (m, p)),
        np.broadcast_to(0.0 if prior_precision is None else prior_precision, (m, p)),
    )
    shared = (
        {s: _padded(np.asarray(v, float), 1.0) for s, v in problem.inputs.items()},
        problem.frame.matrix,
        problem.frame.offset,
    )
    advance = _executable(problem.law, problem.objective.space)
    with jax.enable_x64(True):
        return _pump(advance, shared, pool, np.asarray(starts, float), max_iterations)


def corner_of(objective: Objective) -> float:
    """Return Huber's corner for the kernel: infinite for l2; lad is reached by continuation."""
    return np.inf if objective.name == "l2" else objective.delta


def _shared_rows(rows: np.ndarray, count: int) -> np.ndarray:
    """Return `count` rows: one given row stands for all without being copied."""
    return np.broadcast_to(rows, (count, rows.shape[-1]))


def _padded(rows: np.ndarray, fill: float) -> np.ndarray:
    """Pad the last axis to a power of two, so that other data reuse the executable."""
    n = rows.shape[-1]
    size = max(MIN_POINTS_PADDED, 1 << (n - 1).bit_length())
    out = np.full((*rows.shape[:-1], size), fill)
    out[..., :n] = rows
    return out


def _pump(
    advance: Any, shared: tuple, pool: Work, starts: np.ndarray, max_iterations: int
) -> Solution:
    """Keep all lanes busy until every start has finished."""
    m = len(starts)
    width = min(MOST_LANES, max(FEWEST_LANES, CACHED_ELEMENTS // pool.target.shape[-1]))
    slot = np.arange(width) % m  # which start each lane works on
    active = np.arange(width) < m
    waiting = list(range(m - 1, width - 1, -1))
    lanes = _unborn(starts[slot], active)
    work = _chosen(pool, slot)
    finished: dict[int, tuple] = {}
    while len(finished) < m:
        lanes = Lanes(*(np.array(x) for x in advance(shared, work, lanes)))
        ended = active & (lanes.done | (lanes.iterations >= max_iterations))
        for lane in np.flatnonzero(ended):
            finished[int(slot[lane])] = tuple(x[lane] for x in lanes)
        active &= ~ended
        fresh = [int(i) for i in np.flatnonzero(~active)[: len(waiting)]]
        slot[fresh] = [waiting.pop() for _ in fresh]
        active[fresh] = True
        work = _chosen(pool, slot) if fresh else work
        born = _unborn(starts[slot], active)
        chosen = np.isin(np.arange(width), fresh)
        lanes = Lanes(*(_merge(chosen, a, b) for a, b in zip(born, lanes, strict=True)))
        lanes = lanes._replace(done=lanes.done | ~active)
    return _collect(finished, m)


def _chosen(pool: Work, slot: np.ndarray) -> Work:
    """Return the work of each lane, in memory order: a broadcast row would come out transposed."""
    return Work(*(np.ascontiguousarray(x[slot]) for x in pool))


def _unborn(starts: np.ndarray, active: np.ndarray) -> Lanes:
    """Return lanes that have not been evaluated yet; idle ones count as done."""
    lanes, k = starts.shape
    square = np.broadcast_to(np.eye(k), (lanes, k, k))
    none = np.zeros(lanes)
    return Lanes(
        starts, none + np.inf, np.zeros((lanes, k)), square, square, none + FIRST_DAMPING,
        ~active, np.full(lanes, -1, np.int32),
    )  # fmt: skip


def _merge(chosen: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(chosen.reshape((-1,) + (1,) * (old.ndim - 1)), new, old)


def _collect(finished: dict[int, tuple], m: int) -> Solution:
    columns = [np.stack(x) for x in zip(*(finished[i] for i in range(m)), strict=True)]
    state = Lanes(*columns)
    return Solution(
        u=state.u,
        value=state.value,
        gradient=state.gradient,
        hessian=state.exact,
        irls=state.irls,
        # A lane is also done where its start is not a number, or where no step helps any more
        # although the gradient asks for one: neither is a minimum.
        converged=state.done & np.isfinite(state.value) & (state.damping <= STUCK),
        iterations=state.iterations,
    )


@lru_cache(maxsize=64)
def _executable(law: type[Law], space: str) -> Any:
    """Return the jitted advance of a law: traced once per shape."""
    names = list(law.parameters())
    positive = np.array([p.domain is Domain.POSITIVE for p in law.parameters().values()])

    def residual(u: Any, shared: Any, target: Any) -> Any:
        inputs, matrix, offset = shared
        full = offset + matrix @ u
        values = jnp.where(positive, jnp.exp(jnp.where(positive, full, 0.0)), full)
        prediction = law(**{name: values[i] for i, name in enumerate(names)})(**inputs)
        return (jnp.log(prediction) if space == "log" else prediction) - target

    def step(shared: Any, work: Work, lane: Lanes) -> Lanes:
        def at(u: Any) -> Any:
            return residual(u, shared, work.target)

        return iterate(
            lane,
            lambda u: evaluate(u, at, shared, work),
            lambda u: objective(at(u), u, shared, work),
            jnp.sum(work.weight),
        )

    def advance(shared: Any, work: Work, lanes: Lanes) -> Lanes:
        def once(carry: tuple) -> tuple:
            return carry[0] + 1, jax.vmap(step, (None, 0, 0))(shared, work, carry[1])

        def go_on(carry: tuple) -> Any:
            return (carry[0] < ITERATIONS_PER_CALL) & ~jnp.all(carry[1].done)

        return lax.while_loop(go_on, once, (0, lanes))[1]

    return jax.jit(advance)
