"""One table of one file, understood: its runs, its points, its columns, its doubts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import canonical_name, check_values, name_columns
from scaling_cli.ingest._facts import SCALE, Meta, Origin, facts_from_name, read_set, settle
from scaling_cli.ingest._rows import Judged, broken_off, flags, judge, layout_of, widen
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
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import QUANTITIES, N, format_number

# What is measured at each row; everything else is a fact of the run if it does not vary.
_MEASURED = ("step", "tokens", "flops", "lr", "loss", "val_loss")
# Options of `--set` that say how to read, not what is so.
_DIRECTIONS = ("rows", "run_id")
_WORDS = {
    Layout.RUN: "run",
    Layout.CURVE: "step of one run",
    Layout.CHECKPOINT: "checkpoint of a run",
}


@dataclass(frozen=True)
class Options:
    """What the user said beside the files: `map`, `set`, `name` and `keep_partial` of `read`."""

    map: Mapping[str, str]
    set: Mapping[str, Any]
    name: str | None = None
    keep_partial: bool = False
    meta: Meta | None = None

    @cached_property
    def mapping(self) -> dict[str, str]:
        """Return `--map` by canonical name."""
        return {canonical_name(key): value for key, value in self.map.items()}

    @cached_property
    def given(self) -> dict[str, Any]:
        """Return `--set`, read."""
        return read_set(self.set)

    @property
    def scales(self) -> dict[str, float]:
        """Return {canonical: factor} from `--set tokens_scale=1e9`."""
        return {k.removesuffix(SCALE): float(v) for k, v in self.given.items() if k.endswith(SCALE)}

    @property
    def facts(self) -> dict[str, Any]:
        """Return what `--set` says about every run."""
        said = {k: v for k, v in self.given.items() if not k.endswith(SCALE)}
        return {k: v for k, v in said.items() if k not in _DIRECTIONS}

    @cached_property
    def as_json(self) -> str:
        """Return what a store compares: all that changes how a file is understood."""
        said = {
            "map": dict(self.map),
            "set": {key: str(value) for key, value in self.set.items()},
            "name": self.name,
            "meta": self.meta.sha256 if self.meta else None,
            "keep_partial": self.keep_partial,
        }
        return json.dumps(said, sort_keys=True)


def understand(raw: Raw, source: Source, options: Options) -> Runs:
    """Understand one table.

    Raises
    ------
    DataError
        If it has no rows, a value is impossible, or places contradict each other.
    """
    wide = widen(raw)
    named = name_columns(wide, options.mapping, options.scales)
    # A last line that may be half written has no say in what a row is, if others remain.
    whole = named.take(np.arange(len(wide) - 1)) if wide.cut else named
    layout, why = layout_of(whole if len(whole.raw) else named, options.given.get("rows"))
    notes = list(named.notes)
    if wide.cut:
        kept = layout is Layout.RUN or options.keep_partial
        notes.append(_cut_note(wide, kept))
        named = named if kept else whole
    if not len(named.raw):
        raise DataError(
            f"there is a header and no whole row (columns: {', '.join(raw.columns)}).",
            file=raw.file,
            hint="Was the log cut, or has the run not started?",
        )
    check_values(named, zero_allowed=layout is not Layout.RUN)
    judged = judge(named, layout, options.given, options.name)
    runs, along = _facts(judged, options)
    reading = ColumnReading(raw.file, "(rows)", f"one row per {_WORDS[layout]}", "", None, why)
    columns = [*named.readings, *_said(raw.file, options), reading]
    notes += [*judged.notes, *broken_off(judged)]
    sources = {
        "source_id": source.id,
        "uri": source.uri,
        "file": source.name,
        "sha256": source.sha256,
        "bytes": len(source.packed),
        "reader": raw.reader,
        "reader_version": raw.version,
        "mapping": options.as_json,
        "rows_read": len(raw),
        "rows_kept": len(judged.ids),
        "run_ids": runs["run_id"].to_pylist(),
        "columns": json.dumps([asdict(reading) for reading in columns]),
        "notes": json.dumps([asdict(note) for note in notes]),
    }
    table = pa.Table.from_pylist([sources], schema=pa.schema(list(SOURCE_COLUMNS.items())))
    return Runs(runs, _points(judged, along, source.id), table, columns, notes)


def _cut_note(raw: Raw, kept: bool) -> Note:
    message = (
        "the last line has no newline but all its fields; kept."
        if kept
        else "left out: the last line has no newline and may be half written (keep_partial keeps "
        "it)."
    )
    return raw.note("partial-line", "warn", message, len(raw) - 1)


def _said(file: str, options: Options) -> list[ColumnReading]:
    """Return the facts that `--name` and `--set` state, as if they were columns."""
    said = [
        (f"--name {{{k}}}", k, f"--name: {k} =", v)
        for k, v in facts_from_name(options.name, file).items()
    ]
    said += [(f"--set {k}", k, f"--set {k}=", v) for k, v in options.given.items()]
    return [
        ColumnReading(
            file,
            option,
            name,
            QUANTITIES[name].unit if name in QUANTITIES else "",
            None,
            f"{start}{' ' * start.endswith(' =')}"
            f"{format_number(value) if isinstance(value, float) else value}",
        )
        for option, name, start, value in said
    ]


def _facts(judged: Judged, options: Options) -> tuple[pa.Table, dict[str, pa.Array]]:
    """Split columns into facts of runs and values along runs; add the facts from elsewhere."""
    fixed, along = {}, {}
    for name, column in judged.named.columns.items():
        if name != "run_id":
            place = along if name in _MEASURED or not _is_fact(judged, name, column) else fixed
            place[name] = column
    if not (options.meta or options.name or options.facts or judged.named.raw.facts):
        return _plain_facts(judged, fixed), along
    first = pa.array(judged.first)
    own = {name: column.take(first).to_pylist() for name, column in fixed.items()}
    if judged.layout is Layout.RUN:
        own |= {name: along[name].to_pylist() for name in _MEASURED if name in along}
    rows = []
    for i, run in enumerate(judged.ids[judged.first].tolist()):
        stated = {name: values[i] for name, values in own.items()}
        facts = settle(run, _origins(judged, run, stated, options), options.facts)
        rows.append({"run_id": run, "rows": str(judged.layout), **facts})
    if judged.layout is Layout.RUN:
        measured = [name for name in _MEASURED if any(name in row for row in rows)]
        along |= {n: pa.array([row.get(n) for row in rows], pa.float64()) for n in measured}
        rows = [{k: v for k, v in row.items() if k not in _MEASURED} for row in rows]
    return _table(rows), along


def _plain_facts(judged: Judged, fixed: Mapping[str, pa.Array]) -> pa.Table:
    """Return the facts where the file is the only place that states any."""
    first = pa.array(judged.first)
    stated = {f"{k}_convention": v for k, v in judged.named.conventions.items()}
    texts = {"rows": str(judged.layout), **stated}
    columns = {n: pa.array([texts.get(n)] * len(first), k) for n, k in RUN_CORE.items()}
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
    if name == N.column and not np.isnan(floats(column)).any():
        first = judged.first[codes]
        row = int(np.flatnonzero(values != values[first])[0])
        sizes = [column[int(i)].as_py() for i in (first[row], row)]
        raise judged.named.raw.refused(
            f"run {judged.ids[row]!r} has {sizes[0]:.12g} params and here {sizes[1]:.12g}.",
            row,
            name,
            hint="If its name is that of a group of runs, map the column of run ids (--map "
            "run_id=...), or say --set rows=run if each row is a finished run.",
        )
    return False


def _origins(judged: Judged, run: str, own: Mapping[str, Any], options: Options) -> list[Origin]:
    raw = judged.named.raw
    origins = []
    if options.meta is not None:
        origins.append(Origin(options.meta.file, options.meta.of(run, stem(raw.file))))
    facts = facts_from_name(options.name, raw.file)
    facts.pop("run_id", None)
    origins.append(Origin("the file name", facts, rounded=True))
    origins.append(Origin("the header of " + raw.file, raw.facts, rounded=raw.rounded))
    stated = {f"{name}_convention": said for name, said in judged.named.conventions.items() if said}
    conventions = {name: said for name, said in stated.items() if name in RUN_CORE}
    return [*origins, Origin(raw.file, {**own, **conventions})]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return facts as a table: the fixed columns first, then the others as they were met."""
    names = [*RUN_CORE, *dict.fromkeys(k for row in rows for k in row if k not in RUN_CORE)]
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        columns[name] = _column(values, RUN_CORE.get(name))
    return pa.table(columns)


def _column(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is None and any(isinstance(v, str) for v in values):
        return pa.array([None if v is None else str(v) for v in values], pa.string())
    if kind is None and any(isinstance(v, float) for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array(values, kind)


def _points(judged: Judged, along: Mapping[str, pa.Array], source: str) -> pa.Table:
    raw, kinds = judged.named.raw, POINT_CORE | POINT_TAIL
    columns = {
        **along,
        "run_id": pa.array(judged.ids.tolist(), pa.string()),
        "segment": pa.array(judged.segment),
        "flags": pa.array(flags(along, judged.stale)),
        "source_id": pa.repeat(source, len(raw)),
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
