"""Do a few runs decide? Leaving runs out against fits made afresh; planted runs are found."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tables import free, table, truth

from scaling_cli import laws
from scaling_cli.point_fits.diagnosis import influence
from scaling_cli.point_fits.diagnosis.choices import Variation, refit
from scaling_cli.point_fits.diagnosis.influence import largest_move, plans
from scaling_cli.point_fits.fitted import Fitted, headline
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise, refits
from scaling_cli.vocabulary.objective import Objective


def fitted(points: Points) -> Fitted:
    problem = make_problem(points, laws.get("chinchilla"), Objective("l2"))
    return Fitted(points, problem, optimise(problem))


@pytest.fixture(scope="module")
def given() -> Fitted:
    """A clean table in which two runs, of the smallest and the largest model, are a little off."""
    clean = table("chinchilla", noise=0.002, seed=21)
    output = clean.output.copy()
    output[[0, 12]] *= [1.04, 0.97]
    return fitted(Points(clean.inputs, output, clean.runs))


@pytest.fixture(scope="module")
def made(given: Fitted) -> list[Variation]:
    return [v for v in refit(given, plans(given)) if v is not None]


def test_every_run_is_left_out(given: Fitted, made: list[Variation]) -> None:
    single = [v for v in made if v.kind == "run"]
    assert [v.removed for v in single] == [(run,) for run in given.points.runs]
    for i in (0, 7, 12):  # against fits of the rest alone, from their own starts
        rest = fitted(given.points.take(np.arange(15) != i)).optimum.law
        at = given.target.inputs
        assert single[i].shift == pytest.approx(
            np.log(rest(**at) / given.optimum.law(**at)), abs=1e-7
        )
        assert single[i].exponents == pytest.approx(
            {n: rest.values()[n] for n in ("alpha", "beta")}, rel=1e-6
        )


def test_planted_outliers_are_the_largest_move(given: Fitted, made: list[Variation]) -> None:
    points, law = given.points, given.optimum.law
    groups = [v for v in made if v.kind == "few runs"]
    move = largest_move(groups, law)
    assert move is not None
    variation, name = move
    assert variation.removed == ("run00", "run12")
    # Brute force: of all 105 pairs, none moves an exponent more.
    pairs = list(itertools.combinations(range(15), 2))
    weights = np.ones((105, 15))
    for row, pair in zip(weights, pairs, strict=True):
        row[list(pair)] = 0
    begin = free(laws.get("chinchilla"), law.values())
    u, _ = refits(given.problem, begin[None], list(weights))
    moves = np.abs(np.exp(u - begin)[:, 3:] - 1).max(axis=1)
    assert pairs[int(np.argmax(moves))] == (0, 12)
    assert abs(variation.exponents[name] / law.values()[name] - 1) == pytest.approx(moves.max())
    # The headline stays where the whole table put it.
    refitted = laws.get("chinchilla")(
        **dict(zip(law.values(), np.exp(u[np.argmax(moves)]), strict=True))
    )
    at = headline(law, points)
    assert variation.shift == pytest.approx(np.log(refitted(**at) / law(**at)), abs=1e-6)


def test_a_screen_finds_the_runs_that_matter(
    given: Fitted, made: list[Variation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influence, "MOST_RUNS", 10)
    chosen = [p for p in plans(given) if p.kind == "run"]
    assert 4 <= len(chosen) <= 8
    kept_out = {p.name.removeprefix("without ") for p in chosen}
    single = [v for v in made if v.kind == "run"]
    farthest = max(single, key=lambda v: abs(v.shift))
    assert farthest.removed[0] in kept_out
    move = largest_move(single, given.optimum.law)
    assert move is not None
    assert move[0].removed[0] in kept_out


def test_all_rows_of_a_run_leave_together(given: Fitted) -> None:
    runs = [f"r{i // 3}" for i in range(15)]
    grouped = replace(given, points=replace(given.points, runs=runs))
    single = [p for p in plans(grouped) if p.kind == "run"]
    assert [np.flatnonzero(~p.kept).tolist() for p in single] == [
        [3 * i, 3 * i + 1, 3 * i + 2] for i in range(5)
    ]


def test_too_few_points_leave_nothing_out(given: Fitted) -> None:
    few = given.points.take(np.array([0, 4, 5, 10, 12, 14]))
    problem = make_problem(few, laws.get("chinchilla"), Objective("l2"))
    found = plans(replace(given, points=few, problem=problem))
    assert found == []


def test_largest_move_is_by_share_of_the_exponent() -> None:
    law = truth("chinchilla")
    small = Variation("a", "run", ("r",), {"alpha": 0.36, "beta": 0.37}, 0.5)
    large = Variation("b", "run", ("s",), {"alpha": 0.35, "beta": 0.30}, 0.0)
    assert largest_move([small, large], law) == (large, "beta")
    assert largest_move([], law) is None
