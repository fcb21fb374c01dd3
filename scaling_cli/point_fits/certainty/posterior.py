"""The full posterior of a law, sampled by NUTS: for those who want one (the extra `posterior`).

Noise on ln output is Student's t (or normal) of unknown size; the parameters have the law's weak
priors, or the user's. It is the posterior of a law taken as true: like every interval made of
residuals alone it says nothing of the law's bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.point_fits.certainty import draws as noisy
from scaling_cli.point_fits.fitted import Fitted

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
        mixed = all(r_hat <= LARGEST_R_HAT for r_hat in self.r_hat.values())  # NaN is not
        return mixed and self.divergences == 0

    def summary(self) -> str:
        """Return one line for people."""
        worst, fewest = np.max(list(self.r_hat.values())), np.min(list(self.ess.values()))
        return (
            f"{self.chains} chains of {self.each} draws, R-hat at most {worst:.4f}, effective "
            f"sample size at least {fewest:.0f}, {self.divergences} divergences"
        )


def sample(
    fitted: Fitted, *, freedom: float = FREEDOM, warmup: int = 500, draws: int = 1000
) -> Posterior:
    """Sample the posterior from four dispersed starts.

    Parameters
    ----------
    fitted : Fitted
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

    problem, u, seed = fitted.problem, fitted.u, fitted.resampling.seed
    rows = [list(problem.law.parameters()).index(name) for name in problem.frame.names]
    center, precision = (x[rows] for x in noisy.prior_of(problem))
    flat = precision == 0  # made proper: see WIDE
    center, precision = np.where(flat, u, center), np.where(flat, WIDE**-2, precision)
    sigma = noisy.noise_at(problem, u)
    own = noisy.NOISE_PRIOR_SD, noisy.NOISE_PRIOR_POINTS
    place = nuts.Place(np.append(u, np.log(sigma)), _scale(fitted, precision, sigma))
    begin = DISPERSED * np.random.default_rng(seed).standard_normal((CHAINS, len(place.origin)))
    model = nuts.Model(problem, freedom, center, precision, *own)
    chains = nuts.sample(model, place, begin, warmup=warmup, draws=draws, seed=seed)
    flattened = chains.z.reshape(-1, len(place.origin))
    names = [*problem.frame.names, "sigma"]
    return Posterior(
        draws=problem.parameters(flattened[:, :-1]),
        sigma=np.exp(flattened[:, -1]),
        freedom=freedom,
        r_hat=dict(zip(names, chains.r_hat.tolist(), strict=True)),
        ess=dict(zip(names, chains.ess.tolist(), strict=True)),
        divergences=chains.divergences,
        chains=CHAINS,
        each=draws,
    )


def _scale(fitted: Fitted, precision: np.ndarray, sigma: float) -> np.ndarray:
    """Return a matrix that makes the posterior nearly standard, shape (k + 1, k + 1)."""
    J, weight = fitted.slopes, noisy.relative(fitted.problem.weight)
    information = (J.T * weight) @ J / sigma**2 + np.diag(precision)
    out = np.zeros((J.shape[1] + 1, J.shape[1] + 1))
    out[:-1, :-1] = np.linalg.cholesky(np.linalg.inv(information))
    out[-1, -1] = 1 / np.sqrt(2 * len(J))
    return out
