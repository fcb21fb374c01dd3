"""The optimiser: batched damped Newton over many lanes (starts or resamples) under one jit.

A lane is one optimisation. All lanes share the law and the inputs; each has its own start,
outputs, weights and prior. Every iteration evaluates value, gradient and two Hessians in float64:
the exact one, without which Huber's linear arms converge slowly, and the IRLS Gauss-Newton one,
positive semidefinite, in whose metric the exact one is damped. Work comes in chunks of fixed
shape; within a chunk a lane that has finished takes up the next task, so that one executable
serves one start and ten thousand resamples, and no lane waits for the slowest.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from scaling_cli.engine.compiled import compiled
from scaling_cli.engine.nearby import Nearby
from scaling_cli.engine.problem import Problem, Solution
from scaling_cli.engine.tasks import (
    STOP,
    Shared,
    Work,
    blank,
    chunk,
    first_damping,
    padded,
    read,
    taken,
)
from scaling_cli.engine.units import Units
from scaling_cli.vocabulary.workers import processors

# Lanes side by side: as many as their temporaries leave in the second-level cache, so fewer as
# the points grow. One shape serves the starts of one fit and all resamples: compiling or loading
# a second one costs more than it saves.
LANES = 8
CACHED_ELEMENTS = 1 << 14  # lanes x points
TASKS_PER_LANE = 64  # of a chunk: a lane's idle time at its end is a small share
TASKS_ALONE = 8  # of a chunk of one lane, which is never idle: of many points each takes memory
MAX_ITERATIONS = 400
RISE = 1e-9  # of a sum, relative: more than rounding


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
        All starts are the same end of nearly the same problem: see `nearby`.
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
    target = units.target(problem.output if output is None else output)
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
        damping=first_damping(corner),
        stop=np.full(1, STOP),
    )
    count = len(starts)
    if not near or prior_precision is not None or not count:
        return units.outward(_solved(units, pool, count, max_iterations))
    around = Nearby.of(units, np.asarray(starts[0], float))
    ended = _solved(units, pool, count, max_iterations, around)
    again = ~ended.converged | (ended.value > around.values(pool) * (1 + RISE))
    if np.any(again):
        other = _solved(units, taken(pool, again), int(np.sum(again)), max_iterations)
        for column, own in zip(ended, other, strict=True):
            column[again] = own
    return units.outward(ended)


def _solved(
    units: Units, pool: Work, count: int, max_iterations: int, around: Nearby | None = None
) -> Solution:
    """Run all tasks in chunks, side by side where there are several."""
    problem, space = units.problem, units.problem.objective.space
    lanes = min(LANES, max(1, CACHED_ELEMENTS // padded(len(problem.output))))
    tasks = lanes * TASKS_PER_LANE if lanes > 1 else TASKS_ALONE
    shared = _shared(units)

    def jitted() -> Any:
        from scaling_cli.engine import lanes as side_by_side  # late: an executable needs no JAX

        return side_by_side.jitted(problem.law, space, lanes)

    def part(first: int) -> np.ndarray:
        size = min(tasks, count - first)
        own = taken(pool, slice(first, first + size))
        given = chunk(around.begun(own) if around else own, size, tasks)
        return np.asarray(run((given, np.asarray(size))))[:size]

    rest = shared, np.asarray(max_iterations)
    shape = (blank(pool, tasks), rest[1]), *rest
    run = compiled(problem.law, (space, lanes), jitted, *shape).bound(*rest)
    firsts, shape = range(0, count, tasks), problem.frame.matrix.shape
    if len(firsts) == 1:
        return read([part(0)], *shape)
    with ThreadPoolExecutor(processors()) as threads:  # XLA runs outside the interpreter lock
        return read(list(threads.map(part, firsts)), *shape)


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
