"""Noise and draws against closed forms."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from tables import TRUTHS, free, table

from scaling_cli import laws
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.laws._law import Law, Prior, param
from scaling_cli.point_fits.certainty.draws import noise, parameter_draws
from scaling_cli.point_fits.certainty.uncertainty import (
    assemble,
)
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.search.optimum import Optimum, make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Variable

SQUARES = Objective("l2")
LINE = table("kaplan_n", noise=0.02, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
DESIGN = np.stack([np.ones(15), -X], axis=1)


class Level(Law):
    """ln L = ln A: with a prior on A, a normal mean with a normal prior."""

    A: float = param("level", prior=Prior(center=2.0, log_sd=0.003))

    def __call__(self, x: Variable) -> Loss:
        return self.A * x**0


class RelativeLevel(Law):
    """The same with a prior that is a share of the smallest output."""

    A: float = param("level", prior=Prior(center=0.9, log_sd=0.003, of_output=True))

    def __call__(self, x: Variable) -> Loss:
        return self.A * x**0


def _line(objective: Objective = SQUARES) -> tuple[Problem, Optimum]:
    problem = make_problem(LINE, laws.get("kaplan_n"), objective)
    return problem, optimise(problem)


def _seeded(problem: Problem, optimum: Optimum, seed: int) -> Fitted:
    """Return a fit whose draws depend on its problem and on the seed alone."""
    return Fitted(LINE, problem, optimum, Resampling(seed=seed))


def test_noise_of_least_squares() -> None:
    r = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02])
    by_hand = math.sqrt((3 * 0.005**2 + 0.0019) / (6 - 2 + 3))
    assert noise(r, 2, "l2") == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("objective", ["huber", "lad"])
def test_robust_noise_ignores_the_size_of_outliers(objective: str) -> None:
    # Eleven residuals: the 90 % quantile of |r| is the tenth smallest, 0.02.
    r = np.array([0.001, -0.003, 0.004, 0.005, -0.006, 0.007, 0.01, -0.012, 0.015, 0.02, -9.0])
    by_hand = math.sqrt((3 * 0.005**2 + 11 * (0.02 / 1.6448536269514722) ** 2) / (11 - 5 + 3))
    assert noise(r, 5, objective) == pytest.approx(by_hand, rel=1e-12)


def test_draws_of_a_line_are_students_t() -> None:
    problem, optimum = _line()
    draws, sigmas = parameter_draws(_seeded(problem, optimum, 5), 0.02, 2000)
    freedom = 15 - 2 + 3
    assert scipy.stats.kstest(freedom * (0.02 / sigmas) ** 2, "chi2", args=(freedom,)).pvalue > 0.01
    slope = -np.polyfit(X, Y, 1)[0]
    error = 0.02 / math.sqrt(np.sum((X - X.mean()) ** 2))
    standard = (draws["alpha_N"] - slope) / error
    assert scipy.stats.kstest(standard, "t", args=(freedom,)).pvalue > 0.01


@pytest.mark.parametrize("law", [Level, RelativeLevel])
def test_draws_with_a_prior_are_the_normal_posterior(law: type[Law]) -> None:
    y = 0.5 + 0.01 * np.random.default_rng(6).standard_normal(12)
    problem = Problem(
        law, {"x": np.ones(12)}, np.exp(y), np.ones(12), SQUARES, Frame.of(law, {}, {})
    )
    optimum = optimise(make_problem(LINE, laws.get("kaplan_n"), SQUARES))
    begin = Optimum(**{**vars(optimum), "u": np.array([y.mean()])})
    draws, sigmas = parameter_draws(_seeded(problem, begin, 7), 0.01, 2000)
    centre = np.log(2.0) if law is Level else np.log(0.9) + y.min()
    precision = 12 / sigmas**2 + 1 / 0.003**2
    mean = (y.sum() / sigmas**2 + centre / 0.003**2) / precision
    standard = (np.log(draws["A"]) - mean) * np.sqrt(precision)
    assert scipy.stats.kstest(standard, "norm").pvalue > 0.01


def test_held_parameters_do_not_vary() -> None:
    points = table("power_law", noise=0.01, seed=8)
    problem = make_problem(points, laws.get("power_law"), SQUARES, fix={"E": 1.5})
    draws, _ = parameter_draws(_seeded(problem, optimise(problem), 9), 0.01, 50)
    np.testing.assert_array_equal(draws["E"], 1.5)
    assert np.std(draws["alpha"]) > 0


def test_the_parts_of_an_interval() -> None:
    problem, optimum = _line()
    parts = assemble(_seeded(problem, optimum, 1), [], tested=True)
    r = Y - np.polyval(np.polyfit(X, Y, 1), X)
    sigma = math.sqrt((3 * 0.005**2 + np.sum(r**2)) / (15 - 2 + 3))
    assert (parts.drift, parts.spread) == (0.037, 0.0)  # a law with none beside it
    assert parts.widening == 1.3  # Kaplan's line in logarithms has no floor
    assert parts.tested
    assert parts.beside == ()
    assert parts.largest == pytest.approx({"N": 2e9, "1/(N)": 5e-8})
    assert len(parts.sigma) == len(parts.draws["Nc"]) == 500
    assert np.median(parts.sigma) == pytest.approx(sigma, rel=0.05)
    assert parts.method == "weak-prior parametric bootstrap, 500 draws; drift 3.7 % per decade"


def test_draws_scatter_around_the_optimum_of_any_law() -> None:
    points = table("chinchilla", noise=0.005, seed=12)
    problem = make_problem(points, laws.get("chinchilla"), Objective())
    draws, _ = parameter_draws(_seeded(problem, optimise(problem), 1), 0.005)
    drawn = np.stack([np.log(draws[name]) for name in TRUTHS["chinchilla"]])
    truth = free(laws.get("chinchilla"), TRUTHS["chinchilla"])
    assert np.all((drawn.min(axis=1) < truth) & (truth < drawn.max(axis=1)))
