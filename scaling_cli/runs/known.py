"""How surely what a run is said to be is known: its parameters, and what its loss is.

Declared by whoever asked (--set, --meta, --name), read in the log, computed of an architecture, by
the habits of a trainer, or assumed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli.vocabulary import loss_kinds
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.quantities import L, N

_DIGITS = 6  # decimals that a trainer prints at most; more are no rounding
_LATEST = 64  # points of a run whose digits are looked at
_FEWEST = 8
_WHOLE = 2.0**53
_OF_FLOAT64 = 1e-9
READ = "read"


def known(
    facts: Sequence[Mapping[str, Any]], targets: Sequence[str], declared: Sequence[set[str]]
) -> list[dict[str, Any]]:
    """Return, for each run, how its parameters count, what its loss is, and how that is known.

    Parameters
    ----------
    facts : sequence of mapping
        Of each run.
    targets : sequence of str
        Which loss of each is shown.
    declared : sequence of set
        What was said beside the log of each.
    """
    return [_of_run(*each) for each in zip(facts, targets, declared, strict=True)]


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


def latest(owner: np.ndarray, count: int) -> np.ndarray:
    """Return which points are among the last of their run, whose digits are looked at."""
    edges = np.searchsorted(owner, np.arange(count + 1))
    return np.arange(len(owner)) >= edges[owner + 1] - _LATEST


def quanta(losses: np.ndarray, owner: np.ndarray, count: int) -> list[float | None]:
    """Return the power of ten that the losses of each run were rounded to; None if they were not.

    Parameters
    ----------
    losses : array, shape (n,)
    owner : int array, shape (n,)
        The run of each.
    count : int
        How many runs there are.
    """
    there = np.abs(losses) < _WHOLE  # not of NaN; beyond, every float64 is a whole number
    losses, owner = losses[there], owner[there]
    steps: list[float | None] = [None] * count
    open_ = np.bincount(owner, minlength=count) >= _FEWEST
    for digits in range(_DIGITS, -1, -1):
        scaled = losses * 10.0**digits
        off = np.abs(scaled - np.rint(scaled)) > _OF_FLOAT64 * np.maximum(np.abs(scaled), 1.0)
        open_ &= np.bincount(owner[off], minlength=count) == 0
        for run in np.flatnonzero(open_).tolist():
            steps[run] = 10.0**-digits
    return steps
