"""Which schedule a logged learning rate follows, how surely, and which others it could be.

A log holds rounded rates at some steps, maybe not from the first and not to the last. Every
family that could explain it is fitted; one does if the log lies within its own rounding of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.schedules._candidates import ENDLESS, Log, candidates, half_units, roundest
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules.knots import Knots
from scaling_cli.vocabulary.errors import DataError

FEWEST_ROWS = 3
SAME = 0.01  # of the peak: schedules that never differ by more are one schedule


class Verdict(StrEnum):
    """How surely a schedule is known."""

    CERTAIN = "certain"
    """One schedule explains every row within its rounding; no other does."""
    AMBIGUOUS = "ambiguous"
    """Several do, and they differ where the log says nothing."""
    UNEXPLAINED = "unexplained"
    """None does: the log itself is taken, with straight lines between its rows."""


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

    Raises
    ------
    DataError
        If there are fewer than three rows, steps do not increase, or a rate is negative or not
        finite.
    """
    log = _read(step, lr, length)
    shifted = [log, replace(log, step=log.step - 1)] if log.step[0] >= 1 else [log]
    found = [(shift, s) for shift, rows in enumerate(shifted) for s in candidates(rows)]
    explaining = [(shift, s) for shift, s in found if shifted[shift].explained_by(s)]
    rounding = float(np.median(log.half) / log.peak)
    if not explaining:
        taken = Knots.of(log.step, log.lr)
        judged = sorted((_judge(shifted[i], s, taken) for i, s in found), key=lambda c: c.misfit)
        return Identification(
            taken,
            Verdict.UNEXPLAINED,
            *log.off(taken),
            rounding,
            0,
            len(log.step),
            judged[:3],
            _notes(log, taken),
        )
    shift, taken = min(explaining, key=lambda item: _simplicity(*item))
    others = {s.text(): _judge(shifted[i], s, taken) for i, s in explaining if i == shift}
    rivals = [other for other in others.values() if other.apart > SAME]
    return Identification(
        taken,
        Verdict.AMBIGUOUS if rivals else Verdict.CERTAIN,
        *shifted[shift].off(taken),
        rounding,
        shift,
        len(log.step),
        rivals,
        _notes(log, taken),
    )


def _read(step: ArrayLike, lr: ArrayLike, length: float | None) -> Log:
    at, rate = np.asarray(step, float), np.asarray(lr, float)
    if at.ndim != 1 or at.shape != rate.shape:
        raise DataError(f"steps and learning rates differ in shape: {at.shape}, {rate.shape}.")
    if len(at) < FEWEST_ROWS:
        raise DataError(
            f"{len(at)} row(s) of a learning rate do not tell a schedule; {FEWEST_ROWS} may."
        )
    if not (np.isfinite(rate).all() and rate.min() >= 0 and rate.max() > 0):
        raise DataError("learning rates must be finite and not negative, and not all zero.")
    if not np.isfinite(at).all() or at[0] < 0 or (np.diff(at) <= 0).any():
        raise DataError(
            "steps must increase from row to row, from 0 on.",
            hint="Keep the last row of each step where a log was resumed.",
        )
    gap = float(np.median(np.diff(at)))
    return Log(at, rate, half_units(rate), gap, _end(at, gap, length), length)


def _end(at: np.ndarray, gap: float, length: float | None) -> float:
    """Return where the run most likely ended."""
    if length is not None:
        return length
    if at[0] == gap and not (at % gap).any():
        return float(at[-1])  # rows count steps done, every so many: the last one is the last
    return roundest(float(at[-1]) - 1, float(at[-1]) + max(1.0, gap))


def _simplicity(shift: int, schedule: Schedule) -> tuple[int, int]:
    """Return how much a schedule has to say: its numbers, then their digits."""
    text = schedule.text()
    return text.count("=") + text.count("/") + 2 * text.count("power=") + shift, len(text)


def _judge(log: Log, schedule: Schedule, taken: Schedule) -> Candidate:
    at = np.linspace(log.step[0], max(taken.length, log.step[-1]), 2001)
    apart = np.abs(schedule.lr(at) - taken.lr(at)).max() / taken.highest
    return Candidate(schedule, *log.off(schedule), float(apart))


def _notes(log: Log, schedule: Schedule) -> list[str]:
    notes = []
    last, shape = float(log.step[-1]), getattr(schedule, "decay", schedule.title)
    if schedule.length > log.reach + log.gap:
        notes.append(f"the log stops at step {last:g}, before the end at {schedule.length:g}.")
    elif shape in ENDLESS and not log.settled and log.length is None:
        notes.append(
            f"the log stops at step {last:g}, within the decay; that the run ends there, at "
            f"{schedule.length:g}, is assumed."
        )
    first = log.step[0]
    if first > 1.5 * log.gap and first > 1:
        warmup = next((p.end for p in schedule.phases() if p.name == "warm-up"), 0.0)
        assumed = f"a linear warm-up of {warmup:g} steps" if warmup else "no warm-up"
        notes.append(f"the log starts at step {first:g}; {assumed} is assumed before it.")
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
