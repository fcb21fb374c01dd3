"""Transaction logs of Weights & Biases (`run-ID.wandb`) and the configuration beside them.

Offline runs have only this file, online ones keep it until it is cleaned up. What the user counts
steps in goes before `_step`, which counts the calls of `log`; a metric with a step metric of its
own (`define_metric`) stands at the step that this says. Folders of one run id are one run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scaling_cli.ingest import _settings
from scaling_cli.ingest._logged import TIME, Rows, at_steps
from scaling_cli.ingest._sources import Raw, place
from scaling_cli.ingest._transactions import (
    CONFIG,
    EXIT,
    MAGIC,
    METRIC,
    RUN,
    History,
    read_history,
)
from scaling_cli.ingest._wire import DELIMITED, VARINT, Broken, fields, varint
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary import plain_yaml
from scaling_cli.vocabulary.errors import DataError, some

VERSION = "2"
NAMES = ("wandb",)
LOOKED_FOR = "offline runs of W&B (*.wandb)"
RESUMED = (
    "folders of one run id follow one another in time; from the first step of a later one what was "
    "logged before is superseded (W&B itself keeps the older rows)"
)
_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(?P<id>.+)")
_WHOLE_HEADER = MAGIC + b"\xe1\xbe\x00"  # a number, and version 0
_NO_HISTORY = "Was anything logged? The console of the run, if it was kept, may hold more."
# Fields of the records of a run, of its end, and of a metric that was defined.
_RUN_ID, _RUN_CONFIG, _RUN_NAME = 1, 4, 8
_EXIT_CODE = 1
_METRIC_NAME, _METRIC_GLOB, _STEP_METRIC = 1, 2, 4


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like a transaction log, or the configuration of such a run."""
    if head.startswith(MAGIC):
        return 1.0
    return 0.9 if place(path).name == "config.yaml" and b"wandb_version:" in head[:4096] else 0.0


def beside(path: Path) -> bool:
    """Say whether W&B wrote this beside the log of a run: its own logs, console, summary."""
    where = f"{Path.cwd()}/{path}"
    if "run-" not in where and "wandb" not in where:  # most files are nowhere near
        return False
    if path.parent.name == "wandb" and path.name.startswith("debug"):
        return True
    if path.suffix == ".wandb" or path.name == "config.yaml":
        return False
    runs = [folder for folder in path.absolute().parents if _FOLDER.fullmatch(folder.name)]
    return any(True for folder in runs[:1] for _ in folder.glob("*.wandb"))


@dataclass(frozen=True)
class _Part(Raw):
    """One file of a run: values as they were logged, or a configuration."""

    defined: Mapping[str, str] = field(default_factory=dict)
    """The step metric of each metric that has one; names may be patterns."""


def read(path: str, content: bytes) -> list[Raw]:
    """Read the history of a run, a row for each value as it was logged, or its configuration.

    Raises
    ------
    DataError
        If it is of a later version.
    """
    if not content.startswith(MAGIC):
        return [_configuration(path, content)]
    if not _WHOLE_HEADER.startswith(content[: len(_WHOLE_HEADER)]):
        hint = "Update scaling, or export the history of the run as CSV."
        raise DataError("a later version of W&B wrote this log.", file=path, hint=hint)
    history = read_history(content)
    names = pa.array(history.names, pa.string())
    columns = {
        "metric": pa.DictionaryArray.from_arrays(pa.array(history.name), names),
        "row": pa.array(history.row),
        "value": pa.array(history.value),
    }
    said = _Said()
    for kind, message in history.messages:
        try:
            said.add(kind, message)
        except Broken:
            continue
    part = _Part(
        *(path, columns, history.row + 1, np.zeros(len(history.row), np.int16)),
        facts=said.facts(),
        notes=tuple(_notes(path, history)),
        run=said.name,
        part_of=run_of(path),
        size=len(content),
        defined=said.defined,
    )
    return [part]


def _configuration(path: str, content: bytes) -> _Part:
    """Return what the file `config.yaml` of a run says."""
    whole = plain_yaml.mapping(content.decode(errors="replace"))
    config = {name: held.get("value") for name, held in whole.items() if isinstance(held, dict)}
    own = config.pop("_wandb", None)
    folder = Path(path).parent
    folder = folder.parent if folder.name == "files" else folder
    return _Part(
        *(path, {}, np.zeros(0, int), np.zeros(0, np.int16)),
        facts=_settings.facts(config),
        part_of=run_of(str(folder / "config.yaml")),
        size=len(content),
        defined=defined(own),
    )


def run_of(path: str) -> str:
    """Return the run that a file belongs to: what is logged under one id is one run."""
    folder = Path(path).parent
    resumed = _FOLDER.fullmatch(folder.name)
    if resumed is not None:
        return (folder.parent / resumed["id"]).as_posix()
    return (folder / Path(path).stem.removeprefix("run-")).as_posix()


@dataclass
class _Said:
    """What the records beside the history say of the run."""

    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    defined: dict[str, str] = field(default_factory=dict)
    status: str = ""

    def add(self, kind: int, message: bytes) -> None:
        """Take a record.

        Raises
        ------
        Broken
            If it is none.
        """
        parts = list(fields(message, 0, len(message)))
        texts = {number: message[a:b] for number, wire, a, b in parts if wire == DELIMITED}
        if kind == RUN:
            self.name = texts.get(_RUN_NAME, b"").decode(errors="replace") or self.name
            self._configure(texts.get(_RUN_CONFIG, b""))
        elif kind == CONFIG:
            self._configure(message)
        elif kind == METRIC and _STEP_METRIC in texts:
            name = texts.get(_METRIC_NAME) or texts.get(_METRIC_GLOB) or b""
            self.defined[name.decode(errors="replace")] = texts[_STEP_METRIC].decode(
                errors="replace"
            )
        elif kind == EXIT:
            codes = [
                varint(message, a, b)[0] for n, w, a, b in parts if (n, w) == (_EXIT_CODE, VARINT)
            ]
            self.status = "failed" if any(codes) else "finished"

    def _configure(self, message: bytes) -> None:
        """Take the settings in a record: the later one counts."""
        for number, _, begin, end in fields(message, 0, len(message)):
            if number != 1:
                continue
            item = [(n, message[a:b]) for n, _, a, b in fields(message, begin, end)]
            name = "/".join(text.decode(errors="replace") for n, text in item if n in (1, 2))
            value = next((_settings.value_of(text) for n, text in item if n == 16), None)
            if name == "_wandb":
                self.defined |= defined(value)
            elif not name.startswith("_wandb/"):
                self.config[name] = value

    def facts(self) -> dict[str, Any]:
        """Return what is said, by canonical name."""
        return _settings.facts(self.config) | ({"status": self.status} if self.status else {})


def defined(own: Any) -> dict[str, str]:
    """Return the step metrics that `_wandb.m` of a configuration states, by number."""
    metrics = own.get("m") if isinstance(own, dict) else None
    metrics = [m for m in metrics if isinstance(m, dict)] if isinstance(metrics, list) else []
    steps = {}
    for metric in metrics:
        name, index = metric.get("1") or metric.get("2"), metric.get("5")
        step = metric.get("4")
        if step is None and isinstance(index, int) and 0 < index <= len(metrics):
            step = metrics[index - 1].get("1")
        if isinstance(name, str) and isinstance(step, str):
            steps[name.replace("\\.", ".")] = step.replace("\\.", ".")
    return steps


def _notes(path: str, history: History) -> Iterator[Note]:
    if history.others:
        told = f"{len(history.others)} metric(s) hold what is no number (texts, media, histograms)"
        yield Note("no-scalars", "info", f"{told}, passed over: {some([*history.others])}.", path)
    if history.damaged:
        message = f"{history.damaged} record(s) or more are damaged and left out."
        yield Note("damaged-records", "warn", message, path)
    if history.left:
        message = f"the last {history.left} bytes are the beginning of a record; left out."
        yield Note("cut-record", "info", message, path)


def join(folder: str, parts: Sequence[Raw]) -> Raw:
    """Return the history of a run with a row for each step.

    Raises
    ------
    DataError
        If it holds no number.
    """
    logs = sorted((part for part in parts if len(part)), key=_began)
    if not logs:
        raise DataError("the history of the run is empty.", file=folder, hint=_NO_HISTORY)
    steps = {k: v for part in parts if isinstance(part, _Part) for k, v in part.defined.items()}
    rows = replace(_rows(logs), defined=steps)
    raw = at_steps(folder, rows, sum(part.size for part in parts))
    notes = (*(note for part in parts for note in part.notes), *raw.notes)
    facts = {name: value for part in parts for name, value in part.facts.items()}
    run = next((part.run for part in reversed(logs) if part.run), "")
    return replace(raw, facts=facts, run=run, notes=notes)


def _began(part: Raw) -> tuple[float, str]:
    """Return when the first row was logged."""
    times = _rows([part]).column(TIME)
    return (float(np.nanmin(times)) if not np.isnan(times).all() else np.inf, part.file)


def _rows(logs: Sequence[Raw]) -> Rows:
    """Return the rows of several files."""
    names: dict[str, int] = {}
    pieces, height = [], 0
    for session, log in enumerate(logs):
        metric = log.columns["metric"]
        codes = np.array([names.setdefault(n, len(names)) for n in metric.dictionary.to_pylist()])
        row = log.columns["row"].to_numpy()
        own = (codes[metric.indices.to_numpy()], row + height, log.columns["value"].to_numpy(False))
        pieces.append((*own, np.full(len(row), session)))
        height += int(row.max()) + 1
    name, row, value, session = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
    return Rows([*names], name, row, value, session, height)
