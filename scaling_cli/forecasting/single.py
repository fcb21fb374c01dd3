"""The forecast of one job: plan, law, siblings, guards, scenarios, doubts, and what it says."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts.forecast import Forecast, Known, Path, Scenario, Seen
from scaling_cli.forecasting import annealed, siblings
from scaling_cli.forecasting.annealed import DECAY_SHARE, Alone, alone
from scaling_cli.forecasting.anticipation import anticipate
from scaling_cli.forecasting.despiking import jump
from scaling_cli.forecasting.families import Extrapolation, extrapolate
from scaling_cli.forecasting.future import Future, RatePlan, future_of, plan_of
from scaling_cli.forecasting.job import FEW, FEWEST, NO_WAY, Job, binned, read_until
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.schedules._identification import FEWEST_ROWS
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.knots import Knots
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.outcomes import LeftOut

METHODS = ("law", "power", "families")
BLIND = {
    "power": "the power law sees no learning rate",
    "families": "the learning rate to come is not known; the families go on as before, blind to a "
    "decay",
}
ALIKE = "taken to be that of the run"
LOWEST = 0.4  # of the present loss: a forecast below it is none
ABOVE = 0.002  # of the present loss, beyond its noise: a forecast above it is none
PREFERRED = 1.2  # log evidence by which a constant rate must be better than a cosine
PLACES = 61  # of the path
MOST_EPOCHS = 4.0
OTHER_RATE = 0.05  # of the peak: a logged rate so far off is that of another schedule
FEW_ROWS = 0.05  # of the rows, may be off: those about a step of the rate, or of the warm-up
MOST_GAIN = 0.15  # in ln loss, of a fall of the rate by its peak: thrice what is usual
BEFORE_JUMP, JUMP_REACH = 0.1, 0.05  # of what is logged; of where a jump lies


@dataclass(frozen=True)
class Options:
    """What was asked for; see `forecast`."""

    until: float | str | None = None
    schedule: Schedule | str | None = None
    level: float = 0.9
    method: str = "law"
    unique_tokens: float | None = None
    fit: siblings.PredictsCurves | None = None
    siblings: tuple[Job, ...] = ()
    threshold: float | None = None
    combine: str = "stack"


@dataclass(frozen=True)
class Outcome:
    """An expected loss along the rest of a run, with the logarithm's half-width."""

    x: np.ndarray
    loss: np.ndarray
    half: np.ndarray

    @property
    def value(self) -> float:
        """The expected loss at the end."""
        return float(self.loss[-1])

    @property
    def path(self) -> Path:
        """The same with both ends of the interval."""
        low, high = (self.loss * np.exp(sign * self.half) for sign in (-1, 1))
        return Path(self.x, self.loss, low, high)

    def interval(self, noise: float = 0.0) -> tuple[float, float]:
        """Return the interval at the end, of what has noise of such a half-width besides."""
        half = float(np.hypot(self.half[-1], noise))
        return self.value * float(np.exp(-half)), self.value * float(np.exp(half))


@dataclass(frozen=True)
class Basis:
    """What the forecast of a job rests on.

    Parameters
    ----------
    options : Options
    end : float
    future : Future
    law : Alone
    method : str
        What was used: the power law takes the place of a law that forecasts what cannot be.
    kin : Family
    told : Informed or None
        What the siblings say; None where they were not asked, or say nothing.
    """

    options: Options
    end: float
    future: Future
    law: Alone
    method: str
    kin: siblings.Family
    told: siblings.Informed | None


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
    notes, until = list(job.notes), None
    if options.until is not None:
        until, read = read_until(options.until, job)
        notes.append(f"{read}.")
    future = _future(job, until, options)
    end = until or future.plan.length
    if job.reached(end):
        raise _ended(job, end)
    warnings = [*_of_plan(job, future.plan, end), *_of_rates(job, future.plan)]
    # Beyond its end a schedule keeps its last rate.
    others = tuple((n, replace(p, length=max(p.length, end))) for n, p in future.others)
    plan = replace(future.plan, length=max(future.plan.length, end))
    future = replace(future, plan=plan, others=others)
    since, moved = _of_jumps(job, future.plan)
    belief = annealed.VAGUE if future.plan.source == "none" else annealed.DEFAULT
    law = alone(job, future.plan, belief, since=since)
    if future.open and options.method == "law":
        law, future, said = _preferred(law, future)
        notes.append(said)
    kin = _family(job, future.plan, options)
    law, method, unlike = _guarded(law, end, options.method)
    told = siblings.informed(law, kin, end) if kin.members and method == "law" else None
    epochs, worn = _of_epochs(job, end, options.unique_tokens)
    record = _record(Basis(options, end, future, law, method, kin, told))
    return replace(
        record,
        valid=not (worn or unlike or law.course.rises_after(job.now)),
        epochs=epochs,
        warnings=[*warnings, *unlike, *moved, *_of_course(law), *worn],
        notes=[*notes, *future.plan.notes, *record.notes],
    )


def _ended(job: Job, end: float) -> DataError:
    """Return why there is nothing to forecast: the run is at its end, or past it."""
    if job.now <= end * (1 + NO_WAY):
        return DataError(
            f"run {job.run!r} has reached its end: {job.place(job.now)} of {end:g}; its "
            f"loss is {job.level():.4f}.",
            hint="Say where it ends with --until if it goes on.",
        )
    over = "" if job.unit == "steps" else " Its log has no steps, so that numbers count tokens."
    return DataError(
        f"run {job.run!r} is past its end: {job.place(job.now)}, and it was to end at {end:g}.",
        hint=f"Give a later --until, or a schedule that goes on.{over}",
    )


# --- what the run and its siblings are taken to follow -------------------------------------------


def _future(job: Job, until: float | None, options: Options) -> Future:
    """Return the plans of a job; what sees no rate needs an end only."""
    if options.method == "power":
        end = until or (job.length if options.schedule is None else None)
        end = end or future_of(job, until, options.schedule).plan.length
        return Future(_blind(job, end, "power"))
    plans = [s.plan for s in map(_sibling, options.siblings) if s is not None]
    future = future_of(job, until, options.schedule, plans)
    if options.method == "families" and future.plan.source == "assumed":
        return Future(_blind(job, future.plan.length, "families"))
    return future


def _blind(job: Job, end: float, method: str) -> RatePlan:
    return RatePlan(Constant(peak=1.0, length=end, unit=job.unit), end, "none", BLIND[method])


def _sibling(job: Job) -> siblings.Sibling | None:
    """Return a finished run with its plan; None where its learning rate is not known."""
    if job.schedule is not None:
        return siblings.Sibling(job, plan_of(job, job.schedule, "column", "as its column states"))
    x, lr = job.rates()
    if len(lr) < FEWEST_ROWS:
        return None
    # A log that starts late had a warm-up before: the same is assumed of the run itself.
    before = [0.0] * int(x[0] > 0)
    log = Knots.of([*before, *x], [*before, *lr], unit=job.unit)
    plan = RatePlan(log, job.now, "logged", "as logged", known_from=float(x[0]))
    return siblings.Sibling(job, plan)


def _family(job: Job, plan: RatePlan, options: Options) -> siblings.Family:
    """Return the siblings that can inform a run; one of unknown rate is taken to be like it."""
    known = []
    for other in options.siblings:
        end, stretch = other.now, plan.stretch * other.now / plan.length
        like = RatePlan(plan.schedule, end, plan.source, ALIKE, stretch=stretch, shift=plan.shift)
        known.append(_sibling(other) or siblings.Sibling(other, like))
    if options.fit is not None:
        known.append(siblings.predicted_sibling(options.fit, job, plan))
    return siblings.family(job, plan, known)


def _preferred(law: Alone, future: Future) -> tuple[Alone, Future, str]:
    """Return the scenario that the losses prefer: the cosine, unless they clearly are constant."""
    name, plan = future.others[0]
    rival = alone(law.job, plan, since=law.since)
    better = rival.posterior.evidence - law.posterior.evidence
    if better < PREFERRED:
        return law, future, "nothing in the losses speaks clearly for another schedule."
    others = ((future.name, future.plan), *future.others[1:])
    said = f"the losses look as under a {name} rate (log evidence {better:.1f} over a cosine)."
    return rival, replace(future, plan=plan, others=others, name=name), said


def _guarded(law: Alone, end: float, method: str) -> tuple[Alone, str, list[str]]:
    """Return the law, or the power law where the law's forecast cannot be."""
    value, job = float(law.at(np.array([end]))[0][0]), law.job
    level = law.posterior.level
    highest = level * (1 + ABOVE + law.bins.noise / np.sqrt(10))
    if LOWEST * level <= value <= highest or method != "law":
        return law, method, []
    side = "above" if value > highest else f"below {LOWEST:g} of"
    warning = (
        f"the law forecasts {value:.4f}, {side} the present loss of {level:.4f}; the power law in "
        f"{job.unit}, which sees no learning rate, is used in its place."
    )
    plan = _blind(job, law.plan.length, "power")
    return alone(job, plan, annealed.VAGUE, since=law.since), "power", [warning]


# --- what makes a forecast doubtful --------------------------------------------------------------


def _of_plan(job: Job, plan: RatePlan, end: float) -> Iterator[str]:
    """Say where a log is short, or the schedule ends before the run."""
    if len(job.x) < FEW:
        yield f"{len(job.x)} points are few: below {FEW} the forecast is uncertain."
    if end > plan.length * (1 + 1e-9):
        yield (
            f"the schedule ends at {job.place(plan.length)}; from there to {end:g} its last "
            "rate is taken to stay."
        )


def _of_rates(job: Job, plan: RatePlan) -> Iterator[str]:
    """Say where the logged rate is not that of the schedule which was given, peaks made equal."""
    x, lr = job.rates()
    if plan.source not in ("given", "column") or len(lr) < FEWEST or lr.max() <= 0:
        return
    expected = plan.rate(x)
    off = np.abs(expected / expected.max() - lr / lr.max())
    worst = int(np.argmax(off))
    if np.quantile(off, 1 - FEW_ROWS) > OTHER_RATE:
        yield (
            f"the logged learning rate is not that of the schedule: at {job.place(x[worst])} "
            f"they are {100 * off[worst]:.0f} % of the peak apart. The schedule is believed; leave "
            "it out to believe the log."
        )


def _of_jumps(job: Job, plan: RatePlan) -> tuple[float, list[str]]:
    """Return where to fit from after a lasting jump of the loss that no jump of the rate explains.

    A jump with fewer than five points after it is left as it is.
    """
    first = int(np.searchsorted(job.x, BEFORE_JUMP * job.now, side="right"))
    moved = jump(job.x, job.loss, first, FEWEST)
    if moved is None:
        return 0.0, []
    around = moved.x * np.array([1 - JUMP_REACH, 1 + JUMP_REACH])
    fall = -float(np.diff(plan.rate(around))[0])
    if -MOST_GAIN * fall < moved.size < 0:
        return 0.0, []
    return moved.x, [
        f"the loss jumps by {100 * np.expm1(moved.size):+.1f} % at {job.place(moved.x)} and "
        "stays there: only what was logged since is fitted."
    ]


def _of_course(law: Alone) -> Iterator[str]:
    """Say where the rate rose, or will rise, after it fell."""
    if law.course.start > law.since:
        yield (
            f"the learning rate rose again until {law.job.place(law.course.start)}; only what was "
            "logged since is fitted."
        )
    if law.course.rises_after(law.job.now):
        yield (
            "the learning rate rises again before the end: no decay is taken off, and the interval "
            "does not hold."
        )


def _of_epochs(job: Job, end: float, unique: float | None) -> tuple[float | None, list[str]]:
    """Return the passes over the data at the end, and a warning where they are too many."""
    tokens = job.tokens(end)
    if unique is not None and tokens is None:
        job.step_tokens(f"--unique-tokens is given, run {job.run!r} is logged over steps")
    unique = job.unique_tokens if unique is None else unique
    if unique is None or tokens is None:
        return None, []
    epochs = float(tokens / unique)
    worn = (
        f"{epochs:.1f} passes over the data are planned: after {MOST_EPOCHS:g} the loss stalls or "
        "rises as no law here foresees, and forecasts have been too low by up to 10 %. The "
        "interval does not hold."
    )
    return epochs, [worn] if epochs > MOST_EPOCHS else []


# --- what is expected, and said ------------------------------------------------------------------


def _by_law(law: Alone, end: float, level: float, told: siblings.Informed | None = None) -> Outcome:
    """Return the path to the end; siblings move it in proportion to the logarithm of the way."""
    now = law.job.now
    x = np.linspace(now, end, PLACES)
    loss, sd = law.at(x)
    if told is None:
        return Outcome(x, loss, quantile(level) * sd)
    way, half = np.log(x / now) / np.log(end / now), told.half_width(level)
    loss = loss * (told.value / loss[-1]) ** way
    return Outcome(x, loss, np.maximum(half * way, half / 10))


def _by_families(basis: Basis) -> tuple[Outcome, Extrapolation]:
    """Return what families of learning curves expect: blind to the learning rate, or seeing it.

    Seeing it, they run over the area under the rate, and what its fall takes off by the law is
    put back before they are fitted, and taken off what they expect.
    """
    law, level = basis.law, basis.options.level
    job, course = law.job, law.course
    seeing = basis.future.plan.source != "none"

    def clock(x: np.ndarray) -> np.ndarray:
        return course.area_at(x) if seeing else x

    def gone(x: np.ndarray) -> np.ndarray:
        return law.posterior.drop_at(course, x) if seeing else np.zeros(len(x))

    first = np.unique(clock(job.x), return_index=True)[1]
    kept = first[(clock(job.x[first]) > 0) & (job.x[first] >= course.start * seeing)]
    steady = job.loss[kept] + gone(job.x[kept])
    x = np.linspace(job.now, basis.end, PLACES)
    until, combine = float(clock(x[-1:])[0]), basis.options.combine
    families = extrapolate(clock(job.x[kept]), steady, until, combine=combine, level=level)
    middle, low, high = families.curve(clock(x))
    loss, half = middle - gone(x), np.log(high / low) / 2
    if seeing:
        mean, sd = law.posterior.drop_between(course, job.now, x)
        half = np.hypot(half, quantile(level) * np.hypot(sd, DECAY_SHARE * mean) / loss)
    return Outcome(x, loss, half), families


def _record(basis: Basis) -> Forecast:
    """Return the forecast; its doubts, and its passes over the data, are not its own."""
    law, level, end = basis.law, basis.options.level, basis.end
    job, told, seeing = law.job, basis.told, basis.method == "law"
    # The plan is the run's own, though a law that takes over sees no rate.
    plan, step = basis.future.plan if seeing else law.plan, job.now if job.unit == "steps" else None
    if basis.method == "families":
        outcome, families = _by_families(basis)
    else:
        outcome, families = _by_law(law, end, level, told), None
    reason = "no loss as early as the run is now" if seeing else basis.method
    unused = basis.kin.members if told is None else ()
    return Forecast(
        job.run,
        job.unit,
        Seen(step, job.tokens(job.now), law.posterior.level, len(job.x)),
        end,
        outcome.value,
        level,
        outcome.interval(),
        outcome.interval(quantile(level) * law.bins.noise),
        valid=True,
        method=basis.method if told is None else f"{basis.method} + {basis.kin.how}",
        schedule=Known(plan.schedule.text(), plan.source, plan.why, plan.verdict, plan.length),
        scenarios=_scenarios(basis, outcome),
        constant_rate=law.constant(end) if seeing else None,
        decay_share=_decay_share(law, end) if seeing else None,
        parameters=law.posterior.typical() if families is None else {},
        backtests=law.backtests if families is None else (),
        noise=law.bins.noise,
        levels=_levels(job, basis.options.threshold),
        siblings=[s.job.run for s in basis.kin.members] if told is not None else [],
        left_out=[*basis.kin.left_out, *(LeftOut(s.job.run, reason) for s in unused)],
        notes=_notes(basis, families),
        path=outcome.path,
        target=job.target,
    )


def _notes(basis: Basis, families: Extrapolation | None) -> list[str]:
    """Return what was left out, or which families weigh most and what they run over."""
    bins = basis.law.bins
    if families is None:
        spikes = f"{bins.spikes} of {bins.rows + bins.spikes} fitted rows left out as spikes."
        return [spikes] if bins.spikes else []
    heavy = ", ".join(f"{m.family} {100 * m.weight:.0f} %" for m in families.members[:4])
    over = "the families run over the area under the learning rate; its fall is the law's."
    seen = [] if basis.future.plan.source == "none" else [over]
    return [f"families, the heaviest: {heavy}.", *seen, *families.notes]


def _levels(job: Job, threshold: float | None) -> dict[str, float | None] | None:
    """Return the levels of anticipation of the losses, freed of spikes and averaged."""
    if threshold is None:
        return None
    bins = binned(job, 0.0)
    levels = anticipate(bins.x, bins.loss, threshold)
    names = ("threshold", "working", "prediction", "convergence", "forecast")
    return {name: getattr(levels, name) for name in names}


def _decay_share(law: Alone, end: float) -> float | None:
    """Return the share of the predicted drop that the fall of the rate causes."""
    x = np.array([law.job.now, end])
    gone, fall = np.diff(law.posterior.drop_at(law.course, x)), -np.diff(law.at(x)[0])
    return float(gone[0] / fall[0]) if fall[0] > 0 else None


def _scenarios(basis: Basis, outcome: Outcome) -> list[Scenario]:
    """Return the end under every schedule the run may have; none where one is known."""
    future, law = basis.future, basis.law
    if not future.others or basis.method != "law":
        return []
    text, told = future.plan.schedule.text(), outcome.interval()
    scenarios = [Scenario(future.name, text, outcome.value, told, headline=True)]
    for name, plan in future.others:
        other = _by_law(alone(law.job, plan, since=law.since), basis.end, basis.options.level)
        scenarios.append(Scenario(name, plan.schedule.text(), other.value, other.interval()))
    return scenarios
