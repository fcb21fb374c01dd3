"""Other people's tables of runs, as the coverage study takes them: one per data set and choice.

Every table is read as `scaling fit FILE --where CONDITION --target COLUMN` reads it, with --at and
--set where its rows need them. One alone is prepared: Step Law's sweeps, the best run per N and D.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli import laws, read
from scaling_cli.runs.points import Points
from scaling_cli.runs.selection import select
from scaling_cli.runs.table import Runs


@dataclass(frozen=True)
class Table:
    """One table of finished runs."""

    family: str
    name: str
    every: Points

    @property
    def N(self) -> np.ndarray:
        """Sizes, shape (n,)."""
        return self.every.inputs["N"]

    @property
    def D(self) -> np.ndarray:
        """Tokens, shape (n,)."""
        return self.every.inputs["D"]

    @property
    def L(self) -> np.ndarray:
        """Losses, shape (n,)."""
        return self.every.output

    @property
    def C(self) -> np.ndarray:
        """Compute, 6ND."""
        return 6 * self.N * self.D

    def points(self, rows: np.ndarray) -> Points:
        """Return the chosen rows as points."""
        return self.every.take(np.flatnonzero(rows))


def shared() -> Path:
    """Return the folder of real measurements."""
    return Path(os.environ.get("SCALING_SHARED", "../shared")) / "data"


@cache
def logged(path: str, rows: str | None = None) -> Runs:
    """Return what is read of one file of the shared folder."""
    return read(shared() / path, set=None if rows is None else {"rows": rows})


def table(family: str, name: str, runs: Runs, *conditions: str, **options: Any) -> Table:
    """Return the runs that meet the conditions."""
    where = " and ".join(conditions) or None
    return Table(family, name, select(runs, laws.get("chinchilla"), where=where, **options))


def values(runs: Runs, column: str) -> Sequence[str]:
    """Return the values of a column, in order."""
    return sorted(set(runs.runs.column(column).to_pylist()))


def tables() -> Iterator[Table]:
    """Yield every table that is at hand."""
    yield table("chinchilla", "chinchilla", logged("chinchilla_epoch/finals.csv"))
    yield from _isoflops()
    yield from _overtraining()
    yield from _ladder()
    budgets = logged("porian_isoflop/isoflop.csv")
    for name in values(budgets, "experiment"):
        if name.endswith("standard_val"):
            yield table("porian", name, budgets, f'experiment == "{name}"')
    yield best_per_cell(table("steplaw", "best learning rate", logged("steplaw/dense.csv")))
    finals = logged("xlstm_isoflop/finals.csv")
    yield table("xlstm", "context 2048", finals, "steps == planned_steps")
    yield from _repeated()
    gemstones = logged("gemstones/fit_lr_ablation_hot.csv")
    yield table("gemstones", "learning-rate ablation", gemstones, at="all")
    yield table("farseer", "all data", logged("scalebench/farseer.csv"))


def best_per_cell(sweeps: Table) -> Table:
    """Keep the lowest loss of each (N, D): a sweep's optimum."""
    cells: dict[tuple[float, float], int] = {}
    for row in np.argsort(-sweeps.L, kind="stable").tolist():
        cells[float(sweeps.N[row]), float(sweeps.D[row])] = row
    return Table(sweeps.family, sweeps.name, sweeps.every.take(np.sort([*cells.values()])))


def _isoflops() -> Iterator[Table]:
    budgets = logged("isoflop_collection/isoflops.csv")
    for name in values(budgets, "experiment"):
        if not name.startswith("epochai_chinchilla"):  # the same runs as the first table
            kept = (f'experiment == "{name}"', 'outlier == "False"')
            yield table("isoflop", name, budgets, *kept)


def _overtraining() -> Iterator[Table]:
    finals = logged("gadre_overtraining/finals.csv")
    for name in values(finals, "train_dataset"):
        own, tuned = f'train_dataset == "{name}"', "token_multiplier >= 20"
        for column in ("loss_c4_val", "loss_openlm"):
            yield table("gadre", f"{name} {column}", finals, own, target=column)
            yield table("gadre", f"{name} {column}, D/N >= 20", finals, own, tuned, target=column)


def _ladder() -> Iterator[Table]:
    finals = logged("olmo_ladder/finals.csv")
    short = [f'run_id != "{run}"' for run in values(finals, "run_id") if "0.5xC" in run]
    for column in ("loss_c4_ma5", "bpb_hellaswag_val_ma5"):
        yield table("olmo", column, finals, target=column)
        yield table("olmo", f"{column}, without 0.5xC", finals, *short, target=column)


def _repeated() -> Iterator[Table]:
    finals, single = logged("datablations/all_runs.csv", rows="run"), "epochs <= 1"
    yield table("datablations", "one epoch", finals, single)
    yield table("datablations", "one epoch, D > 1e9", finals, single, "tokens > 1e9")
