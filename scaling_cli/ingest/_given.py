"""What was given to be read: files, folders, globs, tables in memory; one source for each."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest import _remote, _wandb_api
from scaling_cli.ingest._beside import is_configuration
from scaling_cli.ingest._sources import Raw, Source, named, raw_of
from scaling_cli.runs.stored import is_store
from scaling_cli.runs.table import Note, natural
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError, some
from scaling_cli.vocabulary.quantities import L, plain_name, recognise
from scaling_cli.vocabulary.reading import as_text

# How a column of the interchange protocol says that its missing values are NaN.
_HELD_AS_NAN = 1
# What people give by mistake, by its first bytes, and what to do about it.
_SPREADSHEET = "xlsx"  # the reader that knows some zip archives
_DATABASE = rb"SQLite format 3\x00"
_OTHER_KINDS = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the file", "Fetch it: git lfs pull."),
    (rb"\s*(<!doctype html|<html|<\?xml)", "a web page", "Download the file itself (raw)."),
    (rb"PK\x03\x04", "a zip archive", "Unpack it."),
    (_DATABASE, "an SQLite database", "Export its table of metrics as CSV."),
)

_ROOM = 1 << 26  # bytes of small files that are kept once they were looked at

_EMPTY = "it is empty"
_WIDE = 0.8  # of every second byte is zero in UTF-16, and next to none of the others
_WITHOUT_ZEROS = "(tr -d '\\000')"

Recogniser = Callable[[Source, bytes], str | None]
Nearest = Callable[[Source, bytes], str | None]
Held = Callable[[Source], str | None]


def expand(
    given: Sequence[Any],
    reader: str | None,
    recognise: Recogniser,
    looked_for: str,
    meta: str | Path | None,
    *,
    nearest: Nearest,
    held: Held = lambda _: None,
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
    nearest : callable
        Says what a file that has no reader comes nearest to, and why it is not read so.
    held : callable
        Returns the reader of a file that was recognised before and is as it was.

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
    known: dict[str, tuple[Source, str]] = {}
    skipped, room = list[str](), _ROOM
    stores: list[str] = []
    notes: list[Note] = []
    for source in _once(given, meta):
        if source.path and source.path.is_dir():
            stores.append(source.name)
            continue
        if (how := held(source)) is not None:
            known[source.uri] = (source, how)
            continue
        head = source.head()
        room = source.let_go(room)
        how = reader or ("frame" if source.frame else recognise(source, head))
        other = None if source.frame else _of_another_kind(source.name, head, how)
        if other is not None and source.asked:
            raise other
        if other is not None and how is not None:
            notes.append(passed_over(other))
        elif how is not None:
            known[source.uri] = (source, how)
        elif source.asked:
            raise _unknown(source, looked_for, nearest(source, head) or _odd_bytes(head))
        elif not is_configuration(source.name, head):
            why = nearest(source, head) or _odd_bytes(head)
            skipped.append(f"{source.name} ({why})" if why else source.name)
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


def _once(given: Sequence[Any], meta: str | Path | None) -> Iterator[Source]:
    """Yield every file once, but for the table of metadata."""
    apart = None if meta is None else Path(meta).resolve()
    seen: set[str] = set()
    for source in (source for i, item in enumerate(given) for source in _files(item, i)):
        if not (source.uri in seen or (apart and source.path and source.path.resolve() == apart)):
            seen.add(source.uri)
            yield source


def _unknown(source: Source, looked_for: str, why: str | None) -> DataError:
    """Return what is wrong with a file of no known format: it may be what this program wrote."""
    from scaling_cli.artefacts import kinds  # late: logs need none of it

    if why == _EMPTY:
        return DataError("the file is empty.", file=source.name, hint="Was the log written at all?")
    try:
        stored = kinds.load(source.path or source.name)
    except ScalingError:
        hint = f"Looked for {looked_for}. If it is one of these, say which with --format."
        told = f"the format is not known: {why}." if why else "the format is not known."
        return DataError(told, file=source.name, hint=hint)
    told = f"this is {stored.what}, not a log: {stored.used(source.name)}."
    return DataError(told, file=source.name)


def _odd_bytes(head: bytes) -> str | None:
    """Return what is odd about a text that nobody recognises for its bytes."""
    if not head.strip():
        return _EMPTY
    zeros, text = head.count(0), head.replace(b"\x00", b"").decode(errors="replace")
    if not zeros or "\ufffd" in text or not text.replace("\n", "").isprintable():
        return None
    few, many = sorted((head[::2].count(0), head[1::2].count(0)))
    if few < (1 - _WIDE) * many and many > _WIDE * len(head) / 2:
        return "it looks like UTF-16 without its mark, so save it as UTF-8"
    return f"zero bytes stand in it, as a crash leaves them, so delete them {_WITHOUT_ZEROS}"


def _of_another_kind(name: str, head: bytes, how: str | None) -> DataError | None:
    """Return the refusal of what is known not to be a log, by its first bytes."""
    for begins, what, hint in _OTHER_KINDS:
        # Of databases some are known; what is called CSV and is a web page is none.
        known = how is not None and (begins == _DATABASE or how == _SPREADSHEET)
        if re.match(begins, head, re.IGNORECASE) and not known:
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
    for elsewhere in (_remote, _wandb_api):
        if elsewhere.is_address(item):
            return elsewhere.fetched(item)
    if str(item) == "":
        raise UsageError("a path is empty.", hint="The folder that you are in is '.'.")
    path = Path(item)
    if path.is_dir():
        return _in_folder(path)
    if str(item) == "-" or path.exists():
        return [named(item)]
    if any(c in str(item) for c in "*?["):
        return [source for f in sorted(_glob(path), key=natural) for source in _files(f, number)]
    raise DataError("there is no such file or folder.", file=str(item))


def _in_folder(root: Path) -> list[Source]:
    """Return the files in a folder but hidden ones, and the stores, whose files are not logs."""
    met: list[tuple[str, str | None]] = [(str(f), None) for f in root.parents if is_store(f)]
    for folder, entries in _listed(str(root)) if not met else ():
        if entries is None:
            met.append((str(Path(folder)), None))
            continue
        ahead = str(Path(folder, "_"))[:-1]
        hidden = any(part.startswith(".") for part in Path(folder).relative_to(root).parts)
        real = as_text(Path(os.path.realpath(folder), "_").as_posix()[:-1])
        met += [
            (ahead + entry.name, None if entry.is_symlink() else real + as_text(entry.name))
            for entry in entries
            if not (hidden or entry.name.startswith("."))
        ]
    return [_met(name, uri) for name, uri in sorted(met, key=lambda one: natural(one[0]))]


def _met(name: str, uri: str | None) -> Source:
    """Return a file or a store that was met in a folder."""
    source = replace(named(name), asked=False)
    if uri is not None:
        vars(source)["uri"] = uri  # where it is, is known
    return source


def _listed(root: str) -> Iterator[tuple[str, list[os.DirEntry[str]] | None]]:
    """Yield every folder below one, itself first, with the files that it has; None of a store."""
    pending = [root]
    while pending:
        folder = pending.pop()
        if is_store(folder):
            yield folder, None
            continue
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except PermissionError:
            continue
        yield folder, [entry for entry in entries if _is_file(entry)]
        pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


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
