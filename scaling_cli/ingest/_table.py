"""One table of one file, understood: its runs, its points, its columns, its doubts."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest import _settings
from scaling_cli.ingest._beside import Beside, filled
from scaling_cli.ingest._beside import notes as notes_of
from scaling_cli.ingest._columns import check_values, name_columns, without_zeros
from scaling_cli.ingest._facts import Options, Origin, facts_from_name, settle
from scaling_cli.ingest._resembles import resembles, units_of
from scaling_cli.ingest._rows import (
    Judged,
    averaged,
    broken_off,
    fallen_silent,
    flags,
    judge,
    layout_of,
    unrecognised,
)
from scaling_cli.ingest._shape import MEASURED, held_apart, shaped, widen
from scaling_cli.ingest._sources import Raw, Source, stem
from scaling_cli.runs.table import (
    POINT_CORE,
    POINT_TAIL,
    RUN_CORE,
    SOURCE_COLUMNS,
    ColumnReading,
    Layout,
    Note,
    Runs,
    floats,
)
from scaling_cli.vocabulary import loss_kinds, quantities
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import QUANTITIES, L, N

_OF_SEVERAL = re.compile(r":\d+$")  # one of the runs of a file
_WORDS = {
    Layout.RUN: "run",
    Layout.CURVE: "step of one run",
    Layout.CHECKPOINT: "checkpoint of a run",
}
# What is said of a last line without a newline, by whether it is kept.
_CUT = {
    True: "the last line has no newline but all its fields; kept.",
    False: "left out: the last line has no newline and may be half written (keep_partial keeps "
    "it).",
}


def understand(raw: Raw, source: Source, options: Options) -> Runs:
    """Understand one table.

    Raises
    ------
    DataError
        If it has no rows, a value is impossible, or places contradict each other.
    """
    wide = widen(raw)
    every, whole = _named(wide, options)
    named, layout, why = _laid_out(whole if len(whole) else every, options.given.get("rows"))
    if kept := wide.cut and (layout is Layout.RUN or options.keep_partial):
        every = every if len(every) > len(whole) else _with_names(wide, options)
        named = _laid_out(every, str(layout))[0]
    elif not len(whole):
        named = whole
    notes = list(named.notes)
    if wide.cut:
        notes.append(wide.note("partial-line", "warn", _CUT[kept], len(wide) - 1))
    if not len(named):
        message = f"there is a header and no whole row (columns: {', '.join(raw.columns)})."
        hint = "Was the log cut, or has the run not started?"
        raise DataError(message, file=raw.file, hint=hint)
    units, told = units_of(named, options.given)
    notes += told
    named = replace(named, facts={**_kind_by_name(named), **units, **named.facts})
    check_values(named, zero_allowed=layout is not Layout.RUN)
    stated = facts_from_name(options.name, raw.file)
    judged = averaged(judge(named, layout, options.given, stated.get("run_id")))
    notes += [*judged.notes, *broken_off(judged), *fallen_silent(judged)]
    notes += [] if options.meta else [*unrecognised(named, layout), *resembles(named, layout)]
    said = said_of(raw.file, layout, why, stated, options)
    alone = len(judged.first) == 1 and layout is Layout.CURVE and not _OF_SEVERAL.search(raw.run)
    beside = options.beside(source) if alone else None
    beside = None if beside is None or beside.several else beside
    part = Part(source, stated, len(raw), [*named.readings, *said], notes, beside)
    return runs_of(judged, [part], options)


def _with_names(wide: Raw, options: Options) -> Raw:
    return without_zeros(name_columns(wide, options.mapping, options.scales))


def _named(wide: Raw, options: Options) -> tuple[Raw, Raw]:
    """Return a table with its names, and the same without a last line that may be half written.

    Such a line has no say in what a row is, if others remain, nor in what can be read: the two are
    one if a cell of it, `1e` of `1e-3`, is no number.
    """
    if not wide.cut:
        every = _with_names(wide, options)
        return every, every
    before = np.arange(len(wide) - 1)
    try:
        every = _with_names(wide, options)
    except DataError:
        if not len(before):
            raise
        whole = _with_names(wide.take(before), options)
        return whole, whole
    return every, every.take(before)


def _kind_by_name(named: Raw) -> dict[str, str]:
    """Return what the name of the column of the loss says of it."""
    columns = [r.column for r in named.readings if r.canonical == L.column]
    kind = loss_kinds.by_name(columns[0]) if columns else None
    return loss_kinds.stated(kind, loss_kinds.BY_NAME)


@dataclass(frozen=True)
class Part:
    """A file of a table: what its name states, how many rows were read, what is said of them.

    `beside` is the configuration that lies beside it.
    """

    source: Source
    stated: Mapping[str, Any]
    rows: int
    columns: Sequence[ColumnReading]
    notes: Sequence[Note]
    beside: Beside | None = None


def said_of(
    file: str, layout: Layout, why: str, stated: Mapping[str, Any], options: Options
) -> list[ColumnReading]:
    """Return what was said beside a file, as if columns said so, and what a row of it is."""
    reading = ColumnReading(file, "(rows)", f"one row per {_WORDS[layout]}", "", None, why)
    return [*_said(file, stated, options.given), reading]


def runs_of(
    judged: Judged, parts: Sequence[Part], options: Options, rows: np.ndarray | None = None
) -> Runs:
    """Return the runs of a table of one file, or of one that holds a run of each of its files.

    Parameters
    ----------
    judged : Judged
    parts : sequence of Part
    options : Options
    rows : int array, optional
        The points that are wanted. Default: all.
    """
    alone = len(parts) == 1
    runs, along, told = _facts(judged, options, parts)
    parts = [replace(parts[0], notes=[*parts[0].notes, *told]), *parts[1:]]
    names = runs["run_id"].to_pylist()
    owned = [names] if alone else [[name] for name in names]
    kept = [len(judged.ids)] if alone else [part.rows for part in parts]
    facts = _own_facts(runs, stated=not (alone or _is_plain(judged, options)))
    varying = {"along": [name for name in along if name not in (*POINT_CORE, *POINT_TAIL)]}
    sources = [
        _source(judged.named, part, options)
        | {"rows_kept": count, "run_ids": ids, "facts": fixed}
        | varying
        for part, count, ids, fixed in zip(parts, kept, owned, cycle(facts), strict=False)
    ]
    table = pa.Table.from_pylist(sources, schema=pa.schema(list(SOURCE_COLUMNS.items())))
    of_row = np.zeros(len(judged.ids), int) if alone else judged.codes
    if rows is not None:
        judged, of_row = judged.take(rows), of_row[rows]
        along = {name: judged.named.columns[name] for name in along}
    points = points_of(judged, along, table["source_id"].combine_chunks().take(pa.array(of_row)))
    columns = [reading for part in parts for reading in part.columns]
    return Runs(runs, points, table, columns, [note for part in parts for note in part.notes])


def _own_facts(runs: pa.Table, *, stated: bool) -> list[list[str]]:
    """Return the other columns of a table of runs; for each run, where they were stated of each."""
    names = [name for name in runs.column_names if name not in RUN_CORE]
    if not stated or not names:
        return [names]
    there = zip(*(runs[name].is_valid().to_pylist() for name in names), strict=True)
    return [[name for name, own in zip(names, row, strict=True) if own] for row in there]


def _is_plain(judged: Judged, options: Options) -> bool:
    """Say whether the file is the only place that states facts."""
    return not (options.meta or options.name or options.facts or judged.named.facts)


def _source(raw: Raw, part: Part, options: Options) -> dict[str, Any]:
    source = part.source
    return {
        "source_id": source.id,
        "uri": source.uri,
        "file": source.name,
        "sha256": source.sha256,
        "bytes": source.size,
        "modified": source.modified,
        **source.told_by,
        "reader": raw.reader,
        "reader_version": raw.version,
        "mapping": options.read_as(source),
        "rows_read": part.rows,
        "columns": json.dumps([vars(reading) for reading in part.columns]),
        "notes": json.dumps([vars(note) for note in part.notes]),
    }


def _laid_out(named: Raw, forced: str | None) -> tuple[Raw, Layout, str]:
    """Return the table in our shape, what a row of it is, and why."""
    curves, held, split = held_apart(named, along=True)
    curves = replace(curves, columns={n: c for n, c in curves.columns.items() if n != split})
    if forced != Layout.RUN and len(named):
        curves = shaped(curves, held, one_run=forced == Layout.CURVE)
    layout, why = layout_of(curves, forced)
    if layout is Layout.RUN:
        return held_apart(named, along=False)[0], layout, why
    return curves, layout, why


def _said(file: str, named: Mapping[str, Any], given: Mapping[str, Any]) -> list[ColumnReading]:
    """Return the facts that `--name` and `--set` state, as if they were columns."""
    said = [(f"--name {{{k}}}", k, v, f"--name: {k} = ") for k, v in named.items()]
    said += [(f"--set {k}", k, v, f"--set {k}=") for k, v in given.items()]
    readings = []
    for option, name, value, start in said:
        shown = quantities.format_number(value) if isinstance(value, float) else str(value)
        unit = QUANTITIES[name].unit if name in QUANTITIES else ""
        readings.append(ColumnReading(file, option, name, unit, None, start + shown))
    return readings


def _facts(
    judged: Judged, options: Options, parts: Sequence[Part]
) -> tuple[pa.Table, dict[str, pa.Array], list[Note]]:
    """Split columns into facts of runs and values along runs; add the facts from elsewhere.

    What is computed, or comes from beside the log, is used where nothing states it, and told.
    """
    raw, meta = judged.named, options.meta
    fixed, along = {}, {}
    for name, column in raw.columns.items():
        if name != "run_id":
            place = along if name in MEASURED or not _is_fact(judged, name, column) else fixed
            place[name] = column
    beside, told = parts[0].beside, []
    if _is_plain(judged, options) and beside is None:
        return _plain_facts(judged, fixed), along, told
    own = {n: column.take(pa.array(judged.first)).to_pylist() for n, column in fixed.items()}
    if judged.layout is Layout.RUN:
        own |= {name: along[name].to_pylist() for name in MEASURED if name in along}
    plainly, counts = _settings.apart(raw.facts)
    header = Origin("the header of " + raw.file, plainly, rounded=raw.rounded)
    said = {f"{name}_convention": convention for name, convention in raw.conventions.items()}
    rows = []
    for i, run in enumerate(judged.ids[judged.first].tolist()):
        part = parts[i if len(parts) > 1 else 0]
        file = raw.file or part.source.name
        first = [] if meta is None else [Origin(meta.file, meta.of(run, stem(file)))]
        named = {name: value for name, value in part.stated.items() if name != "run_id"}
        last = Origin(file, {name: values[i] for name, values in own.items()} | said)
        origins = [*first, Origin("the file name", named, rounded=True), header, last]
        facts = settle(run, origins, options.facts)
        if loss_kinds.FACT in options.facts:
            facts[loss_kinds.KNOWN] = loss_kinds.DECLARED
        facts = filled(facts, counts, beside.facts if beside else {})
        told += notes_of(raw.file or part.source.name, facts, counts, beside) if i == 0 else []
        rows.append({"run_id": run, "rows": str(judged.layout), **facts})
    if judged.layout is Layout.RUN:
        measured = [name for name in MEASURED if any(name in row for row in rows)]
        along |= {n: pa.array([row.get(n) for row in rows], pa.float64()) for n in measured}
        rows = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
    return _table(rows), along, told


def _plain_facts(judged: Judged, fixed: Mapping[str, pa.Array]) -> pa.Table:
    """Return the facts where the file is the only place that states any."""
    first = pa.array(judged.first)
    stated = {f"{k}_convention": v for k, v in judged.named.conventions.items()}
    texts = {"rows": str(judged.layout), **stated}
    kinds = {**RUN_CORE, **dict.fromkeys(texts, pa.string())}
    columns = {n: pa.array([texts.get(n)] * len(first), k) for n, k in kinds.items()}
    ours = {name for name, kind in RUN_CORE.items() if pa.types.is_string(kind)}
    columns |= {name: column.take(first) for name, column in fixed.items() if name not in ours}
    columns["run_id"] = pa.array(judged.ids[judged.first].tolist(), pa.string())
    return pa.table(columns)


def _is_fact(judged: Judged, name: str, column: pa.Array) -> bool:
    """Say whether a column has one value per run.

    Raises
    ------
    DataError
        If a run has two parameter counts.
    """
    if judged.layout is Layout.RUN:
        return True
    codes = judged.codes
    values = pc.fill_null(column.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    if np.array_equal(values, values[judged.first][codes]):
        return True
    along = judged.layout is Layout.CURVE and "run_id" not in judged.named.columns
    if name == N.column and not along and not np.isnan(floats(column)).any():
        first = judged.first[codes]
        row = int(np.flatnonzero(values != values[first])[0])
        sizes = [column[int(i)].as_py() for i in (first[row], row)]
        message = f"run {judged.ids[row]!r} has {sizes[0]:.12g} params and here {sizes[1]:.12g}."
        hint = (
            "If its name is that of a group of runs, map the column of run ids (--map "
            "run_id=...), or say --set rows=run if each row is a finished run."
        )
        raise judged.named.refused(message, row, name, hint=hint)
    return False


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return facts as a table: the fixed columns first, then the others as they were met."""
    names = [*RUN_CORE, *dict.fromkeys(k for row in rows for k in row if k not in RUN_CORE)]
    return pa.table({n: _column([row.get(n) for row in rows], RUN_CORE.get(n)) for n in names})


def _column(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is None and any(isinstance(v, str) for v in values):
        return pa.array([None if v is None else str(v) for v in values], pa.string())
    if kind is None and any(isinstance(v, float) for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array(values, kind)


def points_of(judged: Judged, along: Mapping[str, pa.Array], source: pa.Array) -> pa.Table:
    """Return the points of a table, each with the key of its source."""
    raw, kinds = judged.named, POINT_CORE | POINT_TAIL
    columns = {
        **along,
        "run_id": pa.array(judged.ids[judged.first].tolist(), pa.string()).take(
            pa.array(judged.codes)
        ),
        "segment": pa.array(judged.segment),
        "flags": pa.array(flags(along, judged.stale)),
        "source_id": source,
        "line": pa.array(raw.lines),
    }
    if "step" in along:
        columns["step"] = _whole_steps(raw, along["step"])
    extras = [name for name in along if name not in kinds]
    return pa.table(
        {
            name: pc.cast(columns[name], kinds.get(name, columns[name].type))
            if name in columns
            else pa.nulls(len(raw), kinds[name])
            for name in (*POINT_CORE, *extras, *POINT_TAIL)
        }
    )


def _whole_steps(raw: Raw, steps: pa.Array) -> pa.Array:
    values = floats(steps)
    broken = ~np.isnan(values) & ((values != np.floor(values)) | (np.abs(values) >= 2.0**63))
    if broken.any():
        row = int(np.argmax(broken))
        wanted = "a whole number" if np.abs(values[row]) < 2.0**63 else "below 2^63"
        raise raw.refused(f"step must be {wanted}, found {values[row]:g}.", row, "step")
    return pc.cast(steps, pa.int64())
