"""Files that have grown since a store read them: only what is new is read.

That they begin with all that was read then, its digest says. They are read twice, as they were and
as they are, and of a large one without its middle: what the second reading has behind the first is
new. Where the two say anything else differently, or the first is not what the store holds, the
file is read whole: a resume, a column or a doubt in the new part speaks of the old one as well.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest._alone import BY_LINES, File, Reading, called
from scaling_cli.ingest._parts import may_be_part
from scaling_cli.ingest._sources import Source, is_plain_text
from scaling_cli.ingest._table import understand
from scaling_cli.runs import again
from scaling_cli.runs.store import Held, last_points
from scaling_cli.runs.table import SOURCE_COLUMNS, Layout, Note, Runs, floats, stack
from scaling_cli.vocabulary.errors import DataError

HEAD, TAIL = 1 << 18, 1 << 20  # bytes of a large file that are read again
_LARGE = 2 * (HEAD + TAIL)
_LINES = re.compile(r"(\d+)(?: of (\d+))? line\(s\)")
_FEW = 8  # small files; more of them are read faster together


@dataclass(frozen=True)
class Grown:
    """Files of which only the new part was read, by their place among all.

    `before` is the digest of what a store must hold of each for that to be all of it.
    """

    read: Mapping[int, Runs] = field(default_factory=dict)
    new: Mapping[str, pa.Table] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> Collection[str]:
        """Return the runs."""
        return self.new.keys()

    def points(self, runs: Collection[str]) -> pa.Table:
        """Return the new points of these runs."""
        return stack(self.new[run] for run in runs)


class _OtherError(Exception):
    """The file is not the old one with something behind it."""


def grown(
    held: Held,
    files: Mapping[int, File],
    names: Mapping[str, str],
    reading: Reading,
    versions: Mapping[str, str],
) -> Grown:
    """Return what is new in files that have grown; what takes care is not among them.

    Parameters
    ----------
    held : Held
        What the store holds.
    files : mapping of place to (source, reader)
    names : mapping of file to str
        What the run of each is called if nothing names it.
    reading : Reading
    versions : mapping of reader to version
    """
    rows = {}
    for place, (source, how) in files.items():
        row = held.sources.get(source.uri, {})
        now = {"file": source.name, "reader": how, "reader_version": versions.get(how)}
        now |= {"program": again.program(), "run_ids": [names[source.name]]}
        if how in BY_LINES and now.items() <= row.items() and _is_longer(source, row):
            rows[place] = row
    if len(rows) > _FEW:
        rows = {place: row for place, row in rows.items() if row["bytes"] > _LARGE}
    read, new, before = {}, {}, {}
    for place, row in rows.items():
        try:
            read[place], points = _extended(held, row, files[place], reading)
        except (_OtherError, DataError):
            continue
        new[row["run_ids"][0]] = points
        before[row["source_id"]] = row["sha256"]
    return Grown(read, new, before)


def _is_longer(source: Source, row: Mapping[str, Any]) -> bool:
    """Say whether a file has more bytes than were read of it."""
    if source.path is None or source.fleeting or may_be_part(source.name):
        return False
    try:
        return source.path.stat().st_size > row["bytes"]
    except OSError:
        return False


def _extended(
    held: Held, row: Mapping[str, Any], file: File, reading: Reading
) -> tuple[Runs, pa.Table]:
    """Return the run of a file, with its last point only, and its new points.

    Raises
    ------
    _OtherError
        If they do not simply follow those that were read.
    """
    source, how = file
    content, size = source.packed, row["bytes"]
    _require(row["mapping"] == reading.options.read_as(source) and is_plain_text(content))
    _require(sha256(memoryview(content)[:size]).hexdigest() == row["sha256"])
    low, high = _middle(content, size)
    lines = content.count(b"\n", low, high)
    parts = (content[:low] + content[high:end] for end in (size, len(content)))
    old, now = (_read(source, part, how, row["run_ids"][0], reading) for part in parts)
    known = len(old.points)
    _require(
        known > 0 and old.columns == now.columns and _alike(old.points, now.points.slice(0, known))
    )
    notes = list(now.notes)
    if lines:
        _require_as_held(held, row, old, now, lines)
        ends = [content.count(b"\n", 0, end) for end in (size, len(content))]
        notes = _notes(row, old, now, ends, lines)
    points = _further(now.points.slice(known), lines)
    last = last_points(now)
    ahead = last["line"][0].as_py() > old.points["line"][known - 1].as_py()
    _require(ahead or not len(points))
    source.forget()
    added = now.sources["rows_read"][0].as_py() - old.sources["rows_read"][0].as_py()
    record = now.sources.to_pylist()[0] | {
        "rows_read": row["rows_read"] + added,
        "rows_kept": row["rows_kept"] + len(points),
        "along": row["along"] if lines else now.sources["along"][0].as_py(),
        "notes": json.dumps([vars(note) for note in notes]),
    }
    sources = pa.Table.from_pylist([record], schema=pa.schema([*SOURCE_COLUMNS.items()]))
    return Runs(now.runs, _further(last, lines), sources, now.columns, notes), points


def _middle(content: bytes, size: int) -> tuple[int, int]:
    """Return where a stretch of whole lines begins and ends that need not be read again."""
    if size < _LARGE:
        return size, size
    low, high = content.rfind(b"\n", 0, HEAD) + 1, content.rfind(b"\n", 0, size - TAIL) + 1
    return (low, high) if 0 < low < high else (size, size)


def _read(source: Source, content: bytes, how: str, name: str, reading: Reading) -> Runs:
    """Return the one curve that a content of a file is."""
    part = replace(source)
    vars(part)["content"] = content
    raws = [called(raw, name) for raw in reading.raws(part, how)]
    _require(len(raws) == 1 and raws[0].run == name and not raws[0].part_of)
    runs = understand(raws[0], source, reading.options)
    _require(len(runs) == 1 and runs.runs["rows"][0].as_py() == Layout.CURVE)
    return runs


def _alike(old: pa.Table, now: pa.Table) -> bool:
    """Say whether two tables of points are the same; NaN is what NaN is."""
    if old.schema != now.schema or len(old) != len(now):
        return False
    return all(_same(a, b) for a, b in zip(old.columns, now.columns, strict=True))


def _same(a: pa.ChunkedArray, b: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(a.type):
        return a.equals(b)
    there = np.array_equal(*(c.is_null().to_numpy(zero_copy_only=False) for c in (a, b)))
    return there and np.array_equal(floats(a), floats(b), equal_nan=True)


def _require_as_held(held: Held, row: Mapping[str, Any], old: Runs, now: Runs, lines: int) -> None:
    """Require that a file without its middle says what the store holds of the whole one."""
    known = held.last_points({*row["run_ids"]})
    _require(known is not None)
    facts, last = known or (old.runs, old.points)
    source, other = old.sources.to_pylist()[0], now.sources.to_pylist()[0]
    _require(source["columns"] == other["columns"] == row["columns"])
    for name in ("along", "facts"):
        _require({*source[name]} == {*other[name]} == {*row[name]})
    _require(_cells(facts) == _cells(old.runs) == _cells(now.runs))
    mine = _further(last_points(old), lines)
    _require(_alike(mine, _cast(last, mine.schema)))
    _require(not any(floats(part.points["segment"]).any() for part in (old, now)))
    steps = floats(now.points["step"])[len(old.points) :]
    _require(bool(np.all(np.diff(steps, prepend=floats(mine["step"])) > 0)))


def _notes(
    row: Mapping[str, Any], old: Runs, now: Runs, ends: Sequence[int], lines: int
) -> list[Note]:
    """Return the notes on a whole file; what counts lines counts those of all parts.

    A last line that is not whole has notes of its own. The others must be the same without the
    middle, and with what is new: then what counts anything else counts none of these.
    """
    held = [Note(**note) for note in json.loads(row["notes"])]
    known, first = (
        dict(_counted(note) for note in notes if (note.row or 0) <= last)
        for notes, last in ((held, ends[0]), (old.notes, ends[0] - lines))
    )
    notes = []
    for note in now.notes:
        key, then = _counted(note)
        if (note.row or 0) > ends[1] - lines:
            notes.append(_moved(note, lines))
            continue
        _require(key in known and key in first)
        before, some = known.pop(key), first.pop(key)
        total = [str(a + c - b) for a, b, c in zip(before, some, then, strict=True)]
        told = " of ".join(total) + " line(s)" + key.message if total else note.message
        notes.append(replace(note, message=told))
    _require(not known and not first)
    return notes


def _counted(note: Note) -> tuple[Note, tuple[int, ...]]:
    """Return a note without the numbers of lines that it counts, and these."""
    counted = _LINES.match(note.message)
    if counted is None:
        return note, ()
    numbers = tuple(int(number) for number in counted.groups() if number)
    return replace(note, message=note.message[counted.end() :]), numbers


def _cells(table: pa.Table) -> dict[str, Any]:
    """Return what is there in a table of one row."""
    return {name: cell for name, cell in table.to_pylist()[0].items() if cell is not None}


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return columns of a table in other types, as those of a store are stacked."""
    _require({*schema.names} <= {*table.column_names})
    kept = table.select(schema.names)
    texts = (pa.types.is_string(kind) for kind in kept.schema.types)
    wanted = (pa.types.is_string(kind) for kind in schema.types)
    _require([*texts] == [*wanted])
    try:
        return kept.cast(schema)
    except pa.ArrowInvalid as error:
        raise _OtherError from error


def _further(points: pa.Table, lines: int) -> pa.Table:
    """Return points that stand so many lines further down."""
    at = points.column_names.index("line")
    moved = pa.array(points["line"].to_numpy() + lines, pa.int64())
    return points.set_column(at, points.schema.field(at), moved)


def _moved(note: Note, lines: int) -> Note:
    return note if note.row is None else replace(note, row=note.row + lines)


def _require(holds: bool) -> None:
    if not holds:
        raise _OtherError
