"""The bootstraps against weighted regression, sandwich formulas and closed forms."""

import math

import numpy as np
import pytest
from tables import table

from scaling_cli import laws
from scaling_cli.artefact import Objective
from scaling_cli.engine.solve import Problem
from scaling_cli.optimum import Optimum, make_problem, optimise
from scaling_cli.resampling import bootstrap, intervals, resample_counts

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
