"""MLflow: the files of a tracking folder (`mlruns`), or its SQLite database.

Each metric of a run is a file of lines `time value step`, each parameter a file, `meta.yaml` says
the rest. In a database NaN is 0 with a mark beside it, and infinity is the largest number.
"""

import io
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from scaling_cli.ingest import _settings
from scaling_cli.ingest._databases import opened, rows, tables, tables_of
from scaling_cli.ingest._series import Series, side_by_side, whole_steps
from scaling_cli.ingest._sources import SQLITE, Raw, place
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary import plain_yaml
from scaling_cli.vocabulary.errors import DataError

VERSION = "2"
NAMES = ("mlflow",)
LOOKED_FOR = "MLflow (mlruns/, *.db)"
_METRICS, _PARAMS, _TAGS, _ARTIFACTS = "metrics", "params", "tags", "artifacts"
_LINE = re.compile(rb"\d{9,16} [-+.\w]+( -?\d+)?\s*(\n|$)")
_STATES = ("running", "scheduled", "finished", "failed", "killed")
_LARGEST = 1.79e308  # what stands for infinity in a database
_TABLES = frozenset((_METRICS, _PARAMS, "runs"))
_NAME_TAG = "mlflow.runName"
_RUN = re.compile(r"[0-9a-f]{32}")
_MOST = 10_000  # characters of a parameter
_MEND = "Copy it again; each line is 'time value step'."


@dataclass(frozen=True)
class _Part(Raw):
    """One file of a run: a metric, a parameter, or what else is known."""

    params: Mapping[str, Any] = field(default_factory=dict)


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like a file of a run of MLflow, or a database of runs."""
    if tables(path, head) >= _TABLES:
        return 1.0
    if place(path).name == "meta.yaml":
        return 0.95 if b"lifecycle_stage:" in head and b"run_uuid:" in head else 0.0
    run, kind, name = _place(path)
    if kind == _METRICS:
        return 0.95 if _LINE.match(head) else 0.0
    named = kind == _PARAMS or (kind == _TAGS and name == _NAME_TAG)
    return 0.95 if named and (run / "meta.yaml").is_file() else 0.0


def beside(path: Path) -> bool:
    """Say whether this is a tag of a run, or what a run stored."""
    where = str(path)
    if (_TAGS not in where and _ARTIFACTS not in where) or path.name == _NAME_TAG:
        return False
    stored = [folder.parent for folder in path.parents if folder.name in (_TAGS, _ARTIFACTS)]
    return any(_RUN.fullmatch(run.name) and (run / "meta.yaml").is_file() for run in stored)


def _place(path: str) -> tuple[Path, str, str]:
    """Return the run that a file belongs to, which of its folders it is in, and its name there."""
    parts = place(path).parts
    for i, part in enumerate(parts[1:-1], start=1):
        if part in (_METRICS, _PARAMS, _TAGS) and _RUN.fullmatch(parts[i - 1]):
            return Path(*parts[:i]), part, "/".join(parts[i + 1 :])
    return place(path).parent, "", ""


def read(path: str, content: bytes) -> list[Raw]:
    """Read a metric, a parameter or the facts of a run; or every run of a database.

    Raises
    ------
    DataError
        If a line is none, the database is damaged, or holds no metric.
    """
    if content.startswith(SQLITE):
        return _database(path, content)
    run, kind, name = _place(path)
    empty = (path, {}, np.zeros(0, int), np.zeros(0, np.int16))
    part = _Part(*empty, part_of=run.as_posix(), size=len(content))
    if kind == _METRICS:
        return [_metric(part, name, content)]
    text = content[:_MOST].decode(errors="replace").strip()
    if kind == _TAGS:
        return [replace(part, run=text)]
    if kind == _PARAMS:
        return [replace(part, params={name: text})]
    said = plain_yaml.mapping(content.decode(errors="replace"))
    state = said.get("status")
    if isinstance(state, int) and 0 < state <= len(_STATES):
        state = _STATES[state - 1]
    facts = _facts(state, said.get("lifecycle_stage"))
    return [replace(part, run=str(said.get("run_name") or ""), facts=facts)]


def _facts(status: Any, stage: Any) -> dict[str, Any]:
    """Return how a run ended, and whether it was deleted."""
    facts = {"status": str(status).lower()} if status else {}
    return facts | ({"lifecycle_stage": "deleted"} if stage == "deleted" else {})


def _metric(part: _Part, name: str, content: bytes) -> Raw:
    """Return the values of a metric; what is written of the last line only is left out."""
    whole = content[: content.rfind(b"\n") + 1]
    fields = ["time", "value", "step"][: whole.split(b"\n", 1)[0].count(b" ") + 1]
    kinds = {"time": pa.int64(), "value": pa.float64(), "step": pa.int64()}
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(whole),
            read_options=pyarrow.csv.ReadOptions(column_names=fields),
            parse_options=pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types=kinds, null_values=[]),
        )
    except pa.ArrowInvalid as error:
        message = f"not a metric of MLflow: {str(error).splitlines()[0]}."
        raise DataError(message, file=part.file, hint=_MEND) from error
    columns = {field: table[field].combine_chunks() for field in table.column_names}
    columns.setdefault("step", pa.array(np.arange(table.num_rows)))  # of old versions
    left = len(content) - len(whole)
    message = f"the last {left} bytes are the beginning of a line; left out."
    notes = (Note("cut-record", "info", message, part.file),) if left else ()
    columns["metric"] = pa.array([name] * table.num_rows).dictionary_encode()
    lines = np.arange(1, table.num_rows + 1)
    segments = np.zeros(table.num_rows, np.int16)
    return replace(part, columns=columns, lines=lines, segments=segments, notes=notes)


def join(folder: str, parts: Sequence[Raw]) -> Raw:
    """Return the metrics of a run side by side, with what its parameters say.

    Raises
    ------
    DataError
        If it has none.
    """
    metrics = [part for part in parts if len(part)]
    if not metrics:
        hint = "Were any logged? Those of a remote server are not here."
        raise DataError("the run has no metrics.", file=folder, hint=hint)
    names = [part.columns["metric"][0].as_py() for part in metrics]
    step, value, time = (
        np.concatenate([part.columns[name].to_numpy(False) for part in metrics])
        for name in ("step", "value", "time")
    )
    code = np.repeat(np.arange(len(names)), [len(part) for part in metrics])
    series = Series(names, code, step, value, time / 1e3, np.zeros(len(step), int))
    raw = _joined(folder, series, sum(part.size for part in parts))
    params = {k: v for part in parts if isinstance(part, _Part) for k, v in part.params.items()}
    facts = {k: v for part in parts for k, v in part.facts.items()}
    run = next((part.run for part in parts if part.run), "")
    notes = (*(note for part in parts for note in part.notes), *raw.notes)
    return replace(raw, run=run, facts=_settings.facts(params) | facts, notes=notes)


def _joined(file: str, series: Series, size: int) -> Raw:
    """Return metrics side by side, in the order of time: threads may write them."""
    order = np.lexsort((np.arange(len(series.time)), series.time))
    return side_by_side(file, series.take(order), size)


# --- databases ---------------------------------------------------------------------------------


def _database(path: str, content: bytes) -> list[Raw]:
    """Return the runs of a database, each a table."""
    with opened(path, content) as database:
        known = tables_of(database)
        if not known.keys() >= _TABLES:
            hint = "Export its table of metrics as CSV."
            raise DataError("the database holds no runs of MLflow.", file=path, hint=hint)
        about = {key: (name, facts) for key, name, facts in _runs(database, known["runs"])}
        run, series = _logged(path, database, known[_METRICS])
    if run is None:
        raise DataError("the database holds no metrics.", file=path, hint="Were any logged?")
    twice = Counter(name for name, _ in about.values())
    raws, owner = [], np.asarray(run.indices, int)
    order = np.argsort(owner, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
    for key, own in zip(run.dictionary.to_pylist(), parts, strict=True):
        size = len(content) * len(own) // len(owner) + 1
        raw = _joined(path, series.take(own).those_there(), size)
        name, facts = about.get(key, ("", {}))
        called = f"{name}/{key[:8]}" if twice[name] > 1 else name or key
        raws.append(replace(raw, run=called, facts=facts))
    return raws


def _runs(
    database: sqlite3.Connection, columns: Collection[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the id, the name and the facts of each run."""
    params: dict[str, dict[str, Any]] = {}
    query = f"SELECT run_uuid, key, substr(value, 1, {_MOST}) FROM params"
    for block in rows(database, query):
        for run, key, value in block:
            params.setdefault(run, {})[str(key)] = value
    wanted = [n if n in columns else f"NULL AS {n}" for n in ("name", "status", "lifecycle_stage")]
    for block in rows(database, f"SELECT run_uuid, {', '.join(wanted)} FROM runs"):
        for run, name, status, stage in block:
            settings = _settings.facts(params.get(run, {}))
            yield run, str(name or ""), settings | _facts(status, stage)


def _numbers(path: str, column: Sequence[Any]) -> np.ndarray:
    """Return a column that holds numbers, if it does: a cell of a database may hold anything."""
    try:
        return np.array(column, float)
    except (ValueError, TypeError) as error:
        message = f"the table of metrics holds what is no number: {error}."
        raise DataError(message, file=path, hint="Copy the database again.") from error


def _logged(
    path: str, database: sqlite3.Connection, columns: Collection[str]
) -> tuple[pa.DictionaryArray | None, Series]:
    """Return the run of each value that was logged, and the values."""
    marked = "is_nan" if "is_nan" in columns else "0"
    steps = "step" if "step" in columns else "0"
    query = f"SELECT run_uuid, key, {steps}, value, timestamp, {marked} FROM metrics ORDER BY rowid"
    texts: list[list[pa.Array]] = [[], []]
    numbers: list[list[np.ndarray]] = [[], [], []]
    for block in rows(database, query):
        run, key, *others = zip(*block, strict=True)
        for pieces, column in zip(texts, (run, key), strict=True):
            pieces.append(pa.array(map(str, column), pa.string()))
        step, value, time, nan = (_numbers(path, column) for column in others)
        value = np.where(np.abs(value) > _LARGEST, np.copysign(np.inf, value), value)
        value[nan != 0] = np.nan
        for pieces, column in zip(numbers, (whole_steps(path, step), value, time), strict=True):
            pieces.append(column)
    if not texts[0]:
        return None, Series.empty([])
    run, key = (pa.concat_arrays(pieces).dictionary_encode() for pieces in texts)
    step, value, time = (np.concatenate(pieces) for pieces in numbers)
    names, code = key.dictionary.to_pylist(), np.asarray(key.indices, int)
    return run, Series(names, code, step, value, time / 1e3, np.zeros(len(step), int))
