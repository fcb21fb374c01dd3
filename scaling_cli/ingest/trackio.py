"""Databases of Trackio: a row for each call of `log`, its metrics as JSON and configurations."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from scaling_cli.ingest import _settings
from scaling_cli.ingest._databases import opened, rows, tables, tables_of
from scaling_cli.ingest._logged import CALLS, TIME, Rows, at_steps
from scaling_cli.ingest._sources import Raw
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError, some

VERSION = "2"
NAMES = ("trackio",)
LOOKED_FOR = "Trackio (*.db)"
_TABLE, _CONFIGS = "metrics", "configs"
_COLUMNS = frozenset(("run_name", "step", "metrics"))
_NOT_FINITE = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}  # as Trackio keeps them


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like a database of Trackio: its tables say so."""
    return 1.0 if {_TABLE, _CONFIGS} <= tables(path, head) else 0.0


@dataclass
class _Run:
    """What the rows of a run say."""

    name: str
    names: dict[str, int] = field(default_factory=dict)
    code: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    height: int = 0

    def add(self, metrics: Mapping[str, Any], step: Any, time: Any) -> None:
        """Take a row."""
        self._take(CALLS, step)
        self._take(TIME, _seconds(time))
        self._nested(metrics, "")
        self.height += 1

    def _nested(self, metrics: Mapping[str, Any], prefix: str) -> None:
        for name, value in metrics.items():
            if isinstance(value, Mapping) and "_type" not in value:
                self._nested(value, f"{prefix}{name}/")
            else:
                self._take(f"{prefix}{name}", value)

    def _take(self, name: str, value: Any) -> None:
        number = _NOT_FINITE.get(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            self.others.add(name)
            return
        self.code.append(self.names.setdefault(name, len(self.names)))
        self.row.append(self.height)
        self.value.append(float(number))


def _seconds(time: Any) -> float:
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return np.nan


def read(path: str, content: bytes) -> list[Raw]:
    """Read every run of a database.

    Raises
    ------
    DataError
        If it is damaged or holds no metrics.
    """
    with opened(path, content) as database:
        known = tables_of(database)
        if not known.get(_TABLE, set()) >= _COLUMNS:
            hint = "Export its table of metrics as CSV."
            raise DataError("the database holds no runs of Trackio.", file=path, hint=hint)
        runs, broken = _logged(database, known[_TABLE])
        settings = _configured(database, known.get(_CONFIGS, set()))
    if not runs:
        raise DataError("the database holds no metrics.", file=path, hint="Was anything logged?")
    twice = Counter(run.name for run in runs.values())
    raws = []
    for key, run in runs.items():
        called = f"{run.name}/{key[:8]}" if twice[run.name] > 1 else run.name
        raw = _table(path, run, len(content) // len(runs) + 1)
        raws.append(replace(raw, run=called, facts=settings.get(key, {})))
    if broken:
        message = f"{broken} row(s) hold no JSON object and are left out."
        note = Note("short-row", "warn", message, path)
        raws[0] = replace(raws[0], notes=(*raws[0].notes, note))
    return raws


def _logged(database: sqlite3.Connection, columns: Collection[str]) -> tuple[dict[str, _Run], int]:
    """Return the runs by id, and the number of rows that are none."""
    key = "run_id" if "run_id" in columns else "run_name"
    time = "timestamp" if "timestamp" in columns else "NULL"
    query = f"SELECT {key}, run_name, step, {time}, metrics FROM {_TABLE} ORDER BY rowid"
    runs: dict[str, _Run] = {}
    broken = 0
    for block in rows(database, query):
        for run, name, step, moment, text in block:
            metrics = _settings.value_of(text) if isinstance(text, str | bytes) else None
            if not isinstance(metrics, dict):
                broken += 1
                continue
            runs.setdefault(str(run), _Run(str(name))).add(metrics, step, moment)
    return {key: run for key, run in runs.items() if {*run.names} - {CALLS, TIME}}, broken


def _configured(
    database: sqlite3.Connection, columns: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Return the facts of each run by its id; what Trackio adds by itself begins with `_`."""
    if "config" not in columns:
        return {}
    key = "run_id" if "run_id" in columns else "run_name"
    settings = {}
    for block in rows(database, f"SELECT {key}, config FROM {_CONFIGS}"):
        for run, text in block:
            config = _settings.from_json(text) if isinstance(text, str | bytes) else {}
            own = {name: value for name, value in config.items() if not name.startswith("_")}
            settings[str(run)] = _settings.facts(own)
    return settings


def _table(path: str, run: _Run, size: int) -> Raw:
    code, row, value = (np.array(column) for column in (run.code, run.row, run.value))
    session = np.zeros(len(code), int)
    raw = at_steps(path, Rows([*run.names], code, row, value, session, run.height), size)
    others = sorted(run.others - {CALLS, TIME})
    if not others:
        return raw
    message = f"{len(others)} metric(s) hold what is no number, passed over: {some(others)}."
    return replace(raw, notes=(*raw.notes, Note("no-scalars", "info", message, path)))
