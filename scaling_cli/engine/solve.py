"""The optimiser: batched damped Newton over many lanes (starts or resamples) under one jit.

A lane is one optimisation. All lanes share the law and the inputs; each has its own start,
outputs, weights and prior. Every iteration evaluates value, gradient and two Hessians in float64:
the exact one, without which Huber's linear arms converge slowly, and the IRLS Gauss-Newton one,
positive semidefinite, in whose metric the exact one is damped. Work comes in chunks of fixed
shape; within a chunk a lane that has finished takes up the next task, so that one executable
serves one start and ten thousand resamples, and no lane waits for the slowest.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from scaling_cli.artefact import Objective
from scaling_cli.engine.compiled import compiled
from scaling_cli.engine.iteration import (
    STUCK,
    Lane,
    Local,
    Shared,
    Work,
    advance,
    born,
    equation,
    localise,
)
from scaling_cli.engine.units import inward, outward, units
from scaling_cli.law import Domain, Law, Value
from scaling_cli.priors import Penalty

# Lanes side by side: as many as their temporaries leave in the second-level cache, so fewer as
# the points grow. One shape serves the starts of one fit and all resamples: compiling or loading
# a second one costs more than it saves.
LANES = 16
CACHED_ELEMENTS = 1 << 14  # lanes x points
TASKS_PER_LANE = 16  # of a chunk: a lane's idle time at its end is a small share
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
    penalty : Penalty, optional
        Of the user's priors; part of the objective wherever `solve` is not given another.
    """

    law: type[Law]
    inputs: Mapping[str, np.ndarray]
    output: np.ndarray
    weight: np.ndarray
    objective: Objective
    frame: Frame
    penalty: Penalty | None = None


class Solution(NamedTuple):
    """Where each lane ended; leading axis: lane."""

    u: np.ndarray  # (m, k)
    value: np.ndarray  # (m,)
    gradient: np.ndarray  # (m, k)
    hessian: np.ndarray  # (m, k, k) exact
    irls: np.ndarray  # (m, k, k)
    converged: np.ndarray  # (m,)
    iterations: np.ndarray  # (m,)

    def take(self, rows: Sequence[int]) -> "Solution":
        """Return some lanes."""
        return Solution(*(column[rows] for column in self))


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
    frozen: np.ndarray | None = None,
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
        Adds precision (u - mean)^2 / 2 per full free coordinate; the problem's penalty by
        default.
    corner : array, shape (m,), optional
        Per-lane Huber corner; the objective's by default (infinite for l2).
    frozen : array of bool, shape (m, k), optional
        Coordinates that a lane holds at its start.
    max_iterations : int

    Returns
    -------
    Solution
        A lane that did not converge within MAX_ITERATIONS says so; nothing raises.
    """
    if problem.penalty is not None and prior_precision is None:
        own = corner_of(problem.objective) if corner is None else corner
        prior_mean, prior_precision = problem.penalty.at(np.broadcast_to(own, len(starts)))
    chosen = units(problem, frozen, prior_precision)
    lanes, tasks = _sizes(problem)
    begin = inward(problem, chosen, np.asarray(starts, float))
    pool = _pool(
        problem, begin, frozen=frozen, output=output, weight=weight, corner=corner,
        prior_mean=prior_mean, prior_precision=prior_precision,
    )  # fmt: skip
    shared = _shared(problem, chosen.divisors)
    space = problem.objective.space
    jitted = _jitted(problem.law, space, lanes)

    def part(first: int) -> Ends:
        count = min(tasks, len(starts) - first)
        chunk = _chunk(pool, first, count, tasks)
        with jax.enable_x64(True):
            arguments = (shared, chunk, np.asarray(count), np.asarray(max_iterations))
            run = compiled(problem.law, (space, lanes), jitted, *arguments)
            ends = run(*arguments)
            return jax.tree.map(lambda x: np.asarray(x)[:count], ends)

    firsts = range(0, len(starts), tasks)
    if len(firsts) == 1:
        return outward(problem, chosen, _solution([part(0)], problem))
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # XLA runs outside the interpreter lock
        return outward(problem, chosen, _solution(list(threads.map(part, firsts)), problem))


@contextmanager
def prepared(problems: Sequence[Problem]) -> Iterator[None]:
    """Load or compile what these problems need, side by side, while the block runs."""
    with ThreadPoolExecutor(max(1, len(problems))) as threads:
        for problem in problems:
            threads.submit(_prepare, problem)
        yield


def _prepare(problem: Problem) -> None:
    """Solve nothing, once: the executable is then there."""
    solve(problem, np.zeros((1, len(problem.frame.names))), max_iterations=-1)


def corner_of(objective: Objective) -> float:
    """Return Huber's corner for the kernel: infinite for l2; lad is reached by continuation."""
    return np.inf if objective.name == "l2" else objective.delta


class Ends(NamedTuple):
    """Where each task of a chunk ended; leading axis: task."""

    u: Value  # (tasks, p)
    local: Local
    converged: Value
    iterations: Value


def _sizes(problem: Problem) -> tuple[int, int]:
    """Return lanes and tasks of a chunk."""
    lanes = min(LANES, max(1, CACHED_ELEMENTS // _padded_size(len(problem.output))))
    return lanes, lanes * TASKS_PER_LANE


def _padded_size(n: int) -> int:
    """Return the power of two that n points are padded to, so that other data reuse code."""
    return max(MIN_POINTS_PADDED, 1 << (n - 1).bit_length())


def _padded(rows: np.ndarray, fill: float) -> np.ndarray:
    n = rows.shape[-1]
    out = np.full((*rows.shape[:-1], _padded_size(n)), fill)
    out[..., :n] = rows
    return out


def _shared(problem: Problem, divisors: Mapping[str, float]) -> Shared:
    p, k = problem.frame.matrix.shape
    return Shared(
        {
            s: _padded(np.asarray(v, float) / divisors.get(s, 1.0), 1.0)
            for s, v in problem.inputs.items()
        },
        np.pad(problem.frame.matrix, ((0, 0), (0, p - k))),
        problem.frame.offset,
    )


def _pool(
    problem: Problem,
    starts: np.ndarray,
    *,
    frozen: np.ndarray | None,
    output: np.ndarray | None,
    weight: np.ndarray | None,
    corner: np.ndarray | None,
    prior_mean: np.ndarray | None,
    prior_precision: np.ndarray | None,
) -> Work:
    """Return the columns of all tasks; a single row stands for all."""
    p, k = problem.frame.matrix.shape
    idle = ((0, 0), (0, p - k))  # coordinates beyond the searched ones stand still
    target = problem.output if output is None else output
    moves = np.ones(k, bool) if frozen is None else ~np.asarray(frozen, bool)
    target = np.log(target) if problem.objective.space == "log" else target
    return Work(
        np.pad(starts, idle),
        np.pad(np.atleast_2d(moves), idle),
        np.atleast_2d(target),
        np.atleast_2d(problem.weight if weight is None else weight),
        np.atleast_1d(corner_of(problem.objective) if corner is None else corner),
        np.atleast_2d(np.zeros(p) if prior_mean is None else prior_mean),
        np.atleast_2d(np.zeros(p) if prior_precision is None else prior_precision),
    )


def _chunk(pool: Work, first: int, count: int, tasks: int) -> Work:
    """Return `tasks` rows of the pool in memory order, padded to the shapes of the executable."""

    def rows(column: np.ndarray) -> np.ndarray:
        chosen = column[first : first + count] if len(column) > 1 else column
        out = np.empty((tasks, *column.shape[1:]), column.dtype)
        out[: len(chosen)], out[len(chosen) :] = chosen, chosen[-1]
        return out

    columns = Work(*(rows(column) for column in pool))
    return columns._replace(
        target=_padded(columns.target, 0.0), weight=_padded(columns.weight, 0.0)
    )


def _solution(parts: list[Ends], problem: Problem) -> Solution:
    k = len(problem.frame.names)
    ends = jax.tree.map(lambda *columns: np.concatenate(columns), *parts)
    return Solution(
        u=ends.u[:, :k],
        value=ends.local.value,
        gradient=ends.local.gradient[:, :k],
        hessian=ends.local.exact[:, :k, :k],
        irls=ends.local.irls[:, :k, :k],
        converged=ends.converged,
        iterations=ends.iterations,
    )


class _State(NamedTuple):
    lane: Lane
    work: Work
    slot: Value  # (lanes,) which task each lane works on
    active: Value
    waiting: Value  # the next task that no lane has taken
    ends: Ends


@lru_cache(maxsize=64)
def _jitted(law: type[Law], space: str, lanes: int) -> Any:
    """Return the solver of a chunk: (shared, pool, count, limit) -> Ends."""
    differentiated = equation(law, space)

    def iterate(shared: Shared, work: Work, lane: Lane) -> Lane:
        found = localise(lane.u + lane.step, shared, work, differentiated)
        return advance(lane, found, jnp.sum(work.weight))

    def run(shared: Shared, pool: Work, count: Any, limit: Any) -> Ends:
        def go_on(state: _State) -> Any:
            return jnp.any(state.active)

        def once(state: _State) -> _State:
            lane = jax.vmap(iterate, (None, 0, 0))(shared, state.work, state.lane)
            return _refilled(state._replace(lane=lane), pool, count, limit)

        return lax.while_loop(go_on, once, _begin(pool, lanes, count)).ends

    return jax.jit(run)


def _begin(pool: Work, lanes: int, count: Any) -> _State:
    slot = jnp.arange(lanes)
    work = jax.tree.map(lambda x: x[slot], pool)
    every = jax.vmap(born)(pool)
    ends = Ends(every.u, every.local, every.done, every.iterations)
    return _State(jax.vmap(born)(work), work, slot, slot < count, jnp.array(lanes), ends)


def _refilled(state: _State, pool: Work, count: Any, limit: Any) -> _State:
    """Write down what has ended; give those lanes the next tasks."""
    lane, tasks = state.lane, len(pool.start)
    ended = state.active & (lane.done | (lane.iterations >= limit))
    # A lane is also done where its start is not a number, or where no step helps any more
    # although the gradient asks for one: neither is a minimum.
    good = lane.done & jnp.isfinite(lane.local.value) & (lane.damping <= STUCK)
    target = jnp.where(ended, state.slot, tasks)
    # The last step is taken unseen: it promises less than the value can resolve, yet squares the
    # distance to the minimum.
    last = lane.u + jnp.where(good[:, None], lane.step, 0.0)
    reached = Ends(last, lane.local, good, lane.iterations)
    ends = jax.tree.map(lambda all_, x: all_.at[target].set(x, mode="drop"), state.ends, reached)
    slot = jnp.where(ended, state.waiting + jnp.cumsum(ended) - 1, state.slot)
    active = jnp.where(ended, slot < count, state.active)
    fresh = ended & active

    def merge(new: Any, old: Any) -> Any:
        return jnp.where(fresh.reshape((-1,) + (1,) * (old.ndim - 1)), new, old)

    work = jax.tree.map(
        lambda x, old: merge(x[jnp.minimum(slot, tasks - 1)], old), pool, state.work
    )
    lane = jax.tree.map(merge, jax.vmap(born)(work), lane)
    return _State(lane, work, slot, active, state.waiting + jnp.sum(ended), ends)
