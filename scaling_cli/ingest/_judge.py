"""Which run, segment and standing every row of a table has."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest import _rows
from scaling_cli.ingest._columns import Named
from scaling_cli.ingest._facts import facts_from_name
from scaling_cli.ingest._raw import stem
from scaling_cli.runs.table import Layout, Note, floats
from scaling_cli.vocabulary.errors import DataError


@dataclass(frozen=True)
class Judged:
    """A named table with the run, segment and standing of every row."""

    named: Named
    layout: Layout
    ids: np.ndarray
    segment: np.ndarray
    stale: np.ndarray
    notes: list[Note]

    @cached_property
    def codes(self) -> np.ndarray:
        """Return the number of each row's run, in order of appearance."""
        return codes_of(self.ids)

    @cached_property
    def first(self) -> np.ndarray:
        """Return the index of the first row of each run, in order of appearance."""
        return np.unique(self.codes, return_index=True)[1]


def codes_of(ids: np.ndarray) -> np.ndarray:
    """Number names in order of appearance."""
    coded = pa.array(ids, pa.string()).dictionary_encode()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), int)


def judge(named: Named, layout: Layout, said: Mapping[str, Any], pattern: str | None) -> Judged:
    """Give every row its run, its segment and its standing."""
    notes: list[Note] = []
    axis = axis_of(named)
    if layout is not Layout.RUN:
        named, axis, notes = _placed(named, axis)
    ids = _ids(named, layout, said, pattern)
    segment, stale = named.raw.segments, np.zeros(len(ids), bool)
    if layout is Layout.CURVE:
        segment, stale = _rows.superseded(axis, segment, lambda row: _disorder(named, row))
        notes += _resumes(named, segment, stale)
    if layout is Layout.RUN and "run_id" not in named.columns:
        return Judged(named, layout, ids, segment, stale, [*notes, *_rows.equal_rows(named)])
    codes = codes_of(ids)
    if (drop := _rows.repeated(named, codes, axis, stale)).size:
        message = f"{len(drop)} row(s) repeat another row exactly; dropped."
        notes.append(Note("duplicate-rows", "info", message, named.raw.file))
        rows = np.setdiff1d(np.arange(len(ids)), drop)
        named = _rows.take(named, rows)
        ids, codes, axis, segment, stale = (v[rows] for v in (ids, codes, axis, segment, stale))
    named, stale, merged = _rows.merge_same_step(named, codes, axis, stale, layout)
    return Judged(named, layout, ids, segment, stale, [*notes, *merged])


def axis_of(named: Named) -> np.ndarray:
    """Return what orders the rows of a run: step, else tokens, else nothing."""
    for name in ("step", "tokens"):
        if name in named.columns:
            return floats(named.columns[name])
    return np.zeros(len(named.raw))


def _placed(named: Named, axis: np.ndarray) -> tuple[Named, np.ndarray, list[Note]]:
    """Leave out rows that have no place along the run."""
    lost = np.flatnonzero(np.isnan(axis))
    if not len(lost):
        return named, axis, []
    rows = np.flatnonzero(~np.isnan(axis))
    message = f"left out: {len(lost)} row(s) without a step (the first is here)."
    note = Note("no-step", "warn", message, named.raw.file, int(named.raw.lines[lost[0]]))
    return _rows.take(named, rows), axis[rows], [note]


def _ids(named: Named, layout: Layout, said: Mapping[str, Any], pattern: str | None) -> np.ndarray:
    """Return the run id of each row."""
    name, lines = named.raw.run or stem(named.raw.file), named.raw.lines
    given = said.get("run_id")
    if layout is not Layout.RUN:
        given = given if given is not None else _named_run(named, pattern)
    own = named.columns.get("run_id") if given is None else None
    if own is None:
        base = name if given is None else str(given)
        if layout is Layout.RUN:
            return np.array([f"{base}:{line}" for line in lines], object)
        return np.array([base] * len(lines), object)
    ids = np.array(own.to_pylist(), object)
    missing = [i for i, value in enumerate(ids) if value is None or not value.strip()]
    if missing:
        line = int(lines[missing[0]])
        message = "the run id is missing."
        raise DataError(message, file=named.raw.file, row=line, column="run_id")
    if said.get("rows") == Layout.RUN and len(set(ids)) < len(ids):
        return np.array([f"{i}:{line}" for i, line in zip(ids, lines, strict=True)], object)
    return ids


def _named_run(named: Named, pattern: str | None) -> str | None:
    """Return the run id that `--name` reads off the file name."""
    if pattern is None:
        return None
    return (facts_from_name(pattern, named.raw.file) or {}).get("run_id")


def _disorder(named: Named, row: int) -> DataError:
    return DataError(
        "step goes back again and again: this is neither one run nor a resumed log.",
        file=named.raw.file,
        row=int(named.raw.lines[row]),
        column="step",
        hint="Add a run_id column if there are several runs, or say --set rows=run if each row "
        "is a finished run.",
    )


def _resumes(named: Named, segment: np.ndarray, stale: np.ndarray) -> list[Note]:
    resumes = int(segment[-1]) if len(segment) else 0
    if not resumes:
        return []
    rows = np.flatnonzero(np.diff(segment)) + 1
    message = (
        f"the log was resumed {resumes} time(s); {int(stale.sum())} row(s) that a later part "
        "rewrote are superseded."
    )
    line = int(named.raw.lines[rows[0]])
    return [Note("resumed", "info", message, named.raw.file, line)]


def broken_off(judged: Judged) -> list[Note]:
    """Name the runs whose last loss is NaN or infinite."""
    found = []
    columns, raw = judged.named.columns, judged.named.raw
    axis = axis_of(judged.named)
    for name in ("loss", "val_loss"):
        if name not in columns:
            continue
        values = floats(columns[name])
        there = columns[name].is_valid().to_numpy(zero_copy_only=False) & ~judged.stale
        if np.isfinite(values[there]).all():
            continue
        for run in dict.fromkeys(judged.ids[there & ~np.isfinite(values)].tolist()):
            rows = np.flatnonzero((judged.ids == run) & there)
            last = int(rows[np.argmax(axis[rows])])
            count = int((~np.isfinite(values[rows])).sum())
            ended = not np.isfinite(values[last])
            text = f"{name} is not finite in {count} of {len(rows)} row(s)"
            message = f"{text}; the run diverged." if ended else f"{text}, but recovers."
            line = int(raw.lines[rows[~np.isfinite(values[rows])][0]])
            found.append(Note("nonfinite", "warn", message, raw.file, line, name, run))
    return found
