"""Files that are read one by one: each understood at once, on all cores where that pays.

A file whose run is named after it does not wait for the others, so its text is let go of as soon
as it is understood. If it is to go into a store, so are its points: they lie on the disk of the
store, in a file without a name that goes with the process, until their segment is written.
"""

import contextlib
import multiprocessing as mp
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from weakref import finalize

import pyarrow as pa
import pyarrow.ipc

from scaling_cli.ingest._facts import Options
from scaling_cli.ingest._parts import may_be_part
from scaling_cli.ingest._sources import Raw, Source
from scaling_cli.ingest._table import understand
from scaling_cli.runs.store import last_points
from scaling_cli.runs.table import Runs, stack
from scaling_cli.vocabulary import workers
from scaling_cli.vocabulary.bounds import BOUNDS, allowing, bound
from scaling_cli.vocabulary.errors import DataError

BY_LINES = ("console", "delimited", "jsonl", "pattern")  # these readers work through lines
_WORTH = 8 << 20  # bytes that take as long by lines as processes take to start, some times over
_IN_MEMORY = 1 << 25  # bytes of points that need no disk
_TOGETHER = 1 << 20  # bytes of files that a process is given at once
File = tuple[Source, str]
Mapped = Callable[[Callable[..., Any], Any, Sequence[Any]], Iterator[Any]]


@dataclass(frozen=True)
class Early:
    """A table that was understood before the other files were read."""

    source: Source
    columns: Sequence[str]
    run: str
    runs: Runs | DataError
    points: bytes = b""
    """All points of a run of which `runs` has the last one, until they are put aside."""
    place: tuple[int, int] | None = None

    def told(self) -> Runs:
        """Return what was understood, or raise why nothing was."""
        if isinstance(self.runs, DataError):
            raise self.runs
        return self.runs


@dataclass(frozen=True)
class Alone:
    """What files gave that were read alone, and why some met in a folder gave nothing."""

    tables: list[tuple[Source, Raw]]
    early: list[Early]
    bad: list[DataError]


@dataclass(frozen=True)
class Tables:
    """What a file gave: its tables, or the one that was understood already, or its refusal."""

    source: Source
    raws: Sequence[Raw] = ()
    early: Early | None = None
    bad: DataError | None = None
    used: frozenset[str] = frozenset()
    """Rows of --meta."""


@dataclass(frozen=True)
class Reading:
    """How a file is read that is read alone.

    Parameters
    ----------
    raws : callable
        Reads a file, by its reader.
    options : Options
    thin : bool
        Whether of a run only the last point is wanted at once.
    """

    raws: Callable[[Source, str], list[Raw]]
    options: Options
    thin: bool

    def read(self, file: File, name: str) -> Tables:
        """Return what a file gives whose run is called so if nothing names it."""
        source, how = file
        try:
            raws = [raw if raw.part_of else called(raw, name) for raw in self.raws(source, how)]
        except DataError as error:
            return Tables(source, bad=error)
        if len(raws) > 1 or any(raw.part_of or raw.run != name for raw in raws):
            return Tables(source, raws)
        if may_be_part(source.name):
            return Tables(source, raws)
        return Tables(source, early=self._early(source, raws[0])) if raws else Tables(source)

    def _early(self, source: Source, raw: Raw) -> Early:
        early = partial(Early, source, tuple(raw.columns), raw.run)
        try:
            runs = understand(raw, source, self.options)
        except DataError as error:
            return early(error)
        if source.frame is None and not source.fleeting:
            source.forget()
        if not self.thin or len(runs) > 1:
            return early(runs)
        return early(replace(runs, points=last_points(runs)), _packed(runs.points))


def called(raw: Raw, name: str) -> Raw:
    """Return a table with the name of its run: its own, or the file's, or one of several there."""
    if raw.run.startswith(":"):
        return replace(raw, run=name + raw.run)
    return raw if raw.run else replace(raw, run=name)


def _packed(points: pa.Table) -> bytes:
    sink, options = pa.BufferOutputStream(), pyarrow.ipc.IpcWriteOptions(compression="lz4")
    with pyarrow.ipc.new_stream(sink, points.schema, options=options) as stream:
        stream.write_table(points)
    return sink.getvalue().to_pybytes()


@dataclass(frozen=True)
class Aside:
    """Points that were put aside, of the runs that are to have them."""

    file: IO[bytes]
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def near(cls, store: Path) -> "Aside":
        """Return where points lie on the disk of a store, which need not be there."""
        folder = next(path for path in (store, *store.absolute().parents) if path.is_dir())
        opened = partial(SpooledTemporaryFile, _IN_MEMORY, dir=str(folder))
        aside = cls(opened())
        finalize(aside, aside.file.close)
        return aside

    @property
    def runs(self) -> Collection[str]:
        """Return the runs whose points these are."""
        return self.places.keys()

    def put(self, early: Early) -> Early:
        """Return a table whose points, if it has only the last, lie here.

        Raises
        ------
        DataError
            If there is no room.
        """
        if not early.points:
            return early
        try:
            place = self.file.seek(0, os.SEEK_END), self.file.write(early.points)
            return replace(early, points=b"", place=place)
        except OSError as error:
            message = f"points cannot be put aside until they are stored: {error.strerror}."
            raise DataError(message, hint="Make room on the disk of the store.") from error

    def points(self, runs: Collection[str]) -> pa.Table:
        """Return the points of these runs."""
        return stack(map(self._points, (place for r, place in self.places.items() if r in runs)))

    def _points(self, place: tuple[int, int]) -> pa.Table:
        self.file.seek(place[0])
        return pyarrow.ipc.open_stream(self.file.read(place[1])).read_all()


# --- on all cores -------------------------------------------------------------------------------


def read_each(
    files: Sequence[File], names: Sequence[str], reading: Reading, elsewhere: Mapped | None = None
) -> Iterator[Tables]:
    """Yield what each file gives, in their order: read here, or by processes where that pays.

    Parameters
    ----------
    files : sequence of (source, reader)
    names : sequence of str
        What the run of each is called if nothing names it.
    reading : Reading
    elsewhere : callable, optional
        Maps a function over pieces on other machines, which see the files where they are here.
    """
    if elsewhere is not None:
        yield from _by_others(files, names, reading, elsewhere)
        return
    done = 0
    with contextlib.suppress(BrokenProcessPool, OSError):  # then it is read here
        for tables in _by_processes(files, names, reading):
            done += 1
            yield tables
    for file, name in zip(files[done:], names[done:], strict=True):
        yield reading.read(file, name)


def _by_processes(
    files: Sequence[File], names: Sequence[str], reading: Reading
) -> Iterator[Tables]:
    begin, several = workers.beginning(), min(workers.processors(), len(files))
    if begin is None or several < 2 or sum(map(_work, files)) < _WORTH:
        return
    limits = {name: bound(name) for name in BOUNDS}
    first = partial(_begin, begin, reading, limits)
    pool = ProcessPoolExecutor(several, _context(begin), first)
    try:
        pieces = list(_pieces(files, names, _work))
        waiting = deque(pool.submit(_read, part) for part in pieces if _work(part[0][0]))
        given = (waiting.popleft().result() for _ in range(len(waiting)))
        yield from _in_order(given, pieces, reading, _work)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _by_others(
    files: Sequence[File], names: Sequence[str], reading: Reading, elsewhere: Mapped
) -> Iterator[Tables]:
    whole = list(_pieces(files, names, _size))
    given = [[_placed(*each) for each in part] for part in whole if _size(part[0][0])]
    shared = reading, {name: bound(name) for name in BOUNDS}
    yield from _in_order(elsewhere(_read_part, shared, given), whole, reading, _size)


def _placed(file: File, name: str) -> tuple[File, str]:
    """Return a file by its whole path, without its bytes: who reads it is in another folder."""
    source, how = file
    placed = replace(source, path=source.path.absolute() if source.path else None)
    vars(placed)["uri"] = source.uri
    return (placed, how), name


def _in_order(
    given: Iterator[Sequence[Tables]],
    pieces: Sequence[list[tuple[File, str]]],
    reading: Reading,
    work: Callable[[File], int],
) -> Iterator[Tables]:
    """Yield what pieces give, those that take no work or cannot be handed over read here."""
    for part in pieces:
        if not work(part[0][0]):
            yield from (reading.read(*each) for each in part)
            continue
        for ((source, _), _), tables in zip(part, next(given), strict=True):
            source.drop()
            if reading.options.meta is not None:
                reading.options.meta.used.update(tables.used)
            yield tables


def _work(file: File) -> int:
    """Return the bytes of a file that is read line by line, and can be by another process."""
    return _size(file) if file[1] in BY_LINES else 0


def _size(file: File) -> int:
    """Return the bytes of what another process finds where it is."""
    source, _ = file
    if source.path is None or source.frame or source.fleeting:
        return 0
    return source.path.stat().st_size


def _pieces(
    files: Sequence[File], names: Sequence[str], size_of: Callable[[File], int]
) -> Iterator[list[tuple[File, str]]]:
    """Yield neighbours that are read by one process, one after another."""
    part: list[tuple[File, str]] = []
    size = 0
    for file, name in zip(files, names, strict=True):
        work = size_of(file)
        if part and (size > _TOGETHER or not (work and size)):
            yield part
            part, size = [], 0
        part.append((file, name))
        size += work
    yield part


def _context(begin: Callable[[], None]) -> BaseContext:
    """Return how processes are started: never as copies of this one, which has threads."""
    if sys.platform != "linux":
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload([__name__, begin.__module__])
    return context


_GIVEN: list[tuple[Reading, dict[str, float]]] = []  # to this process, if another started it


def _begin(begin: Callable[[], None], reading: Reading, limits: dict[str, float]) -> None:
    """Be one of several that read: one thread each, and none of them outlives who asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked is interrupted too
    threading.Thread(target=_end_with, args=[mp.parent_process()], daemon=True).start()
    begin()
    pa.set_cpu_count(1)
    _GIVEN.append((reading, limits))


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _read(part: Sequence[tuple[File, str]]) -> list[Tables]:
    (shared,) = _GIVEN
    return _read_part(shared, part)


def _read_part(
    shared: tuple[Reading, dict[str, float]], part: Sequence[tuple[File, str]]
) -> list[Tables]:
    reading, limits = shared
    with allowing(**limits):
        return [_read_here(reading, *each) for each in part]


def _read_here(reading: Reading, file: File, name: str) -> Tables:
    meta = reading.options.meta
    if meta is not None:
        meta.used.clear()
    tables = reading.read(file, name)
    if tables.bad is None:
        file[0].forget()
    return replace(tables, used=frozenset(meta.used)) if meta is not None else tables
