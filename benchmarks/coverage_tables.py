"""Other people's tables of runs, as the coverage study takes them: one per data set and choice."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scaling_cli.runs.points import Points

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Table:
    """One table of finished runs: arrays of shape (n,)."""

    family: str
    name: str
    N: np.ndarray
    D: np.ndarray
    L: np.ndarray

    @property
    def C(self) -> np.ndarray:
        """Compute, 6ND."""
        return 6 * self.N * self.D

    def points(self, rows: np.ndarray) -> Points:
        """Return the chosen rows as points."""
        runs = [f"{self.name}:{i}" for i in np.flatnonzero(rows).tolist()]
        return Points({"N": self.N[rows], "D": self.D[rows]}, self.L[rows], runs)


def shared() -> Path:
    """Return the folder of real measurements."""
    return Path(os.environ.get("SCALING_SHARED", "../shared")) / "data"


def rows(path: str) -> Rows:
    """Read one CSV of the shared folder."""
    with (shared() / path).open(encoding="utf8") as stream:
        return list(csv.DictReader(stream))


def table(family: str, name: str, records: Rows, N: str, L: str) -> Table:
    """Return a table from records, without those that lack a value."""
    kept = [r for r in records if r[L] not in ("", "nan") and float(r["tokens"]) > 0]
    columns = [np.array([float(r[c]) for r in kept]) for c in (N, "tokens", L)]
    return Table(family, name, *columns)


def grouped(path: str, key: str) -> dict[str, Rows]:
    """Return records of a CSV by the values of one column."""
    groups: dict[str, Rows] = {}
    for record in rows(path):
        groups.setdefault(record[key], []).append(record)
    return groups


def best_per_cell(records: Rows) -> Rows:
    """Keep the lowest loss of each (N, D): a sweep's optimum."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for record in records:
        cell = (record["params_non_embedding"], record["tokens"])
        if cell not in cells or float(record["loss"]) < float(cells[cell]["loss"]):
            cells[cell] = record
    return list(cells.values())


def tables() -> Iterator[Table]:
    """Yield every table that is at hand."""
    yield table("chinchilla", "chinchilla", rows("chinchilla_epoch/finals.csv"), "params", "loss")
    yield from _isoflops()
    yield from _overtraining()
    yield from _ladder()
    for name, records in grouped("porian_isoflop/isoflop.csv", "experiment").items():
        if name.endswith("standard_val"):
            yield table("porian", name, records, "params", "loss")
    best = best_per_cell(rows("steplaw/dense.csv"))
    yield table("steplaw", "best learning rate", best, "params_non_embedding", "loss")
    finished = [r for r in rows("xlstm_isoflop/finals.csv") if r["steps"] == r["planned_steps"]]
    yield table("xlstm", "context 2048", finished, "params", "val_loss")
    yield from _repeated()
    gemstones = rows("gemstones/fit_lr_ablation_hot.csv")
    yield table("gemstones", "learning-rate ablation", gemstones, "params", "loss")
    yield _farseer()


def _isoflops() -> Iterator[Table]:
    for name, records in grouped("isoflop_collection/isoflops.csv", "experiment").items():
        if not name.startswith("epochai_chinchilla"):  # the same runs as the first table
            kept = [r for r in records if r["outlier"] != "True"]
            yield table("isoflop", name, kept, "params", "loss")


def _overtraining() -> Iterator[Table]:
    for name, records in grouped("gadre_overtraining/finals.csv", "train_dataset").items():
        tuned = [r for r in records if float(r["token_multiplier"]) >= 20]
        for column in ("loss_c4_val", "loss_openlm"):
            yield table("gadre", f"{name} {column}", records, "params", column)
            yield table("gadre", f"{name} {column}, D/N >= 20", tuned, "params", column)


def _ladder() -> Iterator[Table]:
    records = rows("olmo_ladder/finals.csv")
    longer = [r for r in records if "0.5xC" not in r["run_id"]]
    for column in ("loss_c4_ma5", "bpb_hellaswag_val_ma5"):
        yield table("olmo", column, records, "params", column)
        yield table("olmo", f"{column}, without 0.5xC", longer, "params", column)


def _repeated() -> Iterator[Table]:
    single = [r for r in rows("datablations/all_runs.csv") if float(r["epochs"]) <= 1]
    long = [r for r in single if float(r["tokens"]) > 1e9]
    yield table("datablations", "one epoch", single, "params", "loss")
    yield table("datablations", "one epoch, D > 1e9", long, "params", "loss")


def _farseer() -> Table:
    records = rows("scalebench/farseer.csv")
    N, D, L = (np.array([float(r[c]) for r in records]) for c in ("N", "D", "loss"))
    return Table("farseer", "all data", N, D, L)
