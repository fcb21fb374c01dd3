"""What a row is (a finished run, a step of a curve, a checkpoint), and which rows count.

The rules, in this order; `--set rows=run|curve|checkpoint` overrides them:

1. There is a column of run ids. If every row has its own, a row is a run. If ids repeat, rows
   are checkpoints of the runs they name; a single id in a file with steps is a curve.
2. There is none, and `params` differs between rows, or a column is named as a total is
   (`steps`, `final_loss`): a row is a run, named `<file stem>:<line>`.
3. There is a `step` that goes up along the file (or strictly down), or no `step` but `tokens`
   that go strictly up: the file is the curve of one run, named after the file's stem. (A single
   row with both `params` and `tokens` but no `step` is a run.)
4. Otherwise a row is a run.

In a curve, a step that goes back, or a repeated header, means that the log was resumed: rows
from the new first step on are superseded. They are kept, flagged and never used.
"""

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._shape import TOTAL_NAMES, coded
from scaling_cli.ingest._sources import Raw, stem
from scaling_cli.runs.table import NO_LOSS, Flag, Layout, Note, floats
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.quantities import N_AVERAGE, QUANTITIES, C, D, N, plain_name, recognise

# A curve with more restarts than this share of its rows is not a log that was resumed.
_MOST_RESTARTS = 0.2
FEWEST_OF_A_LOG = 5
_MOSTLY = 0.5
_USUALLY = 0.9  # of the rows before have a loss, where the lack of it says something
_ONE_BUDGET = 1.5
_APART = (
    "Give them different run ids, or a step or tokens column if they are checkpoints; "
    "--set rows=run makes each row a run."
)


@dataclass(frozen=True)
class Judged:
    """A named table with the run, segment and standing of every row."""

    named: Raw
    layout: Layout
    ids: np.ndarray
    segment: np.ndarray
    stale: np.ndarray
    notes: list[Note]

    def take(self, rows: np.ndarray) -> "Judged":
        """Return these rows only."""
        every = self.ids[rows], self.segment[rows], self.stale[rows]
        return Judged(self.named.take(rows), self.layout, *every, self.notes)

    @cached_property
    def codes(self) -> np.ndarray:
        """Return the number of each row's run, in order of appearance."""
        return coded(pa.array(self.ids, pa.string()))

    @cached_property
    def first(self) -> np.ndarray:
        """Return the index of the first row of each run, in order of appearance."""
        return np.unique(self.codes, return_index=True)[1]


def layout_of(named: Raw, forced: str | None) -> tuple[Layout, str]:
    """Return what a row is, and why (the rules are at the head of this file)."""
    if forced is not None:
        return Layout(forced), f"--set rows={forced}"
    if "run_id" in named.columns:
        return _layout_with_ids(named.columns)
    why_curve = _why_curve(named)
    if why_curve is not None:
        return Layout.CURVE, f"one run: {why_curve}"
    if "params" in named.columns and len(named.columns["params"].unique()) > 1:
        return Layout.RUN, "params differs between rows"
    totals = _totals(named)
    total = f"{''.join(totals[:1])!r} is the name of a total"
    return Layout.RUN, total if totals else "no column goes along the file as step or tokens would"


def _totals(named: Raw) -> list[str]:
    return [r.column for r in named.readings if plain_name(r.column) in TOTAL_NAMES]


def _why_curve(named: Raw) -> str | None:
    """Return what makes a table without run ids the curve of one run, or None."""
    params = named.columns.get("params")
    if _totals(named):
        return None
    step, tokens = _values(named.columns, "step"), _values(named.columns, "tokens")
    if params is not None and len(params.unique()) > 1:
        along = _sized_along(floats(params), step, tokens)
        return "params changes while the log goes on" if along else None
    if step is not None:
        return "step goes along the file" if _is_axis_of_curve(step) else None
    one_row = params is not None and len(named) == 1
    if tokens is not None and not one_row and np.all(np.diff(tokens) > 0):
        return "tokens goes up along the file"
    return None


def _layout_with_ids(columns: Mapping[str, pa.Array]) -> tuple[Layout, str]:
    ids = columns["run_id"]
    different = len(ids.unique())
    if different == 1 and "step" in columns:
        return Layout.CURVE, "one run_id and a step"
    if different == len(ids) or not {"step", "tokens"} & columns.keys():
        return Layout.RUN, "every row has its own run_id"
    return Layout.CHECKPOINT, "run_id repeats, with a step or tokens in each row"


def _values(columns: Mapping[str, pa.Array], name: str) -> np.ndarray | None:
    """Return a column that orders rows, or None if it is not there or empty."""
    values = floats(columns[name]) if name in columns else None
    return None if values is None or np.isnan(values).all() else values


def _is_axis_of_curve(step: np.ndarray) -> bool:
    if len(step) < 2:
        return True
    change = np.diff(step[~np.isnan(step)])
    return bool(np.any(change != 0) and (np.mean(change >= 0) >= 0.5 or np.all(change < 0)))


def _sized_along(size: np.ndarray, step: np.ndarray | None, tokens: np.ndarray | None) -> bool:
    """Say whether a model is pruned or grown in these rows, rather than one of several sizes.

    The log goes on about evenly, which a ladder of runs does not, nor is it a slice of one budget.
    """
    axis = tokens if step is None else step
    if axis is None or len(size) < FEWEST_OF_A_LOG or np.isnan(size + axis).any():
        return False
    apart, change = np.diff(axis), np.diff(size)
    near = (apart > np.median(apart) / 2) & (apart < 2 * np.median(apart))
    even = np.mean(near) > _MOSTLY
    staged = 3 * len(np.unique(size)) <= len(size)
    one_way = np.all(change <= 0) or (np.all(change >= 0) and staged)
    spent = (size * axis)[axis > 0]
    budget = len(spent) and spent.max() < _ONE_BUDGET * spent.min()
    return bool(one_way and even and np.all(apart > 0) and not budget)


def averaged(judged: Judged) -> Judged:
    """Add the mean of a model size that changes along a run, over its tokens or steps so far."""
    named, columns = judged.named, judged.named.columns
    told = next((r.column for r in named.readings if r.canonical == N_AVERAGE.column), "")
    source = N_AVERAGE.column if recognise(told) is N else N.column
    if judged.layout is Layout.RUN or source not in columns:
        return judged
    if source == N.column and N_AVERAGE.column in columns:
        return judged
    size, axis = floats(columns[source]), _axis_of(named, "tokens", "step")
    if np.array_equal(size, size[judged.first][judged.codes], equal_nan=True):
        return judged
    mean = size.copy()
    for run in range(len(judged.first)):
        rows = np.flatnonzero((judged.codes == run) & ~judged.stale & ~np.isnan(size + axis))
        rows = rows[np.argsort(axis[rows], kind="stable")]
        x, n = axis[rows], size[rows]
        area = np.cumsum(np.append(n[:1] * x[:1], (n[1:] + n[:-1]) / 2 * np.diff(x)))
        mean[rows] = np.divide(area, x, out=n.copy(), where=x > 0)
    message = f"{source} changes along the run; average_params is its mean so far."
    note = named.note("size-changes", "info", message, column=source)
    named = replace(named, columns={**columns, N.column: columns[source]})
    named = replace(named, columns={**named.columns, N_AVERAGE.column: pa.array(mean)})
    return replace(judged, named=named, notes=[*judged.notes, note])


def judge(named: Raw, layout: Layout, said: Mapping[str, Any], called: str | None) -> Judged:
    """Give every row its run, its segment and its standing."""
    notes: list[Note] = []
    lost = np.isnan(axis := _axis_of(named))
    if layout is not Layout.RUN and lost.any():
        message = f"left out: {lost.sum()} row(s) without a step (the first is here)."
        notes.append(named.note("no-step", "warn", message, int(np.argmax(lost))))
        named, axis = named.take(np.flatnonzero(~lost)), axis[~lost]
    ids = _ids(named, layout, said, called)
    segment, stale = named.segments, np.zeros(len(ids), bool)
    if layout is Layout.CURVE:
        segment, stale = _superseded(named, axis)
        if (new := np.flatnonzero(np.diff(segment))).size:
            later = f"{stale.sum()} row(s) that a later part rewrote are superseded."
            anew = axis[new + 1].min() <= axis[: new[0] + 1].min()
            again = " It began again from its first step" if anew else ""
            again += ": if these are several runs, say --map run_id=COLUMN." if anew else ""
            message = f"the log was resumed {segment[-1]} time(s); {later}{again}"
            level = "warn" if anew else "info"
            notes.append(named.note("resumed", level, message, int(new[0]) + 1))
    if layout is Layout.RUN and "run_id" not in named.columns:
        return Judged(named, layout, ids, segment, stale, [*notes, *_equal_rows(named)])
    codes = coded(pa.array(ids, pa.string()))
    if (drop := _repeated(named, codes, axis, stale)).size:
        message = f"{len(drop)} row(s) repeat another row exactly; dropped."
        notes.append(named.note("duplicate-rows", "info", message))
        rows = np.setdiff1d(np.arange(len(ids)), drop)
        named = named.take(rows)
        ids, codes, axis, segment, stale = (v[rows] for v in (ids, codes, axis, segment, stale))
    named, stale, merged = _merge_same_step(named, codes, axis, stale, layout)
    return Judged(named, layout, ids, segment, stale, [*notes, *merged])


def _axis_of(named: Raw, *names: str) -> np.ndarray:
    """Return what orders the rows of a run: step, else tokens, else nothing."""
    order = names or ("step", "tokens")
    name = next((name for name in order if name in named.columns), None)
    return np.zeros(len(named)) if name is None else floats(named.columns[name])


def _ids(named: Raw, layout: Layout, said: Mapping[str, Any], called: str | None) -> np.ndarray:
    """Return the run id of each row."""
    given = said.get("run_id", None if layout is Layout.RUN else called)
    if given is not None or "run_id" not in named.columns:
        base = (named.run or stem(named.file)) if given is None else str(given)
        if layout is not Layout.RUN:
            return np.full(len(named), base, object)
        return np.array([f"{base}:{line}" for line in named.lines], object)
    ids = np.array(named.columns["run_id"].to_pylist(), object)
    for i, value in enumerate(ids):
        if value is None or not value.strip():
            raise named.refused("the run id is missing.", i, "run_id")
    if said.get("rows") == Layout.RUN and len(set(ids)) < len(ids):
        return np.array([f"{i}:{line}" for i, line in zip(ids, named.lines, strict=True)], object)
    return ids


def _superseded(raw: Raw, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply the rule of resumed logs: a later segment wins from its first step on.

    Parameters
    ----------
    raw : Raw
        Its segments are those of repeated headers.
    axis : array, shape (n,)
        Step (or tokens) of each row, in file order.

    Returns
    -------
    segment : int array, shape (n,)
        0, 1, ... increasing at each resume.
    stale : bool array, shape (n,)
        Rows that a later segment rewrote.
    """
    change, stale = np.diff(axis), np.zeros(len(axis), bool)
    if len(change) and np.all(change < 0):
        return raw.segments, stale
    back = np.concatenate([[False], change < 0])
    if back.sum() > max(1, _MOST_RESTARTS * len(axis)):
        message = "step goes back again and again: this is neither one run nor a resumed log."
        hint = (
            "Add a run_id column if there are several runs, or say --set rows=run if each "
            "row is a finished run."
        )
        raise raw.refused(message, int(np.flatnonzero(back)[1]), "step", hint=hint)
    starts = back | np.concatenate([[False], np.diff(raw.segments) != 0])
    bounds = [0, *np.flatnonzero(starts).tolist(), len(axis)]
    _refuse_twins(raw, axis, bounds)
    threshold = np.inf
    for low, high in reversed(list(itertools.pairwise(bounds))):
        stale[low:high] = axis[low:high] >= threshold
        if high > low:
            threshold = min(threshold, axis[low])
    return np.cumsum(starts), stale


def _refuse_twins(raw: Raw, axis: np.ndarray, bounds: list[int]) -> None:
    """Refuse parts of one file that go over the same steps with other losses: several runs."""
    parts = [axis[low:high] for low, high in itertools.pairwise(bounds)]
    if len(parts) < 2 or not all(np.array_equal(part, parts[0]) for part in parts):
        return
    for name in [name for name in ("loss", "val_loss") if name in raw.columns]:
        losses = np.split(floats(raw.columns[name]), bounds[1:-1])
        if not all(np.isfinite(loss[-1]) for loss in losses):
            return  # one that broke off was started anew
        if not all(np.array_equal(loss, losses[0], equal_nan=True) for loss in losses):
            message = f"the same steps come {len(parts)} times, with other losses."
            hint = "If they are several runs, add a column that names them (--map run_id=COLUMN); "
            hint += "if one was started anew, delete what does not count."
            raise raw.refused(message, bounds[1], name, hint=hint)


def _equal_rows(named: Raw) -> list[Note]:
    """Warn of rows without an id that equal another in every column: seeds, or copies."""
    texts = [column.to_pylist() for column in named.columns.values()]
    keys = [repr(row) for row in zip(*texts, strict=True)]
    counts = Counter(keys)
    rows = [i for i, key in enumerate(keys) if counts[key] > 1]
    if not rows:
        return []
    message = (
        f"rows {some([str(named.lines[i]) for i in rows], 10)} are equal to another row in "
        "every column; kept, as they may be seeds. If they are copies, delete them or add a "
        "run_id column."
    )
    return [named.note("equal-rows", "warn", message, rows[0])]


def _repeated(named: Raw, owner: np.ndarray, axis: np.ndarray, stale: np.ndarray) -> np.ndarray:
    """Return the rows (indices) that repeat, in every column, one of the same run and step."""
    copies = []
    for group in _same(owner, axis, np.flatnonzero(~stale)):
        seen = set()
        for row in group.tolist():
            key = repr([column[row].as_py() for column in named.columns.values()])
            if key in seen:
                copies.append(row)
            seen.add(key)
    return np.array(copies, int)


def _merge_same_step(
    named: Raw, owner: np.ndarray, axis: np.ndarray, stale: np.ndarray, layout: Layout
) -> tuple[Raw, np.ndarray, list[Note]]:
    """Make one row of the rows a run has at one step (training loss and evaluation apart).

    The last row takes what the earlier ones hold and it lacks; they are flagged superseded.
    Two values of one column at one step: in a curve the later one counts, with a warning.

    Raises
    ------
    DataError
        If rows of a table of runs or of checkpoints contradict each other.
    """
    groups = _same(owner, axis, np.flatnonzero(~stale))
    if not groups:
        return named, stale, []
    columns, clashes = dict(named.columns), []
    for name, column in named.columns.items():
        columns[name], clash = _filled(column, groups)
        clashes += [(row, name) for row in clash]
    stale = stale.copy()
    for group in groups:
        stale[group[:-1]] = True
    if not clashes:
        message = f"{len(groups)} step(s) had several rows that complete each other; merged."
        note = named.note("merged-steps", "info", message)
        return replace(named, columns=columns), stale, [note]
    row, name = min(clashes)
    if layout is not Layout.CURVE:
        line = named.lines[next(group[0] for group in groups if group[-1] == row)]
        run = named.columns["run_id"][row].as_py() if "run_id" in named.columns else "?"
        here = f"run {run!r} has another {name} here than in row {line}"
        raise named.refused(f"{here}, with nothing to tell the two apart.", row, name, hint=_APART)
    steps = len({row for row, _ in clashes})
    message = f"{steps} step(s) have several values (here of {name}); the last one counts."
    note = named.note("repeated-step", "warn", message, row, column=name)
    return replace(named, columns=columns), stale, [note]


def _same(owner: np.ndarray, axis: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Return the groups of rows that share owner and axis, each in file order."""
    rows = rows[~np.isnan(axis[rows])]
    order = rows[np.lexsort((rows, axis[rows], owner[rows]))]
    new = (np.diff(owner[order]) != 0) | (np.diff(axis[order]) != 0)
    groups = np.split(order, np.flatnonzero(new) + 1) if len(order) > new.sum() + 1 else []
    return [group for group in groups if len(group) > 1]


def _filled(column: pa.Array, groups: list[np.ndarray]) -> tuple[pa.Array, list[int]]:
    """Give the last row of each group the last value of the group; list contradictions."""
    mask, values, clashes = np.zeros(len(column), bool), {}, []
    for group in groups:
        there = [v for v in column.take(pa.array(group)).to_pylist() if v is not None]
        if len({repr(v) for v in there}) > 1:
            clashes.append(int(group[-1]))
        mask[group[-1]] = True
        values[int(group[-1])] = there[-1] if there else None
    replacement = pa.array([values[i] for i in sorted(values)], column.type)
    return pc.call_function("replace_with_mask", [column, pa.array(mask), replacement]), clashes


def flags(columns: Mapping[str, pa.Array], stale: np.ndarray) -> np.ndarray:
    """Return the flags of each row: superseded, not finite."""
    bits = np.where(stale, int(Flag.SUPERSEDED), 0)
    for name in ("loss", "val_loss"):
        if name in columns:
            there = pc.fill_null(columns[name], 0.0).to_numpy(zero_copy_only=False)
            bits = np.where(np.isfinite(there), bits, bits | int(Flag.NONFINITE))
    return bits.astype(np.uint16)


def broken_off(judged: Judged) -> list[Note]:
    """Name the runs whose last loss is NaN or infinite."""
    notes = []
    named, columns, axis = judged.named, judged.named.columns, _axis_of(judged.named)
    for name in [name for name in ("loss", "val_loss") if name in columns]:
        values = floats(columns[name])
        there = columns[name].is_valid().to_numpy(zero_copy_only=False) & ~judged.stale
        broken = ~np.isfinite(values)
        for run in dict.fromkeys(judged.ids[there & broken].tolist()):
            rows = np.flatnonzero((judged.ids == run) & there)
            ended = broken[rows[np.argmax(axis[rows])]]
            text = f"{name} is not finite in {broken[rows].sum()} of {len(rows)} row(s)"
            message = f"{text}; the run diverged." if ended else f"{text}, but recovers."
            first = int(rows[broken[rows]][0])
            notes.append(replace(named.note("nonfinite", "warn", message, first, name), run=run))
    return notes


def fallen_silent(judged: Judged) -> list[Note]:
    """Name the runs whose rows go on without any loss: what is no number may be left empty."""
    named, axis, columns = judged.named, _axis_of(judged.named), judged.named.columns
    losses = [columns[name] for name in ("loss", "val_loss") if name in columns]
    if not losses or judged.layout is Layout.RUN:
        return []
    told = np.any([loss.is_valid().to_numpy(zero_copy_only=False) for loss in losses], axis=0)
    order = np.lexsort((axis, judged.codes))
    order, notes = order[~judged.stale[order]], []
    for rows in np.split(order, np.flatnonzero(np.diff(judged.codes[order])) + 1):
        there = np.flatnonzero(told[rows])
        silent = len(rows) - 1 - int(there[-1]) if len(there) else 0
        if silent < FEWEST_OF_A_LOG or len(there) < _USUALLY * (len(rows) - silent):
            continue
        first = int(rows[there[-1] + 1])
        message = (
            f"the last {silent} of {len(rows)} rows have no loss, and the others do: if it was no "
            "number there, the run broke down."
        )
        note = named.note("silent", "warn", message, first, "loss")
        notes.append(replace(note, run=judged.ids[first]))
    return notes


def unrecognised(named: Raw, layout: Layout) -> list[Note]:
    """Say what could be the loss or the step, where none was recognised."""
    return [*_no_loss(named), *_no_axis(named, layout)]


def _no_loss(named: Raw) -> list[Note]:
    """Say which columns of numbers could be the loss, where none was recognised."""
    if {"loss", "val_loss"} & named.columns.keys():
        return []
    numbers = [n for n, c in named.columns.items() if not pa.types.is_string(c.type)]
    others = [
        n for n in numbers if n not in QUANTITIES and named.columns[n].null_count < len(named)
    ]
    near = [n for n in others if re.search(r"loss(?!es)|bpb|bpc|nll|entropy|value", n.lower())]
    near = [n for n in near if not np.any(floats(named.columns[n]) <= 0)]
    sized = bool({"params", "tokens"} & named.columns.keys())
    if sized and not others:
        return []  # such as a table of learning rates
    told = f"columns of numbers: {some(others, 12)}" if others else "no other column holds numbers"
    guess = near[0] if near else "COLUMN"
    message = f"no loss was recognised; {told} (--map loss={guess} reads one as the loss)."
    return [named.note(NO_LOSS, "info" if sized else "warn", message)]


def _no_axis(named: Raw, layout: Layout) -> list[Note]:
    """Say which column may be the step, where rows without any facts of runs count as runs."""
    facts = {"run_id", "step", N.column, D.column, C.column, "lr"} & named.columns.keys()
    if (
        layout is not Layout.RUN
        or facts
        or len(named) < FEWEST_OF_A_LOG
        or "loss" not in named.columns
    ):
        return []
    for name in named.columns.keys() - QUANTITIES.keys():
        column = named.columns[name]
        change = np.diff(floats(column)) if not pa.types.is_string(column.type) else np.zeros(1)
        if np.all(change >= 0) and np.any(change > 0):
            told = f"every row is taken for a finished run, but {name!r} goes up along the file"
            return [named.note("no-axis", "warn", f"{told} (--map step={name} reads a curve).")]
    return []
