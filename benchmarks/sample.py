"""The points that speed is measured on: the replication's if they are at hand, else made up."""

import os
from pathlib import Path

import numpy as np

from scaling_cli import datasets
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.runs.points import Points

PUBLISHED = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)


def real() -> Points | None:
    """Return the replication's 240 points, if someone has fetched them; nothing is downloaded."""
    shared = Path(os.environ.get("SCALING_SHARED", "../shared"))
    file = shared / "data" / "chinchilla_epoch" / "finals.csv"
    fetched = None if file.is_file() else datasets.at_hand("chinchilla_epoch")
    if not file.is_file() and fetched is None:
        return None
    file = fetched.path if fetched else file
    table = np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding="utf8")
    kept = np.sort(np.argsort(table["loss"])[:-5])  # the replication drops the five highest
    N, D, loss = (table[name][kept].astype(float) for name in ("params", "tokens", "loss"))
    return Points({"N": N, "D": D}, loss, [str(i) for i in kept.tolist()])


def synthetic(n: int) -> Points:
    """Return n points of the published law on isoFLOP curves, with 0.6 % noise."""
    generator = np.random.default_rng(0)
    budgets = np.geomspace(6e18, 3e21, 9)[np.arange(n) % 9]
    N = PUBLISHED.optimal_params(budgets) * np.exp(generator.uniform(-1.5, 1.5, n))
    D = budgets / (6 * N)
    loss = PUBLISHED(N=N, D=D) * np.exp(0.006 * generator.standard_normal(n))
    return Points({"N": N, "D": D}, loss, [str(i) for i in range(n)])


def along_runs(n: int, runs: int) -> Points:
    """Return n rows along runs with noise of 0.4 % from run to run and 0.5 % in each row."""
    generator, each = np.random.default_rng(0), n // runs
    N = np.repeat(10 ** generator.uniform(7, 9.5, runs), each)
    ends = np.repeat(10 ** generator.uniform(0.5, 2, runs), each)
    D = N * ends * np.tile(np.arange(1, each + 1) / each, runs)
    noise = np.repeat(0.004 * generator.standard_normal(runs), each)
    noise += 0.005 * generator.standard_normal(len(N))
    loss = PUBLISHED(N=N, D=D) * np.exp(noise)
    return Points({"N": N, "D": D}, loss, [f"run{i // each}" for i in range(len(N))])
