"""The routes that a fit is timed against: scipy's, and those of packages that may be installed.

    python peers.py PACKAGE POINTS.npz STARTS

runs one route and prints what it found as JSON. It needs NumPy and that route's package alone, so
a package that wants another Python, or other releases, runs in an environment of its own.

Coordinates are the papers': theta = (alpha, beta, e, a, b) with E = exp(e), A = exp(a), B = exp(b).
"""

import importlib
import importlib.metadata
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

DELTA = 1e-3  # Huber's corner, on ln loss
# The kind of grid that the replication of Chinchilla's fit starts from.
GRID = (
    np.arange(0, 2.1, 0.5),
    np.arange(0, 2.1, 0.5),
    np.arange(-1, 1.1, 0.5),
    np.arange(0, 25.1, 5),
    np.arange(0, 25.1, 5),
)
NAMES = ("alpha", "beta", "e", "a", "b")
# Starts of `chinchilla`, which takes a whole product: 5 x 5 x 5 x 2 x 2 = 500.
PRODUCT = {
    "e": GRID[2],
    "a": GRID[3][:5],
    "b": GRID[4][:5],
    "alpha": GRID[0][1:3],
    "beta": GRID[1][1:3],
}
Logs = tuple[np.ndarray, np.ndarray, np.ndarray]  # ln N, ln D, ln loss


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


def chosen_starts(count: int) -> np.ndarray:
    """Return random points of the grid, shape (count, 5)."""
    grid = np.array(list(itertools.product(*GRID)))
    return np.random.default_rng(0).choice(grid, count, replace=False)


def scipy_multistart(data: Logs, starts: int) -> np.ndarray:
    """Return the best theta of scipy's L-BFGS-B, without gradient, from a sparse grid."""
    from scipy.optimize import minimize

    found = [minimize(huber, start, data, method="L-BFGS-B") for start in chosen_starts(starts)]
    return found[int(np.nanargmin([one.fun for one in found]))].x


def lmfit_multistart(data: Logs, starts: int) -> np.ndarray:
    """Return the best theta of lmfit's L-BFGS-B from the same starts."""
    import lmfit

    found = []
    for start in chosen_starts(starts):
        parameters = lmfit.create_params(**dict(zip(NAMES, start.tolist(), strict=True)))
        fitted = lmfit.minimize(_huber_of, parameters, method="lbfgsb", args=data)
        found.append(np.array([fitted.params[n].value for n in NAMES]))
    return found[int(np.nanargmin([huber(theta, *data) for theta in found]))]


def _huber_of(parameters: Mapping[str, Any], *data: np.ndarray) -> float:
    return huber(np.array([parameters[n].value for n in NAMES]), *data)


def chinchilla_fit(data: Logs, starts: int) -> np.ndarray:
    """Return theta of the package `chinchilla`: BFGS in long double, on all cores."""
    import chinchilla
    from chinchilla import _metrics

    share = len(list(itertools.product(*PRODUCT.values()))) // starts
    grid = PRODUCT | {"e": PRODUCT["e"][:: max(1, share)]}  # fewer starts for a quick run
    with tempfile.TemporaryDirectory() as folder:
        fitted = chinchilla.Chinchilla(
            folder, grid, loss_fn=partial(_metrics.log_huber, delta=DELTA), log_level=40
        )
        N, D, loss = np.exp(data)
        fitted.database.df = fitted.database.df.reindex(range(len(N)))
        for name, column in {"C": 6 * N * D, "N": N, "D": D, "loss": loss}.items():
            fitted.database.df[name] = column.astype(float)
        fitted.visualizer.optim = _no_figure  # it would be timed as well
        fitted.fit()
    amplitudes = np.log(np.array([fitted.E, fitted.A, fitted.B], float))
    return np.array([fitted.alpha, fitted.beta, *amplitudes], float)


def _no_figure(*measured: Any, **options: Any) -> None:
    """Draw nothing."""


def simple_fit(data: Logs, starts: int) -> np.ndarray:
    """Return theta of `simple-scaling-laws`: least squares on the loss, from its own starts."""
    import polars
    from simple_scaling_laws import fit

    del starts
    N, D, loss = np.exp(data)
    columns = {
        "training_run_id": [str(i) for i in range(len(N))],
        "model_size__n": N,
        "dataset_size__d": D,
        "test_loss__l": loss,
    }
    model = fit(polars.DataFrame(columns), law="separable-power", n_draws=1)
    found, domain = model.params("test_loss__l"), model.observed_domain
    alpha, beta = found["alpha"], found["beta"]  # amplitudes are those at the reference sizes
    A = found["A"] * domain["model_size__n"]["reference"] ** alpha
    B = found["B"] * domain["dataset_size__d"]["reference"] ** beta
    return np.array([alpha, beta, *np.log([found["E"], A, B])])


def warm_refits(data: Logs, theta: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Refit resamples by scipy's least_squares: analytic Jacobian, from the optimum."""
    from scipy.optimize import least_squares

    found = []
    for count in counts:
        rows = tuple(np.repeat(column, count.astype(int)) for column in data)
        fitted = least_squares(
            residual, theta, jacobian, args=rows, loss="huber", f_scale=DELTA, x_scale="jac"
        )
        found.append(fitted.x)
    return np.array(found)


@dataclass(frozen=True)
class Route:
    """A package's way to one fit."""

    module: str
    how: str
    fit: Callable[[Logs, int], np.ndarray]
    starts: int | None = 500  # None: the package chooses


ROUTES = {
    "scipy": Route("scipy.optimize", "L-BFGS-B, finite differences", scipy_multistart),
    "lmfit": Route("lmfit", "L-BFGS-B, finite differences", lmfit_multistart),
    "chinchilla": Route("chinchilla", "BFGS, long double, all cores", chinchilla_fit),
    "simple-scaling-laws": Route(
        "simple_scaling_laws", "least squares of the loss, its own starts", simple_fit, None
    ),
}


def processor() -> float:
    """Return processor seconds of this process and of its finished children."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Run one route on the points of a file; print theta, its release and what it took.

    Short routes are repeated, and the median is printed.
    """
    package, file, starts = sys.argv[1:]
    route, (x, y, t) = ROUTES[package], np.load(file)["logs"]
    importlib.import_module(route.module)
    theta, clocks = np.zeros(5), []
    while len(clocks) < 5 and sum(wall for wall, _ in clocks) < 1:
        start = time.perf_counter(), processor()
        theta = route.fit((x, y, t), int(starts))
        clocks.append((time.perf_counter() - start[0], processor() - start[1]))
    version = importlib.metadata.version(package)
    clock = np.median(clocks, axis=0).tolist()
    print(json.dumps({"theta": theta.tolist(), "clock": clock, "version": version}))


if __name__ == "__main__":
    main()
