"""Joint draws of a law's parameters under weak priors, and the noise of one run.

Each draw adds noise to the measured outputs and refits them (randomise, then optimise).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from scaling_cli.engine import chunks
from scaling_cli.engine.executors import Executor
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.solve import solve
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


class Shaken(NamedTuple):
    """Outputs (m, n) with noise of these sds (m,), and priors that moved with them (m, p)."""

    output: np.ndarray
    sigmas: np.ndarray
    mean: np.ndarray


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

    @property
    def part(self) -> Self:
        """All of its table."""
        return self

    def few(self, count: int) -> Self:
        """Return as many draws as this of the same."""
        return replace(self, count=count)

    def __len__(self) -> int:
        """Return the number of draws."""
        return self.count

    def lanes(self, chunk: chunks.Chunk) -> dict[str, Any]:
        """Return starts, outputs and priors of these draws."""
        return self.given(self.shaken(chunk))

    def given(self, shaken: Shaken) -> dict[str, Any]:
        """Return the arguments of `solve` for outputs with noise."""
        return {
            "starts": np.repeat(self.u[None], len(shaken.output), axis=0),
            "output": shaken.output,
            "prior_mean": shaken.mean,
            "prior_precision": self.precision(shaken.sigmas),
        }

    def precision(self, sigmas: np.ndarray) -> np.ndarray:
        """Return the priors' precision beside noise of these sds, shape (m, p).

        The problem's weights stand beside the priors in the sum; sigma is that of the mean one.
        """
        return prior_of(self.measured)[1] * np.mean(self.measured.weight) * sigmas[:, None] ** 2

    def base(self) -> Shaken:
        """Return what the draws lie about: no noise, priors where they are."""
        problem, sigma = without_gross(self.measured, self.u, self.sigma), np.array([self.sigma])
        return Shaken(problem.output[None], sigma, prior_of(self.measured)[0][None])

    def shaken(self, chunk: chunks.Chunk) -> Shaken:
        """Return outputs with noise, and priors that were drawn with them."""
        base, weight = self.base(), self.measured.weight
        generator, count = np.random.default_rng(chunk.seed(self.seed)), len(chunk)
        sigmas = self._noise_sds(generator, count)
        noise_of = sigmas[:, None] / np.sqrt(relative(weight))
        size = (count, len(weight))
        output = np.exp(np.log(base.output) + noise_of * generator.standard_normal(size))
        return Shaken(output, sigmas, redrawn(generator, *prior_of(self.measured), count))

    def pulls(self, chunk: chunks.Chunk, slopes: np.ndarray) -> Shaken:
        """Return the same in k numbers a draw, not n: what noise does to the gradient, (m, k).

        The slopes' products with independent normal noise are normal themselves.
        """
        weight, count = self.measured.weight, len(chunk)
        generator = np.random.default_rng(chunk.seed(self.seed))
        sigmas = self._noise_sds(generator, count)
        root = np.linalg.cholesky((slopes.T * weight) @ slopes) * np.sqrt(np.mean(weight))
        noise_of = sigmas[:, None] * generator.standard_normal((count, slopes.shape[1]))
        mean = redrawn(generator, *prior_of(self.measured), count)
        return Shaken(noise_of @ root.T, sigmas, mean)

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
    (ends,) = refitted([batch], fitted.executor, large=fitted.large)
    if not np.any(ends.converged):
        raise FitError(
            f"none of the {count} refits behind the interval has an end: the data do not hold "
            "the parameters.",
            hint="Hold or tie a parameter (--fix, --tie), or fit a simpler law.",
        )
    return batch.kept(ends, chunks.cut(batch))


class Batch(chunks.Batch, Protocol):
    """Draws, fitted over a table of which they may hold a part."""

    @property
    def part(self) -> Draws:
        """What is held."""
        ...

    def given(self, shaken: Shaken) -> dict[str, Any]:
        """Return the arguments of `solve` for outputs with noise."""
        ...

    def few(self, count: int) -> Self:
        """Return as many draws as this of the same."""
        ...


def refitted(batches: Sequence[Batch], executor: Executor, *, large: bool) -> list[chunks.Ends]:
    """Return where the draws of each batch end.

    Of a large table a draw is one Newton step from the fit, where steps end as refits do.
    """
    steps = [_stepped(batch, executor) if large else None for batch in batches]
    rest = [batch for batch, ends in zip(batches, steps, strict=True) if ends is None]
    refits = iter(chunks.run(rest, executor))
    return [next(refits) if ends is None else ends for ends in steps]


def _stepped(batch: Batch, executor: Executor) -> chunks.Ends | None:
    """Return where one step from the least squares of all draws' middle ends, if refits end there.

    That is tried on a few draws with all their noise.
    """
    draws, few = batch.part, batch.few(chunks.FEW)
    base, matrix = draws.base(), batch.problem.frame.matrix
    middle = solve(batch.problem, **batch.given(base))
    u, (own,) = middle.u[0], draws.precision(base.sigmas)
    full = np.where(own > 0, matrix @ u + batch.problem.frame.offset, 0.0)
    slopes = draws.measured.sensitivity(u)
    still = own * (full - base.mean[0])

    def ended(pulls: np.ndarray, sigmas: np.ndarray, mean: np.ndarray) -> np.ndarray | None:
        precision = draws.precision(sigmas)
        gradient = (precision * (full - mean) - still) @ matrix - pulls
        bent = np.einsum("ji,mj,jl->mil", matrix, precision - own, matrix)
        return chunks.stepped(u, gradient, middle.hessian[0] + bent)

    (chunk,) = chunks.cut(few)
    told, (refits,) = few.part.shaken(chunk), chunks.run([few], executor)
    noise_of = np.log(told.output) - np.log(base.output)
    tried = ended(noise_of * draws.measured.weight @ slopes, told.sigmas, told.mean)
    made = [ended(*draws.pulls(chunk, slopes)) for chunk in chunks.cut(batch)]
    return chunks.standing(tried, refits, made) if middle.converged[0] else None


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
