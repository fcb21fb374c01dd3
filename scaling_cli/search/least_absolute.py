"""Least absolute deviations end on a vertex: as many residuals are zero as coordinates move.

Huber's corners lead to one that is near, not always to the lowest: linear programmes in a box
that shrinks go on from there, and Newton's method ends on the vertex itself.
"""

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import Problem, Solution, deviations
from scaling_cli.engine.solve import MAX_ITERATIONS
from scaling_cli.search.reach import columns, followed, representable, running
from scaling_cli.vocabulary.errors import FitError

SLID = 0.1  # change of a free coordinate during a polish without end that counts as sliding
NEWTON_STEPS = 20
LONGEST_STEP = 0.5  # in any free coordinate: the vertex is near, or it is another one
DIFFERENCE = 1e-6  # step of central differences; Newton corrects what they miss
ZERO = 1e-15  # a residual that counts as none
PROGRAMMES, FIRST_BOX, SMALLEST_BOX = 60, 0.1, 1e-9  # of linear programmes, in free coordinates
GAINED = 1e-12  # of the sum: a programme that gains less is the last in its box
MOST_POINTS = 1024  # of a programme: among more points a vertex next to the lowest is as low
# Least absolute deviations as the limit of Huber's: the corner shrinks until Newton no longer
# resolves it. At corner c the sum of |r| is within (points on the arms' edge) x c / 2 of its
# minimum, about 1e-6 relative at the loosest corner that is accepted.
LAD_CORNERS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
LAD_LOOSEST = 3e-6
IDLE = 1e-7  # change of a residual per unit below which a coordinate's term is absent


def absolute(problem: Problem, u: np.ndarray) -> float:
    """Return the weighted sum of absolute residuals at u, shape (k,)."""
    return float(np.sum(problem.weight * np.abs(deviations(problem, u[None])[0])))


def least_absolute(problem: Problem, u: np.ndarray) -> tuple[Solution, tuple[str, ...]]:
    """Reach least absolute deviations by continuation of Huber's corner, then on the vertex.

    Also say what is held, and what slid on, on the way from u, shape (1, k).

    Raises
    ------
    FitError
        If the end is not a number.
    """
    begin, (reached, held) = u, followed(problem, u, MAX_ITERATIONS, corner=LAD_CORNERS[0])
    for corner in LAD_CORNERS[1:]:
        now, held = followed(problem, reached.u, MAX_ITERATIONS, held=held, corner=corner)
        if not now.converged[0] and corner < LAD_LOOSEST:
            break
        reached = now
    u = reached.u
    if not np.isfinite(reached.value[0]):
        raise FitError(
            f"least absolute deviations did not converge on {laws.name_of(problem.law)}.",
            hint="Fit with --objective huber, or hold E with --fix.",
        )
    if problem.penalty is None:  # priors pull the minimum off the vertex
        moves = ~columns(problem, held)[0]
        near = _programmed(problem, reached.u[0], moves)
        reached = reached._replace(u=_on_vertex(problem, near, moves)[None])
    names = running(problem, held) + (() if reached.converged[0] else slid(problem, begin, u))
    return reached, tuple(dict.fromkeys(names))


def slid(problem: Problem, begin: np.ndarray, end: np.ndarray) -> tuple[str, ...]:
    """Return the parameters that still moved while the objective hardly fell."""
    far = np.abs(end[0] - begin[0]) > SLID
    return tuple(n for n, moved in zip(problem.frame.names, far, strict=True) if moved)


def _around(
    problem: Problem, u: np.ndarray, free: np.ndarray, rows: np.ndarray | slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals of some points at u (k,), and their slopes by coordinates, (n, free)."""
    offsets = DIFFERENCE * np.eye(len(u))[free]
    around = deviations(problem, np.concatenate([u[None], u + offsets, u - offsets]))[:, rows]
    plus, minus = around[1 : 1 + len(free)], around[1 + len(free) :]
    return around[0], ((plus - minus) / (2 * DIFFERENCE)).T


def _programmed(problem: Problem, u: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return where linear programmes lead from u, shape (k,): each in a box around the last end.

    `moves`, boolean of shape (k,), says which coordinates are searched.
    """
    used = np.flatnonzero(problem.weight > 0)
    if len(used) > MOST_POINTS:
        return u
    at, box, lowest = np.array(u), FIRST_BOX, absolute(problem, u)
    for _ in range(PROGRAMMES):
        there = at + _programme(problem, at, np.flatnonzero(moves), used, box)
        value = absolute(problem, there) if representable(problem, there) else np.inf
        if value < lowest:
            box = 2 * box if value < lowest * (1 - GAINED) else box / 4
            at, lowest = there, value
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

    r, slopes = _around(problem, u, free, used)
    one, step = np.eye(len(used)), np.zeros(len(u))
    if not np.all(np.isfinite(np.c_[r, slopes])):
        return step
    cost, above = np.r_[np.zeros(len(free)), problem.weight[used]], np.r_[-r, r]
    bounds = [(-box, box)] * len(free) + [(0, None)] * len(used)
    solved = linprog(cost, np.block([[slopes, -one], [-slopes, -one]]), above, bounds=bounds)
    if solved.x is not None:
        step[free] = solved.x[: len(free)]
    return step


def _on_vertex(problem: Problem, u: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the vertex next to u, shape (k,), or u where there is none that is lower."""
    residuals, slopes = _around(problem, u, np.arange(len(u)))
    free = np.flatnonzero(moves & (np.max(np.abs(slopes), axis=0) > IDLE))
    size = np.where(problem.weight > 0, np.abs(residuals), np.inf)
    zero = np.argsort(size)[: len(free)]
    at = np.array(u)
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            r, slopes = _around(problem, at, free, zero)
            if not len(free) or not np.all(np.isfinite(slopes)) or np.max(np.abs(r)) < ZERO:
                break
            step = np.linalg.lstsq(slopes, -r, rcond=None)[0]
            at[free] += step * min(1.0, LONGEST_STEP / np.max(np.abs(step)))
        lower = absolute(problem, at) < absolute(problem, u)
    return at if lower else u
