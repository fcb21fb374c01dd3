"""Least absolute deviations end on a vertex: as many residuals are zero as coordinates move.

Huber's corners lead to one that is near, not always to the lowest: linear programmes in a box
that shrinks go on from there, and Newton's method ends on the vertex itself.
"""

from collections.abc import Callable

import numpy as np

from scaling_cli.engine.problem import Problem, deviations

NEWTON_STEPS = 20
LONGEST_STEP = 0.5  # in any free coordinate: the vertex is near, or it is another one
DIFFERENCE = 1e-6  # step of central differences; Newton corrects what they miss
ZERO = 1e-15  # a residual that counts as none
PROGRAMMES, FIRST_BOX, SMALLEST_BOX = 60, 0.1, 1e-9  # of linear programmes, in free coordinates
GAINED = 1e-12  # of the sum: a programme that gains less is the last in its box
MOST_POINTS = 1024  # of a programme: among more points a vertex next to the lowest is as low
IDLE = 1e-7  # change of a residual per unit below which a coordinate's term is absent


def absolute(problem: Problem, u: np.ndarray) -> float:
    """Return the weighted sum of absolute residuals at u, shape (k,)."""
    return float(np.sum(problem.weight * np.abs(deviations(problem, u[None])[0])))


def _reach(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return by how much each coordinate moves a residual at most, shape (k,)."""
    offsets = DIFFERENCE * np.eye(len(u))
    sides = deviations(problem, np.concatenate([u + offsets, u - offsets]))
    return np.max(np.abs(sides[: len(u)] - sides[len(u) :]), axis=1) / (2 * DIFFERENCE)


def programmed(
    problem: Problem, u: np.ndarray, moves: np.ndarray, allowed: Callable[[np.ndarray], bool]
) -> np.ndarray:
    """Return where linear programmes lead from u, shape (k,): each in a box around the last end.

    Parameters
    ----------
    u : array, shape (k,)
        Near the minimum.
    moves : array of bool, shape (k,)
        Coordinates that are searched.
    allowed : callable
        Whether coordinates (k,) can be calculated with.
    """
    used = np.flatnonzero(problem.weight > 0)
    if len(used) > MOST_POINTS:
        return u
    at, box, lowest = np.array(u), FIRST_BOX, absolute(problem, u)
    for _ in range(PROGRAMMES):
        there = at + _programme(problem, at, np.flatnonzero(moves), used, box)
        found = absolute(problem, there) if allowed(there) else np.inf
        if found < lowest:
            box = 2 * box if found < lowest * (1 - GAINED) else box / 4
            at, lowest = there, found
        else:
            box /= 4
        if box < SMALLEST_BOX:
            break
    return at


def _programme(
    problem: Problem, u: np.ndarray, free: np.ndarray, used: np.ndarray, box: float
) -> np.ndarray:
    """Return the step within a box that minimises the sum of |residual|, made linear at u."""
    from scipy.optimize import linprog

    offsets = DIFFERENCE * np.eye(len(u))[free]
    around = deviations(problem, np.concatenate([u[None], u + offsets, u - offsets]))[:, used]
    r, plus, minus = around[0], around[1 : 1 + len(free)], around[1 + len(free) :]
    slopes, one, step = ((plus - minus) / (2 * DIFFERENCE)).T, np.eye(len(used)), np.zeros(len(u))
    if not np.all(np.isfinite(around)):
        return step
    solved = linprog(
        np.r_[np.zeros(len(free)), problem.weight[used]],
        A_ub=np.block([[slopes, -one], [-slopes, -one]]),
        b_ub=np.r_[-r, r],
        bounds=[(-box, box)] * len(free) + [(0, None)] * len(used),
    )
    if solved.x is not None:
        step[free] = solved.x[: len(free)]
    return step


def on_vertex(problem: Problem, u: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the vertex next to u, shape (k,), or u where there is none that is lower.

    Parameters
    ----------
    u : array, shape (k,)
        Near the minimum.
    moves : array of bool, shape (k,)
        Coordinates that are searched.
    """
    free = np.flatnonzero(moves & (_reach(problem, u) > IDLE))
    size = np.where(problem.weight > 0, np.abs(deviations(problem, u[None])[0]), np.inf)
    zero = np.argsort(size)[: len(free)]
    offsets = DIFFERENCE * np.eye(len(u))[free]
    at = np.array(u)
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            around = deviations(problem, np.concatenate([at[None], at + offsets, at - offsets]))
            r, plus, minus = around[0], around[1 : 1 + len(free)], around[1 + len(free) :]
            slopes = ((plus - minus) / (2 * DIFFERENCE)).T[zero]
            if not len(free) or not np.all(np.isfinite(slopes)) or np.max(np.abs(r[zero])) < ZERO:
                break
            step = np.linalg.lstsq(slopes, -r[zero], rcond=None)[0]
            at[free] += step * min(1.0, LONGEST_STEP / np.max(np.abs(step)))
        lower = absolute(problem, at) < absolute(problem, u)
    return at if lower else u
