"""Least absolute deviations end on a vertex: as many residuals are zero as coordinates move."""

import numpy as np

from scaling_cli.engine.solve import Problem, deviations

NEWTON_STEPS = 20
LONGEST_STEP = 0.5  # in any free coordinate: the vertex is near, or it is another one
DIFFERENCE = 1e-6  # step of central differences; Newton corrects what they miss
ZERO = 1e-15  # a residual that counts as none
IDLE = 1e-7  # change of a residual per unit below which a coordinate's term is absent


def absolute(problem: Problem, u: np.ndarray) -> float:
    """Return the weighted sum of absolute residuals at u, shape (k,)."""
    return float(np.sum(problem.weight * np.abs(deviations(problem, u[None])[0])))


def _reach(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return by how much each coordinate moves a residual at most, shape (k,)."""
    offsets = DIFFERENCE * np.eye(len(u))
    sides = deviations(problem, np.concatenate([u + offsets, u - offsets]))
    return np.max(np.abs(sides[: len(u)] - sides[len(u) :]), axis=1) / (2 * DIFFERENCE)


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
            if not np.all(np.isfinite(slopes)) or np.max(np.abs(r[zero])) < ZERO:
                break
            step = np.linalg.lstsq(slopes, -r[zero], rcond=None)[0]
            at[free] += step * min(1.0, LONGEST_STEP / np.max(np.abs(step)))
        lower = absolute(problem, at) < absolute(problem, u)
    return at if lower else u
