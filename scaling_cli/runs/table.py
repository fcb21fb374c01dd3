"""What ingest understood: runs, their points, the sources, the columns and every doubt.

`runs` holds one row per run: facts that do not change along it. `points` holds one row per
observation. A value is looked up at the point first, then at the run. Nothing that a file holds
is lost: columns without a canonical name keep their own, typed as they were read.
"""

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.runs import known
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import stamped
from scaling_cli.vocabulary.quantities import QUANTITIES, C, D, L, N
from scaling_cli.vocabulary.shown import Shown

if TYPE_CHECKING:
    import pandas as pd


class Flag(enum.IntFlag):
    """Bits of the `flags` column of points (the store's bit values)."""

    NONFINITE = 1
    """A loss is NaN or infinite here."""
    SUPERSEDED = 4
    """Rewritten later in the same log; kept, never used."""


class Layout(enum.StrEnum):
    """What a row of a source was taken to be."""

    RUN = "run"
    CURVE = "curve"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class ColumnReading:
    """How one column (or one fact given beside the file) was understood, and why."""

    file: str
    column: str
    canonical: str
    unit: str
    convention: str | None
    why: str


@dataclass(frozen=True)
class Note:
    """One thing a careful reader should know: stable code, severity, sentence, place."""

    code: str
    level: str
    message: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    run: str | None = None

    def __str__(self) -> str:
        """Return the sentence with its place in front."""
        place = [self.file, f"row {self.row}" if self.row is not None else None]
        text = ", ".join(part for part in place if part)
        return f"{text}: {self.message}" if text else self.message


def _kinds(declared: str) -> dict[str, pa.DataType]:
    """Read `name:type ...`, the types as Arrow calls them."""
    pairs = (text.split(":") for text in declared.split())
    return {name: pa.type_for_alias(kind) for name, kind in pairs}


POINT_CORE = _kinds(
    "run_id:string segment:int16 step:int64 tokens:double flops:double lr:double loss:double "
    "val_loss:double"
)
POINT_TAIL = _kinds("flags:uint16 source_id:string line:int64")
RUN_CORE = _kinds(
    "run_id:string rows:string params:double params_convention:string loss_convention:string "
    "val_loss_convention:string"
)
SOURCE_COLUMNS = (
    _kinds("source_id:string uri:string file:string sha256:string bytes:int64")
    | _kinds("modified:int64 inode:int64 changed:int64 program:string reader:string")
    | _kinds("reader_version:string mapping:string rows_read:int64 rows_kept:int64")
    | dict.fromkeys(("run_ids", "along", "facts"), pa.list_(pa.string()))
    | _kinds("columns:string notes:string")
)
_TOKENS = ("planned_tokens", "target_tokens", "tokens_planned", "token_budget")
# Columns that say how far a run was to go, and what it counts.
PLANNED = {
    **dict.fromkeys(
        ("planned_tokens", "target_tokens", "tokens_planned", "token_budget"), "tokens"
    ),
    **dict.fromkeys(("planned_steps", "target_steps", "steps_planned"), "step"),
}
NO_LOSS = "no-loss"  # the note that none of the columns was recognised as one
_TWICE = "Give only one of them, or tell the runs apart with a run_id column or --name '{run_id}'."
_MEANINGS = {
    "run_id": "name of the run",
    "segment": "0, 1, ... increasing at each resume of the log",
    "flags": "bitset: 1 not finite, 4 superseded by a later segment or row",
    "source_id": "key into sources",
    "line": "1-based line (or row) of the source",
    "modified": "when the file that was read had been written, in ns since 1970",
    "inode": "inode of the file that was read; null: it was too new to be told by that",
    "changed": "when that inode had been changed, in ns since 1970",
    "program": "which build of this package recognised the file",
    "along": "columns without a meaning here that vary along its runs",
    "facts": "columns without a meaning here that do not",
    "rows": "what a row of the source is: run, curve or checkpoint",
    "params_convention": "how params counts: total, non_embedding or active; null: not stated",
    "val_loss_convention": "unit of the held-out loss; null: not stated",
    "loss_convention": "unit of the loss: nats/token, bits/token or bits/byte; null: not stated",
}


@dataclass(frozen=True, repr=False)
class Runs(Shown):
    """Logs as understood: what `read` returns, `scaling runs` shows and `fit` selects from.

    Parameters
    ----------
    runs, points, sources : pyarrow.Table
        One row per run, per observation, per file. Units are in the field metadata.
    columns : sequence of ColumnReading
        How every column was read.
    notes : sequence of Note
        What was assumed, left out or looks wrong.
    """

    report = "runs"

    runs: pa.Table
    points: pa.Table
    sources: pa.Table
    columns: Sequence[ColumnReading] = ()
    notes: Sequence[Note] = field(default=())

    def __len__(self) -> int:
        """Return the number of runs."""
        return self.runs.num_rows

    @cached_property
    def order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the points that count, in order, and the row of `runs` each belongs to.

        Order: runs as in the table (by name, numbers in names by value), then step (tokens where
        a run has no steps), then line. Superseded rows are not among them.
        """
        points = self.points
        owner = places(points["run_id"], self.runs["run_id"])
        axis = floats(points["step"])
        axis = np.where(np.isnan(axis), floats(points["tokens"]), axis)
        line = points["line"].to_numpy()
        rows = np.lexsort((line, np.where(np.isnan(axis), -1.0, axis), owner))
        counts = (points["flags"].to_numpy() & int(Flag.SUPERSEDED)) == 0
        rows = rows[counts[rows]]
        return rows, owner[rows]

    @cached_property
    def last_step(self) -> np.ndarray:
        """Return the last step of each run, NaN for runs without steps; shape (runs,)."""
        rows, owner = self.order
        steps = floats(self.points["step"].take(pa.array(rows)))
        there = ~np.isnan(steps)
        last = np.full(len(self), np.nan)
        np.fmax.at(last, owner[there], steps[there])
        return last

    def to_frame(self) -> "pd.DataFrame":
        """Return the points that count, with the facts of their run, as a pandas DataFrame."""
        rows, owner = self.order
        points = self.points.take(pa.array(rows)).to_pandas()
        facts = self.runs.take(pa.array(owner)).to_pandas()
        return points.join(facts[[name for name in facts.columns if name not in points.columns]])

    def noticed(self, target: str | None = None) -> list[Note]:
        """Return what reading noticed; a column named as target needs no loss beside it."""
        return [note for note in self.notes if target is None or note.code != NO_LOSS]

    def provenance(self, target: str | None = None) -> dict[str, Any]:
        """Return the files with their SHA-256, and what reading noticed, as fits store them."""
        files = self.sources.select(["uri", "sha256"]).to_pylist()
        return {
            "sources": [{"path": row["uri"], "sha256": row["sha256"]} for row in files],
            "reading": [asdict(note) for note in self.noticed(target)],
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling runs --json` prints: runs, ranges, columns, notes."""
        summary = self._summary_with_what_is_known()
        stated = self._stated()
        columns = [
            {**vars(item), "convention": item.convention or stated.get(item.canonical)}
            for item in self.columns
        ]
        notes = [{**vars(note)} for note in self.notes]
        record = {"runs": summary, "ranges": _ranges(summary), "columns": columns, "notes": notes}
        return stamped(record)

    def _summary_with_what_is_known(self) -> list[dict[str, Any]]:
        """Return the summary with how N counts and what the loss is, and how that is known."""
        summary = self.summary()
        targets = [run["target"] for run in summary]
        each = known.known(self.runs.to_pylist(), targets, self._declared())
        steps = self._rounding(targets)
        rows = zip(summary, each, steps, strict=True)
        return [{**run, **more, "loss_quantum": step} for run, more, step in rows]

    def _declared(self) -> list[set[str]]:
        """Return, for each run, what was said beside its log, or of all of them."""
        files = {run: row["file"] for row in self.sources.to_pylist() for run in row["run_ids"]}
        said: dict[str, set[str]] = {"": set()}
        logs = set(files.values())
        for reading in self.columns:
            if reading.why.startswith("--"):
                place = reading.file if reading.file in logs else ""
                said.setdefault(place, set()).add(reading.canonical)
        runs = self.runs["run_id"].to_pylist()
        return [said.get(files.get(run, ""), set()) | said[""] for run in runs]

    def _rounding(self, targets: Sequence[str]) -> list[float | None]:
        """Return the power of ten that losses were rounded to; None where they were not."""
        rows, owner = self.order
        late = known.latest(owner, len(self))
        taken = self.points.select(["val_loss", "loss"]).take(pa.array(rows[late]))
        owner = owner[late]
        held = np.array([target != L.column for target in targets], bool)
        losses = [floats(taken[name]) for name in ("val_loss", "loss")]
        return known.quanta(np.where(held[owner], *losses), owner, len(self))

    def _stated(self) -> dict[str, str]:
        """Return how a quantity is counted where the runs, and not its column, say so alike."""
        ways = {
            name.removesuffix("_convention"): set(self.runs[name].to_pylist())
            for name in self.runs.column_names
            if name.endswith("_convention")
        }
        return {name: str(*way) for name, way in ways.items() if len(way) == 1 and None not in way}

    def __repr__(self) -> str:
        """Return one line: runs, points, files, ranges, warnings."""
        spans = [f"{s} {a:.4g} to {b:.4g}" for s, (a, b) in _ranges(self.summary()).items()]
        warned = sum(note.level != "info" for note in self.notes)
        parts = [f"{len(self)} runs", f"{self.points.num_rows} points", *spans]
        parts += [f"{warned} warnings"] if warned else []
        return f"<Runs {'; '.join(parts)}>"

    def summary(self) -> list[dict[str, Any]]:
        """Return one dict per run, for `scaling runs`.

        Keys: run_id, n_points, first_step, last_step, tokens, params, flops, loss (the last one
        of `target`), target (val_loss where there is one, else loss), state, problems.
        """
        rows, owner = self.order
        edges = np.searchsorted(owner, np.arange(len(self) + 1))
        values = {
            name: np.split(floats(self.points[name].take(pa.array(rows))), edges[1:-1])
            for name in ("step", "tokens", "flops", "loss", "val_loss")
        }
        problems: dict[str, list[str]] = {}
        for note in self.notes:
            if note.run is not None and note.level != "info":
                problems.setdefault(note.run, []).append(note.message)
        return [
            _summarise(fact, {k: v[i] for k, v in values.items()}, problems.get(fact["run_id"], []))
            for i, fact in enumerate(self.runs.to_pylist())
        ]


def _ranges(summary: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Return [smallest, largest] of N, D, C and L over the runs that state them."""
    spans = {}
    for quantity in (N, D, C, L):
        values = [run.get(quantity.column) for run in summary]
        known = [float(v) for v in values if v is not None and np.isfinite(v)]
        if known:
            spans[quantity.symbol] = [min(known), max(known)]
    return spans


def combine(several: Sequence[Runs]) -> Runs:
    """Put runs of several sources together; runs are sorted by name.

    Raises
    ------
    DataError
        If one run stands in two of them.
    """
    owner: dict[str, str] = {}
    for part in several:
        claim(owner, part)
    runs = stack(part.runs for part in several)
    names = runs["run_id"].to_pylist()
    order = sorted(range(len(names)), key=lambda i: natural(names[i]))
    return Runs(
        with_units(runs.take(pa.array(order, pa.int64())), "runs"),
        with_units(stack(part.points for part in several), "points"),
        with_units(stack(part.sources for part in several), "sources"),
        [reading for part in several for reading in part.columns],
        [note for part in several for note in part.notes],
    )


def claim(owner: dict[str, str], part: Runs) -> None:
    """Add the runs of a part, each with its file, to those that have one.

    Raises
    ------
    DataError
        If one has one already; then none is added.
    """
    own: dict[str, str] = {}
    sources = part.sources.select(["file", "run_ids"]).to_pylist()
    for file, run in ((row["file"], run) for row in sources for run in row["run_ids"]):
        if before := owner.get(run, own.get(run)):
            raise DataError(f"run {run!r} is in {before} already.", file=file, hint=_TWICE)
        own[run] = file
    owner |= own


def places(names: pa.ChunkedArray, among: pa.ChunkedArray) -> np.ndarray:
    """Return the row of `among` at which each name stands."""
    index = {name: i for i, name in enumerate(among.to_pylist())}
    coded = pc.cast(names, pa.string()).combine_chunks().dictionary_encode()
    rows = np.array([index[name] for name in coded.dictionary.to_pylist()], int)
    return rows[coded.indices.to_numpy(zero_copy_only=False)]


def floats(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return a numeric column as float64, missing values as NaN."""
    values = pc.cast(column, pa.float64(), safe=False)  # an id of 17 digits is a number too
    return np.asarray(pc.fill_null(values, float("nan")).to_numpy(zero_copy_only=False))


def is_number(text: str) -> bool:
    """Say whether a text is a number as Python writes them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def natural(text: str) -> list[tuple[int, int | str]]:
    """Return a sort key under which `run:9` comes before `run:10`."""
    pieces = re.split(r"(\d+)", text)
    return [(1, int(p)) if p.isdecimal() else (0, p) for p in pieces if p]


def stack(tables: Iterable[pa.Table]) -> pa.Table:
    """Put tables under each other; a column that is text in one of them becomes text in all.

    Where a column is missing, its cells are slices of one array: many tables of other columns
    each would fill the memory with missing values.
    """
    parts = list(tables)
    if all(part.schema == parts[0].schema for part in parts):
        return pa.concat_tables(parts)
    schema, height = _together(parts), sum(part.num_rows for part in parts)
    missing = {kind: pa.nulls(height, kind) for kind in set(schema.types)}
    columns = {f.name: (f.type, missing[f.type], []) for f in schema}
    filled, above = dict.fromkeys(columns, 0), 0
    for part in [*parts, schema.empty_table()]:  # the empty one at the end has every column
        for name, column in zip(part.column_names, part.columns, strict=True):
            kind, nulls, chunks = columns[name]
            chunks += [nulls[: above - filled[name]], *pc.cast(column, kind).chunks]
            filled[name] = above + part.num_rows
        above += part.num_rows
    return pa.table([pa.chunked_array(c, kind) for kind, _, c in columns.values()], schema=schema)


def _together(parts: Sequence[pa.Table]) -> pa.Schema:
    """Return the columns that tables have under each other."""
    texts = {f.name for t in parts for f in t.schema if pa.types.is_string(f.type)}
    fields = [
        [f.with_type(pa.string()) if f.name in texts else f for f in part.schema] for part in parts
    ]
    schemas = [pa.schema(f, p.schema.metadata) for f, p in zip(fields, parts, strict=True)]
    return pa.unify_schemas(schemas, promote_options="permissive")


def with_units(table: pa.Table, kind: str) -> pa.Table:
    """Write unit and meaning of every known column into the field metadata."""
    fields = [f.with_metadata(_metadata(f.name)) for f in table.schema]
    marks = {"scaling.table": kind, "scaling.schema_version": "1"}
    return pa.table(table.columns, schema=pa.schema(fields, metadata=marks))


def _metadata(name: str) -> dict[str, str]:
    quantity = QUANTITIES.get(name)
    if quantity is None and name.startswith("params_") and name[7:] in N.conventions:
        return {"unit": N.unit, "description": f"{N.meaning}, {name[7:]} count"}
    if quantity is None:
        return {"unit": "", "description": _MEANINGS.get(name, "as in the source")}
    return {"unit": quantity.unit, "description": quantity.meaning}


def default_target(runs: Runs) -> str:
    """Return the loss to look at when nobody said: val_loss if any point has one, else loss."""
    return "val_loss" if runs.points["val_loss"].null_count < runs.points.num_rows else L.column


def _summarise(
    fact: dict[str, Any], values: dict[str, np.ndarray], problems: list[str]
) -> dict[str, Any]:
    target = "loss" if np.isnan(values["val_loss"]).all() else "val_loss"
    return {
        "run_id": fact["run_id"],
        "n_points": len(values["loss"]),
        "first_step": _edge(values["step"], 0),
        "last_step": _edge(values["step"], -1),
        "tokens": _edge(values["tokens"], -1, fact.get("tokens")),
        "params": fact.get("params"),
        "flops": _edge(values["flops"], -1, fact.get("flops")),
        "loss": _edge(values[target], -1),
        "target": target,
        "state": _state(fact, values, problems),
        "problems": problems,
    }


def _edge(values: np.ndarray, end: int, otherwise: Any = None) -> Any:
    """Return the first or last value that is there."""
    there = values[~np.isnan(values)]
    return float(there[end]) if len(there) else otherwise


def _state(fact: dict[str, Any], values: dict[str, np.ndarray], problems: list[str]) -> str:
    """Return diverged, finished, unfinished or unknown."""
    if any("diverged" in problem for problem in problems):
        return "diverged"
    axes = {axis: _edge(values[axis], -1) for axis in ("step", "tokens")}
    ends = {PLANNED[n]: 0.99 * fact[n] for n in fact.keys() & PLANNED.keys() if _counts(fact[n])}
    if fact["rows"] != Layout.RUN and fact.get("step") is not None:
        # The last step of a log that counts from zero is one less.
        ends["step"] = min(0.99 * fact["step"], fact["step"] - 1)
    known = [axes[axis] >= end for axis, end in ends.items() if axes[axis] is not None]
    if known:
        return "finished" if all(known) else "unfinished"
    return "finished" if fact["rows"] == Layout.RUN else "unknown"


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0
