"""From files to Runs: which format each file has, what its columns mean, which rows count.

One log format is one module of this folder, found by its name: it has `VERSION`, `NAMES` (for
`--format`), `LOOKED_FOR` (for messages), `sniff(path, head) -> 0..1` and
`read(path, content) -> list[Raw]`. One whose runs lie in several files marks what it reads with
`part_of` and has `join(folder, parts) -> Raw`; `beside(path)` says what a tool writes beside its
logs. Modules whose name begins with `_` are not formats.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from scaling_cli.ingest._batches import READER, Batch, batches, understood
from scaling_cli.ingest._columns import check_mapping, remap
from scaling_cli.ingest._facts import Options, pattern_notes, read_meta
from scaling_cli.ingest._given import are_records, expand, passed_over
from scaling_cli.ingest._parts import joined, put_together, run_names
from scaling_cli.ingest._sources import Raw, Source, named, stem
from scaling_cli.ingest._table import understand
from scaling_cli.runs import store
from scaling_cli.runs.plausible import doubts
from scaling_cli.runs.table import Runs, combine
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.registry import Asked, Modules

sys.modules[__name__].__class__ = Asked
# A reader that is less sure than this does not recognise the file.
_RECOGNISED = 0.3
__all__ = ["as_runs", "formats", "read", "recognised"]
_FORMATS = Modules(__name__, "log format")


def formats() -> dict[str, ModuleType]:
    """Return the readers by module name."""
    return {name: _FORMATS.module(name) for name in _FORMATS.names()}


def recognised(path: str, head: bytes) -> str | None:
    """Return the name of the reader that knows this file best, or None."""
    scores = {name: reader.sniff(path, head) for name, reader in formats().items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _RECOGNISED else None


def _recognised(source: Source, head: bytes) -> str | None:
    """Return the same, but for what a tool writes beside its logs where that was not asked for."""
    path = Path(source.name)
    beside = [reader.beside for reader in formats().values() if hasattr(reader, "beside")]
    if not source.asked and any(is_beside(path) for is_beside in beside):
        return None
    return recognised(source.name, head)


def read(
    *sources: Any,
    map: Mapping[str, str] | None = None,
    set: Mapping[str, Any] | None = None,
    meta: str | Path | None = None,
    name: str | None = None,
    format: str | None = None,
    keep_partial: bool = False,
) -> Runs:
    """Read logs and tables of runs.

    Parameters
    ----------
    *sources : str, Path or DataFrame
        Files, folders (searched for files of a known format), globs, a store, `-` for standard
        input; or tables in memory: pandas, polars, pyarrow, anything that hands over Arrow, dicts
        of columns, lists of dicts (one per row). NaN is a measurement in their `loss`, missing
        elsewhere.
    map : mapping of canonical name to column, optional
        Such as {"loss": "eval/c4"}; goes before every alias.
    set : mapping, optional
        Facts of every run ({"params": "124M"}), and directions: `params_convention`,
        `loss_convention`, `<quantity>_scale` (a factor for a column), `rows` (run, curve or
        checkpoint) and `run_id`.
    meta : path, optional
        A table of runs with facts, keyed by run id or file stem.
    name : str, optional
        A pattern over file stems that states facts: `{params}_{tokens}`.
    format : str, optional
        Name of the format; recognised file by file otherwise.
    keep_partial : bool
        Keep the last line of a curve although it has no newline.

    Returns
    -------
    Runs

    Raises
    ------
    DataError
        If there is nothing to read, or what is there is wrong.
    UsageError
        If an option is wrong.
    """
    stores = [s for s in sources if isinstance(s, str | Path) and store.is_store(s)]
    others = [s for s in sources if not any(s is x for x in stores)]
    fixed = {"set": set, "meta": meta, "name": name}
    if stores and any(fixed.values()):
        used = ", ".join(f"--{option}" for option, value in fixed.items() if value)
        message = f"{used} cannot change a store: facts are fixed when logs are ingested."
        hint = "Give it to 'scaling ingest', or read the logs themselves."
        raise UsageError(message, hint=hint)
    parts = [remap(store.read(path), map or {}) for path in stores]
    if others or not sources:
        options = Options(map or {}, set or {}, name, keep_partial)
        parts.append(_read_files(others, options, meta, format))
    return parts[0] if len(parts) == 1 else combine(parts)


def as_runs(data: Any) -> Runs:
    """Return runs from whatever `read` understands, or a list of such; Runs as they are."""
    if isinstance(data, Runs):
        return data
    several = isinstance(data, list | tuple) and not are_records(data)
    return read(*data) if several else read(data)


def _read_files(
    given: list[Any], options: Options, meta: str | Path | None, format: str | None
) -> Runs:
    reader = None if format is None else _reader_named(format)
    files, notes = expand(given, reader, _recognised, _looked_for(), meta)
    names = run_names([source.name for source, _ in files])
    clean = list(batches(files, names, options))
    done = {file.place for batch in clean for file in batch.files}
    tables, bad = _tables([file for i, file in enumerate(files) if i not in done], names)
    about = None if meta is None else _read_meta(meta)
    there = [batch.header for batch in clean] + [raw.columns for _, raw in tables]
    check_mapping(options.mapping, [*there, *([about[1].columns] if about else [])])
    if about is not None:
        table, stems = about[1], list(names.values())
        known = read_meta(table, about[0].sha256, options.mapping, stems)
        options = replace(options, meta=known)
    read, doubted = _understood(files, clean, tables, names, options)
    bad += doubted
    if bad and not read:
        raise bad[0]
    notes += [passed_over(error) for error in bad]
    notes += pattern_notes(options.name, [source.name for source, _ in files])
    whole, columns = combine(read), []
    if options.meta is not None:
        of = (
            (run, stem(row["file"])) for row in whole.sources.to_pylist() for run in row["run_ids"]
        )
        notes += options.meta.notes(list(of))
        columns = options.meta.readings
    notes = [*whole.notes, *notes, *doubts(whole)]
    return replace(whole, columns=[*whole.columns, *columns], notes=notes)


def _tables(
    files: Sequence[tuple[Source, str]], names: Mapping[str, str]
) -> tuple[list[tuple[Source, Raw]], list[DataError]]:
    """Return every table with its file, and why files met in a folder could not be read."""
    tables, bad = [], []
    for source, how in files:
        try:
            raws = _raws(source, how)
        except DataError as error:
            if source.asked:
                raise
            bad.append(error)
            continue
        stem = names[source.name]
        tables += [
            (source, raw if raw.part_of else replace(raw, run=raw.run or stem)) for raw in raws
        ]
    tables, broken = put_together(tables, formats())
    bad += broken
    return joined(tables), bad


def _understood(
    files: Sequence[tuple[Source, str]],
    clean: Sequence[Batch],
    tables: Sequence[tuple[Source, Raw]],
    names: Mapping[str, str],
    options: Options,
) -> tuple[list[Runs], list[DataError]]:
    """Return the runs of all files in their order, and why some met in a folder gave none."""
    place = {source.name: i for i, (source, _) in enumerate(files)}
    read: list[tuple[int, Runs]] = []
    bad: list[DataError] = []
    for batch in clean:
        try:
            read += [(batch.files[0].place, runs) for runs in understood(batch, options)]
        except DataError:  # which of them it is, the careful way says
            again = [(replace(file.source), READER) for file in batch.files]
            tables = [*tables, *_tables(again, names)[0]]
    # Joined ones stand after all others.
    ordered = [(place.get(source.name, len(files)), source, raw) for source, raw in tables]
    for at, source, raw in sorted(ordered, key=lambda table: table[0]):
        try:
            read.append((at, understand(raw, source, options)))
        except DataError as error:
            if source.asked:
                raise
            bad.append(error)
    return [runs for _, runs in sorted(read, key=lambda pair: pair[0])], bad


def _reader_named(name: str) -> str:
    for module, reader in formats().items():
        if name == module or name in reader.NAMES:
            return module
    known = ", ".join(n for reader in formats().values() for n in reader.NAMES)
    raise UsageError(f"there is no log format {name!r}.", hint=f"Known formats: {known}.")


def _looked_for() -> str:
    return "; ".join(reader.LOOKED_FOR for reader in formats().values())


def _raws(source: Source, how: str) -> list[Raw]:
    """Return the tables of a file; a frame that was given is one already."""
    if source.frame is not None:
        return [replace(source.frame, reader=how, version="1")]
    reader = formats()[how]
    raws = reader.read(source.name, source.content)
    return [replace(raw, reader=how, version=reader.VERSION) for raw in raws]


def _read_meta(path: str | Path) -> tuple[Source, Raw]:
    """Read the table of --meta."""
    source = named(path)
    how = recognised(source.name, source.head())
    if how is None:
        hint = f"Looked for {_looked_for()}."
        raise DataError("--meta: not a table of a known format.", file=source.name, hint=hint)
    return source, _raws(source, how)[0]
