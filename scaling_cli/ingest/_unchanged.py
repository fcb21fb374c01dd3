"""Files that a store holds as they are: known by size and digest, and not read again.

What is said of their runs as a whole comes from the store: the facts and the last point of each.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest import _databases
from scaling_cli.ingest._facts import Options
from scaling_cli.ingest._parts import may_be_part
from scaling_cli.ingest._sources import Source, stem
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
    known = held.last_points({run for row in rows.values() for run in row["run_ids"]})
    if known is None or not rows:
        return None
    sources = pa.Table.from_pylist([*rows.values()], schema=pa.schema([*SOURCE_COLUMNS.items()]))
    columns = [ColumnReading(**r) for row in rows.values() for r in json.loads(row["columns"])]
    notes = [Note(**note) for row in rows.values() for note in json.loads(row["notes"])]
    runs = Runs(*known, sources, columns, notes)
    return Unchanged(frozenset(rows), in_order(runs, [source.name for source, _ in files]))


def in_order(runs: Runs, files: Sequence[str]) -> Runs:
    """Return runs with what is said of them in the order of their files, and no other columns."""
    place, last = {file: i for i, file in enumerate(files)}, len(files)
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
