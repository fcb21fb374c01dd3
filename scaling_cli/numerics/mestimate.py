"""What a sum of rho(residual) says about noise: M-estimation without a likelihood.

With psi = rho', the estimate that minimises sum w rho(r) has the covariance
tau / E[psi'] x (J' W J)^-1, where tau = E[w psi^2] / E[psi'] (Huber 1964; Ronchetti 1982 for the
test built on it). So tau converts between the objective and ln likelihood: half of tau is the rise
of the objective that one standard deviation costs. For least squares it is the noise variance.
"""

import numpy as np

SILVERMAN = 2.34  # half-width of Epanechnikov's kernel in units of sd n^(-1/5)
SINGULAR = 1e-10  # 1 - leverage of a row that the fit must pass through
NORMAL_90 = 1.6448536269514722


def huber(residuals: np.ndarray, corner: float) -> np.ndarray:
    """Return the Huber loss of each residual: half its square up to the corner, then a line."""
    size = np.abs(residuals)
    return np.where(size <= corner, size**2 / 2, corner * (size - corner / 2))


def tau(residuals: np.ndarray, weight: np.ndarray, searched: int, corner: float) -> float:
    """Return the factor between the objective and ln likelihood, corrected for what was searched.

    Parameters
    ----------
    residuals, weight : array, shape (n,)
        Points of weight zero do not count. A weight is a relative precision: four times the
        weight, half the noise.
    searched : int
        Parameters searched; n / (n - searched) corrects for them.
    corner : float
        Huber's delta; infinite for least squares.
    """
    n = int(np.sum(weight > 0))
    spare = max(1, n - searched)
    if np.isinf(corner):
        return float(np.sum(weight * residuals**2) / spare)
    bent = np.clip(residuals, -corner, corner)
    slopes = np.sum(weight * slope(residuals, weight, corner))
    return float(np.sum((weight * bent) ** 2) / slopes * n / spare)


def slope(residuals: np.ndarray, weight: np.ndarray, corner: float) -> np.ndarray:
    """Return psi' smoothed over the noise, shape (n,): 1 for least squares.

    Huber's slope is 1 inside the corner and 0 outside. Where the corner lies far below the noise,
    nearly every residual is outside and the share inside says little; what counts is the density
    of residuals near zero. So each residual is spread by a kernel of Silverman's width.
    """
    if np.isinf(corner):
        return np.ones(len(residuals))
    used = weight > 0
    sd = np.quantile(np.abs(residuals[used]), 0.9) / NORMAL_90
    width = SILVERMAN * sd * np.sum(used) ** -0.2
    if width == 0:
        return (np.abs(residuals) <= corner).astype(float)
    return _kernel((corner - residuals) / width) - _kernel((-corner - residuals) / width)


def left_out(
    values: np.ndarray, left: np.ndarray, bread: np.ndarray, right: np.ndarray, member: np.ndarray
) -> np.ndarray:
    """Return (I - left bread right')^-1 values within each cluster, shape (n,).

    With the hat matrix in brackets, this makes fitted residuals those of clusters left out of the
    fit: HC3 for single rows, CR3 for several.

    Parameters
    ----------
    values : array, shape (n,)
    left, right : array, shape (n, k)
    bread : array, shape (k, k)
    member : int array, shape (n,)
        Cluster of each row, counted from 0.
    """
    sizes = np.bincount(member)
    rest = 1.0 - np.einsum("ij,jk,ik->i", left, bread, right)
    # A row that alone determines a parameter has no residual along it, left out or not.
    alone = np.where(np.abs(rest) > SINGULAR, values / np.where(rest == 0, 1.0, rest), 0.0)
    outside = np.where(sizes[member] == 1, alone, 0.0)
    for cluster in np.flatnonzero(sizes > 1).tolist():
        rows = np.flatnonzero(member == cluster)
        matrix = np.eye(len(rows)) - left[rows] @ bread @ right[rows].T
        outside[rows] = np.linalg.pinv(matrix, rcond=SINGULAR) @ values[rows]
    return outside


def _kernel(x: np.ndarray) -> np.ndarray:
    """Return the distribution function of Epanechnikov's kernel."""
    inside = np.clip(x, -1.0, 1.0)
    return 0.5 + 0.75 * (inside - inside**3 / 3)
