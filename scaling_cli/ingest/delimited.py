"""CSV and TSV (and `;` or `|` between the fields), wide or long, with or without quotes.

Clean files go through pyarrow as text columns; what has quotes with a purpose, blank lines,
repeated headers or rows of another length is read line by line, so that every problem has its line
number.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from scaling_cli.ingest._sources import NULLS, Raw, format_ending, raw_of, without_mark
from scaling_cli.runs.table import Note, is_number
from scaling_cli.vocabulary.errors import DataError

VERSION = "2"
NAMES = ("csv", "tsv")
LOOKED_FOR = "*.csv, *.tsv (also .gz, .zst)"
DELIMITERS = (",", "\t", ";", "|")
_ENDINGS = (".csv", ".tsv", ".tab")
_GLUED = (
    "Put numbers with thousands separators in quotes, close every quote, and give two lines that "
    "were glued together a line each."
)
_NAMELESS = "unnamed_"
_LONGEST_CELL = csv.field_size_limit()  # that the careful way takes
_LONGEST_NAME = 40  # of a column; what is longer is prose with commas in it


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like delimited text: by its ending, else by its first line."""
    if b"\x00" in head:
        return 0.0
    if format_ending(path) in _ENDINGS:
        return 0.9
    first, *others = [line for line in head.splitlines()[:9] if line.strip()] or [b""]
    if first.lstrip().startswith((b"{", b"[")) or format_ending(path) not in ("", ".txt"):
        return 0.0
    fields = first.split(delimiter_of(first).encode())
    names = len(fields) > 1 and all(len(name) <= _LONGEST_NAME for name in fields)
    alike = all(len(o.split(delimiter_of(first).encode())) == len(fields) for o in others[:1])
    return 0.4 if names and alike else 0.0


def beside(path: Path) -> bool:
    """Say whether CatBoost wrote this beside its errors: how long it takes."""
    return path.name == "time_left.tsv"


def read(path: str, content: bytes) -> list[Raw]:
    """Read a delimited file.

    Raises
    ------
    DataError
        If it is empty, has no header, is not UTF-8, or a row has too many fields.
    """
    content = without_mark(path, content)
    delimiter = delimiter_of(content)
    table = _fast(content, delimiter)
    if table is None:
        raw = _careful(path, content, delimiter)
    else:
        cut = table.num_rows > 0 and not content.endswith(b"\n")
        raw = raw_of(path, table, first=2, cut=cut)
    return [replace(raw, decimal_commas=delimiter != ",")]


def delimiter_of(content: bytes) -> str:
    """Return the separator that the header line has most of (a comma where it has none)."""
    header = content.lstrip().split(b"\n", 1)[0].decode(errors="replace")
    return max(DELIMITERS, key=header.count)


def _fast(content: bytes, delimiter: str) -> pa.Table | None:
    """Read a file without peculiarities; None if it has any."""
    text = without_quotes(content, delimiter)
    names = plain_names(text, delimiter)
    if names is None:
        return None
    table = parsed(text, delimiter, names, dict.fromkeys(names, pa.string()))
    plain = text is content and not any(name.startswith(_NAMELESS) for name in names)
    return table if plain or table is None or _says_the_same(table) else None


def without_quotes(content: bytes, delimiter: str) -> bytes:
    """Return the same cells without quotes, as R sets them; as it is where one has a purpose."""
    end = content.rfind(b'"') + 2
    if end < 2:
        return content
    quoted = np.frombuffer(b"\n" + content[:end] + b"\n", np.uint8)  # each cell is between two ends
    ends = np.flatnonzero((quoted == ord(delimiter)) | (quoted == ord("\n")))
    marks = np.flatnonzero(quoted == ord('"'))
    opened, closed = marks[: len(marks) // 2 * 2 : 2], marks[1::2]
    behind = closed + 1 + (quoted[closed + 1] == ord("\r"))
    alone = len(marks) % 2 == 0 and content.count(b"\r") == content.count(b"\r\n")
    cell = np.searchsorted(ends, opened)
    around = alone and np.array_equal(ends[cell - 1], opened - 1) and np.all(ends[cell] == behind)
    return content.translate(None, b'"') if around else content


def _says_the_same(table: pa.Table) -> bool:
    """Say whether rows that had quotes have nothing to strip, or to take for a header or a gap."""
    columns = [column.combine_chunks() for column in table.columns]
    names = pc.SetLookupOptions(pa.array(table.column_names))
    for column in columns:
        stripped = pc.call_function("utf8_trim_whitespace", [column])
        again = pc.call_function("is_in", [column], names)
        longest = pc.call_function("max", [pc.call_function("binary_length", [column])]).as_py()
        if not stripped.equals(column) or again.true_count or (longest or 0) > _LONGEST_CELL:
            return False
    there = [column.is_valid().to_numpy(zero_copy_only=False) for column in columns]
    return bool(np.all(np.any(there, axis=0)))


def plain_names(content: bytes, delimiter: str) -> tuple[str, ...] | None:
    """Return the names of the columns of a file without peculiarities; None if it has any."""
    header = content.split(b"\n", 1)[0].rstrip(b"\r")
    cells = header.decode(errors="replace").split(delimiter)
    names = tuple(named(cells))
    plain = all(n == n.strip() and not is_number(n) and "\ufffd" not in n for n in names)
    again = header.split(delimiter.encode())[0]
    if not (plain and cells[-1]) or len(set(names)) < len(names) or b'"' in content:
        return None
    return None if _has_odd_lines(content, again) else names


def named(header: Sequence[str]) -> list[str]:
    """Return the names of columns; R and pandas give that of the names of rows none."""
    return [name or f"{_NAMELESS}{i}" for i, name in enumerate(header, start=1)]


def _has_odd_lines(content: bytes, again: bytes) -> bool:
    """Say whether a line is empty, or begins as the header does."""
    if b"\r" in content and b"\n\r\n" in content:
        return True
    bytes_of = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(bytes_of[:-1] == ord("\n"))
    begins = bytes_of[ends + 1]  # the first byte of each line: far faster than to look for two
    empty, alike = np.any(begins == ord("\n")), again and np.any(begins == again[0])
    return bool(empty or (alike and b"\n" + again in content))


def parsed(
    content: bytes, delimiter: str, names: Sequence[str], kinds: dict[str, pa.DataType]
) -> pa.Table | None:
    """Parse rows of equal length under a header; None if one is not, or a cell is another kind."""
    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(content),
            pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=kinds, null_values=list(NULLS), strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid:
        return None


@dataclass
class _Rows:
    """What the careful pass has gathered so far."""

    file: str
    names: dict[str, None] = field(default_factory=dict)  # of every header, in order
    header: list[str] = field(default_factory=list)
    records: list[dict[str, str | None]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    segment: int = 0
    last_is_whole: bool = False


def _careful(path: str, content: bytes, delimiter: str) -> Raw:
    rows = _Rows(path)
    ended = content.endswith(b"\n")
    text = io.StringIO(_decode(path, content, ended), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)  # strict: an open quote is refused
    previous = 0
    for row in _strict(path, reader):
        line, previous = previous + 1, reader.line_num
        if any(cell.strip() for cell in row):
            _add(rows, [cell.strip() for cell in row], line, reader.line_num - line)
    if rows.segment:
        message = f"the header is repeated {rows.segment} time(s): the log was resumed."
        rows.notes.append(Note("repeated-header", "info", message, path))
    columns = {n: pa.array([r.get(n) for r in rows.records], pa.string()) for n in rows.names}
    lines, segments = np.array(rows.lines, int), np.array(rows.segments, np.int16)
    cut = rows.last_is_whole and not ended
    return Raw(path, columns, lines, segments, cut=cut, notes=tuple(rows.notes))


def _strict(path: str, reader: Any) -> Iterator[list[str]]:
    """Turn the csv module's refusals into ours."""
    try:
        yield from reader
    except csv.Error as error:
        message = f"not readable as delimited text: {error}."
        raise DataError(message, file=path, row=reader.line_num) from error


def _decode(path: str, content: bytes, ended: bool) -> str:
    """Decode, forgiving only a last line that was cut inside a character."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        if not ended and b"\n" not in content[error.start :]:
            return content[: error.start].decode()
        raise DataError("not UTF-8 text.", file=path, row=line, hint="Save it as UTF-8.") from error


def _add(rows: _Rows, row: list[str], line: int, more_lines: int) -> None:
    """Take one line: a header, a short row (left out), or a row of values."""
    if not rows.header or _is_header(row, rows.header):
        _start_segment(rows, row, line)
        return
    width = len(rows.header)
    if len(row) > width and not any(row[width:]):
        row = row[:width]
    if len(row) > width or (len(row) < width and more_lines):
        message = f"the line has {len(row)} fields, the header {width}."
        raise DataError(message, file=rows.file, row=line, hint=_GLUED)
    rows.last_is_whole = len(row) == width
    if len(row) < width:
        message = f"left out: the line has {len(row)} of {width} fields; it was cut while written."
        rows.notes.append(Note("short-row", "warn", message, rows.file, line))
        return
    cells = [None if cell in NULLS else cell for cell in row]
    rows.records.append(dict(zip(rows.header, cells, strict=True)))
    rows.lines.append(line)
    rows.segments.append(rows.segment)


def _start_segment(rows: _Rows, row: list[str], line: int) -> None:
    while row and not row[-1]:
        row = row[:-1]
    if all(is_number(cell) for cell in row if cell):
        message = "there is no header: the first line holds numbers."
        hint = "Put the column names in the first line, such as 'step,tokens,loss'."
        raise DataError(message, file=rows.file, row=line, hint=hint)
    header = named(row)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        message = f"the header names {', '.join(map(repr, twice))} twice."
        raise DataError(message, file=rows.file, row=line, hint="Rename one of them.")
    rows.segment += 1 if rows.header else 0
    rows.header = header
    rows.names |= dict.fromkeys(header)


def _is_header(row: list[str], header: list[str]) -> bool:
    """Say whether a line repeats the header, perhaps with other columns (after a resume)."""
    if row == header:
        return True
    shared = len(set(row) & set(header))
    return 2 * shared >= len(header) and not any(is_number(cell) or not cell for cell in row)
