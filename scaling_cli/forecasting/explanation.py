"""`explain`: what was done to one curve, row by row, and what of it each fit uses.

Nothing is deleted: a row stands in the store as it was logged, and this says how it is seen. The
steps are those that fits and forecasts take themselves, asked here of one run.
"""

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli import ingest, laws
from scaling_cli.forecasting import doubts
from scaling_cli.forecasting.annealed import Course, first_fitted
from scaling_cli.forecasting.despiking import FEW_TO_DESPIKE, baseline, spikes
from scaling_cli.forecasting.direction import Turn
from scaling_cli.forecasting.future import prospects
from scaling_cli.forecasting.job import LEAST_X, Job, binned, jobs_of
from scaling_cli.runs import selection
from scaling_cli.runs.curve import Curve
from scaling_cli.runs.curves import curves_of, identify_runs
from scaling_cli.runs.table import Flag, Runs, default_target, floats
from scaling_cli.schedules._beginning import Beginning, warmup_of
from scaling_cli.schedules._identification import Verdict
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import (
    DataError,
    ScalingError,
    UsageError,
    guess,
    near_column,
    some,
)
from scaling_cli.vocabulary.shown import Shown

LATER_COUNTS = "a later part counts from its first step on; rows that it went over are kept unused"
RULES = {
    "superseded": LATER_COUNTS,
    "merged": "several rows of one step are one: the last one, with what it lacks from the others",
    "no loss": "the row logs something else",
    "not finite": "kept; no fit takes it, and a run that ends so is none of a law's",
    "spike": "above a smooth curve through the lower rows by more than the median and 3 sd of the "
    "lower half; left out of the forecast only",
}
UNSEARCHED = f"spikes are looked for in {FEW_TO_DESPIKE} rows or more"
_KNOWN = ("loss_kind", "loss_kind_known", "loss_unit_known", "loss_quantum")
LAW = "chinchilla"  # stands for laws of finished runs


class Standing(enum.StrEnum):
    """How a row is seen."""

    COUNTS = "counts"
    SUPERSEDED = "superseded"
    MERGED = "merged"
    SILENT = "no loss"
    NONFINITE = "not finite"
    SPIKE = "spike"


@dataclass(frozen=True)
class File:
    """Where rows of the run come from: lines are rows where a file has no lines."""

    file: str
    reader: str
    first_line: int
    last_line: int
    rows: int


@dataclass(frozen=True)
class Segment:
    """A part of the log between two resumes; `back` is how far it goes back, None at the start."""

    first_line: int
    last_line: int
    first: float
    last: float
    rows: int
    superseded: int
    back: float | None


@dataclass(frozen=True)
class Spike:
    """Neighbouring rows that are a spike; `above` is how far the highest lies above the curve."""

    first: float
    last: float
    rows: int
    loss: float
    above: float


@dataclass(frozen=True)
class Rate:
    """The schedule of the run: as stated, or as its logged rate says, and how well it fits that.

    `within` is the share of logged rates within their own rounding of it, `misfit` the largest
    difference as a share of the peak; the warm-up ends at `warmup`, known by `warmup_known`.
    """

    text: str
    known: str
    rows: int
    within: float | None
    misfit: float | None
    warmup: float
    warmup_known: str
    notes: Sequence[str]


@dataclass(frozen=True)
class Use:
    """What one use takes: rows from `first` to `last` as `points`; none, and why, where it cannot.

    `told` says which loss, or why there is none.
    """

    by: str
    rows: int
    points: int
    first: float | None
    last: float | None
    told: str


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """What was done to one curve.

    Parameters
    ----------
    run, target, unit, loss_unit : str
        The run, the column of its loss, what its axis counts, the unit of the loss.
    known : mapping or None
        What that loss is, its rounding, and how this is known; None of what is no loss.
    only : Runs
        The run alone, with what reading said of it.
    x, loss, lr : array, shape (n,)
        All rows in the order of the log; NaN where nothing was logged.
    logged : bool array, shape (n,)
        Whether a loss was, which may be no number.
    standing : array of Standing, shape (n,)
    means : pair of array, shape (m,)
        Place and loss of the averages that the forecast is fitted to.
    files, segments, spikes : sequence
    rule : str
        What counts where the log was resumed.
    rate : Rate or None
    schedule : Schedule or None
        The same, to be asked for its rates at `x` less `shift`.
    shift : int
    doubts : sequence of str
        What looks like a divergence.
    uses : sequence of Use
    """

    report = "explanation"

    run: str
    target: str
    unit: str
    loss_unit: str
    known: Mapping[str, Any] | None
    only: Runs
    x: np.ndarray
    loss: np.ndarray
    lr: np.ndarray
    logged: np.ndarray
    standing: np.ndarray
    means: tuple[np.ndarray, np.ndarray]
    files: Sequence[File]
    segments: Sequence[Segment]
    spikes: Sequence[Spike]
    rule: str
    rate: Rate | None
    schedule: Schedule | None
    shift: int
    doubts: Sequence[str]
    uses: Sequence[Use]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows are seen in each way."""
        return {str(k): n for k, n in Counter(self.standing.tolist()).items()}

    def of(self, *standing: Standing) -> np.ndarray:
        """Say which rows are seen in one of these ways."""
        return np.isin(self.standing, standing)

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling runs --explain RUN --json` prints."""
        names = ("run", "target", "unit", "loss_unit", "known", "counts", "rule", "doubts")
        parts = {n: [asdict(p) for p in getattr(self, n)] for n in ("files", "segments", "spikes")}
        rules = {name: RULES[name] for name in RULES if name in self.counts}
        told = {name: getattr(self, name) for name in names} | parts
        told |= {"rules": rules, "rate": asdict(self.rate) if self.rate else None}
        told |= {"uses": [asdict(use) for use in self.uses]}
        return {**self.only.to_dict(), "explained": told}

    def __repr__(self) -> str:
        """Return the run, and how its rows are seen."""
        seen = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"<Explanation of {self.run}: {seen}>"


def explain(runs: Any, run: str, *, target: str | None = None) -> Explanation:
    """Say what was done to one curve: what of its log counts, and what each fit uses of it.

    Parameters
    ----------
    runs : Runs, or whatever `read` understands
    run : str
    target : str, optional
        Column of the loss. Default: the one of `loss` and `val_loss` that has more rows.

    Raises
    ------
    UsageError
        If there is no such run or column.
    """
    every = ingest.as_runs(runs)
    only = _only(every, run)
    column = _column(only, target)
    rows = _Rows.of(only, column)
    job, refused = _job(only, column)
    asked = None if target is None else column
    curve, why_no_curve = _curve(only, asked)
    rate, schedule, shift = _rate(only, curve)
    told = [] if job is None else _doubts(job)
    forecast, means = _of_forecast(job, refused)
    standing, spiked = _despiked(rows, job, forecast.first)
    uses = [
        _of_fit((every, only), run, asked),
        _of_curves(curve, asked or default_target(only), why_no_curve),
        forecast,
    ]
    return Explanation(
        *(run, column, rows.unit, _unit(only, column), _known(only, column), only),
        *(rows.x, rows.loss, rows.lr, rows.there, standing, means),
        *(_files(only, rows), rows.segments(), spiked, _rule(only)),
        *(rate, schedule, shift, told, uses),
    )


def _only(runs: Runs, run: str) -> Runs:
    """Return one run with its files, how they were read, and what was said of them."""
    names = runs.runs["run_id"].to_pylist()
    if run not in names:
        hint = f"{guess(run, names)}Runs: {some(names, 8)}."
        raise UsageError(f"there is no run {run!r}.", hint=hint)
    points = runs.points.filter(pc.field("run_id") == run)
    sources = runs.sources.filter(pc.field("source_id").isin(points["source_id"].unique()))
    files = {*sources["file"].to_pylist()}
    logs = {*runs.sources["file"].to_pylist()}
    columns = [r for r in runs.columns if r.file in files or r.file not in logs]
    notes = [n for n in runs.notes if n.run in (run, None) and (n.file in files or n.run == run)]
    facts = runs.runs.filter(pc.field("run_id") == run)
    return Runs(facts, points, sources, columns, notes)


def _column(only: Runs, target: str | None) -> str:
    """Return the column of the loss."""
    if target is None:
        held, train = (len(only.points) - only.points[n].null_count for n in ("val_loss", "loss"))
        return default_target(only) if held > train else "loss"
    called = {r.column: r.canonical for r in only.columns}
    column = called.get(target, target)
    if column not in only.points.column_names:
        hint = near_column(target, [name for name in called if not name.startswith(("(", "--"))])
        raise UsageError(f"no column {target!r} goes along this run.", hint=hint)
    return column


@dataclass(frozen=True)
class _Rows:
    """All rows of a run in the order of its log."""

    points: pa.Table
    unit: str
    x: np.ndarray
    loss: np.ndarray
    lr: np.ndarray
    there: np.ndarray

    @classmethod
    def of(cls, only: Runs, column: str) -> "_Rows":
        """Return the rows of the only run."""
        points = only.points.sort_by([("segment", "ascending"), ("line", "ascending")])
        unit = "step" if points["step"].null_count < len(points) else "tokens"
        there = points[column].is_valid().to_numpy()
        x, loss, lr = (floats(points[name]) for name in (unit, column, "lr"))
        return cls(points, "steps" if unit == "step" else unit, x, loss, lr, there)

    @cached_property
    def segment(self) -> np.ndarray:
        """Return the part of the log each row is in."""
        return self.points["segment"].to_numpy()

    @cached_property
    def line(self) -> np.ndarray:
        """Return the line each row stands in."""
        return self.points["line"].to_numpy()

    @cached_property
    def stale(self) -> np.ndarray:
        """Say which rows are not used."""
        return (self.points["flags"].to_numpy() & int(Flag.SUPERSEDED)) != 0

    @cached_property
    def merged(self) -> np.ndarray:
        """Say which rows went into another of the same part and step."""
        kept = {*zip(self.segment[~self.stale].tolist(), self.x[~self.stale].tolist(), strict=True)}
        keys = zip(self.segment.tolist(), self.x.tolist(), strict=True)
        return self.stale & np.array([key in kept for key in keys], bool)

    def segments(self) -> list[Segment]:
        """Return the parts of the log; a finished run has none."""
        if len(self.x) < 2 or np.isnan(self.x).all():
            return []
        parts = [self.segment == number for number in np.unique(self.segment).tolist()]
        before = np.nan
        made = []
        for rows in parts:
            first, last = float(np.nanmin(self.x[rows])), float(np.nanmax(self.x[rows]))
            lost = int((self.stale & ~self.merged)[rows].sum())
            back = None if np.isnan(before) else before - first
            lines = int(self.line[rows].min()), int(self.line[rows].max())
            made.append(Segment(*lines, first, last, int(rows.sum()), lost, back))
            before = last
        return made


def _files(only: Runs, rows: _Rows) -> list[File]:
    made, source = [], np.array(rows.points["source_id"].to_pylist(), object)
    for row in only.sources.to_pylist():
        line = rows.line[source == row["source_id"]]
        ends = int(line.min()), int(line.max())
        made.append(File(row["file"], row["reader"], *ends, len(line)))
    return made


def _rule(only: Runs) -> str:
    """Return what counts where a log was resumed, as its reader has it."""
    reader = ingest.formats().get(only.sources["reader"][0].as_py())
    return getattr(reader, "RESUMED", LATER_COUNTS)


def _known(only: Runs, column: str) -> dict[str, Any] | None:
    """Return what a loss is and how that is known: as `scaling runs` says it of a run's own."""
    if column not in ("loss", "val_loss"):
        return None
    points = only.points
    if column == "loss":
        place = points.schema.get_field_index("val_loss")
        points = points.set_column(place, "val_loss", pa.nulls(len(points), pa.float64()))
    (run,) = replace(only, points=points).to_dict()["runs"]
    return {name: run[name] for name in _KNOWN}


def _unit(only: Runs, column: str) -> str:
    from scaling_cli.runs.view import View

    return selection.loss_unit(View.of(only), column)


# --- spikes, jumps, divergence -------------------------------------------------------------------


def _job(only: Runs, column: str) -> tuple[Job | None, str]:
    """Return the run as the forecast takes it, or why it cannot."""
    try:
        jobs, left = jobs_of(only, target=column)
    except ScalingError as error:
        return None, error.message
    return (jobs[0], "") if jobs else (None, left[0].reason)


def _despiked(rows: _Rows, job: Job | None, first: float | None) -> tuple[np.ndarray, list[Spike]]:
    """Return how every row is seen, and the spikes; those of the forecast from where it starts."""
    standing = np.full(len(rows.x), Standing.COUNTS, object)
    standing[rows.there & ~np.isfinite(rows.loss)] = Standing.NONFINITE
    standing[~rows.there] = Standing.SILENT
    standing[rows.stale] = Standing.SUPERSEDED
    standing[rows.merged] = Standing.MERGED
    if job is None or (job.loss <= 0).any():
        return standing, []
    x = np.maximum(job.x, LEAST_X * job.now)
    out = spikes(x, job.loss)
    if first is not None:
        after = job.x >= first
        out[after] = spikes(x[after], job.loss[after])
    standing[(standing == Standing.COUNTS) & np.isin(rows.x, job.x[out])] = Standing.SPIKE
    return standing, list(_spikes(job, x, out)) if out.any() else []


def _spikes(job: Job, x: np.ndarray, out: np.ndarray) -> Iterator[Spike]:
    """Yield neighbouring rows that are out together, and how far above the curve they lie."""
    above = np.expm1(np.log(job.loss) - baseline(x, job.loss, ~out))
    at = np.flatnonzero(out)
    for group in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
        top = group[np.argmax(above[group])]
        ends = float(job.x[group[0]]), float(job.x[group[-1]])
        yield Spike(*ends, len(group), float(job.loss[top]), float(above[top]))


def _doubts(job: Job) -> list[str]:
    """Return what looks like a divergence, in the words of the forecast."""
    if (job.loss <= 0).any():
        return []
    told = doubts.of_rise(job, (), Turn())
    try:
        told += doubts.of_jumps(job, prospects(job, None, None)[0].plan)[1]
    except ScalingError:  # of a rate that is not known
        return told
    return told


# --- the learning rate ---------------------------------------------------------------------------


def _curve(only: Runs, target: str | None) -> tuple[Curve | None, str]:
    """Return the run as laws of loss curves take it, or why they cannot."""
    try:
        return curves_of(only, target=target)[0][0], ""
    except ScalingError as error:
        return None, (error.hint or error.message).removeprefix("Left out: ")


def _rate(only: Runs, curve: Curve | None) -> tuple[Rate | None, Schedule | None, int]:
    """Return the schedule of the run, itself and in words."""
    try:
        (says,) = identify_runs(only)[0].values()
    except (DataError, ValueError):
        says = None
    stated = curve is not None and (says is None or "schedule" in only.runs.column_names)
    if curve is not None and (stated or says is None):
        known, schedule = "its column states it", curve.schedule
        warmup = _warmup(schedule, curve.beginning, known)
        return Rate(schedule.text(), known, 0, None, None, *warmup, curve.notes), schedule, 0
    if says is None:
        return None, None, 0
    schedule = says.schedule if curve is None else curve.schedule
    before = says.beginning if curve is None else curve.beginning
    known = f"{says.verdict}, from its learning rate"
    warmup = _warmup(schedule, before, "its learning rate shows it")
    unexplained = says.verdict is Verdict.UNEXPLAINED  # the log itself, within nothing
    within, misfit = (None, None) if unexplained else (says.within, says.misfit)
    told = Rate(schedule.text(), known, says.rows, within, misfit, *warmup, says.notes)
    return told, schedule, says.shift


def _warmup(schedule: Schedule, before: Beginning | None, known: str) -> tuple[float, str]:
    """Return where the warm-up ends, and how that is known."""
    if before is None:
        return warmup_of(schedule), known
    return before.warmup, before.stated or f"not logged; taken from {before.source}"


# --- what each use takes -------------------------------------------------------------------------


def _of_fit(runs: Sequence[Runs], run: str, target: str | None) -> Use:
    """Return the point that a law of finished runs takes, beside the other runs or else alone."""
    together, *alone = runs
    try:
        points = selection.select(together, laws.get(LAW), target=target)
    except ScalingError as error:
        return _of_fit(alone, run, target) if alone else _nothing("fit", _why(error))
    if run not in points.runs:
        return _nothing("fit", next(item.reason for item in points.left_out if item.run == run))
    value = points.output[list(points.runs).index(run)]
    return Use("fit", 1, 1, None, None, f"its last {points.target}, {value:.5g}")


def _of_curves(curve: Curve | None, target: str, why: str) -> Use:
    if curve is None:
        return _nothing("fit of curves", why)
    first, last, points = curve.step[0], curve.step[-1], len(curve.thinned().step)
    thinned = "means over equal stretches" if points < len(curve.step) else "each as it is"
    told = f"{target}, {thinned}"
    return Use("fit of curves", len(curve.step), points, float(first), float(last), told)


def _of_forecast(job: Job | None, why: str) -> tuple[Use, tuple[np.ndarray, np.ndarray]]:
    """Return what the forecast takes, and its averages."""
    if job is None:
        return _nothing("forecast", why), (np.empty(0), np.empty(0))
    try:
        plan = prospects(job, None, None)[0].plan
        course = Course.of(plan, job.now)
        since = doubts.of_jumps(job, plan)[0]
        start = first_fitted(job.now, replace(course, start=max(course.start, since)))
        bins = binned(job, start)
    except ScalingError as error:
        return _nothing("forecast", error.message), (np.empty(0), np.empty(0))
    left = f"; {bins.spikes} left out as spikes" if bins.spikes else ""
    told = f"{job.target}, means over equal stretches of ln {job.unit[:-1]}{left}"
    ends = float(job.x[-bins.rows - bins.spikes]), job.now
    return Use("forecast", bins.rows, len(bins.x), *ends, told), (bins.x, bins.loss)


def _why(error: ScalingError) -> str:
    """Return why nothing is left: of one run its own reason."""
    _, left, why = (error.hint or "").partition("Left out: 1 run(s): ")
    return why if left else error.message


def _nothing(by: str, why: str) -> Use:
    return Use(by, 0, 0, None, None, f"nothing: {why}")
