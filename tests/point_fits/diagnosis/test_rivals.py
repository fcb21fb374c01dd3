"""Rival laws: found by their inputs, judged by what they forecast of runs that were held back."""

from dataclasses import replace

import numpy as np
import pytest
from tables import inputs, table, truth

from scaling_cli import laws
from scaling_cli.point_fits.cuts import fewest_training
from scaling_cli.point_fits.diagnosis.rivals import (
    MOST_RIVALS,
    Rival,
    candidates,
    rivals,
    translation,
)
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.point_fits.held_out import HeldOut, hold_out
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective


def questioned(
    points: Points, law: str, counts: tuple[int, ...] = (12, 13)
) -> tuple[Fitted, HeldOut]:
    """Fit a law to points and test it at two cuts of its own."""
    problem = make_problem(points, laws.get(law), Objective("l2"))
    fitted = Fitted(points, problem, optimise(problem))
    C = laws.get(law).along(points.inputs)
    order = np.sort(C)
    at = [float(order[count - 1]) for count in counts]
    return fitted, hold_out(fitted, laws.get(law).axis(), at)


def own_losses(law: str, seed: int = 3) -> Points:
    columns = inputs("chinchilla")
    noise = 0.0005 * np.random.default_rng(seed).standard_normal(15)
    output = np.asarray(truth(law)(**columns)) * np.exp(noise)
    return Points(columns, output, [f"run{i:02d}" for i in range(15)])


def test_the_law_that_made_the_data_forecasts_better() -> None:
    given, tested = questioned(own_losses("kaplan_nd"), "overtraining", (10, 11))
    found = {r.law: r for r in rivals(given, tested)}
    true = found["kaplan_nd"]
    errors = true.errors()
    assert errors is not None
    assert errors[0] < 0.5 * errors[1]
    assert true.wins() == 2
    # Its cuts are those of a fit to the smaller runs alone, from its own starts.
    for split, cut in zip(tested.splits, true.cuts, strict=True):
        rest = make_problem(given.points.take(split.train), laws.get("kaplan_nd"), Objective("l2"))
        law = optimise(rest).law
        hidden = given.points.take(split.test)
        miss = np.mean(np.abs(law(**hidden.inputs) / hidden.output - 1))
        assert cut["mare"] == pytest.approx(miss, rel=1e-5)
    assert [cut["own"] for cut in true.cuts] == [c.own_error for c in tested.cuts]


def test_a_rival_is_fitted_to_all_points_with_the_same_objective() -> None:
    given, tested = questioned(own_losses("chinchilla"), "chinchilla")
    found = {r.law: r for r in rivals(given, tested)}
    assert list(found) == ["chinchilla with beta = alpha", "chinchilla_gamma"]
    law, ties = laws.get("chinchilla"), {"beta": "alpha"}
    tied = optimise(make_problem(given.points, law, Objective("l2"), tie=ties))
    free = optimise(make_problem(given.points, laws.get("chinchilla_gamma"), Objective("l2")))
    for rival, best in zip(found.values(), (tied, free), strict=True):
        assert rival.value == pytest.approx(best.value, rel=1e-6)
        at = given.target.inputs
        assert rival.prediction == pytest.approx(float(best.law(**at)), rel=1e-4)
        own = float(given.optimum.law(**at))
        assert rival.shift == pytest.approx(np.log(rival.prediction / own), abs=1e-9)
        assert rival.fit_value == pytest.approx(given.optimum.value, rel=1e-9)
    values = found["chinchilla with beta = alpha"].parameters
    assert values == pytest.approx(tied.law.values(), rel=1e-5)
    assert values["alpha"] == values["beta"]
    errors = found["chinchilla with beta = alpha"].errors()
    assert errors is not None
    assert errors[1] < errors[0]


def test_rivals_take_the_same_inputs_and_are_not_the_law_itself() -> None:
    for name in laws.names():
        law = laws.get(name)
        found = candidates(law, len(law.parameters()), 1000)
        assert len(found) <= MOST_RIVALS
        for rival, same in found:
            assert rival != name
            assert set(same) == set(laws.get(rival).inputs())
            assert set(same.values()) == set(law.inputs())
    assert len(candidates(laws.get("chinchilla"), 5, 1000)) == MOST_RIVALS


def test_too_few_points_support_no_rival() -> None:
    fewest = min(
        fewest_training(len(laws.get(n).parameters()))
        for n, _ in candidates(laws.get("chinchilla"), 5, 1000)
    )
    assert candidates(laws.get("chinchilla"), 5, fewest - 1) == []


def test_a_law_in_any_variable_rivals_every_law_of_one_input() -> None:
    assert translation(laws.get("kaplan_n"), laws.get("power_law")) == {"x": "N"}
    assert translation(laws.get("power_law"), laws.get("kaplan_n")) is None
    assert translation(laws.get("kaplan_n"), laws.get("kaplan_d")) is None
    assert translation(laws.get("chinchilla"), laws.get("power_law")) is None
    points = table("kaplan_n", noise=0.002, seed=2)
    given, tested = questioned(points, "kaplan_n", (9, 12))
    (found,) = rivals(given, tested)
    floor = optimise(
        make_problem(
            replace(points, inputs={"x": points.inputs["N"]}),
            laws.get("power_law"),
            Objective("l2"),
        )
    )
    assert found.law == "power_law"
    assert found.value == pytest.approx(floor.value, rel=1e-9)


def test_a_cut_that_the_law_could_not_be_refitted_at_is_not_compared() -> None:
    given, tested = questioned(own_losses("chinchilla"), "chinchilla")
    others = [replace(c, laws=[c.laws[0], *c.laws[2:]]) for c in tested.companions]
    later = replace(tested, cuts=tested.cuts[1:], splits=tested.splits[1:], companions=others)
    for rival in rivals(given, later):
        enough = fewest_training(len(rival.parameters)) <= 13  # points left by the second cut
        assert [c["train_max"] for c in rival.cuts] == [tested.cuts[1].train_max] * enough
    assert all(r.cuts == [] for r in rivals(given, HeldOut((), (), (), ())))


def test_errors_are_means_over_cuts() -> None:
    cuts = [{"mare": 0.01, "own": 0.03}, {"mare": 0.04, "own": 0.02}]
    one = Rival("x", {"a": 1.0}, 2.0, 4.0, 2.1, 0.05, cuts)
    assert one.errors() == pytest.approx((0.025, 0.025))
    assert one.wins() == 1
    assert one.to_dict() == {
        "law": "x",
        "parameters": {"a": 1.0},
        "objective": 2.0,
        "objective_ratio": 0.5,
        "prediction": 2.1,
        "headline_shift": 0.05,
        "held_out_error": pytest.approx(0.025),
        "own_held_out_error": pytest.approx(0.025),
        "cuts": cuts,
    }
    assert replace(one, cuts=[]).errors() is None


def test_a_law_that_is_fitted_already_is_not_fitted_again() -> None:
    given, tested = questioned(own_losses("chinchilla"), "chinchilla", (14,))
    values = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.36, "gamma": 1.1}
    made = laws.get("chinchilla_gamma")(**values)
    ready = [
        replace(c, laws=[made, made]) if c.problem.law is type(made) else c
        for c in tested.companions
    ]
    (found,) = [
        r for r in rivals(given, replace(tested, companions=ready)) if r.law == "chinchilla_gamma"
    ]
    assert found.parameters == made.values()
    hidden = given.points.take(tested.splits[0].test)
    miss = np.mean(np.abs(made(**hidden.inputs) / hidden.output - 1))
    assert [(c["train_max"], c["own"]) for c in found.cuts] == [
        (tested.cuts[0].train_max, tested.cuts[0].own_error)
    ]
    assert found.cuts[0]["mare"] == pytest.approx(miss, rel=1e-12)
