"""The bootstraps against weighted regression, sandwich formulas and closed forms."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from refusals import refusal
from tables import table

from scaling_cli import laws
from scaling_cli.engine.problem import Problem
from scaling_cli.point_fits.certainty.resampling import (
    Plan,
    bootstrap,
    clusters,
    intervals,
    percentiles,
    resample,
    resample_counts,
    wild_outputs,
)
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise, settle
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.objective import Objective

SQUARES = Objective("l2")
LINE = table("kaplan_n", noise=0.02, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
DESIGN = np.stack([np.ones(15), -X], axis=1)


def _line(objective: Objective = SQUARES) -> tuple[Problem, Optimum]:
    problem = make_problem(LINE, laws.get("kaplan_n"), objective)
    return problem, optimise(problem)


def test_resamples_draw_whole_runs() -> None:
    runs = ["b", "a", "b", "c", "a", "b"]
    counts = resample_counts(runs, 4000, seed=1)
    assert counts.shape == (4000, 6)
    np.testing.assert_array_equal(counts[:, 0], counts[:, 2])
    np.testing.assert_array_equal(counts[:, 0], counts[:, 5])
    np.testing.assert_array_equal(counts[:, 1], counts[:, 4])
    np.testing.assert_array_equal(counts[:, [0, 1, 3]].sum(axis=1), 3)
    # Multinomial: mean 1, variance (1 - 1/3), within four standard errors.
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=4 * math.sqrt(2 / 3 / 4000))
    np.testing.assert_allclose(counts.var(axis=0), 2 / 3, rtol=0.1)
    np.testing.assert_array_equal(counts, resample_counts(runs, 4000, seed=1))
    assert not np.array_equal(counts, resample_counts(runs, 4000, seed=2))


def test_bootstrap_is_weighted_regression() -> None:
    problem, optimum = _line()
    weights = resample_counts(LINE.runs, 200, seed=3)
    draws = bootstrap(problem, optimum, weights)
    lines = np.array([np.polyfit(X, Y, 1, w=np.sqrt(w)) for w in weights])
    np.testing.assert_allclose(draws["alpha_N"], -lines[:, 0], rtol=1e-7)
    np.testing.assert_allclose(np.log(draws["Nc"]), -lines[:, 1] / lines[:, 0], rtol=1e-7)


def test_bootstrap_spread_is_the_sandwich() -> None:
    problem, optimum = _line()
    draws = bootstrap(problem, optimum, resample_counts(LINE.runs, 2000, seed=4))["alpha_N"]
    bread = np.linalg.inv(DESIGN.T @ DESIGN)
    r = Y - DESIGN @ bread @ DESIGN.T @ Y
    sandwich = bread @ (DESIGN.T * r**2) @ DESIGN @ bread
    # Fifteen points: the bootstrap lies between HC0 and HC3, some 10 % above the former.
    assert np.std(draws) == pytest.approx(math.sqrt(sandwich[1, 1]), rel=0.2)


def test_intervals_are_percentiles() -> None:
    draws = {"A": np.arange(101.0), "alpha": np.linspace(0, 1, 101)}
    assert intervals(draws, 0.9, "of hand") == {
        name: {
            "level": 0.9,
            "low": pytest.approx(low),
            "high": pytest.approx(high),
            "method": "of hand",
        }
        for name, low, high in (("A", 5.0, 95.0), ("alpha", 0.05, 0.95))
    }


def test_no_resamples_give_no_intervals() -> None:
    problem, optimum = _line()
    draws = bootstrap(problem, optimum, resample_counts(LINE.runs, 0, seed=0))
    assert {name: len(v) for name, v in draws.items()} == {"Nc": 0, "alpha_N": 0}
    assert intervals(draws, 0.9) == {}


def test_wild_resamples_are_regressions_on_signed_residuals() -> None:
    problem, optimum = _line()
    found = resample(LINE, problem, optimum, Plan(60, "wild", seed=5))
    bread = np.linalg.inv(DESIGN.T @ DESIGN)
    hat = DESIGN @ bread @ DESIGN.T
    fitted = hat @ Y
    errors = (Y - fitted) / (1 - np.diagonal(hat))
    signs = 2.0 * np.random.default_rng(5).integers(0, 2, size=(60, 15)) - 1.0
    slopes = ((fitted + signs * errors) @ DESIGN @ bread)[:, 1]
    np.testing.assert_allclose(found.draws["alpha_N"], slopes, rtol=1e-7)
    assert found.method == "wild bootstrap by run, 60 resamples of 15"


def test_wild_resamples_spread_as_hc3() -> None:
    problem, optimum = _line()
    draws = resample(LINE, problem, optimum, Plan(4000, "wild", seed=6)).draws["alpha_N"]
    bread = np.linalg.inv(DESIGN.T @ DESIGN)
    hat = DESIGN @ bread @ DESIGN.T
    r = (Y - hat @ Y) / (1 - np.diagonal(hat))
    hc3 = bread @ (DESIGN.T * r**2) @ DESIGN @ bread
    # Signs of 15 residuals: nearly normal, so the sd of 4,000 draws is known to 1.1 %.
    assert np.std(draws) == pytest.approx(math.sqrt(hc3[1, 1]), rel=0.04)


def test_wild_resamples_of_runs_with_several_rows_spread_as_cr3() -> None:
    problem, u = _line()[0], _line()[1].u
    runs = [f"run{i // 3}" for i in range(15)]
    bread = np.linalg.inv(DESIGN.T @ DESIGN)
    hat, r = DESIGN @ bread @ DESIGN.T, Y - DESIGN @ bread @ DESIGN.T @ Y
    expected = np.zeros(15)
    for first in range(0, 15, 3):
        rows = slice(first, first + 3)
        expected[rows] = np.linalg.solve(np.eye(3) - hat[rows, rows], r[rows])
    shaken = np.log(wild_outputs(problem, u, runs, 8, seed=1)) - DESIGN @ bread @ DESIGN.T @ Y
    signs = 2.0 * np.random.default_rng(1).integers(0, 2, size=(8, 5)) - 1.0
    np.testing.assert_allclose(shaken, np.repeat(signs, 3, axis=1) * expected, atol=1e-8)


def test_weighted_resamples_are_weighted_regressions() -> None:
    weight = np.arange(15) % 3 + 1.0
    points = replace(LINE, weight=weight)
    problem = make_problem(points, laws.get("kaplan_n"), SQUARES)
    counts = resample_counts(LINE.runs, 30, seed=3)
    draws = bootstrap(problem, optimise(problem), counts)
    lines = np.array([np.polyfit(X, Y, 1, w=np.sqrt(w * weight)) for w in counts])
    np.testing.assert_allclose(draws["alpha_N"], -lines[:, 0], rtol=1e-7)


def test_a_prior_that_outweighs_the_data_is_what_resamples_return() -> None:
    problem = make_problem(LINE, laws.get("kaplan_n"), SQUARES, prior={"alpha_N": "0.05+-1e-6"})
    problem, optimum = settle(problem)
    draws = resample(LINE, problem, optimum, Plan(2000)).draws["alpha_N"]
    assert np.mean(draws) == pytest.approx(0.05, rel=1e-5)
    assert np.std(draws) == pytest.approx(1e-6, rel=0.07)  # of 2,000 draws: known to 1.6 %


def test_clusters_are_runs_or_what_shares_inputs() -> None:
    inputs = {"N": np.array([1.0, 1.0, 2.0, 3.0, 3.0, 4.0])}
    points = Points(inputs, np.ones(6), ["a", "b", "b", "c", "d", "e"])
    assert clusters(points, "run") == ["a", "b", "b", "c", "d", "e"]
    assert clusters(points, "config") == ["a", "a", "a", "c", "c", "e"]


def test_seeds_of_a_configuration_are_drawn_together() -> None:
    points = Points({"N": np.repeat(LINE.inputs["N"][::3], 3)}, LINE.output, LINE.runs)
    problem = make_problem(points, laws.get("kaplan_n"), SQUARES)
    found = resample(points, problem, optimise(problem), Plan(50, cluster="config", seed=2))
    labels = [points.runs[3 * (i // 3)] for i in range(15)]
    x = np.log(points.inputs["N"])
    lines = [
        np.polyfit(x, Y, 1, w=np.sqrt(w))
        for w in resample_counts(labels, 50, seed=2)
        if np.sum(w[::3] > 0) > 1
    ]
    np.testing.assert_allclose(found.draws["alpha_N"], -np.array(lines)[:, 0], rtol=1e-7)
    assert found.method == "bootstrap by configuration, 50 resamples of 5"


def test_resamples_are_started_elsewhere_too() -> None:
    problem, optimum = _line()
    found = resample(LINE, problem, optimum, Plan(300))
    assert (found.asked, found.restarted, found.better) == (300, 10, 0)


def test_a_better_basin_is_found_and_used() -> None:
    """Begun where both terms are dead, resamples end where the other starts lead."""
    points = table("chinchilla", noise=0.005, seed=7)
    problem = make_problem(points, laws.get("chinchilla"), Objective())
    optimum = optimise(problem)
    counts = resample_counts(points.runs, 12, seed=1)
    right = bootstrap(problem, optimum, counts)
    dead = replace(optimum, u=optimum.u + np.array([0.0, 0.0, 0.0, 5.0, 5.0]))
    found = bootstrap(problem, dead, counts)
    for name in right:
        np.testing.assert_allclose(found[name], right[name], rtol=1e-5)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ((-1,), "bootstrap must not be negative, got -1."),
        ((1, "jackknife"), "the kind of bootstrap must be pairs or wild, not 'jackknife'."),
        ((1, "wild", "size"), "what is resampled must be run or config, not 'size'."),
    ],
)
def test_plans_that_are_refused(plan: tuple[Any, ...], message: str) -> None:
    assert refusal(UsageError, Plan, *plan) == message


def test_percentiles_of_draws_that_left_the_doubles() -> None:
    values = np.concatenate([np.arange(1.0, 96.0), np.full(5, np.inf)])  # 5 % of 100 are infinite
    np.testing.assert_array_equal(percentiles(values, [0.05, 0.95]), [5.0, 95.0])
    np.testing.assert_array_equal(percentiles(values, [0.5, 0.99]), [50.0, np.inf])
    np.testing.assert_allclose(percentiles(np.arange(11.0), [0.05, 0.95]), [0.5, 9.5])
