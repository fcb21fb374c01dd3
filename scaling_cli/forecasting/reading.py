"""From ingested runs, or curves, to running jobs: axis, target, schedule, size, plan."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli.forecasting.job import Job
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import U, parse_number

if TYPE_CHECKING:
    from scaling_cli.runs.curves import Curve
    from scaling_cli.runs.table import Runs
    from scaling_cli.runs.view import View

FEWEST_HELD_OUT = 8  # points: with fewer, the training loss says more than the held-out one
TOKENS_FROM = 1e9  # no run has as many steps


def jobs_in(source: Any, target: str | None) -> tuple[list[Job], list[LeftOut], list[str]]:
    """Return jobs from whatever holds runs, the runs that are none, and notes on the reading."""
    from scaling_cli.runs.curves import Curve
    from scaling_cli.runs.table import Runs

    sources = source if isinstance(source, list | tuple) else [source]
    if all(isinstance(item, Curve | Job) for item in sources):
        return [item if isinstance(item, Job) else _job_of(item) for item in sources], [], []
    if not isinstance(source, Runs):
        from scaling_cli.ingest import read

        source = read(*sources)
    notes = [str(note) for note in source.notes if note.level == "warn" or note.code == "resumed"]
    if len(source) == 1:
        return [one_job(source, target=target)], [], notes
    return *jobs_of(source, target=target), notes


def _job_of(curve: "Curve") -> Job:
    step, notes = curve.step.astype(float), tuple(curve.notes)
    return Job(curve.run, step, curve.loss, schedule=curve.schedule, notes=notes)


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
    lr = rows.column("lr")[there] if rows.own("lr").any() else None
    length = facts.get("step") if unit == "steps" else None
    return Job(
        name,
        axis[there],
        rows.column(column)[there],
        unit,
        lr=lr,
        schedule=_stated(name, facts.get("schedule")),
        batch_tokens=_batch(facts, rows, unit),
        params=facts.get("params"),
        unique_tokens=facts.get(U.column),
        length=length,
        notes=(note,) if note else (),
        target=column,
    )


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
    few = f"the training loss is forecast: {held_out} point(s) of the held-out one are too few."
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

    Numbers are steps, unless the text says tokens, or the number is 1e9 or more.

    Raises
    ------
    UsageError
        If it cannot be read, or tokens cannot be turned into steps.
    """
    words = str(text).strip().lower().split()
    unit = next((u for u in ("tokens", "steps") if words and words[-1] in (u, u[:-1])), None)
    value = parse_number(" ".join(words[:-1] if unit else words))
    if not value > 0:
        raise UsageError(f"--until must be positive, not {text}.")
    unit = unit or ("tokens" if value >= TOKENS_FROM or job.unit == "tokens" else "steps")
    if unit == job.unit:
        return value, f"until {unit[:-1]} {value:g}"
    logged = f"--until {text} is in {unit}, run {job.run!r} is logged over {job.unit}"
    tokens = job.step_tokens(logged)
    place = value / tokens if job.unit == "steps" else value * tokens
    return place, f"until {value:g} {unit} = {job.unit[:-1]} {place:g}"
