"""The delta method: intervals from curvature at the optimum, without a single refit.

Everything is linear in the neighbourhood of the optimum: a parameter's free coordinate, ln of a
prediction or of a derived quantity has the variance g' V g. Two V are known: the classic one of
M-estimation, and the sandwich with residuals as if the cluster had not been fitted (HC3, CR3),
which also stands noise that differs from run to run. Small tables make either too small by
chance, so the larger variance counts, with Student's t of (clusters - parameters) degrees.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.numerics import mestimate
from scaling_cli.point_fits.certainty.resampling import slopes, undetermined
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.search.optimum import DEAD_TERM

METHOD = "delta method (larger of HC3 and classic variance, Student's t)"
IDLE = 1e-6  # slope of ln(derived quantity) in a coordinate that does not enter it
STEP = 1e-4  # of finite differences in free coordinates


@dataclass(frozen=True)
class Curvature:
    """What the neighbourhood of an optimum says.

    Parameters
    ----------
    classic, sandwich : array, shape (k, k)
        Covariances of the searched coordinates.
    degrees : int
        Of Student's t.
    dead : array of bool, shape (k,)
        Coordinates that move nothing at the optimum (a term that has vanished): curvature says
        nothing of them.
    """

    classic: np.ndarray
    sandwich: np.ndarray
    degrees: int
    dead: np.ndarray

    def determines(self, gradient: np.ndarray) -> bool:
        """Whether a gradient (k,) has no share in a dead coordinate."""
        return not np.any(self.dead & (gradient != 0))

    def variance(self, gradient: np.ndarray) -> np.ndarray:
        """Return the variance along each gradient, shape (m,), of gradients (m, k)."""
        both = [
            np.einsum("ij,jk,ik->i", gradient, V, gradient) for V in (self.classic, self.sandwich)
        ]
        return np.maximum(*both)

    def half_width(self, gradient: np.ndarray, level: float) -> np.ndarray:
        """Return the half-width of intervals along each gradient, shape (m,)."""
        return student(level, self.degrees) * np.sqrt(self.variance(gradient))


def curvature(fitted: Fitted) -> Curvature:
    """Return the covariances of the searched coordinates at an optimum."""
    problem, u = fitted.problem, fitted.u
    corner, penalty, matrix = problem.smallest_corner, problem.penalty, problem.frame.matrix
    r, J, weight = problem.residuals(u), slopes(problem, u), problem.weight
    tau = problem.noise_scale(u)
    prior = np.zeros((len(u), len(u)))  # curvature that the user's priors add
    if penalty is not None:
        prior = penalty.tau(corner) * penalty.information(matrix)
    slope = mestimate.slope(r, weight, corner)
    mean_slope = np.sum(weight * slope) / np.sum(weight)
    classic = tau * np.linalg.pinv(mean_slope * (J.T * weight) @ J + prior, hermitian=True)
    bread = np.linalg.pinv((J.T * (weight * slope)) @ J + prior, hermitian=True)
    psi, curved = weight * np.clip(r, -corner, corner), (weight * slope)[:, None] * J
    # Each cluster's score w psi J, as if the cluster had not been fitted.
    names, member = np.unique(np.asarray(fitted.clusters), return_inverse=True)
    scores = np.zeros((len(names), len(u)))
    apart = mestimate.left_out(psi, curved, bread, J, member)
    np.add.at(scores, member, J * apart[:, None])
    sandwich = bread @ (scores.T @ scores + tau * prior) @ bread
    moved = np.max(np.abs(J), axis=0) + np.diagonal(prior)
    return Curvature(classic, sandwich, max(1, len(names) - len(u)), dead=moved < DEAD_TERM)


def of_parameters(fitted: Fitted, curved: Curvature) -> dict[str, dict[str, float | str]]:
    """Return {parameter: level, low, high, method}; nothing of a parameter whose term is gone.

    Positive parameters have intervals symmetric in their logarithm.
    """
    matrix, level = fitted.problem.frame.matrix, fitted.level
    half, values = curved.half_width(matrix, level), fitted.problem.parameters(fitted.u[None])
    intervals = {}
    for i, (name, p) in enumerate(fitted.law.parameters().items()):
        if not curved.determines(matrix[i]):
            continue
        value = float(values[name][0])
        if not np.any(matrix[i]):
            low = high = value
        elif p.positive:
            with np.errstate(over="ignore"):  # nothing is known of it
                low, high = value * np.exp(-half[i]), value * np.exp(half[i])
        else:
            low, high = value - half[i], value + half[i]
        ends = {"low": float(low), "high": float(high)}
        intervals[name] = {"level": level, **ends, "method": "delta"}
    return intervals


def gradient_of_derived(fitted: Fitted, name: str, inputs: Mapping[str, float]) -> np.ndarray:
    """Return d ln(derived quantity) / d u, shape (1, k), such as optimal_params at a compute."""
    k, problem = len(fitted.u), fitted.problem
    moved = problem.laws(fitted.u + STEP * np.concatenate([np.eye(k), -np.eye(k)]))
    logs = np.log([float(law.derive(name, **inputs)) for law in moved])
    return ((logs[:k] - logs[k:]) / (2 * STEP))[None]


def undetermined_in(fitted: Fitted, name: str, inputs: Mapping[str, float]) -> dict[str, str]:
    """Return {parameter: reason} of what the data leave open and a derived quantity hangs on."""
    reasons = undetermined(fitted.problem, fitted.optimum)
    if not reasons:
        return {}
    moved = gradient_of_derived(fitted, name, inputs)[0]
    near = zip(fitted.problem.frame.names, moved, strict=True)
    return {n: reasons[n] for n, slope in near if n in reasons and abs(slope) > IDLE}


def student(level: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t."""
    from scipy.special import stdtrit  # late: importing scipy takes a third of a second

    return float(stdtrit(degrees, (1 + level) / 2))
