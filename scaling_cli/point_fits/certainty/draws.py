"""Joint draws of a law's parameters under weak priors, and the noise of one run.

Each draw adds noise to the measured outputs and refits them (randomise, then optimise).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.engine import chunks
from scaling_cli.engine.executors import SERIAL, Executor
from scaling_cli.engine.problem import Problem, parameters
from scaling_cli.laws._law import Prior
from scaling_cli.search.optimum import Optimum, log_predictions
from scaling_cli.vocabulary.errors import FitError

DRAWS = 500  # the 5 % quantile of 500 draws is known to 6 % of the half-width
GROSS = 20.0  # noise sds from a robust fit: not a run of this noise; 9 are met in real tables
NOISE_PRIOR_SD = 0.005  # sd of ln loss between repeated runs; our own ladder: 0.3 to 1 %
NOISE_PRIOR_POINTS = 3  # weight of that prior, in points
NORMAL_90 = 1.6448536269514722


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
    residuals = log_predictions(problem, u, problem.inputs)[0] - np.log(problem.output)
    root = np.sqrt(relative(problem.weight))
    return noise(residuals * root, len(u), problem.objective.name)


def relative(weight: np.ndarray) -> np.ndarray:
    """Return weights in units of their mean: the noise of a run is that of a mean weight."""
    return weight / np.mean(weight)


@dataclass(frozen=True)
class Shaken:
    """What the refits behind joint draws are given; leading axis: draw."""

    sigma: np.ndarray  # (draws,) noise sd of ln output
    output: np.ndarray  # (draws, n)
    prior_mean: np.ndarray  # (draws, p) in full free coordinates
    prior_precision: np.ndarray  # (draws, p)


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
        measured = without_gross(self.measured, self.u, self.sigma)
        shaken = shake(measured, self.sigma, chunk.seed(self.seed), len(chunk))
        return {
            "starts": np.repeat(self.u[None], len(chunk), axis=0),
            "output": shaken.output,
            "prior_mean": shaken.prior_mean,
            "prior_precision": shaken.prior_precision,
        }

    def sigmas(self, cut: Iterable[chunks.Chunk]) -> np.ndarray:
        """Return the noise sd of each draw, shape (count,), of a batch cut into these chunks."""
        return np.concatenate(
            [
                _noise_sds(
                    self.measured, self.sigma, np.random.default_rng(c.seed(self.seed)), len(c)
                )
                for c in cut
            ]
        )


def parameter_draws(
    problem: Problem,
    optimum: Optimum,
    sigma: float,
    seed: int,
    count: int = DRAWS,
    *,
    executor: Executor = SERIAL,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return joint parameter draws and the noise sd of each (randomise-then-optimise).

    Each draw takes a noise sd from its posterior, adds that noise to the logs of the measured
    outputs, and refits by least squares under the law's weak priors with redrawn centres.

    Raises
    ------
    FitError
        If no refit has an end.
    """
    batch = Draws(problem, optimum.u, sigma, seed, count)
    (ends,) = chunks.run([batch], executor)
    good = ends.converged
    if not np.any(good):
        raise FitError(
            f"none of the {count} refits behind the interval has an end: the data do not hold "
            "the parameters.",
            hint="Hold or tie a parameter (--fix, --tie), or fit a simpler law.",
        )
    return parameters(problem, ends.u[good]), batch.sigmas(chunks.cut(batch))[good]


def without_gross(problem: Problem, u: np.ndarray, sigma: float) -> Problem:
    """Return the problem with outputs that no such noise explains put where the fit is.

    Draws are refitted by least squares, which one wrong loss would rule; a robust objective has
    hardly seen it.
    """
    if problem.objective.name == "l2":
        return problem
    fitted = log_predictions(problem, u, problem.inputs)[0]
    away = np.abs(np.log(problem.output) - fitted) * np.sqrt(relative(problem.weight))
    gross = away > GROSS * sigma
    return replace(problem, output=np.where(gross, np.exp(fitted), problem.output))


def shake(
    problem: Problem, sigma: float, seed: int | np.random.SeedSequence, count: int = DRAWS
) -> Shaken:
    """Return outputs with noise added and priors with centres redrawn, for each draw."""
    generator = np.random.default_rng(seed)
    sigmas = _noise_sds(problem, sigma, generator, count)
    noise_of = sigmas[:, None] / np.sqrt(relative(problem.weight))
    size = (count, len(problem.output))
    shaken = np.log(problem.output) + noise_of * generator.standard_normal(size)
    centre, precision = prior_of(problem)
    redrawn = centre + np.where(
        precision > 0, 1 / np.sqrt(np.where(precision > 0, precision, 1)), 0.0
    ) * generator.standard_normal((count, len(centre)))
    # The problem's weights stand beside these priors in the sum; sigma is that of the mean weight.
    scaled = precision * np.mean(problem.weight) * sigmas[:, None] ** 2
    return Shaken(sigmas, np.exp(shaken), redrawn, scaled)


def _noise_sds(
    problem: Problem, sigma: float, generator: np.random.Generator, count: int
) -> np.ndarray:
    """Return posterior draws of the noise sd, shape (count,): the first numbers of a stream."""
    freedom = len(problem.output) - len(problem.frame.names) + NOISE_PRIOR_POINTS
    return sigma * np.sqrt(freedom / generator.chisquare(freedom, count))


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
