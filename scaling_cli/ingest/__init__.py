"""From files to Runs: which format each file has, what its columns mean, which rows count.

One log format is one module of this folder, found by its name: it has `VERSION`, `NAMES` (for
`--format`), `LOOKED_FOR` (for messages), `sniff(path, head) -> 0..1` and
`read(path, content) -> list[Raw]`. One whose runs lie in several files marks what it reads with
`part_of` and has `join(folder, parts) -> Raw`; `beside(path)` says what a tool writes beside its
logs, `nearest(path, head)` what is missing in a file that is nearly of its kind. Modules whose
name begins with `_` are not formats.
"""

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from scaling_cli.ingest import _pattern
from scaling_cli.ingest._alone import Alone, Aside, File, Mapped, Reading, read_each
from scaling_cli.ingest._batches import READER, Batch, batches, understood
from scaling_cli.ingest._beside import is_configuration, table_of_runs, unknown
from scaling_cli.ingest._columns import check_mapping, remap
from scaling_cli.ingest._facts import Meta, Options, pattern_notes, read_meta
from scaling_cli.ingest._given import are_records, expand, passed_over
from scaling_cli.ingest._grown import Grown, grown
from scaling_cli.ingest._parts import joined, put_together, run_names, told_apart
from scaling_cli.ingest._pattern import check_pattern
from scaling_cli.ingest._sources import HEAD, Raw, Source, named, place, stem
from scaling_cli.ingest._table import understand
from scaling_cli.ingest._unchanged import Unchanged, in_order, is_as_it_was, unchanged
from scaling_cli.runs import store, stored
from scaling_cli.runs.plausible import doubts
from scaling_cli.runs.pruning import pruned
from scaling_cli.runs.table import Note, Runs, claim, combine
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError
from scaling_cli.vocabulary.progress import counted
from scaling_cli.vocabulary.registry import Asked, Modules

sys.modules[__name__].__class__ = Asked
_BESIDE = "it lies beside the folder of the logs and names their runs: used as --meta."
# A reader that is less sure than this does not recognise the file.
_RECOGNISED = 0.3
# How much is looked at of a text whose beginning says nothing: a console may print code first.
_FAR = 1 << 25
__all__ = ["as_runs", "formats", "read", "recognised"]
_FORMATS = Modules(__name__, "log format", apart="dialects")


@cache
def formats() -> dict[str, ModuleType]:
    """Return the readers by module name."""
    return {name: _FORMATS.module(name) for name in _FORMATS.names()}


@cache
def _readers() -> dict[str, ModuleType]:
    """Return the same, looked up once: it is asked for every file."""
    return formats()


def recognised(path: str, head: bytes) -> str | None:
    """Return the name of the reader that knows this file best, or None."""
    scores = {name: reader.sniff(path, head) for name, reader in _readers().items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _RECOGNISED else None


def _recognised(source: Source, head: bytes) -> str | None:
    """Return the same, but for what a tool writes beside its logs where that was not asked for."""
    if _is_beside(source):
        return None
    how = recognised(source.name, head)
    if not source.asked and how in (None, "jsonl") and is_configuration(source.name, head):
        return None
    if how is None and len(head) == HEAD and b"\x00" not in head:
        return recognised(source.name, source.head(_FAR))
    return how


def _is_beside(source: Source) -> bool:
    """Say whether a tool wrote this beside its logs, and nobody asked for it."""
    path = place(source.name)
    beside = (reader.beside for reader in _readers().values() if hasattr(reader, "beside"))
    return not source.asked and any(is_beside(path) for is_beside in beside)


def _nearest(source: Source, head: bytes) -> str | None:
    """Return what a file that no reader recognises comes nearest to, and why it is not that."""
    near = [reader.nearest for reader in formats().values() if hasattr(reader, "nearest")]
    return next((why for nearest in near if (why := nearest(source.name, head))), None)


def read(
    *sources: Any,
    map: Mapping[str, str] | None = None,
    set: Mapping[str, Any] | None = None,
    meta: str | Path | None = None,
    name: str | None = None,
    format: str | None = None,
    pattern: str | None = None,
    keep_partial: bool = False,
    sparsity: str | Sequence[str] | None = None,
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
        A table of runs with facts, keyed by run id or file stem. Default: `runs.csv` beside the
        folder `runs`, where that, or the folder of both, is what is read.
    name : str, optional
        A pattern over file stems that states facts: `{params}_{tokens}`.
    format : str, optional
        Name of the format; recognised file by file otherwise.
    pattern : str, optional
        A regular expression of the lines that measure, its named groups the columns:
        `step=(?P<step>[0-9]+) loss=(?P<loss>[0-9.]+)`. It is searched in every line.
    keep_partial : bool
        Keep the last line of a curve although it has no newline.
    sparsity : str or list of str, optional
        Pruning schedules, `[RUN=]final=.8,start=25%,end=75%`: `average_params` by them.

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
    checked = None if pattern is None else check_pattern(pattern)
    options = Options(map or {}, set or {}, name, keep_partial, pattern=checked)
    stores = [s for s in sources if isinstance(s, str | Path) and stored.is_store(s)]
    others = [s for s in sources if not any(s is x for x in stores)]
    fixed = {"set": set, "meta": meta, "name": name}
    if stores and any(fixed.values()):
        used = ", ".join(f"--{option}" for option, value in fixed.items() if value)
        message = f"{used} cannot change a store: facts are fixed when logs are ingested."
        hint = "Give it to 'scaling ingest', or read the logs themselves."
        raise UsageError(message, hint=hint)
    parts = [remap(store.read(path), map or {}) for path in stores]
    if others or not sources:
        parts.append(_read_files(others, options, meta, format).runs)
    whole = parts[0] if len(parts) == 1 else combine(parts)
    said = [sparsity] if isinstance(sparsity, str) else sparsity
    return pruned(whole, said) if said else whole


@dataclass(frozen=True)
class Beside:
    """What was read to go into a store: of some runs the last point only.

    `unread` are the keys of the sources that the store holds as they are; the points of the runs
    that are `later` are made when they are wanted. Of those that have `grown` since the store had
    this digest of them, they are the new ones.
    """

    runs: Runs
    unread: frozenset[str] = frozenset()
    later: Sequence[store.Later] = ()
    grown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Into:
    """A store that files are read for, what it holds, and what reads them on other machines."""

    root: Path
    held: store.Held | None
    elsewhere: Mapped | None


def read_beside(
    root: str | Path,
    *sources: Any,
    meta: str | Path | None = None,
    elsewhere: Mapped | None = None,
    **said: Any,
) -> Beside:
    """Read, as `read` does, what is to go into a store; files that it holds are not read again.

    Where `elsewhere` maps functions over pieces, other machines read the files.
    """
    if any(isinstance(source, str | Path) and stored.is_store(source) for source in sources):
        return Beside(read(*sources, meta=meta, **said))
    pattern = None if said.get("pattern") is None else check_pattern(said["pattern"])
    options = Options(
        said.get("map") or {}, said.get("set") or {}, said.get("name"), pattern=pattern
    )
    given, format = [*sources], said.get("format")
    held = store.held(root)
    if held is not None and all(map(_lasts, (*sources, meta or "."))):
        with contextlib.suppress(ScalingError):  # what is wrong is told by reading everything
            into = _Into(Path(root), held, elsewhere)
            return _read_files(given, options, meta, format, into=into)
    return _read_files(given, options, meta, format, into=_Into(Path(root), None, elsewhere))


def _lasts(source: Any) -> bool:
    """Say whether a source can be read twice."""
    if not isinstance(source, str | Path) or str(source) == "-":
        return False
    path = Path(source)
    return path.is_file() or path.is_dir() or not path.exists()


def as_runs(data: Any) -> Runs:
    """Return runs from whatever `read` understands, or a list of such; Runs as they are."""
    if isinstance(data, Runs):
        return data
    return read(*data) if are_several(data) else read(data)


def are_several(data: Any) -> bool:
    """Say whether this is a list of sources, and not one of them."""
    return isinstance(data, list | tuple) and not are_records(data)


def _read_files(
    given: list[Any],
    options: Options,
    meta: str | Path | None,
    format: str | None,
    *,
    into: _Into | None = None,
) -> Beside:
    """Return what is in files that a store does not hold as they are.

    If it is to go into a store, of some runs it is the last point only.
    """
    held, elsewhere = (into.held, into.elsewhere) if into else (None, None)
    reader = None if format is None else _reader_named(format)
    if options.pattern is not None:
        if reader is not None:
            raise UsageError("--pattern and --format cannot go together.", hint="Give one of them.")
        reader = _pattern.READER
    before = _recognised_before(held, reader)
    lies = _meta_beside(given, options.mapping) if meta is None else None
    meta = lies or meta
    options = replace(options, table=str(meta or ""))
    files, notes = expand(
        given, reader, _recognised, _looked_for(), meta, nearest=_nearest, held=before
    )
    notes += [Note("meta-beside", "info", _BESIDE, str(lies))] if lies else []
    notes += unknown(options.beside(source) for source, _ in files)
    names = run_names([source.name for source, _ in files])
    known = None if held is None else _held(held, files, names, options, meta)
    about = None if meta is None else _read_meta(meta)
    options = _knowing(options, about, list(names.values()))
    aside = None if into is None else Aside.near(into.root)
    reading = Reading(partial(_raws, pattern=options.pattern), options, thin=aside is not None)
    left = {i: file for i, file in enumerate(files) if known is None or i not in known.places}
    more = Grown() if held is None else grown(held, left, names, reading, _versions())
    left = {i: file for i, file in left.items() if i not in more.read}
    clean = [] if elsewhere else list(batches(left, names, options))
    done = {file.place for batch in clean for file in batch.files}
    alone = [file for i, file in left.items() if i not in done]
    folders = known.folders if known else {}
    apart = _tables(alone, names, reading, aside, elsewhere=elsewhere, known=folders)
    as_before = [*([known.runs] if known else []), *more.read.values()]
    there = [*_columns_read(clean, apart, as_before), *([about[1].columns] if about else [])]
    check_mapping(options.mapping, there)
    read, later, doubted = _understood(files, clean, apart, names, reading, aside=aside)
    bad = [*apart.bad, *doubted]
    if bad and not read and not as_before:
        raise bad[0]
    notes += [passed_over(error) for error in bad]
    notes += pattern_notes(options.name, [source.name for source, _ in files])
    whole = combine([*as_before, *read])
    if known is not None:
        known.mark(options)
    if as_before:
        whole = in_order(whole, [source.name for source, _ in files])
    columns = options.meta.readings if options.meta else []
    notes = [*whole.notes, *notes, *_rows_of_meta(options, whole), *doubts(whole)]
    whole = replace(whole, columns=[*whole.columns, *columns], notes=notes)
    unread = known.sources if known else frozenset()
    return Beside(whole, unread, [*later, *([more] if more.read else [])], more.before)


def _rows_of_meta(options: Options, whole: Runs) -> list[Note]:
    """Return what is to be said of the rows of --meta, now that all runs are known."""
    if options.meta is None:
        return []
    sources = whole.sources.to_pylist()
    of = ((run, stem(row["file"])) for row in sources for run in row["run_ids"])
    return options.meta.notes(list(of))


def _columns_read(
    clean: Sequence[Batch], apart: Alone, before: Sequence[Runs]
) -> Iterator[Collection[str]]:
    """Yield the names of the columns of each table, however it was read."""
    yield from (batch.header for batch in clean)
    yield from (raw.columns for _, raw in apart.tables)
    yield from (early.columns for early in apart.early)
    yield from ([reading.column for reading in runs.columns] for runs in before)


def _meta_beside(given: Sequence[Any], mapping: Mapping[str, str]) -> Path | None:
    """Return the table of runs that lies beside the folder of their logs, if it names one."""
    pair = table_of_runs(given)
    if pair is None:
        return None
    table, folder = pair
    stems = sorted({stem(file.name) for file in folder.iterdir()})
    try:
        source, raw = _read_meta(table)
        rows = read_meta(raw, source.sha256, mapping, stems).rows
    except ScalingError:
        return None
    return None if rows.keys().isdisjoint(stems) else table


def _knowing(options: Options, about: tuple[Source, Raw] | None, stems: Sequence[str]) -> Options:
    """Return options with what a table of --meta says."""
    if about is None:
        return options
    return replace(options, meta=read_meta(about[1], about[0].sha256, options.mapping, stems))


def _recognised_before(
    held: store.Held | None, reader: str | None
) -> Callable[[Source], str | None]:
    """Return what says which reader a file had that a store holds, if it is as it was."""

    def how(source: Source) -> str | None:
        row = None if held is None else held.sources.get(source.uri)
        if row is None or not is_as_it_was(source, row) or _is_beside(source):
            return None
        return row["reader"] if reader in (None, row["reader"]) else None

    return how


def _held(
    held: store.Held,
    files: Sequence[tuple[Source, str]],
    names: Mapping[str, str],
    options: Options,
    meta: str | Path | None,
) -> Unchanged | None:
    """Return the files that a store holds as they are."""
    if meta is not None:
        try:
            options = replace(options, meta=Meta(str(meta), named(meta).sha256, {}, {}))
        except DataError:
            return None
    return unchanged(held, files, names, options, _versions())


def _versions() -> dict[str, str]:
    versions = {name: reader.VERSION for name, reader in formats().items()}
    return {**versions, _pattern.READER: _pattern.VERSION}


def _tables(
    files: Sequence[File],
    names: Mapping[str, str],
    reading: Reading,
    aside: Aside | None,
    *,
    elsewhere: Mapped | None = None,
    known: Mapping[str, str] | None = None,
) -> Alone:
    """Return every table with its file, and why files met in a folder could not be read."""
    tables, early, bad = [], [], []
    each = read_each(files, [names[source.name] for source, _ in files], reading, elsewhere)
    for (source, _), gave in zip(counted(files), each, strict=True):
        if gave.bad is not None and source.asked:
            raise gave.bad
        bad += [gave.bad] if gave.bad else []
        tables += [(gave.source, raw) for raw in gave.raws]
        early += [aside.put(gave.early) if aside else gave.early] if gave.early else []
    tables, broken = put_together(tables, formats(), known or {})
    runs = [*(table.run for table in early), *(known or {}).values()]
    return Alone(told_apart(joined(tables), names, runs), early, [*bad, *broken])


def _understood(
    files: Sequence[File],
    clean: Sequence[Batch],
    apart: Alone,
    names: Mapping[str, str],
    reading: Reading,
    *,
    aside: Aside | None,
) -> tuple[list[Runs], list[store.Later], list[DataError]]:
    """Return the runs of all files in their order, and why some met in a folder gave none.

    If they are to go into a store, the points of most come later, but for the last of each.
    """
    place = {source.name: i for i, (source, _) in enumerate(files)}
    options = reading.options
    read: list[tuple[int, Runs]] = []
    waiting: list[store.Later] = [aside] if aside else []
    bad: list[DataError] = []
    for batch in clean:
        try:
            parts = list(understood(batch, options, thin=aside is not None))
            read += [(batch.files[0].place, runs) for runs, _ in parts]
            waiting += [points for _, points in parts if points]
        except DataError:  # which of them it is, the careful way says
            alone = [(replace(file.source), READER) for file in batch.files]
            again = _tables(alone, names, reading, aside)
            apart = Alone([*apart.tables, *again.tables], [*apart.early, *again.early], [])
    owner: dict[str, str] = {}
    for _, runs in read:
        claim(owner, runs)
    late = [(s, partial(understand, raw, s, options), None) for s, raw in apart.tables]
    early = [(table.source, table.told, table.place) for table in apart.early]
    # Joined ones stand after all others.
    ordered = sorted([*late, *early], key=lambda table: place.get(table[0].name, len(files)))
    for source, told, where in ordered:
        try:
            runs = told()
            claim(owner, runs)
            read.append((place.get(source.name, len(files)), runs))
        except DataError as error:
            if source.asked:
                raise
            bad.append(error)
            continue
        if aside and where:
            aside.places.update(dict.fromkeys(runs.runs["run_id"].to_pylist(), where))
    return [runs for _, runs in sorted(read, key=lambda pair: pair[0])], waiting, bad


def _reader_named(name: str) -> str:
    for module, reader in formats().items():
        if name == module or name in reader.NAMES:
            return module
    known = ", ".join(n for reader in formats().values() for n in reader.NAMES)
    raise UsageError(f"there is no log format {name!r}.", hint=f"Known formats: {known}.")


def _looked_for() -> str:
    return "; ".join(reader.LOOKED_FOR for reader in formats().values())


def _raws(source: Source, how: str, pattern: str | None = None) -> list[Raw]:
    """Return the tables of a file; a frame that was given is one already."""
    if source.frame is not None:
        return [replace(source.frame, reader=how, version="1")]
    if pattern is not None:
        raw = _pattern.read(source.name, source.content, pattern)
        return [replace(raw, reader=_pattern.READER, version=_pattern.VERSION)]
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
