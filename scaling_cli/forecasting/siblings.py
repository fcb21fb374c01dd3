"""What finished runs say about one that is still running.

With the same schedule as a function of step/total: half the affine transfer of their logarithmic
curves, half the law's forecast corrected by its error on them. With the same size but another
schedule or length: one law fitted to all of them jointly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scaling_cli.forecasting import annealed
from scaling_cli.forecasting.alone import Alone, alone, first_fitted
from scaling_cli.forecasting.course import Course, Plan
from scaling_cli.forecasting.future import same_shape
from scaling_cli.forecasting.job import FEWEST, Bins, Job, binned
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
    plan: Plan

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
    freedom : int
    errors : tuple of float
        Of each sibling forecast from the others, in ln loss.
    """

    value: float
    spread: float
    freedom: int
    errors: tuple[float, ...]

    def half_width(self, level: float) -> float:
        """Return the half-width of an interval of the logarithm."""
        return self.spread * quantile(level, self.freedom)


def predicted_sibling(fit: PredictsCurves, job: Job, plan: Plan) -> Sibling:
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
    length = Plan(plan.schedule, last, plan.source, plan.why, shift=plan.shift)
    return Sibling(Job("the fit's curve", step, loss, params=job.params), length)


def family(job: Job, plan: Plan, siblings: Sequence[Sibling]) -> Family:
    """Choose the siblings that can be used, the nearest in size first."""
    left, alike, others = [], [], []
    for sibling in siblings:
        reason = _unusable(job, plan, sibling)
        if reason:
            left.append(LeftOut(sibling.job.run, reason))
        elif same_shape(plan, sibling.plan) and sibling.finished:
            alike.append(sibling)
        elif _same_size(job, sibling.job):
            off = _apart_in_loss(job, plan, sibling)
            if abs(off) <= SAME_MODEL:
                others.append(sibling)
            else:
                left.append(LeftOut(sibling.job.run, _another(off)))
        else:
            left.append(LeftOut(sibling.job.run, _neither(sibling)))
    chosen, how = (alike, "transfer") if alike else (others, "joint")
    if alike:
        others_are = "another schedule, or not finished; others have the same and are"
        left += [LeftOut(s.job.run, others_are) for s in others]
    chosen = sorted(chosen, key=lambda s: _apart(job, s.job))
    left += [LeftOut(s.job.run, f"only the {MOST} nearest in size are used") for s in chosen[MOST:]]
    return Family(tuple(chosen[:MOST]), how, tuple(left))


def _neither(sibling: Sibling) -> str:
    if not sibling.finished:
        done = sibling.job.now / sibling.plan.length
        return f"not finished ({100 * done:.0f} % of its schedule is logged) and of another size"
    return "another schedule and another size"


def _unusable(job: Job, plan: Plan, sibling: Sibling) -> str | None:
    if sibling.job.run == job.run and _goes_on(job, sibling.job):
        return "it is the run itself"
    if sibling.job.unit != job.unit and not same_shape(plan, sibling.plan):
        return f"it is logged over {sibling.job.unit}, the run over {job.unit}"
    return None


def _goes_on(job: Job, other: Job) -> bool:
    """Say whether another log is the same as far as both go."""
    count = min(len(job.x), len(other.x))
    return bool(
        np.array_equal(job.x[:count], other.x[:count])
        and np.array_equal(job.loss[:count], other.loss[:count])
    )


def _apart_in_loss(job: Job, plan: Plan, sibling: Sibling) -> float:
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
    own, others = (np.interp(x[same], b.x, np.log(b.loss)) for b in map(_whole, (job, other)))
    return float(np.median(others - own))


def _whole(job: Job) -> Bins:
    return binned(job, 0.0)


def _another(off: float) -> str:
    return (
        f"another model or other data: where both have had the same learning rate its loss is "
        f"{abs(100 * np.expm1(off)):.1f} % {'higher' if off > 0 else 'lower'}, and its schedule "
        "is another"
    )


def _same_size(one: Job, other: Job) -> bool:
    """Say whether two runs are of one model; where a size is not known they are taken to be."""
    return _apart(one, other) <= SAME_SIZE


def _apart(one: Job, other: Job) -> float:
    if one.params is None or other.params is None:
        return 0.0
    return abs(float(np.log(one.params / other.params)))


def informed(found: Alone, kin: Family, until: float) -> Informed | None:
    """Return the forecast that the siblings inform; None where none reaches far enough back."""
    job, share = found.job, found.job.now / found.plan.length
    members = [s for s in kin.members if s.cut(share) is not None or not s.finished]
    if not members:
        return None
    law, sd = (float(part[0]) for part in found.at(np.array([until])))
    wider = LARGER if _all_smaller(job, members) else 1.0
    if kin.how == "transfer":
        value = _transferred(found, members, share, until)
        errors = _left_out(members, share, _transfer_error)
        spread = wider * _shrunk(errors, until / job.now, len(members), sd)
        return Informed(value, spread, BELIEVED + len(errors), tuple(errors))
    value = _joint(job, found.plan, members, until)
    errors = _left_out(members, share, _joint_error)
    spread = _shrunk(errors, until / job.now, len(members), sd)
    # The joint law knows the decay from other runs; late in a run its own losses know more. The
    # spread is that of the pool of both, so that it grows with what they disagree by.
    trust = spread**-2 / (spread**-2 + sd**-2)
    apart = float(np.log(value / law))
    value = float(law * np.exp(trust * apart))
    pooled = trust * spread**2 + (1 - trust) * sd**2 + trust * (1 - trust) * apart**2
    return Informed(value, float(np.sqrt(pooled)), BELIEVED + len(errors), tuple(errors))


def _all_smaller(job: Job, members: Sequence[Sibling]) -> bool:
    most = None if job.params is None else job.params * (1 - SAME_SIZE)
    return most is not None and all(
        s.job.params is not None and s.job.params < most for s in members
    )


def _shrunk(errors: Sequence[float], horizon: float, count: int, sd: float) -> float:
    """Return the spread of errors, shrunk to what is usual at this horizon with such a law."""
    usual = np.hypot(PER_HORIZON * np.log(max(horizon, 1.0)) + LEAST, OF_LAW * sd)
    squares = BELIEVED * usual**2 + float(np.sum(np.square(errors)))
    return float(np.sqrt(squares / (BELIEVED + len(errors))) * np.sqrt(1 + 1 / count))


def _transferred(found: Alone, members: Sequence[Sibling], share: float, until: float) -> float:
    """Return half the affine transfer, half the corrected law, in the mean of logarithms."""
    own = _shape_of(found.job, found.plan, share)
    ends, corrections = [], []
    for sibling in members:
        cut = sibling.cut(share)
        if cut is None:
            continue
        ends.append(_affine(own, _shape_of(cut, sibling.plan, share), np.log(sibling.final)))
        law = alone(cut, sibling.plan, backtest=False)
        predicted = law.at(np.array([sibling.plan.length]))[0][0]
        corrections.append(np.log(sibling.final / predicted))
    law = np.log(found.at(np.array([until]))[0][0]) + np.median(corrections)
    return float(np.exp((np.median(ends) + law) / 2))


def _shape_of(job: Job, plan: Plan, share: float) -> np.ndarray:
    """Return ln loss at even shares of the run, up to the share that is logged."""
    bins = binned(job, 0.75 * FROM * job.now)
    at = np.linspace(FROM * share, share, POINTS) * plan.length
    return np.interp(np.log(at), np.log(bins.x), np.log(bins.loss))


def _affine(own: np.ndarray, other: np.ndarray, final: float) -> float:
    """Return where the run ends if ln loss is an affine function of the sibling's."""
    weight = np.linspace(FROM, 1.0, POINTS) ** 4
    weight /= weight.sum()
    mean, other_mean = weight @ own, weight @ other
    x, y = other - other_mean, own - mean
    residual = max(float(np.sqrt(weight @ (y - x) ** 2)), 1e-3)
    held = (residual / SLOPE_SD) ** 2 / POINTS
    slope = (weight @ (x * y) + held) / (weight @ x**2 + held)
    return float(mean + slope * (final - other_mean))


_Error = Callable[[Sibling, Sequence[Sibling], float], float]


def _left_out(members: Sequence[Sibling], share: float, error: _Error) -> list[float]:
    """Return the error of each finished sibling that is forecast from the others."""
    if len(members) < 2:
        return []
    finished = [m for m in members if m.finished]
    return [error(m, [o for o in members if o is not m], share) for m in finished]


def _transfer_error(one: Sibling, others: Sequence[Sibling], share: float) -> float:
    cut = one.cut(share) or one.job
    law = alone(cut, one.plan, backtest=False)
    return float(np.log(_transferred(law, others, share, one.plan.length) / one.final))


def _joint_error(one: Sibling, others: Sequence[Sibling], share: float) -> float:
    cut = one.cut(share) or one.job
    return float(np.log(_joint(cut, one.plan, others, one.plan.length) / one.final))


def _joint(job: Job, plan: Plan, members: Sequence[Sibling], until: float) -> float:
    """Return the loss at the end by one law of the run and its siblings."""
    runs = [_part(job, plan, 1.0)]
    runs += [_part(s.job, s.plan, _peaks(s.plan, plan)) for s in members]
    bins = runs[0].bins
    level = float(np.average(bins.loss[-2:], weights=bins.weight[-2:]))
    posterior = annealed.fit(runs, level)
    return float(posterior.at(runs[0].course, np.array([until]))[0][0])


def _peaks(one: Plan, other: Plan) -> float:
    """Return the ratio of two peaks; one where either is not known but assumed to be 1."""
    return 1.0 if 1.0 in (one.peak, other.peak) else one.peak / other.peak


def _part(job: Job, plan: Plan, unit: float) -> annealed.Run:
    course = Course.of(plan, job.now)
    return annealed.Run(binned(job, first_fitted(job.now, course)), course, unit)
