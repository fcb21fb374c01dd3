"""From files to Runs: which format each file has, what its columns mean, which rows count.

One log format is one module of this folder, found by its name: it has `VERSION`, `NAMES` (for
`--format`), `LOOKED_FOR` (for messages), `sniff(path, head) -> 0..1` and
`read(path, content) -> list[Raw]`. Modules whose name begins with `_` are not formats.
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, cast

import pyarrow as pa

from scaling_cli.ingest import _facts
from scaling_cli.ingest._columns import canonical_name, check_mapping
from scaling_cli.ingest._raw import Raw, Source, head_of, named
from scaling_cli.ingest._remap import remap
from scaling_cli.ingest._sources import expand, run_names
from scaling_cli.ingest._table import Options, Part, understand
from scaling_cli.runs import store
from scaling_cli.runs.plausible import doubts
from scaling_cli.runs.table import SOURCE_COLUMNS, Note, Runs, combine
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.registry import Asked

sys.modules[__name__].__class__ = Asked
# A reader that is less sure than this does not recognise the file.
_RECOGNISED = 0.3
__all__ = ["Reader", "as_runs", "formats", "pairs", "read", "recognised"]


class Reader(Protocol):
    """What a module of this folder offers."""

    VERSION: str
    NAMES: tuple[str, ...]
    LOOKED_FOR: str

    def sniff(self, path: str, head: bytes) -> float:
        """Return how much a file looks like this format, 0 to 1."""
        ...

    def read(self, path: str, content: bytes) -> list[Raw]:
        """Return the tables in a file."""
        ...


@cache
def formats() -> dict[str, Reader]:
    """Return the readers by module name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return {n: cast(Reader, importlib.import_module(f"{__name__}.{n}")) for n in names}


def recognised(path: str, head: bytes) -> str | None:
    """Return the name of the reader that knows this file best, or None."""
    scores = {name: reader.sniff(path, head) for name, reader in formats().items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _RECOGNISED else None


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read `key=value` texts as a command line gives them.

    Raises
    ------
    UsageError
        If there is no `=` in one, or a key stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise UsageError(f"{option} {text!r} is not of the form key=value.")
        if key.strip() in found:
            raise UsageError(f"{option} gives {key.strip()!r} twice.")
        found[key.strip()] = value.strip()
    return found


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
        of columns.
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
        raise UsageError(
            f"{used} cannot change a store: facts are fixed when logs are ingested.",
            hint="Give it to 'scaling ingest', or read the logs themselves.",
        )
    found = [remap(store.read(path), map or {}) for path in stores]
    if others or not sources:
        said = _Said(map or {}, set or {}, meta, name, format, keep_partial)
        found.append(_read_files(others, said))
    return found[0] if len(found) == 1 else combine(found)


def as_runs(data: Any) -> Runs:
    """Return runs from whatever `read` understands, or a list of such; Runs as they are."""
    if isinstance(data, Runs):
        return data
    return read(*data) if isinstance(data, list | tuple) else read(data)


@dataclass(frozen=True)
class _Said:
    """The options of `read`, as they were given."""

    map: Mapping[str, str]
    set: Mapping[str, Any]
    meta: str | Path | None
    name: str | None
    format: str | None
    keep_partial: bool

    def as_json(self, meta_sha256: str | None) -> str:
        """Return what a store compares: all that changes how a file is understood."""
        said = {
            "map": dict(self.map),
            "set": {key: str(value) for key, value in self.set.items()},
            "name": self.name,
            "meta": meta_sha256,
            "keep_partial": self.keep_partial,
        }
        return json.dumps(said, sort_keys=True)


def _read_files(given: list[Any], said: _Said) -> Runs:
    mapping = {canonical_name(key): value for key, value in said.map.items()}
    reader = None if said.format is None else _reader_named(said.format)
    files, skipped = expand(given, reader, recognised, _looked_for(), said.meta)
    names = run_names([source.name for source, _ in files])
    tables = [
        (source, how, replace(raw, run=names[source.name]))
        for source, how in files
        for raw in _raws(source, how)
    ]
    meta = None if said.meta is None else _read_one(said.meta, "--meta")
    check_mapping(mapping, [raw for _, _, raw in tables] + ([meta[1]] if meta else []))
    options = Options(
        mapping,
        _facts.read_set(said.set),
        _facts.read_meta(meta[1], mapping, list(names.values())) if meta else None,
        said.name,
        said.keep_partial,
    )
    parts = [(source, how, understand(raw, options)) for source, how, raw in tables]
    notes = [*skipped, *_facts.pattern_notes(said.name, [source.name for source, _ in files])]
    if options.meta is not None:
        found = [(run, s.stem) for s, _, p in parts for run in p.runs["run_id"].to_pylist()]
        notes += options.meta.notes([run for run, _ in found], [stem for _, stem in found])
    whole = _assemble(parts, said.as_json(meta[0].sha256 if meta else None), notes)
    return replace(
        whole, columns=[*whole.columns, *(options.meta.readings if options.meta else ())]
    )


def _assemble(parts: list[tuple[Source, str, Part]], mapping: str, notes: list[Note]) -> Runs:
    """Put what the tables contribute together."""
    rows = [_source_row(source, how, part, mapping) for source, how, part in parts]
    sources = pa.Table.from_pylist(rows, schema=pa.schema(list(SOURCE_COLUMNS.items())))
    points = [
        part.points.set_column(
            part.points.schema.get_field_index("source_id"),
            "source_id",
            pa.array([row["source_id"]] * part.points.num_rows, pa.string()),
        )
        for row, (_, _, part) in zip(rows, parts, strict=True)
    ]
    one_by_one = [
        Runs(part.runs, table, sources.slice(i, 1), part.columns, part.notes)
        for i, (table, (_, _, part)) in enumerate(zip(points, parts, strict=True))
    ]
    whole = combine(one_by_one)
    return replace(whole, notes=[*whole.notes, *notes, *doubts(whole)])


def _source_row(source: Source, how: str, part: Part, mapping: str) -> dict[str, Any]:
    return {
        "source_id": sha256(source.uri.encode()).hexdigest()[:16],
        "uri": source.uri,
        "file": source.name,
        "sha256": source.sha256,
        "bytes": len(source.packed),
        "reader": how,
        "reader_version": formats()[how].VERSION if how in formats() else "1",
        "mapping": mapping,
        "rows_read": part.rows_read,
        "rows_kept": part.points.num_rows,
        "run_ids": part.runs["run_id"].to_pylist(),
        "columns": json.dumps([asdict(reading) for reading in part.columns]),
        "notes": json.dumps([asdict(note) for note in part.notes]),
    }


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
        return [source.frame]
    return formats()[how].read(source.name, source.content)


def _read_one(path: str | Path, option: str) -> tuple[Source, Raw]:
    """Read a single table, such as that of --meta."""
    source = named(path)
    how = recognised(source.name, head_of(source))
    if how is None:
        raise DataError(
            f"{option}: not a table of a known format.",
            file=source.name,
            hint=f"Looked for {_looked_for()}.",
        )
    return source, formats()[how].read(source.name, source.content)[0]
