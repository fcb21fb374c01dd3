"""A running job: its losses as far as they are logged, read from runs, ready to be fitted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli.forecasting.despiking import averaged, noise_of, spikes
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import L, U, parse_number

if TYPE_CHECKING:
    from scaling_cli.runs.curves import Curve
    from scaling_cli.runs.table import Runs
    from scaling_cli.runs.view import View

# Columns that tell when a row was logged, the surest first, and their unit in seconds.
TIMES = {
    **dict.fromkeys(("_timestamp", "wall_time", "timestamp", "_runtime", "runtime"), 1.0),
    **dict.fromkeys(("elapsed", "elapsed_seconds", "wall_seconds", "seconds", "time"), 1.0),
    **dict.fromkeys(("train_time", "wall_clock", "date", "datetime"), 1.0),
    **dict.fromkeys(("train_time_ms", "elapsed_ms", "time_ms"), 1e-3),
    **dict.fromkeys(("hours", "wall_hours", "elapsed_hours"), 3600.0),
}
MILLISECONDS = 1e11  # since 1970: as many seconds are the year 5138
FEWEST, FEW = 5, 12  # points: below the first nothing is forecast, below the second with a warning
LEAST_X = 1e-6  # of what is logged: a row at 0 stands here on a logarithmic axis
ROUNDING = 1e-3  # of the peak: a rate as little below zero is rounding
NO_WAY = 1e-3  # of the run: so near its end it has ended; the last step may be logged as n - 1
WHOLE = 100.0  # steps, from which on parts of one are not said
FEWEST_HELD_OUT = 8  # points: with fewer, the training loss says more than the held-out one
TOKENS_FROM, FAR = 1e9, 1e3  # few runs have as many steps; times what is logged
# How a first screen knows the note that says which loss was read.
TRAINING = "the training loss is forecast"


class Diverged(DataError):
    """The losses of a run end in values that are not finite."""


@dataclass(frozen=True)
class Job:
    """The losses of one run along its axis.

    Parameters
    ----------
    run : str
    x : array, shape (n,)
        Steps or tokens done, increasing.
    loss : array, shape (n,)
        In `loss_unit`; or of whatever else is forecast.
    unit : str
        `steps` or `tokens`.
    lr : array, shape (n,), optional
        The learning rate logged beside each loss; NaN where none is.
    schedule : Schedule, optional
        As its column states it.
    batch_tokens, params, unique_tokens : float, optional
    length : float, optional
        Where the run is planned to end, if its table says so.
    notes : tuple of str
        What was left out or merged in reading.
    target : str
        Column of the loss; empty where the job was not read from a log.
    loss_unit : str
    seconds : array, shape (n,), optional
        When each row was logged: since 1970, or since any other moment; NaN where that is not
        known.
    """

    run: str
    x: np.ndarray
    loss: np.ndarray
    unit: str = "steps"
    lr: np.ndarray | None = None
    schedule: Schedule | None = None
    batch_tokens: float | None = None
    params: float | None = None
    unique_tokens: float | None = None
    length: float | None = None
    notes: tuple[str, ...] = field(default=())
    target: str = ""
    loss_unit: str = L.unit
    seconds: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Merge what was logged twice, leave out what is not finite, refuse what is no curve.

        Raises
        ------
        DataError
            If the run diverged, or there are fewer than five points.
        """
        x, loss = np.asarray(self.x, float), np.asarray(self.loss, float)
        if x.shape != loss.shape or x.ndim != 1:
            raise DataError(f"run {self.run!r}: {self.unit} and losses differ in shape.")
        lr = None if self.lr is None else np.asarray(self.lr, float)
        rows, notes = self._standing(x, loss)
        loss = loss[rows]
        if len(rows) < FEWEST:
            raise DataError(
                f"run {self.run!r}: {len(rows)} point(s) of its loss; a forecast needs {FEWEST}.",
                hint="Do 'scaling runs' and its notes show all that was logged? --map step=COLUMN "
                "names another axis, --target COLUMN another loss.",
            )
        self._refuse_negative(x, lr)
        times = None if self.seconds is None else np.asarray(self.seconds, float)[rows]
        kept = {"x": x[rows], "loss": loss, "lr": None if lr is None else lr[rows]}
        kept |= {"seconds": times}
        for name, value in {**kept, "notes": (*self.notes, *notes)}.items():
            object.__setattr__(self, name, value)

    def _refuse_negative(self, x: np.ndarray, lr: np.ndarray | None) -> None:
        """Refuse a logged learning rate that is below zero by more than rounding."""
        if lr is None or not np.isfinite(lr).any():
            return
        below = np.flatnonzero(lr < -ROUNDING * np.nanmax(np.abs(lr)))
        if len(below):
            raise DataError(
                f"run {self.run!r}: the learning rate at {self.place(x[below[0]])} is "
                f"{lr[below[0]]:g}; it cannot be negative.",
                hint="Name the column that holds it: --map lr=COLUMN.",
            )

    def _standing(self, x: np.ndarray, loss: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Return the rows that stand and are finite, and what is to be said of the others.

        Where a log goes back, its later part replaces the earlier.
        """
        ahead = np.minimum.accumulate(np.append(x[1:], np.inf)[::-1])[::-1]
        rows, notes = np.flatnonzero(x < ahead), []
        if len(rows) < len(x):
            back = x[np.flatnonzero(np.diff(x) <= 0) + 1]
            notes.append(
                f"the log goes back {len(back)} time(s), first to {self.place(back[0])}: "
                f"{len(x) - len(rows)} row(s) that later ones replace are left out."
            )
        finite = np.isfinite(loss[rows]) & np.isfinite(x[rows])
        good, bad = rows[finite], x[rows[~finite]]
        if len(bad) and not finite[-1]:
            last = x[good[-1]] if len(good) else 0.0
            raise Diverged(
                f"run {self.run!r} diverged: its loss is not finite after {self.place(last)}.",
                hint="Resume it from a checkpoint before that; the rows of the resumed part "
                "then replace these.",
            )
        if len(bad):
            left = f"{len(bad)} row(s) with a loss that is not finite left out"
            notes.append(f"{left}, first at {bad[0]:g}.")
        return good, notes

    @cached_property
    def _parts(self) -> dict[float, "Job"]:
        """Keep the run as it was at places: every schedule that it may have asks for the same."""
        return {}

    @cached_property
    def _bins(self) -> dict[float, "Bins"]:
        """Keep what `binned` said of it: in a long run spikes take the longest to find."""
        return {}

    @property
    def now(self) -> float:
        """How far the run has come."""
        return float(self.x[-1])

    @property
    def gap(self) -> float:
        """How far apart its last rows lie, typically."""
        return float(np.median(np.diff(self.x[-20:])))

    @property
    def noun(self) -> str:
        """What is forecast, in messages: a loss is called one, all else by its column."""
        return self.target if self.target and "loss" not in self.target else "loss"

    def place(self, x: float | np.ndarray) -> str:
        """Return a place along the run in words: a whole step, also of the middle of a bin."""
        return f"{self.unit[:-1]} {np.round(x) if x >= WHOLE else x:g}"

    def step_tokens(self, why: str, error: type[ScalingError] = UsageError) -> float:
        """Return the tokens of a step, refused with a reason where they are not known."""
        if self.batch_tokens is None:
            raise error(
                f"{why}, and the tokens of a step are not known.",
                hint="Say how many tokens a step takes: --set batch_tokens=512k.",
            )
        return self.batch_tokens

    def tokens(self, x: float) -> float | None:
        """Return the tokens at a place; None where those of a step are not known."""
        each = 1.0 if self.unit == "tokens" else self.batch_tokens
        return None if each is None else x * each

    def reached(self, end: float) -> bool:
        """Say whether its last row is at the end, or as near as makes no difference."""
        return self.now >= end - max(1.0, NO_WAY * end)

    def until(self, x: float) -> "Job":
        """Return the run as it was at a place along it."""
        if x not in self._parts:
            kept = slice(int(np.searchsorted(self.x, x, side="right")))
            columns = ("x", "loss", "lr", "seconds")
            known = {name: getattr(self, name) for name in columns}
            cut = {name: None if v is None else v[kept] for name, v in known.items()}
            part = replace(self, **cut, notes=())
            self._parts[x] = part
        return self._parts[x]

    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where a learning rate is logged, and that rate; a rate below zero is rounding."""
        if self.lr is None:
            return np.empty(0), np.empty(0)
        there = np.isfinite(self.lr)
        return self.x[there], np.maximum(self.lr[there], 0.0)

    def level(self, share: float = 0.05) -> float:
        """Return the mean loss over the last share of what is logged, at least one row."""
        last = self.x > self.now * (1 - share)
        return float(self.loss[last].mean())


@dataclass(frozen=True)
class Bins:
    """Losses averaged over stretches of a run, with the weight of each.

    Parameters
    ----------
    x, loss, weight : array, shape (bins,)
        Weights rise with the rows of a bin and with x, and add up to one.
    noise : float
        Of a single row, as a share of the loss.
    rows, spikes : int
        Rows that went in, and rows left out as spikes.
    """

    x: np.ndarray
    loss: np.ndarray
    weight: np.ndarray
    noise: float
    rows: int
    spikes: int

    @property
    def level(self) -> float:
        """The current loss: the mean of the last two bins."""
        return float(np.average(self.loss[-2:], weights=self.weight[-2:]))


def binned(job: Job, start: float) -> Bins:
    """Return the losses after `start`, freed of spikes and averaged over logarithmic bins."""
    if start not in job._bins:
        job._bins[start] = _binned(job, start)
    return job._bins[start]


def _binned(job: Job, start: float) -> Bins:
    after = job.x >= start
    if after.sum() < FEWEST:
        after = np.arange(len(job.x)) >= len(job.x) - FEWEST
    x, loss = np.maximum(job.x[after], LEAST_X * job.now), job.loss[after]
    out = spikes(x, loss)
    points = averaged(x[~out], loss[~out])
    weight = points.weight * points.x / points.x[-1]
    noise = noise_of(loss[~out])
    rows = int((~out).sum())
    return Bins(points.x, points.loss, weight / weight.sum(), noise, rows, len(out) - rows)


_AXIS = ("resumed", "epochs")  # notes that say what a forecast counts


def jobs_in(source: Any, target: str | None) -> tuple[list[Job], list[LeftOut], list[str]]:
    """Return jobs from whatever holds runs, the runs that are none, and notes on the reading."""
    from scaling_cli.runs.curves import Curve

    sources = source if isinstance(source, list | tuple) else [source]
    if all(isinstance(item, Curve | Job) for item in sources):
        return [item if isinstance(item, Job) else _job_of(item) for item in sources], [], []
    from scaling_cli.ingest import as_runs

    runs = as_runs(source)
    noticed = runs.noticed(target)
    notes = [str(note) for note in noticed if note.level == "warn" or note.code in _AXIS]
    if len(runs) == 1:
        return [one_job(runs, target=target)], [], notes
    return *jobs_of(runs, target=target), notes


def _job_of(curve: "Curve") -> Job:
    step, notes = curve.step.astype(float), tuple(curve.notes)
    return Job(
        curve.run, step, curve.loss, schedule=curve.schedule, notes=notes, loss_unit=curve.unit
    )


def jobs_of(runs: "Runs", *, target: str | None = None) -> tuple[list[Job], list[LeftOut]]:
    """Return the runs that have a loss curve, and why the others have none.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    target : str, optional
        Column of the loss. Default, per run: `val_loss` if it has eight points, else `loss`.
    """
    jobs, left = [], []
    for facts, rows in _each(runs, target):
        try:
            jobs.append(_job(facts, rows, target))
        except DataError as error:
            left.append(LeftOut(facts["run_id"], error.message))
    return jobs, left


def one_job(runs: "Runs", *, target: str | None = None) -> Job:
    """Return the only run of a log as a job.

    Raises
    ------
    UsageError
        If it holds several, or there is no such column.
    DataError
        If it has no loss curve.
    """
    each = list(_each(runs, target))
    if len(each) != 1:
        raise UsageError(f"one run is followed; the log holds {len(each)}.")
    return _job(*each[0], target)


def _each(runs: "Runs", target: str | None) -> "Iterator[tuple[Mapping[str, Any], View]]":
    """Yield every run: its facts and its points."""
    from scaling_cli.runs.view import View

    view = View.of(runs)
    if target is not None and view.resolve(target) is None:
        raise UsageError(
            f"there is no column {target!r}.", hint=f"Columns: {', '.join(view.original_names())}."
        )
    for i, facts in enumerate(runs.runs.to_pylist()):
        yield facts, view.take(np.flatnonzero(view.owner == i))


def _job(facts: Mapping[str, Any], rows: "View", target: str | None) -> Job:
    from scaling_cli.runs.selection import loss_unit

    name = facts["run_id"]
    column, note = _target(rows, target)
    unit = "steps" if rows.own("step").any() else "tokens"
    axis = rows.column("step") if unit == "steps" else rows.tokens[0]
    there = np.isfinite(axis) & (rows.own(column) if column != "tokens" else axis > 0)
    if not there.any():
        raise DataError(
            f"run {name!r}: no row has a step (or tokens) and {column}.",
            hint=f"Columns: {', '.join(rows.original_names())}. Say which holds the loss: --target "
            "COLUMN.",
        )
    values = rows.column(column)[there]
    if values.dtype.kind not in "fiu":
        raise DataError(
            f"run {name!r}: {column} holds text, such as {values[0]!r}.",
            hint="Name a column of numbers: --target COLUMN.",
        )
    return Job(
        name,
        axis[there],
        values,
        unit,
        lr=rows.column("lr")[there] if rows.own("lr").any() else None,
        schedule=_stated(name, facts.get("schedule")),
        batch_tokens=_batch(facts, rows, unit),
        params=facts.get("params"),
        unique_tokens=facts.get(U.column),
        length=facts.get("step") if unit == "steps" else None,
        notes=(note,) if note else (),
        target=column,
        loss_unit=loss_unit(rows, column),
        seconds=_seconds(rows, there),
    )


def _seconds(rows: "View", there: np.ndarray) -> np.ndarray | None:
    """Return when rows were logged, in seconds; None where no column tells it."""
    for name, scale in TIMES.items():
        if name not in rows.names() or not rows.own(name).any():
            continue
        cells = rows.column(name)
        values = np.array([_instant(c) for c in cells]) if cells.dtype == object else cells * scale
        values = values[there] / (1e3 if np.nanmax(values) > MILLISECONDS else 1.0)
        if np.isfinite(values).sum() > 1 and np.nanmax(np.diff(values)) > 0:
            return values
    return None


def _instant(text: Any) -> float:
    """Return an instant in words as seconds since 1970; NaN where it is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        return np.nan


def siblings_target(jobs: Sequence[Job], target: str | None) -> str | None:
    """Return the column in which siblings are read: that of the runs they are compared with.

    Raises
    ------
    UsageError
        If the runs are forecast in different losses.
    """
    columns = sorted({job.target for job in jobs if job.target})
    if target is not None or not columns:
        return target
    if len(columns) > 1:
        raise UsageError(
            f"the runs log different losses ({', '.join(columns)}): siblings cannot be compared "
            "with all of them.",
            hint="Name one: --target COLUMN.",
        )
    return columns[0]


def _target(rows: "View", target: str | None) -> tuple[str, str]:
    """Return the column of the loss, and what a reader should know of the choice."""
    if target is not None:
        return rows.resolve(target) or target, ""
    held_out, training = int(rows.own("val_loss").sum()), int(rows.own("loss").sum())
    if held_out and (held_out >= FEWEST_HELD_OUT or not training):
        return "val_loss", "" if not training else "the held-out loss is forecast (--target)."
    few = f"{TRAINING}: {held_out} point(s) of the held-out one are too few."
    return "loss", few if held_out else ""


def _stated(name: str, text: Any) -> Any:
    """Return the schedule that a table states, None where it states none."""
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return parse_schedule(text)
    except UsageError as error:
        raise DataError(f"run {name!r}: its schedule {text!r}: {error.message}") from error


def _batch(facts: Mapping[str, Any], rows: "View", unit: str) -> float | None:
    """Return the tokens of a step: as stated, else from the last row that has both."""
    if facts.get("batch_tokens"):
        return float(facts["batch_tokens"])
    if unit != "steps":
        return None
    step, tokens, source = rows.column("step"), *rows.tokens
    both = np.flatnonzero(np.isfinite(step) & (step > 0) & np.isfinite(tokens) & (source == 0))
    return float(tokens[both[-1]] / step[both[-1]]) if len(both) else None


def read_until(text: str | float, job: Job) -> tuple[float, str]:
    """Return a place along the axis of a run, and how the text was read.

    A number counts what the run is logged over, unless the text says tokens or steps.

    Raises
    ------
    UsageError
        If it cannot be read, may be meant otherwise, or tokens cannot be turned into steps.
    """
    words = str(text).strip().lower().split()
    unit = next((u for u in ("tokens", "steps") if words and words[-1] in (u, u[:-1])), None)
    value = parse_number(" ".join(words[:-1] if unit else words))
    if not value > 0:
        raise UsageError(f"--until must be positive, not {text}.")
    if unit is None and job.unit == "steps" and value >= max(TOKENS_FROM, FAR * job.now):
        raise UsageError(
            f"--until {text} is {value / job.now:.3g} times what run {job.run!r} has logged, "
            f"{job.place(job.now)}.",
            hint=f"Say what it counts: --until '{text} tokens', or '{text} steps'.",
        )
    unit = unit or job.unit
    if unit == job.unit:
        return value, f"until {unit[:-1]} {value:g}"
    logged = f"--until {text} is in {unit}, run {job.run!r} is logged over {job.unit}"
    tokens = job.step_tokens(logged)
    place = value / tokens if job.unit == "steps" else value * tokens
    return place, f"until {value:g} {unit} = {job.unit[:-1]} {place:g}"
