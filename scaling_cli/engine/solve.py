"""The optimiser: batched damped Newton over many lanes (starts or resamples) under one jit.

A lane is one optimisation. All lanes share the law and the inputs; each has its own start,
outputs, weights and prior. Every iteration evaluates value, gradient and two Hessians in float64:
the exact one, without which Huber's linear arms converge slowly, and the IRLS Gauss-Newton one,
positive semidefinite, in whose metric the exact one is damped. Work comes in chunks of fixed
shape; within a chunk a lane that has finished takes up the next task, so that one executable
serves one start and ten thousand resamples, and no lane waits for the slowest.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from scaling_cli.engine.compiled import compiled
from scaling_cli.engine.iteration import (
    Lane,
    Local,
    Shared,
    Work,
    advance,
    equation,
    first_damping,
    localise,
)
from scaling_cli.engine.problem import Problem, corner_of
from scaling_cli.engine.rows import Solution, chunk, padded, padded_size, read, report, unpacked
from scaling_cli.engine.units import Units, inward, outward, units
from scaling_cli.laws._law import Law, Value

# Lanes side by side: as many as their temporaries leave in the second-level cache, so fewer as
# the points grow. One shape serves the starts of one fit and all resamples: compiling or loading
# a second one costs more than it saves.
LANES = 8
CACHED_ELEMENTS = 1 << 14  # lanes x points
TASKS_PER_LANE = 32  # of a chunk: a lane's idle time at its end is a small share
MAX_ITERATIONS = 400


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
        problem,
        begin,
        frozen=frozen,
        output=output,
        weight=weight,
        corner=corner,
        prior_mean=prior_mean,
        prior_precision=prior_precision,
        unit=chosen.divisors.get(problem.law.output().symbol, 1.0),
    )
    shared = _shared(problem, chosen)
    space = problem.objective.space
    jitted = _jitted(problem.law, space, lanes)

    def part(first: int) -> np.ndarray:
        count = min(tasks, len(starts) - first)
        given = chunk(pool, first, count, tasks)
        with jax.enable_x64(True):
            arguments = (shared, given, np.asarray(count), np.asarray(max_iterations))
            run = compiled(problem.law, (space, lanes), jitted, *arguments)
            return np.asarray(run(*arguments))[:count]

    firsts, shape = range(0, len(starts), tasks), problem.frame.matrix.shape
    if len(firsts) == 1:
        return outward(problem, chosen, read([part(0)], *shape))
    with ThreadPoolExecutor(_processors()) as threads:  # XLA runs outside the interpreter lock
        return outward(problem, chosen, read(list(threads.map(part, firsts)), *shape))


def _processors() -> int | None:
    """Return how many processors this process may use: a job's share, where that is known."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


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


def _sizes(problem: Problem) -> tuple[int, int]:
    """Return lanes and tasks of a chunk."""
    lanes = min(LANES, max(1, CACHED_ELEMENTS // padded_size(len(problem.output))))
    return lanes, lanes * TASKS_PER_LANE


def _shared(problem: Problem, chosen: Units) -> Shared:
    p, k = problem.frame.matrix.shape
    relative = {
        s: np.asarray(v, float) / chosen.divisors.get(s, 1.0) for s, v in problem.inputs.items()
    }
    # Padded with an input of the data: at another the law may leave the doubles.
    return Shared(
        {s: padded(v, float(np.min(v))) for s, v in relative.items()},
        np.pad(problem.frame.matrix, ((0, 0), (0, p - k))),
        problem.frame.offset,
        chosen.flags(p),
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
    unit: float,
) -> Work:
    """Return the columns of all tasks; a single row stands for all."""
    p, k = problem.frame.matrix.shape
    idle = ((0, 0), (0, p - k))  # coordinates beyond the searched ones stand still
    target = problem.output if output is None else output
    moves = np.ones(k, bool) if frozen is None else ~np.asarray(frozen, bool)
    target = np.log(target) - np.log(unit) if problem.objective.space == "log" else target
    weights = np.atleast_2d(problem.weight if weight is None else weight)
    return Work(
        start=np.pad(starts, idle),
        moves=np.pad(np.atleast_2d(moves), idle),
        target=np.atleast_2d(target),
        weight=weights,
        corner=np.atleast_1d(corner_of(problem.objective) if corner is None else corner),
        prior_mean=np.atleast_2d(np.zeros(p) if prior_mean is None else prior_mean),
        prior_precision=np.atleast_2d(np.zeros(p) if prior_precision is None else prior_precision),
        total=np.sum(weights, axis=1),
    )


class _State(NamedTuple):
    lane: Lane
    rows: Value  # (lanes, row of a task): what each lane works on
    slot: Value  # (lanes,) which task that is
    active: Value
    waiting: Value  # the next task that no lane has taken
    ends: Value  # (tasks, row of an end)


@lru_cache(maxsize=64)
def _jitted(law: type[Law], space: str, lanes: int) -> Any:
    """Return the solver of a chunk: (shared, tasks, count, limit) -> ends, rows both."""
    p = len(law.parameters())

    def run(shared: Shared, tasks: Any, count: Any, limit: Any) -> Any:
        differentiated = equation(law, space)  # costs time: only where it is compiled

        def iterate(shared: Shared, work: Work, lane: Lane) -> Lane:
            found = localise(lane.u + lane.step, shared, work, differentiated)
            return advance(lane, found, work.total)

        def go_on(state: _State) -> Any:
            return jnp.any(state.active)

        def once(state: _State) -> _State:
            work = unpacked(state.rows, p)
            lane = jax.vmap(iterate, (None, 0, 0))(shared, work, state.lane)
            return _refilled(state._replace(lane=lane), tasks, count, limit)

        return lax.while_loop(go_on, once, _begin(tasks, lanes, count, p)).ends

    return jax.jit(run)


def _begin(tasks: Any, lanes: int, count: Any, p: int) -> _State:
    slot = jnp.arange(lanes)
    rows = tasks[:lanes]
    work = unpacked(rows, p)
    none = jnp.zeros((lanes, p, p))
    lane = Lane(
        u=work.start,
        local=Local(jnp.full(lanes, jnp.inf), jnp.zeros((lanes, p)), none, none),
        step=jnp.zeros((lanes, p)),
        damping=first_damping(work.corner),
        iterations=jnp.full(lanes, -1),
        done=jnp.zeros(lanes, bool),
    )
    ends = jnp.zeros((len(tasks), 2 * p + 2 * p * p + 3))
    return _State(lane, rows, slot, slot < count, jnp.array(lanes), ends)


def _refilled(state: _State, tasks: Any, count: Any, limit: Any) -> _State:
    """Write down what has ended; give those lanes the next tasks."""
    lane, p = state.lane, state.lane.u.shape[1]
    ended = state.active & (lane.done | (lane.iterations >= limit))
    slot = jnp.where(ended, state.waiting + jnp.cumsum(ended) - 1, state.slot)
    active = jnp.where(ended, slot < count, state.active)
    fresh = ended & active
    ends, rows = _exchanged(state, ended, slot, tasks)
    work = unpacked(rows, p)
    # What is left of the last task's gradient and Hessians is multiplied by a step of zero.
    lane = lane._replace(
        u=jnp.where(fresh[:, None], work.start, lane.u),
        local=lane.local._replace(value=jnp.where(fresh, jnp.inf, lane.local.value)),
        step=jnp.where(fresh[:, None], 0.0, lane.step),
        damping=jnp.where(fresh, first_damping(work.corner), lane.damping),
        iterations=jnp.where(fresh, -1, lane.iterations),
        done=lane.done & ~fresh,
    )
    return _State(lane, rows, slot, active, state.waiting + jnp.sum(ended), ends)


def _exchanged(state: _State, ended: Any, slot: Any, tasks: Any) -> tuple[Any, Any]:
    """Return the ends with those of lanes that ended, and the rows with the tasks that follow.

    One lane after another: few end at a time, and one row is copied in place, where a gather of
    all lanes' rows would take a sixth of the iteration.
    """
    reports = report(state.lane)

    def go_on(at: tuple[Any, Any, Any]) -> Any:
        return jnp.any(at[0])

    def exchange(at: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        left, ends, rows = at
        which = jnp.argmax(left)
        ends = lax.dynamic_update_index_in_dim(ends, reports[which], state.slot[which], 0)
        rows = lax.dynamic_update_index_in_dim(rows, tasks[slot[which]], which, 0)
        return left & (jnp.arange(len(left)) != which), ends, rows

    return lax.while_loop(go_on, exchange, (ended, state.ends, state.rows))[1:]
