"""Profiles against Student's t in a linear law, and against an independent constrained solver."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from refusals import refusal
from tables import free, objective_sum, residuals, table

from scaling_cli import laws
from scaling_cli.engine.problem import Problem
from scaling_cli.point_fits.certainty import profiles
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise, settle
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.objective import Objective

SQUARES = Objective("l2")
LINE = table("kaplan_n", noise=0.02, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
DESIGN = np.stack([np.ones(15), -X], axis=1)
BREAD = np.linalg.inv(DESIGN.T @ DESIGN)
LEVEL, SLOPE = BREAD @ DESIGN.T @ Y
VARIANCE = np.sum((Y - LEVEL + SLOPE * X) ** 2) / 13
T = scipy.stats.t(13)
CURVE = table("chinchilla", noise=0.01, seed=3)


def _problem(points: Points, name: str, objective: Objective) -> tuple[Problem, Optimum]:
    problem = make_problem(points, laws.get(name), objective)
    return problem, optimise(problem)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_of_a_line_it_is_students_t(level: float) -> None:
    problem, optimum = _problem(LINE, "kaplan_n", SQUARES)
    half = T.ppf((1 + level) / 2) * math.sqrt(VARIANCE * BREAD[1, 1])
    found = profiles.of_parameter(Fitted(LINE, problem, optimum, level=level), "alpha_N")
    assert (found.low, found.high) == pytest.approx((SLOPE - half, SLOPE + half), rel=1e-8)
    assert found.threshold == pytest.approx(T.ppf((1 + level) / 2) ** 2, rel=1e-9)
    parabola = (found.value - SLOPE) ** 2 / (VARIANCE * BREAD[1, 1])
    np.testing.assert_allclose(found.rise, parabola, rtol=1e-6)
    assert found.lower == 0


@pytest.mark.parametrize("at", [1e8, 1e12])
def test_of_a_prediction_of_a_line_it_is_students_t(at: float) -> None:
    problem, optimum = _problem(LINE, "kaplan_n", SQUARES)
    g = np.array([1.0, -math.log(at)])
    half = T.ppf(0.95) * math.sqrt(VARIANCE * (g @ BREAD @ g))
    centre = g @ np.array([LEVEL, SLOPE])
    found = profiles.of_prediction(Fitted(LINE, problem, optimum), {"N": at})
    ends = np.exp([centre - half, centre + half])
    assert (found.low, found.high) == pytest.approx(tuple(ends), rel=1e-9)
    assert (found.of, found.inputs, found.lower) == ("L", {"N": at}, 0)


def test_of_a_weighted_line_it_is_weighted_regression() -> None:
    weight = np.arange(15) % 3 + 1.0
    problem, optimum = _problem(replace(LINE, weight=weight), "kaplan_n", SQUARES)
    bread = np.linalg.inv((DESIGN.T * weight) @ DESIGN)
    b = bread @ (DESIGN.T * weight) @ Y
    variance = np.sum(weight * (Y - DESIGN @ b) ** 2) / 13
    half = T.ppf(0.95) * math.sqrt(variance * bread[1, 1])
    found = profiles.of_parameter(Fitted(LINE, problem, optimum), "alpha_N")
    assert (found.low, found.high) == pytest.approx((b[1] - half, b[1] + half), rel=1e-8)


def test_a_prior_is_part_of_the_profile() -> None:
    prior = {"alpha_N": (0.07, 0.0007)}
    problem, optimum = settle(make_problem(LINE, laws.get("kaplan_n"), SQUARES, prior=prior))
    found = profiles.of_parameter(Fitted(LINE, problem, optimum), "alpha_N")

    def rise(alpha: float) -> float:
        data = (alpha - SLOPE) ** 2 / (VARIANCE * BREAD[1, 1])
        return data + ((math.log(alpha) - math.log(0.07)) / 0.01) ** 2

    least = rise(optimum.law.values()["alpha_N"])
    for end in (found.low, found.high):
        assert rise(end) - least == pytest.approx(found.threshold, rel=1e-6)


CENTRE = {"N": 2e8, "D": 4e9}  # where ln A and ln B are nearly apart from their exponents


def _least(
    objective: Objective,
    full: Callable[[np.ndarray], np.ndarray | None],
    z: np.ndarray,
    least: float,
) -> float:
    """Return the least sum over z; `full` gives free coordinates, or None where there are none."""
    law = laws.get("chinchilla")

    def total(at: np.ndarray) -> float:
        u = full(at)
        if u is None:
            return math.inf
        return objective_sum(objective, residuals(law, u, CURVE, objective.space)) / least

    for _ in range(4):
        z = scipy.optimize.minimize(
            total,
            z,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000, "adaptive": True},
        ).x
    return total(z) * least


def _free(z: np.ndarray) -> np.ndarray:
    """Return free coordinates of (ln E, ln of both terms at CENTRE, ln alpha, ln beta)."""
    u = np.array(z)
    u[1] += np.exp(z[3]) * math.log(CENTRE["N"])
    u[2] += np.exp(z[4]) * math.log(CENTRE["D"])
    return u


def _centred(u: np.ndarray) -> np.ndarray:
    return 2 * u - _free(u)


OBJECTIVES = [SQUARES, Objective("huber", 0.01), Objective("huber", 0.05, "linear")]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=["squares", "huber", "linear"])
@pytest.mark.parametrize("name", ["alpha", "E"])
def test_ends_against_an_independent_solver(name: str, objective: Objective) -> None:
    """At each end of the interval the least sum has risen by t^2 tau / 2."""
    law = laws.get("chinchilla")
    problem, optimum = _problem(CURVE, "chinchilla", objective)
    found = profiles.of_parameter(Fitted(CURVE, problem, optimum), name)
    z, row = _centred(free(law, optimum.law.values())), list(law.parameters()).index(name)
    for end in (found.low, found.high):
        least = _least(
            objective,
            lambda at, end=end: _free(np.insert(at, row, math.log(end))),
            np.delete(z, row),
            optimum.value,
        )
        rise = 2 * (least - optimum.value) / problem.noise_scale(optimum.u)
        assert rise == pytest.approx(found.threshold, rel=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=["squares", "huber", "linear"])
def test_ends_of_a_prediction_against_an_independent_solver(objective: Objective) -> None:
    """The law is linear in its floor: a prediction is held by giving the floor what is left."""
    law = laws.get("chinchilla")
    problem, optimum = _problem(CURVE, "chinchilla", objective)
    found = profiles.of_prediction(Fitted(CURVE, problem, optimum), {"N": 2e10, "D": 4e11})
    z = _centred(free(law, optimum.law.values()))

    def full(at: np.ndarray, end: float) -> np.ndarray | None:
        u = _free(np.append(0.0, at))
        rest = float(np.exp(u[1]) * 2e10 ** -np.exp(u[3]) + np.exp(u[2]) * 4e11 ** -np.exp(u[4]))
        return np.append(math.log(end - rest), u[1:]) if end > rest else None

    for end in (found.low, found.high):
        least = _least(objective, lambda at, end=end: full(at, end), z[1:], optimum.value)
        rise = 2 * (least - optimum.value) / problem.noise_scale(optimum.u)
        assert rise == pytest.approx(found.threshold, rel=1e-4)


@pytest.mark.parametrize("objective", [Objective(), Objective("lad")], ids=["huber", "lad"])
def test_narrow_corners_give_a_profile_too(objective: Objective) -> None:
    problem, optimum = _problem(CURVE, "chinchilla", objective)
    found = profiles.of_prediction(Fitted(CURVE, problem, optimum), {"N": 2e10, "D": 4e11})
    assert 0 < found.low < found.estimate < found.high
    assert found.lower < 1e-6
    inside = (found.low < found.value) & (found.value < found.high)
    assert np.all(found.rise[inside] < found.threshold)
    assert np.all(found.rise[~inside] > found.threshold)


def test_a_floor_that_may_be_absent_has_no_lower_end() -> None:
    """Points on a plain power law: E = 0 fits them exactly, so only its upper end is bounded."""
    x = np.geomspace(1e3, 1e6, 15)
    noise = 0.01 * np.random.default_rng(3).standard_normal(15)
    points = Points({"x": x}, 60.0 * x**-0.2 * np.exp(noise), [f"r{i}" for i in range(15)])
    problem, optimum = _problem(points, "power_law", SQUARES)
    found = profiles.of_parameter(Fitted(points, problem, optimum), "E")
    assert found.low == 0.0
    assert found.estimate < found.high < float(np.min(points.output))


def test_a_follower_of_a_tie_has_its_leaders_profile() -> None:
    problem = make_problem(CURVE, laws.get("chinchilla"), SQUARES, tie={"beta": "alpha"})
    optimum = optimise(problem)
    one, other = (
        profiles.of_parameter(Fitted(CURVE, problem, optimum), name) for name in ("alpha", "beta")
    )
    assert (one.low, one.high) == (other.low, other.high)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gamma", "law chinchilla has no parameter 'gamma'. Its parameters: E, A, B, alpha, beta."),
        ("E", "E is held at a value: there is nothing to profile."),
    ],
)
def test_what_has_no_profile(name: str, message: str) -> None:
    problem = make_problem(CURVE, laws.get("chinchilla"), SQUARES, fix={"E": 1.8})
    fitted = Fitted(CURVE, problem, optimise(problem))
    assert refusal(UsageError, profiles.of_parameter, fitted, name) == message
