"""The store: runs, points and sources as Parquet, written atomically, read by anyone.

    manifest.json                          what is in force; replaced last
    points/bucket=00..15/seg-<hash>.parquet   immutable, named by content, sorted by run and step;
                                           what a run has grown by lies in a later one
    tables/runs-<hash>.parquet, tables/sources-<hash>.parquet   immutable, named by content
    tables/last-<hash>.parquet             the last point of each run: what is asked most
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

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from scaling_cli.runs.change import Change, OutdatedError, compared, missing, without_older
from scaling_cli.runs.plausible import doubts
from scaling_cli.runs.stored import (
    ELSEWHERE,
    FORMAT,
    MANIFEST,
    MOST_COLUMNS,
    content_of,
    damage,
    empty_manifest,
    is_store,
    locked,
    manifest_of,
    parquet,
    parsed,
    put_manifest,
    put_table,
    refuse_another,
    sweep,
    table_of,
)
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
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import stamped

# A bucket with more segments than this is rewritten as one at the next append to it.
_MOST_SEGMENTS = 8
_CORE = {**POINT_CORE, **POINT_TAIL}
_TRIES = 100  # of reading beside writers


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


class Later(Protocol):
    """What makes the points of runs when they are wanted, so that no one holds all of them."""

    @property
    def runs(self) -> Collection[str]:
        """Return the runs."""
        ...

    def points(self, runs: Collection[str]) -> pa.Table:
        """Return the points of these runs, which are among them."""
        ...


@dataclass(frozen=True)
class Held:
    """What a store holds of files, by their place; for reading what it does not hold."""

    root: Path
    manifest: Mapping[str, Any]
    sources: Mapping[str, dict[str, Any]]

    def last_points(self, runs: set[str]) -> tuple[pa.Table, pa.Table] | None:
        """Return the facts of runs and the last point of each; None if they cannot be had."""
        if not any(runs & {*segment["runs"]} for segment in self.manifest["segments"]):
            return None
        try:
            facts = parquet(self.root, self.manifest["runs"]).filter(_among(runs))
            return facts, _last_points(self.root, self.manifest, runs)
        except DataError:
            return None


def _last_points(root: Path, manifest: Mapping[str, Any], runs: set[str]) -> pa.Table:
    """Return the last point of each of some runs."""
    kept = manifest.get("last")
    # A version that keeps no such table leaves that of an older store standing.
    if kept is not None and kept["version"] == manifest["version"]:
        return parquet(root, kept["path"]).filter(_among(runs))
    facts = parquet(root, manifest["runs"]).filter(_among(runs))
    paths = [s["path"] for s in manifest["segments"] if runs & {*s["runs"]}]
    parts = (parquet(root, path).filter(_among(runs)) for path in paths)
    each = stack(last_points(Runs(facts, part, part)) for part in parts)
    return last_points(Runs(facts, each, each))  # a run that has grown lies in several


def last_points(runs: Runs) -> pa.Table:
    """Return the last point of each run."""
    view = View.of(runs)
    return runs.points.take(pa.array(view.rows[view.last_of(np.arange(len(view)))]))


def held(path: str | Path) -> Held | None:
    """Return what a store holds of files; None if it cannot be read."""
    root = Path(path)
    try:
        manifest = manifest_of(root)
        table = table_of(root, manifest, "sources")
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
    grown: Mapping[str, str] | None = None,
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
    grown : mapping of str to str
        Keys of sources whose points are those behind the ones that the store has, and the digest
        of what the store must hold of each for that.
    told : callable
        Is told what was done while no other process can write.

    Raises
    ------
    DataError
        If there is something else in the place, it cannot be written, or a run is in the store
        from another source.
    OutdatedError
        If the store does not hold one of the unread sources, or what has grown, any more.
    """
    root = Path(store)
    try:
        refuse_another(root)
        root.mkdir(parents=True, exist_ok=True)
        with locked(root):
            report = _append(root, runs, unread, later, grown or {})
            told(report)
            return report
    except OSError as error:
        message = f"the store cannot be written: {error.strerror}."
        raise DataError(message, file=str(error.filename or root), hint=ELSEWHERE) from error


def _append(
    root: Path,
    runs: Runs,
    unread: Collection[str],
    later: Sequence[Later],
    grown: Mapping[str, str],
) -> StoreReport:
    if not is_store(root):
        put_manifest(root, empty_manifest())
    manifest = manifest_of(root)
    before = table_of(root, manifest, "sources")
    runs, notes = without_older(before, runs)
    change = compared(before, runs, grown)
    if not change.written.isdisjoint(unread):
        raise OutdatedError
    seen = set(runs.sources["uri"].to_pylist())
    if change.fresh or change.gone:
        manifest = _write(root, manifest, change, runs, later)
    sweep(root, manifest)
    return StoreReport(
        str(root),
        tuple(sorted(change.fresh - change.gone)),
        tuple(sorted(change.fresh & change.gone)),
        tuple(sorted(change.unchanged)),
        tuple(sorted(change.gone - change.fresh)),
        sum(segment["rows"] for segment in manifest["segments"]),
        (*notes, *change.notes, *missing(change.sources, seen)),
    )


def read(path: str | Path) -> Runs:
    """Read a store.

    Raises
    ------
    DataError
        If it is damaged, empty, or of a later format.
    """
    root = Path(path)
    for _ in range(_TRIES):
        manifest = manifest_of(root)
        try:
            return _read(root, manifest)
        except DataError:
            if manifest_of(root) == manifest:
                raise
    raise DataError("it was written again while it was read.", file=str(root), hint="Try again.")


def _read(root: Path, manifest: Mapping[str, Any]) -> Runs:
    segments = manifest["segments"]
    if not segments:
        begun = "its first ingest did not finish" if not manifest["version"] else "it has no runs"
        message = f"the store is empty: {begun}."
        raise DataError(message, file=str(root), hint="Fill it: scaling ingest.")
    names = [manifest["runs"], manifest["sources"], *(segment["path"] for segment in segments)]
    contents = {name: content_of(root, name) for name in names}  # all now: a writer may delete them
    runs, sources, *parts = (parsed(root / n, contents.pop(n), sparse=True) for n in names)
    for segment, part in zip(segments, parts, strict=True):
        held = part.num_rows, set(part["run_id"].unique().to_pylist())
        if held != (segment["rows"], set(segment["runs"])):
            raise damage(root / MANIFEST, "it does not say what the segments hold")
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
    old = table_of(root, manifest, "runs")
    facts = runs.runs.filter(_among(change.fresh))
    if old is not None:
        facts = stack([old.filter(~_among(change.gone)), facts])
    segments = _segments(root, manifest, change, runs.points, later)
    tables = {"runs": facts.sort_by("run_id"), "sources": change.sources}
    put = {n: put_table(root, f"tables/{n}", with_units(t, n)) for n, t in tables.items()}
    version = {"format": FORMAT, "version": manifest["version"] + 1}
    last = _put_last(root, manifest, change, runs)
    following = {**manifest, **version, "segments": segments, **put, "last": last}
    put_manifest(root, following)
    return following


def _put_last(
    root: Path, manifest: Mapping[str, Any], change: Change, runs: Runs
) -> dict[str, Any] | None:
    """Write the last point of each run after a change; none where there are too many columns."""
    if runs.points.num_columns > MOST_COLUMNS:
        return None
    left = {run for segment in manifest["segments"] for run in segment["runs"]} - change.gone
    points = last_points(runs).filter(_among(change.fresh))
    table = stack([_last_points(root, manifest, left), points] if left else [points])
    if table.num_columns > MOST_COLUMNS:
        return None
    path = put_table(root, "tables/last", with_units(table.sort_by("run_id"), "points"))
    return {"path": path, "version": manifest["version"] + 1}


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
        if number not in crowded and change.dropped.isdisjoint(segment["runs"]):
            if not change.lengthened.isdisjoint(segment["runs"]):
                content_of(root, segment["path"])  # whole, or nothing goes behind it
            kept.append(segment)
        else:
            left.setdefault(number, []).append(segment["path"])
    for number, paths in sorted(left.items()):
        runs = wanted.get(number, set())
        own = ((several, runs.intersection(several.runs)) for several in later)
        made = [several.points(names) for several, names in own if names]
        rest = (parquet(root, path).filter(~_among(change.dropped)) for path in paths)
        new = [*tables.pop(number, []), *made]
        kept.append(_put_segment(root, number, stack([*_of_all(points, new), *rest])))
    return [segment for segment in kept if segment["rows"]]


def _of_all(points: pa.Table, new: list[pa.Table]) -> list[pa.Table]:
    """Return new points under a table that has the columns of all of them."""
    few = points.num_columns <= MOST_COLUMNS
    return [points.schema.empty_table(), *new] if few and new else new


def _by_bucket(points: pa.Table, buckets: int) -> dict[int, list[pa.Table]]:
    """Return the points of each bucket that has any, in one table."""
    coded = points["run_id"].combine_chunks().dictionary_encode()
    numbers = np.array([_bucket(run, buckets) for run in coded.dictionary.to_pylist()], int)
    numbers = numbers[coded.indices.to_numpy(zero_copy_only=False)]
    rows = {number: pa.array(np.flatnonzero(numbers == number)) for number in _unique(numbers)}
    always = points.column_names if points.num_columns <= MOST_COLUMNS else [*_CORE]
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
    wide = table.num_columns > MOST_COLUMNS  # most of its cells are missing, and stay one array
    table = _in_order(table) if wide else _in_order(table.combine_chunks())
    units = with_units(table, "points")
    name = put_table(root, f"points/bucket={number:02d}/seg", units) if table.num_rows else ""
    runs = table["run_id"].unique().to_pylist()
    return {"path": name, "bucket": number, "rows": table.num_rows, "runs": runs}


def _pieces(order: np.ndarray) -> list[tuple[int, int]]:
    """Return the stretches of rows that are taken as they stand: where each begins, its length."""
    begins = np.flatnonzero(np.diff(order, prepend=-2) != 1)
    return list(
        zip(order[begins].tolist(), np.diff(np.append(begins, len(order))).tolist(), strict=True)
    )


def _in_order(table: pa.Table) -> pa.Table:
    """Return points by run, step, tokens and line; what is missing comes last."""
    coded = table["run_id"].combine_chunks().dictionary_encode()
    run = np.argsort(np.argsort(np.array(coded.dictionary.to_pylist(), object)))
    run = run[coded.indices.to_numpy(zero_copy_only=False)]
    order, step = np.argsort(run, kind="stable"), floats(table["step"])
    if np.all((np.diff(run[order]) > 0) | (np.diff(step[order]) > 0)):
        if table.num_columns > MOST_COLUMNS:
            return pa.concat_tables(table.slice(*piece) for piece in _pieces(order))
        return table if np.array_equal(order, np.arange(len(order))) else table.take(order)
    keys = [table["line"].to_numpy()]
    for name in ("tokens", "step"):
        keys += [table[name].fill_null(0).to_numpy(), table[name].is_null().to_numpy()]
    return table.take(np.lexsort((*keys, run)))
