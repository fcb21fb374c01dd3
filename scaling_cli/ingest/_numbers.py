"""Columns of numbers: fast where they are plain, careful where people wrote them by hand."""

import re
from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._raw import NULLS, Raw
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.quantities import Quantity, parse_number

# Thousands never begin with a zero: 0,345 is a decimal.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_ONE_COMMA = re.compile(r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*[A-Za-z]*\s*)$")
_TWO_READINGS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}\s*[A-Za-z]*")
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "infinity": float("inf")}
# Counts are written as 7B or 1T; a loss or a learning rate never is.
_WITH_SUFFIX = {"params", "average_params", "tokens", "unique_tokens", "flops", "batch_tokens"}


def is_numeric(column: pa.Array) -> bool:
    """Say whether a column already has a numeric type."""
    return pa.types.is_integer(column.type) or pa.types.is_floating(column.type)


def numbers(
    column: pa.Array,
    *,
    file: str,
    name: str,
    lines: np.ndarray,
    quantity: Quantity | None = None,
) -> pa.Array:
    """Return a column as float64: `nan` and `inf` kept, missing values null.

    Thousands separators (`1,234,567`) are read anywhere, suffixes (`7B`) in counts.

    Raises
    ------
    DataError
        At the first cell that is not a number; names file, row, column and the text.
    """
    if is_numeric(column):
        return pc.cast(column, pa.float64(), safe=False)
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.float64())
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        cells = column.to_pylist()
    suffixed = quantity if quantity is not None and quantity.column in _WITH_SUFFIX else None
    values: list[float | None] = []
    for i, cell in enumerate(cells):
        try:
            values.append(None if cell is None else number(cell, suffixed))
        except ValueError as error:
            message = f"{cell!r} is not a number."
            hint = _hint(str(cell))
            line = int(lines[i])
            raise DataError(message, hint=hint, file=file, row=line, column=name) from error
    return pa.array(values, pa.float64())


def number(text: str, quantity: Quantity | None = None) -> float | None:
    """Read one cell: a plain number, nan or inf, thousands separators, or a suffixed count.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    cell = text.strip()
    if cell in NULLS:
        return None
    if _PLAIN.fullmatch(cell):
        return float(cell)
    word = cell.lower().lstrip("+-")
    if word in _NOT_FINITE:
        return -_NOT_FINITE[word] if cell.startswith("-") else _NOT_FINITE[word]
    if _THOUSANDS.fullmatch(cell):
        return float(cell.replace(",", ""))
    if quantity is None:
        raise ValueError(cell)
    try:
        return parse_number(cell, quantity)
    except UsageError as error:
        raise ValueError(cell) from error


def _hint(cell: str) -> str:
    if re.fullmatch(r"[+-]?\d+,\d+", cell.strip()):
        return "Decimal commas are not guessed: write a point."
    return "Mend the cell, or leave it empty if there is no value."


def refuse_decimal_commas(raw: Raw, wanted: Collection[str]) -> None:
    """Refuse `2,345` in a column of numbers where commas do not separate the fields.

    It may be 2.345 or 2345, and what is clear in one cell (`2,3`) is a guess for its neighbours.
    Groups that only thousands have (`1,234,567`) are read.

    Raises
    ------
    DataError
        If a wanted column has such a cell, and none with two groups.
    """
    for name in wanted if raw.decimal_commas else ():
        column = raw.columns[name]
        cells = _with_commas(column)
        if not cells or not all(map(_ONE_COMMA.match, cells)):
            continue
        cell = cells[0].strip()
        row = column.to_pylist().index(cells[0])
        could = f"could be {cell.replace(',', '.')} or {cell.replace(',', '')}"
        raise DataError(
            f"{cell!r} {could if _TWO_READINGS.fullmatch(cell) else 'has a decimal comma'}.",
            file=raw.file,
            row=int(raw.lines[row]),
            column=name,
            hint="Write the numbers of the column with decimal points and without other commas.",
        )


def _with_commas(column: pa.Array) -> list[str]:
    """Return the different cells of a column of text that hold a comma, in order."""
    if not pa.types.is_string(column.type):
        return []
    options = pc.MatchSubstringOptions(",")
    return (
        column.filter(pc.call_function("match_substring", [column], options)).unique().to_pylist()
    )


def inferred(column: pa.Array) -> pa.Array:
    """Return a column without a canonical name as int64, float64 or text, whichever holds it."""
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.float64())
    for kind in (pa.int64(), pa.float64()):
        try:
            return pc.cast(column, kind)
        except pa.ArrowInvalid:
            continue
    return pc.cast(pc.call_function("utf8_trim_whitespace", [column]), pa.string())
