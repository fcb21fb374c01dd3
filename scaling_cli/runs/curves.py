"""From ingested runs to the schedules that they followed, and to loss curves with them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from scaling_cli.runs.curve import Curve, siblings
from scaling_cli.runs.selection import loss_unit
from scaling_cli.runs.table import Runs, default_target
from scaling_cli.runs.view import View
from scaling_cli.runs.where import rows_where
from scaling_cli.schedules import _identification, parse_schedule
from scaling_cli.schedules._beginning import Beginning, beginning_in, warmup_of
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.outcomes import LeftOut

AS_GIVEN = "schedule: as given."
GIVEN = "as given"
# What configurations call the length of the warm-up, in steps.
WARMUPS = ("warmup_steps", "warmup_iters", "lr_warmup_steps", "lr_warmup_iters", "num_warmup_steps")


class _Known(NamedTuple):
    """The schedule of a run, the step of the log at which it starts, and where it is from."""

    schedule: Schedule
    shift: int
    notes: tuple[str, ...]
    beginning: Beginning | None = None


def curves_of(
    runs: Runs,
    *,
    target: str | None = None,
    where: str | None = None,
    schedules: Mapping[str, Schedule | str] | None = None,
    otherwise: Schedule | str | None = None,
    start: int | None = None,
    warmup: float | None = None,
) -> tuple[list[Curve], list[LeftOut]]:
    """Return the curves of ingested runs, with their schedules, and the runs that are none.

    The schedule of a run is the one given, else its column `schedule` as text, else the one that
    its logged learning rate follows. Logs that begin at their peak do not show the warm-up. It is
    one fact of all the runs: taken from `warmup`, a configuration (`warmup_steps`) or a run that
    shows it, else to end where the logs begin; `fit_curves` then asks the curves.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    target : str, optional
        Column of the loss. Default: `val_loss` where there is one, else `loss`.
    where : str, optional
        Rows to keep, as in `fit`.
    schedules : mapping of run to Schedule or text, optional
    otherwise : Schedule or text, optional
        For runs that log neither a schedule nor a learning rate.
    start : int, optional
        First step to take. Default: the end of the warm-up.
    warmup : float, optional
        The step at which the warm-up ends that logs do not show.

    Raises
    ------
    DataError
        If no run has a curve and a schedule.
    MismatchError
        If losses have two units.
    UsageError
        If a schedule is given for a run that is not there, its text cannot be read, or `where`
        cannot; if a log is at its peak before `warmup`.
    """
    view, names = View.of(runs), runs.runs["run_id"].to_pylist()
    given = dict(schedules or {})
    for run in given:
        if run not in names:
            message = f"a schedule is given for {run!r}, which is no run."
            raise UsageError(message, hint=f"Runs: {', '.join(names)}.")
    kept = np.ones(len(view), bool)
    if where is not None and len(view):
        kept = rows_where(where, view.column, view.names(), len(view))
    column = target or default_target(runs)
    unit = loss_unit(view.take(np.flatnonzero(kept)), column)
    curves, left, configured = [], [], []
    for i, name in enumerate(names):
        rows = view.take(np.flatnonzero((view.owner == i) & kept))
        try:
            if not len(rows):
                raise DataError(f"where: not {where}" if where else "it has no rows.")
            schedule = _schedule(rows, given.get(name), otherwise)
            curves.append(replace(_curve(name, rows, column, schedule, start), unit=unit))
            configured += _configured(name, rows)
        except DataError as error:
            left.append(LeftOut(name, error.message))
    if not curves:
        reasons = "; ".join(f"{item.run}: {item.reason}" for item in left)
        raise DataError("no run has a loss curve and a schedule.", hint=f"Left out: {reasons}")
    if warmup is not None:
        _refuse_late(curves, warmup)
        return siblings(curves, [(GIVEN, warmup)]), left
    return siblings(curves, [*configured, *_shown(curves)]), left


def _refuse_late(curves: Sequence[Curve], warmup: float) -> None:
    for curve in curves:
        if curve.beginning and curve.beginning.until < warmup:
            raise UsageError(
                f"the warm-up cannot end at step {warmup:g}: run {curve.run!r} is at its peak at "
                f"step {curve.beginning.until:g}."
            )


def _configured(name: str, rows: View) -> Iterator[tuple[str, float]]:
    """Yield where the configuration of a run says that the warm-up ends."""
    for column in WARMUPS:
        if (value := _fact(rows, column)) is not None:
            yield f"by {column} of {name}", value


def _shown(curves: Sequence[Curve]) -> Iterator[tuple[str, float]]:
    """Yield where the warm-up ends of runs that show it, the most frequent first."""
    shows = [(c.run, warmup_of(c.schedule)) for c in curves if c.beginning is None]
    often = Counter(end for _, end in shows)
    yield from sorted(((f"as in {run}", end) for run, end in shows), key=lambda x: -often[x[1]])


def _curve(name: str, rows: View, target: str, known: _Known, start: int | None) -> Curve:
    missing = [column for column in ("step", target) if column not in rows.names()]
    if missing:
        raise DataError(f"no column {' and '.join(missing)}.")
    step, loss = rows.column("step"), rows.column(target)
    schedule, shift, notes, beginning = known
    batch, params = (_fact(rows, column) for column in ("batch_tokens", "params"))
    if schedule.unit == "tokens":
        if batch is None:
            raise DataError("its schedule runs over tokens and batch_tokens is not known.")
        schedule = schedule.in_steps(batch)
    first = start
    if first is None:
        first = warmup_of(schedule) or 1
    at = step - shift
    taken = np.isfinite(at) & rows.own(target) & (at >= first)
    if (~np.isfinite(loss[taken])).any():
        raise DataError("its loss is not finite along the run; the run diverged.")
    facts = {"params": params, "batch_tokens": batch, "beginning": beginning}
    return Curve(name, schedule, at[taken], loss[taken], notes, **facts)


def _fact(rows: View, column: str) -> float | None:
    """Return a number that is the same along a run, where it is known."""
    if column not in rows.names():
        return None
    first = rows.column(column)[:1]
    return float(first[0]) if len(first) and np.isfinite(first).all() else None


def _schedule(rows: View, given: Schedule | str | None, otherwise: Schedule | str | None) -> _Known:
    """Return the schedule of a run."""
    columns = rows.names()
    stated = rows.column("schedule")[0] if "schedule" in columns else None
    if given is None and isinstance(stated, str):
        try:
            return _Known(parse_schedule(stated), 0, ("schedule: as its column states.",))
        except UsageError as error:
            raise DataError(f"its schedule {stated!r}: {error.message}") from error
    logged = "lr" in columns and rows.own("lr").any()
    given = given if given is not None or logged else otherwise
    if given is not None:
        schedule = parse_schedule(given) if isinstance(given, str) else given
        return _Known(schedule, 0, (AS_GIVEN,), beginning_in(schedule))
    if not logged:
        raise DataError("neither a schedule nor a learning rate is logged.")
    says = _identification.identify_schedule(*_logged_rates(rows))
    how = f"{says.verdict}, from its learning rate"
    if says.verdict is _identification.Verdict.UNEXPLAINED:
        how = "its learning rate as logged; no family explains it"
    # Where the log starts is told once, of all of them.
    notes = (f"schedule: {how}.", *(n for n in says.notes if not n.startswith("the log starts")))
    return _Known(says.schedule, says.shift, notes, says.beginning)


def _logged_rates(rows: View) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps at which rows of a run have a learning rate of their own, and the rates."""
    step, lr = rows.column("step"), rows.column("lr")
    logged = rows.own("lr") & np.isfinite(step) & np.isfinite(lr)
    return step[logged], lr[logged]


def identify_runs(
    runs: Runs, *, length: float | None = None
) -> tuple[dict[str, _identification.Identification], list[LeftOut]]:
    """Return the schedule of every run that logged a learning rate, and the other runs.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    length : float, optional
        Steps of the whole run, the same for all, where the logs may stop early.

    Raises
    ------
    DataError
        If no run has steps and a learning rate, or `identify_schedule` cannot use one.
    """
    view = View.of(runs)
    known: dict[str, _identification.Identification] = {}
    left: list[LeftOut] = []
    there = {"step", "lr"} <= set(view.names())
    for i, name in enumerate(runs.runs["run_id"].to_pylist()):
        rows = view.take(np.flatnonzero(view.owner == i))
        step, lr = _logged_rates(rows) if there else (np.empty(0), np.empty(0))
        if len(step) < _identification.FEWEST_ROWS:
            left.append(LeftOut(name, f"{len(step)} row(s) with a step and a learning rate"))
        else:
            known[name] = _identification.identify_schedule(step, lr, length=length)
    if not known:
        found = f"Columns found: {', '.join(view.original_names())}."
        hint = f"Say which column it is: --map lr=COLUMN. {found}"
        message = "no run has a learning rate along its steps."
        raise DataError(message, file=view.files(), hint=hint)
    return known, left
