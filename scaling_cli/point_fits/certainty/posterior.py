"""The full posterior of a law, sampled by NUTS: for those who want one (the extra `posterior`).

Noise on ln output is Student's t (or normal) of unknown size; the parameters have the law's weak
priors, or the user's. It is the posterior of a law taken as true: like every interval made of
residuals alone it says nothing of the law's bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.engine.problem import Problem, parameters
from scaling_cli.point_fits.certainty.draws import (
    NOISE_PRIOR_POINTS,
    NOISE_PRIOR_SD,
    noise_at,
    prior_of,
    relative,
)
from scaling_cli.search.optimum import Optimum, sensitivity

METHOD = "posterior by NUTS (Student's t noise of 4 degrees, weak priors)"
CHAINS = 4
FREEDOM = 4.0  # tails in which outliers of five sds are not rare
LARGEST_R_HAT = 1.01
# A coefficient whose term may vanish has a flat tail, and no posterior, without some prior: one
# sd is a factor of e^10.
WIDE = 10.0
DISPERSED = 2.0  # sd of the chains' beginnings, in sds of the delta method


@dataclass(frozen=True)
class Posterior:
    """Draws of the posterior, and whether they can be trusted.

    Parameters
    ----------
    draws : mapping of parameter to array, shape (chains x draws,)
    sigma : array, shape (chains x draws,)
        Scale of the noise of ln output.
    freedom : float
        Of the noise.
    r_hat, ess : mapping of parameter (and sigma) to float
        Split R-hat and effective sample size of the searched coordinates.
    divergences, chains, each : int
    """

    draws: Mapping[str, np.ndarray]
    sigma: np.ndarray
    freedom: float
    r_hat: Mapping[str, float]
    ess: Mapping[str, float]
    divergences: int
    chains: int
    each: int

    def noise(self, generator: np.random.Generator, each: int) -> np.ndarray:
        """Return noise of runs, `each` for every draw, shape (chains x draws x each,)."""
        shape = (len(self.sigma), each)
        if np.isinf(self.freedom):
            return (self.sigma[:, None] * generator.standard_normal(shape)).ravel()
        return (self.sigma[:, None] * generator.standard_t(self.freedom, shape)).ravel()

    @property
    def converged(self) -> bool:
        """Whether every R-hat is at most 1.01 and no transition diverged."""
        mixed = all(found <= LARGEST_R_HAT for found in self.r_hat.values())  # NaN is not
        return mixed and self.divergences == 0

    def summary(self) -> str:
        """Return one line for people."""
        worst, fewest = np.max(list(self.r_hat.values())), np.min(list(self.ess.values()))
        return (
            f"{self.chains} chains of {self.each} draws, R-hat at most {worst:.4f}, effective "
            f"sample size at least {fewest:.0f}, {self.divergences} divergences"
        )


def sample(
    problem: Problem,
    optimum: Optimum,
    *,
    freedom: float = FREEDOM,
    warmup: int = 500,
    draws: int = 1000,
    seed: int = 0,
) -> Posterior:
    """Sample the posterior from four dispersed starts.

    Parameters
    ----------
    freedom : float
        Degrees of freedom of Student's t noise; infinite for normal noise.
    warmup, draws : int
        Of each chain.

    Raises
    ------
    UsageError
        If numpyro is not installed.
    """
    from scaling_cli.engine import nuts

    center, precision = _priors(problem, optimum.u)
    sigma = noise_at(problem, optimum.u)
    model = nuts.Model(problem, freedom, center, precision, NOISE_PRIOR_SD, NOISE_PRIOR_POINTS)
    origin = np.append(optimum.u, np.log(sigma))
    place = nuts.Place(origin, _scale(problem, optimum.u, precision, sigma))
    begin = DISPERSED * np.random.default_rng(seed).standard_normal((CHAINS, len(origin)))
    found = nuts.sample(model, place, begin, warmup=warmup, draws=draws, seed=seed)
    flat = found.z.reshape(-1, len(origin))
    names = [*problem.frame.names, "sigma"]
    return Posterior(
        draws=parameters(problem, flat[:, :-1]),
        sigma=np.exp(flat[:, -1]),
        freedom=freedom,
        r_hat=dict(zip(names, found.r_hat.tolist(), strict=True)),
        ess=dict(zip(names, found.ess.tolist(), strict=True)),
        divergences=found.divergences,
        chains=CHAINS,
        each=draws,
    )


def _priors(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and precisions of the searched coordinates, shape (k,), each proper."""
    rows = [list(problem.law.parameters()).index(name) for name in problem.frame.names]
    center, precision = (x[rows] for x in prior_of(problem))
    flat = precision == 0
    return np.where(flat, u, center), np.where(flat, WIDE**-2, precision)


def _scale(problem: Problem, u: np.ndarray, precision: np.ndarray, sigma: float) -> np.ndarray:
    """Return a matrix that makes the posterior nearly standard, shape (k + 1, k + 1)."""
    J = sensitivity(problem, u, problem.inputs)
    information = (J.T * relative(problem.weight)) @ J / sigma**2 + np.diag(precision)
    out = np.zeros((len(u) + 1, len(u) + 1))
    out[:-1, :-1] = np.linalg.cholesky(np.linalg.inv(information))
    out[-1, -1] = 1 / np.sqrt(2 * len(problem.output))
    return out
