"""Columns of numbers: fast where they are plain, careful where people wrote them by hand."""

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.errors import DataError, UsageError
from scaling_cli.ingest._raw import NULLS, Raw
from scaling_cli.quantities import Quantity, parse_number
from scaling_cli.runs import Note

# Thousands never begin with a zero: 0,345 is a decimal.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_ONE_COMMA = re.compile(r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*[A-Za-z]*\s*)$")
_TWO_READINGS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*[A-Za-z]*\s*")
_POINT = r"^\s*[+-]?\d*\.\d"
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


def with_points(raw: Raw, wanted: Collection[str], run_id: str | None) -> Raw:
    """Return a table with points for its decimal commas, and a note that says so.

    Only where commas do not separate the fields, and column by column: `2,345` is a decimal in a
    column with cells that can be nothing else (`2,3`, `0,345`), a thousand in one with
    `1,234,567`. A column that is not wanted stays text unless all of it is decimals.

    Raises
    ------
    DataError
        If the cells of a wanted column do not settle what their commas are.
    """
    if not raw.decimal_commas:
        return raw
    decimals: dict[str, pa.Array] = {}
    for name, column in raw.columns.items():
        cells = [] if name == run_id else _with_commas(column)
        if not all(map(_ONE_COMMA.match, cells)):
            continue  # groups of thousands, or no numbers: each cell is judged by itself
        if _are_decimals(column, cells):
            pointed = _replaced(column)
            decimals |= {name: pointed} if name in wanted or _is_float(pointed) else {}
        elif cells and name in wanted:
            raise _unsettled(raw, name, cells)
    if not decimals:
        return raw
    return replace(
        raw,
        columns={**raw.columns, **decimals},
        notes=(*raw.notes, _decimal_note(raw, decimals)),
    )


def _with_commas(column: pa.Array) -> list[str]:
    """Return the different cells of a column of text that hold a comma."""
    if not pa.types.is_string(column.type):
        return []
    return column.filter(_matches(column, ",")).unique().to_pylist()


def _matches(column: pa.Array, pattern: str) -> pa.Array:
    options = pc.MatchSubstringOptions(pattern)
    return pc.call_function("match_substring_regex", [column], options)


def _are_decimals(column: pa.Array, cells: list[str]) -> bool:
    """Say whether commas mark decimals: some cannot mark thousands, and there is no point."""
    shown = not all(map(_TWO_READINGS.fullmatch, cells))
    return shown and not pc.call_function("any", [_matches(column, _POINT)]).as_py()


def _replaced(column: pa.Array) -> pa.Array:
    options = pc.ReplaceSubstringOptions(_ONE_COMMA.pattern, r"\1.\2")
    return pc.call_function("replace_substring_regex", [column], options)


def _is_float(column: pa.Array) -> bool:
    try:
        pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _decimal_note(raw: Raw, decimals: Collection[str]) -> Note:
    name = next(iter(decimals))
    cell = _with_commas(raw.columns[name])[0].strip()
    message = (
        f"commas are decimal commas in {', '.join(decimals)}: {cell!r} was read as "
        f"{cell.replace(',', '.')}."
    )
    return Note("decimal-comma", "info", message, raw.file)


def _unsettled(raw: Raw, name: str, cells: list[str]) -> DataError:
    cell = cells[0].strip()
    message = f"{cell!r} could be {cell.replace(',', '.')} or {cell.replace(',', '')}"
    if not _TWO_READINGS.fullmatch(cell):
        message = f"{cell!r} has a decimal comma, other cells of the column have points"
    row = raw.columns[name].to_pylist().index(cells[0])
    return DataError(
        f"{message}.",
        file=raw.file,
        row=int(raw.lines[row]),
        column=name,
        hint="Write the numbers of the column with decimal points and without other commas.",
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
