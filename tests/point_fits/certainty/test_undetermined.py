"""Parameters that the data leave open get no interval, however still their resamples stand."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from tables import TRUTHS, table

import scaling_cli
from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits.certainty.resampling import AT_EDGE, RUNS_AWAY, undetermined
from scaling_cli.point_fits.intervals import intervals
from scaling_cli.reports import fit as fit_report
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective

# The data term is absent: at B = 0 the objective is the same for every beta.
SIZES_ALONE = replace(
    table("chinchilla"),
    output=(
        TRUTHS["chinchilla"]["E"]
        + TRUTHS["chinchilla"]["A"] * table("chinchilla").inputs["N"] ** -0.35
    )
    * np.exp(0.002 * np.random.default_rng(1).standard_normal(15)),
)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    made = scaling_cli.fit(SIZES_ALONE, bootstrap=200)
    return Fit.from_dict(made.to_dict())


def test_a_term_that_is_absent_has_no_intervals(fitted: Fit) -> None:
    for name in ("B", "beta"):
        assert fitted.intervals[name] == {
            "level": 0.9,
            "low": None,
            "high": None,
            "reason": AT_EDGE,
            "method": "bootstrap by run, 200 resamples of 15",
        }
    # What remains is a power law in N, whose parameters are known.
    alpha = fitted.intervals["alpha"]
    assert alpha["low"] < 0.35 < alpha["high"]
    assert alpha["high"] - alpha["low"] < 0.1


def test_what_a_terminal_and_a_notebook_show(fitted: Fit) -> None:
    shown = {
        name: interval for name, _, interval, *_ in fit_report.parameters(fitted, full=True).rows
    }
    assert [name for name, text in shown.items() if text == "-"] == ["B", "beta"]
    value, text = f"{fitted.parameters['beta']:.4g}", r"<td[^>]*>{}</td>"
    row = "".join(text.format(cell) for cell in ("beta", value, ""))
    assert re.search(row, fitted._repr_html_())


def test_the_delta_method_says_the_same() -> None:
    found = scaling_cli.fit(SIZES_ALONE, bootstrap=0).intervals
    assert [name for name, one in found.items() if one["low"] is None] == ["B", "beta"]
    assert (found["beta"]["reason"], found["beta"]["method"]) == (AT_EDGE, "delta")


def test_methods_side_by_side(fitted: Fit) -> None:
    found = intervals(fitted, "beta", methods=["delta", "profile", "bootstrap"])
    assert [(i.method, i.low, i.high) for i in found.intervals] == [
        ("delta", None, None),
        ("profile", 0.0, math.inf),
        ("bootstrap", None, None),
    ]
    assert f"'-' stands for no interval. beta: {AT_EDGE}." in found.notes


def test_a_derived_quantity_hangs_on_what_is_open(fitted: Fit) -> None:
    """N*^(alpha + beta) is a product in all four: with B gone, nothing is known of it."""
    found = intervals(fitted, "optimal_params", C=1e21)
    assert [(i.method, i.low, i.high) for i in found.intervals] == [
        ("delta", None, None),
        ("bootstrap", None, None),
    ]
    assert f"'-' stands for no interval. B: {AT_EDGE}." in found.notes


def test_a_prior_determines_what_the_data_do_not() -> None:
    """With nothing in the data, the interval is the prior's: 0.3, times or by exp(1.645 sd)."""
    found = scaling_cli.fit(SIZES_ALONE, prior={"beta": "0.3+-0.03"}, bootstrap=1000)
    assert found.intervals["B"]["low"] is None
    half = 1.645 * 0.03 / 0.3
    ends = [math.log(found.intervals["beta"][end] / 0.3) for end in ("low", "high")]
    assert ends == pytest.approx([-half, half], abs=0.02)  # 3 sd of a 5 % quantile of 1000


def test_followers_and_what_runs_away() -> None:
    problem = make_problem(SIZES_ALONE, laws.get("chinchilla"), Objective(), tie={"beta": "alpha"})
    optimum = optimise(problem)
    assert undetermined(problem, optimum) == {"B": AT_EDGE}
    runaway = replace(
        optimum, at_bound=(), diagnostics=dict(optimum.diagnostics) | {"endless": ["alpha"]}
    )
    assert undetermined(problem, runaway) == {"alpha": RUNS_AWAY, "beta": RUNS_AWAY}
