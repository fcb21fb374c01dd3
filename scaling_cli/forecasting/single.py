"""The forecast of one job: plan, law, siblings, guards, scenarios, and what to say about them."""

from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import annealed, doubts, reading
from scaling_cli.forecasting.annealed import Alone, alone
from scaling_cli.forecasting.anticipation import Levels, anticipate
from scaling_cli.forecasting.course import Plan
from scaling_cli.forecasting.future import Future, future_of, plan_of
from scaling_cli.forecasting.job import NO_WAY, Job, binned
from scaling_cli.forecasting.outcome import of_families, of_law
from scaling_cli.forecasting.siblings import (
    Family,
    PredictsCurves,
    Sibling,
    family,
    informed,
    predicted_sibling,
)
from scaling_cli.forecasting.telling import Parts, record
from scaling_cli.schedules._identification import FEWEST_ROWS
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.knots import Knots
from scaling_cli.vocabulary.errors import DataError

METHODS = ("law", "power", "families")
BLIND = {
    "power": "the power law sees no learning rate",
    "families": "the learning rate to come is not known; the families go on as before, blind to a "
    "decay",
}
LOWEST = 0.4  # of the present loss: a forecast below it is none
ABOVE = 0.002  # of the present loss, beyond its noise: a forecast above it is none
PREFERRED = 1.2  # log evidence by which a constant rate must be better than a cosine


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
    threshold: float | None = None
    combine: str = "stack"


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
        raise _ended(job, end)
    warnings = [*doubts.of_plan(job, future.plan, end), *doubts.of_rates(job, future.plan)]
    future = _reaching(future, end)
    since, moved = doubts.of_jumps(job, future.plan)
    found = alone(job, future.plan, _belief(future), since=since)
    if future.open and options.method == "law":
        found, future, said = _chosen(job, found, future)
        notes.append(said)
    kin = _family(job, future.plan, options)
    found, method, unlike = _guarded(found, end, options.method)
    told = informed(found, kin, end) if kin.members and method == "law" else None
    outcome, families = of_law(found, end, options.level, told), None
    if method == "families":
        seeing = None if future.plan.source == "none" else found
        outcome, families = of_families(job, end, options.level, options.combine, seeing)
    epochs, worn = doubts.of_epochs(job, end, options.unique_tokens)
    return record(
        Parts(
            job,
            future,
            found,
            kin,
            told,
            outcome,
            end,
            options.level,
            method,
            families,
            _levels(job, options.threshold),
        ),
        warnings=[*warnings, *unlike, *moved, *doubts.of_course(found), *worn],
        notes=[*notes, *future.plan.notes],
        epochs=epochs,
        valid=not (worn or unlike or found.course.rises_after(job.now)),
    )


def _ended(job: Job, end: float) -> DataError:
    """Return why there is nothing to forecast: the run is at its end, or past it."""
    if job.now <= end * (1 + NO_WAY):
        return DataError(
            f"run {job.run!r} has reached its end: {job.unit[:-1]} {job.now:g} of {end:g}; its "
            f"loss is {job.level():.4f}.",
            hint="Say where it ends with --until if it goes on.",
        )
    over = "" if job.unit == "steps" else " Its log has no steps, so that numbers count tokens."
    return DataError(
        f"run {job.run!r} is past its end: {job.unit[:-1]} {job.now:g}, and it was to end at "
        f"{end:g}.",
        hint=f"Give a later --until, or a schedule that goes on.{over}",
    )


def _levels(job: Job, threshold: float | None) -> Levels | None:
    """Return the levels of anticipation of the losses, freed of spikes and averaged."""
    if threshold is None:
        return None
    bins = binned(job, 0.0)
    return anticipate(bins.x, bins.loss, threshold)


def _future(job: Job, until: float | None, options: Options) -> Future:
    """Return the plans of a job; what sees no rate needs an end only."""
    if options.method == "power":
        ends = until or job.length
        if ends is None or options.schedule is not None:
            ends = until or future_of(job, until, options.schedule).plan.length
        return _blind(job, ends, "power")
    plans = [s.plan for s in map(_sibling, options.siblings) if s is not None]
    future = future_of(job, until, options.schedule, plans)
    if options.method == "families" and future.plan.source == "assumed":
        return _blind(job, future.plan.length, "families")
    return future


def _blind(job: Job, end: float, method: str) -> Future:
    flat = Constant(peak=1.0, length=end, unit=job.unit)
    return Future(Plan(flat, end, "none", BLIND[method]))


def _belief(future: Future) -> annealed.Belief:
    return annealed.VAGUE if future.plan.source == "none" else annealed.DEFAULT


def _sibling(job: Job) -> Sibling | None:
    """Return a finished run with its plan; None where its learning rate is not known."""
    if job.schedule is not None:
        return Sibling(job, plan_of(job, job.schedule, "column", "as its column states"))
    x, lr = job.rates()
    if len(lr) < FEWEST_ROWS:
        return None
    # A log that starts late had a warm-up before: the same is assumed of the run itself.
    before = int(x[0] > 0)
    log = Knots.of([0.0] * before + [*x], [0.0] * before + [*lr], unit=job.unit)
    plan = Plan(log, job.now, "logged", "as logged", known_from=float(x[0]))
    return Sibling(job, plan)


def _family(job: Job, plan: Plan, options: Options) -> Family:
    """Return the siblings that can inform a run; one of unknown rate is taken to be like it."""
    found = []
    for one in options.siblings:
        stretch = plan.stretch * one.now / plan.length
        like = Plan(
            plan.schedule,
            one.now,
            plan.source,
            "taken to be that of the run",
            stretch=stretch,
            shift=plan.shift,
        )
        found.append(_sibling(one) or Sibling(one, like))
    if options.fit is not None:
        found.append(predicted_sibling(options.fit, job, plan))
    return family(job, plan, found)


def _chosen(job: Job, found: Alone, future: Future) -> tuple[Alone, Future, str]:
    """Return the scenario that the losses prefer: the cosine, unless they clearly are constant."""
    name, plan = future.others[0]
    rival = alone(job, plan, since=found.since)
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
    if LOWEST * level <= value <= highest or method != "law":
        return found, method, []
    side = "above" if value > highest else f"below {LOWEST:g} of"
    flat = Constant(peak=1.0, length=found.plan.length, unit=found.job.unit)
    plan = Plan(flat, found.plan.length, "none", BLIND["power"])
    warning = (
        f"the law forecasts {value:.4f}, {side} the present loss of {level:.4f}; the power law in "
        f"{found.job.unit}, which sees no learning rate, is used in its place."
    )
    return alone(found.job, plan, annealed.VAGUE, since=found.since), "power", [warning]


def _reaching(future: Future, end: float) -> Future:
    """Return plans that reach the end of the run; beyond its end a schedule keeps its last rate."""
    others = tuple((n, replace(p, length=max(p.length, end))) for n, p in future.others)
    plan = replace(future.plan, length=max(future.plan.length, end))
    return replace(future, plan=plan, others=others)
