"""Facts of runs that their files lack: --set, --meta, --name, and what files are called.

The first of these places that has a fact decides, then the log's header. Where two of them state
the same fact differently, nothing is chosen: that is an error, unless `--set` settles it. A number
in a file name counts as rounded: within 5 % it agrees with the exact one, which is then used.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from scaling_cli.ingest._beside import Beside, Folder, digest, folder_of
from scaling_cli.ingest._columns import canonical_name, canonical_of, name_columns
from scaling_cli.ingest._sources import Raw, Source, stem
from scaling_cli.runs.table import ColumnReading, Layout, Note
from scaling_cli.vocabulary import loss_kinds, quantities
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

_SKIPPED = ("", "_")  # fields of `--name` that state nothing
# Options of `--set` that say how to read, not what is so.
_DIRECTIONS = ("rows", "run_id")
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
    loss_kinds.FACT: tuple(map(str, loss_kinds.LossKind)),
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
def _pieces(pattern: str) -> tuple[list[str], list[str]]:
    """Return the texts around the fields of `{params}_{tokens}`, and the fields; `{}` skips some.

    Raises
    ------
    UsageError
        If a field stands twice or there is none.
    """
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    fields = [name for name in pieces[1::2] if name not in _SKIPPED]
    if not fields or len(set(fields)) != len(fields):
        hint = "Such as '{params}_{tokens}'; {} skips a part."
        raise UsageError(f"--name {pattern!r} must name each field once.", hint=hint)
    return pieces[::2], pieces[1::2]


def _fields(pattern: str, file: str) -> dict[str, str] | None:
    """Return what the fields of a pattern take of a file's stem; None if it does not fit.

    Each takes as little as it can, and at least a character; the last one takes the rest.
    """
    name = stem(file)
    (start, *texts), fields = _pieces(pattern)
    at, taken = len(start), []
    for text in texts[:-1]:
        end = name.find(text, at + 1)
        if end < 0:
            return None
        taken.append(name[at:end])
        at = end + len(text)
    end = len(name) - len(texts[-1])
    if not name.startswith(start) or not name.endswith(texts[-1]) or end <= at:
        return None
    pairs = zip(fields, [*taken, name[at:end]], strict=True)
    return {field: text for field, text in pairs if field not in _SKIPPED}


def facts_from_name(pattern: str | None, file: str) -> dict[str, Any]:
    """Return the facts that a file's stem states under a pattern, if it matches.

    Raises
    ------
    DataError
        If a field that should be a quantity cannot be read as one.
    """
    if pattern is None:
        return {}
    facts: dict[str, Any] = {}
    for name, text in (_fields(pattern, file) or {}).items():
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
    left = [file for file in files if _fields(pattern, file) is None]
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
    table: str = ""
    """The file of --meta: it is no log, wherever it lies."""

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
    def _folders(self) -> dict[Path, Folder]:
        return {}

    def beside(self, source: Source) -> Beside | None:
        """Return the configuration that lies beside a log; a folder is looked into once."""
        path = folder_of(source)
        if path is None:
            return None
        if path not in self._folders:
            self._folders[path] = Folder(path, Path(self.table).name)
        return self._folders[path].beside(source)

    def read_as(self, source: Source) -> str:
        """Return what a store compares: all that changes how this file is understood."""
        return digest(self.as_json, self.beside(source))

    @cached_property
    def as_json(self) -> str:
        """Return all that was said that changes how files are understood."""
        said = {
            "map": dict(self.map),
            "set": {key: str(value) for key, value in self.set.items()},
            "name": self.name,
            "meta": self.meta.sha256 if self.meta else None,
            "keep_partial": self.keep_partial,
            **({} if self.pattern is None else {"pattern": self.pattern}),
        }
        return json.dumps(said, sort_keys=True)
