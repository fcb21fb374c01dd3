"""From original records to the normalised table: canonical columns with unit and convention."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa

from scaling_cli.datasets import layouts
from scaling_cli.datasets.schema import Card, Column
from scaling_cli.vocabulary import arithmetic
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import write_whole


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
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    write_whole(path, text.getvalue().encode())


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
    source = str(column.excess_of)
    missing = [name for name in (source, *column.within) if rows and name not in rows[0]]
    if missing:
        message = f"column {column.name!r} is made of {', '.join(missing)}, which is no column."
        raise DataError(message, file=file)
    groups = [tuple(row[name] for name in column.within) for row in rows]
    least: dict[tuple[Any, ...], float] = {}
    for row, group in zip(rows, groups, strict=True):
        least[group] = min(least.get(group, math.inf), row[source])
    for row, group in zip(rows, groups, strict=True):
        row[column.name] = row[source] / least[group] - 1


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
    value = record[keys[0]]
    if column.unit is None:
        return str(value)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        message = f"{value!r} is not a number."
        raise DataError(message, file=str(card.path), column=column.name) from error


def _expand(patterns: Sequence[str], record: Mapping[str, Any]) -> list[str]:
    """Replace `icl.*` by every key that starts with `icl.`."""
    keys: list[str] = []
    for pattern in patterns:
        stem = pattern.removesuffix("*")
        keys += [k for k in record if k.startswith(stem)] if stem != pattern else [pattern]
    return keys


def evaluate(text: str, row: Mapping[str, Any]) -> Any:
    """Return the value of a formula for one row, such as `flops / (6 * params)`.

    Numbers, column names, + - * / and brackets only: a card is data, and data must not run code.

    Raises
    ------
    DataError
        If the formula is not arithmetic, or names a column that is not there.
    """
    try:
        return arithmetic.evaluate(text, row, arithmetic.BASIC)
    except (SyntaxError, TypeError, ZeroDivisionError) as error:
        raise DataError(f"cannot evaluate {text!r}: {error}.") from error
    except KeyError as error:
        raise DataError(f"{text!r} names {error}, which is no column.") from error
