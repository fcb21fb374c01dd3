"""Runs whose metrics lie in files of their own: exports of TensorBoard, DVCLive, CatBoost.

Each such file has a step and one value; the file's name says which metric of which run it is.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import canonical_of
from scaling_cli.ingest._sources import Raw, Source, stem
from scaling_cli.runs.table import floats
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import plain_name

_TENSORBOARD = re.compile(r"run-(?P<run>.*?)-tag-(?P<tag>.+)")
_CATBOOST = {"learn_error": "", "test_error": "test/"}
_METRICS = "plots/metrics/"  # of DVCLive
_WORDS_OF_SETS = re.compile(r"(^|[_.\-/ ])(train|training|val|valid|validation|eval|test)$")
_HELD = re.compile(r"(^|[_.\-/ ])(val|valid|validation|eval|test)$")


def joined(tables: Sequence[tuple[Source, Raw]]) -> list[tuple[Source, Raw]]:
    """Return tables with the metrics of a run side by side, where files hold one metric each."""
    kept: list[tuple[Source, Raw]] = []
    parts: dict[str, list[tuple[Source, Raw]]] = {}
    for source, raw in tables:
        part = _part(source, raw)
        if part is None:
            kept.append((source, raw))
        else:
            parts.setdefault(part[0], []).append((source, part[1]))
    for folder, copies in parts.items():
        several = _without_copies(copies)
        kept += [(_source(folder, several), _join(several))] if _joinable(several) else several
    return kept


def run_names(files: Sequence[str]) -> dict[str, str]:
    """Return what the run of each file is called: its stem, with folders where stems repeat."""
    stems = {file: stem(file) for file in files}
    if len(set(stems.values())) == len(stems):
        return stems
    places = {file: Path(file).parent / stem for file, stem in stems.items()}
    names = {place: place.name for place in places.values()}
    for depth in range(2, max((len(place.parts) for place in names), default=0) + 2):
        counts = Counter(names.values())
        if len(counts) == len(names):
            break
        names = {
            place: "/".join(place.parts[-depth:]) if counts[name] > 1 else name
            for place, name in names.items()
        }
    return {file: names[place] for file, place in places.items()}


def put_together(
    tables: Sequence[tuple[Source, Raw]],
    readers: Mapping[str, ModuleType],
    known: Mapping[str, str],
) -> tuple[list[tuple[Source, Raw]], list[DataError]]:
    """Return tables with those that are parts of a run put together by their reader.

    Parameters
    ----------
    tables : sequence of (source, table)
    readers : mapping
    known : mapping of folder to run
        What a store holds of such runs.

    Returns
    -------
    tables : list of (source, table)
    bad : list of DataError
        Why runs met in a folder could not be put together.

    Raises
    ------
    DataError
        The same of runs that were asked for; or if what is known would have another name now.
    """
    parts: dict[tuple[str, str], list[tuple[Source, Raw]]] = {}
    for source, raw in tables:
        if raw.part_of:
            parts.setdefault((raw.reader, raw.part_of), []).append((source, raw))
    here = [f"{Path(folder).resolve()}.run" for _, folder in parts]
    names = run_names([*here, *(f"{folder}.run" for folder in known)])
    for folder, run in known.items():
        if f"/{folder}".endswith(f"/{run}") and names[f"{folder}.run"] != run:
            raise DataError(f"{run!r} is not what its folder is called now.", file=folder)
    whole, bad = [], []
    for (reader, folder), several in parts.items():
        sources = tuple(source for source, _ in several)
        asked = any(source.asked for source in sources)
        try:
            raw = readers[reader].join(folder, [raw for _, raw in several])
        except DataError as error:
            if asked:
                raise
            bad.append(error)
            continue
        run = raw.run or names[f"{Path(folder).resolve()}.run"]
        raw = replace(raw, run=run, reader=reader, version=several[0][1].version)
        whole.append((Source(folder, Path(folder), raw, asked, sources), raw))
    return [(source, raw) for source, raw in tables if not raw.part_of] + whole, bad


def told_apart(
    tables: Sequence[tuple[Source, Raw]], names: Mapping[str, str], others: Sequence[str] = ()
) -> list[tuple[Source, Raw]]:
    """Return tables with names of runs that are unique, also among others, where tools gave some.

    What people call runs need not be unique: then the folder or the file says which.
    """
    counts, apart = Counter([*others, *(raw.run for _, raw in tables)]), []
    for source, raw in tables:
        if counts[raw.run] > 1 and raw.run != names.get(source.name):
            where = Path(source.name).name if source.parts else stem(source.name)
            apart.append((source, replace(raw, run=f"{raw.run}/{where}")))
        else:
            apart.append((source, raw))
    return apart


def may_be_part(name: str) -> bool:
    """Say whether a file is named as those are that hold one metric of a run."""
    alone = _TENSORBOARD.fullmatch(stem(name)) or stem(name) in _CATBOOST
    return bool(alone) or _METRICS in Path(name).as_posix()


def _part(source: Source, raw: Raw) -> tuple[str, Raw] | None:
    """Return the folder and run that a table of one metric belongs to, and the table named so."""
    plain = {plain_name(name): name for name in raw.columns}
    path = Path(source.name)
    exported = _TENSORBOARD.fullmatch(stem(source.name))
    if exported is not None and {"step", "value"} <= plain.keys():
        run, tag = exported["run"], exported["tag"].removeprefix("epoch_")  # as Keras names them
        tag = "val_loss" if _HELD.search(run) and canonical_of(tag) == "loss" else tag
        name = _WORDS_OF_SETS.sub("", run).strip(".")
        columns = {plain["step"]: raw.columns[plain["step"]], tag: raw.columns[plain["value"]]}
        return f"{path.parent}/{name}", replace(raw, columns=columns, run=name or raw.run)
    if path.stem in _CATBOOST and "iter" in plain:
        start, folder = _CATBOOST[path.stem], path.parent
        columns = {n if n == plain["iter"] else start + n: c for n, c in raw.columns.items()}
        return f"{folder}/", replace(raw, columns=columns)
    folder, metrics, below = path.as_posix().rpartition(_METRICS)
    if not metrics or "step" not in plain:
        return None
    metric, values = below.removesuffix(path.suffix), raw.columns.get(path.stem)
    columns = {plain["step"]: raw.columns[plain["step"]]}
    columns |= {} if values is None else {metric: values}
    return folder.rstrip("/") or ".", replace(raw, columns=columns, run=Path(folder).resolve().name)


def _without_copies(several: Sequence[tuple[Source, Raw]]) -> list[tuple[Source, Raw]]:
    """Return files without those that say the same again: TensorBoard's CSV beside its JSON."""
    kept: list[tuple[Source, Raw]] = []
    for source, raw in several:
        same = next((i for i, (_, other) in enumerate(kept) if _is_copy(raw, other)), None)
        if same is None:
            kept.append((source, raw))
            continue
        first, other = kept[same]
        note = raw.note("same-values", "info", f"it holds the values of {first.name}; left out.")
        # Two files of one stem were called by their whole paths.
        kept[same] = first, replace(other, run=stem(first.name), notes=(*other.notes, note))
    return kept


def _is_copy(raw: Raw, other: Raw) -> bool:
    """Say whether two tables hold the same numbers; their steps may be called otherwise."""
    if [*raw.columns][1:] != [*other.columns][1:] or len(raw) != len(other):
        return False
    pairs = zip(raw.columns.values(), other.columns.values(), strict=True)
    try:
        return all(np.array_equal(floats(a), floats(b), equal_nan=True) for a, b in pairs)
    except pa.ArrowInvalid:
        return False


def _joinable(several: Sequence[tuple[Source, Raw]]) -> bool:
    """Say whether there are several files, each with whole steps that never come twice."""
    steps = [_steps(raw) for _, raw in several]
    names = [name for _, raw in several for name in list(raw.columns)[1:]]
    whole = all(step is not None and len(step.unique()) == len(step) for step in steps)
    return len(several) > 1 and whole and len(set(names)) == len(names)


def _steps(raw: Raw) -> pa.Array | None:
    try:
        return pc.cast(next(iter(raw.columns.values())), pa.int64())
    except pa.ArrowInvalid:
        return None


def _join(several: Sequence[tuple[Source, Raw]]) -> Raw:
    """Return one table with a row for each step of any file."""
    whole = None
    for _, raw in several:
        values = dict(list(raw.columns.items())[1:])
        table = pa.table({"step": _steps(raw), **values})
        whole = table if whole is None else whole.join(table, "step", join_type="full outer")
    first = several[0][1]
    table = (whole if whole is not None else pa.table({})).sort_by("step")
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    size = table.num_rows
    names = ", ".join(Path(source.name).name for source, _ in several)
    note = first.note(
        "joined-files", "info", f"{len(several)} files of one metric each are one run: {names}."
    )
    lines, segments = np.arange(1, size + 1), np.zeros(size, np.int16)
    notes = (*(n for _, raw in several for n in raw.notes), replace(note, file=None))
    return replace(first, columns=columns, lines=lines, segments=segments, cut=False, notes=notes)


def _source(folder: str, several: Sequence[tuple[Source, Raw]]) -> Source:
    """Return what the files stand for together."""
    asked = any(source.asked for source, _ in several)
    parts = tuple(source for source, _ in several)
    return Source(folder, Path(folder), _join(several), asked, parts)
