"""The routes that a fit is timed against: scipy's, and lmfit's where it is installed.

Coordinates are the papers': theta = (alpha, beta, e, a, b) with E = exp(e), A = exp(a), B = exp(b).
"""

import importlib.util
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import least_squares, minimize

from scaling_cli.points import Points

DELTA = 1e-3  # Huber's corner, on ln loss
# The kind of grid that the replication of Chinchilla's fit starts from.
GRID = (np.arange(0, 2.1, 0.5), np.arange(0, 2.1, 0.5), np.arange(-1, 1.1, 0.5),
        np.arange(0, 25.1, 5), np.arange(0, 25.1, 5))  # fmt: skip
HAS_LMFIT = importlib.util.find_spec("lmfit") is not None


def residual(theta: np.ndarray, x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return ln prediction - ln loss at theta = (alpha, beta, e, a, b) as the papers write it."""
    alpha, beta, e, a, b = theta
    terms = np.stack([a - alpha * x, b - beta * y, np.full_like(x, e)])
    return np.logaddexp.reduce(terms, axis=0) - t


def huber(theta: np.ndarray, *data: np.ndarray) -> float:
    """Return the sum of Huber losses of the residuals."""
    r = np.abs(residual(theta, *data))
    return float(np.sum(np.where(r <= DELTA, r * r / 2, DELTA * (r - DELTA / 2))))


def jacobian(theta: np.ndarray, x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the derivative of the residuals, shape (n, 5)."""
    alpha, beta, e, a, b = theta
    log_sum = residual(theta, x, y, t) + t
    p, q, floor = (np.exp(z - log_sum) for z in (a - alpha * x, b - beta * y, e))
    return np.stack([-x * p, -y * q, floor, p, q], axis=1)


def logs(points: Points, rows: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Return ln N, ln D and ln loss."""
    columns = (points.inputs["N"], points.inputs["D"], points.output)
    return tuple(np.log(c if rows is None else c[rows]) for c in columns)


def chosen_starts(count: int) -> np.ndarray:
    """Return random points of the grid, shape (count, 5)."""
    grid = np.array(list(itertools.product(*GRID)))
    return np.random.default_rng(0).choice(grid, count, replace=False)


def multistart(points: Points, starts: int) -> float:
    """Return the best objective of scipy's L-BFGS-B, without gradient, from a sparse grid."""
    data = logs(points)
    found = [minimize(huber, start, data, method="L-BFGS-B") for start in chosen_starts(starts)]
    values = [one.fun for one in found]
    return float(np.nanmin(values))


def lmfit_multistart(points: Points, starts: int) -> float:
    """Return the best objective of lmfit's L-BFGS-B from the same starts."""
    import lmfit

    names, data = ("alpha", "beta", "e", "a", "b"), logs(points)
    values = []
    for start in chosen_starts(starts):
        parameters = lmfit.create_params(**dict(zip(names, start.tolist(), strict=True)))
        found = lmfit.minimize(_huber_of, parameters, method="lbfgsb", args=data)
        values.append(_huber_of(found.params, *data))
    return float(np.nanmin(values))


def _huber_of(parameters: Mapping[str, Any], *data: np.ndarray) -> float:
    return huber(np.array([parameters[n].value for n in parameters]), *data)


def warm_refits(points: Points, theta: np.ndarray, count: int) -> None:
    """Refit resamples by scipy's least_squares: analytic Jacobian, from the optimum."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        data = logs(points, generator.integers(0, len(points), len(points)))
        least_squares(residual, theta, jacobian, args=data, loss="huber", f_scale=DELTA,
                      x_scale="jac")  # fmt: skip


ROUTES = {"scipy": multistart} | ({"lmfit": lmfit_multistart} if HAS_LMFIT else {})
