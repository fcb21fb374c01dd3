"""The store: runs, points and sources as Parquet, written atomically, read by anyone.

    manifest.json                          what is in force; replaced last
    points/bucket=00..15/seg-<hash>.parquet   immutable, named by content, sorted by run and step
    tables/runs-<hash>.parquet, tables/sources-<hash>.parquet   immutable, named by content
    runs.parquet, sources.parquet          the same tables under plain names, for other tools
    again.json                             what was said of files that are still as they were

A process that is killed while writing leaves the old store or the new one: files that the
manifest does not name are never read here, and the next append sweeps them away. One writer at
a time holds `.lock`; others wait. A reader holds nothing: where files go while it reads, it reads
the store that they went for. What is read has the digest that its name says, and the rows and
runs that the manifest says.

The manifest is also the store's signature: it is the first file of a new store, a folder with
files and without it is refused, and only files of the names above are replaced or deleted.
"""

import contextlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from scaling_cli.runs.change import Change, compared, without_older
from scaling_cli.runs.plausible import doubts
from scaling_cli.runs.table import (
    POINT_CORE,
    POINT_TAIL,
    ColumnReading,
    Note,
    Runs,
    combine,
    floats,
    stack,
    with_units,
)
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.bounds import wait_until
from scaling_cli.vocabulary.errors import DataError, some
from scaling_cli.vocabulary.jsonfile import stamped, write_whole

FORMAT = 1
BUCKETS = 16
MANIFEST = "manifest.json"
_KIND = "scaling store"
_ROW_GROUP = 131072
# A bucket with more segments than this is rewritten as one at the next append to it.
_MOST_SEGMENTS = 8
_LAYOUT = {"format": int, "version": int, "buckets": int, "segments": list}
_SEGMENT = {"path": str, "bucket": int, "rows": int, "runs": list}
# Of more columns than this, a bucket keeps those in which it has something.
_MOST_COLUMNS = 256
_CORE = {**POINT_CORE, **POINT_TAIL}
_TRIES = 100  # of reading beside writers
_ELSEWHERE = "Name a new or an empty folder (--store DIR)."
_AGAIN = "Ingest the logs into a new store."
_HASH = "[0-9a-f]{16}"
_OWN_FILE = re.compile(
    rf"points/bucket=\d+/seg-{_HASH}\.parquet|tables/(runs|sources)-{_HASH}\.parquet"
)
_OWN_PARTIAL = re.compile(
    rf"\d+-((manifest|again)\.json|(seg-{_HASH}|(runs|sources)(-{_HASH})?)\.parquet)"
)


@dataclass(frozen=True)
class StoreReport:
    """What an append did: run ids by what happened to them, and the store afterwards."""

    path: str
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    """Runs that their source no longer holds."""
    points: int
    """Points in the store now."""
    notes: tuple[Note, ...] = ()
    """What reading noticed."""

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling ingest --json` prints."""
        record = {key: list(v) if isinstance(v, tuple) else v for key, v in vars(self).items()}
        notes = [asdict(note) for note in self.notes]
        return stamped({"store": record.pop("path"), **record, "notes": notes})


def is_store(path: str | Path) -> bool:
    """Say whether a folder is a store, whole or damaged.

    A manifest that cannot be read or is not quite ours counts, and so do segments without one:
    what lies there must not be read as logs.
    """
    file = Path(path) / MANIFEST
    try:
        if not file.is_file():
            parts = Path(path).glob("points/bucket=*/seg-*.parquet")
            return any(_OWN_FILE.fullmatch(part.relative_to(path).as_posix()) for part in parts)
        manifest = json.loads(file.read_bytes())
    except PermissionError:  # it may not even be asked: the reader of folders says so
        return False
    except (OSError, ValueError, RecursionError):
        return True
    ours = {"kind": _KIND, "buckets": BUCKETS}.items()
    return isinstance(manifest, dict) and any(pair in manifest.items() for pair in ours)


def apart(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that are not part of a store, and the stores that the others are in."""
    folders = {folder for file in files for folder in file.parents}
    stores = {folder for folder in folders if is_store(folder)}
    return [file for file in files if stores.isdisjoint(file.parents)], sorted(stores)


class Later(Protocol):
    """What makes the points of runs when they are wanted, so that no one holds all of them."""

    @property
    def runs(self) -> Collection[str]:
        """Return the runs."""
        ...

    def points(self, runs: Collection[str]) -> pa.Table:
        """Return the points of these runs, which are among them."""
        ...


class OutdatedError(Exception):
    """What was read beside a store is not what the store holds now."""


@dataclass(frozen=True)
class Held:
    """What a store holds of files, by their place; for reading what it does not hold."""

    root: Path
    manifest: Mapping[str, Any]
    sources: Mapping[str, dict[str, Any]]

    def last_points(self, runs: set[str]) -> tuple[pa.Table, pa.Table] | None:
        """Return the facts of runs and the last point of each; None if they cannot be had."""
        segments = [segment for segment in self.manifest["segments"] if runs & {*segment["runs"]}]
        if not segments:
            return None
        try:
            facts = _parquet(self.root, self.manifest["runs"]).filter(_among(runs))
            parts = (_parquet(self.root, segment["path"]) for segment in segments)
            points = [_last(facts, part.filter(_among(runs))) for part in parts]
        except DataError:
            return None
        return facts, stack(points)


def _last(facts: pa.Table, points: pa.Table) -> pa.Table:
    view = View.of(Runs(facts, points, points))
    return points.take(pa.array(view.rows[view.last_of(np.arange(len(view)))]))


def held(path: str | Path) -> Held | None:
    """Return what a store holds of files; None if it cannot be read."""
    root = Path(path)
    try:
        manifest = _manifest(root)
        table = _table(root, manifest, "sources")
    except DataError:
        return None
    rows = [] if table is None else table.to_pylist()
    tables = Counter(row["uri"] for row in rows)  # a file with several is read again
    return Held(root, manifest, {row["uri"]: row for row in rows if tables[row["uri"]] == 1})


def append(
    store: str | Path,
    runs: Runs,
    *,
    unread: Collection[str] = frozenset(),
    later: Sequence[Later] = (),
    told: Callable[[StoreReport], None] = lambda _: None,
) -> StoreReport:
    """Put runs into a store; made if it is not there.

    A source with the same content, reader and mapping is skipped. A source that has changed
    replaces the runs it gave before.

    Parameters
    ----------
    store : path
    runs : Runs
    unread : set of str
        Keys of sources that the store held as they are: their points are not among those given.
    later : sequence of Later
        What makes the points of runs of which only the last ones are given.
    told : callable
        Is told what was done while no other process can write.

    Raises
    ------
    DataError
        If there is something else in the place, it cannot be written, or a run is in the store
        from another source.
    OutdatedError
        If the store does not hold one of the unread sources any more.
    """
    root = Path(store)
    try:
        _refuse_another(root)
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            report = _append(root, runs, unread, later)
            told(report)
            return report
    except OSError as error:
        message = f"the store cannot be written: {error.strerror}."
        raise DataError(message, file=str(error.filename or root), hint=_ELSEWHERE) from error


def _append(root: Path, runs: Runs, unread: Collection[str], later: Sequence[Later]) -> StoreReport:
    if not is_store(root):
        _put_manifest(root, _empty_manifest())
    manifest = _manifest(root)
    before = _table(root, manifest, "sources")
    runs, notes = without_older(before, runs)
    change = compared(before, runs)
    if not change.written.isdisjoint(unread):
        raise OutdatedError
    if change.fresh or change.gone:
        manifest = _write(root, manifest, change, runs, later)
    _sweep(root, manifest)
    return StoreReport(
        str(root),
        tuple(sorted(change.fresh - change.gone)),
        tuple(sorted(change.fresh & change.gone)),
        tuple(sorted(change.unchanged)),
        tuple(sorted(change.gone - change.fresh)),
        sum(segment["rows"] for segment in manifest["segments"]),
        tuple(notes),
    )


def _refuse_another(root: Path) -> None:
    """Refuse a place that holds what no store wrote, before anything is written there."""
    if os.path.lexists(root) and not root.is_dir():
        message = "this is not a folder, so it cannot be a store."
        raise DataError(message, file=str(root), hint=_ELSEWHERE)
    # Listed before the manifest is looked for: another writer may sign the folder in between.
    entries = sorted(root.iterdir()) if root.is_dir() else []
    if is_store(root):
        _manifest(root)
        return
    others = [entry.name for entry in entries if not _is_beginning(entry)]
    if others:
        names = some(others, 3)
        message = f"not a store: the folder holds other files ({names}). Nothing was written."
        raise DataError(message, file=str(root), hint=_ELSEWHERE)


def _is_beginning(entry: Path) -> bool:
    """Say whether this is what a new store holds until its manifest is there."""
    if entry.name == "tmp" and entry.is_dir():
        return all(_OWN_PARTIAL.fullmatch(partial.name) for partial in entry.iterdir())
    return entry.name == ".lock" and entry.is_file() and entry.stat().st_size == 0


def read(path: str | Path) -> Runs:
    """Read a store.

    Raises
    ------
    DataError
        If it is damaged, empty, or of a later format.
    """
    root = Path(path)
    for _ in range(_TRIES):
        manifest = _manifest(root)
        try:
            return _read(root, manifest)
        except DataError:
            if _manifest(root) == manifest:
                raise
    raise DataError("it was written again while it was read.", file=str(root), hint="Try again.")


def _read(root: Path, manifest: Mapping[str, Any]) -> Runs:
    segments = manifest["segments"]
    if not segments:
        begun = "its first ingest did not finish" if not manifest["version"] else "it has no runs"
        message = f"the store is empty: {begun}."
        raise DataError(message, file=str(root), hint="Fill it: scaling ingest.")
    names = [manifest["runs"], manifest["sources"], *(segment["path"] for segment in segments)]
    contents = {name: _content(root, name) for name in names}  # all now: a writer may delete them
    runs, sources, *parts = (_parsed(root / name, contents.pop(name)) for name in names)
    for segment, part in zip(segments, parts, strict=True):
        held = part.num_rows, set(part["run_id"].unique().to_pylist())
        if held != (segment["rows"], set(segment["runs"])):
            raise _damage(root / MANIFEST, "it does not say what the segments hold")
    columns = [ColumnReading(**record) for record in _records(sources["columns"])]
    notes = [Note(**record) for record in _records(sources["notes"])]
    whole = combine([Runs(runs, stack(parts), sources, columns, notes)])
    return Runs(whole.runs, whole.points, whole.sources, columns, [*notes, *doubts(whole)])


def _records(texts: pa.ChunkedArray) -> list[dict[str, Any]]:
    return [record for text in texts.to_pylist() if text for record in json.loads(text)]


def _write(
    root: Path, manifest: dict[str, Any], change: Change, runs: Runs, later: Sequence[Later]
) -> dict[str, Any]:
    """Write segments and tables, then the manifest; return it."""
    old = _table(root, manifest, "runs")
    facts = runs.runs.filter(_among(change.fresh))
    if old is not None:
        facts = stack([old.filter(~_among(change.gone)), facts])
    segments = _segments(root, manifest, change, runs.points, later)
    tables = {"runs": facts.sort_by("run_id"), "sources": change.sources}
    put = {n: _put_table(root, f"tables/{n}", with_units(t, n)) for n, t in tables.items()}
    version = {"format": FORMAT, "version": manifest["version"] + 1}
    following = {**manifest, **version, "segments": segments, **put}
    _put_manifest(root, following)
    return following


def _segments(
    root: Path,
    manifest: dict[str, Any],
    change: Change,
    points: pa.Table,
    later: Sequence[Later],
) -> list[dict[str, Any]]:
    """Return the segments in force after the change, new ones written; one bucket at a time."""
    thin = {run for several in later for run in several.runs}
    whole, buckets = change.fresh - thin, manifest["buckets"]
    given = points.slice(0, 0)
    if whole:  # a filter takes its time with thousands of columns
        every = whole.issuperset(points["run_id"].unique().to_pylist())
        given = points if every else points.filter(_among(whole))
    tables = _by_bucket(given, buckets)
    wanted: dict[int, set[str]] = {number: set() for number in tables}
    for run in change.fresh & thin:
        wanted.setdefault(_bucket(run, buckets), set()).add(run)
    counts = Counter(segment["bucket"] for segment in manifest["segments"])
    crowded = {number for number in wanted if counts[number] >= _MOST_SEGMENTS}
    kept: list[dict[str, Any]] = []
    left: dict[int, list[str]] = {number: [] for number in wanted}
    for segment in manifest["segments"]:
        number = segment["bucket"]
        if number not in crowded and change.gone.isdisjoint(segment["runs"]):
            kept.append(segment)
        else:
            left.setdefault(number, []).append(segment["path"])
    for number, paths in sorted(left.items()):
        runs = wanted.get(number, set())
        own = ((several, runs.intersection(several.runs)) for several in later)
        made = [several.points(names) for several, names in own if names]
        rest = (_parquet(root, path).filter(~_among(change.gone)) for path in paths)
        new = [*tables.pop(number, []), *made]
        kept.append(_put_segment(root, number, stack([*_of_all(points, new), *rest])))
    return [segment for segment in kept if segment["rows"]]


def _of_all(points: pa.Table, new: list[pa.Table]) -> list[pa.Table]:
    """Return new points under a table that has the columns of all of them."""
    few = points.num_columns <= _MOST_COLUMNS
    return [points.schema.empty_table(), *new] if few and new else new


def _by_bucket(points: pa.Table, buckets: int) -> dict[int, list[pa.Table]]:
    """Return the points of each bucket that has any, in one table."""
    coded = points["run_id"].combine_chunks().dictionary_encode()
    numbers = np.array([_bucket(run, buckets) for run in coded.dictionary.to_pylist()], int)
    numbers = numbers[coded.indices.to_numpy(zero_copy_only=False)]
    rows = {number: pa.array(np.flatnonzero(numbers == number)) for number in _unique(numbers)}
    always = points.column_names if points.num_columns <= _MOST_COLUMNS else [*_CORE]
    parts: dict[int, dict[str, pa.Array]] = {number: {} for number in rows}
    for name, column in zip(points.column_names, points.columns, strict=True):
        whole = column.combine_chunks()
        for number in rows if name in always else _holding(column, numbers):
            parts[number][name] = whole.take(rows[number])
    return {number: [pa.table(columns)] for number, columns in parts.items()}


def _holding(column: pa.ChunkedArray, numbers: np.ndarray) -> list[int]:
    """Return the buckets in which some part has a column; all of them if none has."""
    filled = np.zeros(len(numbers), bool)
    at = 0
    for chunk in column.chunks:
        filled[at : at + len(chunk)] = chunk.null_count < len(chunk)
        at += len(chunk)
    return _unique(numbers[filled] if filled.any() else numbers)


def _unique(numbers: np.ndarray) -> list[int]:
    return np.flatnonzero(np.bincount(numbers)).tolist()


def _bucket(run: str, buckets: int) -> int:
    return int(blake2b(run.encode(), digest_size=2).hexdigest(), 16) % buckets


def _among(runs: set[str]) -> pc.Expression:
    """Return the condition on a table's rows that they are of these runs."""
    return pc.field("run_id").isin(pa.array(sorted(runs), pa.string()))


def _put_segment(root: Path, number: int, table: pa.Table) -> dict[str, Any]:
    table = _in_order(table.combine_chunks())
    units = with_units(table, "points")
    name = _put_table(root, f"points/bucket={number:02d}/seg", units) if table.num_rows else ""
    runs = table["run_id"].unique().to_pylist()
    return {"path": name, "bucket": number, "rows": table.num_rows, "runs": runs}


def _in_order(table: pa.Table) -> pa.Table:
    """Return points by run, step, tokens and line; what is missing comes last."""
    coded = table["run_id"].combine_chunks().dictionary_encode()
    run = np.argsort(np.argsort(np.array(coded.dictionary.to_pylist(), object)))
    run = run[coded.indices.to_numpy(zero_copy_only=False)]
    order, step = np.argsort(run, kind="stable"), floats(table["step"])
    if np.all((np.diff(run[order]) > 0) | (np.diff(step[order]) > 0)):
        return table if np.array_equal(order, np.arange(len(order))) else table.take(order)
    keys = [table["line"].to_numpy()]
    for name in ("tokens", "step"):
        keys += [table[name].fill_null(0).to_numpy(), table[name].is_null().to_numpy()]
    return table.take(np.lexsort((*keys, run)))


def _put_table(root: Path, name: str, table: pa.Table) -> str:
    """Write a table under a name that its content is part of; return it."""
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP)
    content = sink.getvalue().to_pybytes()
    path = f"{name}-{_digest(content)}.parquet"
    _put(root, root / path, content)
    return path


def _put_manifest(root: Path, manifest: dict[str, Any]) -> None:
    _put(root, root / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _put(root: Path, target: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    folder = root / "tmp"
    folder.mkdir(exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, content, partial=folder / f"{os.getpid()}-{target.name}")
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable (Windows needs and allows no such thing)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(root: Path, manifest: dict[str, Any]) -> None:
    """Delete our files that no manifest names; show the tables in force under plain names."""
    named = {segment["path"] for segment in manifest["segments"]}
    named |= {manifest["runs"], manifest["sources"]}
    for path in [*root.glob("points/*/*.parquet"), *root.glob("tables/*.parquet")]:
        name = path.relative_to(root).as_posix()
        if name not in named and _OWN_FILE.fullmatch(name):
            path.unlink()
    for table in ("runs", "sources"):
        if manifest[table]:
            _put(root, root / f"{table}.parquet", (root / manifest[table]).read_bytes())
    # What killed writers left half written, and the folder if that was all.
    folder = root / "tmp"
    for path in [path for path in folder.glob("*") if _OWN_PARTIAL.fullmatch(path.name)]:
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _empty_manifest() -> dict[str, Any]:
    signature = {"kind": _KIND, "format": FORMAT, "version": 0, "buckets": BUCKETS}
    return {**signature, "segments": [], "runs": None, "sources": None}


def _manifest(root: Path) -> dict[str, Any]:
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        lost = isinstance(error, FileNotFoundError) and is_store(root)
        told = "parts of a store without its manifest" if lost else "no readable manifest"
        raise DataError(f"not a store: {told}.", file=str(path), hint=_AGAIN) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != _KIND:
        raise DataError("not the manifest of a store.", file=str(path))
    if type(manifest.get("format")) is int and manifest["format"] > FORMAT:
        message = f"the store has format {manifest['format']}, this version reads up to {FORMAT}."
        raise DataError(message, file=str(path), hint="Upgrade scaling-cli.")
    if not _is_whole(manifest):
        raise _damage(path, "it lacks what a manifest says")
    return manifest


def _is_whole(manifest: Mapping[str, Any]) -> bool:
    """Say whether a manifest has all its parts, and names none but the store's own files."""
    segments, tables = manifest.get("segments"), ("runs", "sources")
    if not (_has(manifest, _LAYOUT) and all(name in manifest for name in tables)):
        return False
    if not all(isinstance(segment, dict) and _has(segment, _SEGMENT) for segment in segments or ()):
        return False
    named = [segment["path"] for segment in segments or ()]
    named += [manifest[name] for name in tables if segments or manifest[name] is not None]
    return all(isinstance(name, str) and _OWN_FILE.fullmatch(name) for name in named)


def _has(record: Mapping[str, Any], kinds: Mapping[str, type]) -> bool:
    return all(type(record.get(key)) is kind for key, kind in kinds.items())


def _table(root: Path, manifest: Mapping[str, Any], name: str) -> pa.Table | None:
    return None if manifest[name] is None else _parquet(root, manifest[name])


def _parquet(root: Path, name: str) -> pa.Table:
    return _parsed(root / name, _content(root, name))


def _content(root: Path, name: str) -> bytes:
    """Return a file of the store, which is as its name says."""
    try:
        content = (root / name).read_bytes()
    except OSError as error:
        raise _damage(root / name, "this file is missing") from error
    if _digest(content) != Path(name).stem.rpartition("-")[2]:
        raise _damage(root / name, "this file is cut or changed")
    return content


def _parsed(path: Path, content: bytes) -> pa.Table:
    try:
        return pyarrow.parquet.ParquetFile(pa.BufferReader(content)).read()
    except (OSError, pa.ArrowException) as error:
        raise _damage(path, "this file is no table") from error


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def _damage(path: Path, what: str) -> DataError:
    return DataError(f"the store is damaged: {what}.", file=str(path), hint=_AGAIN)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the store's lock; wait for another writer."""
    with (root / ".lock").open("a+b") as handle:
        wait_until(lambda: _lock(handle.fileno()), f"another process writes into {root}")
        yield  # closing the file, or dying, gives the lock back


def _lock(handle: int) -> bool:
    """Take a lock if it is free."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
