"""Sources: which files one stands for, their bytes, and the table a reader found in them."""

import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from scaling_cli.runs.store import apart
from scaling_cli.runs.table import ColumnReading, Note, natural
from scaling_cli.vocabulary.bounds import ROOM, require_room
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError, some
from scaling_cli.vocabulary.quantities import L, plain_name, recognise
from scaling_cli.vocabulary.reading import as_text, read_file, read_stream

# What people and tools write for "no value". `nan` is not among them: it is a measurement.
NULLS = ("", "NULL", "null", "None", "N/A", "n/a", "NA", "#N/A")
Records = Sequence[Mapping[str, Any]]
BOM = b"\xef\xbb\xbf"
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# How a column of the interchange protocol says that its missing values are NaN.
_HELD_AS_NAN = 1
# What people give by mistake, by its first bytes, and what to do about it.
_OTHER_KINDS = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the file", "Fetch it: git lfs pull."),
    (rb"\s*(<!doctype html|<html|<\?xml)", "a web page", "Download the file itself (raw)."),
    (rb"PK\x03\x04", "a spreadsheet or a zip archive", "Unpack it, or save the sheet as CSV."),
    (rb"SQLite format 3\x00", "an SQLite database", "Export its table of metrics as CSV."),
)
# How much of a file is looked at to know its format; a console may print its whole code first.
_HEAD, _FAR = 1 << 16, 1 << 25
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
    """

    name: str
    path: Path | None
    frame: Raw | None = None
    asked: bool = True

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

    @property
    def modified(self) -> int | None:
        """Return when the file that was read had been written, in ns; None if it is no file."""
        return None if self.fleeting else self._file[1].st_mtime_ns

    @cached_property
    def fleeting(self) -> bool:
        """Return whether this is no file: it can be read once, and its name says nothing."""
        return self.path is None or not self.path.is_file()

    @cached_property
    def content(self) -> bytes:
        """Return the bytes after undoing gzip or zstd; damaged or absurdly many are refused."""
        codec = _codec(self.packed)
        if codec is None:
            return self.packed
        try:
            stream, pieces, size = _unpacked(self.packed, codec), [], 0
            while piece := stream.read(ROOM // 4):
                pieces.append(piece)
                size += len(piece)
                require_room(self.name, len(self.packed), size)
            return b"".join(pieces)
        except OSError as error:
            hint = "Copy the file again, or unpack what there is and give that."
            message = f"the {codec} stream is cut or damaged."
            raise DataError(message, file=self.name, hint=hint) from error

    def head(self, size: int = _HEAD) -> bytes:
        """Return the first unpacked bytes, without reading all of them if it is a file.

        What a pipe has given it does not give again: it is read whole, once.
        """
        if self.path is None or self.fleeting:
            return b"" if self.frame is not None else self.content[:size]
        packed, _ = read_file(self.path, self.name, size)
        codec = _codec(packed)
        try:
            return packed if codec is None else _unpacked(packed, codec).read(size)
        except OSError:
            return self.content[:size]

    @cached_property
    def uri(self) -> str:
        """Return what identifies the source in a store."""
        if self.path is None or self.fleeting:
            return self.name if self.name.startswith("<") else f"<{self.name}>"
        return as_text(self.path.resolve().as_posix())

    @cached_property
    def id(self) -> str:
        """Return the key of the source in tables; of what is no file each content is another."""
        key = self.uri + self.sha256 if self.fleeting else self.uri
        return hashlib.sha256(key.encode()).hexdigest()[:16]

    @cached_property
    def sha256(self) -> str:
        """Return the digest of the bytes as stored."""
        return hashlib.sha256(self.packed).hexdigest()


def named(given: str | Path) -> Source:
    """Return the source that a path stands for; `-` is standard input."""
    if str(given) == "-":
        return Source("<stdin>", None)
    return Source(as_text(str(given)), Path(given))


def _codec(packed: bytes) -> str | None:
    """Return how bytes are compressed, by the first of them."""
    return next((codec for magic, codec in _MAGIC.items() if packed.startswith(magic)), None)


def _unpacked(packed: bytes, codec: str) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.BufferReader(packed), codec)


def _plain_path(name: str) -> Path:
    path = Path(name)
    return path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path


def stem(name: str) -> str:
    """Return a file name without folder, compression and format endings: `a/b.csv.gz` -> `b`."""
    return _plain_path(name).stem


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


Recogniser = Callable[[str, bytes], str | None]


def expand(
    given: Sequence[Any],
    reader: str | None,
    recognise: Recogniser,
    looked_for: str,
    meta: str | Path | None,
) -> tuple[list[tuple[Source, str]], list[Note]]:
    """Return every file with the reader that understands it; a file is read once.

    Parameters
    ----------
    given : sequence
        Paths, globs, `-`, frames.
    reader : str, optional
        The format that the user named.
    recognise : callable
        Returns the reader of a file, or None.
    looked_for : str
        What is looked for in folders, for messages.
    meta : path, optional
        The table of metadata: not a log, even if it lies in the folder.

    Raises
    ------
    DataError
        If a path does not exist, or nothing of a known format is there.
    """
    if not given:
        raise UsageError("no source was given.", hint="Give files, a folder, a glob or a store.")
    if str(meta) == "-" and "-" in map(str, given):
        raise UsageError(
            "standard input cannot be both the log and --meta.", hint="Give one of them as a file."
        )
    apart = None if meta is None else Path(meta).resolve()
    known: dict[str, tuple[Source, str]] = {}
    skipped: list[str] = []
    stores: list[str] = []
    notes: list[Note] = []
    for source in (source for i, item in enumerate(given) for source in _files(item, i)):
        if source.uri in known or (source.path and source.path.resolve() == apart):
            continue
        if source.path and source.path.is_dir():
            stores.append(source.name)
            continue
        head = source.head()
        how = reader or ("frame" if source.frame else _recognised(source, head, recognise))
        other = None if source.frame else _of_another_kind(source.name, head)
        if other is not None and source.asked:
            raise other
        if other is not None and how is not None:
            notes.append(passed_over(other))
        elif how is not None:
            known[source.uri] = (source, how)
        elif source.asked:
            raise _unknown(source, looked_for)
        else:
            skipped.append(source.name)
    if not known:
        there = f"{len(skipped)} file(s) of other kinds" if skipped else "no files"
        there = f"{len(stores)} store(s), read where they are named" if stores else there
        shown, hint = ", ".join(map(str, given)), f"Looked for {looked_for}."
        raise DataError(f"no logs found ({there}).", file=shown, hint=hint)
    told = f"{len(skipped)} file(s) are of no known format and were passed over"
    notes += [Note("ignored-file", "info", f"{told}: {some(skipped)}.")] if skipped else []
    if stores:
        told = f"{len(stores)} store(s) lie here and were passed over (name one to read it)"
        notes.append(Note("ignored-store", "info", f"{told}: {some(stores)}."))
    return list(known.values()), notes


def _recognised(source: Source, head: bytes, recognise: Recogniser) -> str | None:
    """Return the reader of a file; of a long text whose beginning says nothing, by more of it."""
    how = recognise(source.name, head)
    if how is None and len(head) == _HEAD and b"\x00" not in head:
        how = recognise(source.name, source.head(_FAR))
    return how


def _unknown(source: Source, looked_for: str) -> DataError:
    """Return what is wrong with a file of no known format: it may be what this program wrote."""
    from scaling_cli.artefacts import kinds  # late: logs need none of it

    try:
        stored = kinds.load(source.path or source.name)
    except ScalingError:
        hint = f"Looked for {looked_for}. If it is one of these, say which with --format."
        return DataError("the format is not known.", file=source.name, hint=hint)
    told = f"this is {stored.what}, not a log: {stored.used(source.name)}."
    return DataError(told, file=source.name)


def _of_another_kind(name: str, head: bytes) -> DataError | None:
    """Return the refusal of what is known not to be a log, by its first bytes."""
    for begins, what, hint in _OTHER_KINDS:
        if re.match(begins, head, re.IGNORECASE):
            return DataError(f"it is {what}.", file=name, hint=hint)
    return None


def passed_over(error: DataError) -> Note:
    """Return the note on a file of a folder that could not be read."""
    message = f"passed over: {error.message}" + (f" {error.hint}" if error.hint else "")
    return Note("unreadable-file", "warn", message, error.file, error.row, error.column)


def _files(item: Any, number: int) -> list[Source]:
    """Return the files of one source."""
    held = _in_memory(item, number)
    if held is not None:
        return [Source(held.file, None, held)]
    if not isinstance(item, str | Path):
        tables = "DataFrames, dicts of columns or lists of dicts (one per row)"
        hint = f"Give files, {tables}, each as an argument of its own."
        raise UsageError(f"cannot read runs from a {type(item).__name__}.", hint=hint)
    if str(item) == "":
        raise UsageError("a path is empty.", hint="The folder that you are in is '.'.")
    path = Path(item)
    if path.is_dir():
        files, stores = apart([p for p in path.rglob("*") if p.is_file()])
        files = [p for p in files if not any(n.startswith(".") for n in p.relative_to(path).parts)]
        ordered = sorted([*files, *stores], key=lambda p: natural(str(p)))
        return [replace(named(p), asked=False) for p in ordered]
    if str(item) == "-" or path.exists():
        return [named(item)]
    if any(c in str(item) for c in "*?["):
        return [source for f in sorted(_glob(path), key=natural) for source in _files(f, number)]
    raise DataError("there is no such file or folder.", file=str(item))


def _glob(pattern: Path) -> list[str]:
    """Return the paths a glob matches, written as the glob is."""
    parts = pattern.parts
    fixed = next(i for i, part in enumerate(parts) if any(c in part for c in "*?["))
    root = Path(*parts[:fixed])
    return [str(path) for path in root.glob(str(Path(*parts[fixed:])))]


def _in_memory(item: Any, number: int) -> Raw | None:
    """Return a table that is held in memory: pandas, Arrow, polars and the like, dicts, records.

    One rule for all of them: NaN is a measurement in `loss` and a missing value elsewhere. pandas
    cannot tell the two apart: an evaluation loss is NaN wherever none was made, a training loss
    where the run diverged.

    Raises
    ------
    DataError
        If it has no rows, or its columns are no columns of one table.
    """
    kind, table = _table_of(item, "" if number == 0 else f" {number + 1}")
    if table is None:
        return None
    if not table.num_rows:
        message = f"the table has no rows (columns: {', '.join(table.column_names) or 'none'})."
        raise DataError(message, file=kind, hint="Was it filtered to nothing?")
    return _with_gaps(raw_of(kind, table))


def _table_of(item: Any, which: str) -> tuple[str, pa.Table | None]:
    """Return what a table in memory is called in messages, and the table as it stands."""
    pandas = sys.modules.get("pandas")
    called = f"<DataFrame{which}>"
    if pandas is not None and isinstance(item, pandas.DataFrame):
        return called, _of_columns(called, _pandas_columns(item))
    if isinstance(item, Mapping):
        called = f"<columns{which}>"
        return called, _of_columns(called, [(str(name), cells) for name, cells in item.items()])
    if are_records(item):
        called, names = f"<records{which}>", dict.fromkeys(name for row in item for name in row)
        return called, _of_columns(called, [(str(n), [r.get(n) for r in item]) for n in names])
    if isinstance(item, pa.Table | pa.RecordBatch):
        return f"<table{which}>", pa.table(item)
    return called, _handed_over(item)


def _handed_over(item: Any) -> pa.Table | None:
    """Return the table of something that hands over Arrow or speaks the interchange protocol."""
    if hasattr(item, "__arrow_c_stream__"):
        try:
            return pa.table(item)
        except pa.ArrowInvalid:  # a column without a table, such as a Series
            return None
    return _interchanged(item.__dataframe__()) if hasattr(item, "__dataframe__") else None


def are_records(item: Any) -> bool:
    """Say whether this is a table as a list of rows, each a dict of cells (not of columns)."""
    return isinstance(item, list | tuple) and all(
        isinstance(row, Mapping) and not (row and all(map(_is_column, row.values())))
        for row in item
    )


def _is_column(cells: Any) -> bool:
    """Say whether this is a sequence of cells."""
    if isinstance(cells, str | bytes | Mapping | set | frozenset):
        return False
    return hasattr(cells, "__len__") and hasattr(cells, "__iter__")


def _pandas_columns(frame: Any) -> list[tuple[str, Any]]:
    """Return the columns of a DataFrame, after the levels of its index that are named."""
    levels = [n for n in frame.index.names if n is not None and n not in frame.columns]
    index = [(str(name), frame.index.get_level_values(name)) for name in levels]
    return index + [(str(name), frame.iloc[:, i]) for i, name in enumerate(frame.columns)]


def _of_columns(file: str, columns: Sequence[tuple[str, Any]]) -> pa.Table:
    """Return the table of named columns, whatever each is held in."""
    for name, cells in columns:
        if not _is_column(cells):
            message = f"a {type(cells).__name__} stands where a list of values should."
            hint = "Give each column a list, or the rows as a list of dicts."
            raise DataError(message, file=file, column=name, hint=hint)
        if len(cells) != len(columns[0][1]):
            first, height = columns[0][0], len(columns[0][1])
            message = f"it has {len(cells)} value(s), column {first!r} has {height}."
            hint = "Give every column one value per row: None where there is none."
            raise DataError(message, file=file, column=name, hint=hint)
    return pa.table([_cells(*column) for column in columns], names=[name for name, _ in columns])


def _cells(name: str, cells: Any) -> Any:
    """Return cells as an Arrow array; as text if they are of several types."""
    try:
        return pa.array(cells, from_pandas=recognise(name) is not L)
    except (pa.ArrowException, OverflowError):
        missing = ("None", "<NA>", "NaT") if _keeps_nan(name) else ("None", "<NA>", "NaT", "nan")
        return pa.array([None if cell in missing else cell for cell in map(str, cells)])


def _interchanged(frame: Any) -> pa.Table:
    """Return the table of the interchange protocol; what it holds as NaN is NaN again."""
    from pyarrow import interchange

    table = interchange.from_dataframe(frame)
    for i, name in enumerate(table.column_names):
        column = table.column(i)
        if frame.get_column(i).describe_null[0] == _HELD_AS_NAN:
            table = table.set_column(i, name, pc.fill_null(column, float("nan")))
    return table


def _with_gaps(raw: Raw) -> Raw:
    """Return a table in which NaN is missing but in `loss`; say so of the other names of a loss."""
    columns, notes = dict(raw.columns), list(raw.notes)
    for name, column in raw.columns.items():
        if _keeps_nan(name) or not pa.types.is_floating(column.type):
            continue
        values = pc.cast(column, pa.float64())
        nan = pc.fill_null(pc.call_function("is_nan", [values]), False)
        columns[name] = pc.call_function("if_else", [nan, pa.scalar(None, pa.float64()), values])
        rows = np.flatnonzero(nan.to_numpy(zero_copy_only=False))
        if recognise(name) is L and len(rows):
            message = f"NaN in {len(rows)} row(s) is read as missing; in a column 'loss' it would "
            message += "mean that the run diverged."
            notes.append(raw.note("nan-missing", "warn", message, int(rows[0]), name))
    return replace(raw, columns=columns, notes=tuple(notes))


def _keeps_nan(name: str) -> bool:
    return plain_name(name) == L.column
