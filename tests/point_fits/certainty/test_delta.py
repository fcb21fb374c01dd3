"""The delta method against the formulas of linear regression, and against simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from tables import TRUTHS, table

import scaling_cli
from scaling_cli import laws
from scaling_cli.engine.problem import Problem
from scaling_cli.point_fits.certainty import delta
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise, settle
from scaling_cli.vocabulary.objective import Objective

SQUARES = Objective("l2")
LINE = table("kaplan_n", noise=0.02, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
DESIGN = np.stack([np.ones(15), -X], axis=1)
BREAD = np.linalg.inv(DESIGN.T @ DESIGN)
RESIDUALS = Y - DESIGN @ BREAD @ DESIGN.T @ Y
WEIGHT = np.arange(15) % 3 + 1.0


def _line(points: Points = LINE, objective: Objective = SQUARES) -> tuple[Problem, Optimum]:
    problem = make_problem(points, laws.get("kaplan_n"), objective)
    return problem, optimise(problem)


def _along(optimum: Optimum, covariance: np.ndarray) -> float:
    """Return the variance of alpha_N, whose logarithm is the second searched coordinate."""
    return float(covariance[1, 1] * optimum.law.values()["alpha_N"] ** 2)


@pytest.mark.parametrize("objective", [SQUARES, Objective("huber", delta=1.0)])
def test_covariances_are_those_of_regression(objective: Objective) -> None:
    # A corner beyond every residual makes Huber's loss least squares.
    problem, optimum = _line(objective=objective)
    found = delta.curvature(Fitted(LINE, problem, optimum))
    leverage = np.einsum("ij,jk,ik->i", DESIGN, BREAD, DESIGN)
    hc3 = BREAD @ (DESIGN.T * (RESIDUALS / (1 - leverage)) ** 2) @ DESIGN @ BREAD
    classic = BREAD * np.sum(RESIDUALS**2) / 13
    assert _along(optimum, found.classic) == pytest.approx(classic[1, 1], rel=1e-6)
    assert _along(optimum, found.sandwich) == pytest.approx(hc3[1, 1], rel=1e-6)
    assert found.degrees == 13


def test_clusters_of_several_rows_give_cr3() -> None:
    problem, optimum = _line()
    runs = [f"run{i // 3}" for i in range(15)]
    found = delta.curvature(Fitted(replace(LINE, runs=runs), problem, optimum))
    hat, meat = DESIGN @ BREAD @ DESIGN.T, np.zeros((2, 2))
    for first in range(0, 15, 3):
        rows = slice(first, first + 3)
        score = DESIGN[rows].T @ np.linalg.solve(np.eye(3) - hat[rows, rows], RESIDUALS[rows])
        meat += np.outer(score, score)
    expected = (BREAD @ meat @ BREAD)[1, 1]
    assert _along(optimum, found.sandwich) == pytest.approx(expected, rel=1e-6)
    assert found.degrees == 3


def test_a_fit_without_resamples_keeps_configurations_together() -> None:
    """LINE has three seeds at each of five sizes: CR3 of five clusters, t of 5 - 2 degrees."""
    found = scaling_cli.fit(LINE, law="kaplan_n", objective=SQUARES, bootstrap=0, cluster="config")
    hat, meat = DESIGN @ BREAD @ DESIGN.T, np.zeros((2, 2))
    for first in range(0, 15, 3):
        rows = slice(first, first + 3)
        score = DESIGN[rows].T @ np.linalg.solve(np.eye(3) - hat[rows, rows], RESIDUALS[rows])
        meat += np.outer(score, score)
    classic = BREAD[1, 1] * np.sum(RESIDUALS**2) / 13
    sd = math.sqrt(max(classic, (BREAD @ meat @ BREAD)[1, 1])) / found.parameters["alpha_N"]
    half = scipy.stats.t(3).ppf(0.95) * sd
    ends = [math.log(found.intervals["alpha_N"][end]) for end in ("low", "high")]
    centre = math.log(found.parameters["alpha_N"])
    assert ends == pytest.approx([centre - half, centre + half], rel=1e-6)


def test_weights_give_weighted_regression() -> None:
    problem, optimum = _line(replace(LINE, weight=WEIGHT))
    found = delta.curvature(Fitted(LINE, problem, optimum))
    bread = np.linalg.inv((DESIGN.T * WEIGHT) @ DESIGN)
    r = Y - DESIGN @ bread @ (DESIGN.T * WEIGHT) @ Y
    classic = bread * np.sum(WEIGHT * r**2) / 13
    assert _along(optimum, found.classic) == pytest.approx(classic[1, 1], rel=1e-6)
    leverage = WEIGHT * np.einsum("ij,jk,ik->i", DESIGN, bread, DESIGN)
    hc3 = bread @ (DESIGN.T * (WEIGHT * r / (1 - leverage)) ** 2) @ DESIGN @ bread
    assert _along(optimum, found.sandwich) == pytest.approx(hc3[1, 1], rel=1e-6)


def test_a_prior_adds_its_precision() -> None:
    sd = 0.02
    prior = {"alpha_N": (0.076, 0.076 * sd)}
    problem, optimum = settle(make_problem(LINE, laws.get("kaplan_n"), SQUARES, prior=prior))
    found = delta.curvature(Fitted(LINE, problem, optimum))
    alone = replace(problem, penalty=None)
    J = alone.sensitivity(optimum.u)
    variance = np.sum(RESIDUALS**2) / 13
    by_hand = np.linalg.inv(J.T @ J / variance + np.diag([0, sd**-2]))
    np.testing.assert_allclose(found.classic, by_hand, rtol=1e-6)


def test_intervals_of_parameters_and_predictions() -> None:
    problem, optimum = _line()
    curved = delta.curvature(Fitted(LINE, problem, optimum))
    alpha = optimum.law.values()["alpha_N"]
    variance = max(_along(optimum, curved.classic), _along(optimum, curved.sandwich))
    half = scipy.stats.t(13).ppf(0.95) * math.sqrt(variance) / alpha
    found = delta.of_parameters(Fitted(LINE, problem, optimum), curved)["alpha_N"]
    assert found == {
        "level": 0.9,
        "low": pytest.approx(alpha * math.exp(-half)),
        "high": pytest.approx(alpha * math.exp(half)),
        "method": "delta",
    }
    gradient = problem.sensitivity(optimum.u, {"N": np.array([1e12])})
    g = np.array([1.0, -math.log(1e12)])
    classic = g @ BREAD @ g * np.sum(RESIDUALS**2) / 13
    only = replace(curved, sandwich=np.zeros((2, 2)))
    expected = scipy.stats.t(13).ppf(0.975) * math.sqrt(classic)
    assert only.half_width(gradient, 0.95)[0] == pytest.approx(expected, rel=1e-6)


def test_the_gradient_of_a_derived_quantity() -> None:
    """ln N* = [ln(alpha A / (beta B)) + beta ln(C/6)] / (alpha + beta), by hand."""
    points = table("chinchilla")
    problem = make_problem(points, laws.get("chinchilla"), SQUARES)
    truth = TRUTHS["chinchilla"]
    alpha, beta = truth["alpha"], truth["beta"]
    u = np.log(list(truth.values()))
    C = 1e22
    ratio = math.log(alpha * truth["A"] / (beta * truth["B"]))
    total, log_c = alpha + beta, math.log(C / 6)
    by_alpha = (1 / alpha * total - ratio - beta * log_c) / total**2
    by_beta = ((-1 / beta + log_c) * total - ratio - beta * log_c) / total**2
    expected = [0, 1 / total, -1 / total, alpha * by_alpha, beta * by_beta]
    found = delta.gradient_of_derived(
        Fitted(points, problem, replace(optimise(problem), u=u)), "optimal_params", {"C": C}
    )
    np.testing.assert_allclose(found, [expected], atol=1e-6)


@pytest.mark.parametrize("objective", [SQUARES, Objective(), Objective("lad")])
def test_the_classic_variance_is_what_repetition_shows(objective: Objective) -> None:
    """The sd of 60 estimates of a line's slope, known to 9 %, beside the mean claimed sd."""
    slopes, claims = [], []
    for seed in range(60):
        points = table("kaplan_n", noise=0.02, seed=seed)
        problem, optimum = _line(points, objective)
        curved = delta.curvature(Fitted(points, problem, optimum))
        slopes.append(optimum.law.values()["alpha_N"])
        claims.append(math.sqrt(_along(optimum, curved.classic)))
    assert np.mean(claims) == pytest.approx(np.std(slopes), rel=0.2)
