"""Sources: the bytes of a file, a pipe or standard input, and the table a reader found in them."""

import contextlib
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from scaling_cli.runs import again
from scaling_cli.runs.table import ColumnReading, Note
from scaling_cli.vocabulary.bounds import ROOM, require_room
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.reading import as_text, read_file, read_stream

# What people and tools write for "no value". `nan` is not among them: it is a measurement.
NULLS = ("", "NULL", "null", "None", "N/A", "n/a", "NA", "#N/A")
Records = Sequence[Mapping[str, Any]]
SQLITE = b"SQLite format 3\x00"
BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")  # as PowerShell writes what is redirected
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
HEAD = 1 << 16  # bytes that tell the format of a file
_NAMES = 1 << 17  # of files that are remembered with their parts
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")


@dataclass(frozen=True)
class Raw:
    """One table as it stands in a file: nothing renamed, nothing judged.

    Parameters
    ----------
    file : str
        As shown in messages.
    columns : mapping of name to array
        All of one length; strings where the format has no types.
    lines : int array
        1-based line (or row) of each row in the file.
    segments : int array
        0, 1, ... increasing at each repeated header.
    cut : bool
        The last row comes from a line without a newline: it may be half written.
    facts : mapping
        What the file's own header or configuration says about the run.
    rounded : bool
        Whether the numbers among them are rounded.
    notes : tuple of Note
        What the reader left out or doubts.
    decimal_commas : bool
        Whether a comma inside a number may be a decimal comma: commas do not separate the fields.
    run : str
        What the run is called if nothing names it: the file's stem unless `read` knows better.
    reader, version : str
        The format it was read as, and the version of its reader.
    readings : tuple of ColumnReading
        How the columns were named, once they have canonical names.
    part_of : str
        The run (a folder) whose files the reader puts together, by its `join(folder, parts)`.
    size : int
        Bytes that it was read from, where that is asked for.
    """

    file: str
    columns: Mapping[str, pa.Array]
    lines: np.ndarray
    segments: np.ndarray
    cut: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    rounded: bool = False
    notes: tuple[Note, ...] = ()
    decimal_commas: bool = False
    run: str = ""
    reader: str = ""
    version: str = ""
    readings: tuple[ColumnReading, ...] = ()
    part_of: str = ""
    size: int = 0

    @property
    def conventions(self) -> dict[str, str]:
        """Return what the names of columns say of counting and units, by canonical name."""
        return {r.canonical: r.convention for r in self.readings if r.convention is not None}

    @classmethod
    def of_records(
        cls, file: str, records: Records, lines: Sequence[int], *, cut: bool, notes: Sequence[Note]
    ) -> "Raw":
        """Return the table of records, each with its line; a name may be in some of them only."""
        names = dict.fromkeys(name for record in records for name in record)
        columns = {name: _column([record.get(name) for record in records]) for name in names}
        segments = np.zeros(len(records), np.int16)
        return cls(file, columns, np.array(lines, int), segments, cut=cut, notes=tuple(notes))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def take(self, rows: np.ndarray) -> "Raw":
        """Return the table with these rows only (indices)."""
        index = pa.array(rows)
        return replace(
            self,
            columns={name: column.take(index) for name, column in self.columns.items()},
            lines=self.lines[rows],
            segments=self.segments[rows],
        )

    def refused(
        self, message: str, row: int, column: str | None = None, *, hint: str | None = None
    ) -> DataError:
        """Return the refusal of the table for what stands in a row (an index)."""
        line = int(self.lines[row])
        return DataError(message, hint=hint, file=self.file, row=line, column=column)

    def note(
        self, code: str, level: str, message: str, row: int | None = None, column: str | None = None
    ) -> Note:
        """Return a note on the table, or on a row of it (an index)."""
        line = None if row is None else int(self.lines[row])
        return Note(code, level, message, self.file, line, column)


@dataclass(frozen=True)
class Source:
    """A file, a pipe or standard input to read.

    Parameters
    ----------
    name : str
        As shown in messages: the path as it was given.
    path : Path, optional
        Where it is; None for standard input and for a frame.
    frame : Raw, optional
        A table that was handed over in memory.
    asked : bool
        Whether the user named it; a bad file that was met in a folder does not stop the others.
    parts : tuple of Source
        The files of a run that lies in several; `path` is the folder that they have in common.
    """

    name: str
    path: Path | None
    frame: Raw | None = None
    asked: bool = True
    parts: "tuple[Source, ...]" = ()

    @cached_property
    def packed(self) -> bytes:
        """Return the bytes as stored."""
        if self.frame is not None:
            sink = pa.BufferOutputStream()
            table = pa.table(dict(self.frame.columns))
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            return sink.getvalue().to_pybytes()
        return read_stream(sys.stdin.buffer, self.name) if self.path is None else self._file[0]

    @cached_property
    def _file(self) -> tuple[bytes, os.stat_result]:
        return read_file(self.path or Path(), self.name)

    def forget(self) -> None:
        """Let go of the bytes; what is known of them stays."""
        _ = self.size, self.sha256, self.modified, self.told_by
        self.drop()

    def drop(self) -> None:
        """Let go of the bytes, and ask for no more."""
        for name in ("_file", "packed", "content"):
            vars(self).pop(name, None)

    @cached_property
    def modified(self) -> int | None:
        """Return when the file that was read had been written, in ns; None if it is no file."""
        if self.parts:
            return max((part.modified or 0 for part in self.parts), default=None)
        return None if self.fleeting else self._file[1].st_mtime_ns

    @cached_property
    def told_by(self) -> dict[str, Any]:
        """Return by what a file that was read is known to be as it was, without reading it."""
        read = None if self.parts or self.fleeting else again.settled(self._file[1])
        inode, changed = read or (None, None)
        return {"inode": inode, "changed": changed, "program": again.program()}

    @cached_property
    def size(self) -> int:
        """Return the number of bytes as stored."""
        return sum(part.size for part in self.parts) if self.parts else len(self.packed)

    @cached_property
    def fleeting(self) -> bool:
        """Return whether this is no file: it can be read once, and its name says nothing."""
        return not self.parts and (self.path is None or not self.path.is_file())

    @cached_property
    def content(self) -> bytes:
        """Return the bytes after undoing gzip, zstd and UTF-16.

        Raises
        ------
        DataError
            If they are damaged or absurdly many.
        """
        codec = _codec(self.packed)
        if codec is None:
            return _in_utf8(self.packed)
        try:
            stream, pieces, size = _unpacked(self.packed, codec), [], 0
            while piece := stream.read(ROOM // 4):
                pieces.append(piece)
                size += len(piece)
                require_room(self.name, len(self.packed), size)
            return _in_utf8(b"".join(pieces))
        except OSError as error:
            hint = "Copy the file again, or unpack what there is and give that."
            message = f"the {codec} stream is cut or damaged."
            raise DataError(message, file=self.name, hint=hint) from error

    def let_go(self, room: int) -> int:
        """Let go of a file that was read for its head, if there is no room; return the rest."""
        read = None if self.path is None or self.fleeting else vars(self).get("_file")
        if read is not None and len(read[0]) > room:
            del vars(self)["_file"]
            return room
        return room - len(read[0]) if read else room

    def head(self, size: int = HEAD) -> bytes:
        """Return the first unpacked bytes, without reading all of them if it is a file.

        What a pipe has given it does not give again: it is read whole, once.
        """
        if self.path is None or self.fleeting:
            return b"" if self.frame is not None else self.content[:size]
        packed, status = read_file(self.path, self.name, size)
        if len(packed) < size:  # this is all of it
            vars(self)["_file"] = packed, status
        codec = _codec(packed)
        try:
            return _in_utf8(packed if codec is None else _unpacked(packed, codec).read(size))
        except OSError:
            return self.content[:size]

    @cached_property
    def uri(self) -> str:
        """Return what identifies the source in a store."""
        if self.path is None or self.fleeting:
            return self.name if self.name.startswith("<") else f"<{self.name}>"
        if self.parts and "://" in self.parts[0].uri:  # a folder of an object store
            scheme = self.parts[0].uri.partition("://")[0]
            return f"{scheme}://{self.name.partition(':')[2].lstrip('/')}"
        return as_text(self.path.resolve().as_posix())

    @cached_property
    def id(self) -> str:
        """Return the key of the source in tables; of what is no file each content is another."""
        key = self.uri + self.sha256 if self.fleeting else self.uri
        return hashlib.sha256(key.encode()).hexdigest()[:16]

    @cached_property
    def sha256(self) -> str:
        """Return the digest of the bytes as stored; of several files, that of their digests."""
        if self.parts:
            digests = sorted((part.uri, part.sha256) for part in self.parts)
            return hashlib.sha256(json.dumps(digests).encode()).hexdigest()
        digest = hashlib.sha256(self.packed)
        if self.path is not None and self.packed.startswith(SQLITE):
            with contextlib.suppress(OSError):  # what its writer has written beside it
                digest.update(Path(f"{self.path}-wal").read_bytes())
        return digest.hexdigest()


def named(given: str | Path) -> Source:
    """Return the source that a path stands for; `-` is standard input."""
    if str(given) == "-":
        return Source("<stdin>", None)
    return Source(as_text(str(given)), Path(given))


def _in_utf8(content: bytes) -> bytes:
    """Return text in UTF-8, whatever its byte order mark says that it is in."""
    if not content.startswith(_UTF16):
        return content
    return content.decode("utf-16", errors="replace").encode()


def is_plain_text(packed: bytes) -> bool:
    """Say whether bytes are read as they are stored."""
    return _codec(packed) is None and not packed.startswith(_UTF16)


def _codec(packed: bytes) -> str | None:
    """Return how bytes are compressed, by the first of them."""
    return next((codec for magic, codec in _MAGIC.items() if packed.startswith(magic)), None)


def _unpacked(packed: bytes, codec: str) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.BufferReader(packed), codec)


@lru_cache(_NAMES)
def place(name: str) -> Path:
    """Return the path of a name: every reader asks for it, file after file."""
    return Path(name)


def _plain_path(name: str) -> Path:
    path = place(name)
    return path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path


@lru_cache(_NAMES)
def stem(name: str) -> str:
    """Return a file name without folder, compression and format endings: `a/b.csv.gz` -> `b`."""
    return _plain_path(name).stem


@lru_cache(_NAMES)
def format_ending(name: str) -> str:
    """Return the ending that tells the format: `.csv` for `a/b.csv.gz`."""
    return _plain_path(name).suffix.lower()


def without_mark(file: str, content: bytes) -> bytes:
    """Return a text without its byte order mark.

    Raises
    ------
    DataError
        If nothing is left.
    """
    text = content.removeprefix(BOM)
    if not text.strip():
        raise DataError("the file is empty.", file=file, hint="Was the log written at all?")
    return text


def _column(values: list[Any]) -> pa.Array:
    """Keep numbers as numbers; a column with anything else becomes text."""
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {int} and all(v is None or -(2**63) <= v < 2**63 for v in values):
        return pa.array(values, pa.int64())
    if kinds <= {int, float} and not any(type(v) is int and abs(v) > 2**63 for v in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else _text(v) for v in values], pa.string())


def _text(value: Any) -> str:
    return as_text(str(value)) if isinstance(value, str | bool) else json.dumps(value)


def raw_of(file: str, table: pa.Table, *, first: int = 1, cut: bool = False) -> Raw:
    """Wrap an Arrow table whose first row is this line of the file.

    Columns that are neither numbers nor text become text.

    Raises
    ------
    DataError
        If two columns have one name.
    """
    for name, count in Counter(table.column_names).items():
        if count > 1:
            hint = "Rename or leave out all but one."
            raise DataError(f"{count} columns are named {name!r}.", file=file, hint=hint)
    columns = {name: _plain(table[name].combine_chunks()) for name in table.column_names}
    lines = np.arange(first, table.num_rows + first)
    return Raw(file, columns, lines, np.zeros(table.num_rows, np.int16), cut=cut)


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_boolean(kind):
        return pc.call_function("if_else", [column, pa.scalar("True"), pa.scalar("False")])
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind):
        return column
    if pa.types.is_decimal(kind):
        return pc.cast(pc.cast(column, pa.string()), pa.float64())  # exact, by way of digits
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    return pa.array(texts, pa.string())
