"""The law of running jobs, L0 + A (S1/S1_now)^-alpha - B D, on a grid, and fitted to one run.

S1 is the area under the learning rate and D its lagged fall: the exponential moving average of
1 - lr/peak, with time constant tau. This is the momentum law of Tissue et al. (arXiv:2408.11029,
eq. 1) with B = C peak / (1 - lambda) and tau = 1 / (1 - lambda), in units that do not depend on
the rate or the batch. For each alpha and tau the law is linear in L0, A and B: a ridge solve. What
a run's forecast is unsure of is told by the posterior and by forecasts of what is already logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts.forecast import Past
from scaling_cli.forecasting.future import WIDTHS, Course, RatePlan
from scaling_cli.forecasting.job import FEWEST, Bins, Job, binned
from scaling_cli.numerics.mestimate import huber
from scaling_cli.vocabulary.errors import FitError

ALPHAS = np.geomspace(0.05, 2.0, 40)
FINEST, COARSEST = 0.001, 0.01  # of the loss: bounds on the scale of residuals
HUBER = 2.0
ROUNDS = 3
CUTS = (0.3, 0.4, 0.5, 0.65, 0.8)  # shares of the prefix at which its own end is forecast
PLACES = 50  # at which that end is forecast, at least
OWN_SHARE = 0.5  # of the root mean square of those errors that goes into the spread
DECAY_SHARE = 0.1  # of what the decay is still to take off: how it comes about is not the law's
# Shares of what is logged that are skipped at its start: how much is not known, so that three
# answers are mixed. Backtests, and siblings, are fitted in one window.
WINDOWS, WINDOW = (0.1, 0.25, 0.4), 0.2
LONGEST_SKIPPED, AFTER_WARMUP = 0.3, 1.2


@dataclass(frozen=True)
class Kind:
    """What is believed of a kind of run before it is seen; L0, A and B over its current loss.

    Parameters
    ----------
    share : float
        Of runs that are of this kind.
    floor, gain, drop : (mean, sd)
        Of L0, A and B.
    exponent : (median, sd of the logarithm)
        Of alpha.
    """

    share: float
    floor: tuple[float, float]
    gain: tuple[float, float]
    drop: tuple[float, float]
    exponent: tuple[float, float]

    @property
    def relative(self) -> np.ndarray:
        """Means and deviations of (L0, A, B), shape (2, 3)."""
        return np.array((self.floor, self.gain, self.drop)).T


@dataclass(frozen=True)
class Belief:
    """Kinds of runs, and how much the data of one count.

    Parameters
    ----------
    kinds : sequence of Kind
        The data say which of them a run is.
    effective : float
        Points that all bins together count as: their residuals are the law's, and alike.
    steady : sequence of Kind
        In place of `kinds` where the schedule holds the rate before a cool-down.
    """

    kinds: Sequence[Kind]
    effective: float = 16.0
    steady: Sequence[Kind] = ()

    def without_drop(self) -> "Belief":
        """Return the belief in the law that has no decay term."""
        kinds, steady = (
            [replace(k, drop=NO_DROP) for k in some] for some in (self.kinds, self.steady)
        )
        return replace(self, kinds=kinds, steady=steady)

    def about(self, course: Course) -> Sequence[Kind]:
        """Return the kinds of runs under such a schedule."""
        return self.steady if self.steady and course.steady else self.kinds


NO_DROP = (0.0, 1e-9)
# Runs near their floor, whose decay takes off a near-universal share of the loss: fits of whole
# runs gave, per source, 0.031 to 0.066 (median 0.053) under gradual decays, and 0.038 to 0.047
# where a steady rate is cooled down at the end. And runs still in their first fall: a lower floor,
# a smaller exponent, a larger and less certain drop.
MATURE = Kind(0.5, floor=(0.85, 0.10), gain=(0.3, 0.6), drop=(0.053, 0.02), exponent=(0.45, 0.25))
YOUNG = Kind(0.5, floor=(0.4, 0.3), gain=(0.6, 0.6), drop=(0.07, 0.02), exponent=(0.25, 0.5))
COOLED = replace(MATURE, drop=(0.042, 0.012))
DEFAULT = Belief((MATURE, YOUNG), steady=(COOLED, YOUNG))
# Of what is no loss nothing is universal: a fall of the rate may take off a third of what is left.
OTHER = Kind(1.0, floor=(0.7, 0.3), gain=(0.4, 0.8), drop=(0.08, 0.1), exponent=(0.45, 0.5))
WIDER = Belief((OTHER,))
# The plain power law in steps: nothing is believed but that it falls towards something.
ANY = Kind(1.0, floor=(0.8, 0.4), gain=(0.3, 2.0), drop=NO_DROP, exponent=(0.45, 0.75))
VAGUE = Belief((ANY,))


@dataclass(frozen=True)
class Run:
    """What the law is fitted to: bins of one run and its course."""

    bins: Bins
    course: Course
    unit: float = 1.0
    """Area of one unit of x at the peak, in units of the first run's."""

    @classmethod
    def of(cls, job: Job, course: Course, unit: float = 1.0, *, skipped: float = WINDOW) -> "Run":
        """Return what is fitted of a job, but for a share at the start."""
        return cls(binned(job, first_fitted(job.now, course, skipped)), course, unit)

    @property
    def pivot(self) -> float:
        """S1 at the last point."""
        return float(self.course.area_at(self.bins.x[-1:])[0])


@dataclass(frozen=True)
class Mixture:
    """The law under every kind of prior, at every alpha and response, with how likely each is.

    Parameters
    ----------
    weight : array, shape (kinds, k)
        Posterior probability of each kind, alpha and response; the kinds of every window.
    alpha : array, shape (k,)
    mean, covariance : array, shape (kinds, k, 3) and (kinds, k, 3, 3)
        Of (L0, A, B) at each.
    pivot : float
        S1 at the last point seen.
    level : float
        The current loss, to which the priors are relative.
    evidence : float
        Logarithm of the evidence of the data.
    """

    weight: np.ndarray
    alpha: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    pivot: float
    level: float
    evidence: float

    def at(self, course: Course, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected loss and its standard deviation at places, shape (n,) each."""
        design = _design(course, np.atleast_1d(np.asarray(x, float)), self.pivot)
        each = np.einsum("knj,ckj->ckn", design, self.mean)
        half = np.einsum("ckij,knj->ckni", self.covariance, design, optimize=True)
        own = np.einsum("ckni,kni->ckn", half, design, optimize=True)
        value = np.einsum("ck,ckn->n", self.weight, each)
        variance = np.einsum("ck,ckn->n", self.weight, own + (each - value) ** 2)
        return value, np.sqrt(variance)

    def drop_at(self, course: Course, x: np.ndarray) -> np.ndarray:
        """Return what the fall of the rate has taken off at places, shape (n,)."""
        design = _design(course, np.atleast_1d(np.asarray(x, float)), self.pivot)
        return -np.einsum("ck,kn,ck->n", self.weight, design[:, :, 2], self.mean[:, :, 2])

    def drop_between(
        self, course: Course, start: float, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what the fall of the rate takes off from a place on, and its deviation, (n,)."""
        column = -_design(course, np.append(start, x), self.pivot)[:, :, 2]
        fall = column[:, 1:] - column[:, :1]
        each = self.mean[:, :, 2, None] * fall
        mean = np.einsum("ck,ckn->n", self.weight, each)
        square = self.covariance[:, :, 2, 2, None] * fall**2 + (each - mean) ** 2
        return mean, np.sqrt(np.einsum("ck,ckn->n", self.weight, square))

    def typical(self) -> dict[str, float]:
        """Return the posterior means of the parameters; alpha as a geometric mean."""
        floor, gain, drop = np.einsum("ck,ckj->j", self.weight, self.mean).tolist()
        alpha = float(np.exp(self.weight.sum(axis=0) @ np.log(self.alpha)))
        return {"L0": floor, "A": gain, "B": drop, "alpha": alpha}


def fit(runs: Sequence[Run], belief: Belief = DEFAULT, about: Run | None = None) -> Mixture:
    """Return the posterior given the bins of runs of one model; the first is the one forecast.

    Parameters
    ----------
    runs : sequence of Run
        All with courses of the same lags.
    belief : Belief
    about : Run, optional
        Whose present loss and area the parameters are relative to. Default: the first.
    """
    first = runs[0]
    level, pivot = (about or first).bins.level, (about or first).pivot
    design = np.concatenate([_design(r.course, r.bins.x, pivot, r.unit) for r in runs], axis=1)
    loss = np.concatenate([r.bins.loss for r in runs])
    weight = np.concatenate([belief.effective * r.bins.weight for r in runs])
    scale = level * float(np.clip(first.bins.noise, FINEST, COARSEST))
    alpha = np.repeat(ALPHAS, len(design) // len(ALPHAS))
    kinds, precision = belief.about(first.course), weight / scale**2
    solved = [_ridge(design, loss, precision, scale, level * k.relative) for k in kinds]
    mean, covariance, evidence = (np.stack(part) for part in zip(*solved, strict=True))
    score = evidence + np.stack([_prior_of(k, alpha) for k in kinds])
    likely = np.exp(score - score.max())
    total = float(score.max() + np.log(likely.sum()))
    return Mixture(likely / likely.sum(), alpha, mean, covariance, pivot, level, total)


def mixed(parts: Sequence[Mixture]) -> Mixture:
    """Return one posterior of several about the same loss and area, which weigh the same."""
    names = ("weight", "mean", "covariance")
    weight, mean, covariance = (np.concatenate([getattr(p, n) for p in parts]) for n in names)
    evidence = float(np.mean([p.evidence for p in parts]))
    whole = {"mean": mean, "covariance": covariance, "evidence": evidence}
    return replace(parts[0], weight=weight / len(parts), **whole)


def _prior_of(prior: Kind, alpha: np.ndarray) -> np.ndarray:
    """Return the log prior probability of this kind of run with each alpha (and lag)."""
    off = (np.log(alpha) - np.log(prior.exponent[0])) / prior.exponent[1]
    return np.log(prior.share) - off**2 / 2 - np.log(np.sum(np.exp(-(off**2) / 2)))


def _design(course: Course, x: np.ndarray, pivot: float, unit: float = 1.0) -> np.ndarray:
    """Return the columns of L0, A and B at places for every alpha and lag, shape (k, n, 3)."""
    area = np.maximum(course.area_at(x) * unit / pivot, 1e-12)
    power = area[None, :] ** -ALPHAS[:, None]
    fall = course.fall_at(x)
    design = np.ones((len(ALPHAS), len(fall), len(x), 3))
    design[..., 1], design[..., 2] = power[:, None], -fall
    return design.reshape(-1, len(x), 3)


def _ridge(
    design: np.ndarray,
    loss: np.ndarray,
    precision: np.ndarray,
    scale: float,
    prior: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and covariance of (L0, A, B) and the log evidence, for every alpha and lag."""
    centre, spread = prior
    held = np.diag(spread**-2.0)
    tamed = np.ones((len(design), len(loss)))
    mean = covariance = left = np.empty(0)
    for _ in range(ROUNDS):
        rows = design * (tamed * precision)[:, :, None]
        gram = np.einsum("kni,knj->kij", rows, design, optimize=True) + held
        right = np.einsum("kni,n->ki", rows, loss, optimize=True) + held @ centre
        covariance = np.linalg.inv(gram)
        mean = np.einsum("kij,kj->ki", covariance, right)
        left = loss - np.einsum("kni,ki->kn", design, mean)
        tamed = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(left), 1e-300))
    misfit = np.sum(precision * huber(left / scale, HUBER), axis=1) * scale**2
    off = np.sum(((mean - centre) / spread) ** 2, axis=1)
    volume = np.linalg.slogdet(covariance)[1] - 2 * np.sum(np.log(spread))
    return mean, covariance, -misfit - off / 2 + volume / 2


@dataclass(frozen=True)
class Alone:
    """The law fitted to one run.

    Parameters
    ----------
    job : Job
    plan : RatePlan
    course : Course
    bins : Bins
        Of the middle one of the windows that were fitted.
    posterior : Mixture
    since : float
        Nothing before it was fitted.
    backtests : tuple of Past
    tested : tuple of float
        Relative standard deviation of each by the posterior.
    """

    job: Job
    plan: RatePlan
    course: Course
    bins: Bins
    posterior: Mixture
    since: float = 0.0
    backtests: tuple[Past, ...] = ()
    tested: tuple[float, ...] = ()

    @property
    def own_error(self) -> float:
        """Root mean square error of the backtests, per unit of ln(horizon)."""
        scaled = [b.error / np.log(1 / b.cut) for b in self.backtests]
        return float(np.sqrt(np.mean(np.square(scaled)))) if scaled else 0.0

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected loss at places ahead, and its relative standard deviation."""
        value, sd = self.posterior.at(self.course, x)
        ahead = np.log(np.maximum(np.asarray(x) / self.job.now, 1.0))
        gone = self.posterior.drop_at(self.course, np.append(self.job.now, x))
        decay = DECAY_SHARE * (gone[1:] - gone[0])
        parts = np.stack([sd / value, OWN_SHARE * self.own_error * ahead, decay / value])
        width = WIDTHS[self.course.phase(self.job.now)]
        wide = max(1.0, width) if self.plan.source == "assumed" else width
        return value, wide * np.sqrt(np.sum(parts**2, axis=0))

    def constant(self, x: float) -> float:
        """Return the expected loss at a place if the rate stayed as it is now."""
        rate = float(self.plan.rate(np.array([self.job.now]))[0])
        held = self.course.held(self.job.now, rate)
        return float(self.posterior.at(held, np.array([x]))[0][0])


def alone(
    job: Job, plan: RatePlan, belief: Belief = DEFAULT, *, since: float = 0.0, backtest: bool = True
) -> Alone:
    """Fit the law to a run and its plan.

    Parameters
    ----------
    job : Job
    plan : RatePlan
    belief : Belief
    since : float
        Nothing before it is fitted.
    backtest : bool
        Whether to forecast the end of what is logged from parts of it.

    Raises
    ------
    FitError
        If the rate rose again and fewer than five points were logged since.
    """
    course = Course.of(plan, job.now)
    course = replace(course, start=max(course.start, since))
    points = int((job.x >= course.start).sum())
    if course.start > since and points < FEWEST:
        raise FitError(
            f"run {job.run!r}: the learning rate rose again until {job.unit[:-1]} "
            f"{course.start:.6g}, and {points} point(s) were logged since; a forecast needs "
            f"{FEWEST}.",
            hint="Ask again when more is logged.",
        )
    if course.rises_after(job.now):
        belief = belief.without_drop()
    tests = [_backtest(job, course, belief, cut) for cut in CUTS] if backtest else []
    told = [test for test in tests if test is not None]
    past, tested = tuple(t[0] for t in told), tuple(t[1] for t in told)
    runs = [Run.of(job, course, skipped=skipped) for skipped in WINDOWS]
    middle = runs[len(runs) // 2]
    posterior = mixed([fit([run], belief, middle) for run in runs])
    return Alone(job, plan, course, middle.bins, posterior, since, past, tested)


def first_fitted(now: float, course: Course, skipped: float = WINDOW) -> float:
    """Return where the part of a run that is fitted starts: after a share, and the warm-up."""
    seen = now - course.start
    warm = min(AFTER_WARMUP * (course.warm - course.start), LONGEST_SKIPPED * seen)
    return course.start + max(skipped * seen, warm)


def _backtest(job: Job, course: Course, belief: Belief, cut: float) -> tuple[Past, float] | None:
    """Return how the end of the prefix is forecast from a share of it, and its deviation.

    None with few points.
    """
    at = course.start + cut * (job.now - course.start)
    seen = (job.x >= course.start) & (job.x <= at)
    if seen.sum() < FEWEST:
        return None
    posterior = fit([Run.of(job.until(at), course)], belief)
    last = job.x[job.x > job.now * 0.95]
    last = last[:: max(1, len(last) // PLACES)]
    (value, sd), measured = posterior.at(course, last), job.level()
    predicted = float(value.mean())
    return Past(cut, predicted, measured, predicted / measured - 1), float(sd.mean()) / predicted
