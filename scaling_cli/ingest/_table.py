"""One table of one file, understood: its runs, its points, its columns, its doubts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest import _rows
from scaling_cli.ingest._columns import Named, check_values, name_columns
from scaling_cli.ingest._facts import SCALE, Meta, Origin, facts_from_name, settle
from scaling_cli.ingest._judge import Judged, broken_off, judge
from scaling_cli.ingest._raw import Raw, stem
from scaling_cli.runs.table import (
    POINT_CORE,
    POINT_TAIL,
    RUN_CORE,
    ColumnReading,
    Layout,
    Note,
    floats,
)
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import QUANTITIES, N, format_number

# What is measured at each row; everything else is a fact of the run if it does not vary.
_MEASURED = ("step", "tokens", "flops", "lr", "loss", "val_loss")
_TOTALS = ("step", "tokens", "flops")
# Options of `--set` that say how to read, not what is so.
_DIRECTIONS = ("rows", "run_id")


@dataclass(frozen=True)
class Options:
    """What the user said beside the files.

    Parameters
    ----------
    mapping : mapping of canonical name to column
    given : mapping
        `--set`, already read.
    meta : Meta, optional
    pattern : str, optional
        `--name`.
    keep_partial : bool
        Keep the last line of a curve although it has no newline.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    meta: Meta | None = None
    pattern: str | None = None
    keep_partial: bool = False

    @property
    def scales(self) -> dict[str, float]:
        """Return {canonical: factor} from `--set tokens_scale=1e9`."""
        return {k.removesuffix(SCALE): float(v) for k, v in self.given.items() if k.endswith(SCALE)}

    @property
    def facts(self) -> dict[str, Any]:
        """Return what `--set` says about every run."""
        return {
            k: v for k, v in self.given.items() if not k.endswith(SCALE) and k not in _DIRECTIONS
        }


@dataclass(frozen=True)
class Part:
    """What one table contributes to Runs."""

    file: str
    runs: pa.Table
    points: pa.Table
    rows_read: int
    columns: list[ColumnReading]
    notes: list[Note]


def understand(raw: Raw, options: Options) -> Part:
    """Understand one table.

    Raises
    ------
    DataError
        If it has no rows, a value is impossible, or places contradict each other.
    """
    wide = _rows.widen(raw)
    named = name_columns(wide, options.mapping, options.scales)
    layout, why = _rows.layout_of(_whole(named), options.given.get("rows"))
    named, notes = _settle_cut(named, layout, options)
    if not len(named.raw):
        raise DataError(
            f"there is a header and no whole row (columns: {', '.join(raw.columns)}).",
            file=raw.file,
            hint="Was the log cut, or has the run not started?",
        )
    check_values(named, zero_allowed=layout is not Layout.RUN)
    judged = judge(named, layout, options.given, options.pattern)
    runs, along = _facts(judged, options)
    points = _points(judged, along)
    reading = ColumnReading(raw.file, "(rows)", f"one row per {_WORDS[layout]}", "", None, why)
    return Part(
        raw.file,
        runs,
        points,
        len(raw),
        [
            *named.readings,
            *_name_readings(raw.file, options),
            *_given_readings(raw.file, options),
            reading,
        ],
        [*named.notes, *notes, *judged.notes, *broken_off(judged)],
    )


_WORDS = {
    Layout.RUN: "run",
    Layout.CURVE: "step of one run",
    Layout.CHECKPOINT: "checkpoint of a run",
}


def _given_readings(file: str, options: Options) -> list[ColumnReading]:
    return [
        ColumnReading(file, f"--set {k}", k, _unit(k), None, f"--set {k}={_shown(v)}")
        for k, v in options.given.items()
    ]


def _unit(name: str) -> str:
    return QUANTITIES[name].unit if name in QUANTITIES else ""


def _shown(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _name_readings(file: str, options: Options) -> list[ColumnReading]:
    facts = facts_from_name(options.pattern, file) if options.pattern else None
    return [
        ColumnReading(file, f"--name {{{k}}}", k, _unit(k), None, f"--name: {k} = {_shown(v)}")
        for k, v in (facts or {}).items()
    ]


def _whole(named: Named) -> Named:
    """Return the table without a last line that may be half written, if others remain."""
    if not named.raw.cut or len(named.raw) < 2:
        return named
    return _rows.take(named, np.arange(len(named.raw) - 1))


def _settle_cut(named: Named, layout: Layout, options: Options) -> tuple[Named, list[Note]]:
    """Leave the last line of a curve out if it has no newline; keep that of a table of runs."""
    if not named.raw.cut:
        return named, []
    file, line = named.raw.file, int(named.raw.lines[-1])
    if layout is Layout.RUN or options.keep_partial:
        message = "the last line has no newline but all its fields; kept."
        return named, [Note("partial-line", "warn", message, file, line)]
    message = (
        "left out: the last line has no newline and may be half written (keep_partial keeps it)."
    )
    whole = _rows.take(named, np.arange(len(named.raw) - 1))
    return whole, [Note("partial-line", "warn", message, file, line)]


def _facts(judged: Judged, options: Options) -> tuple[pa.Table, dict[str, pa.Array]]:
    """Split columns into facts of runs and values along runs; add the facts from elsewhere."""
    columns = dict(judged.named.columns)
    columns.pop("run_id", None)
    fixed, along = {}, {}
    for name, column in columns.items():
        place = along if name in _MEASURED or not _is_fact(judged, name, column) else fixed
        place[name] = column
    if not (options.meta or options.pattern or options.facts or judged.named.raw.facts):
        return _plain_facts(judged, fixed), along
    ids = judged.ids[judged.first].tolist()
    first = pa.array(judged.first)
    own = {name: column.take(first).to_pylist() for name, column in fixed.items()}
    if judged.layout is Layout.RUN:
        own |= {name: along[name].to_pylist() for name in _MEASURED if name in along}
    rows = []
    for i, run in enumerate(ids):
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
    n = len(first)
    stated = {f"{k}_convention": v for k, v in judged.named.conventions.items()}
    texts = {"rows": str(judged.layout), **stated}
    columns = {
        "run_id": pa.array(judged.ids[judged.first].tolist(), pa.string()),
        **{name: column.take(first) for name, column in fixed.items()},
        **{
            name: pa.array([texts.get(name)] * n, kind)
            for name, kind in RUN_CORE.items()
            if pa.types.is_string(kind) and name != "run_id"
        },
    }
    missing = {k: pa.nulls(n, kind) for k, kind in RUN_CORE.items() if k not in columns}
    columns |= missing
    return pa.table({name: columns[name] for name in dict.fromkeys([*RUN_CORE, *fixed])})


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
        raise _two_sizes(judged, codes, values)
    return False


def _two_sizes(judged: Judged, codes: np.ndarray, values: np.ndarray) -> DataError:
    row = next(i for i in range(len(codes)) if values[i] != values[np.argmax(codes == codes[i])])
    sizes = judged.named.columns["params"]
    first = sizes[int(np.argmax(codes == codes[row]))].as_py()
    return DataError(
        f"run {judged.ids[row]!r} has {first:.12g} params and here {sizes[row].as_py():.12g}.",
        file=judged.named.raw.file,
        row=int(judged.named.raw.lines[row]),
        column=N.column,
        hint="If its name is that of a group of runs, map the column of run ids (--map "
        "run_id=...), or say --set rows=run if each row is a finished run.",
    )


def _origins(judged: Judged, run: str, own: Mapping[str, Any], options: Options) -> list[Origin]:
    raw = judged.named.raw
    found = []
    if options.meta is not None:
        meta = options.meta.of(run, stem(raw.file))
        found.append(Origin(options.meta.file, meta))
    if options.pattern is not None:
        facts = facts_from_name(options.pattern, raw.file) or {}
        facts = {name: value for name, value in facts.items() if name != "run_id"}
        found.append(Origin("the file name", facts, rounded=True))
    found.append(Origin("the header of " + raw.file, raw.facts, rounded=raw.rounded))
    conventions = {
        f"{name}_convention": convention
        for name, convention in judged.named.conventions.items()
        if f"{name}_convention" in RUN_CORE and convention is not None
    }
    return [*found, Origin(raw.file, {**own, **conventions})]


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


def _points(judged: Judged, along: Mapping[str, pa.Array]) -> pa.Table:
    raw = judged.named.raw
    n = len(raw)
    columns = {
        **along,
        "run_id": pa.array(judged.ids.tolist(), pa.string()),
        "segment": pa.array(judged.segment),
        "flags": pa.array(_rows.flags(along, judged.stale)),
        "line": pa.array(raw.lines),
    }
    if "step" in along:
        columns["step"] = _whole_steps(judged, along["step"])
    kinds = POINT_CORE | POINT_TAIL
    extras = [name for name in along if name not in kinds]
    ordered = [*POINT_CORE, *extras, *POINT_TAIL]
    return pa.table(
        {
            name: pc.cast(columns[name], kinds.get(name, columns[name].type))
            if name in columns
            else pa.nulls(n, kinds[name])
            for name in ordered
        }
    )


def _whole_steps(judged: Judged, steps: pa.Array) -> pa.Array:
    values = floats(steps)
    whole = (values == np.floor(values)) & (np.abs(values) < 2.0**63)
    broken = np.flatnonzero(~np.isnan(values) & ~whole)
    if len(broken):
        wanted = "a whole number" if np.abs(values[broken[0]]) < 2.0**63 else "below 2^63"
        raise DataError(
            f"step must be {wanted}, found {values[broken[0]]:g}.",
            file=judged.named.raw.file,
            row=int(judged.named.raw.lines[broken[0]]),
            column="step",
        )
    return pc.cast(steps, pa.int64())
