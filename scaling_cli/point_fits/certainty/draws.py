"""Joint draws of a law's parameters under weak priors, and the noise of one run.

Each draw adds noise to the measured outputs and refits them (randomise, then optimise).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.engine import chunks
from scaling_cli.engine.problem import Problem
from scaling_cli.laws._law import Prior
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.vocabulary.errors import FitError

DRAWS = 500  # the 5 % quantile of 500 draws is known to 6 % of the half-width
GROSS = 20.0  # noise sds from a robust fit: not a run of this noise; 9 are met in real tables
NOISE_PRIOR_SD = 0.005  # sd of ln loss between repeated runs; our own ladder: 0.3 to 1 %
NOISE_PRIOR_POINTS = 3  # weight of that prior, in points


def noise(residuals: np.ndarray, searched: int, objective: str) -> float:
    """Return the sd of ln loss of one run, from log residuals of shape (n,).

    For robust objectives the 90 % quantile of |r| over 1.645, so that a few outliers do not
    count; for l2 the root mean square. Both are corrected for the parameters searched, and
    pooled with a weak prior of 0.5 %.
    """
    n = len(residuals)
    spare = n - searched
    if objective == "l2":
        own = np.sum(residuals**2)
    else:
        own = n * (np.quantile(np.abs(residuals), 0.9) / NORMAL_90) ** 2
    return float(
        np.sqrt((NOISE_PRIOR_POINTS * NOISE_PRIOR_SD**2 + own) / (spare + NOISE_PRIOR_POINTS))
    )


def noise_at(problem: Problem, u: np.ndarray) -> float:
    """Return the sd of ln loss of one run, from the residuals of a fit."""
    root = np.sqrt(relative(problem.weight))
    return noise(problem.log_misses(u) * root, len(u), problem.objective.name)


def relative(weight: np.ndarray) -> np.ndarray:
    """Return weights in units of their mean: the noise of a run is that of a mean weight."""
    return weight / np.mean(weight)


@dataclass(frozen=True)
class Draws:
    """A batch of joint draws: each lane refits outputs with its own noise under its own priors.

    Parameters
    ----------
    measured : Problem
        What the noise is added to.
    u : array, shape (k,)
        Where lanes start.
    sigma : float
        Noise sd of ln output.
    seed, count : int
    """

    measured: Problem
    u: np.ndarray
    sigma: float
    seed: int
    count: int = DRAWS

    @property
    def problem(self) -> Problem:
        """Least squares on ln output, which draws are refitted by."""
        return least_squares(self.measured)

    def __len__(self) -> int:
        """Return the number of draws."""
        return self.count

    def lanes(self, chunk: chunks.Chunk) -> dict[str, np.ndarray]:
        """Return starts, outputs and priors of these draws."""
        problem = without_gross(self.measured, self.u, self.sigma)
        generator, count = np.random.default_rng(chunk.seed(self.seed)), len(chunk)
        sigmas = self._noise_sds(generator, count)
        noise_of = sigmas[:, None] / np.sqrt(relative(problem.weight))
        size = (count, len(problem.output))
        shaken = np.log(problem.output) + noise_of * generator.standard_normal(size)
        centre, precision = prior_of(problem)
        # The problem's weights stand beside the priors in the sum; sigma is that of the mean one.
        scaled = precision * np.mean(problem.weight) * sigmas[:, None] ** 2
        return {
            "starts": np.repeat(self.u[None], count, axis=0),
            "output": np.exp(shaken),
            "prior_mean": redrawn(generator, centre, precision, count),
            "prior_precision": scaled,
        }

    def kept(
        self, ends: chunks.Ends, cut: Iterable[chunks.Chunk]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return parameters and noise sd of the draws that converged, of a batch cut like this."""
        streams = ((np.random.default_rng(c.seed(self.seed)), len(c)) for c in cut)
        sigmas = np.concatenate([self._noise_sds(*stream) for stream in streams])
        return self.measured.parameters(ends.u[ends.converged]), sigmas[ends.converged]

    def _noise_sds(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Return posterior draws of the noise sd, (count,): the first numbers of a stream."""
        searched = len(self.measured.frame.names)
        freedom = len(self.measured.output) - searched + NOISE_PRIOR_POINTS
        return self.sigma * np.sqrt(freedom / generator.chisquare(freedom, count))


def parameter_draws(
    fitted: Fitted, sigma: float, count: int = DRAWS
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return joint parameter draws and the noise sd of each (randomise-then-optimise).

    Each draw takes a noise sd from its posterior, adds that noise to the logs of the measured
    outputs, and refits by least squares under the law's weak priors with redrawn centres.

    Raises
    ------
    FitError
        If no refit has an end.
    """
    batch = Draws(fitted.problem, fitted.u, sigma, fitted.resampling.seed, count)
    (ends,) = chunks.run([batch], fitted.executor)
    if not np.any(ends.converged):
        raise FitError(
            f"none of the {count} refits behind the interval has an end: the data do not hold "
            "the parameters.",
            hint="Hold or tie a parameter (--fix, --tie), or fit a simpler law.",
        )
    return batch.kept(ends, chunks.cut(batch))


def without_gross(problem: Problem, u: np.ndarray, sigma: float) -> Problem:
    """Return the problem with outputs that no such noise explains put where the fit is.

    Draws are refitted by least squares, which one wrong loss would rule; a robust objective has
    hardly seen it.
    """
    if problem.objective.name == "l2":
        return problem
    fitted = problem.log_predictions(u)[0]
    away = np.abs(np.log(problem.output) - fitted) * np.sqrt(relative(problem.weight))
    gross = away > GROSS * sigma
    return replace(problem, output=np.where(gross, np.exp(fitted), problem.output))


def redrawn(
    generator: np.random.Generator, centre: np.ndarray, precision: np.ndarray, count: int
) -> np.ndarray:
    """Return centres of priors drawn anew, shape (count, p): a prior is one more observation.

    With the centre held, a strong prior would leave intervals of no width.
    """
    on = precision > 0
    sd = np.where(on, 1 / np.sqrt(np.where(on, precision, 1.0)), 0.0)
    return centre + sd * generator.standard_normal((count, len(precision)))


def least_squares(problem: Problem) -> Problem:
    """Return the same problem with least squares on ln output, which draws are refitted by."""
    return replace(problem, objective=replace(problem.objective, name="l2", space="log"))


def prior_of(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and precision of every full free coordinate, shape (p,); 0 where flat.

    Fixed parameters and followers of a tie carry no prior of their own; a user's prior takes the
    place of the law's.
    """
    own = {} if problem.penalty is None else problem.penalty.beliefs
    names = list(problem.law.parameters())
    centre, precision = np.zeros(len(names)), np.zeros(len(names))
    for i, (name, p) in enumerate(problem.law.parameters().items()):
        if name in own:
            centre[i], precision[i] = own[name].center, own[name].sd ** -2
        elif isinstance(p.prior, Prior) and name in problem.frame.names:
            base = p.prior.center * (np.min(problem.output) if p.prior.of_output else 1.0)
            centre[i], precision[i] = np.log(base), p.prior.log_sd**-2
    return centre, precision
