"""Facts about a run that its file lacks: --set, --meta, --name, the log's header, its columns.

The first of these that has a fact decides. Where two of them state the same fact differently,
nothing is chosen: that is an error, unless `--set` settles it. A number in a file name counts as
rounded: within 5 % it agrees with the exact one, which is then used.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest._columns import canonical_of, name_columns
from scaling_cli.ingest._sources import Raw, stem
from scaling_cli.runs.table import ColumnReading, Layout, Note
from scaling_cli.vocabulary.errors import DataError, UsageError, some
from scaling_cli.vocabulary.quantities import (
    QUANTITIES,
    L,
    N,
    convention_of,
    parse_number,
    recognise,
)

_ROUNDED = 0.05
_EXACT = 1e-6
# What a table of metadata calls `final_loss` or `peak_lr` is not the loss or rate of a row.
OWN_NAMES_IN_META = frozenset({"loss", "val_loss", "lr"})
_CONVENTIONS = {
    "params_convention": N.conventions,
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
            message = f"{len(left)} row(s) belong to no run that was read: {some(left)}."
            first = self.lines[left[0]]
            notes.append(Note("meta-unmatched-row", "warn", message, self.file, first))
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
    key = "run_id" if "run_id" in named.columns else _key_column(named.columns, stems)
    if key is None:
        raise DataError(
            "no column names the runs.",
            file=raw.file,
            hint=f"Add a run_id column that holds the run ids or file stems ({some(stems)}). "
            f"Columns found: {', '.join(raw.columns)}.",
        )
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
        if "params" in rows[name] and named.conventions.get("params"):
            rows[name]["params_convention"] = named.conventions["params"]
        lines[name] = int(raw.lines[i])
    readings = [replace(r, why=f"--meta: {r.why}") for r in named.readings]
    return Meta(raw.file, sha256, rows, lines, readings, doubts=named.notes)


def _key_column(columns: Mapping[str, pa.Array], stems: Sequence[str]) -> str | None:
    wanted = set(stems)
    for name, column in columns.items():
        if pa.types.is_string(column.type):
            values = {stem(v) for v in column.to_pylist() if v is not None}
            if values & wanted:
                return name
    return None


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
        amount = parse_number(value, QUANTITIES.get(name)) if text else float(value)
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
        raise UsageError(
            f"--name {pattern!r} must name each field once.",
            hint="Such as '{params}_{tokens}'; {} skips a part.",
        )
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
        raise UsageError(
            f"--name {pattern!r} fits no file name.",
            hint=f"File stems: {some([stem(file) for file in files])}.",
        )
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
    settled: dict[str, Any] = {}
    decided: dict[str, Origin] = {}
    for origin in origins:
        for name, value in origin.facts.items():
            if value is None or name in given:
                continue
            if name not in settled:
                settled[name], decided[name] = value, origin
                continue
            first = decided[name]
            rounded = first.rounded or origin.rounded
            if not _agree(settled[name], value, _ROUNDED if rounded else _EXACT):
                raise DataError(
                    f"run {run!r}: {first.name} says {name} = {_shown(settled[name])}, "
                    f"{origin.name} says {_shown(value)}.",
                    hint=f"Mend one of them, or settle it with --set {name}=...",
                    column=name,
                )
            if first.rounded and not origin.rounded:
                settled[name], decided[name] = value, origin
    if "params" in given:
        settled.pop("params_convention", None)  # it belonged to the count that is replaced
    return settled | dict(given)


def _agree(one: Any, other: Any, tolerance: float) -> bool:
    try:
        return math.isclose(float(one), float(other), rel_tol=tolerance) or (
            np.isnan(float(one)) and np.isnan(float(other))
        )
    except (TypeError, ValueError):
        return str(one) == str(other)


def _shown(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
