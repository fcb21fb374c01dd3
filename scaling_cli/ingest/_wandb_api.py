"""Runs of Weights & Biases by its API: `wandb://ENTITY/PROJECT`, or `wandb://ENTITY/PROJECT/RUN`.

The whole history is asked for (`scan_history`), not the sample that `history` gives.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scaling_cli.ingest import _settings, wandb
from scaling_cli.ingest._logged import Rows, at_steps
from scaling_cli.ingest._sources import Raw, Source
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError, UsageError

SCHEME = "wandb://"
_NOT_FINITE = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
_LOG_IN = "Is the name right, and are you logged in (wandb login)?"
_TOO_FEW = "Write wandb://ENTITY/PROJECT, or wandb://ENTITY/PROJECT/RUN for one run."


def is_address(given: Any) -> bool:
    """Say whether this is the address of runs of W&B."""
    return isinstance(given, str) and given.startswith(SCHEME)


def fetched(address: str) -> list[Source]:
    """Return the runs at an address, each a table.

    Raises
    ------
    UsageError
        If the address names no project.
    DataError
        If the package is not installed, or the API does not give them.
    """
    parts = address.removeprefix(SCHEME).strip("/").split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise UsageError(f"{address} names no project.", hint=_TOO_FEW)
    project = "/".join(parts[:2])
    try:
        package: Any = importlib.import_module("wandb")
    except ImportError as error:
        message = "runs of W&B's API need the package wandb, which is not installed."
        hint = "pip install 'scaling-cli[wandb]'; files (run-ID.wandb) and exports need nothing."
        raise DataError(message, file=address, hint=hint) from error
    try:
        api = package.Api()
        runs = [api.run("/".join(parts))] if len(parts) == 3 else list(api.runs(project))
        sources = [_source(f"{SCHEME}{project}", run, len(runs)) for run in runs]
    except DataError:
        raise
    except Exception as error:  # the package has exceptions of its own, and those of its network
        told = f"W&B does not give it ({type(error).__name__}: {str(error).rstrip('.')})."
        raise DataError(told, file=address, hint=_LOG_IN) from error
    if not sources:
        raise DataError("the project has no runs.", file=address, hint=_LOG_IN)
    return sources


def _source(project: str, run: Any, several: int) -> Source:
    """Return a run as a table in memory, known by its address; one of several may be empty."""
    address = f"{project}/{run.id}"
    raw = _table(address, run)
    source = Source(address, None, raw, asked=several == 1)
    vars(source)["uri"] = address
    return source


def _table(address: str, run: Any) -> Raw:
    config = {name: value for name, value in dict(run.config).items() if name != "_wandb"}
    rows, others = _rows(run.scan_history())
    state = {"status": run.state} if isinstance(run.state, str) else {}
    facts = _settings.facts(config) | state
    if not len(rows.value):
        empty = np.zeros(0, int)
        return Raw(address, {}, empty, empty.astype(np.int16), facts=facts, run=run.name)
    defined = wandb.defined(dict(run.config).get("_wandb"))
    raw = at_steps(address, replace(rows, defined=defined), rows.value.nbytes)
    told = f"{len(others)} metric(s) hold what is no number, passed over."
    notes = (Note("no-scalars", "info", told, address),) if others else ()
    return replace(raw, facts=facts, run=run.name or run.id, notes=(*notes, *raw.notes))


def _rows(history: Iterable[Mapping[str, Any]]) -> tuple[Rows, set[str]]:
    """Return the numbers in rows of a history, and the metrics that are none."""
    names: dict[str, int] = {}
    cells: list[tuple[int, int, float]] = []
    others: set[str] = set()
    height = 0
    for place, row in enumerate(history):
        height = place + 1
        for name, value in row.items():
            number = _NOT_FINITE.get(value, value) if isinstance(value, str) else value
            if isinstance(number, int | float) and not isinstance(number, bool):
                cells.append((names.setdefault(name, len(names)), place, float(number)))
            elif value is not None:
                others.add(name)
    name, row, value = (
        (np.array(column) for column in zip(*cells, strict=True))
        if cells
        else (np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    )
    return Rows([*names], name, row, value, np.zeros(len(name), int), height), others
