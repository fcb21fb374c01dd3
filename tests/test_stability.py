"""What moves the answer: planted outliers are found, predictions are compared at the headline."""

import itertools

import numpy as np
import pytest
from tables import TRUTHS, free, table, truth

from scaling_cli import laws
from scaling_cli.artefact import Objective
from scaling_cli.law import Law
from scaling_cli.optimum import make_problem, optimise, refits
from scaling_cli.points import Points
from scaling_cli.stability import (
    Variation,
    exponent_names,
    headline,
    largest_move,
    variations,
)

CORNERS = ["huber 1e-4", "huber 1e-2", "least squares"]  # beside the default, huber 1e-3


@pytest.fixture(scope="module")
def planted() -> tuple[Points, Law, list[Variation]]:
    """A clean table in which two runs, of the smallest and the largest model, are a little off."""
    clean = table("chinchilla", noise=0.002, seed=21)
    output = clean.output.copy()
    output[[0, 12]] *= [1.04, 0.97]
    points = Points(clean.inputs, output, clean.runs)
    problem = make_problem(points, laws.get("chinchilla"), Objective("l2"))
    optimum = optimise(problem)
    return points, optimum.law, variations(points, problem, optimum)


def test_planted_outliers_are_the_largest_move(
    planted: tuple[Points, Law, list[Variation]],
) -> None:
    points, law, found = planted
    move = largest_move(found, law, "influence")
    assert move is not None
    variation, name = move
    assert variation.removed == ("run00", "run12")
    # Brute force: of all 105 pairs, none moves an exponent more.
    pairs = list(itertools.combinations(range(15), 2))
    weights = np.ones((105, 15))
    for row, pair in zip(weights, pairs, strict=True):
        row[list(pair)] = 0
    problem = make_problem(points, laws.get("chinchilla"), Objective("l2"))
    begin = free(laws.get("chinchilla"), law.values())
    u, _ = refits(problem, begin[None], list(weights))
    moves = np.abs(np.exp(u - begin)[:, 3:] - 1).max(axis=1)
    assert pairs[int(np.argmax(moves))] == (0, 12)
    assert abs(variation.exponents[name] / law.values()[name] - 1) == pytest.approx(moves.max())
    # The headline stays where the whole table put it.
    refit = laws.get("chinchilla")(
        **dict(zip(law.values(), np.exp(u[np.argmax(moves)]), strict=True))
    )
    at = headline(law, points)
    assert variation.shift == pytest.approx(np.log(refit(**at) / law(**at)), abs=1e-6)


def test_corners_are_other_objectives(planted: tuple[Points, Law, list[Variation]]) -> None:
    points, _, found = planted
    named = {v.name: v for v in found if v.kind == "objective"}
    assert list(named) == ["huber 1e-4", "huber 1e-3", "huber 1e-2"]
    refit = optimise(make_problem(points, laws.get("chinchilla"), Objective("huber", 1e-2))).law
    assert named["huber 1e-2"].exponents == pytest.approx(
        {n: refit.values()[n] for n in ("alpha", "beta")}, rel=1e-4
    )
    assert all(v.removed == () for v in named.values())


def test_the_smallest_quarter_is_left_out(planted: tuple[Points, Law, list[Variation]]) -> None:
    points, _, found = planted
    (smallest,) = [v for v in found if v.kind == "filter"]
    C = points.inputs["N"] * points.inputs["D"]
    below = np.flatnonzero(np.quantile(C, 0.25) >= C)
    assert smallest.removed == tuple(points.runs[i] for i in below.tolist())


def test_the_own_objective_is_not_a_variation() -> None:
    points = table("kaplan_n", noise=0.01, seed=1)
    problem = make_problem(points, laws.get("kaplan_n"), Objective())
    found = variations(points, problem, optimise(problem))
    assert [v.name for v in found if v.kind == "objective"] == CORNERS


def test_too_few_points_leave_nothing_out() -> None:
    points = table("kaplan_n", noise=0.01, seed=1).take(np.array([0, 3, 6, 9]))
    problem = make_problem(points, laws.get("kaplan_n"), Objective())
    found = variations(points, problem, optimise(problem))
    assert {v.kind for v in found} == {"objective"}
    assert largest_move(found, truth("kaplan_n"), "influence") is None


def test_largest_move_is_by_share_of_the_exponent() -> None:
    law = truth("chinchilla")
    small = Variation("a", "influence", ("r",), {"alpha": 0.36, "beta": 0.37}, 0.5)
    large = Variation("b", "influence", ("s",), {"alpha": 0.35, "beta": 0.30}, 0.0)
    other = Variation("c", "filter", ("t",), {"alpha": 9.0, "beta": 0.37}, 0.0)
    assert largest_move([small, large, other], law, "influence") == (large, "beta")
    assert largest_move([small, large, other], law, "filter") == (other, "alpha")
    assert largest_move([small], law, "objective") is None


def test_headline_is_the_optimum_at_ten_times_the_compute() -> None:
    points = table("chinchilla")
    at = headline(truth("chinchilla"), points)
    C = 10 * 6 * np.max(points.inputs["N"] * points.inputs["D"])
    assert 6 * at["N"] * at["D"] == pytest.approx(C, rel=1e-12)
    # No other split of the same compute has a lower loss.
    N = at["N"] * np.geomspace(0.9, 1.1, 2001)
    L = np.asarray(truth("chinchilla")(N=N, D=C / (6 * N)))
    assert N[np.argmin(L)] == pytest.approx(at["N"], rel=2e-4)


def test_headline_without_an_optimum_grows_the_largest_run() -> None:
    one = table("power_law")
    assert headline(truth("power_law"), one) == {"x": pytest.approx(2e10)}
    dead = laws.get("chinchilla")(**TRUTHS["chinchilla"] | {"A": 0.0})
    both = table("chinchilla")
    at = headline(dead, both)
    assert at == {"N": pytest.approx(2e9 * 10**0.5), "D": pytest.approx(1.6e11 * 10**0.5)}


def test_exponents_have_no_unit_and_are_not_amplitudes() -> None:
    names = {law: exponent_names(laws.get(law)) for law in ("chinchilla", "kaplan_nd", "power_law")}
    assert names == {
        "chinchilla": ["alpha", "beta"], "kaplan_nd": ["alpha_N", "alpha_D"],
        "power_law": ["alpha"],
    }  # fmt: skip
