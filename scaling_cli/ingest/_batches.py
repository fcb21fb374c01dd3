"""Clean curves of one header, read in one go.

A file that passes every check here gives what it would give if it were read alone; a test compares
the two. What fails a check is read alone, with all that there is to say about it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest import delimited
from scaling_cli.ingest._columns import COUNTS, LOSSES, inferred, is_weak, name_columns
from scaling_cli.ingest._facts import Options, facts_from_name
from scaling_cli.ingest._parts import may_be_part
from scaling_cli.ingest._resembles import is_other_loss, unlike_entropy
from scaling_cli.ingest._rows import FEWEST_OF_A_LOG, Judged
from scaling_cli.ingest._shape import EPOCHS, MEASURED, TOTAL_NAMES, coded, is_wide
from scaling_cli.ingest._sources import BOM, Raw, Source, stem
from scaling_cli.ingest._table import Part, points_of, runs_of, said_of
from scaling_cli.runs.table import ColumnReading, Layout, Runs, floats
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.loss_kinds import by_name
from scaling_cli.vocabulary.progress import counted
from scaling_cli.vocabulary.quantities import (
    N_AVERAGE,
    QUANTITIES,
    N,
    X,
    convention_of,
    header,
    is_perplexity,
    plain_name,
    recognise,
)

READER = "delimited"
_MOST = 1 << 25  # bytes that are parsed together
_FEW = 4  # files of which one has a cell of another kind: each is read alone
_WHY = "one run: step goes along the file"
_EXACT = 2.0**53
_FROM_ZERO = ("tokens", "flops")


@dataclass(frozen=True)
class Member:
    """A file of a batch: its place among all that are read, and its run if nothing names it."""

    place: int
    source: Source
    run: str
    stated: Mapping[str, Any]
    content: bytes
    rows: int


@dataclass(frozen=True)
class Batch:
    """Files, and the rows of all of them in one table with names and types."""

    files: Sequence[Member]
    header: tuple[str, ...]
    named: Raw


@dataclass(frozen=True)
class _Header:
    """What the columns of a header are: a table without columns, and where each comes from."""

    names: tuple[str, ...]
    delimiter: str
    named: Raw
    origin: Mapping[str, str]

    @property
    def numbers(self) -> set[str]:
        """Return the columns that have canonical names, and must hold numbers."""
        return {reading.canonical for reading in self.named.readings}


def batches(
    files: Mapping[int, tuple[Source, str]], runs: Mapping[str, str], options: Options
) -> Iterator[Batch]:
    """Yield the files that need no care, read, in the order in which they were given.

    Parameters
    ----------
    files : mapping of place to (source, reader)
    runs : mapping of file to str
        What the run of each is called if nothing names it.
    options : Options
    """
    if options.scales or {"rows", "run_id"} & options.given.keys():
        return
    gathered: list[Member] = []
    called: set[str] = set()  # runs of one name are read alone, and refused
    head, size = None, 0
    for place, (source, how) in counted(files.items()):
        known = _plain(source, options) if how == READER else None
        run = str(known[1].get("run_id", runs[source.name])) if known else ""
        known = None if run in called else known
        called.add(run)
        if gathered and (known is None or known[0] is not head or size > _MOST):
            yield from _parsed(head, gathered)
            gathered, size = [], 0
        if known is not None:
            head, stated, rows, content = known
            gathered.append(Member(place, source, run, stated, content, rows))
            size += len(content)
    if gathered:
        yield from _parsed(head, gathered)


def _plain(
    source: Source, options: Options
) -> tuple[_Header, Mapping[str, Any], int, bytes] | None:
    """Return the header, the facts of the name, rows and text of a file that may be clean."""
    if source.frame is not None or source.fleeting or may_be_part(source.name):
        return None
    if (beside := options.beside(source)) is not None and not beside.several:
        return None
    try:
        content = source.content.removeprefix(BOM)
        stated = facts_from_name(options.name, source.name)
    except DataError:
        return None
    delimiter = delimited.delimiter_of(content)
    content = delimited.without_quotes(content, delimiter)
    names = delimited.plain_names(content, delimiter)
    if names is None or b"\r" in content or not content.endswith(b"\n"):
        return None
    head = _header(names, delimiter, tuple(options.mapping.items()))
    lines = content.count(b"\n")
    even = content.count(delimiter.encode()) == lines * (len(names) - 1)
    return (head, stated, lines - 1, content) if head is not None and lines > 1 and even else None


@cache
def _header(
    names: tuple[str, ...], delimiter: str, mapping: tuple[tuple[str, str], ...]
) -> _Header | None:
    """Return what columns are by their names; None if that may depend on what they hold."""
    if not is_wide(names) or any(map(_takes_care, names)):
        return None
    columns = dict.fromkeys(names, pa.array(["1"]))
    raw = Raw("", columns, np.zeros(1, int), np.zeros(1, np.int16))
    named = name_columns(raw, dict(mapping), {})
    taken = {r.canonical: r.column for r in named.readings}
    care = {
        "run_id",
        N_AVERAGE.column,
        X.column,
        *(key for key, _ in mapping if key not in QUANTITIES),
    }
    losses = [taken[name] for name in LOSSES if name in taken]
    if "step" not in taken or not losses or care & named.columns.keys():
        return None
    if plain_name(taken["step"]) in EPOCHS or any(map(is_perplexity, losses)):
        return None
    if any(map(by_name, losses)):
        return None
    origin = {name: taken.get(name, name.removesuffix("_in_file")) for name in named.columns}
    version = {"reader": READER, "version": delimited.VERSION}
    return _Header(names, delimiter, replace(named, columns={}, **version), origin)


def _takes_care(name: str) -> bool:
    """Say whether what a column is depends on its values, or its unit on its name."""
    counted = recognise(name) is N and convention_of(name, N) is not None
    total = plain_name(name) in TOTAL_NAMES or name.endswith("_in_file")
    return counted or total or is_weak(name) or header(name)[1] != 1 or is_other_loss(name)


def _parsed(head: _Header | None, files: list[Member]) -> Iterator[Batch]:
    """Yield the clean ones among files of one header; a cell of another kind is searched for."""
    if head is None:
        return
    columns = _columns(head, files)
    if columns is None:
        half = len(files) // 2
        for part in (files[:half], files[half:]) if len(files) > _FEW else ():
            yield from _parsed(head, part)
        return
    edges = np.cumsum([0, *(file.rows for file in files)])
    kinds = _kinds(columns, head.numbers, edges)
    for kind, group in groupby(range(len(files)), key=kinds.__getitem__):
        if kind is not None:
            low, *others = group
            part = files[low : low + 1 + len(others)]
            yield _batch(head, columns, part, int(edges[low]))


def _columns(head: _Header, files: list[Member]) -> dict[str, pa.Array] | None:
    """Return the columns of files under each other; None if a cell is of another kind."""
    kinds = {
        name: pa.float64() if column in head.numbers else pa.string()
        for column, name in head.origin.items()
    }
    rows = [memoryview(file.content)[file.content.index(b"\n") + 1 :] for file in files]
    table = delimited.parsed(b"".join([b"\n", *rows]), head.delimiter, head.names, kinds)
    if table is None or table.num_rows != sum(file.rows for file in files):
        return None
    columns = {column: table[name].combine_chunks() for column, name in head.origin.items()}
    typed = {n: c if n in head.numbers else inferred(c) for n, c in columns.items()}
    return None if any(pa.types.is_string(c.type) for c in typed.values()) else typed


def _batch(head: _Header, columns: Mapping[str, pa.Array], files: list[Member], at: int) -> Batch:
    """Return the table of some neighbours among files that were parsed together."""
    height = sum(file.rows for file in files)
    own = {name: column.slice(at, height) for name, column in columns.items()}
    for file in files:
        file.source.forget()
    whole = [replace(file, content=b"") for file in files]
    return Batch(whole, head.names, replace(head.named, columns=own))


# --- what makes a file clean -------------------------------------------------------------------


def _kinds(
    columns: Mapping[str, pa.Array], numbers: set[str], edges: np.ndarray
) -> list[tuple[bool, ...] | None]:
    """Return, for each file, which columns are facts of its run; None if it takes care."""
    first = edges[:-1]
    wrong = np.logical_or.reduceat(_bad(columns, numbers, first), first)
    wrong |= _silent(columns, edges)
    for name in _FROM_ZERO:
        if name in columns:
            wrong |= np.logical_and.reduceat(floats(columns[name]) == 0, first)
    for name in numbers & {*LOSSES}:
        ends = (far.reduceat(floats(columns[name]), first) for far in (np.fmin, np.fmax))
        wrong |= unlike_entropy(*ends)
    for name in columns.keys() - numbers:
        wrong |= _of_other_types(columns[name], first)
    owner = np.repeat(first, np.diff(edges))
    fixed = {}
    for name in columns.keys() - set(MEASURED):
        codes = coded(columns[name])
        fixed[name] = np.logical_and.reduceat(codes == codes[owner], first)
    wrong |= ~fixed.get(N.column, ~wrong)
    flags = zip(*(flag.tolist() for flag in fixed.values()), strict=True)
    every = list(flags) if fixed else [()] * len(first)
    return [None if bad else kind for bad, kind in zip(wrong.tolist(), every, strict=True)]


def _bad(columns: Mapping[str, pa.Array], numbers: set[str], first: np.ndarray) -> np.ndarray:
    """Say which rows have a step that does not go up, a count or a loss that there is none of."""
    step = floats(columns["step"])
    bad = ~((step == np.floor(step)) & (step >= 0) & (step < _EXACT))
    forward = np.diff(step, prepend=-1.0) > 0
    forward[first] = True
    bad |= ~forward
    for name in numbers & {*COUNTS, *LOSSES}:
        values, there = (
            floats(columns[name]),
            columns[name].is_valid().to_numpy(zero_copy_only=False),
        )
        allowed = values >= 0 if name in _FROM_ZERO else values > 0
        bad |= there & ~(allowed & np.isfinite(values))
    return bad


def _silent(columns: Mapping[str, pa.Array], edges: np.ndarray) -> np.ndarray:
    """Say which files go on without a loss at their end."""
    losses = [columns[name] for name in LOSSES if name in columns]
    told = np.any([loss.is_valid().to_numpy(zero_copy_only=False) for loss in losses], axis=0)
    last = np.maximum.reduceat(np.where(told, np.arange(len(told)), -1), edges[:-1])
    return (last >= 0) & (edges[1:] - 1 - last >= FEWEST_OF_A_LOG)


def _of_other_types(column: pa.Array, first: np.ndarray) -> np.ndarray:
    """Say in which files a column would be of another type if they were read alone."""
    values, there = floats(column), column.is_valid().to_numpy(zero_copy_only=False)
    empty = ~np.logical_or.reduceat(there, first)
    if pa.types.is_integer(column.type):
        return empty
    whole = np.logical_and.reduceat(~there | (values == np.floor(values)), first)
    return whole & ~empty


# --- the runs of a batch -----------------------------------------------------------------------


@dataclass(frozen=True)
class Later:
    """The points of files that were read together, made when they are wanted."""

    files: Mapping[str, Member]
    columns: Mapping[str, pa.Array]
    first: Mapping[str, int]
    """The first row of each run."""

    @property
    def runs(self) -> Collection[str]:
        """Return the runs that these are the points of."""
        return self.files.keys()

    def points(self, runs: Collection[str]) -> pa.Table:
        """Return the points of these runs."""
        files = [file for run, file in self.files.items() if run in runs]
        columns = {
            name: pa.concat_arrays([c.slice(self.first[f.run], f.rows) for f in files])
            for name, c in self.columns.items()
        }
        judged = _judged(files, Raw("", columns, *_lines(files)))
        sources = pa.array([file.source.id for file in files]).take(pa.array(judged.codes))
        return points_of(judged, columns, sources)


def understood(
    batch: Batch, options: Options, *, thin: bool
) -> Iterator[tuple[Runs, Later | None]]:
    """Yield the runs of a batch: of one table where all that is said beside it is of one kind.

    If they are to be thin, they have the last point of each only, and the others come later.

    Raises
    ------
    DataError
        If places contradict each other.
    """
    at = 0
    for _, group in groupby(batch.files, key=lambda file: _types(file, options)):
        files = list(group)
        edges = np.cumsum([0, *(file.rows for file in files)])
        columns = {n: c.slice(at, int(edges[-1])) for n, c in batch.named.columns.items()}
        named = replace(batch.named, **dict(zip(("lines", "segments"), _lines(files), strict=True)))
        named = replace(named, columns=columns)
        parts = [_part(file, named, options) for file in files]
        runs = runs_of(_judged(files, named), parts, options, edges[1:] - 1 if thin else None)
        own = {name: c for name, c in columns.items() if name in runs.points.column_names}
        first = dict(zip((file.run for file in files), edges.tolist(), strict=False))
        later = Later({file.run: file for file in files}, own, first)
        yield runs, later if thin else None
        at += int(edges[-1])


def _types(file: Member, options: Options) -> list[tuple[str, bool]]:
    """Return what is said of a file beside it, and whether each is text."""
    row = options.meta.of(file.run, stem(file.source.name)) if options.meta else {}
    return [(k, isinstance(v, str)) for said in (file.stated, row) for k, v in said.items()]


def _lines(files: Sequence[Member]) -> tuple[np.ndarray, np.ndarray]:
    """Return the line and the segment of each row of clean files."""
    lines = np.concatenate([np.arange(2, file.rows + 2) for file in files])
    return lines, np.zeros(len(lines), np.int16)


def _judged(files: Sequence[Member], named: Raw) -> Judged:
    heights = [file.rows for file in files]
    codes = np.repeat(np.arange(len(files)), heights)
    ids = np.array([file.run for file in files], object)[codes]
    judged = Judged(named, Layout.CURVE, ids, named.segments, np.zeros(len(ids), bool), [])
    vars(judged).update(codes=codes, first=np.cumsum([0, *heights[:-1]]))  # known without asking
    return judged


def _part(file: Member, named: Raw, options: Options) -> Part:
    """Return what is said of a file in the words of one that was read alone."""
    name = file.source.name
    columns = [ColumnReading(**{**vars(reading), "file": name}) for reading in named.readings]
    columns += said_of(name, Layout.CURVE, _WHY, file.stated, options)
    notes = [replace(note, file=name) for note in named.notes]
    return Part(file.source, file.stated, file.rows, columns, notes)
