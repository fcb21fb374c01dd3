"""Where refits of nearly the same problem begin: a few steps on residuals taken as linear.

Resamples begin at one fit, where residuals and slopes are the same in every lane. What a step on
the linear residuals costs is two products of matrices, a fifth of what the law and its
derivatives cost, and it finds most of the points that pass from one side of Huber's corner to the
other. The solver then goes on from there; a lane that it does not bring below the fit is solved
from the fit, as if this were not here.
"""

from dataclasses import dataclass

import numpy as np

from scaling_cli.engine.tasks import Work
from scaling_cli.engine.units import Units
from scaling_cli.numerics.mestimate import huber

# In the metric of all points, inside the corner or not: with less, first steps go astray. More
# than three steps cost more than they save.
DAMPINGS = (0.1, 0.03, 0.03)
FIRST_DAMPING = 1e-2  # of lanes that go on from here
# The last step is taken unseen and squares the distance: of 4,000 resamples of 240 points none ends
# more than 2e-4 sd from where going on to the last digit does.
STOP = 1e-8  # of the objective, that these lanes leave
FARTHEST = 1.0  # in a searched coordinate; what is linear ends before
STEP = 1e-4  # of differences, whose relative error is then below 1e-10


@dataclass(frozen=True)
class Nearby:
    """What lanes have in common at the fit, in the coordinates that are searched.

    Parameters
    ----------
    u : array, shape (k,)
        The fit.
    prediction : array, shape (n,)
        There, as targets are.
    slopes : array, shape (n, k)
        Of the prediction.
    """

    u: np.ndarray
    prediction: np.ndarray
    slopes: np.ndarray

    @classmethod
    def of(cls, units: Units, u: np.ndarray) -> "Nearby":
        """Return it for refits that begin at u (k,)."""
        k, problem = len(u), units.problem
        offsets = STEP * np.concatenate([np.eye(k) * c for c in (0, -2, -1, 1, 2)])[k - 1 :]
        moved = units.scattered(np.tile(u, (len(offsets), 1)), offsets)
        at = units.target(problem.predictions(problem.parameters(moved)))
        far, near, after, farther = at[1:].reshape(4, k, -1)
        slopes = ((far - farther) + 8 * (after - near)).T / (12 * STEP)
        return cls(u, at[0], np.ascontiguousarray(slopes))

    def values(self, pool: Work) -> np.ndarray:
        """Return what each lane's sum is at the fit, shape (m,)."""
        rho = huber(self.prediction - pool.target, pool.corner[:, None])
        return np.einsum("mn,mn->m", *np.broadcast_arrays(pool.weight, rho))

    def begun(self, pool: Work) -> Work:
        """Return these lanes, each where steps from the fit end; at the fit where they go far."""
        moved = self._moved(pool)
        k, near = len(self.u), np.max(np.abs(moved), axis=1) < FARTHEST  # no number is not near
        start = np.array(np.broadcast_to(pool.start, (len(moved), pool.start.shape[1])))
        start[near, :k] += moved[near]
        damping = np.where(near, FIRST_DAMPING, pool.damping)
        return pool._replace(start=start, damping=damping, stop=np.full(1, STOP))

    def _moved(self, pool: Work) -> np.ndarray:
        """Return by how much the coordinates of each lane move, (m, k)."""
        J, corner, k = self.slopes, pool.corner[:, None], len(self.u)
        rows, columns = np.tril_indices(k)
        pairs = J[:, rows] * J[:, columns]
        whole = np.zeros((k, k), int)  # of the pairs, which one stands where
        whole[rows, columns] = whole[columns, rows] = np.arange(len(rows))

        def curvature(weight: np.ndarray) -> np.ndarray:
            return (weight @ pairs).T[whole]

        first = self.prediction - pool.target
        metric, moved, r = curvature(pool.weight), np.zeros(k), first
        for damping in DAMPINGS:
            clipped = np.clip(r, -corner, corner)
            bent = curvature(pool.weight * (clipped == r))
            pull = (pool.weight * clipped) @ J
            moved = moved + _solved(bent + damping * metric, -pull.T).T
            r = first + moved @ J.T
        return moved


def _solved(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve for each lane, the last axis: (k, k, m) and (k, m) give (k, m).

    Elimination without pivoting, which definite matrices do not need. Not a number where a matrix
    is none: LAPACK would be called once per lane, which costs ten times as much.
    """
    k, rows = len(right), np.concatenate([matrices, right[:, None]], axis=1)
    for i in range(k):
        with np.errstate(invalid="ignore", divide="ignore"):
            rows[i, i:] /= np.where(rows[i, i] > 0, rows[i, i], np.nan)
        others = np.arange(k) != i
        rows[others, i + 1 :] -= rows[others, i, None] * rows[i, i + 1 :]
    return rows[:, k]
