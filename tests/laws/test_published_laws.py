"""Laws of other inputs on their authors' runs, from the command line: the figures of others."""

import json
from pathlib import Path

import pytest
from command_line import run


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
