"""Least squares of ln lr and ln batch on ln N and ln D, and its joint posterior."""

from dataclasses import dataclass

import numpy as np

DRAWS = 500
COEFFICIENTS = 3  # of c N^alpha D^beta
# sd of ln optimum of a cell about the law: what the cells of Step Law's sweep show. It keeps a
# few cells that happen to lie on a plane from looking exact.
SCATTER_PRIOR = 0.13
SCATTER_PRIOR_CELLS = 3  # weight of that prior


@dataclass(frozen=True)
class Design:
    """Least squares of ln outputs on 1, ln N, ln D about their middle.

    Parameters
    ----------
    points : array, shape (n, 2)
        ln N, ln D.
    outputs : array, shape (n, m)
        ln lr and, if it was swept, ln batch.
    """

    points: np.ndarray
    outputs: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """The design, shape (n, 3); about the middle, so that no digits are lost."""
        return np.column_stack([np.ones(len(self.points)), self.points - self.middle])

    @property
    def middle(self) -> np.ndarray:
        """Means of ln N and ln D."""
        return self.points.mean(axis=0)

    def solve(self) -> np.ndarray:
        """Return coefficients about the middle, shape (3, m)."""
        return np.linalg.lstsq(self.matrix, self.outputs, rcond=None)[0]

    def residuals(self) -> np.ndarray:
        """Return ln output minus the law, shape (n, m)."""
        return self.outputs - self.matrix @ self.solve()

    def parameters(self, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        """Return c, alpha, beta of coefficients about the middle, shape (..., 3)."""
        slopes = coefficients[..., 1:]
        constant = np.exp(coefficients[..., 0] - slopes @ self.middle)
        return {"c": constant, "alpha": slopes[..., 0], "beta": slopes[..., 1]}


def posterior(design: Design, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw coefficients, shape (draws, 3, m), and scatter, shape (draws, m), jointly.

    The posterior of a linear regression with several outputs (Zellner 1971, ch. 8): flat in the
    coefficients, inverse Wishart about SCATTER_PRIOR in the scatter; matrix-t, so that a few
    cells give wide intervals.
    """
    residuals, matrix = design.residuals(), design.matrix
    n, m = residuals.shape
    freedom = n - COEFFICIENTS + SCATTER_PRIOR_CELLS
    root = np.linalg.cholesky(np.linalg.inv(matrix.T @ matrix))
    squares = residuals.T @ residuals + SCATTER_PRIOR_CELLS * SCATTER_PRIOR**2 * np.eye(m)
    drawn = generator.standard_normal((DRAWS, freedom, m))
    inner = np.linalg.cholesky(np.linalg.inv(np.swapaxes(drawn, 1, 2) @ drawn))
    spread = np.linalg.cholesky(squares) @ inner
    noise = generator.standard_normal((DRAWS, COEFFICIENTS, m))
    coefficients = design.solve() + root @ noise @ np.swapaxes(spread, 1, 2)
    return coefficients, np.sqrt(np.sum(spread**2, axis=2))
