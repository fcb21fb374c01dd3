"""The optimum of a fit with priors: their scale beside the data comes from the data's own noise."""

from dataclasses import replace

import numpy as np

from scaling_cli.engine.problem import Problem, corner_of, deviations
from scaling_cli.numerics.mestimate import tau
from scaling_cli.search.minimum import LAD_LOOSEST
from scaling_cli.search.optimum import Optimum, optimise
from scaling_cli.vocabulary.errors import FitError


def settle(problem: Problem, *, seed: int = 0) -> tuple[Problem, Optimum]:
    """Return the problem with the scale of its priors settled, and its optimum.

    tau, by which the priors' precision is multiplied, is estimated from the residuals of the fit
    without priors: with them, a prior that contradicts the data would raise the residuals, so
    look precise beside them, and win. Without priors this is `optimise`.

    Raises
    ------
    FitError
        As `optimise`.
    """
    if problem.penalty is None:
        return problem, optimise(problem, seed=seed)
    try:
        u = optimise(replace(problem, penalty=None), seed=seed).u
    except FitError:  # only the priors hold the parameters: their provisional scale finds some
        u = optimise(problem, seed=seed).u
    penalty = replace(problem.penalty, residuals=residuals(problem, u))
    settled = replace(problem, penalty=penalty)
    return settled, optimise(settled, seed=seed)


def smallest_corner(problem: Problem) -> float:
    """Return Huber's corner; for least absolute deviations, one that stands for their limit."""
    return LAD_LOOSEST if problem.objective.name == "lad" else corner_of(problem.objective)


def residuals(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return residuals in the objective's space, shape (n,), at searched coordinates u (k,)."""
    return deviations(problem, u[None])[0]


def noise_scale(problem: Problem, u: np.ndarray) -> float:
    """Return tau, which turns the objective into ln likelihood: that of the priors, if any."""
    corner = smallest_corner(problem)
    if problem.penalty is not None:
        return problem.penalty.tau(corner)
    return tau(residuals(problem, u), problem.weight, len(u), corner)
