"""What putting runs into a store changes: sources that are new, as they were, or others now."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from scaling_cli.runs.table import Note, Runs
from scaling_cli.vocabulary.errors import DataError, some

_ANOTHER = (
    "If it is another run, name it with --set run_id=... or --name '{run_id}'; if the log has "
    "moved, ingest it into a new store."
)
_Place = tuple[str, str]
_NAMELESS = "Name it with --set run_id=NAME, or in a column run_id; a file is named by its name."


@dataclass(frozen=True)
class Change:
    """Which runs an append writes anew, drops from before, and leaves."""

    fresh: set[str]
    gone: set[str]
    unchanged: set[str]
    sources: pa.Table
    written: set[str]
    """Keys of the sources that are written anew."""
    notes: Sequence[Note] = ()
    lengthened: frozenset[str] = frozenset()
    """Runs whose points stay, with others behind them."""

    @property
    def dropped(self) -> set[str]:
        """Return the runs whose points from before go."""
        return self.gone - self.lengthened


class OutdatedError(Exception):
    """What was read beside a store is not what the store holds now."""


def without_older(before: pa.Table | None, runs: Runs) -> tuple[Runs, list[Note]]:
    """Return the runs without those of files that the store holds as they were later.

    Another process may have read a file after this one and put it into the store before.
    """
    known = {} if before is None else {_place(row): row for row in before.to_pylist()}
    kept, notes = [], []
    for row in runs.sources.to_pylist():
        later = known.get(_place(row), {}).get("modified")
        older = later is not None and row["modified"] is not None and row["modified"] < later
        if older and _modified(row["uri"]) != row["modified"]:
            message = "the store holds this file as it was later; what was read before is left out."
            notes.append(Note("older-reading", "warn", message, row["file"]))
        else:
            kept.append(row)
    if notes:
        sources = pa.Table.from_pylist(kept, schema=runs.sources.schema)
        runs = replace(runs, sources=sources)
    return runs, notes


def _modified(uri: str) -> int | None:
    """Return when a file as it is now was written."""
    try:
        return Path(uri).stat().st_mtime_ns
    except (OSError, ValueError):
        return None


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return where a source is: what is no file is another with every content."""
    return row["uri"], row["sha256"] if row["uri"].startswith("<") else ""


def compared(before: pa.Table | None, runs: Runs, grown: Mapping[str, str]) -> Change:
    """Compare the sources of a store with those of runs.

    A file that is not where it was, while another has its content, or begins with it and holds
    its run, has moved: its runs go where it went. Of the sources that have grown the store must
    hold what has the given digest.

    Raises
    ------
    DataError
        If a run is in the store from another source, or has no name.
    OutdatedError
        If the store holds something else of what has grown.
    """
    old = [] if before is None else before.to_pylist()
    new = runs.sources.to_pylist()
    moved = _moved(old, new)
    known = {_key(row) for row in old if _place(row) not in moved}
    owner = {run: row for row in old for run in row["run_ids"]}
    unchanged = [row for row in new if _key(row) in known]
    written = [row for row in new if _key(row) not in known]
    places = {_place(row) for row in written}
    for row in written:
        _require_names(row)
        formers = [owner[run] for run in row["run_ids"] if run in owner]
        moved |= {_place(f): _taken_over(f, row) for f in formers if _place(f) not in places}
    places |= moved.keys()
    times = {(_place(row), _key(row)): row for row in unchanged}
    kept = [
        {**row, **_times(times.get((_place(row), _key(row)), row))}
        for row in old
        if _place(row) not in places
    ]
    gone = [row for row in old if _place(row) in places]
    sources = pa.Table.from_pylist([*kept, *written], schema=runs.sources.schema)
    notes = [_note_on_move(row, moved[_place(row)]) for row in gone if _place(row) in moved]
    anew = {row["source_id"] for row in written}
    lengthened = _lengthened(old, written, grown)
    return Change(
        _runs_of(written), _runs_of(gone), _runs_of(unchanged), sources, anew, notes, lengthened
    )


def _lengthened(
    old: Sequence[Mapping[str, Any]], written: Sequence[Mapping[str, Any]], grown: Mapping[str, str]
) -> frozenset[str]:
    rows = [row for row in written if row["source_id"] in grown]
    held = {row["source_id"]: (row["sha256"], row["run_ids"]) for row in old} if rows else {}
    for row in rows:
        if held.get(row["source_id"]) != (grown[row["source_id"]], row["run_ids"]):
            raise OutdatedError
    return frozenset(_runs_of(dict(row) for row in rows))


def _moved(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> dict[_Place, Mapping[str, Any]]:
    """Return which of the new files have what is not where it was, by where it was."""
    held = {_place(row) for row in old}
    contents: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in old:
        contents.setdefault(_key(row)[:-1], []).append(row)
    moved: dict[_Place, Mapping[str, Any]] = {}
    for row in new:
        same = contents.get(_key(row)[:-1], []) if _place(row) not in held else []
        former = next((o for o in same if _place(o) not in moved and is_gone(o)), None)
        if former is not None:
            moved[_place(former)] = row
    return moved


def is_gone(row: Mapping[str, Any]) -> bool:
    """Say whether a source was a file that is not there any more."""
    try:
        here = not row["uri"].startswith("<") and "://" not in row["uri"]
        return here and not Path(row["uri"]).exists()
    except (OSError, ValueError):
        return False


def _taken_over(former: Mapping[str, Any], row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the file that may hold a run of another one: it is that file, moved.

    Raises
    ------
    DataError
        If it is not.
    """
    same = _key(former)[0] == _key(row)[0] and is_gone(former)
    if same or _has_grown(former, row):
        return row
    (run, *_) = sorted({*former["run_ids"]} & {*row["run_ids"]})
    message = f"run {run!r} is in the store already, from {former['uri']}."
    raise DataError(message, file=row["file"], hint=_ANOTHER)


def _has_grown(former: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Say whether a file is one that is not where it was, with more behind it."""
    if not is_gone(former) or (row["bytes"] or 0) <= (former["bytes"] or 0):
        return False
    try:
        with Path(row["uri"]).open("rb") as file:
            return sha256(file.read(former["bytes"])).hexdigest() == former["sha256"]
    except (OSError, ValueError):
        return False


def _note_on_move(former: Mapping[str, Any], row: Mapping[str, Any]) -> Note:
    before, now = (", ".join(sorted(source["run_ids"])) for source in (former, row))
    message = f"it was {former['file']} before: a file that was moved is read once."
    if before == now:
        return Note("moved-file", "info", message, row["file"])
    return Note("moved-file", "warn", f"{message} Its run {before} is {now} now.", row["file"])


def missing(sources: pa.Table, seen: Collection[str] = ()) -> list[Note]:
    """Return a note that names the files that are not there any more, if there are any."""
    rows = sources.select(["uri", "file"]).to_pylist()
    files = [row["file"] for row in rows if row["uri"] not in seen and is_gone(row)]
    message = f"{len(files)} file(s) are not there any more: {some(files)}. Their runs are kept."
    return [Note("missing-file", "info", message)] if files else []


def _require_names(row: Mapping[str, Any]) -> None:
    """Refuse runs that are called after what is no file: the next such would be called so too.

    Raises
    ------
    DataError
    """
    own = Path(row["file"]).name if row["uri"].startswith("<") else None
    if own is not None and any(r.split(":")[0] == own for r in row["run_ids"]):
        message = "what is read from here gives its run no name, and a store keeps runs by name."
        raise DataError(message, file=row["file"], hint=_NAMELESS)


def _runs_of(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {run for row in rows for run in row["run_ids"]}


def _times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return by what a file is known again: read later, it may have got a newer time."""
    return {name: row.get(name) for name in ("modified", "inode", "changed", "program")}


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes a source the same: content, reader, mapping and the runs it gave."""
    names = ("sha256", "reader", "reader_version", "mapping")
    return (*(row[name] for name in names), tuple(sorted(row["run_ids"])))
