"""How surely what a run is said to be is known: its parameters, and what its loss is.

Declared by whoever asked (--set, --meta, --name), read in the log, computed of an architecture, by
the habits of a trainer, or assumed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scaling_cli.vocabulary import loss_kinds
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.quantities import L, N

if TYPE_CHECKING:
    from scaling_cli.runs.table import Runs

_DIGITS = 6  # decimals that a trainer prints at most; more are no rounding
_LATEST = 64  # points of a run whose digits are looked at
_FEWEST = 8
_OF_FLOAT64 = 1e-9
READ = "read"


def known(runs: "Runs", targets: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return, for each run, how its parameters count, what its loss is, and how that is known.

    Parameters
    ----------
    runs : Runs
    targets : mapping of run to column
        Which loss of a run is shown.
    """
    declared = _declared(runs)
    files = {run: row["file"] for row in runs.sources.to_pylist() for run in row["run_ids"]}
    steps = _rounding(runs, targets)
    told = []
    for fact, step in zip(runs.runs.to_pylist(), steps, strict=True):
        said = declared.get(files.get(fact["run_id"], ""), set()) | declared.get("", set())
        told.append(_of_run(fact, targets[fact["run_id"]], said) | {"loss_quantum": step})
    return told


def _declared(runs: "Runs") -> dict[str, set[str]]:
    """Return what was said beside the logs, by file; of a table of metadata for all of them."""
    said: dict[str, set[str]] = {}
    logs = set(runs.sources["file"].to_pylist())
    for reading in runs.columns:
        if reading.why.startswith("--"):
            place = reading.file if reading.file in logs else ""
            said.setdefault(place, set()).add(reading.canonical)
    return said


def _of_run(fact: Mapping[str, Any], target: str, said: set[str]) -> dict[str, Any]:
    unit = fact.get(f"{target}_convention")
    kind, how = fact.get(loss_kinds.FACT), fact.get(loss_kinds.KNOWN)
    if target != L.column:
        kind, how = str(LossKind.EVALUATION), loss_kinds.BY_NAME
    computed = "computed" if fact.get("params_known") else READ
    declared = dict.fromkeys(said, loss_kinds.DECLARED)
    by_unit = READ if unit else loss_kinds.ASSUMED
    return {
        "params_convention": fact.get("params_convention"),
        "params_known": None if fact.get(N.column) is None else declared.get(N.column, computed),
        "loss_unit": unit or L.unit,
        "loss_unit_known": declared.get(f"{target}_convention", by_unit),
        "loss_kind": kind or str(LossKind.STEP),
        "loss_kind_known": how or loss_kinds.ASSUMED,
    }


def _rounding(runs: "Runs", targets: Mapping[str, str]) -> list[float | None]:
    """Return the power of ten that losses were rounded to; None where they were not."""
    from scaling_cli.runs.table import floats

    rows, owner = runs.order
    edges = np.searchsorted(owner, np.arange(len(runs) + 1))
    late = np.arange(len(rows)) >= edges[owner + 1] - _LATEST
    rows, owner = rows[late], owner[late]
    held = np.array([targets[run] != L.column for run in runs.runs["run_id"].to_pylist()], bool)
    taken = runs.points.take(pa.array(rows))
    loss, val = floats(taken["loss"]), floats(taken["val_loss"])
    losses = np.where(held[owner], val, loss)
    there = np.isfinite(losses)
    return _quanta(losses[there], owner[there], len(runs))


def _quanta(losses: np.ndarray, owner: np.ndarray, count: int) -> list[float | None]:
    quanta: list[float | None] = [None] * count
    open_ = np.bincount(owner, minlength=count) >= _FEWEST
    for digits in range(_DIGITS, -1, -1):
        scaled = losses * 10.0**digits
        off = np.abs(scaled - np.rint(scaled)) > _OF_FLOAT64 * np.maximum(np.abs(scaled), 1.0)
        open_ &= np.bincount(owner[off], minlength=count) == 0
        for run in np.flatnonzero(open_).tolist():
            quanta[run] = 10.0**-digits
    return quanta
