"""What neptune-exporter saved of Neptune: Parquet with a row for each value of each attribute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from scaling_cli.ingest import _settings, parquet
from scaling_cli.ingest._series import Series, side_by_side, whole_steps
from scaling_cli.ingest._sources import Raw
from scaling_cli.runs.table import floats
from scaling_cli.vocabulary.errors import DataError

VERSION = "2"
NAMES = ("neptune",)
LOOKED_FOR = "exports of Neptune (*.parquet)"
_SCHEMA = frozenset(("run_id", "attribute_path", "attribute_type", "step", "float_value"))
_SERIES = "float_series"
_VALUES = ("string_value", "float_value", "int_value", "bool_value")
_NAMES = ("sys/name", "sys/custom_run_id")
_CERTAIN = 1.0


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like such an export: by the schema at the end of the file."""
    if not parquet.sniff("", head) or not Path(path).is_file():
        return 0.0
    try:
        there = set(pyarrow.parquet.read_schema(path).names)
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError):
        return 0.0
    return _CERTAIN if there >= _SCHEMA else 0.0


@dataclass(frozen=True)
class _Part(Raw):
    """What one file holds of a run: its series, and its other attributes."""

    attributes: Mapping[str, Any] = field(default_factory=dict)


def read(path: str, content: bytes) -> list[Raw]:
    """Read an export, a part for each run in it.

    Raises
    ------
    DataError
        If it is cut or not Parquet, or has other columns.
    """
    [whole] = parquet.read(path, content)
    if not whole.columns.keys() >= _SCHEMA:
        missing = ", ".join(sorted(_SCHEMA - whole.columns.keys()))
        raise DataError(f"not an export of Neptune: no {missing}.", file=path)
    table = pa.table(dict(whole.columns))
    parts, folder = [], Path(path).parent
    for run in table["run_id"].unique().to_pylist():
        own = table.filter(pc.call_function("equal", [table["run_id"], pa.scalar(run)]))
        series = own.filter(pc.call_function("equal", [own["attribute_type"], pa.scalar(_SERIES)]))
        columns = {
            name: series[name].combine_chunks() for name in ("attribute_path", "float_value")
        }
        columns["step"] = pa.array(floats(series["step"]))  # a decimal, or its digits
        lines, segments = np.arange(1, len(series) + 1), np.zeros(len(series), np.int16)
        size = len(content) * len(own) // len(table) + 1
        part = _Part(path, columns, lines, segments, part_of=f"{folder}/{run}", size=size)
        parts.append(replace(part, attributes=_attributes(own)))
    return parts


def _where(table: pa.Table, column: str, value: str) -> pa.Table:
    return table.filter(pc.call_function("equal", [table[column], pa.scalar(value)]))


def _attributes(table: pa.Table) -> dict[str, Any]:
    """Return the attributes of a run that have one value."""
    said: dict[str, Any] = {}
    for name in _VALUES:
        kind = name.removesuffix("_value")
        if name in table.column_names:
            own = table.filter(
                pc.call_function("equal", [table["attribute_type"], pa.scalar(kind)])
            )
            said |= zip(own["attribute_path"].to_pylist(), own[name].to_pylist(), strict=True)
    return {name: value for name, value in said.items() if value is not None}


def join(folder: str, parts: Sequence[Raw]) -> Raw:
    """Return the series of a run side by side.

    Raises
    ------
    DataError
        If it has none.
    """
    held = [part for part in parts if len(part)]
    if not held:
        raise DataError("the run has no series of numbers.", file=folder, hint="Export them too.")
    path = pa.concat_arrays([part.columns["attribute_path"] for part in held]).dictionary_encode()
    step, value = (
        np.concatenate([floats(part.columns[name]) for part in held])
        for name in ("step", "float_value")
    )
    broken = step != np.floor(step)
    if broken.any():
        message = f"the step {step[broken][0]:g} is no whole number."
        raise DataError(message, file=folder, hint="Log whole steps.")
    names, code = path.dictionary.to_pylist(), np.asarray(path.indices, int)
    size = len(step)
    none = np.full(size, np.nan)
    series = Series(names, code, whole_steps(folder, step), value, none, np.zeros(size, int))
    # A file holds a metric after the other: side by side they stand in the order of steps.
    series = series.take(np.lexsort((np.arange(size), series.step)))
    raw = side_by_side(folder, series, sum(part.size for part in parts))
    said = {k: v for part in parts if isinstance(part, _Part) for k, v in part.attributes.items()}
    run = next((str(said[name]) for name in _NAMES if said.get(name)), "")
    config = {name: value for name, value in said.items() if not name.startswith("sys/")}
    facts = _settings.facts(config)
    if said.get("sys/failed") is not None:
        facts["status"] = "failed" if said["sys/failed"] in (True, "True") else "finished"
    notes = (*(note for part in parts for note in part.notes), *raw.notes)
    return replace(raw, run=run, facts=facts, notes=notes)
