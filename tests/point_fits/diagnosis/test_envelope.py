"""Chinchilla's first approach on surfaces with a closed form, and beside the other two."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.kaplan_n import KaplanN
from scaling_cli.point_fits.diagnosis.envelope import envelope
from scaling_cli.runs.points import Points

TRUE = Chinchilla(E=1.7, A=400.0, B=410.0, alpha=0.34, beta=0.28)
SLOPE = TRUE.beta / (TRUE.alpha + TRUE.beta)
BUDGETS = np.geomspace(1e18, 1e22, 7)


def planned(sizes: int) -> Points:
    """Sizes about the true best of every budget, which is among them."""
    best = np.array([TRUE.optimal_params(C=c) for c in BUDGETS])
    N = (best[:, None] * np.geomspace(0.2, 5, sizes)).ravel()
    D = np.repeat(BUDGETS, sizes) / (6 * N)
    return Points({"N": N, "D": D}, TRUE(N=N, D=D), [f"r{i}" for i in range(len(N))])


def test_the_line_of_the_envelope_is_that_of_the_best_sizes() -> None:
    line = envelope(planned(9), TRUE)
    assert line is not None
    assert line.slope == pytest.approx(SLOPE, rel=1e-9)
    for C in (1e19, 1e24):
        assert line.at(C) == pytest.approx(TRUE.optimal_params(C=C), rel=1e-9)


def test_curves_make_an_envelope_of_their_sizes() -> None:
    """Seven sizes, each along its tokens: sizes step, and the line goes through the steps."""
    sizes, tokens = np.geomspace(3e7, 3e9, 13), np.geomspace(1e8, 3e11, 400)
    N, D = (v.ravel() for v in np.meshgrid(sizes, tokens))
    line = envelope(Points({"N": N, "D": D}, TRUE(N=N, D=D), [str(n) for n in N]), TRUE)
    assert line is not None
    assert line.slope == pytest.approx(SLOPE, abs=0.03)
    assert line.at(1e20) == pytest.approx(TRUE.optimal_params(C=1e20), rel=0.2)


def test_where_there_is_no_envelope() -> None:
    few = planned(9).take(np.arange(18))  # two budgets
    assert envelope(few, TRUE) is None
    assert (
        envelope(
            Points({"N": np.ones(9)}, np.ones(9), list("abcdefghi")), KaplanN(Nc=1.0, alpha_N=1.0)
        )
        is None
    )


def test_plan_prints_three_approaches(tmp_path: Path) -> None:
    """Noiseless: all three are the true size, but for the bias of parabolas on this grid."""
    points, table, out = planned(9), tmp_path / "runs.csv", tmp_path / "fit.json"
    rows = zip(points.inputs["N"], points.inputs["D"], points.output, strict=True)
    lines = [f"{n!r},{d!r},{x!r}" for n, d, x in (map(float, row) for row in rows)]
    table.write_text("\n".join(["params,tokens,loss", *lines]) + "\n", encoding="utf8")
    assert run("fit", table, "--bootstrap", 0, "-o", out).exit_code == 0
    asked = ("plan", "--fit", out, "--compute", "1e23")
    told = json.loads(run(*asked, "--json").stdout)["allocations"][0]["approaches"]
    true = TRUE.optimal_params(C=1e23)
    assert told["parametric"]["N"] == pytest.approx(true, rel=1e-3)
    assert told["envelope"]["N"] == pytest.approx(true, rel=1e-3)
    assert told["isoflop"]["N"] == pytest.approx(true, rel=0.03)
    sizes = [told[name]["N"] for name in ("parametric", "isoflop", "envelope")]
    assert told["apart"] == pytest.approx(max(sizes) / min(sizes), rel=1e-12)
    lines = run(*asked, "--full").stdout.splitlines()
    assert "best N by three approaches" in lines
    limited = json.loads(run(*asked, "--max-params", "1B", "--json").stdout)
    assert limited["allocations"][0]["approaches"] is None
