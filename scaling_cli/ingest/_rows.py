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
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import Named
from scaling_cli.ingest._raw import Raw
from scaling_cli.runs.table import Flag, Layout, Note, floats
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import RUN_ID_NAMES, plain_name, recognise

_TOTAL_NAMES = ("steps", "num_steps", "final_loss", "final_val_loss")
_METRIC_NAMES = ("metric", "tag", "key", "metric_name")
# A curve with more restarts than this share of its rows is not a log that was resumed.
_MOST_RESTARTS = 0.2


def widen(raw: Raw) -> Raw:
    """Turn a long table (`run, step, metric, value`) into a wide one; others are returned.

    Rows of the same run and step become one; its line is that of the first of them.

    Raises
    ------
    DataError
        If one metric has two values at one step of one run.
    """
    plain = {plain_name(name): name for name in raw.columns}
    metric = next((plain[m] for m in _METRIC_NAMES if m in plain), None)
    if metric is None or "value" not in plain:
        return raw
    keys = [n for n in raw.columns if plain_name(n) in RUN_ID_NAMES or _is_axis(n)]
    places: dict[tuple[object, ...], int] = {}
    key_columns = [raw.columns[name].to_pylist() for name in keys]
    key_columns.append(raw.segments.tolist())
    owner = [places.setdefault(key, len(places)) for key in zip(*key_columns, strict=True)]
    first = np.unique(np.array(owner, int), return_index=True)[1]
    wide = _spread(raw, metric, plain["value"], owner, len(places))
    note = Note(
        "long-table",
        "info",
        f"long table: {len(raw)} rows of {metric!r} and {plain['value']!r} became {len(first)} "
        f"rows with the columns {', '.join(wide)}.",
        raw.file,
    )
    kept = {name: raw.columns[name].take(pa.array(first)) for name in keys}
    return replace(
        raw,
        columns=kept | wide,
        lines=raw.lines[first],
        segments=raw.segments[first],
        notes=(*raw.notes, note),
    )


def _is_axis(name: str) -> bool:
    quantity = recognise(name)
    return quantity is not None and quantity.column in ("step", "tokens")


def _spread(
    raw: Raw, metric: str, value: str, owner: list[int], height: int
) -> dict[str, pa.Array]:
    names, values = raw.columns[metric].to_pylist(), raw.columns[value]
    cells: dict[str, list[object]] = {}
    for i, (name, place, cell) in enumerate(zip(names, owner, values.to_pylist(), strict=True)):
        column = cells.setdefault(str(name), [None] * height)
        if column[place] is not None and repr(column[place]) != repr(cell):
            raise DataError(
                f"metric {name!r} has the values {column[place]} and {cell} at the same step.",
                file=raw.file,
                row=int(raw.lines[i]),
                column=value,
                hint="Give each run its own run_id column, or its own file.",
            )
        column[place] = cell
    return {name: pa.array(column, values.type) for name, column in cells.items()}


def layout_of(named: Named, forced: str | None) -> tuple[Layout, str]:
    """Return what a row is, and why (the rules are at the head of this file)."""
    if forced is not None:
        return Layout(forced), f"--set rows={forced}"
    columns = named.columns
    if "run_id" in columns:
        return _layout_with_ids(columns)
    params = columns.get("params")
    if params is not None and len(params.unique()) > 1:
        return Layout.RUN, "params differs between rows"
    totals = [r.column for r in named.readings if plain_name(r.column) in _TOTAL_NAMES]
    if totals:
        return Layout.RUN, f"{totals[0]!r} is the name of a total"
    return _layout_along(columns, one_row=params is not None and len(named.raw) == 1)


def _layout_along(columns: Mapping[str, pa.Array], *, one_row: bool) -> tuple[Layout, str]:
    """Decide by whether step or tokens goes along the file."""
    step, tokens = _values(columns, "step"), _values(columns, "tokens")
    if step is not None and _is_axis_of_curve(step):
        return Layout.CURVE, "one run: step goes along the file"
    if step is None and tokens is not None and not one_row and np.all(np.diff(tokens) > 0):
        return Layout.CURVE, "one run: tokens goes up along the file"
    return Layout.RUN, "no column goes along the file as step or tokens would"


def _layout_with_ids(columns: Mapping[str, pa.Array]) -> tuple[Layout, str]:
    ids = columns["run_id"]
    different = len(ids.unique())
    along = "step" in columns or "tokens" in columns
    if different == 1 and "step" in columns:
        return Layout.CURVE, "one run_id and a step"
    if different == len(ids) or not along:
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


def equal_rows(named: Named) -> list[Note]:
    """Warn of rows without an id that equal another in every column: seeds, or copies."""
    texts = [column.to_pylist() for column in named.columns.values()]
    keys = [repr(row) for row in zip(*texts, strict=True)]
    counts = Counter(keys)
    rows = [i for i, key in enumerate(keys) if counts[key] > 1]
    return [_equal_rows(named, rows)] if rows else []


def _equal_rows(named: Named, rows: list[int]) -> Note:
    lines = ", ".join(str(named.raw.lines[i]) for i in rows[:10])
    more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
    message = (
        f"rows {lines}{more} are equal to another row in every column; kept, as they may be "
        "seeds. If they are copies, delete them or add a run_id column."
    )
    return Note("equal-rows", "warn", message, named.raw.file, int(named.raw.lines[rows[0]]))


def take(named: Named, rows: np.ndarray) -> Named:
    """Return the table with these rows only."""
    index = pa.array(rows)
    columns = {name: column.take(index) for name, column in named.columns.items()}
    return replace(named, raw=named.raw.take(rows), columns=columns)


def superseded(
    axis: np.ndarray, segments: np.ndarray, error: Callable[[int], DataError]
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the rule of resumed logs: a later segment wins from its first step on.

    Parameters
    ----------
    axis : array, shape (n,)
        Step (or tokens) of each row, in file order.
    segments : int array, shape (n,)
        Segments by repeated headers.
    error : callable
        Makes the refusal, from the row where the order breaks once too often.

    Returns
    -------
    segment : int array, shape (n,)
        0, 1, ... increasing at each resume.
    stale : bool array, shape (n,)
        Rows that a later segment rewrote.
    """
    change = np.diff(axis)
    if len(change) and np.all(change < 0):
        return segments, np.zeros(len(axis), bool)
    back = np.concatenate([[False], change < 0])
    if back.sum() > max(1, _MOST_RESTARTS * len(axis)):
        raise error(int(np.flatnonzero(back)[1]))
    starts = back | np.concatenate([[False], np.diff(segments) != 0])
    bounds = [0, *np.flatnonzero(starts).tolist(), len(axis)]
    stale = np.zeros(len(axis), bool)
    threshold = np.inf
    for low, high in reversed(list(itertools.pairwise(bounds))):
        stale[low:high] = axis[low:high] >= threshold
        if high > low:
            threshold = min(threshold, axis[low])
    return np.cumsum(starts), stale


def repeated(named: Named, owner: np.ndarray, axis: np.ndarray, stale: np.ndarray) -> np.ndarray:
    """Return the rows (indices) that repeat, in every column, one of the same run and step."""
    found = []
    for group in _same(owner, axis, np.flatnonzero(~stale)):
        seen = set()
        for row in group.tolist():
            key = repr([column[row].as_py() for column in named.columns.values()])
            if key in seen:
                found.append(row)
            seen.add(key)
    return np.array(found, int)


def merge_same_step(
    named: Named, owner: np.ndarray, axis: np.ndarray, stale: np.ndarray, layout: Layout
) -> tuple[Named, np.ndarray, list[Note]]:
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
    if clashes and layout is not Layout.CURVE:
        raise _contradiction(named, clashes, groups)
    stale = stale.copy()
    for group in groups:
        stale[group[:-1]] = True
    return replace(named, columns=columns), stale, [_merged_note(named, groups, clashes)]


def _same(owner: np.ndarray, axis: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Return the groups of rows that share owner and axis, each in file order."""
    rows = rows[~np.isnan(axis[rows])]
    order = rows[np.lexsort((rows, axis[rows], owner[rows]))]
    if not len(order):
        return []
    new = (np.diff(owner[order]) != 0) | (np.diff(axis[order]) != 0)
    bounds = np.concatenate([[0], np.flatnonzero(new) + 1, [len(order)]])
    several = np.flatnonzero(np.diff(bounds) > 1)
    return [order[bounds[i] : bounds[i + 1]] for i in several]


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


def _contradiction(
    named: Named, clashes: list[tuple[int, str]], groups: list[np.ndarray]
) -> DataError:
    row, name = min(clashes)
    group = next(g for g in groups if g[-1] == row)
    earlier = int(named.raw.lines[group[0]])
    run = named.columns["run_id"][row].as_py() if "run_id" in named.columns else "?"
    return DataError(
        f"run {run!r} has another {name} here than in row {earlier}, with nothing to tell the "
        "two apart.",
        file=named.raw.file,
        row=int(named.raw.lines[row]),
        column=name,
        hint="Give them different run ids, or a step or tokens column if they are checkpoints; "
        "--set rows=run makes each row a run.",
    )


def _merged_note(named: Named, groups: list[np.ndarray], clashes: list[tuple[int, str]]) -> Note:
    file = named.raw.file
    if not clashes:
        message = f"{len(groups)} step(s) had several rows that complete each other; merged."
        return Note("merged-steps", "info", message, file)
    row, name = min(clashes)
    message = (
        f"{len({r for r, _ in clashes})} step(s) have several values (here of {name}); the last "
        "one counts."
    )
    return Note("repeated-step", "warn", message, file, int(named.raw.lines[row]), name)


def flags(columns: Mapping[str, pa.Array], stale: np.ndarray) -> np.ndarray:
    """Return the flags of each row: superseded, not finite."""
    found = np.where(stale, int(Flag.SUPERSEDED), 0)
    for name in ("loss", "val_loss"):
        if name in columns:
            there = pc.fill_null(columns[name], 0.0).to_numpy(zero_copy_only=False)
            found = np.where(np.isfinite(there), found, found | int(Flag.NONFINITE))
    return found.astype(np.uint16)
