"""The files of a store: whole or not there, named by what they hold, deleted by nobody else.

The manifest is also the store's signature: it is the first file of a new store, a folder with
files and without it is refused, and only files of the store's own names are replaced or deleted.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from scaling_cli.runs.table import stack
from scaling_cli.vocabulary.bounds import wait_until
from scaling_cli.vocabulary.errors import DataError, some
from scaling_cli.vocabulary.jsonfile import write_whole

FORMAT = 1
BUCKETS = 16
MANIFEST = "manifest.json"
_KIND = "scaling store"
_ROW_GROUP = 131072
MOST_COLUMNS = 256  # of more than these most cells are missing
_FEW_ROWS = 512  # of one run, mostly
_LAYOUT = {"format": int, "version": int, "buckets": int, "segments": list}
_LAST = {"path": str, "version": int}
_SEGMENT = {"path": str, "bucket": int, "rows": int, "runs": list}
ELSEWHERE = "Name a new or an empty folder (--store DIR)."
_AGAIN = "Ingest the logs into a new store."
_HASH = "[0-9a-f]{16}"
_OWN_FILE = re.compile(
    rf"points/bucket=\d+/seg-{_HASH}\.parquet|tables/(runs|sources|last)-{_HASH}\.parquet"
)
_OWN_PARTIAL = re.compile(
    rf"\d+-((manifest|again)\.json|(seg-{_HASH}|(runs|sources|last)(-{_HASH})?)\.parquet)"
)


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


def refuse_another(root: Path) -> None:
    """Refuse a place that holds what no store wrote, before anything is written there."""
    if os.path.lexists(root) and not root.is_dir():
        message = "this is not a folder, so it cannot be a store."
        raise DataError(message, file=str(root), hint=ELSEWHERE)
    # Listed before the manifest is looked for: another writer may sign the folder in between.
    entries = sorted(root.iterdir()) if root.is_dir() else []
    if is_store(root):
        manifest_of(root)
        return
    others = [entry.name for entry in entries if not _is_beginning(entry)]
    if others:
        names = some(others, 3)
        message = f"not a store: the folder holds other files ({names}). Nothing was written."
        raise DataError(message, file=str(root), hint=ELSEWHERE)


def _is_beginning(entry: Path) -> bool:
    """Say whether this is what a new store holds until its manifest is there."""
    if entry.name == "tmp" and entry.is_dir():
        return all(_OWN_PARTIAL.fullmatch(partial.name) for partial in entry.iterdir())
    return entry.name == ".lock" and entry.is_file() and entry.stat().st_size == 0


def put_table(root: Path, name: str, table: pa.Table) -> str:
    """Write a table under a name that its content is part of; return it."""
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP)
    content = sink.getvalue().to_pybytes()
    path = f"{name}-{_digest(content)}.parquet"
    _put(root, root / path, content)
    return path


def put_manifest(root: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest."""
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


def sweep(root: Path, manifest: dict[str, Any]) -> None:
    """Delete our files that no manifest names; show the tables in force under plain names."""
    named = {segment["path"] for segment in manifest["segments"]}
    named |= {manifest["runs"], manifest["sources"], (manifest.get("last") or {}).get("path")}
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


def empty_manifest() -> dict[str, Any]:
    """Return the manifest of a store without runs."""
    signature = {"kind": _KIND, "format": FORMAT, "version": 0, "buckets": BUCKETS}
    return {**signature, "segments": [], "runs": None, "sources": None}


def manifest_of(root: Path) -> dict[str, Any]:
    """Return what is in force in a store.

    Raises
    ------
    DataError
        If there is none, or it is damaged or of a later format.
    """
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
        raise damage(path, "it lacks what a manifest says")
    return manifest


def _is_whole(manifest: Mapping[str, Any]) -> bool:
    """Say whether a manifest has all its parts, and names none but the store's own files."""
    segments, tables = manifest.get("segments"), ("runs", "sources")
    if not (_has(manifest, _LAYOUT) and all(name in manifest for name in tables)):
        return False
    if not all(isinstance(segment, dict) and _has(segment, _SEGMENT) for segment in segments or ()):
        return False
    last = manifest.get("last")
    if last is not None and not (isinstance(last, dict) and _has(last, _LAST)):
        return False
    named = [segment["path"] for segment in [*(segments or ()), *([last] if last else [])]]
    named += [manifest[name] for name in tables if segments or manifest[name] is not None]
    return all(isinstance(name, str) and _OWN_FILE.fullmatch(name) for name in named)


def _has(record: Mapping[str, Any], kinds: Mapping[str, type]) -> bool:
    return all(type(record.get(key)) is kind for key, kind in kinds.items())


def table_of(root: Path, manifest: Mapping[str, Any], name: str) -> pa.Table | None:
    """Return the table of runs or of sources; None if there is none yet."""
    return None if manifest[name] is None else parquet(root, manifest[name])


def parquet(root: Path, name: str) -> pa.Table:
    """Return a table of the store, which is as its name says."""
    return parsed(root / name, content_of(root, name))


def content_of(root: Path, name: str) -> bytes:
    """Return a file of the store, which is as its name says."""
    try:
        content = (root / name).read_bytes()
    except OSError as error:
        raise damage(root / name, "this file is missing") from error
    if _digest(content) != Path(name).stem.rpartition("-")[2]:
        raise damage(root / name, "this file is cut or changed")
    return content


def parsed(path: Path, content: bytes, *, sparse: bool = False) -> pa.Table:
    """Return the table that a file of the store holds; if it is to be sparse, as `stack` does."""
    try:
        file = pyarrow.parquet.ParquetFile(pa.BufferReader(content))
        wide = sparse and file.metadata.num_columns > MOST_COLUMNS
        return _in_pieces(file) if wide else file.read()
    except (OSError, pa.ArrowException) as error:
        raise damage(path, "this file is no table") from error


def _in_pieces(file: pyarrow.parquet.ParquetFile) -> pa.Table:
    """Return a table of which each run has a few of the columns: the others take no room in it."""
    pieces = map(_filled, file.iter_batches(_FEW_ROWS))
    return stack([file.schema_arrow.empty_table(), *pieces])


def _filled(batch: pa.RecordBatch) -> pa.Table:
    """Return the columns that have something."""
    there = [i for i, c in enumerate(batch.columns) if c.null_count < len(c)]
    return pa.Table.from_batches([batch.select(there)])


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def damage(path: Path, what: str) -> DataError:
    """Return the refusal of a damaged store."""
    return DataError(f"the store is damaged: {what}.", file=str(path), hint=_AGAIN)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
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
