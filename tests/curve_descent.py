"""The solver of curve fits until 0.3: one step of reweighted Gauss-Newton at a time, one refit.

Kept for one release as the oracle of the solver that took its place.
"""

from typing import NamedTuple

import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.curve_coordinates import coordinates, law_at
from scaling_cli.engine.curves import CurveProblem
from scaling_cli.numerics.mestimate import huber

MOST_ITERATIONS, FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 3000, 1e-3, 1e-12, 1e12
FLAT, STILL = 1e-10, 1e-13


class Evaluation(NamedTuple):
    """The objective at a place, with its derivatives in Gauss-Newton's approximation."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray

    def step(self, damping: float, free: np.ndarray) -> np.ndarray:
        """Return the damped step; coordinates that are not free stay."""
        hessian = self.hessian[np.ix_(free, free)]
        size = np.diag(hessian)
        damped = hessian + damping * np.diag(np.maximum(size, FLAT * size.max()))
        step = np.zeros(len(free))
        step[free] = np.linalg.solve(damped, -self.gradient[free])
        return step


def descended(problem: CurveProblem, start: CurveLaw, times: np.ndarray) -> tuple[CurveLaw, float]:
    """Return where the objective is lowest from a start, and how low."""
    u = coordinates(start, problem.scales)
    current, damping = evaluate(problem, times, u), FIRST_DAMPING
    for _ in range(MOST_ITERATIONS):
        step = current.step(damping, problem.free)
        trial = evaluate(problem, times, u + step)
        gain = current.value - trial.value
        if not gain > 0:
            damping *= 8
            if damping > MOST_DAMPING:
                break
            continue
        u, current, damping = u + step, trial, max(damping / 4, LEAST_DAMPING)
        if gain < STILL * current.value:
            break
    return law_at(problem.law, u, problem.scales), current.value


def evaluate(problem: CurveProblem, times: np.ndarray, u: np.ndarray) -> Evaluation:
    """Return the objective at free coordinates."""
    rows = problem.sensing(u)[times > 0]
    counted, r, J = times[times > 0], rows[:, 0], rows[:, 1:]
    mean, precision = problem.prior.T
    size, off = np.abs(r), u - mean
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        weight = counted * np.where(size <= problem.delta, 1.0, problem.delta / size)
        total = float(counted @ huber(r, problem.delta) + 0.5 * precision @ off**2)
        gradient = J.T @ (weight * r) + precision * off
        hessian = (J.T * weight) @ J + np.diag(precision)
    finite = np.isfinite(total) and np.isfinite(gradient).all() and np.isfinite(hessian).all()
    return Evaluation(total if finite else float("inf"), gradient, hessian)
