"""The learning rate of a running job: given, stated, logged or assumed; as the law sees it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.forecasting.job import Job
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._identification import (
    FEWEST_ROWS,
    Identification,
    Verdict,
    identify_schedule,
)
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.cosine import Cosine
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.wsd import Wsd
from scaling_cli.vocabulary.errors import DataError, UsageError

COSINE_END = 0.1  # of the peak, of the cosine that is assumed
COOL_DOWN = 0.2  # of the run, of the cool-down that is assumed
SAME_SHAPE = 0.02  # of the peak, on average along the run
MOST_UNKNOWN = 0.5  # of the run, at its start, that shapes need not share
MOST_RIVALS = 3
MOST_RATES = 2000  # logged rates that a schedule is told by
SAY_IT = "the schedule can be said with --schedule, the column of its rate with --map lr=COLUMN."
NEAR = 0.03  # of the peak: a family that is off by less is near the logged rate
CELLS = 4096
# Time constants of the response to the rate, as shares of the run: it scales with the length of
# a run, not with a number of steps.
LAGS = (0.003, 0.01, 0.03, 0.1, 0.2)
STEADY, HELD = 0.97, 0.3  # of the peak; of the run, for which a rate is held that is steady
AT_PEAK = 0.98  # of the peak: the warm-up has ended
RISE = 0.02  # of the peak: a rate that rises by more after it fell is a new start


@dataclass(frozen=True)
class RatePlan:
    """The learning rate of a run from its start to its end, and how it is known.

    Parameters
    ----------
    schedule : Schedule
    length : float
        Where the run ends, in the unit of its axis (steps or tokens).
    source : str
        How the schedule is known: given, column, logged, siblings or assumed.
    why : str
        The same in words.
    verdict : str, optional
        Of the identification, where it was read off a logged rate.
    stretch, shift : float
        The rate at x is that of the schedule at (x - shift) / stretch.
    notes : tuple of str
    known_from : float
        Where the rate is first logged; before it, a linear warm-up is assumed.
    """

    schedule: Schedule
    length: float
    source: str
    why: str
    verdict: str | None = None
    stretch: float = 1.0
    shift: float = 0.0
    notes: tuple[str, ...] = ()
    known_from: float = 0.0

    def rate(self, x: np.ndarray) -> np.ndarray:
        """Return the learning rate at places along the run, as a share of its peak."""
        at = np.maximum(np.asarray(x, float) - self.shift, 0.0) / self.stretch
        return self.schedule.lr(at) / self.schedule.highest

    def shape(self, points: int = 400) -> np.ndarray:
        """Return the rate over its peak at even shares of the run, shape (points,)."""
        return self.rate(np.linspace(0.0, 1.0, points, endpoint=False) * self.length)


@dataclass(frozen=True)
class Course:
    """Area and lagged fall of the rate at the edges of equal cells of a run.

    Parameters
    ----------
    at : array, shape (n,)
        Places, from 0 to the end.
    rate, area : array, shape (n,)
        The rate over its peak, and its integral from 0.
    fall : array, shape (lags, n)
        The moving average of 1 - rate, with each time constant; the warm-up counts as the peak.
    steady : bool
        Whether the rate is held at its peak for long before it falls.
    lags : tuple of float
        The time constants.
    warm : float
        Where the warm-up ends.
    start : float
        Where the stretch that can be fitted starts: after the last rise of the rate before `now`.
    """

    at: np.ndarray
    rate: np.ndarray
    area: np.ndarray
    fall: np.ndarray
    warm: float
    start: float
    steady: bool
    lags: tuple[float, ...]

    @classmethod
    def of(cls, plan: RatePlan, now: float, lags: tuple[float, ...] = LAGS) -> "Course":
        """Return the course of a plan, seen from `now`."""
        end = max(plan.length, now)
        at = np.linspace(0.0, end, CELLS + 1)
        width = end / CELLS
        middle = plan.rate(at[:-1] + width / 2)
        rate = plan.rate(at)
        seen = int(np.searchsorted(at, now, side="right"))
        start = _last_rise(rate[:seen])
        # The peak that counts is that of the stretch which is fitted.
        peak = float(rate[start:].max()) or 1.0
        top = start + int(np.argmax(rate[start:] >= AT_PEAK * peak))
        fallen = np.clip(1 - middle / peak, 0.0, None)
        fallen[:top] = 0.0
        area = np.append(0.0, np.cumsum(middle / peak) * width)
        fall = np.stack([_averaged(fallen, lag * CELLS) for lag in lags])
        steady = bool(np.mean(rate[top:] > STEADY * peak) > HELD)
        warm, since, slow = float(at[top]), float(at[start]), tuple(lag * end for lag in lags)
        return cls(at, rate / peak, area, fall, warm, since, steady, slow)

    def rises_after(self, now: float) -> bool:
        """Say whether the rate rises again after `now`."""
        ahead = self.rate[self.at >= now]
        return bool(len(ahead) and (ahead - np.minimum.accumulate(ahead)).max() > RISE)

    def area_at(self, x: np.ndarray) -> np.ndarray:
        """Return the area at places, shape (n,)."""
        return np.interp(x, self.at, self.area)

    def fall_at(self, x: np.ndarray) -> np.ndarray:
        """Return the lagged fall at places, shape (lags, n)."""
        return np.stack([np.interp(x, self.at, lagged) for lagged in self.fall])


def _last_rise(rate: np.ndarray) -> int:
    """Return the cell in which the rate, having fallen, last stopped rising; 0 if it never did."""
    fallen = np.maximum.accumulate(rate) - rate > RISE
    if not fallen.any():
        return 0
    first = int(np.argmax(fallen))
    up = np.flatnonzero(np.diff(rate[first:]) > 0) + first + 1
    end = 0
    for stretch in np.split(up, np.flatnonzero(np.diff(up) > 1) + 1):
        if len(stretch) and rate[stretch[-1]] - rate[stretch[0] - 1] > RISE:
            end = int(stretch[-1])
    return end


def _averaged(values: np.ndarray, lag: float) -> np.ndarray:
    """Return the exponential moving average of cell values, at the edges of the cells.

    Written as one cumulative sum: values are not negative, so that nothing cancels, and the
    exponent stays below 1 / (smallest lag) = 333.
    """
    growth = np.arange(1, len(values) + 1) / lag
    kept = np.cumsum(values * np.exp(growth)) * np.exp(-growth) * -np.expm1(-1 / lag)
    return np.append(0.0, kept)


@dataclass(frozen=True)
class Future:
    """The plan that the headline rests on, and others that the run may follow.

    Parameters
    ----------
    plan : RatePlan
    others : sequence of (name, RatePlan)
    name : str
        Of the headline among the scenarios.
    open : bool
        Whether nothing is known of the rate, so that the losses may choose among the scenarios.
    """

    plan: RatePlan
    others: tuple[tuple[str, RatePlan], ...] = ()
    name: str = ""
    open: bool = False


def future_of(
    job: Job, until: float | None, given: Schedule | str | None, siblings: Sequence[RatePlan] = ()
) -> Future:
    """Return the learning rate that a run will have, by the first source that says it.

    Sources, in order: the schedule given; the one that its column states; the one that its logged
    rate follows; the shape of finished siblings; else three scenarios, and an assumption.

    Raises
    ------
    UsageError
        If nothing says where the run ends.
    DataError
        If a schedule runs over another unit and the tokens of a step are not known.
    """
    if given is not None:
        schedule = parse_schedule(given) if isinstance(given, str) else given
        return Future(plan_of(job, schedule, "given", "as given"))
    if job.schedule is not None:
        return Future(plan_of(job, job.schedule, "column", "as its column states"))
    end = until or job.length
    x, lr = job.rates()
    if len(lr) >= FEWEST_ROWS and lr.max() > 0:
        return _logged(job, *_thinned(x, lr), end)
    known = "too few learning rates, or none above 0" if len(lr) else "no learning rate is known"
    if siblings and all(same_shape(siblings[0], other) for other in siblings[1:]):
        alike, why = siblings[0], "the shape of its finished siblings, over its own length"
        length = end or alike.length
        stretch = alike.stretch * length / alike.length
        return Future(RatePlan(alike.schedule, length, "siblings", why, stretch=stretch))
    return _assumed(job, _needed(job, end), known)


def plan_of(job: Job, schedule: Schedule, source: str, why: str) -> RatePlan:
    """Return the plan of a schedule along the axis of a run.

    Raises
    ------
    DataError
        If their units differ and the tokens of a step are not known.
    """
    stretch = 1.0
    if schedule.unit != job.unit:
        units = f"is logged over {job.unit}, its schedule runs over {schedule.unit}"
        tokens = job.step_tokens(f"run {job.run!r} {units}", DataError)
        stretch = tokens if job.unit == "tokens" else 1 / tokens
    return RatePlan(schedule, schedule.length * stretch, source, why, stretch=stretch)


def same_shape(plan: RatePlan, other: RatePlan) -> bool:
    """Say whether two plans are the same as functions of the share of the run that is done.

    Where a log starts late, what came before it does not count.
    """
    apart = np.abs(plan.shape() - other.shape())
    unknown = max(p.known_from / p.length for p in (plan, other))
    return bool(np.mean(apart[int(len(apart) * min(unknown, MOST_UNKNOWN)) :]) < SAME_SHAPE)


def _needed(job: Job, end: float | None) -> float:
    if end is None:
        raise UsageError(
            f"nothing says where run {job.run!r} ends.",
            hint="Say it: --until 24000 (steps) or --until '100B tokens', or --schedule TEXT.",
        )
    return end


def _thinned(x: np.ndarray, lr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rates at even places of a long log, and where they peak: enough to tell them by."""
    even = np.linspace(0, len(x) - 1, min(len(x), MOST_RATES)).round().astype(int)
    rows = np.union1d(even, int(np.argmax(lr)))
    return x[rows], lr[rows]


def _logged(job: Job, x: np.ndarray, lr: np.ndarray, end: float | None) -> Future:
    """Return what the logged rate says of the rates to come."""
    match = identify_schedule(x, lr, length=end if end is not None and end > x[-1] else None)
    if match.verdict is Verdict.UNEXPLAINED and end is not None:
        shorter = identify_schedule(x, lr)  # it may end before the run does
        match = match if shorter.verdict is Verdict.UNEXPLAINED else shorter
    falls = bool((lr[np.argmax(lr) :] < lr.max() * (1 - SAME_SHAPE)).any())
    if not falls:
        return _held(job, x, lr, _needed(job, end), match)
    if match.verdict is Verdict.UNEXPLAINED:
        return _nearest(job, x, lr, _needed(job, end), match)
    plan = replace(_identified(match, match.schedule), known_from=float(x[0]))
    if match.verdict is Verdict.AMBIGUOUS:
        rivals = [rival.schedule for rival in match.rivals[:MOST_RIVALS]]
        others = tuple((rival.title, _identified(match, rival)) for rival in rivals)
        return Future(plan, others, name=match.schedule.title)
    return Future(plan)


def _nearest(job: Job, x: np.ndarray, lr: np.ndarray, end: float, match: Identification) -> Future:
    """Return the schedule nearest to a rate that none explains, if near; else the rate held."""
    near = [r for r in match.rivals if r.misfit < NEAR and r.schedule.length > x[-1]]
    held = _held(job, x, lr, end, match)
    if not near:
        return held
    schedule, off = near[0].schedule, 100 * near[0].misfit
    why = f"no family explains the logged rate; the nearest, off by up to {off:.1g} % of the peak"
    plan = RatePlan(schedule, schedule.length, "logged", why, str(match.verdict))
    return Future(plan, ((held.name, held.plan), *held.others), name=schedule.title)


def _identified(match: Identification, schedule: Schedule) -> RatePlan:
    why, verdict = f"{match.verdict}, from {match.rows} logged rates", str(match.verdict)
    notes = tuple(note for note in match.notes if not note.startswith("the log stops"))
    length, shift = schedule.length + match.shift, match.shift
    return RatePlan(schedule, length, "logged", why, verdict, shift=shift, notes=notes)


def _held(job: Job, x: np.ndarray, lr: np.ndarray, end: float, match: Identification) -> Future:
    """Return the logged rate, held to the end or cooled down: a constant rate tells no more."""
    start = max(end * (1 - COOL_DOWN), float(x[-1]))
    verdict = str(match.verdict)
    if isinstance(match.schedule, Constant):
        state, held = "the logged rate has not fallen", replace(match.schedule, length=end)
        cooled: Schedule = Wsd(**vars(held), stable=start)
    else:
        state, flat = "no family explains the logged rate", [start] if start > x[-1] else []
        held = Knots.of([*x, end], [*lr, lr[-1]], unit=job.unit)
        cooled = Knots.of([*x, *flat, end], [*lr, *(lr[-1] for _ in flat), 0.0], unit=job.unit)
    why = f"{state}; that it stays as it is to the end is an assumption"
    falls = f"{state}; that it falls to 0 in the last {100 * COOL_DOWN:.0f} % is an assumption"
    cooling = ("cool-down in the last 20 %", RatePlan(cooled, end, "assumed", falls, verdict))
    return Future(RatePlan(held, end, "assumed", why, verdict), (cooling,), name="as it is now")


def _assumed(job: Job, end: float, known: str) -> Future:
    """Return three scenarios of a run of which no rate is known; a cosine is the headline."""
    if not (math.isfinite(end) and end > 0):
        raise UsageError(f"--until must be a positive number of {job.unit}, not {end:g}.")
    cosine = Cosine(peak=1.0, min=COSINE_END, length=end, unit=job.unit)
    constant = Constant(peak=1.0, length=end, unit=job.unit)
    wsd = Wsd(peak=1.0, stable=end * (1 - COOL_DOWN), length=end, unit=job.unit)

    def plan(schedule: Schedule, assumption: str) -> RatePlan:
        why = f"{known}; {assumption} is an assumption"
        return RatePlan(schedule, end, "assumed", why, notes=(SAY_IT,))

    name = f"cosine to {100 * COSINE_END:.0f} %"
    cool = f"cool-down in the last {100 * COOL_DOWN:.0f} %"
    others = (("constant", plan(constant, "that it is constant")), (cool, plan(wsd, f"a {cool}")))
    return Future(plan(cosine, f"a {name} of the peak"), others, name=name, open=True)
