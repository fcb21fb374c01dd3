"""Spreadsheets (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`, `.ods`): each sheet with rows is a table.

They are read by python-calamine, the extra `xlsx`: cells as they were last computed, no macros. The
header is the first row whose cells are all text, so that titles may stand above it.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

from scaling_cli.ingest._sources import NULLS, Raw, format_ending
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.bounds import require_room
from scaling_cli.vocabulary.errors import DataError

VERSION = "1"
NAMES = ("xlsx", "xls", "ods")
LOOKED_FOR = "*.xlsx, *.xls, *.ods (the extra xlsx)"
_ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_ZIP, _COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MOST_CELLS = 50_000_000
_TIMES = (date, datetime, time)
_HINT = "Was it saved whole? Save the sheet as CSV, and give that."


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like a spreadsheet: by its ending and its first four bytes."""
    return 0.95 if format_ending(path) in _ENDINGS and head[:4] in (_ZIP, _COMPOUND) else 0.0


def read(path: str, content: bytes) -> list[Raw]:
    """Read the sheets of a spreadsheet that have rows; one of several is named after its sheet.

    Raises
    ------
    DataError
        If it is damaged or encrypted, no sheet has a table, or python-calamine is not installed.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        message = "a spreadsheet needs the package python-calamine, which is not installed."
        hint = "pip install 'scaling-cli[xlsx]', or save the sheet as CSV."
        raise DataError(message, file=path, hint=hint) from error
    _require_room(path, content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = {name: book.get_sheet_by_name(name) for name in book.sheet_names}
        cells = {name: _cells(path, sheet) for name, sheet in sheets.items()}
    except (CalamineError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        message = f"not a whole spreadsheet: {str(error).rstrip('.')}."
        raise DataError(message, file=path, hint=_HINT) from error
    tables = {name: _table(path, rows) for name, rows in cells.items()}
    there = {name: table for name, table in tables.items() if table is not None}
    if not there:
        message = "no sheet has a header and a row under it."
        raise DataError(message, file=path, hint="Give the table a first row of column names.")
    if len(there) == 1:
        return [*there.values()]
    return [replace(table, run=f":{name}") for name, table in there.items()]


def _require_room(path: str, content: bytes) -> None:
    """Refuse what unpacks beyond all proportion.

    Raises
    ------
    DataError
    """
    if not content.startswith(_ZIP):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            size = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError("not a whole spreadsheet.", file=path, hint=_HINT) from error
    require_room(path, len(content), size)


def _cells(path: str, sheet: Any) -> list[list[Any]]:
    if sheet.total_height * sheet.total_width > _MOST_CELLS:
        message = f"a sheet has {sheet.total_height} rows and {sheet.total_width} columns."
        raise DataError(message, file=path, hint="Save what counts of it as CSV, and give that.")
    return sheet.to_python(skip_empty_area=False)


def _table(path: str, rows: Sequence[Sequence[Any]]) -> Raw | None:
    """Return the table on a sheet; None if there is none."""
    top = next((i for i, row in enumerate(rows) if _is_header(row)), None)
    if top is None:
        return None
    named = {place: str(cell).strip() for place, cell in enumerate(rows[top]) if cell != ""}
    twice = sorted({name for name in named.values() if list(named.values()).count(name) > 1})
    if twice:
        message = f"the header names {', '.join(map(repr, twice))} twice."
        raise DataError(message, file=path, row=top + 1, hint="Rename one of them.")
    below = [(i + 1, row) for i, row in enumerate(rows) if i > top and any(c != "" for c in row)]
    if not below:
        return None
    records = [{name: _cell(row[place]) for place, name in named.items()} for _, row in below]
    notes = []
    if top:
        told = f"{top} row(s) above the header (row {top + 1}) are passed over."
        notes.append(Note("rows-above", "info", told, path))
    return Raw.of_records(path, records, [line for line, _ in below], cut=False, notes=notes)


def _is_header(row: Sequence[Any]) -> bool:
    """Say whether a row names columns: text, in two cells or more."""
    cells = [cell for cell in row if cell != ""]
    return len(cells) > 1 and all(isinstance(cell, str) for cell in cells)


def _cell(cell: Any) -> Any:
    """Return a cell as a table of text has it."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, _TIMES):
        return cell.isoformat()
    return None if isinstance(cell, str) and cell.strip() in NULLS else cell
