"""The forecast of one job: plan, law, siblings, guards, scenarios, and what to say about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from scaling_cli.errors import DataError
from scaling_cli.forecasting import annealed, reading
from scaling_cli.forecasting.alone import Alone, alone
from scaling_cli.forecasting.course import Plan
from scaling_cli.forecasting.future import Future, future_of, plan_of
from scaling_cli.forecasting.job import FEW, Job
from scaling_cli.forecasting.record import Forecast, Known, Past, Path, Scenario, Seen
from scaling_cli.forecasting.siblings import (
    Family,
    Informed,
    PredictsCurves,
    Sibling,
    family,
    informed,
    predicted_sibling,
)  # fmt: skip
from scaling_cli.identification import FEWEST_ROWS
from scaling_cli.points import LeftOut
from scaling_cli.schedule import Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.knots import Knots

METHODS = ("law", "power")
MOST_EPOCHS = 4.0
LOWEST = 0.4  # of the present loss: a forecast below it is none
ABOVE = 0.002  # of the present loss, beyond its noise: a forecast above it is none
PREFERRED = 1.2  # log evidence by which a constant rate must be better than a cosine
PLACES = 61  # of the path


@dataclass(frozen=True)
class Options:
    """What was asked for; see `forecast`."""

    until: float | str | None = None
    schedule: Schedule | str | None = None
    level: float = 0.9
    method: str = "law"
    unique_tokens: float | None = None
    fit: PredictsCurves | None = None
    siblings: tuple[Job, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """An expected loss along the rest of a run, with the logarithm's half-width."""

    x: np.ndarray
    loss: np.ndarray
    half: np.ndarray


def forecast_job(job: Job, options: Options) -> Forecast:
    """Return the forecast of one job.

    Raises
    ------
    DataError
        If the run has reached its end.
    UsageError
        If nothing says where it ends.
    FitError
        If too little is logged since the learning rate last rose.
    """
    notes = list(job.notes)
    until = None
    if options.until is not None:
        until, read = reading.read_until(options.until, job)
        notes.append(f"{read}.")
    future = _future(job, until, options)
    end = until or future.plan.length
    if job.reached(end):
        raise DataError(
            f"run {job.run!r} has reached its end: {job.unit[:-1]} {job.now:g} of {end:g}; its "
            f"loss is {job.level():.4f}.",
            hint="Say where it ends with --until if it goes on.",
        )
    warnings = _doubts(job, future.plan, end)
    future = _reaching(future, end)
    found = alone(job, future.plan, _priors(options.method))
    if future.open and options.method == "law":
        found, future, said = _chosen(job, found, future)
        notes.append(said)
    kin = _family(job, future.plan, options)
    found, method, unlike = _guarded(found, end, options.method)
    warnings += [*unlike, *_course_doubts(found)]
    told = informed(found, kin, end) if kin.members and method == "law" else None
    outcome = _outcome(found, end, options.level, told)
    epochs, worn = _epochs(job, end, options.unique_tokens)
    return _record(
        _Parts(job, future, found, kin, told, outcome, end, options.level, method),
        warnings=[*warnings, *worn], notes=[*notes, *future.plan.notes], epochs=epochs,
        valid=not (worn or unlike or found.course.rises_after(job.now)),
    )  # fmt: skip


def _future(job: Job, until: float | None, options: Options) -> Future:
    """Return the plans of a job; the power law sees none, and needs an end only."""
    if options.method == "power":
        ends = until or job.length
        if ends is None or options.schedule is not None:
            ends = until or future_of(job, until, options.schedule).plan.length
        flat = Constant(peak=1.0, length=ends, unit=job.unit)
        return Future(Plan(flat, ends, "none", "the power law sees no learning rate"))
    plans = [s.plan for s in map(_sibling, options.siblings) if s is not None]
    return future_of(job, until, options.schedule, plans)


def _priors(method: str) -> Sequence[annealed.Prior]:
    return annealed.DEFAULT if method == "law" else annealed.VAGUE


def _sibling(job: Job) -> Sibling | None:
    """Return a finished run with its plan; None where its learning rate is not known."""
    if job.schedule is not None:
        return Sibling(job, plan_of(job, job.schedule, "column", "as its column states"))
    x, lr = job.rates()
    if len(lr) < FEWEST_ROWS:
        return None
    log = Knots.of(x, lr, unit=job.unit)
    return Sibling(job, Plan(log, job.now, "logged", "as logged"))


def _family(job: Job, plan: Plan, options: Options) -> Family:
    """Return the siblings that can inform a run; one of unknown rate is taken to be like it."""
    found = []
    for one in options.siblings:
        stretch = plan.stretch * one.now / plan.length
        like = Plan(plan.schedule, one.now, plan.source, "taken to be that of the run",
                    stretch=stretch, shift=plan.shift)  # fmt: skip
        found.append(_sibling(one) or Sibling(one, like))
    if options.fit is not None:
        found.append(predicted_sibling(options.fit, job, plan))
    return family(job, plan, found)


def _chosen(job: Job, found: Alone, future: Future) -> tuple[Alone, Future, str]:
    """Return the scenario that the losses prefer: the cosine, unless they clearly are constant."""
    name, plan = future.others[0]
    rival = alone(job, plan)
    better = rival.posterior.evidence - found.posterior.evidence
    if better < PREFERRED:
        return found, future, "nothing in the losses speaks clearly for another schedule."
    others = ((future.name, future.plan), *future.others[1:])
    said = f"the losses look as under a {name} rate (log evidence {better:.1f} over a cosine)."
    return rival, replace(future, plan=plan, others=others, name=name), said


def _guarded(found: Alone, end: float, method: str) -> tuple[Alone, str, list[str]]:
    """Return the law, or the power law where the law's forecast cannot be."""
    value = float(found.at(np.array([end]))[0][0])
    level, noise = found.posterior.level, found.bins.noise
    highest = level * (1 + ABOVE + noise / np.sqrt(10))
    if LOWEST * level <= value <= highest or method == "power":
        return found, method, []
    side = "above" if value > highest else f"below {LOWEST:g} of"
    flat = Constant(peak=1.0, length=found.plan.length, unit=found.job.unit)
    plan = Plan(flat, found.plan.length, "none", "the power law sees no learning rate")
    warning = (
        f"the law forecasts {value:.4f}, {side} the present loss of {level:.4f}; the power law in "
        f"{found.job.unit}, which sees no learning rate, is used in its place."
    )
    return alone(found.job, plan, annealed.VAGUE), "power", [warning]


def _outcome(found: Alone, end: float, level: float, told: Informed | None) -> Outcome:
    """Return the path to the end; siblings move it in proportion to the logarithm of the way."""
    now = found.job.now
    x = np.linspace(now, end, PLACES)
    loss, sd = found.at(x)
    if told is None:
        return Outcome(x, loss, NormalDist().inv_cdf((1 + level) / 2) * sd)
    way = np.log(x / now) / np.log(end / now)
    loss = loss * (told.value / loss[-1]) ** way
    return Outcome(x, loss, np.maximum(told.half_width(level) * way, told.half_width(level) / 10))


def _reaching(future: Future, end: float) -> Future:
    """Return plans that reach the end of the run; beyond its end a schedule keeps its last rate."""
    others = tuple((n, replace(p, length=max(p.length, end))) for n, p in future.others)
    plan = replace(future.plan, length=max(future.plan.length, end))
    return replace(future, plan=plan, others=others)


def _doubts(job: Job, plan: Plan, end: float) -> list[str]:
    found = []
    if len(job.x) < FEW:
        found.append(f"{len(job.x)} points are few: below {FEW} the forecast is uncertain.")
    if end > plan.length * (1 + 1e-9):
        found.append(
            f"the schedule ends at {job.unit[:-1]} {plan.length:g}; from there to {end:g} its last "
            "rate is taken to stay."
        )
    return found


def _course_doubts(found: Alone) -> list[str]:
    course, job = found.course, found.job
    said = []
    if course.start > 0:
        said.append(
            f"the learning rate rose again until {job.unit[:-1]} {course.start:.6g}; only what was "
            "logged since is fitted."
        )
    if course.rises_after(job.now):
        said.append(
            "the learning rate rises again before the end: no decay is taken off, and the interval "
            "does not hold."
        )
    return said


def _epochs(job: Job, end: float, unique: float | None) -> tuple[float | None, list[str]]:
    """Return the passes over the data at the end, and a warning where they are too many."""
    unique = unique or job.unique_tokens
    tokens = end if job.unit == "tokens" else end * (job.batch_tokens or np.nan)
    if unique is None or not np.isfinite(tokens):
        return None, []
    epochs = float(tokens / unique)
    if epochs <= MOST_EPOCHS:
        return epochs, []
    return epochs, [
        f"{epochs:.1f} passes over the data are planned: after {MOST_EPOCHS:g} the loss stalls or "
        "rises as no law here foresees, and forecasts have been too low by up to 10 %. The "
        "interval does not hold."
    ]


@dataclass(frozen=True)
class _Parts:
    job: Job
    future: Future
    found: Alone
    kin: Family
    told: Informed | None
    outcome: Outcome
    end: float
    level: float
    method: str


def _record(
    parts: _Parts, *, warnings: list[str], notes: list[str], epochs: float | None, valid: bool
) -> Forecast:
    job, found, outcome = parts.job, parts.found, parts.outcome
    plan = found.plan if parts.method == "power" else parts.future.plan
    value, half = float(outcome.loss[-1]), float(outcome.half[-1])
    normal = NormalDist().inv_cdf((1 + parts.level) / 2)
    row = float(np.hypot(half, normal * found.bins.noise))
    law = parts.method == "law"
    how = f" + {parts.kin.how}" if parts.told is not None else ""
    used = [s.job.run for s in parts.kin.members] if parts.told is not None else []
    return Forecast(
        job.run, job.unit, _seen(job, found), parts.end, value, parts.level,
        _around(value, half), _around(value, row), valid, f"{parts.method}{how}",
        Known(plan.text, plan.source, plan.why, plan.verdict, plan.length),
        scenarios=_scenarios(parts),
        constant_rate=found.constant(parts.end) if law else None,
        decay_share=_decay_share(found, parts.end) if law else None,
        parameters=found.posterior.typical(),
        backtests=[Past(b.cut, b.predicted, b.measured, b.error) for b in found.backtests],
        noise=found.bins.noise, epochs=epochs, siblings=used, left_out=_unused(parts),
        warnings=warnings, notes=[*notes, *_spikes(found)],
        path=Path(outcome.x, outcome.loss, outcome.loss * np.exp(-outcome.half),
                  outcome.loss * np.exp(outcome.half)),
    )  # fmt: skip


def _unused(parts: _Parts) -> list[LeftOut]:
    left = list(parts.kin.left_out)
    if parts.told is None:
        reason = "no loss as early as the run is now" if parts.method == "law" else parts.method
        left += [LeftOut(s.job.run, reason) for s in parts.kin.members]
    return left


def _seen(job: Job, found: Alone) -> Seen:
    batch = job.batch_tokens
    if job.unit == "tokens":
        return Seen(None, job.now, found.posterior.level, len(job.x))
    tokens = None if batch is None else job.now * batch
    return Seen(job.now, tokens, found.posterior.level, len(job.x))


def _spikes(found: Alone) -> list[str]:
    bins = found.bins
    if not bins.spikes:
        return []
    return [f"{bins.spikes} of {bins.rows + bins.spikes} fitted rows left out as spikes."]


def _around(value: float, half: float) -> tuple[float, float]:
    return value * float(np.exp(-half)), value * float(np.exp(half))


def _decay_share(found: Alone, end: float) -> float | None:
    """Return the share of the predicted drop that the fall of the rate causes."""
    x = np.array([found.job.now, end])
    loss, _ = found.at(x)
    gone = found.posterior.drop_at(found.course, x)
    fall = float(loss[0] - loss[1])
    return float(gone[1] - gone[0]) / fall if fall > 0 else None


def _scenarios(parts: _Parts) -> list[Scenario]:
    """Return the end under every schedule the run may have; none where one is known."""
    future, end = parts.future, parts.end
    if not future.others or parts.method != "law":
        return []
    value, half = float(parts.outcome.loss[-1]), float(parts.outcome.half[-1])
    found = [Scenario(future.name, future.plan.text, value, _around(value, half), headline=True)]
    for name, plan in future.others:
        outcome = _outcome(alone(parts.job, plan), end, parts.level, None)
        one, half = float(outcome.loss[-1]), float(outcome.half[-1])
        found.append(Scenario(name, plan.text, one, _around(one, half)))
    return found
