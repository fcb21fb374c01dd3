"""A source before it is understood: its bytes, and the table a reader found in them."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError

# What people and tools write for "no value". `nan` is not among them: it is a measurement.
NULLS = ("", "NULL", "null", "None", "N/A", "n/a", "NA", "#N/A")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
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
    run : str
        What the run is called if nothing names it: the file's stem unless `read` knows better.
    decimal_commas : bool
        Whether a comma inside a number may be a decimal comma: commas do not separate the fields.
    """

    file: str
    columns: Mapping[str, pa.Array]
    lines: np.ndarray
    segments: np.ndarray
    cut: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    rounded: bool = False
    notes: tuple[Note, ...] = ()
    run: str = ""
    decimal_commas: bool = False

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
    """

    name: str
    path: Path | None
    frame: Raw | None = None

    @cached_property
    def packed(self) -> bytes:
        """Return the bytes as stored."""
        if self.frame is not None:
            sink = pa.BufferOutputStream()
            table = pa.table(dict(self.frame.columns))
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            return sink.getvalue().to_pybytes()
        if self.path is None:
            return sys.stdin.buffer.read()
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read the file: {error.strerror}.", file=self.name) from error

    @cached_property
    def content(self) -> bytes:
        """Return the bytes after undoing gzip or zstd."""
        return unpack(self.packed, self.name)

    @property
    def stem(self) -> str:
        """Return the file name without its endings for format and compression."""
        return stem(self.name)

    @property
    def uri(self) -> str:
        """Return what identifies the source in a store."""
        return self.name if self.path is None else self.path.resolve().as_posix()

    @property
    def sha256(self) -> str:
        """Return the digest of the bytes as stored."""
        return hashlib.sha256(self.packed).hexdigest()


def named(given: str | Path) -> Source:
    """Return the source that a path stands for; `-` is standard input."""
    return Source("<stdin>", None) if str(given) == "-" else Source(str(given), Path(given))


def stem(name: str) -> str:
    """Return a file name without folder, compression and format endings: `a/b.csv.gz` -> `b`."""
    path = Path(name)
    if path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return path.stem


def format_ending(name: str) -> str:
    """Return the ending that tells the format: `.csv` for `a/b.csv.gz`."""
    path = Path(name)
    if path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return path.suffix.lower()


def unpack(packed: bytes, file: str) -> bytes:
    """Undo gzip or zstd compression, recognised by the first bytes; other bytes are returned.

    Raises
    ------
    DataError
        If the compressed stream is cut or damaged.
    """
    codec = next((c for magic, c in _MAGIC.items() if packed.startswith(magic)), None)
    if codec is None:
        return packed
    try:
        return pa.CompressedInputStream(pa.BufferReader(packed), codec).read()
    except OSError as error:
        raise DataError(
            f"the {codec} stream is cut or damaged.",
            file=file,
            hint="Copy the file again, or unpack what there is and give that.",
        ) from error


def head_of(source: Source, size: int = 65536) -> bytes:
    """Return the first unpacked bytes of a source, without reading all of it if it is a file.

    What a pipe has given it does not give again: it is read whole, once.
    """
    if source.path is None or not source.path.is_file():
        return b"" if source.frame is not None else source.content[:size]
    try:
        with source.path.open("rb") as stream:
            packed = stream.read(size)
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror}.", file=source.name) from error
    codec = next((c for magic, c in _MAGIC.items() if packed.startswith(magic)), None)
    if codec is None:
        return packed
    try:
        return pa.CompressedInputStream(pa.BufferReader(packed), codec).read(size)
    except OSError:
        return source.content[:size]
