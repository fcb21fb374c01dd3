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

from scaling_cli.engine import iteration
from scaling_cli.engine.compiled import compiled
from scaling_cli.engine.iteration import Lane, Local, Shared, Work
from scaling_cli.engine.problem import Problem, Solution
from scaling_cli.engine.units import Units
from scaling_cli.laws._law import Law, Value

# Lanes side by side: as many as their temporaries leave in the second-level cache, so fewer as
# the points grow. One shape serves the starts of one fit and all resamples: compiling or loading
# a second one costs more than it saves.
LANES = 8
CACHED_ELEMENTS = 1 << 14  # lanes x points
TASKS_PER_LANE = 32  # of a chunk: a lane's idle time at its end is a small share
MAX_ITERATIONS = 400
MIN_POINTS_PADDED = 8
WHOLE_POWERS, PARTS = 1024, 16  # of padding


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
    near: bool = False,
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
    near : bool
        The starts are the end of nearly the same problem, of many points: steps are hardly damped
        from the first.
    max_iterations : int

    Returns
    -------
    Solution
        A lane that did not converge within MAX_ITERATIONS says so; nothing raises.
    """
    corner = np.atleast_1d(problem.corner if corner is None else corner)
    if problem.penalty is not None and prior_precision is None:
        prior_mean, prior_precision = problem.penalty.at(np.broadcast_to(corner, len(starts)))
    units = Units.of(problem, frozen, prior_precision)
    p, k = problem.frame.matrix.shape
    idle = ((0, 0), (0, p - k))  # coordinates beyond the searched ones stand still
    moves = np.ones(k, bool) if frozen is None else ~np.asarray(frozen, bool)
    weights = np.atleast_2d(problem.weight if weight is None else weight)
    target = problem.output if output is None else output
    if problem.objective.space == "log":  # in the search's own units
        target = np.log(target) - np.log(units.divisors.get(problem.law.output().symbol, 1.0))
    # The columns of all tasks; a single row stands for all.
    pool = Work(
        start=np.pad(units.inward(np.asarray(starts, float)), idle),
        moves=np.pad(np.atleast_2d(moves), idle),
        target=np.atleast_2d(target),
        weight=weights,
        corner=corner,
        prior_mean=np.atleast_2d(np.zeros(p) if prior_mean is None else prior_mean),
        prior_precision=np.atleast_2d(np.zeros(p) if prior_precision is None else prior_precision),
        total=np.sum(weights, axis=1),
        damping=iteration.first_damping(corner, near),
    )
    return units.outward(_solved(units, pool, len(starts), max_iterations))


def _solved(units: Units, pool: Work, count: int, max_iterations: int) -> Solution:
    """Run all tasks in chunks, side by side where there are several."""
    problem, space = units.problem, units.problem.objective.space
    lanes = min(LANES, max(1, CACHED_ELEMENTS // padded(len(problem.output))))
    tasks = lanes * TASKS_PER_LANE
    shared = _shared(units)
    jitted = _jitted(problem.law, space, lanes)

    def part(first: int) -> np.ndarray:
        size = min(tasks, count - first)
        given = _chunk(pool, first, size, tasks)
        with jax.enable_x64(True):
            arguments = (shared, given, np.asarray(size), np.asarray(max_iterations))
            run = compiled(problem.law, (space, lanes), jitted, *arguments)
            return np.asarray(run(*arguments))[:size]

    firsts, shape = range(0, count, tasks), problem.frame.matrix.shape
    if len(firsts) == 1:
        return _read([part(0)], *shape)
    with ThreadPoolExecutor(processors()) as threads:  # XLA runs outside the interpreter lock
        return _read(list(threads.map(part, firsts)), *shape)


def processors() -> int | None:
    """Return how many processors this process may use: a job's share, where that is known."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@contextmanager
def prepared(problems: Sequence[Problem]) -> Iterator[None]:
    """Load or compile what these problems need, side by side, while the block runs."""
    with ThreadPoolExecutor(max(1, len(problems))) as threads:
        for problem in problems:  # solve nothing, once: the executable is then there
            threads.submit(solve, problem, problem.frame.matrix[:1] * 0.0, max_iterations=-1)
        yield


def _shared(units: Units) -> Shared:
    frame, inputs = units.problem.frame, {}
    p, k = frame.matrix.shape
    for symbol, values in units.problem.inputs.items():
        relative = np.asarray(values, float) / units.divisors.get(symbol, 1.0)
        # Padded with an input of the data: at another the law may leave the doubles.
        more = padded(len(relative)) - len(relative)
        inputs[symbol] = np.pad(relative, (0, more), constant_values=np.min(relative))
    return Shared(inputs, np.pad(frame.matrix, ((0, 0), (0, p - k))), frame.offset, units.flags())


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
        differentiated = iteration.equation(law, space)  # costs time: only where it is compiled

        def iterate(shared: Shared, work: Work, lane: Lane) -> Lane:
            found = iteration.localise(lane.u + lane.step, shared, work, differentiated)
            return iteration.advance(lane, found, work.total)

        def go_on(state: _State) -> Any:
            return jnp.any(state.active)

        def once(state: _State) -> _State:
            work = _unpacked(state.rows, p)
            lane = jax.vmap(iterate, (None, 0, 0))(shared, work, state.lane)
            return _refilled(state._replace(lane=lane), tasks, count, limit)

        return lax.while_loop(go_on, once, _begin(tasks, lanes, count, p)).ends

    return jax.jit(run, keep_unused=True)


def _begin(tasks: Any, lanes: int, count: Any, p: int) -> _State:
    slot, rows, none = jnp.arange(lanes), tasks[:lanes], jnp.zeros((lanes, p, p))
    work = _unpacked(rows, p)
    lane = Lane(
        u=work.start,
        local=Local(jnp.full(lanes, jnp.inf), jnp.zeros((lanes, p)), none, none),
        step=jnp.zeros((lanes, p)),
        damping=work.damping,
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
    work = _unpacked(rows, p)
    # What is left of the last task's gradient and Hessians is multiplied by a step of zero.
    lane = lane._replace(
        u=jnp.where(fresh[:, None], work.start, lane.u),
        local=lane.local._replace(value=jnp.where(fresh, jnp.inf, lane.local.value)),
        step=jnp.where(fresh[:, None], 0.0, lane.step),
        damping=jnp.where(fresh, work.damping, lane.damping),
        iterations=jnp.where(fresh, -1, lane.iterations),
        done=lane.done & ~fresh,
    )
    return _State(lane, rows, slot, active, state.waiting + jnp.sum(ended), ends)


def _exchanged(state: _State, ended: Any, slot: Any, tasks: Any) -> tuple[Any, Any]:
    """Return the ends with those of lanes that ended, and the rows with the tasks that follow.

    One lane after another: few end at a time, and one row is copied in place, where a gather of
    all lanes' rows would take a sixth of the iteration.
    """
    reports = _report(state.lane)

    def go_on(at: tuple[Any, Any, Any]) -> Any:
        return jnp.any(at[0])

    def exchange(at: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        left, ends, rows = at
        which = jnp.argmax(left)
        ends = lax.dynamic_update_index_in_dim(ends, reports[which], state.slot[which], 0)
        rows = lax.dynamic_update_index_in_dim(rows, tasks[slot[which]], which, 0)
        return left & (jnp.arange(len(left)) != which), ends, rows

    return lax.while_loop(go_on, exchange, (ended, state.ends, state.rows))[1:]


# --- tasks and their ends as rows of one array: one copy hands out a task, one takes its end.
# Compiling and running cost by the number of arrays gathered and scattered, hardly by size.


def padded(n: int) -> int:
    """Return what n points are padded to, so that other data reuse code.

    A power of two where compiling costs more than the points; beyond, a sixteenth of one.
    """
    whole = max(MIN_POINTS_PADDED, 1 << (n - 1).bit_length())
    step = whole if whole <= WHOLE_POWERS else whole // PARTS
    return -(-n // step) * step


def _chunk(pool: Work, first: int, count: int, tasks: int) -> np.ndarray:
    """Return `count` tasks as the rows of one array, so that a lane takes up a task by one copy.

    Targets and weights are filled up with zeros to their padded size.
    """
    columns = {name: c.reshape(len(c), -1) for name, c in pool._asdict().items()}
    width = {name: c.shape[1] for name, c in columns.items()}
    width |= {name: padded(width[name]) for name in ("target", "weight")}
    out = np.zeros((tasks, sum(width.values())))
    begin = 0
    for name, column in columns.items():
        row = out[:count, begin : begin + column.shape[1]]
        row[...] = column[first : first + count] if len(column) > 1 else column
        begin += width[name]
    out[count:] = out[count - 1]
    return out


def _unpacked(rows: Any, p: int) -> Work:
    """Return the work in rows of shape (lanes, 2n + 4p + 3); see `_chunk`."""
    n = (rows.shape[1] - 4 * p - 3) // 2
    ends = np.cumsum([p, p, n, n, 1, p, p, 1, 1])
    start, moves, target, weight, corner, mean, precision, total, damping = (
        rows[:, begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    last = total[:, 0], damping[:, 0]
    return Work(start, moves, target, weight, corner[:, 0], mean, precision, *last)


def _report(lane: Lane) -> Any:
    """Return where lanes stand as rows; see `_read`."""
    # A lane is also done where its start is not a number, or where no step helps any more
    # although the gradient asks for one: neither is a minimum.
    good = lane.done & jnp.isfinite(lane.local.value) & (lane.damping <= iteration.STUCK)
    # The last step is taken unseen: it promises less than the value can resolve, yet squares the
    # distance to the minimum.
    last = lane.u + jnp.where(good[:, None], lane.step, 0.0)
    value, gradient, irls, exact = lane.local
    columns = (last, value, gradient, irls, exact, good, lane.iterations)
    return jnp.concatenate([c.reshape(len(c), -1).astype(float) for c in columns], axis=1)


def _read(parts: list[np.ndarray], p: int, k: int) -> Solution:
    """Read the rows that `_report` wrote: of p coordinates, the k that were searched."""
    rows = np.concatenate(parts)
    columns = np.split(rows, np.cumsum([p, 1, p, p * p, p * p, 1]), axis=1)
    u, value, gradient, irls, exact, converged, iterations = (column.copy() for column in columns)
    exact, irls = (matrix.reshape(-1, p, p)[:, :k, :k] for matrix in (exact, irls))
    ended, count = converged[:, 0] > 0, iterations[:, 0].astype(int)
    return Solution(u[:, :k], value[:, 0], gradient[:, :k], exact, irls, ended, count)
