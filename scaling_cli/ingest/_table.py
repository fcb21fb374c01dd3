"""One table of one file, understood: its runs, its points, its columns, its doubts.

Facts about a run that its file lacks come from --set, --meta, --name and the log's header. The
first of these that has a fact decides. Where two of them state the same fact differently, nothing
is chosen: that is an error, unless `--set` settles it. A number in a file name counts as rounded:
within 5 % it agrees with the exact one, which is then used.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import (
    canonical_name,
    canonical_of,
    check_values,
    name_columns,
    without_zeros,
)
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
from scaling_cli.vocabulary import quantities
from scaling_cli.vocabulary.errors import DataError, UsageError, some
from scaling_cli.vocabulary.quantities import (
    N_AVERAGE,
    QUANTITIES,
    C,
    L,
    N,
    convention_of,
    recognise,
)

# Options of `--set` that say how to read, not what is so.
_DIRECTIONS = ("rows", "run_id")
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
_ROUNDED = 0.05
_EXACT = 1e-6
# What a table of metadata calls `final_loss` or `peak_lr` is not the loss or rate of a row.
OWN_NAMES_IN_META = frozenset({"loss", "val_loss", "lr"})
_CONVENTIONS = {
    "params_convention": N.conventions,
    "average_params_convention": N_AVERAGE.conventions,
    "flops_convention": C.conventions,
    "loss_convention": L.conventions,
    "val_loss_convention": L.conventions,
}
SCALE = "_scale"


@dataclass(frozen=True)
class Meta:
    """A table with one row per run, keyed by run id or file stem."""

    file: str
    sha256: str
    rows: Mapping[str, Mapping[str, Any]]
    lines: Mapping[str, int]
    readings: Sequence[ColumnReading] = ()
    used: set[str] = field(default_factory=set)
    doubts: Sequence[Note] = ()
    """What reading the table left out or took for something else."""

    def of(self, *keys: str) -> Mapping[str, Any]:
        """Return the facts under the first key that is there; remember that it was used."""
        for key in keys:
            if key in self.rows:
                self.used.add(key)
                return self.rows[key]
        return {}

    def notes(self, runs: Sequence[tuple[str, str]]) -> list[Note]:
        """List what reading said, the rows of no run, and the runs (id, stem) without a row."""
        notes = list(self.doubts)
        left = [key for key in self.rows if key not in self.used]
        if left:
            message = f"{len(left)} row(s) belong to no run that was read ({some(left)})."
            first = self.lines[left[0]]
            whole = not any(self.rows.keys().isdisjoint(keys) for keys in runs)
            level = "info" if whole and runs else "warn"  # a part of the logs was asked for
            notes.append(Note("meta-unmatched-row", level, message, self.file, first))
        bare = [keys[0] for keys in runs if not self.rows.keys() & set(keys)]
        if bare:
            message = f"no row for {len(bare)} run(s): {some(bare)}."
            notes.append(Note("meta-unmatched-run", "warn", message, self.file))
        return notes


def read_meta(raw: Raw, sha256: str, mapping: Mapping[str, str], stems: Sequence[str]) -> Meta:
    """Read a table of metadata.

    The key is the column of run ids; without one, the first text column that holds the stem of
    a file that was read.

    Raises
    ------
    DataError
        If there is no key column, or a key stands twice.
    """
    named = name_columns(raw, mapping, {}, keep=OWN_NAMES_IN_META)
    texts = {n: c.to_pylist() for n, c in named.columns.items() if pa.types.is_string(c.type)}
    keys = [n for n, cells in texts.items() if {stem(c) for c in cells if c} & set(stems)]
    key = "run_id" if "run_id" in named.columns else next(iter(keys), None)
    if key is None:
        add = f"Add a run_id column that holds the run ids or file stems ({some(stems)})."
        hint = f"{add} Columns found: {', '.join(raw.columns)}."
        raise DataError("no column names the runs.", file=raw.file, hint=hint)
    columns = {name: column.to_pylist() for name, column in named.columns.items() if name != key}
    rows: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    for i, cell in enumerate(named.columns[key].to_pylist()):
        if cell is None:
            raise raw.refused("the name of the run is missing.", i, key)
        name = cell if key == "run_id" else stem(cell)
        if name in rows:
            message = f"run {name!r} stands twice, first in row {lines[name]}."
            raise raw.refused(message, i, key)
        rows[name] = {c: v[i] for c, v in columns.items() if v[i] is not None}
        sizes = {N.column, N_AVERAGE.column} & rows[name].keys() & named.conventions.keys()
        rows[name] |= {f"{size}_convention": named.conventions[size] for size in sizes}
        lines[name] = int(raw.lines[i])
    readings = [replace(r, why=f"--meta: {r.why}") for r in named.readings]
    return Meta(raw.file, sha256, rows, lines, readings, doubts=named.notes)


def read_set(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read `--set` facts: quantities as people write them, conventions checked, text kept.

    Raises
    ------
    UsageError
        If a quantity cannot be read, or a convention or layout is none of ours.
    """
    facts = {_fact_name(key): _fact(key, value) for key, value in given.items()}
    if "loss_convention" in facts:  # one tokenizer, one unit, unless said otherwise
        facts.setdefault("val_loss_convention", facts["loss_convention"])
    return facts


def _fact_name(key: str) -> str:
    base = key.removesuffix(SCALE)
    return (canonical_of(base) or base) + key[len(base) :]


def _fact(key: str, value: Any) -> Any:
    name = _fact_name(key)
    choices = _CONVENTIONS.get(name, tuple(Layout) if name == "rows" else ())
    if choices and value not in choices:
        raise UsageError(f"--set {key}={value}: must be one of {', '.join(choices)}.")
    if choices or name == "run_id":
        return str(value)
    text = isinstance(value, str)
    if name in QUANTITIES or (text and name.endswith(SCALE)):
        amount = quantities.parse_number(value, QUANTITIES.get(name)) if text else float(value)
        if amount <= 0:
            raise UsageError(f"{key} must be positive, not {amount:g}.")
        return amount
    try:
        return float(value) if text else value
    except ValueError:
        return value


@cache
def _compiled(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """Compile `{params}_{tokens}`: each `{field}` takes text, `{}` skips some.

    Raises
    ------
    UsageError
        If a field stands twice or there is none.
    """
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    fields = [name for name in pieces[1::2] if name not in ("", "_")]
    if not fields or len(set(fields)) != len(fields):
        hint = "Such as '{params}_{tokens}'; {} skips a part."
        raise UsageError(f"--name {pattern!r} must name each field once.", hint=hint)
    text = "".join(
        re.escape(piece) if i % 2 == 0 else f"({'?:' if piece in ('', '_') else ''}.+?)"
        for i, piece in enumerate(pieces)
    )
    return re.compile(text), fields


def facts_from_name(pattern: str | None, file: str) -> dict[str, Any]:
    """Return the facts that a file's stem states under a pattern, if it matches.

    Raises
    ------
    DataError
        If a field that should be a quantity cannot be read as one.
    """
    if pattern is None:
        return {}
    expression, fields = _compiled(pattern)
    match = expression.fullmatch(stem(file))
    facts: dict[str, Any] = {}
    for name, text in zip(fields, match.groups(), strict=True) if match else ():
        try:
            facts[_fact_name(name)] = _fact(name, text)
        except UsageError as error:
            message = f"--name reads {text!r} as {name}: {error.message}"
            raise DataError(message, file=file, hint=error.hint) from error
        if recognise(name) is N and convention_of(name, N):
            facts["params_convention"] = convention_of(name, N)
    return facts


def pattern_notes(pattern: str | None, files: Sequence[str]) -> list[Note]:
    """Name the files that `--name` does not fit.

    Raises
    ------
    UsageError
        If it fits none.
    """
    if pattern is None:
        return []
    left = [file for file in files if not _compiled(pattern)[0].fullmatch(stem(file))]
    if files and len(left) == len(files):
        hint = f"File stems: {some([stem(file) for file in files])}."
        raise UsageError(f"--name {pattern!r} fits no file name.", hint=hint)
    message = f"--name {pattern!r} does not fit this file name."
    return [Note("name-unmatched", "warn", message, file) for file in left]


@dataclass(frozen=True)
class Origin:
    """One place that states facts: how it is called in messages, and the facts."""

    name: str
    facts: Mapping[str, Any]
    rounded: bool = False


def settle(run: str, origins: Sequence[Origin], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a run from all places that state any.

    Parameters
    ----------
    run : str
        Run id, for the message.
    origins : sequence of Origin
        The first that has a fact decides.
    given : mapping
        What `--set` says; nothing else is asked.

    Raises
    ------
    DataError
        If two places contradict each other.
    """
    settled: dict[str, tuple[Any, Origin]] = {}
    for origin in origins:
        for name, value in origin.facts.items():
            if value is None or name in given:
                continue
            known, first = settled.setdefault(name, (value, origin))
            tolerance = _ROUNDED if first.rounded or origin.rounded else _EXACT
            if first is not origin and not _agree(known, value, tolerance):
                said = f"{first.name} says {name} = {_shown(known)}"
                message = f"run {run!r}: {said}, {origin.name} says {_shown(value)}."
                hint = f"Mend one of them, or settle it with --set {name}=..."
                raise DataError(message, hint=hint, column=name)
            if first.rounded and not origin.rounded:
                settled[name] = value, origin
    if "params" in given:
        settled.pop("params_convention", None)  # it belonged to the count that is replaced
    return {name: value for name, (value, _) in settled.items()} | dict(given)


def _agree(one: Any, other: Any, tolerance: float) -> bool:
    try:
        numbers = float(one), float(other)
        return math.isclose(*numbers, rel_tol=tolerance) or all(map(math.isnan, numbers))
    except (TypeError, ValueError):
        return str(one) == str(other)


def _shown(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Options:
    """What the user said beside the files: `map`, `set`, `name` and the like of `read`."""

    map: Mapping[str, str]
    set: Mapping[str, Any]
    name: str | None = None
    keep_partial: bool = False
    meta: Meta | None = None
    pattern: str | None = None

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
        } | ({} if self.pattern is None else {"pattern": self.pattern})
        return json.dumps(said, sort_keys=True)


def understand(raw: Raw, source: Source, options: Options) -> Runs:
    """Understand one table.

    Raises
    ------
    DataError
        If it has no rows, a value is impossible, or places contradict each other.
    """
    wide = widen(raw)
    every = without_zeros(name_columns(wide, options.mapping, options.scales))
    # A last line that may be half written has no say in what a row is, if others remain.
    whole = every.take(np.arange(len(wide) - 1)) if wide.cut else every
    named, layout, why = _laid_out(whole if len(whole) else every, options.given.get("rows"))
    if kept := wide.cut and (layout is Layout.RUN or options.keep_partial):
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
    check_values(named, zero_allowed=layout is not Layout.RUN)
    stated = facts_from_name(options.name, raw.file)
    judged = averaged(judge(named, layout, options.given, stated.get("run_id")))
    runs, along = _facts(judged, options, stated)
    reading = ColumnReading(raw.file, "(rows)", f"one row per {_WORDS[layout]}", "", None, why)
    columns = [*named.readings, *_said(raw.file, stated, options.given), reading]
    notes += [*judged.notes, *broken_off(judged), *fallen_silent(judged)]
    notes += [] if options.meta else unrecognised(named, layout)
    sources = {
        "source_id": source.id,
        "uri": source.uri,
        "file": source.name,
        "sha256": source.sha256,
        "bytes": len(source.packed),
        "modified": source.modified,
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
    judged: Judged, options: Options, stated: Mapping[str, Any]
) -> tuple[pa.Table, dict[str, pa.Array]]:
    """Split columns into facts of runs and values along runs; add the facts from elsewhere."""
    raw, meta = judged.named, options.meta
    fixed, along = {}, {}
    for name, column in raw.columns.items():
        if name != "run_id":
            place = along if name in MEASURED or not _is_fact(judged, name, column) else fixed
            place[name] = column
    if not (meta or options.name or options.facts or raw.facts):
        return _plain_facts(judged, fixed), along
    own = {n: column.take(pa.array(judged.first)).to_pylist() for n, column in fixed.items()}
    if judged.layout is Layout.RUN:
        own |= {name: along[name].to_pylist() for name in MEASURED if name in along}
    named = {name: value for name, value in stated.items() if name != "run_id"}
    others = [
        Origin("the file name", named, rounded=True),
        Origin("the header of " + raw.file, raw.facts, rounded=raw.rounded),
    ]
    said = {f"{name}_convention": convention for name, convention in raw.conventions.items()}
    rows = []
    for i, run in enumerate(judged.ids[judged.first].tolist()):
        first = [] if meta is None else [Origin(meta.file, meta.of(run, stem(raw.file)))]
        last = Origin(raw.file, {name: values[i] for name, values in own.items()} | said)
        facts = settle(run, [*first, *others, last], options.facts)
        rows.append({"run_id": run, "rows": str(judged.layout), **facts})
    if judged.layout is Layout.RUN:
        measured = [name for name in MEASURED if any(name in row for row in rows)]
        along |= {n: pa.array([row.get(n) for row in rows], pa.float64()) for n in measured}
        rows = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
    return _table(rows), along


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


def _points(judged: Judged, along: Mapping[str, pa.Array], source: str) -> pa.Table:
    raw, kinds = judged.named, POINT_CORE | POINT_TAIL
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
