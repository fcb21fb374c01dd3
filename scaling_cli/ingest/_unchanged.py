"""Files that a store holds as they are: known by size and digest, and not read again.

What is said of their runs as a whole comes from the store: the facts and the last point of each.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest import _databases, wandb
from scaling_cli.ingest._facts import Options
from scaling_cli.ingest._parts import may_be_part
from scaling_cli.ingest._sources import Source, stem
from scaling_cli.ingest.tensorboard import is_set
from scaling_cli.runs import again
from scaling_cli.runs.store import Held
from scaling_cli.runs.table import (
    POINT_CORE,
    POINT_TAIL,
    RUN_CORE,
    SOURCE_COLUMNS,
    ColumnReading,
    Note,
    Runs,
)
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import QUANTITIES


@dataclass(frozen=True)
class Unchanged:
    """The files that need not be read, by their place among all, and their runs.

    `runs` has no points but the last of each run.
    """

    places: frozenset[int]
    runs: Runs
    folders: Mapping[str, str] = field(default_factory=dict)
    """The run of each folder whose files are parts of one."""

    @property
    def sources(self) -> frozenset[str]:
        """Return the keys of the files."""
        return frozenset(self.runs.sources["source_id"].to_pylist())

    def mark(self, options: Options) -> None:
        """Say which rows of --meta these runs use."""
        if options.meta is not None:
            for row in self.runs.sources.to_pylist():
                for run in row["run_ids"]:
                    options.meta.of(run, stem(row["file"]))


def unchanged(
    held: Held,
    files: Sequence[tuple[Source, str]],
    names: Mapping[str, str],
    options: Options,
    versions: Mapping[str, str],
) -> Unchanged | None:
    """Return the files that a store holds as they are, read as they would be now.

    Parameters
    ----------
    held : Held
        What the store holds.
    files : sequence of (source, reader)
    names : mapping of file to str
        What the run of each is called if nothing names it.
    options : Options
    versions : mapping of reader to version
    """
    if not options.mapping.keys() <= QUANTITIES.keys():
        return None
    rows: dict[int, dict[str, Any]] = {}
    for place, (source, how) in enumerate(files):
        row = held.sources.get(source.uri, {})
        now = {"file": source.name, "reader": how, "reader_version": versions.get(how)}
        now |= {"mapping": options.read_as(source)}
        alike = now.items() <= row.items() and row.get("along") is not None
        if alike and _is(source, row) and _is_named(row, names[source.name]):
            rows[place] = row if is_as_it_was(source, row) else _told_again(source, row)
    folders = {}
    for places, row in _runs_of_several(held, files, options, versions):
        rows |= dict.fromkeys(places, row)
        folders[row["uri"]] = row["run_ids"][0]
    known = held.last_points({run for row in rows.values() for run in row["run_ids"]})
    if known is None or not rows:
        return None
    kept = [*{row["source_id"]: row for row in rows.values()}.values()]
    sources = pa.Table.from_pylist(kept, schema=pa.schema([*SOURCE_COLUMNS.items()]))
    columns = [ColumnReading(**r) for row in kept for r in json.loads(row["columns"])]
    notes = [Note(**note) for row in kept for note in json.loads(row["notes"])]
    runs = Runs(*known, sources, columns, notes)
    ordered = in_order(runs, [source.name for source, _ in files])
    return Unchanged(frozenset(rows), ordered, folders)


def _runs_of_several(
    held: Held,
    files: Sequence[tuple[Source, str]],
    options: Options,
    versions: Mapping[str, str],
) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Yield the places of the files of each run that lies in several, if they are as they were.

    The files of a run are those below its folder, unless they are below that of another; that
    they were these, and no other, the digest says.
    """
    groups: dict[str, list[int]] = {}
    kept: list[tuple[list[int], dict[str, Any]]] = []
    for place, (source, how) in enumerate(files):
        if source.path is not None and not source.fleeting:
            near = (uri for uri in _folders(source.uri, how) if uri in held.sources)
            folder = next((uri for uri in near if held.sources[uri]["reader"] == how), None)
            groups.setdefault(folder, []).append(place) if folder else None
    for uri, places in groups.items():
        row, (first, how) = held.sources[uri], files[places[0]]
        parts = tuple(files[place][0] for place in places)
        whole = Source(row["file"], Path(row["file"]), None, True, parts)
        now = {"reader": how, "reader_version": versions.get(how), "program": again.program()}
        now |= {"mapping": options.read_as(whole)}
        here = row["file"] in _folders(Path(first.name).as_posix(), how)
        alike = now.items() <= row.items() and row.get("along") is not None
        if alike and here and len(row["run_ids"]) == 1 and _are(parts, whole, row):
            kept.append((places, {**row, "modified": whole.modified}))
    same = {place for places, _ in kept for place in places}
    others: dict[str, dict[Path, None]] = {row["reader"]: {} for _, row in kept}
    for place, (source, how) in enumerate(files):
        if source.path and place not in same and how in others:
            others[how][Path(source.uri).parent] = None
    yield from (pair for pair in kept if _stands(Path(pair[1]["uri"]), others[pair[1]["reader"]]))


def _stands(folder: Path, others: Collection[Path]) -> bool:
    """Say whether what is a run by itself stays one with other files, in these folders.

    What lies in the folder above, or is of another set (`train` beside `val`), may make one of
    both.
    """
    return not any(
        other in folder.parents or (is_set(other.name) and other.parent in (folder, folder.parent))
        for other in others
    )


def _folders(path: str, how: str) -> list[str]:
    """Return the folders that may be that of the run of a file, the nearest first."""
    if how == wandb.NAMES[0]:
        return [wandb.run_of(path)]
    return [folder.as_posix() for folder in Path(path).parents]


def _are(parts: Sequence[Source], whole: Source, row: Mapping[str, Any]) -> bool:
    """Say whether files together have the content that was read."""
    try:
        if sum(part.path.stat().st_size for part in parts if part.path) != row["bytes"]:
            return False
        for part in parts:
            part.forget()
        return whole.sha256 == row["sha256"]
    except (OSError, DataError):
        return False


def in_order(runs: Runs, files: Sequence[str]) -> Runs:
    """Return runs with what is said of them in the order of their files, and no other columns."""
    place, last = _order(runs.sources, files), 2 * len(files)
    rows = [place.get(file, last) for file in runs.sources["file"].to_pylist()]
    sources = runs.sources.take(pa.array(np.argsort(rows, kind="stable")))
    along, facts = (
        dict.fromkeys(name for names in sources[kind].to_pylist() for name in names)
        for kind in ("along", "facts")
    )
    return Runs(
        _of_columns(runs.runs, [*RUN_CORE, *facts]),
        _of_columns(runs.points, [*POINT_CORE, *along, *POINT_TAIL]),
        sources,
        sorted(runs.columns, key=lambda reading: place.get(reading.file, last)),
        sorted(runs.notes, key=lambda note: place.get(note.file or "", last)),
    )


def _order(sources: pa.Table, files: Sequence[str]) -> dict[str, int]:
    """Return where each source stands: runs of several files behind all, by their first file."""
    place, last = {file: i for i, file in enumerate(files)}, len(files)
    named = zip(sources["file"].to_pylist(), sources["reader"].to_pylist(), strict=True)
    others = {name: reader for name, reader in named if name not in place}
    for i, file in enumerate(files) if others else ():
        for how in {*others.values()}:
            near = (name for name in _folders(file, how) if others.get(name) == how)
            place.setdefault(next(near, ""), last + i)
    return place


def _of_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    return table.select([name for name in names if name in table.column_names])


def is_as_it_was(source: Source, row: Mapping[str, Any]) -> bool:
    """Say whether a file need not be read to know that it is what was read."""
    if source.path is None or row.get("program") != again.program() or row["inode"] is None:
        return False
    if row["reader"] in _databases.READERS and Path(f"{source.path}-wal").exists():
        return False
    try:
        now = source.path.stat()
    except OSError:
        return False
    own = again.settled(now), now.st_size, now.st_mtime_ns
    return own == ((row["inode"], row["changed"]), row["bytes"], row["modified"])


def _told_again(source: Source, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a file that holds what it held, with its times as they are now."""
    source.forget()
    return {**row, "modified": source.modified, **source.told_by}


def _is(source: Source, row: Mapping[str, Any]) -> bool:
    """Say whether a file has the content that was read."""
    if source.path is None or source.fleeting or may_be_part(source.name):
        return False
    if is_as_it_was(source, row):
        return True
    try:
        return source.path.stat().st_size == row["bytes"] and source.sha256 == row["sha256"]
    except (OSError, DataError):
        return False


def _is_named(row: Mapping[str, Any], name: str) -> bool:
    """Say whether the runs of a file would have the same names if it was read now."""
    own = all(run == name or run.startswith(f"{name}:") for run in row["run_ids"])
    return own or any(r["canonical"] == "run_id" for r in json.loads(row["columns"]))
