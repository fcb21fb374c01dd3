"""The forecast of one job: plan, law, siblings, guards, scenarios, doubts, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.artefacts.forecast import Forecast, Known, Path, Reaching, Scenario, Seen
from scaling_cli.forecasting import annealed, damped, doubts, siblings
from scaling_cli.forecasting.annealed import DECAY_SHARE, Alone, alone
from scaling_cli.forecasting.anticipation import anticipate
from scaling_cli.forecasting.collapse import collapse, of_collapse
from scaling_cli.forecasting.direction import directed
from scaling_cli.forecasting.families import Extrapolation, extrapolate
from scaling_cli.forecasting.future import Prospect, RatePlan, plan_of, prospects
from scaling_cli.forecasting.job import NO_WAY, Job, binned, read_until
from scaling_cli.forecasting.reaching import reached_by, reaching
from scaling_cli.numerics.quantiles import mixture_quantile, quantile
from scaling_cli.schedules._identification import FEWEST_ROWS
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.knots import Knots
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.outcomes import LeftOut

METHODS = ("law", "power", "ensemble", "families")
BLIND = {
    "power": "the power law sees no learning rate",
    "ensemble": "the power law and the slope of late see no learning rate",
    "families": "the learning rate to come is not known; the families go on as before, blind to a "
    "decay",
}
ALIKE = "taken to be that of the run"
LOWEST = 0.4  # of the present loss: a forecast below it is none
ABOVE = 0.002  # of the present loss, beyond its noise: a forecast above it is none
TOLD = 0.25  # of the log evidence that shifts what is believed: losses hardly know the schedule
DOUBLED = 2.0  # the spread, where the law has not foreseen its own prefix
PLACES = 61  # of the path


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
    rising: bool = False
    limit: float | None = None
    families: tuple[str, ...] | None = None
    target_loss: float | None = None
    """A level: when it is reached is told; within a forecast, what it leaves to the limit."""

    @property
    def belief(self) -> annealed.Belief:
        """What is believed of the law: of a loss, or of what else rises or falls."""
        return annealed.WIDER if self.rising or self.limit is not None else annealed.DEFAULT


@dataclass(frozen=True)
class Outcome:
    """Normal distributions of ln loss along the rest of a run, one a schedule, mixed by weight.

    Parameters
    ----------
    x : array, shape (n,)
    weight : array, shape (k,)
    centre, sd : array, shape (k, n)
    """

    x: np.ndarray
    weight: np.ndarray
    centre: np.ndarray
    sd: np.ndarray

    @classmethod
    def mixed(cls, parts: "Sequence[Outcome]", weight: np.ndarray) -> "Outcome":
        """Return several outcomes as one."""
        centre, sd = (np.concatenate([getattr(o, n) for o in parts]) for n in ("centre", "sd"))
        return cls(parts[0].x, weight, centre, sd)

    def at(self, share: float, noise: float = 0.0) -> np.ndarray:
        """Return below what the loss lies with a probability, of what has noise besides."""
        return np.exp(mixture_quantile(share, self.weight, self.centre, np.hypot(self.sd, noise)))

    def path(self, level: float) -> Path:
        """Return the median along the run and both ends of its interval."""
        return Path(self.x, *map(self.at, (0.5, (1 - level) / 2, (1 + level) / 2)))

    def interval(self, level: float, noise: float = 0.0) -> tuple[float, float]:
        """Return the interval at the end, of what has noise besides."""
        low, high = (float(self.at(s, noise)[-1]) for s in ((1 - level) / 2, (1 + level) / 2))
        return low, high


@dataclass(frozen=True)
class Way:
    """A schedule that a run may have, and the law under it.

    Parameters
    ----------
    prospect : Prospect
    law : Alone
    kin : Family
    told : Informed or None
        What the siblings say; None where they were not asked, or say nothing.
    """

    prospect: Prospect
    law: Alone
    kin: siblings.Family
    told: siblings.Informed | None


@dataclass(frozen=True)
class Basis:
    """What the forecast of a job rests on.

    Parameters
    ----------
    options : Options
    end : float
    ways : sequence of Way
        The most likely first.
    weight : array, shape (ways,)
        How likely each is.
    method : str
        What was used: the power law takes the place of a law that forecasts what cannot be.
    wider : float
        Factor on the spread.
    """

    options: Options
    end: float
    ways: Sequence[Way]
    weight: np.ndarray
    method: str
    wider: float = 1.0


def forecast_job(raw: Job, options: Options) -> Forecast:
    """Return the forecast of one job.

    Raises
    ------
    DataError
        If the run has reached its end.
    UsageError
        If nothing says where it ends.
    FitError
        If too little is logged since the learning rate last rose, or what is forecast rises and
        nothing says that it should.
    """
    job, turn, notes = directed(raw, rising=options.rising, limit=options.limit)
    kin = tuple(turn.there(other) for other in options.siblings)
    wanted = turn.left(options.target_loss)
    options, until = replace(options, siblings=kin, target_loss=wanted), None
    if options.until is not None:
        until, read = read_until(options.until, job)
        notes.append(f"{read}.")
    may = _prospects(job, until, options)
    end = until or may[0].plan.length
    if job.reached(end):
        raise _ended(raw, end)
    warnings = [*doubts.of_plan(job, may[0].plan, end), *doubts.of_rates(job, may[0].plan)]
    since, moved = doubts.of_jumps(job, may[0].plan)
    basis = _basis(job, may, end, since, options)
    law = basis.ways[0].law
    basis, unlike = _guarded(basis)
    epochs, worn = doubts.of_epochs(job, end, options.unique_tokens)
    of_course = doubts.of_course(law)
    broken, risen = doubts.of_past(law), doubts.of_rise(job, law.backtests, turn)
    laid, kin = None, basis.ways[0].kin
    if kin.how == "transfer":
        laid = collapse(job, law.plan.length, [s for s in kin.members if s.finished])
    left = of_collapse(job, laid, turn)
    record = _record(replace(basis, wider=DOUBLED if broken else 1.0))
    return turn.back(
        replace(
            record,
            valid=not (worn or unlike or risen or law.course.rises_after(job.now)),
            epochs=epochs,
            collapse=laid,
            warnings=[*warnings, *unlike, *moved, *of_course, *risen, *broken, *left, *worn],
            notes=[*notes, *may[0].plan.notes, *record.notes],
        )
    )


class Ended(DataError):
    """There is nothing to forecast: the run is at its end."""


def _ended(job: Job, end: float) -> DataError:
    """Return why there is nothing to forecast: the run is at its end, or past it."""
    if job.now <= end * (1 + NO_WAY):
        return Ended(
            f"run {job.run!r} has reached its end: {job.place(job.now)} of {end:g}; its "
            f"{job.noun} is {job.level():.4f}.",
            hint="Say where it ends with --until if it goes on.",
        )
    over = "" if job.unit == "steps" else " Its log has no steps, so that numbers count tokens."
    return DataError(
        f"run {job.run!r} is past its end: {job.place(job.now)}, and it was to end at {end:g}.",
        hint=f"Give a later --until, or a schedule that goes on.{over}",
    )


# --- what the run and its siblings are taken to follow -------------------------------------------


def _prospects(job: Job, until: float | None, options: Options) -> Sequence[Prospect]:
    """Return the schedules a job may have; what sees no rate needs an end only."""
    if options.method in ("power", "ensemble"):
        end = until or (job.length if options.schedule is None else None)
        end = end or prospects(job, until, options.schedule)[0].plan.length
        return (Prospect(_blind(job, end, options.method)),)
    plans = [s.plan for s in map(_sibling, options.siblings) if s is not None]
    may = prospects(job, until, options.schedule, plans)
    if options.method == "families" and may[0].plan.source == "assumed":
        return (Prospect(_blind(job, may[0].plan.length, "families")),)
    return may if options.method == "law" else may[:1]


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


def _basis(job: Job, may: Sequence[Prospect], end: float, since: float, options: Options) -> Basis:
    """Return the law under every schedule the run may have; its losses shift what is believed."""
    ways = [_way(job, prospect, end, since, options) for prospect in may]
    evidence = np.array([way.law.posterior.evidence for way in ways])
    weight = np.array([p.weight for p in may]) * np.exp(TOLD * (evidence - evidence.max()))
    order = np.argsort(-weight, kind="stable")
    ordered, weight = [ways[i] for i in order], weight[order] / weight.sum()
    return Basis(options, end, ordered, weight, options.method)


def _way(job: Job, prospect: Prospect, end: float, since: float, options: Options) -> Way:
    """Return the law under a schedule; beyond its end it keeps its last rate."""
    plan = replace(prospect.plan, length=max(prospect.plan.length, end))
    belief = annealed.VAGUE if plan.source == "none" else options.belief
    law, kin = alone(job, plan, belief, since=since), _family(job, plan, options)
    asked = kin.members and options.method == "law"
    told = siblings.informed(law, kin, end) if asked else None
    return Way(replace(prospect, plan=plan), law, kin, told)


def _guarded(basis: Basis) -> tuple[Basis, list[str]]:
    """Return the basis, or that of the power law where the law's forecast cannot be."""
    law, end = basis.ways[0].law, basis.end
    value, job = float(law.at(np.array([end]))[0][0]), law.job
    level = law.posterior.level
    highest = level * (1 + ABOVE + law.bins.noise / np.sqrt(10))
    if LOWEST * level <= value <= highest or basis.method != "law":
        return basis, []
    side = "above" if value > highest else f"below {LOWEST:g} of"
    warning = (
        f"the law forecasts {value:.4f}, {side} the present {job.noun} of {level:.4f}; the power "
        f"law in {job.unit}, which sees no learning rate, is used in its place."
    )
    way = basis.ways[0]
    blind = alone(job, _blind(job, law.plan.length, "power"), annealed.VAGUE, since=law.since)
    power = replace(way, law=blind, told=None, prospect=replace(way.prospect, plan=blind.plan))
    return replace(basis, ways=[power], weight=np.ones(1), method="power"), [warning]


# --- what is expected, and said ------------------------------------------------------------------


def _by_law(way: Way, end: float, level: float) -> Outcome:
    """Return the path to the end; siblings move it in proportion to the logarithm of the way."""
    law, told = way.law, way.told
    now = law.job.now
    x = np.linspace(now, end, PLACES)
    loss, sd = law.at(x)
    if told is not None:
        gone, spread = np.log(x / now) / np.log(end / now), told.half_width(level) / quantile(level)
        loss = loss * (told.value / loss[-1]) ** gone
        sd = np.maximum(spread * gone, spread / 10)
    return Outcome(x, np.ones(1), np.log(loss)[None], sd[None])


def _by_ensemble(law: Alone, power: Outcome) -> Outcome:
    """Return the equal mean of the power law and of the slope of late, with what parts them."""
    slope, x = damped.Slope.of(law.bins), power.x
    apart = (slope.at(x) - power.centre) / 2
    drift = damped.DRIFT * np.log(x / x[0])
    wider = damped.WIDER if damped.smoothed(law.job.loss) else 1.0
    sd = wider * np.hypot(np.hypot(power.sd, apart), drift)
    return replace(power, centre=power.centre + apart, sd=sd)


def _by_families(basis: Basis) -> tuple[Outcome, Extrapolation]:
    """Return what families of learning curves expect: blind to the learning rate, or seeing it.

    Seeing it, they run over the area under the rate, and what its fall takes off by the law is
    put back before they are fitted, and taken off what they expect.
    """
    law, level = basis.ways[0].law, basis.options.level
    job, course = law.job, law.course
    seeing = law.plan.source != "none"

    def clock(x: np.ndarray) -> np.ndarray:
        return course.area_at(x) if seeing else x

    def gone(x: np.ndarray) -> np.ndarray:
        return law.posterior.drop_at(course, x) if seeing else np.zeros(len(x))

    first = np.unique(clock(job.x), return_index=True)[1]
    kept = first[(clock(job.x[first]) > 0) & (job.x[first] >= course.start * seeing)]
    steady = job.loss[kept] + gone(job.x[kept])
    x = np.linspace(job.now, basis.end, PLACES)
    asked = {"families": basis.options.families, "combine": basis.options.combine, "level": level}
    families = extrapolate(clock(job.x[kept]), steady, float(clock(x[-1:])[0]), **asked)
    middle, low, high = families.curve(clock(x))
    loss, spread = middle - gone(x), np.log(high / low) / (2 * quantile(level))
    if seeing:
        mean, sd = law.posterior.drop_between(course, job.now, x)
        spread = np.hypot(spread, np.hypot(sd, DECAY_SHARE * mean) / loss)
    return Outcome(x, np.ones(1), np.log(loss)[None], spread[None]), families


def _record(basis: Basis) -> Forecast:
    """Return the forecast; its doubts, and its passes over the data, are not its own."""
    way, level, end = basis.ways[0], basis.options.level, basis.end
    law, told, seeing, several = way.law, way.told, basis.method == "law", len(basis.ways) > 1
    job, plan, families = law.job, way.prospect.plan, None
    each = [_by_law(w, end, level) for w in basis.ways]
    if basis.method == "families":
        each[0], families = _by_families(basis)
    if basis.method == "ensemble":
        each[0] = _by_ensemble(law, each[0])
    each = [replace(outcome, sd=basis.wider * outcome.sd) for outcome in each]
    outcome = Outcome.mixed(each, basis.weight)
    path, noise = outcome.path(level), law.bins.noise
    reason = "no loss as early as the run is now" if seeing else basis.method
    unused = way.kin.members if told is None else ()
    return Forecast(
        job.run,
        job.unit,
        _seen(job, law),
        end,
        float(path.loss[-1]),
        level,
        outcome.interval(level),
        outcome.interval(level, noise),
        valid=True,
        method=basis.method if told is None else f"{basis.method} + {way.kin.how}",
        schedule=Known(plan.schedule.text(), plan.source, plan.why, plan.verdict, plan.length),
        scenarios=_scenarios(basis, each) if several else [],
        constant_rate=law.constant(end) if seeing else None,
        decay_share=_decay_share(law, end) if seeing and not several else None,
        parameters=law.posterior.typical() if families is None else {},
        backtests=law.backtests if basis.method in ("law", "power") else (),
        noise=noise,
        levels=_levels(job, basis.options.threshold),
        reaches=_reaches(basis, each),
        siblings=[s.job.run for s in way.kin.members] if told is not None else [],
        left_out=[*way.kin.left_out, *(LeftOut(s.job.run, reason) for s in unused)],
        notes=_notes(basis, families),
        path=path,
        target=job.target,
    )


def _reaches(basis: Basis, each: Sequence[Outcome]) -> Reaching | None:
    """Return when the level that was asked for is reached."""
    level, law = basis.options.target_loss, basis.ways[0].law
    if level is None:
        return None
    ways = [
        (way.prospect.name, weight, reached_by(level, o.centre, o.sd)[0])
        for way, weight, o in zip(basis.ways, basis.weight.tolist(), each, strict=True)
    ]
    seen = law.posterior.level
    return reaching(level, law.job, seen, each[0].x, ways, coverage=basis.options.level)


def _seen(job: Job, law: Alone) -> Seen:
    step = job.now if job.unit == "steps" else None
    return Seen(step, job.tokens(job.now), law.posterior.level, len(job.x))


def _scenarios(basis: Basis, each: Sequence[Outcome]) -> list[Scenario]:
    """Return the end under every schedule the run may have."""
    level, parts = basis.options.level, zip(basis.ways, basis.weight.tolist(), each, strict=True)
    return [
        Scenario(
            way.prospect.name,
            way.prospect.plan.schedule.text(),
            float(outcome.at(0.5)[-1]),
            outcome.interval(level),
            weight,
        )
        for way, weight, outcome in parts
    ]


def _notes(basis: Basis, families: Extrapolation | None) -> list[str]:
    """Return what was left out, or which families weigh most and what they run over."""
    law, bins = basis.ways[0].law, basis.ways[0].law.bins
    if families is None:
        spikes = f"{bins.spikes} of {bins.rows + bins.spikes} fitted rows left out as spikes."
        smooth = basis.method == "ensemble" and damped.smoothed(law.job.loss)
        return [*([spikes] if bins.spikes else []), *([damped.TOLD] if smooth else [])]
    heavy = ", ".join(f"{m.family} {100 * m.weight:.0f} %" for m in families.members[:4])
    over = "the families run over the area under the learning rate; its fall is the law's."
    seen = [] if law.plan.source == "none" else [over]
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
