"""What finished runs say about one that is still running.

With the same schedule as a function of step/total: half the affine transfer of their logarithmic
curves, half the law's forecast corrected by its error on them. With the same size but another
schedule or length: one law fitted to all of them jointly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scaling_cli.forecasting.annealed import Alone, Run, alone, fit
from scaling_cli.forecasting.future import Course, RatePlan, same_shape
from scaling_cli.forecasting.job import FEWEST, Job, binned
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.outcomes import LeftOut

MOST = 6  # siblings, the nearest in size
FINISHED = 0.97  # of its planned length
FROM, POINTS = 0.4, 25  # the stretch that is compared starts at this share of what is logged
SLOPE_SD = 0.2  # of the slope of one logarithmic curve on another, around 1
BELIEVED = 3  # how many errors the prior of the spread counts as
PER_HORIZON, LEAST = 0.003, 0.0003  # the prior spread: per ln(end/now), and at no horizon
OF_LAW = 0.25  # of the law's own spread, which goes into the prior of theirs
LARGER = 1.2  # wider where all siblings are smaller
SAME_SIZE = 0.05
SAME_MODEL = 0.02  # of the loss: runs of one model are as near under the same learning rate
SAME_RATE, AFTER_START = 0.03, 0.1  # of the peak; of what is logged
PREDICTED = 400  # points of a curve that a fit predicts
SETTLED = 0.003  # noise that the final loss of a sibling may keep


class PredictsCurves(Protocol):
    """A fit of loss curves: what `CurveFit` offers."""

    def predict(self, schedule: Schedule, step: Any = None) -> Any:
        """Return a prediction whose `value` is the loss at these steps."""
        ...


@dataclass(frozen=True)
class Sibling:
    """A finished run, or a curve predicted by a fit, and its plan."""

    job: Job
    plan: RatePlan

    @property
    def finished(self) -> bool:
        """Whether its losses reach the end of its schedule."""
        return self.job.now >= FINISHED * self.plan.length

    @property
    def final(self) -> float:
        """Its final loss: the mean of as few last rows as its noise allows."""
        recent = self.job.loss[self.job.x > 0.5 * self.job.now]
        noise = binned(self.job, 0.5 * self.job.now).noise
        rows = int(np.clip((noise / SETTLED) ** 2, 1, max(1, len(recent) // 20)))
        return float(recent[-rows:].mean())

    def like(self, plan: RatePlan) -> bool:
        """Say whether it is finished and its rate has the shape of a plan."""
        return self.finished and same_shape(plan, self.plan)

    def cut(self, share: float) -> Job | None:
        """Return it as it was when a share of it was logged; None if that is too little."""
        at = share * self.plan.length
        return self.job.until(at) if (self.job.x <= at).sum() >= FEWEST else None


@dataclass(frozen=True)
class Family:
    """The siblings that can be used, how, and those that cannot.

    Parameters
    ----------
    members : tuple of Sibling
    how : str
        `transfer` (same shape) or `joint` (same size).
    left_out : tuple of LeftOut
    """

    members: tuple[Sibling, ...]
    how: str
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Informed:
    """A forecast that siblings informed.

    Parameters
    ----------
    value : float
        Expected loss at the end.
    spread : float
        Of its logarithm: scale of Student's t with `freedom` degrees.
    errors : tuple of float
        Of each sibling forecast from the others, in ln loss.
    """

    value: float
    spread: float
    errors: tuple[float, ...]

    @property
    def freedom(self) -> int:
        """As many as there are errors, and as the prior counts as."""
        return BELIEVED + len(self.errors)

    def half_width(self, level: float) -> float:
        """Return the half-width of an interval of the logarithm."""
        return self.spread * quantile(level, self.freedom)


def predicted_sibling(fit: PredictsCurves, job: Job, plan: RatePlan) -> Sibling:
    """Return the curve that a fit predicts under the run's own schedule, as a finished run.

    Raises
    ------
    DataError
        If the run is not logged over steps.
    """
    if job.unit != "steps" or plan.stretch != 1.0:
        raise DataError(
            f"run {job.run!r} is logged over {job.unit}; a fit of loss curves predicts over steps.",
            hint="Give the run a step column, and its schedule over steps.",
        )
    last = max(1.0, float(np.ceil(plan.length)) - 1)
    first = max(1.0, job.x[0])
    step = np.unique(np.round(np.linspace(first, last, PREDICTED)))
    loss = np.asarray(fit.predict(plan.schedule, step.astype(int)).value, float)
    length = RatePlan(plan.schedule, last, plan.source, plan.why, shift=plan.shift)
    return Sibling(Job("the fit's curve", step, loss, params=job.params), length)


def family(job: Job, plan: RatePlan, siblings: Sequence[Sibling]) -> Family:
    """Choose the siblings that can be used, the nearest in size first."""
    left, alike, others = [], [], []
    for sibling in siblings:
        reason = _unusable(job, plan, sibling)
        if reason:
            left.append(LeftOut(sibling.job.run, reason))
        else:
            (alike if sibling.like(plan) else others).append(sibling)
    if alike:
        reason = "another schedule, or not finished; others have the same and are"
        left += [LeftOut(s.job.run, reason) for s in others]
    near = sorted(alike or others, key=lambda s: _apart(job, s.job))
    left += [LeftOut(s.job.run, f"only the {MOST} nearest in size are used") for s in near[MOST:]]
    return Family(tuple(near[:MOST]), "transfer" if alike else "joint", tuple(left))


def _unusable(job: Job, plan: RatePlan, sibling: Sibling) -> str | None:
    """Return why a sibling says nothing of a run; None where it does."""
    other = sibling.job
    if other.run == job.run and _goes_on(job, other):
        return "it is the run itself"
    if other.unit != job.unit and not same_shape(plan, sibling.plan):
        return f"it is logged over {other.unit}, the run over {job.unit}"
    if sibling.like(plan):
        return None
    if _apart(job, other) > SAME_SIZE:
        done = 100 * other.now / sibling.plan.length
        unfinished = f"not finished ({done:.0f} % of its schedule is logged) and of another size"
        return "another schedule and another size" if sibling.finished else unfinished
    off = _apart_in_loss(job, plan, sibling)
    if abs(off) <= SAME_MODEL:
        return None
    return (
        f"another model or other data: where both have had the same learning rate its loss is "
        f"{abs(100 * np.expm1(off)):.1f} % {'higher' if off > 0 else 'lower'}, and its schedule "
        "is another"
    )


def _goes_on(job: Job, other: Job) -> bool:
    """Say whether another log is the same as far as both go."""
    count = min(len(job.x), len(other.x))
    pairs = ((job.x, other.x), (job.loss, other.loss))
    return all(np.array_equal(own[:count], theirs[:count]) for own, theirs in pairs)


def _apart_in_loss(job: Job, plan: RatePlan, sibling: Sibling) -> float:
    """Return ln of the sibling's loss over the run's where both have had the same rate so far.

    Zero where they never had for long enough to compare them.
    """
    other, ratio = sibling.job, _peaks(sibling.plan, plan)
    first = max(job.x[0], other.x[0], AFTER_START * job.now)
    x = np.linspace(first, min(job.now, other.now), POINTS)
    same = np.abs(plan.rate(x) - ratio * sibling.plan.rate(x)) < SAME_RATE
    same = np.logical_and.accumulate(same)
    if first >= x[-1] or same.sum() < FEWEST:
        return 0.0
    bins = binned(job, 0.0), binned(other, 0.0)
    own, others = (np.interp(x[same], b.x, np.log(b.loss)) for b in bins)
    return float(np.median(others - own))


def _apart(job: Job, other: Job) -> float:
    """Return by how much two sizes differ, in logarithms; by nothing where one is not known."""
    if job.params is None or other.params is None:
        return 0.0
    return abs(float(np.log(job.params / other.params)))


def informed(law: Alone, kin: Family, until: float) -> Informed | None:
    """Return the forecast that the siblings inform; None where none reaches far enough back."""
    job, share = law.job, law.job.now / law.plan.length
    members = [s for s in kin.members if s.cut(share) is not None or not s.finished]
    if not members:
        return None
    own, sd = (float(part[0]) for part in law.at(np.array([until])))

    def transferred(cut: Job, plan: RatePlan, others: Sequence[Sibling]) -> float:
        return _transferred(alone(cut, plan, backtest=False), others, share, plan.length)

    def jointly(cut: Job, plan: RatePlan, others: Sequence[Sibling]) -> float:
        return _joint(cut, plan, others, plan.length)

    transfer = kin.how == "transfer"
    errors = tuple(_left_out(members, share, transferred if transfer else jointly))
    spread = _shrunk(errors, until / job.now, len(members), sd)
    if transfer:
        wider = LARGER if _all_smaller(job, members) else 1.0
        return Informed(_transferred(law, members, share, until), wider * spread, errors)
    # The joint law knows the decay from other runs; late in a run its own losses know more. The
    # spread is that of the pool of both, so that it grows with what they disagree by.
    trust = spread**-2 / (spread**-2 + sd**-2)
    apart = float(np.log(_joint(job, law.plan, members, until) / own))
    pooled = trust * spread**2 + (1 - trust) * sd**2 + trust * (1 - trust) * apart**2
    return Informed(float(own * np.exp(trust * apart)), float(np.sqrt(pooled)), errors)


def _all_smaller(job: Job, members: Sequence[Sibling]) -> bool:
    most = 0.0 if job.params is None else job.params * (1 - SAME_SIZE)
    sizes = [s.job.params for s in members]
    return all(size is not None and size < most for size in sizes)


def _shrunk(errors: Sequence[float], horizon: float, count: int, sd: float) -> float:
    """Return the spread of errors, shrunk to what is usual at this horizon with such a law."""
    usual = np.hypot(PER_HORIZON * np.log(max(horizon, 1.0)) + LEAST, OF_LAW * sd)
    squares = BELIEVED * usual**2 + float(np.sum(np.square(errors)))
    return float(np.sqrt(squares / (BELIEVED + len(errors))) * np.sqrt(1 + 1 / count))


def _transferred(law: Alone, members: Sequence[Sibling], share: float, until: float) -> float:
    """Return half the affine transfer, half the corrected law, in the mean of logarithms."""
    shares, weight = share * np.linspace(FROM, 1.0, POINTS), np.linspace(FROM, 1.0, POINTS) ** 4
    own = shape_of(law.job, law.plan.length, shares)
    ends, corrections = [], []
    for sibling in members:
        cut = sibling.cut(share)
        if cut is None:
            continue
        theirs = shape_of(cut, sibling.plan.length, shares)
        first, slope = affine(own, theirs, weight / weight.sum())
        ends.append(first + slope * np.log(sibling.final))
        predicted = alone(cut, sibling.plan, backtest=False).at(np.array([sibling.plan.length]))
        corrections.append(np.log(sibling.final / predicted[0][0]))
    corrected = np.log(law.at(np.array([until]))[0][0]) + np.median(corrections)
    return float(np.exp((np.median(ends) + corrected) / 2))


def shape_of(job: Job, length: float, shares: np.ndarray) -> np.ndarray:
    """Return ln loss at shares of a run's whole length, up to what is logged."""
    at = shares * length
    bins = binned(job, 0.75 * float(at[0]))
    return np.interp(np.log(at), np.log(bins.x), np.log(bins.loss))


def affine(own: np.ndarray, other: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return ln loss as an affine function of a sibling's: where that is nought, and the slope."""
    mean, other_mean = weight @ own, weight @ other
    x, y = other - other_mean, own - mean
    residual = max(float(np.sqrt(weight @ (y - x) ** 2)), 1e-3)
    held = (residual / SLOPE_SD) ** 2 / len(weight)
    slope = (weight @ (x * y) + held) / (weight @ x**2 + held)
    return float(mean - slope * other_mean), float(slope)


def _left_out(
    members: Sequence[Sibling],
    share: float,
    forecast: Callable[[Job, RatePlan, Sequence[Sibling]], float],
) -> list[float]:
    """Return the error of each finished sibling that is forecast from the others."""
    errors = []
    for member in members if len(members) > 1 else ():
        if member.finished:
            others = [other for other in members if other is not member]
            value = forecast(member.cut(share) or member.job, member.plan, others)
            errors.append(float(np.log(value / member.final)))
    return errors


def _joint(job: Job, plan: RatePlan, members: Sequence[Sibling], until: float) -> float:
    """Return the loss at the end by one law of the run and its siblings."""
    each = [(job, plan, 1.0), *((s.job, s.plan, _peaks(s.plan, plan)) for s in members)]
    runs = [Run.of(j, Course.of(p, j.now), unit) for j, p, unit in each]
    return float(fit(runs).at(runs[0].course, np.array([until]))[0][0])


def _peaks(plan: RatePlan, other: RatePlan) -> float:
    """Return the ratio of two peaks; one where either is not known but assumed to be 1."""
    peak, reference = plan.schedule.highest, other.schedule.highest
    return 1.0 if 1.0 in (peak, reference) else peak / reference
