"""From original records to the normalised table: canonical columns with unit and convention."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa

from scaling_cli.datasets import layouts
from scaling_cli.datasets.expression import evaluate
from scaling_cli.datasets.schema import Card, Column
from scaling_cli.vocabulary.errors import DataError


def normalise(card: Card, files: Mapping[str, Path]) -> pa.Table:
    """Return the table of a card from its files, one row per record of the layout's reader."""
    rows = [_row(card, record) for record in layouts.get(card.layout).records(files)]
    for column in card.columns:
        if column.excess_of is not None:
            _fill_excess(rows, column, str(card.path))
    arrays = [pa.array([row[c.name] for row in rows], type=_type(c)) for c in card.columns]
    schema = pa.schema([pa.field(c.name, _type(c), metadata=_metadata(c)) for c in card.columns])
    return pa.Table.from_arrays(arrays, schema=schema)


def write(table: pa.Table, path: Path) -> None:
    """Write the table as CSV at full precision, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table.column_names)
        columns = [column.to_pylist() for column in table.columns]
        writer.writerows(zip(*columns, strict=True))
    partial.replace(path)


def _type(column: Column) -> pa.DataType:
    return pa.string() if column.unit is None else pa.float64()


def _metadata(column: Column) -> dict[str, str]:
    known = {"unit": column.unit, "convention": column.convention}
    return {key: value for key, value in known.items() if value is not None}


def _row(card: Card, record: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the columns in order, so that a formula may use those before it."""
    row: dict[str, Any] = {}
    for column in card.columns:
        if column.excess_of is None:
            row[column.name] = _cell(card, column, record, row)
    return row


def _fill_excess(rows: Sequence[dict[str, Any]], column: Column, file: str) -> None:
    """Fill in x/min(x) - 1, the least being that of the rows which agree in the group's columns."""
    source, needed = str(column.excess_of), (str(column.excess_of), *column.within)
    missing = [name for name in needed if rows and name not in rows[0]]
    if missing:
        raise DataError(
            f"column {column.name!r} is made of {', '.join(missing)}, which is no column.",
            file=file,
        )
    least: dict[tuple[Any, ...], float] = {}
    for row in rows:
        group = tuple(row[name] for name in column.within)
        least[group] = min(least.get(group, math.inf), row[source])
    for row in rows:
        row[column.name] = row[source] / least[tuple(row[n] for n in column.within)] - 1


def _cell(card: Card, column: Column, record: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    if column.formula is not None:
        return evaluate(column.formula, row)
    keys = [column.source] if column.source else _expand(column.mean_error, record)
    missing = [key for key in keys if key not in record]
    if missing or not keys:
        raise DataError(
            f"column {column.name!r} comes from {', '.join(missing or column.mean_error)}, which "
            "the files do not have.",
            file=str(card.path),
        )
    if column.mean_error:
        return fmean(1 - float(record[key]) for key in keys)
    return _number(record[keys[0]], card, column)


def _expand(patterns: Sequence[str], record: Mapping[str, Any]) -> list[str]:
    """Replace `icl.*` by every key that starts with `icl.`."""
    keys: list[str] = []
    for pattern in patterns:
        stem = pattern.removesuffix("*")
        keys += [k for k in record if k.startswith(stem)] if stem != pattern else [pattern]
    return keys


def _number(value: Any, card: Card, column: Column) -> Any:
    if column.unit is None:
        return str(value)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{value!r} is not a number.", file=str(card.path), column=column.name
        ) from error
