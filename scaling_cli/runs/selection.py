"""From Runs to Points: which row of each run is fitted, and why every other one is not."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from scaling_cli.laws._law import Law
from scaling_cli.runs.law_inputs import (
    law_inputs,
    measured_compute,
    other_counts,
    read_conventions,
    tokens_notes,
)
from scaling_cli.runs.points import Points
from scaling_cli.runs.table import Layout, Runs, floats
from scaling_cli.runs.view import REACHED, View
from scaling_cli.runs.where import rows_where
from scaling_cli.vocabulary.errors import DataError, UsageError, near_column
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import L

EMPTY = "Mend the cell, or leave it empty if there is no value."


def select(
    runs: Runs,
    law: type[Law] | Law,
    *,
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
    weight: str | None = None,
) -> Points:
    """Take the points that a law is fitted to; list every run that is not among them.

    Parameters
    ----------
    runs : Runs
        What `read` returned.
    law : Law
        Its inputs are matched with columns by quantity (N is `params`, D is `tokens`).
    target : str, optional
        Column to fit. Default: `val_loss` where there is one, else `loss`; a note says which.
    where : str, optional
        A condition over columns, judged on the point that `at` picks
        (`role == "fit" and params < 1B`).
    at : str
        `final`: the last row of each run that has the target; `all`: every such row; `last:K`:
        the mean of the last K of them, at the place of the last.
    weight : str, optional
        Column of the points' weights; a point of weight zero is left out.

    Returns
    -------
    Points
        Sorted by run name, then step. A run whose last training loss is not finite is left out.

    Raises
    ------
    DataError
        If there is no such column, an input is missing everywhere, a weight is missing, not a
        number or negative, or no run is left.
    MismatchError
        If conventions are mixed, or compute contradicts 6ND.
    UsageError
        If `at` or `where` cannot be read.
    """
    view = View.of(runs)
    notes: list[str] = []
    output = _target(view, target or _own_target(law), notes)
    picked, values, left = _pick(view, output, at, notes)
    if where is not None and len(picked.rows):
        keep = rows_where(where, picked.column, picked.original_names(), len(picked.rows))
        left += [LeftOut(run, f"where: not {where}") for run in _dropped(picked, keep)]
        picked, values = picked.take(np.flatnonzero(keep)), values[keep]
    keep, reasons = _finite(picked, output, values)
    left += reasons
    picked, values = picked.take(keep), values[keep]
    inputs, keep, reasons = law_inputs(picked, law)
    left += reasons
    picked, values = picked.take(keep), values[keep]
    weights, keep, reasons = _weights(picked, weight)
    left += reasons
    picked, values = picked.take(keep), values[keep]
    inputs = {symbol: column[keep] for symbol, column in inputs.items()}
    if not len(values):
        raise _nothing(output, left)
    notes += tokens_notes(picked, law)
    notes += _unfinished(picked)
    conventions, doubts = read_conventions(picked, law, output)
    compute, more = measured_compute(picked)
    notes += [*doubts, *more]
    counts = other_counts(picked, law, conventions)
    return Points(
        inputs, values, picked.run_ids(), conventions, left, notes, compute, weights, counts
    )


def _own_target(law: type[Law] | Law) -> str | None:
    """Return the column of a law that predicts something else than a loss."""
    return None if law.output() is L else law.output().column


def _target(view: View, target: str | None, notes: list[str]) -> str:
    """Return the column to fit; say which was chosen if nobody chose.

    Raises
    ------
    DataError
        If there is no such column, or no loss at all.
    """
    if target is None:
        found = [name for name in ("val_loss", "loss") if not view.missing(name).all()]
        if not found:
            raise _no_loss(view)
        other = ", not loss (the training loss)" if found == ["val_loss", "loss"] else ""
        notes.append(f"target: {found[0]}{other}.")
        return found[0]
    resolved = view.resolve(target)
    if resolved is None or view.missing(resolved).all():
        raise _no_column(view, target)
    return resolved


def _no_loss(view: View) -> DataError:
    names = view.original_names()
    near = [name for name in names if re.search(r"loss|bpb|nll|ppl|perplex|entropy", name.lower())]
    guess = near[0] if near else "COLUMN"
    return DataError(
        "there is no loss column.",
        file=view.files(),
        hint=f"Columns found: {', '.join(names)}. Say which it is: --map loss={guess}, or fit "
        f"another column with --target {guess}.",
    )


def _no_column(view: View, target: str) -> DataError:
    return DataError(
        f"there is no column {target!r}.",
        file=view.files(),
        hint=near_column(target, view.original_names(), "Columns found"),
    )


def _pick(
    view: View, output: str, at: str, notes: list[str]
) -> tuple[View, np.ndarray, list[LeftOut]]:
    """Return the points that `at` picks, their target values, and the runs without any."""
    count = _rows_wanted(at)
    values = view.column(output)
    if values.dtype == object:
        raise _text_target(view, output, values)
    own, there = view.own(output), ~view.missing(output)
    ends = np.zeros(len(view), bool)
    ends[view.last_of(np.arange(len(view)))] = True
    index = np.flatnonzero(own | (there & ends))
    along = np.array([rows != Layout.RUN for rows in view.runs.runs["rows"].to_pylist()])
    if (along[view.owner[index]] & ~own[index]).any():
        notes.append(f"{output} is a fact of the run: taken at its last row.")
    owners = set(np.unique(view.owner[index]).tolist())
    left = [
        LeftOut(run, f"{output} is missing")
        for i, run in enumerate(view.runs.runs["run_id"].to_pylist())
        if i not in owners
    ]
    if count is None:
        return view.take(index), values[index], left
    last = view.last_of(index)
    if count == 1:
        return view.take(last), values[last], left
    windows = np.split(index, np.flatnonzero(np.diff(view.owner[index])) + 1)
    short = sum(len(window) < count for window in windows)
    if short:
        notes.append(f"{short} run(s) have fewer than {count} rows of {output}; all were averaged.")
    return view.take(last), np.array([values[w[-count:]].mean() for w in windows]), left


def _rows_wanted(at: str) -> int | None:
    """Read `final` (1), `all` (None), `last:K` (K)."""
    if at in ("final", "all"):
        return 1 if at == "final" else None
    match = re.fullmatch(r"last:([1-9]\d*)", at)
    if match is None:
        raise UsageError(f"--at must be final, all or last:K with K at least 1, not {at!r}.")
    return int(match[1])


def _text_target(view: View, output: str, values: np.ndarray, hint: str = EMPTY) -> DataError:
    row = next((i for i, v in enumerate(values) if v is not None and not _is_number(v)), 0)
    return DataError(
        f"{values[row]!r} is not a number.",
        hint=hint,
        file=view.file_of(row),
        row=view.line_of(row),
        column=output,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _dropped(view: View, keep: np.ndarray) -> list[str]:
    """Return the runs that lose a point, each once."""
    ids = np.array(view.run_ids(), object)[~keep]
    return list(dict.fromkeys(ids.tolist()))


def _finite(view: View, output: str, values: np.ndarray) -> tuple[np.ndarray, list[LeftOut]]:
    """Leave out points that are NaN or infinite, and runs whose training loss ended so.

    Raises
    ------
    DataError
        If a target that is a loss is not positive.
    """
    bad = np.flatnonzero(np.isfinite(values) & (values <= 0))
    if len(bad):
        raise DataError(
            f"{output} must be positive, found {values[bad[0]]:g}.",
            hint="Losses are fitted in logarithms.",
            file=view.file_of(int(bad[0])),
            row=view.line_of(int(bad[0])),
            column=output,
        )
    ended = _diverged(view.runs)
    finite = np.isfinite(values)
    keep = finite & ~np.isin(view.owner, list(ended))
    lost = view.take(np.flatnonzero(~keep))
    steps, reasons = lost.column("step"), {}
    for i, (row, run) in enumerate(zip(np.flatnonzero(~keep), lost.run_ids(), strict=True)):
        told = ended[lost.owner[i]] if finite[row] else _broken(output, values[row], steps[i])
        reasons.setdefault(run, LeftOut(run, told))
    return np.flatnonzero(keep), list(reasons.values())


def _weights(view: View, name: str | None) -> tuple[np.ndarray | None, np.ndarray, list[LeftOut]]:
    """Return the weights that are not zero, the points that have them, and the other runs.

    Raises
    ------
    DataError
        If there is no such column, or a weight is missing, not a number or negative.
    """
    if name is None or not len(view):
        return None, np.arange(len(view)), []
    resolved = view.resolve(name)
    if resolved is None:
        raise _no_column(view, name)
    values = view.column(resolved)
    if values.dtype == object:
        raise _text_target(view, name, values, "Mend the cell; 0 leaves a point out.")
    for i in np.flatnonzero(~(np.isfinite(values) & (values >= 0))).tolist():
        found = "missing" if np.isnan(values[i]) else f"{values[i]:g}"
        raise DataError(
            f"the weight of run {view.run_ids()[i]} is {found}; it must be a number, not negative.",
            hint="Mend the cell; 0 leaves a point out.",
            file=view.file_of(i),
            row=view.line_of(i),
            column=name,
        )
    left = [LeftOut(run, f"{name} (its weight) is 0") for run in _dropped(view, values > 0)]
    keep = np.flatnonzero(values > 0)
    return values[keep], keep, left


def _broken(name: str, value: float, step: float) -> str:
    what = "NaN" if np.isnan(value) else "infinite"
    where = "" if np.isnan(step) else f" at its last step {step:.0f}"
    return f"{name} is {what}{where}; the run diverged"


def _diverged(runs: Runs) -> dict[int, str]:
    """Return the rows of the table of runs whose last training loss is not finite, and why."""
    view = View.of(runs)
    ends = view.take(view.last_of(np.flatnonzero(~view.missing("loss"))))
    values, steps = ends.column("loss"), ends.column("step")
    return {
        int(ends.owner[i]): _broken("loss", values[i], steps[i])
        for i in np.flatnonzero(~np.isfinite(values))
    }


def _unfinished(view: View) -> list[str]:
    """Name the runs that stopped short of the steps they were planned for."""
    if "step" not in view.runs.runs.column_names:
        return []
    planned = floats(view.runs.runs["step"])
    short = np.flatnonzero(view.runs.last_step < REACHED * planned)
    ids = view.runs.runs["run_id"].take(pa.array(np.intersect1d(short, view.owner))).to_pylist()
    if not ids:
        return []
    shown = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
    return [
        f"{len(ids)} run(s) stopped short of their planned steps, so their learning rate may not "
        f"have decayed: {shown}."
    ]


def _nothing(output: str, left: Sequence[LeftOut]) -> DataError:
    reasons: dict[str, int] = {}
    for item in left:
        reasons[item.reason] = reasons.get(item.reason, 0) + 1
    most = sorted(reasons.items(), key=lambda pair: -pair[1])[:3]
    told = "; ".join(f"{count} run(s): {reason}" for reason, count in most)
    return DataError(f"no run is left to fit {output} to.", hint=f"Left out: {told}.")
