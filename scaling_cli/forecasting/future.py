"""The learning rate of a running job: given, stated, logged or assumed; as the law sees it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling_cli.forecasting.job import Job
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._identification import (
    FEWEST_ROWS,
    Identification,
    Verdict,
    identify_schedule,
    roundest,
    zero_of,
)
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.cosine import Cosine
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.wsd import Wsd
from scaling_cli.vocabulary.errors import DataError, UsageError

COSINE_END = 0.1  # of the peak, of the cosine that is assumed
COOL_DOWN = 0.2  # of the run, of the cool-down that is assumed
COOLS = f"cools down in the last {100 * COOL_DOWN:.0f} %"
CONSTANT = "constant so far"  # the verdict on a rate that tells nothing of what comes
TO_ZERO = 0.75  # what is believed of a line to 0 after a decay that ends before the run
LINES, STRAIGHT = 5, 0.002  # rates that make a line; of the peak, how far they may lie from it
TOO_EARLY, TOO_LATE = -0.02, 0.06  # of the run, where that line may come to 0: rows are averages
NEAR_ZERO = 0.01  # of the way from the log's end to 0: how surely rounded rates tell that
LOWEST = 0.105  # of the peak: runs are given 0.1 and less as their lowest rate
ROUNDED = 1e-3  # of the run: a schedule that ends so near its end ends with it
SAME_SHAPE = 0.02  # of the peak, on average along the run
MOST_UNKNOWN = 0.5  # of the run, at its start, that shapes need not share
MOST_RIVALS = 3
MOST_RATES = 2000  # logged rates that a schedule is told by
SAY_IT = "the schedule can be said with --schedule, the column of its rate with --map lr=COLUMN."
NEAR = 0.03  # of the peak: a family that is off by less is near the logged rate
CELLS = 4096
# Time constants of the response to the rate, as shares of the run: it scales with the length of
# a run, not with a number of steps. A step of the rate is followed fast, then slowly, as no single
# exponential does: beside five lags stand two equal means of three.
LAGS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4)
SPREAD = ((0.003, 0.03, 0.2), (0.01, 0.1, 0.4))
RESPONSES = np.array(
    [*np.eye(len(LAGS))[:5], *([(lag in three) / 3 for lag in LAGS] for three in SPREAD)]
)
STEADY, HELD = 0.97, 0.3  # of the peak; of the run, for which a rate is held that is steady
# By how much the law's spread is widened, by phase of the schedule: over curves of seven sources
# the spread that holds 90 % of the ends, rounded up, since a source need not be like the others.
WIDTHS = {
    "warm-up": 1.0,
    "constant": 0.8,
    "before a cool-down": 0.7,
    "inside a cool-down": 1.4,
    "early decay": 1.0,
    "late decay": 0.9,
}
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
    lagged : array, shape (lags, n)
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
    lagged: np.ndarray
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
        lagged = np.stack([_averaged(fallen, lag * CELLS) for lag in lags])
        steady = bool(np.mean(rate[top:] > STEADY * peak) > HELD)
        warm, since, slow = float(at[top]), float(at[start]), tuple(lag * end for lag in lags)
        return cls(at, rate / peak, area, lagged, warm, since, steady, slow)

    def rises_after(self, now: float) -> bool:
        """Say whether the rate rises again after `now`; a warm-up under way is no second rise."""
        ahead = self.rate[self.at >= max(now, self.warm)]
        return bool(len(ahead) and (ahead - np.minimum.accumulate(ahead)).max() > RISE)

    def area_at(self, x: np.ndarray) -> np.ndarray:
        """Return the area at places, shape (n,)."""
        return np.interp(x, self.at, self.area)

    def fall_at(self, x: np.ndarray) -> np.ndarray:
        """Return the lagged fall by every response at places, shape (responses, n)."""
        return RESPONSES @ self.lagged_at(x)

    def lagged_at(self, x: np.ndarray) -> np.ndarray:
        """Return the fall by every single lag at places, shape (lags, n)."""
        return np.stack([np.interp(x, self.at, lagged) for lagged in self.lagged])

    def held(self, now: float, rate: float) -> "Course":
        """Return the course whose rate stays what it is after `now`."""
        ahead, here = self.at > now, np.array([now])
        area, lagged, lags = self.area.copy(), self.lagged.copy(), np.array(self.lags)[:, None]
        since = self.at[ahead] - now
        area[ahead] = float(self.area_at(here)[0]) + rate * since
        off = self.lagged_at(here) - (1 - rate)
        lagged[:, ahead] = (1 - rate) + off * np.exp(-since / lags)
        return replace(self, area=area, lagged=lagged)

    def phase(self, now: float) -> str:
        """Return in which part of its schedule the run is."""
        ahead, rate = self.rate[self.at >= now], float(np.interp(now, self.at, self.rate))
        if now < self.warm:
            return "warm-up"
        if not len(ahead) or ahead.min() > STEADY:
            return "constant"
        if self.steady:
            return "before a cool-down" if rate > STEADY else "inside a cool-down"
        return "early decay" if rate > 0.5 else "late decay"


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
class Prospect:
    """A schedule that a run may have, and what is believed of it before its losses are seen."""

    plan: RatePlan
    name: str = ""
    weight: float = 1.0


def prospects(
    job: Job, until: float | None, given: Schedule | str | None, siblings: Sequence[RatePlan] = ()
) -> tuple[Prospect, ...]:
    """Return the learning rates that a run may have, by the first source that says it.

    Sources, in order: the schedule given; the one that its column states; the one that its logged
    rate follows; the shape of finished siblings; else an assumption of three kinds. Several where
    what was logged does not tell what will be.

    Raises
    ------
    UsageError
        If nothing says where the run ends.
    DataError
        If a schedule runs over another unit and the tokens of a step are not known.
    """
    if given is not None:
        schedule = parse_schedule(given) if isinstance(given, str) else given
        return (Prospect(plan_of(job, schedule, "given", "as given")),)
    if job.schedule is not None:
        return (Prospect(plan_of(job, job.schedule, "column", "as its column states")),)
    end = until or job.length
    x, lr = job.rates()
    if len(lr) >= FEWEST_ROWS and lr.max() > 0:
        return _logged(job, *_thinned(x, lr), end)
    known = "too few learning rates, or none above 0" if len(lr) else "no learning rate is known"
    if siblings and all(same_shape(siblings[0], other) for other in siblings[1:]):
        alike, why = siblings[0], "the shape of its finished siblings, over its own length"
        length = end or alike.length
        stretch = alike.stretch * length / alike.length
        return (Prospect(RatePlan(alike.schedule, length, "siblings", why, stretch=stretch)),)
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


def _logged(job: Job, x: np.ndarray, lr: np.ndarray, end: float | None) -> tuple[Prospect, ...]:
    """Return what the logged rate says of the rates to come."""
    match = identify_schedule(x, lr, length=end if end is not None and end > x[-1] else None)
    if match.verdict is Verdict.UNEXPLAINED and end is not None:
        shorter = identify_schedule(x, lr)  # it may end before the run does
        match = match if shorter.verdict is Verdict.UNEXPLAINED else shorter
    match, on = (match, "") if end is not None else _gone_on(job, x, lr, match)
    falls = bool((lr[np.argmax(lr) :] < lr.max() * (1 - SAME_SHAPE)).any())
    if not falls:
        return _held(job, x, lr, _needed(job, end), match)
    if match.verdict is Verdict.UNEXPLAINED:
        return _unexplained(job, x, lr, _needed(job, end), match)
    plan = replace(_identified(match, match.schedule, on), known_from=float(x[0]))
    if match.verdict is Verdict.AMBIGUOUS:
        rivals = [rival.schedule for rival in match.rivals[:MOST_RIVALS]]
        others = [Prospect(_identified(match, rival, on), rival.title) for rival in rivals]
        return (Prospect(plan, match.schedule.title), *others)
    if end is not None and end > plan.length * (1 + ROUNDED):
        return _ended(job, x, lr, plan, end)
    return (Prospect(plan),)


def _gone_on(
    job: Job, x: np.ndarray, lr: np.ndarray, match: Identification
) -> tuple[Identification, str]:
    """Return the schedule of a log that stops within a decay, on to where that comes to 0.

    And what to say of it; the match itself where the log may have come to its end: near the lowest
    rates that runs are given, unless 0 lies at a rounder step than the end of the log.
    """
    zero, last = zero_of(match), match.schedule.length
    if zero is None or zero <= x[-1]:
        return match, ""
    off = max(1.0, NEAR_ZERO * (zero - float(x[-1])))
    end = roundest(zero - off, zero + off)
    lowest = float(match.schedule.lr(last)) / match.schedule.highest
    if lowest <= LOWEST and roundest(last - 1, end) != end:
        return match, ""
    for length in (end, float(round(zero))):
        further = identify_schedule(x, lr, length=length)
        if length > x[-1] and further.verdict is not Verdict.UNEXPLAINED:
            where = f"{job.place(length)}, where the decay comes to 0"
            return further, f"; that the run ends at {where}, is an assumption"
    return match, ""


def _identified(match: Identification, schedule: Schedule, on: str) -> RatePlan:
    only = "it alone explains" if match.verdict is Verdict.CERTAIN else "it and others explain"
    why = f"{only} the {match.rows} logged rates{on}"
    notes = tuple(note for note in match.notes if not note.startswith("the log stops"))
    length, shift, verdict = schedule.length + match.shift, match.shift, str(match.verdict)
    return RatePlan(schedule, length, "logged", why, verdict, shift=shift, notes=notes)


def _ended(
    job: Job, x: np.ndarray, lr: np.ndarray, plan: RatePlan, end: float
) -> tuple[Prospect, ...]:
    """Return what may follow a schedule that ends before the run: a line to 0, or its last rate."""
    over = max(plan.length, float(x[-1]))
    lowest = float(plan.rate(np.array([over]))[0])
    ends = f"the logged rate follows a schedule that ends at {job.place(plan.length)}"
    why = f"{ends}; what comes then is an assumption"
    held = replace(plan, length=end, source="assumed", why=why)
    if lowest <= SAME_SHAPE:
        return (Prospect(held),)
    ahead = np.linspace(float(x[-1]), over, LINES + 1)[1:] if over > x[-1] else np.empty(0)
    at, rate = np.append(x, ahead), np.append(lr, plan.rate(ahead) * plan.schedule.highest)
    line = replace(held, schedule=_lines(job, [*at, end], [*rate, 0.0]), stretch=1.0, shift=0.0)
    return Prospect(line, "falls to 0 then", TO_ZERO), Prospect(held, "stays then", 1 - TO_ZERO)


def _lines(job: Job, x: Sequence[float], lr: Sequence[float]) -> Knots:
    """Return straight lines through rates; before the first logged one, a warm-up from 0."""
    return Knots.of([*[0.0] * int(x[0] > 0), *x], [*[0.0] * int(x[0] > 0), *lr], unit=job.unit)


def _unexplained(
    job: Job, x: np.ndarray, lr: np.ndarray, end: float, match: Identification
) -> tuple[Prospect, ...]:
    """Return the line, or the schedule, that a rate none explains is near; and the rate held."""
    verdict = str(match.verdict)
    zero = _zero_of_line(x, lr)
    if zero is not None and TOO_EARLY < zero / end - 1 < TOO_LATE:
        why = f"the last {LINES} logged rates lie on a straight line to 0 at the end"
        line = _lines(job, [*x, end], [*lr, 0.0])
        return (Prospect(RatePlan(line, end, "logged", why, verdict)),)
    held = _held(job, x, lr, end, match)
    near = [r for r in match.rivals if r.misfit < NEAR and r.schedule.length > x[-1]]
    if not near:
        return held
    schedule, off = near[0].schedule, 100 * near[0].misfit
    why = f"no family explains the logged rate; the nearest, off by up to {off:.1g} % of the peak"
    plan = RatePlan(schedule, schedule.length, "logged", why, verdict)
    return (Prospect(plan, f"goes on as a {schedule.title}"), *held)


def _zero_of_line(x: np.ndarray, lr: np.ndarray) -> float | None:
    """Return where the last rates, if they fall on a straight line, come to 0."""
    if len(x) < LINES:
        return None
    slope, level = np.polyfit(x[-LINES:], lr[-LINES:], 1)
    off = np.abs(level + slope * x[-LINES:] - lr[-LINES:])
    return float(-level / slope) if slope < 0 and off.max() < STRAIGHT * lr.max() else None


def _held(
    job: Job, x: np.ndarray, lr: np.ndarray, end: float, match: Identification
) -> tuple[Prospect, ...]:
    """Return the logged rate, held to the end or cooled down: a constant rate tells no more."""
    start = max(end * (1 - COOL_DOWN), float(x[-1]))
    if isinstance(match.schedule, Constant):
        state, verdict = "the logged rate has not fallen so far", CONSTANT
        held = replace(match.schedule, length=end)
        cooled: Schedule = Wsd(**vars(held), stable=start)
    else:
        state, verdict = "no family explains the logged rate", str(match.verdict)
        held = Knots.of([*x, end], [*lr, lr[-1]], unit=job.unit)
        flat = [start] if start > x[-1] else []
        cooled = Knots.of([*x, *flat, end], [*lr, *(lr[-1] for _ in flat), 0.0], unit=job.unit)
    why = f"{state}; what it will do is an assumption"
    stays, falls = (RatePlan(s, end, "assumed", why, verdict) for s in (held, cooled))
    return Prospect(stays, "stays as it is"), Prospect(falls, COOLS)


def _assumed(job: Job, end: float, known: str) -> tuple[Prospect, ...]:
    """Return the schedules that a run may have of which no rate is known."""
    if not (math.isfinite(end) and end > 0):
        raise UsageError(f"--until must be a positive number of {job.unit}, not {end:g}.")
    of: dict[str, Any] = {"peak": 1.0, "length": end, "unit": job.unit}
    may = (
        (0.6, f"follows a cosine to {100 * COSINE_END:.0f} %", Cosine(min=COSINE_END, **of)),
        (0.25, COOLS, Wsd(stable=end * (1 - COOL_DOWN), **of)),
        (0.15, "stays constant", Constant(**of)),
    )
    why = f"{known}; what it is, is an assumption"
    return tuple(
        Prospect(RatePlan(schedule, end, "assumed", why, notes=(SAY_IT,)), name, weight)
        for weight, name, schedule in may
    )
