"""Local logs of SwanLab: a folder for each metric of a run, in it lines of `index` and `data`.

The folders are numbered; which metric each is stands in the database `runs.swanlab` above the run.
Where that is missing, what transformers logs is known by its order and recognised by its values.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from scaling_cli.ingest import _settings
from scaling_cli.ingest._databases import opened, rows, tables_of
from scaling_cli.ingest._series import Series, side_by_side, whole_steps
from scaling_cli.ingest._sources import Raw, place
from scaling_cli.runs.table import Note, floats, natural
from scaling_cli.vocabulary import plain_yaml
from scaling_cli.vocabulary.errors import DataError

VERSION = "2"
NAMES = ("swanlab",)
LOOKED_FOR = "SwanLab (swanlog/)"
_RUN = re.compile(r"run-\d{8}_\d{6}-\w+")
_LINE = re.compile(rb'\s*\{"index": ?-?\d+, ?"data": ?')
_FIELDS = {"index": pa.int64(), "data": pa.float64(), "create_time": pa.string()}
_NOT_FINITE = {"NaN": "nan", "INF": "inf", "-INF": "-inf"}
_DATABASE = "runs.swanlab"
# What the callback of transformers logs at each step, and at each evaluation, in this order.
_TRAINED = ("loss", "grad_norm", "learning_rate", "epoch", "global_step")
_EVALUATED = ("loss", "runtime", "samples_per_second", "steps_per_second")


@dataclass(frozen=True)
class _Part(Raw):
    """One file of a run: values of a metric, or the configuration."""

    config: Mapping[str, Any] = field(default_factory=dict)


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like the values of a metric, or the configuration of a run."""
    name = place(path).name
    if name == "config.yaml" and _of_run(place(path)) is not None:
        return 0.92 if b"  sort:" in head else 0.0
    return 0.95 if name.endswith(".log") and _LINE.match(head) else 0.0


def beside(path: Path) -> bool:
    """Say whether SwanLab wrote this beside the values of a run: summaries, console, names."""
    if path.name == _DATABASE:
        return True
    run = _of_run(path)
    if run is None or path.name == "config.yaml" or not (run / "logs").is_dir():
        return False
    return path.parent.parent != run / "logs" or path.name.startswith("_")


def _of_run(path: Path) -> Path | None:
    """Return the folder of the run that a file is in."""
    if "run-" not in str(path):
        return None
    return next((folder for folder in path.parents if _RUN.fullmatch(folder.name)), None)


def read(path: str, content: bytes) -> list[Raw]:
    """Read values of a metric, or the configuration of a run.

    Raises
    ------
    DataError
        If a line is none.
    """
    run = _of_run(Path(path))
    folder = Path(path).parent.parent if run is None else run
    empty = (path, {}, np.zeros(0, int), np.zeros(0, np.int16))
    part = _Part(*empty, part_of=folder.as_posix(), size=len(content))
    if Path(path).name == "config.yaml":
        whole = plain_yaml.mapping(content.decode(errors="replace"))
        config = {name: held.get("value") for name, held in whole.items() if isinstance(held, dict)}
        return [replace(part, config=config)]
    table, left = _values(path, content)
    columns = {
        "step": table["index"].combine_chunks(),
        "value": table["data"].combine_chunks(),
        "time": _seconds(table["create_time"].combine_chunks()),
        "metric": pa.array([Path(path).parent.name] * len(table), pa.string()),
    }
    message = f"the last {left} bytes are the beginning of a line; left out."
    notes = (Note("cut-record", "info", message, path),) if left else ()
    lines, segments = np.arange(1, len(table) + 1), np.zeros(len(table), np.int16)
    return [replace(part, columns=columns, lines=lines, segments=segments, notes=notes)]


def _values(path: str, content: bytes) -> tuple[pa.Table, int]:
    """Return the lines of a file, and the bytes of one that is still written."""
    end = content.rfind(b"\n") + 1
    left = 0 if isinstance(_settings.value_of(content[end:]), dict) else len(content) - end
    whole = content[: len(content) - left]
    schema = pa.schema([pa.field(name, kind) for name, kind in _FIELDS.items()])
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        return pyarrow.json.read_json(io.BytesIO(whole), parse_options=options), left
    except pa.ArrowInvalid:  # what is no number is written as a text
        return _carefully(path, whole), left


def _carefully(path: str, content: bytes) -> pa.Table:
    """Return the same, line by line; media and texts are no values."""
    records = []
    for number, line in enumerate(content.splitlines(), start=1):
        record = _settings.value_of(line) if line.strip() else None
        if line.strip() and not (isinstance(record, dict) and isinstance(record.get("index"), int)):
            message = f"the line is no value of a metric: {line[:40].decode(errors='replace')!r}."
            raise DataError(message, file=path, row=number, hint="Mend or delete it.")
        data = record.get("data") if record else None
        data = float(_NOT_FINITE[data]) if data in _NOT_FINITE else data
        if record and isinstance(data, int | float):
            time = record.get("create_time")
            records.append({"index": record["index"], "data": float(data), "create_time": time})
    return pa.Table.from_pylist(records, pa.schema(list(_FIELDS.items())))


def _seconds(texts: pa.Array) -> pa.Array:
    try:
        times = pc.cast(texts, pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return pa.nulls(len(texts), pa.float64())
    return pc.call_function(
        "divide", [pc.cast(pc.cast(times, pa.int64()), pa.float64()), pa.scalar(1e6)]
    )


def join(folder: str, parts: Sequence[Raw]) -> Raw:
    """Return the metrics of a run side by side.

    Raises
    ------
    DataError
        If it has none.
    """
    values = sorted((part for part in parts if len(part)), key=lambda part: natural(part.file))
    if not values:
        hint = "Was anything logged, and not to the cloud alone?"
        raise DataError("the run has no metrics.", file=folder, hint=hint)
    folders = [*dict.fromkeys(part.columns["metric"][0].as_py() for part in values)]
    code = np.concatenate(
        [np.full(len(p), folders.index(p.columns["metric"][0].as_py())) for p in values]
    )
    step, value, time = (
        np.concatenate([floats(part.columns[name]) for part in values])
        for name in ("step", "value", "time")
    )
    config = {k: v for part in parts if isinstance(part, _Part) for k, v in part.config.items()}
    series = Series(folders, code, whole_steps(folder, step), value, time, np.zeros(len(step), int))
    names, notes = _names(Path(folder), series, config)
    order = np.lexsort((np.arange(len(time)), time))
    size = sum(part.size for part in parts)
    raw = side_by_side(folder, replace(series, names=names).take(order), size)
    config.pop("FRAMEWORK", None)
    notes = (*(note for part in parts for note in part.notes), *notes, *raw.notes)
    return replace(raw, facts=_settings.facts(config), notes=notes)


def _names(
    run: Path, series: Series, config: Mapping[str, Any]
) -> tuple[list[str], tuple[Note, ...]]:
    """Return what the folders of a run are called, and what is doubtful about it."""
    known = _kept(run)
    names = [known.get(name, unquote(name)) for name in series.names]
    unknown = [name for name in names if name.isdecimal()]
    if not unknown:
        return names, ()
    logged = _of_transformers(series, config) if len(unknown) == len(names) else {}
    told = ", ".join(f"{number} is {name}" for number, name in logged.items())
    message = f"{_DATABASE}, which names the metrics, is not here: they have their numbers"
    message += f", but by order and values (as transformers logs them) {told}." if told else "."
    note = Note("metric-names", "warn" if told else "info", message, run.as_posix())
    return [logged.get(name, name) for name in names], (note,)


def _kept(run: Path) -> dict[str, str]:
    """Return the names of metrics by folder that the database above a run holds."""
    path = run.parent / _DATABASE
    if not path.is_file():
        return {}
    with opened(str(path), None) as database:
        known = tables_of(database)
        if not {"id", "name", "experiment_id"} <= known.get("tag", set()):
            return {}
        key = "tag.folder" if "folder" in known["tag"] else "tag.id"
        query = (
            f"SELECT {key}, tag.name FROM tag JOIN experiment ON tag.experiment_id = experiment.id"
        )
        blocks = rows(database, f"{query} WHERE experiment.run_id = ?", run.resolve().name)
        return {str(folder): str(name) for block in blocks for folder, name in block}


def _of_transformers(series: Series, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of numbered metrics, where all of them are what transformers logs.

    Its fifth is the step, its fourth goes up, its third is at most the rate that it was given.
    """
    frame, rate = str(config.get("FRAMEWORK") or ""), config.get("learning_rate")
    order = sorted(range(len(series.names)), key=lambda i: int(series.names[i]))
    own = [series.take(series.name == i) for i in order]
    if "transformers" not in frame or len(own) < len(_TRAINED) or not isinstance(rate, float):
        return {}
    trained, others = own[: len(_TRAINED)], own[len(_TRAINED) :]
    alike = all(np.array_equal(part.step, trained[0].step) for part in trained)
    steps = np.array_equal(trained[4].value, trained[4].step)
    up = bool(np.all(np.diff(trained[3].value) > 0))
    if not (alike and steps and up and trained[2].value.max() <= rate * (1 + 1e-6)):
        return {}
    numbers = [series.names[i] for i in order]
    names = [f"train/{name}" for name in _TRAINED]
    if len(others) == len(_EVALUATED) and all(
        np.array_equal(o.step, others[0].step) for o in others
    ):
        names += [f"eval/{name}" for name in _EVALUATED]
    return dict(zip(numbers, names, strict=False))
