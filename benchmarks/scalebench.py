"""The pools of ScaleBench (arXiv:2604.22753) by `--law auto`, their costliest tenth held back.

    python benchmarks/scalebench.py [--pools FOLDER] [POOL...]

FOLDER holds the pools as CSV files; by default $SCALING_SHARED/data/scalebench. For each it types
what a user would: `scaling fit --law auto` on nine tenths of the rows, `scaling predict --points`
on the costliest tenth. Columns are renamed to the names that the commands know; counts stay in the
units of the file. The published figures are of other held-out regions, which are not in the pools.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SHARED = Path(os.environ.get("SCALING_SHARED", "shared")) / "data" / "scalebench"
TENTH = 0.1
SHOWN = 4  # laws of each pool
OWN_UNITS = ("--set", "params_scale=1", "--set", "tokens_scale=1")  # billions, 1e10: as they are


@dataclass(frozen=True)
class Pool:
    """A pool: what its columns are called here, what a run costs, and the published best R2."""

    names: Mapping[str, str]
    cost: Callable[[pd.DataFrame], Any]
    published: float
    target: str = "loss"
    options: Sequence[str] = ()
    groups: bool = False


def _spent(table: pd.DataFrame) -> Any:
    return table["params"] * table["tokens"]


POOLS = {
    "parallel": Pool(
        {"num_params": "params", "parallel_size": "streams"},
        lambda t: t["params"],
        0.99,
        groups=True,
    ),
    "vocab": Pool(
        {"non_vocab_parameters": "params", "num_characters": "tokens"},
        _spent,
        0.98,
        "unigram_normalized_loss",
    ),
    "moe": Pool(
        {
            "dense_parameter_count": "params",
            "num_experts": "experts",
            "loss_validation": "loss",
        },
        lambda t: t["params"] * t["experts"],
        0.83,
    ),
    "data_con": Pool({}, _spent, 0.86),
    "lr_bsz": Pool(
        {
            "non_embedding_param_size": "params",
            "data_size": "tokens",
            "lm_loss": "loss",
        },
        _spent,
        0.22,
    ),
    "sparsity": Pool(
        {"N_active": "params", "D2": "tokens"},
        lambda t: t["N_dense"] * t["D1"] + t["params"] * t["tokens"],
        0.53,
        options=OWN_UNITS,
    ),
    "farseer": Pool({"N": "params", "D": "tokens"}, _spent, 0.93),
}


@dataclass(frozen=True)
class Forecast:
    """What was measured of held-back rows, and what was forecast."""

    measured: np.ndarray
    forecast: np.ndarray
    inside: np.ndarray
    seconds: float
    ranked: Sequence[Mapping[str, Any]]


def scaling(*words: str) -> dict[str, Any]:
    """Return what a command prints with --json."""
    line = [sys.executable, "-m", "scaling_cli", *words, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def forecast(pool: Pool, table: pd.DataFrame, folder: Path) -> Forecast:
    """Fit all but the costliest tenth of a table, and forecast that."""
    order = np.argsort(np.asarray(pool.cost(table), float), kind="stable")
    few = max(1, round(TENTH * len(table)))
    runs, held, fit = (str(folder / name) for name in ("runs.csv", "held.csv", "fit.json"))
    table.iloc[order[:-few]].to_csv(runs, index=False)
    table.iloc[order[-few:]].to_csv(held, index=False)
    begin = time.monotonic()
    own = [*pool.options, "--target", pool.target, "--bootstrap", "0"]
    made = scaling("fit", runs, "--law", "auto", *own, "-o", fit)
    seconds = time.monotonic() - begin
    told = scaling("predict", "--fit", fit, "--points", held)["predictions"]
    measured = table.iloc[order[-few:]][pool.target].to_numpy(float)
    low, high = np.array([p["new_run"] for p in told], float).T
    inside = (low <= measured) & (measured <= high)
    middle = np.array([p["forecast"] for p in told], float)
    return Forecast(measured, middle, inside, seconds, made["choice"]["laws"])


def score(measured: np.ndarray, told: np.ndarray) -> float:
    """Return R2."""
    left, whole = np.sum((measured - told) ** 2), np.sum((measured - np.mean(measured)) ** 2)
    return float(1 - left / whole)


def main() -> None:
    """Print the table, a pool a row and its laws below."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pools", nargs="*", default=[], help=", ".join(POOLS))
    parser.add_argument("--pools", dest="folder", type=Path, default=SHARED)
    asked = parser.parse_args()
    print(f"{'pool':<10}{'rows':>6}{'held':>6}{'R2':>7}{'published':>11}{'inside':>8}{'s':>7}")
    for name in asked.pools or POOLS:
        pool = POOLS[name]
        table = pd.read_csv(asked.folder / f"{name}.csv").rename(columns=dict(pool.names))
        groups = [own for _, own in table.groupby("group")] if pool.groups else [table]
        with tempfile.TemporaryDirectory() as folder:
            made = [forecast(pool, own.drop(columns="group"), Path(folder)) for own in groups]
        measured, told, inside = (
            np.concatenate([getattr(m, part) for m in made])
            for part in ("measured", "forecast", "inside")
        )
        seconds, share = sum(m.seconds for m in made), float(np.mean(inside))
        row = f"{name:<10}{len(table):>6}{len(measured):>6}{score(measured, told):>7.2f}"
        print(f"{row}{pool.published:>11.2f}{share:>8.0%}{seconds:>7.0f}")
        for law in made[0].ranked[:SHOWN]:
            error = "-" if law["error"] is None else f"{100 * law['error']:.2f} %"
            print(f"    {law['law']:<20}{error:>9}{law['weight']:>6.0%}  {law['told']}", flush=True)


if __name__ == "__main__":
    main()
