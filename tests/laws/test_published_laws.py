"""Laws of other inputs on their authors' runs, from the command line: the figures of others."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from scaling_cli.laws._law import Law
from scaling_cli.point_fits.fitting import refit_objective
from scaling_cli.runs.points import Points


def fitted(*arguments: object) -> dict[str, float]:
    """Return the parameters that a fit prints."""
    made = run("fit", *arguments, "--bootstrap", 0, "--json")
    assert made.exit_code == 0, made.output
    return json.loads(made.stdout)["parameters"]


def test_routed_and_dense_models_of_clark(shared: Path) -> None:
    """Of all 56 hash-routed runs a, b, c, d are -.0874, -.1384, .0126, 1.1595; these are 48."""
    table = shared / "data" / "routing_moe" / "finals.csv"
    columns = ("--map", "experts=num_experts", "--map", "params=params_active")
    chosen = ("--target", "loss_validation", "--objective", "l2", *columns)
    hashed = fitted(
        *(table, "--law", "routing", "--where", "routing_frequency == 0.5 and k == 1", *chosen)
    )
    published = {"a": (-0.0874, 3e-3), "b": (-0.1384, 1e-2), "c": (0.0126, 1.5e-3)}
    for name, (value, within) in {**published, "d": (1.1595, 3e-2)}.items():
        assert hashed[name] == pytest.approx(value, abs=within)
    dense = 'router_type == "Dense" and k == 1'
    alone = fitted(table, "--law", "kaplan_n", "--where", dense, *chosen)
    assert alone["alpha_N"] == pytest.approx(0.0785, abs=3.5e-3)


def test_formulas_on_tables_of_other_inputs(shared: Path) -> None:
    """An own study of these pools, by Levenberg-Marquardt from random starts, ends there too.

    Farseer's grid by one power of a sum; mixtures by Clark's bilinear form and a floor; repeated
    data whose worth ends the earlier, the larger the model.
    """
    pools = shared / "data" / "scalebench"
    power = optimum(pools / "farseer.csv", "E + (A/N**alpha + B/D**beta)**gamma", N="N", D="D")
    close(power, {"E": 0.265, "alpha": 0.39, "beta": 0.43, "gamma": 0.47}, 0.02)
    floored = "E + exp(a0 - a*log(N) - b*log(experts) + c*log(N)*log(experts))"
    columns = {"N": "dense_parameter_count", "experts": "num_experts"}
    mixed = optimum(pools / "moe.csv", floored, target="loss_validation", **columns)
    residual = np.log(mixed.law(**mixed.inputs) / mixed.output)
    assert np.sqrt(np.mean(residual**2)) == pytest.approx(0.0536 / np.mean(mixed.output), rel=0.1)
    ending = "E + A/N**a + B*(D**-q + (k*U*N**-k1)**-q)**(b/q)"
    columns = {"N": "params", "D": "tokens", "U": "unique_tokens"}
    repeated = optimum(pools / "data_con.csv", ending, **columns)
    close(repeated, {"k1": 0.75, "q": 9.0}, 0.05)
    farseer = optimum(pools / "farseer.csv", "farseer", N="N", D="D")
    close(farseer, {"e0": -0.81, "e1": -0.114, "a0": -1.24}, 0.03)


@dataclass(frozen=True)
class Ended:
    """Where a fit ended, and what it was fitted to."""

    law: Law
    inputs: dict[str, np.ndarray]
    output: np.ndarray


def optimum(table: Path, law: str, *, target: str = "loss", **columns: str) -> Ended:
    """Return the bare optimum of a law on columns of a table."""
    rows = list(csv.DictReader(table.read_text(encoding="utf8").splitlines()))
    inputs = {s: np.array([float(row[c]) for row in rows]) for s, c in columns.items()}
    output = np.array([float(row[target]) for row in rows])
    points = Points(inputs, output, [f"r{i}" for i in range(len(rows))])
    return Ended(refit_objective(points, law).law, inputs, output)


def close(ended: Ended, known: dict[str, float], within: float) -> None:
    """Compare parameters, relative to their size."""
    values = ended.law.values()
    for name, value in known.items():
        assert values[name] == pytest.approx(value, rel=within), name
