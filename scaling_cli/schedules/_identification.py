"""Which schedule a logged learning rate follows, how surely, and which others it could be.

A log holds rounded rates at some steps, maybe not from the first and not to the last. Every
family that could explain it is fitted; one does if the log lies within its own rounding of it.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.schedules._beginning import Beginning, beginning_of, begun, known_from
from scaling_cli.schedules._schedule import SHAPES, Kind, Schedule, falling
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.cosine import Cosine
from scaling_cli.schedules.exponential import Exponential
from scaling_cli.schedules.inverse_sqrt import InverseSqrt
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.linear import Linear
from scaling_cli.schedules.polynomial import Polynomial
from scaling_cli.schedules.step import Step
from scaling_cli.schedules.wsd import Wsd
from scaling_cli.vocabulary.errors import DataError, UsageError

FEWEST_ROWS = 3
WITHIN = 0.995  # share of rows that must lie within the rounding
MISFIT = 0.01  # of the peak: no row may lie further away
SLACK = 1.5  # half units: what is fitted to rounded rates misses them by a little more than half
FLOAT32 = 2e-7  # of the peak: logged rates were often computed in single precision
SEARCHED_ROWS = 300
MOST_LEVELS = 12
DIGITS_FROM = 500  # distinct values
NEARLY = 0.03  # of the peak: fits that miss by more are not worth rounding
# Shapes of which a stretch looks the same for every end and lowest rate on one curve, and the
# power of 1 - min/peak with which the length of the decay grows as its end moves along that curve.
ENDLESS = {"linear": 1.0, "sqrt": 2.0, "square": 0.5, "exponential": np.nan}
_FAMILIES = {family.title: family for family in (Linear, Cosine, Exponential, Polynomial)}
SAME = 0.01  # of the peak: schedules that never differ by more are one schedule

Proposal = tuple[type[Schedule], dict[str, Any]]


class Verdict(StrEnum):
    """How surely a schedule is known."""

    CERTAIN = "certain"
    """One schedule explains every row within its rounding; no other does."""
    AMBIGUOUS = "ambiguous"
    """Several do, and they differ where the log says nothing."""
    UNEXPLAINED = "unexplained"
    """None does: the log itself is taken, with straight lines between its rows."""


@dataclass(frozen=True)
class Log:
    """A logged learning rate."""

    step: np.ndarray
    lr: np.ndarray
    half: np.ndarray  # half a unit of the last digit, per row
    gap: float  # steps between rows, typically
    after: float  # the roundest end that a run which logged these rows may have had
    length: float | None  # of the run, where it is known

    @property
    def peak(self) -> float:
        """The highest rate logged."""
        return float(self.lr.max())

    @property
    def reach(self) -> float:
        """The last step at which a run that logged these rows may have ended."""
        return self.length or float(self.step[-1]) + max(1.0, self.gap)

    @property
    def settled(self) -> bool:
        """Whether the log ends with a stretch of one rate below the peak."""
        return bool(np.ptp(self.lr[-3:]) <= 2 * self.half[-1] and self.lr[-1] < self.peak)

    @property
    def at_top(self) -> np.ndarray:
        """Which rows are as high as the peak, as far as their digits tell."""
        return self.lr >= self.peak - 2 * self.half - FLOAT32 * self.peak

    def slack(self) -> np.ndarray:
        """How far a row may lie from what it was before it was rounded."""
        return SLACK * self.half + FLOAT32 * self.peak

    def take(self, rows: np.ndarray) -> "Log":
        """Return these rows only."""
        return replace(self, step=self.step[rows], lr=self.lr[rows], half=self.half[rows])

    def off(self, schedule: Schedule) -> tuple[float, float]:
        """Return the largest difference over the peak, and the share of rows within the slack."""
        off = np.abs(schedule.lr(self.step) - self.lr)
        return float(off.max() / self.peak), float((off <= self.slack()).mean())

    def explained_by(self, schedule: Schedule) -> bool:
        """Whether the log lies within its rounding of the schedule."""
        misfit, within = self.off(schedule)
        return within >= WITHIN and misfit <= MISFIT

    def thin(self) -> "Log":
        """Return evenly spread rows, few enough to search with."""
        rows = np.linspace(0, len(self.step) - 1, SEARCHED_ROWS).round().astype(int)
        return self.take(np.unique(rows))


@dataclass(frozen=True)
class Candidate:
    """A schedule beside the log.

    Parameters
    ----------
    schedule : Schedule
    misfit : float
        Largest difference from the log, as a share of the peak.
    within : float
        Share of rows within the rounding of the log.
    apart : float
        Largest difference from the schedule that was taken, from the first row to the end of its
        run, as a share of the peak.
    """

    schedule: Schedule
    misfit: float
    within: float
    apart: float = 0.0


@dataclass(frozen=True)
class Identification:
    """What a logged learning rate says.

    Parameters
    ----------
    schedule : Schedule
        The simplest schedule that explains the log, else the log itself.
    verdict : Verdict
    misfit, within : float
        Of that schedule, as in Candidate.
    rounding : float
        Half a unit of the last digit logged, as a share of the peak.
    shift : int
        Step of the log at which the schedule is at step 0: 1 if the log counts steps done.
    rows : int
    rivals : sequence of Candidate
        Others: those that explain the log too, else the nearest three.
    notes : sequence of str
        What the log does not say.
    beginning : Beginning, optional
        What is assumed before its first row, where that does not show the warm-up.
    """

    schedule: Schedule
    verdict: Verdict
    misfit: float
    within: float
    rounding: float
    shift: int
    rows: int
    rivals: Sequence[Candidate] = ()
    notes: Sequence[str] = ()
    beginning: Beginning | None = None

    def begun(self, beginning: Beginning | None) -> "Identification":
        """Return the same with another warm-up before the log."""
        if beginning is None:
            return self
        begins = [(r, known_from(beginning, r.schedule)) for r in self.rivals]
        rivals = [r if b is None else replace(r, schedule=begun(r.schedule, b)) for r, b in begins]
        schedule = begun(self.schedule, beginning)
        return replace(self, schedule=schedule, rivals=rivals, beginning=beginning)


def identify_schedule(
    step: ArrayLike, lr: ArrayLike, *, length: float | None = None
) -> Identification:
    """Return the schedule that a logged learning rate follows, and how surely.

    Parameters
    ----------
    step : array-like, shape (n,)
        Steps (or tokens) of the rows, increasing, from 0 or later; gaps do not matter.
    lr : array-like, shape (n,)
        The learning rate logged there; it may be rounded.
    length : float, optional
        Length of the run where it is known: a log may stop before the decay ends.

    A log that begins late, at its peak, does not show the warm-up. It is taken to end where the log
    begins; `begun` takes it to end elsewhere.

    Raises
    ------
    DataError
        If there are fewer than three rows, steps do not increase, or a rate is negative or not
        finite.
    """
    log = _read(step, lr, length)
    shifted = [log, replace(log, step=log.step - 1)] if log.step[0] >= 1 else [log]
    fitted = [(shift, s) for shift, rows in enumerate(shifted) for s in candidates(rows)]
    explaining = [(shift, s) for shift, s in fitted if shifted[shift].explained_by(s)]
    if explaining:
        shift, taken = min(explaining, key=lambda item: _simplicity(*item))
        others = {s.text(): _judge(shifted[i], s, taken) for i, s in explaining if i == shift}
        rivals = [other for other in others.values() if other.apart > SAME]
        verdict = Verdict.AMBIGUOUS if rivals else Verdict.CERTAIN
    else:
        shift, taken, verdict = 0, Knots.of(log.step, log.lr), Verdict.UNEXPLAINED
        judged = [_judge(shifted[i], s, taken) for i, s in fitted]
        rivals = sorted(judged, key=lambda candidate: candidate.misfit)[:3]
    misfit, within = shifted[shift].off(taken)
    rounding, rows = float(np.median(log.half) / log.peak), len(log.step)
    before = known_from(beginning_of(shifted[shift].step, log.lr, 2 * log.slack()[0]), taken)
    notes = _notes(log, taken, before)
    known = verdict, misfit, within, rounding, shift, rows, rivals, notes
    return Identification(taken, *known).begun(before)


def _read(step: ArrayLike, lr: ArrayLike, length: float | None) -> Log:
    at, rate = np.asarray(step, float), np.asarray(lr, float)
    if at.ndim != 1 or at.shape != rate.shape:
        raise DataError(f"steps and learning rates differ in shape: {at.shape}, {rate.shape}.")
    if len(at) < FEWEST_ROWS:
        told = f"{len(at)} row(s) of a learning rate do not tell a schedule"
        raise DataError(f"{told}; {FEWEST_ROWS} may.")
    if not (np.isfinite(rate).all() and rate.min() >= 0 and rate.max() > 0):
        raise DataError("learning rates must be finite and not negative, and not all zero.")
    if not np.isfinite(at).all() or at[0] < 0 or (np.diff(at) <= 0).any():
        hint = "Keep the last row of each step where a log was resumed."
        raise DataError("steps must increase from row to row, from 0 on.", hint=hint)
    gap, last = float(np.median(np.diff(at))), float(at[-1])
    if length is not None:
        after = length
    elif at[0] == gap and not (at % gap).any():
        after = last  # rows count steps done, every so many: the last one is the last
    else:
        after = roundest(last - 1, last + max(1.0, gap))
    return Log(at, rate, half_units(rate), gap, after, length)


def _simplicity(shift: int, schedule: Schedule) -> tuple[int, int]:
    """Return how much a schedule has to say: its numbers, then their digits."""
    text = schedule.text()
    return text.count("=") + text.count("/") + 2 * text.count("power=") + shift, len(text)


def _judge(log: Log, schedule: Schedule, taken: Schedule) -> Candidate:
    at = np.linspace(log.step[0], max(taken.length, log.step[-1]), 2001)
    apart = np.abs(schedule.lr(at) - taken.lr(at)).max() / taken.highest
    return Candidate(schedule, *log.off(schedule), float(apart))


def _notes(log: Log, schedule: Schedule, before: Beginning | None) -> list[str]:
    notes = []
    last, shape = float(log.step[-1]), getattr(schedule, "decay", schedule.title)
    if schedule.length > log.reach + log.gap:
        notes.append(f"the log stops at step {last:g}, before the end at {schedule.length:g}.")
    elif shape in ENDLESS and not log.settled and log.length is None:
        ends = f"that the run ends there, at {schedule.length:g}, is assumed"
        notes.append(f"the log stops at step {last:g}, within the decay; {ends}.")
    if before:
        assumed = "a warm-up that ends there" if before.warmup else "no warm-up"
        notes.append(f"the log starts at step {before.until:g}; {assumed} is assumed.")
    if (rises := _rises(log)) is not None:
        notes.append(f"the rate rises again at step {rises:g}.")
    return notes


def _rises(log: Log) -> float | None:
    """Return where the rate first rises after it fell."""
    change = np.diff(log.lr)
    slack = 2 * log.slack().max()
    fallen = np.flatnonzero(change < -slack)
    risen = np.flatnonzero(change > slack)
    later = risen[risen > fallen[0]] if len(fallen) else risen[:0]
    return float(log.step[later[0] + 1]) if len(later) else None


def half_units(values: np.ndarray) -> np.ndarray:
    """Return half a unit of the last digit that each value was written with.

    The digits are the fewest that leave every value as it is: decimals, as in `%.6f`, or
    significant ones, as in `%.3e`, whichever are coarser there. Up to three distinct values say
    nothing about it and count as exact.
    """
    distinct = np.unique(values[values > 0])
    distinct = distinct[:: max(1, len(distinct) // DIGITS_FROM)]
    if len(distinct) <= 3:
        return np.zeros_like(values)
    size = np.floor(np.log10(np.where(values > 0, values, distinct[0])))
    significant = _fewest(distinct, "e")
    decimals = _fewest(distinct, "f")
    return 0.5 * np.maximum(
        0.0 * size if significant is None else 10.0 ** (size - significant),
        0.0 if decimals is None else 10.0**-decimals,
    )


def _fewest(values: np.ndarray, form: str) -> int | None:
    """Return the fewest digits of a format that write every value exactly, or None."""
    digits = range(16)
    return next((d for d in digits if all(float(f"{v:.{d}{form}}") == v for v in values)), None)


def candidates(log: Log) -> Iterator[Schedule]:
    """Yield schedules that may explain the log, with numbers as round as it allows."""
    if log.lr[0] == 0 and log.step[0] == 0 and log.lr[1] >= log.peak - 2 * log.slack()[1]:
        log = log.take(np.arange(1, len(log.step)))  # the whole warm-up lies between two rows
    for warm in _warmups(log):
        after = log.take(log.step >= warm["warmup"])
        curved = _curved(after, warm) if len(after.step) else ()
        flat = _flat(after, warm) if len(after.step) else ()
        for family, options in itertools.chain(flat, curved):
            with contextlib.suppress(UsageError):  # the fitted numbers may make no such schedule
                yield _rounder(log, family(**options))


def _warmups(log: Log) -> list[dict[str, Any]]:
    """Return the warm-ups that explain the rows before the peak; all guesses if none does."""
    before = int(np.argmax(log.at_top))
    if before == 0:
        return [{"warmup": 0.0}]
    rising = log.take(np.arange(before))
    guesses = [g for g in _rises_from(rising, log.peak) if g["warmup"] <= log.reach]
    rises = [Constant(peak=log.peak, length=log.reach, **guess) for guess in guesses]
    good = [g for g, rise in zip(guesses, rises, strict=True) if rising.explained_by(rise)]
    return good or guesses


def _rises_from(rising: Log, peak: float) -> Iterator[dict[str, Any]]:
    """Yield lines through the rows of a rise: from zero, counted from 0 or 1, or from a rate."""
    at, rate = rising.step, rising.lr
    for first in (0.0, 1.0):
        rise = float(np.sum((at + first) * rate))
        if rise > 0:
            slope = rise / float(np.sum((at + first) ** 2))
            yield {"warmup": _near_whole(peak / slope, at), "first": first}
    if len(at) > 1:
        slope, init = np.polyfit(at, rate, 1).tolist()
        if slope > 0 and rising.slack()[0] < init < peak:
            yield {"warmup": _near_whole((peak - init) / slope, at), "init": init}


def _near_whole(value: float, rising: np.ndarray) -> float:
    """Return a length as a whole number beyond the rows that still rise."""
    return float(max(np.floor(rising[-1]) + 1, round(value)))


def _flat(log: Log, warm: dict[str, Any]) -> Iterator[Proposal]:
    """Yield the constant schedule, or jumps between few constant rates."""
    length = log.length or log.after
    slack = 2 * log.half + FLOAT32 * log.peak
    jumps = np.flatnonzero(np.abs(np.diff(log.lr)) > slack[1:])
    if len(jumps) == 0:
        yield Constant, {**warm, "peak": log.peak, "length": length}
    elif len(jumps) < min(MOST_LEVELS, len(log.step) // 2):
        at = tuple(roundest(log.step[j] + 1, log.step[j + 1]) for j in jumps)
        to = tuple(float(log.lr[j + 1]) for j in jumps)
        jumps_to = {"peak": float(log.lr[0]), "at": at, "to": to, "length": length}
        yield Step, {**warm, **jumps_to}
    start, falls = warm["warmup"] or 1.0, ~log.at_top
    if falls.any():
        scale = float(np.median(log.step[falls] * (log.lr[falls] / log.peak) ** 2))
        low = float(log.lr[-1]) if np.ptp(log.lr[-3:]) == 0 else 0.0
        given = {} if abs(scale - start) <= 0.5 else {"scale": float(max(1, round(scale)))}
        yield InverseSqrt, {**warm, **given, "peak": log.peak, "min": low, "length": length}


def _curved(log: Log, warm: dict[str, Any]) -> Iterator[Proposal]:
    """Yield every family of decays, fitted, with every end that the log leaves open."""
    thin = log.thin()
    last_top = float(thin.step[thin.lr >= log.peak - 2 * thin.half - FLOAT32 * log.peak][-1])
    known = {warm["warmup"]} if warm["warmup"] or log.step[0] == 0 else set()
    starts = [start for start in sorted(known | {last_top}) if start < log.step[-1]]
    for shape, start in itertools.product(SHAPES, starts):
        place = _fitted(thin, shape, start, start not in known)
        for end in _ends(log, shape, *place[:2]):
            yield from _built(thin, shape, warm, (place[0], end, place[2]))


def _end_is_open(log: Log, shape: str) -> bool:
    """Say whether the rows tell where the decay ends."""
    return log.settled or (shape not in ENDLESS and log.length is None)


def _fitted(log: Log, shape: str, start: float, free_start: bool) -> tuple[float, float, float]:
    """Return (start, end, power) of least squares; what is not free stays as guessed."""
    settles = log.step[log.lr <= log.lr[-1] + 2 * log.half][0]
    end = float(settles) if log.settled else log.reach
    place = np.array([start, max(end, start + 1), 2.0 if shape == "polynomial" else 1.0])
    free = np.array([free_start, _end_is_open(log, shape), shape == "polynomial"])
    if free.any():
        from scipy.optimize import least_squares

        span = float(log.step[-1]) + log.gap
        unit = np.array([span, span, 1.0])[free]

        def off(z: np.ndarray) -> np.ndarray:
            place[free] = z * unit
            return _rates(log, shape, *place.tolist())[0] / log.peak

        bounds = np.array([[0.0, 0.0, 0.1], [0.999, 50.0, 12.0]])[:, free]
        first = np.clip(place[free] / unit, *bounds)
        best = least_squares(off, first, bounds=bounds, xtol=1e-14, ftol=1e-14, gtol=1e-15)
        place[free] = best.x * unit
    at, end, power = place.tolist()
    return (at if at >= 0.5 else 0.0, end, power)


def _rates(
    log: Log, shape: str, start: float, end: float, power: float
) -> tuple[np.ndarray, float, float]:
    """Return (what is left, peak, lowest rate) of the best rates for a decay from start to end."""
    way = np.clip((log.step - start) / max(end - start, 1e-9), 0, 1)
    if shape == "exponential":
        there = log.lr > 0
        if there.sum() < 2 or np.ptp(way[there]) == 0:
            return log.lr - log.peak, log.peak, log.peak
        slope, top = np.polyfit(way[there], np.log(log.lr[there]), 1)
        peak, low = float(np.exp(top)), float(np.exp(top + slope))
    else:
        share = falling(shape, way, 1.0, 0.0, power)
        design = np.stack([share, 1 - share], axis=1)
        peak, low = np.linalg.lstsq(design, log.lr, rcond=None)[0].tolist()
    return falling(shape, way, peak, low, power) - log.lr, peak, low


def _ends(log: Log, shape: str, start: float, end: float) -> list[float]:
    """Return where the decay may end: as given; else just after the log, whole, as fitted."""
    if log.length is not None and not log.settled:
        return [log.length]
    near_end = [log.after] if end <= log.reach + log.gap else []
    if _end_is_open(log, shape):
        return list(dict.fromkeys([*near_end, float(round(end)), end]))
    _, peak, low = _rates(log, shape, start, log.after, 1.0)
    if shape == "exponential" or peak <= low:
        return [log.after]
    zero = _zero(shape, start, log.after, low / peak)
    return [log.after, *([float(round(zero))] if zero <= log.reach + log.gap else [])]


def _zero(shape: str, start: float, end: float, low: float) -> float:
    """Return where a decay from start, at a share `low` of the peak at its end, comes to zero."""
    return start + (end - start) * (1 / (1 - low)) ** ENDLESS[shape]


def zero_of(match: Identification) -> float | None:
    """Return where the rate would come to zero if its decay went on past the end of the log.

    None if the log tells where the decay ends, or no end of it does.
    """
    schedule = match.schedule
    shape = getattr(schedule, "decay", schedule.title)
    low = getattr(schedule, "min", 0.0) / schedule.highest
    if shape not in ENDLESS or shape == "exponential" or not low:
        return None
    start = getattr(schedule, "stable", 0.0) or getattr(schedule, "warmup", 0.0)
    return _zero(shape, start, schedule.length, low) + match.shift


def _built(
    log: Log, shape: str, warm: dict[str, Any], place: tuple[float, float, float]
) -> Iterator[Proposal]:
    """Yield the schedules of a fitted decay: a family of its own, or after a stable phase."""
    start, end, power = place
    _, peak, low = _rates(log, shape, start, end, power)
    low = 0.0 if -NEARLY * peak < low < 0 else low
    inside = (log.step > start) & (log.step < end)
    if not (peak > 0 and 0 <= low <= peak and 0 <= start < end and inside.sum() >= 2):
        return
    given: dict[str, Any] = {"peak": max(peak, low, warm.get("init", 0.0)), "length": end}
    if shape == "polynomial":
        if abs(power - 1) < 0.01:
            return  # a straight line
        given["power"] = power
    for bottom in (0.0, low) if shape != "exponential" else (low,):
        if shape in _FAMILIES and warm["warmup"] in (0.0, start):
            yield _FAMILIES[shape], {**warm, **given, "warmup": start, "min": bottom}
        if start >= warm["warmup"] and (log.step <= start + 1).any():
            yield Wsd, {**warm, **given, "stable": start, "decay": shape, "min": bottom}


def _rounder(log: Log, schedule: Schedule) -> Schedule:
    """Return the schedule with the roundest numbers that explain the log, if any do."""
    if log.off(schedule)[0] > NEARLY:
        return schedule
    thin = log.thin()
    tried = set()
    shortest = min(schedule.length, float(log.step[-1]))  # a round end before the last row is none
    for ends, places, digits in itertools.product((-3, -2, -1, 0, 1, 9), (0, 1, 9), range(1, 9)):
        try:
            rounded = _rounded(schedule, ends, places, digits)
        except UsageError:  # rounding may put a place outside the run
            continue
        new = rounded not in tried and rounded.length >= shortest
        if new and thin.explained_by(rounded) and log.explained_by(rounded):
            return rounded
        tried.add(rounded)
    return schedule


def _rounded(schedule: Schedule, ends: int, places: int, digits: int) -> Schedule:
    """Return the schedule with its length and places to some decimals, rates to some digits."""
    changed = {"length": round(schedule.length, ends)}
    for name, declared in schedule.options().items():
        value = getattr(schedule, name)
        if declared["kind"] is Kind.RATE:
            changed[name] = float(f"{value:.{digits - 1}e}")
        elif declared["kind"] is Kind.PLACE and value is not None:
            changed[name] = round(value, places)
        elif name == "power":
            changed[name] = float(f"{value:.3g}")
    return replace(schedule, **changed)


def roundest(low: float, high: float) -> float:
    """Return the whole number in (low, high] that ends in most zeros; the lowest of them."""
    for unit in 10.0 ** np.arange(12, 0, -1):
        if (above := np.floor(low / unit + 1) * unit) <= high:
            return float(above)
    return float(np.floor(low) + 1)
