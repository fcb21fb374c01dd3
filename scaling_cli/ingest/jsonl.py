"""JSON lines (one object per line), and JSON files that hold one list of objects."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.ingest._sources import BOM, Raw, format_ending, without_mark
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.reading import as_text

VERSION = "1"
NAMES = ("jsonl", "json")
LOOKED_FOR = "*.jsonl, *.ndjson, *.json (also .gz, .zst)"


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like JSON lines: by its ending, else by its first byte."""
    start = head.removeprefix(BOM).lstrip()[:1]
    if format_ending(path) in (".jsonl", ".ndjson"):
        return 0.9
    if format_ending(path) == ".json":
        return 0.9 if start == b"[" or _is_lines(head) else 0.0
    return 0.6 if start == b"{" and format_ending(path) in ("", ".txt", ".log") else 0.0


def read(path: str, content: bytes) -> list[Raw]:
    """Read JSON lines; bare NaN and Infinity, as Python writes them, are numbers.

    Nested objects become columns named `outer/inner`. A last line that is cut is left out with
    a note.

    Raises
    ------
    DataError
        If it is empty or a line is not a JSON object.
    """
    try:
        return [_read(path, without_mark(path, content))]
    except RecursionError as error:
        message = "its objects lie in each other too deeply to be read."
        raise DataError(message, file=path, hint="Write one flat object per line.") from error


def _read(path: str, content: bytes) -> Raw:
    notes: list[Note] = []
    if content.lstrip().startswith(b"["):
        (records, lines), cut = _array(path, content), False
    else:
        records, lines = _lines(path, content, notes)
        cut = bool(records) and not content.endswith(b"\n") and not notes
    return Raw.of_records(path, records, lines, cut=cut, notes=notes)


def _is_lines(head: bytes) -> bool:
    """Say whether the first line is a whole JSON object (a pretty-printed file's is not)."""
    try:
        return isinstance(json.loads(head.split(b"\n", 1)[0]), dict)
    except (ValueError, RecursionError):
        return False


def _lines(path: str, content: bytes, notes: list[Note]) -> tuple[list[dict[str, Any]], list[int]]:
    records, lines = [], []
    pieces = content.split(b"\n")
    for number, piece in enumerate(pieces, start=1):
        if not piece.strip():
            continue
        try:
            record = json.loads(piece)
        except ValueError as error:
            if number < len(pieces):
                told, hint = "the line is not JSON.", "Mend or delete it."
                raise DataError(told, file=path, row=number, hint=hint) from error
            message = "left out: the line is not whole JSON; it looks cut while being written."
            notes.append(Note("short-row", "warn", message, path, number))
            continue
        records.append(_object(record, path, number))
        lines.append(number)
    return records, lines


def _array(path: str, content: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    try:
        records = json.loads(content)
    except ValueError as error:
        hint = "Write one object per line instead."
        raise DataError("the file is not whole JSON.", file=path, hint=hint) from error
    flat = [_object(record, path, i) for i, record in enumerate(records, start=1)]
    return flat, list(range(1, len(flat) + 1))


def _object(record: Any, path: str, row: int) -> dict[str, Any]:
    if not isinstance(record, dict):
        message = f"expected a JSON object, found {type(record).__name__}."
        raise DataError(message, file=path, row=row)
    return dict(_flatten(record))


def _flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}/")
        else:
            yield as_text(name), value
