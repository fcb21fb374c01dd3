"""Do the intervals cover? Leave-largest-out on real sets: coverage and width by how far they reach.

Usage: SCALING_SHARED=../shared python benchmarks/coverage.py [--records records.json]

For every table, runs above Cmax / {2, 3, 10, 30, 100, 300, 1000} are hidden, the rest is fitted
exactly as `scaling fit` does (with its own backtests, which never see the hidden runs), and the
hidden runs are predicted. Up to 8 of them per bin of C / C_train_max are scored. Coverage is
averaged within a cut, then a table, then a family, so that no large table dominates.
"""

import argparse
import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefact import Fit, Objective
from scaling_cli.errors import FitError
from scaling_cli.optimum import make_problem, optimise, refuse
from scaling_cli.points import Points
from scaling_cli.uncertainty import assemble, backtest, cuts_by_share

FACTORS = (2, 3, 10, 30, 100, 300, 1000)
BINS = ((1.5, 5.0), (5.0, 20.0), (20.0, 100.0), (100.0, np.inf))
SMALLEST = 7
SCORED_PER_BIN = 8
LEVEL = 0.9


@dataclass(frozen=True)
class Table:
    """One table of finished runs: arrays of shape (n,)."""

    family: str
    name: str
    N: np.ndarray
    D: np.ndarray
    L: np.ndarray

    def points(self, rows: np.ndarray) -> Points:
        """Return the chosen rows as points."""
        runs = [f"{self.name}:{i}" for i in np.flatnonzero(rows).tolist()]
        return Points({"N": self.N[rows], "D": self.D[rows]}, self.L[rows], runs)


def shared() -> Path:
    """Return the folder of real measurements."""
    return Path(os.environ.get("SCALING_SHARED", "../shared")) / "data"


def rows(path: str) -> list[dict[str, str]]:
    """Read one CSV of the shared folder."""
    with (shared() / path).open(encoding="utf8") as stream:
        return list(csv.DictReader(stream))


def table(family: str, name: str, records: list[dict[str, str]], N: str, L: str) -> Table:
    """Return a table from records, without those that lack a value."""
    kept = [r for r in records if r[L] not in ("", "nan") and float(r["tokens"]) > 0]
    columns = [np.array([float(r[c]) for r in kept]) for c in (N, "tokens", L)]
    return Table(family, name, *columns)


def grouped(path: str, key: str) -> dict[str, list[dict[str, str]]]:
    """Return records of a CSV by the values of one column."""
    groups: dict[str, list[dict[str, str]]] = {}
    for record in rows(path):
        groups.setdefault(record[key], []).append(record)
    return groups


def best_per_cell(records: list[dict[str, str]]) -> list[dict[str, str]]:
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
    for name, records in grouped("isoflop_collection/isoflops.csv", "experiment").items():
        if not name.startswith("epochai_chinchilla"):  # the same runs as the first table
            kept = [r for r in records if r["outlier"] != "True"]
            yield table("isoflop", name, kept, "params", "loss")
    for name, records in grouped("gadre_overtraining/finals.csv", "train_dataset").items():
        for column in ("loss_c4_val", "loss_openlm"):
            yield table("gadre", f"{name} {column}", records, "params", column)
    for column in ("loss_c4_ma5", "bpb_hellaswag_val_ma5"):
        yield table("olmo", column, rows("olmo_ladder/finals.csv"), "params", column)
    for name, records in grouped("porian_isoflop/isoflop.csv", "experiment").items():
        if name.endswith("val"):
            yield table("porian", name, records, "params", "loss")
    yield table("steplaw", "best", best_per_cell(rows("steplaw/dense.csv")),
                "params_non_embedding", "loss")  # fmt: skip
    finished = [r for r in rows("xlstm_isoflop/finals.csv") if r["steps"] == r["planned_steps"]]
    yield table("xlstm", "ctx2048", finished, "params", "val_loss")
    single = [r for r in rows("datablations/all_runs.csv") if float(r["epochs"]) <= 1]
    yield table("datablations", "one epoch", single, "params", "loss")


def score(one: Table, factor: float, law: str) -> list[dict]:
    """Hide the largest runs of a table, predict them, return one record per scored run."""
    C = 6 * one.N * one.D
    train = np.max(C) / factor >= C
    if np.sum(train) < SMALLEST:
        return []
    fit = _fitted(one.points(train), law)
    if fit is None or fit.uncertainty is None:
        return []
    reach = C / np.max(C[train])
    chosen = _chosen(reach, ~train)
    at: dict[str, Any] = {"N": one.N[chosen], "D": one.D[chosen]}
    whole = _sides(fit, at)
    bare = _sides(replace(fit, uncertainty=replace(fit.uncertainty, drift=0.0)), at)
    error = np.log(fit.predict(**at).value / one.L[chosen])
    return [
        {"family": one.family, "table": one.name, "cut": factor, "n": int(np.sum(train)),
         "reach": float(reach[i]), "error": float(error[j]),
         "below": float(whole[0][j]), "above": float(whole[1][j]),
         "base_below": float(bare[0][j]), "base_above": float(bare[1][j])}
        for j, i in enumerate(chosen.tolist())
    ]  # fmt: skip


def _fitted(points: Points, law: str) -> Fit | None:
    """Fit as `scaling fit` does, without what intervals do not need; None if it is refused."""
    problem = make_problem(points, laws.get(law), Objective())
    try:
        refuse(points, problem)
        optimum = optimise(problem)
    except FitError:
        return None
    cuts = backtest(points, problem, optimum, cuts_by_share(points, len(optimum.u)))
    uncertainty = assemble(points, problem, optimum, cuts, 0)
    return Fit(optimum.law, optimum.status, Objective(), optimum.value, len(points),
               uncertainty=uncertainty)  # fmt: skip


def _sides(fit: Fit, at: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the new-run interval reaches below and above the value, in ln loss."""
    prediction = fit.predict(level=LEVEL, **at)
    low, high = prediction.new_run or (prediction.value, prediction.value)
    return np.log(prediction.value / low), np.log(high / prediction.value)


def _chosen(reach: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return up to eight hidden rows per bin, spread evenly in reach."""
    picked: list[int] = []
    for low, high in BINS:
        inside = np.flatnonzero(hidden & (reach >= low) & (reach < high))
        inside = inside[np.argsort(reach[inside], kind="stable")]
        if len(inside) > SCORED_PER_BIN:
            inside = inside[np.linspace(0, len(inside) - 1, SCORED_PER_BIN).round().astype(int)]
        picked += inside.tolist()
    return np.array(picked, int)


def pooled(records: list[dict], inside: np.ndarray) -> float:
    """Average a 0/1 array within cuts, then tables, then families."""
    nested: dict[str, dict[str, dict[float, list[float]]]] = {}
    for record, hit in zip(records, inside, strict=True):
        family = nested.setdefault(record["family"], {})
        family.setdefault(record["table"], {}).setdefault(record["cut"], []).append(float(hit))
    return float(
        np.mean([
            np.mean([np.mean([np.mean(c) for c in t.values()]) for t in f.values()])
            for f in nested.values()
        ])
    )  # fmt: skip


def report(records: list[dict]) -> None:
    """Print coverage and median half-width by extrapolation factor and by family."""
    error = np.array([r["error"] for r in records])
    below, above = (np.array([r[k] for r in records]) for k in ("below", "above"))
    inside = (error <= below) & (-error <= above)
    base = np.array([-r["base_above"] <= r["error"] <= r["base_below"] for r in records])
    width = 100 * (below + above) / 2
    reach = np.array([r["reach"] for r in records])
    print(f"{len(records)} held-out runs, nominal {LEVEL:.0%}")
    print(
        f"{'reach':>12} {'runs':>5} {'covered':>8} {'no drift':>8} {'half-width':>10} "
        f"{'|error|':>8}"
    )
    for low, high in (*BINS, (0, np.inf)):
        rows_ = np.flatnonzero((reach >= low) & (reach < high))
        some = [records[i] for i in rows_.tolist()]
        name = "all" if low == 0 else f"{low:g}-{high:g}x"
        print(f"{name:>12} {len(some):5d} {pooled(some, inside[rows_]):8.2f} "
              f"{pooled(some, base[rows_]):8.2f} {np.median(width[rows_]):9.1f}% "
              f"{100 * np.median(np.abs(error[rows_])):7.2f}%")  # fmt: skip
    for family in dict.fromkeys(r["family"] for r in records):
        rows_ = np.array([i for i, r in enumerate(records) if r["family"] == family])
        some = [records[i] for i in rows_.tolist()]
        print(f"{family:>12} {len(some):5d} {pooled(some, inside[rows_]):8.2f} "
              f"{pooled(some, base[rows_]):8.2f} {np.median(width[rows_]):9.1f}%")  # fmt: skip


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--law", default="chinchilla")
    parser.add_argument("--records", type=Path)
    options = parser.parse_args()
    records = [r for one in tables() for factor in FACTORS for r in score(one, factor, options.law)]
    if options.records:
        options.records.write_text(json.dumps(records), encoding="utf8")
    report(records)


if __name__ == "__main__":
    main()
