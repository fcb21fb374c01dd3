"""The profile over the floor, against fits with it held."""

import numpy as np
import pytest
from tables import table

from scaling_cli import laws
from scaling_cli.point_fits.diagnosis import floor
from scaling_cli.point_fits.diagnosis.choices import refit
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective

POINTS = table("chinchilla", noise=0.003, seed=4)
INTERVAL = [1.6, 1.9]


def fitted(objective: Objective) -> Fitted:
    problem = make_problem(POINTS, laws.get("chinchilla"), objective)
    return Fitted(POINTS, problem, optimise(problem))


@pytest.mark.parametrize("name", ["huber", "l2"])
def test_every_value_is_the_fit_with_the_floor_held_there(name: str) -> None:
    objective = Objective(name)
    given = fitted(objective)
    plans = floor.plans(given, "E", INTERVAL)
    made = [(p, v) for p, v in zip(plans, refit(given, plans), strict=True) if v is not None]
    found = floor.profile(given, "E", INTERVAL, made)
    assert found is not None
    assert found.values == pytest.approx(np.linspace(1.45, 2.05, 9))
    assert found.inside().tolist() == [False, False, True, True, True, True, True, False, False]
    assert found.optimum_factor is not None
    own, at = given.optimum, given.target
    for i in (0, 2, 5, 8):
        held = make_problem(
            POINTS, laws.get("chinchilla"), objective, fix={"E": float(found.values[i])}
        )
        oracle = optimise(held)
        assert (1 + found.rise[i]) * own.value == pytest.approx(oracle.value, rel=1e-10)
        assert found.prediction[i] == pytest.approx(float(oracle.law(**at.inputs)), rel=1e-6)
        best = oracle.law.derive("optimal_params", C=at.compute)
        before = own.law.derive("optimal_params", C=at.compute)
        assert found.optimum_factor[i] == pytest.approx(best / before, rel=1e-5)


def test_values_below_zero_are_not_tried() -> None:
    given = fitted(Objective())
    plans = floor.plans(given, "E", [0.1, 1.1])
    assert [p.held["E"] for p in plans] == pytest.approx([0.1, 0.35, 0.6, 0.85, 1.1, 1.35, 1.6])


def test_the_floor_is_known_by_its_declaration() -> None:
    def name(law: str, **held: dict) -> str | None:
        return floor.floor_name(make_problem(table(law), laws.get(law), Objective(), **held))

    assert name("chinchilla") == "E"
    assert name("power_law") == "E"
    assert name("kaplan_nd") is None
    assert name("chinchilla", fix={"E": 1.7}) is None


def test_the_interval_is_of_the_first_draws_there_are() -> None:
    some, none = {"E": np.linspace(1, 2, 101)}, {"E": np.zeros(0)}
    assert floor.interval_of("E", [none, some], 0.9) == pytest.approx([1.05, 1.95])
    assert floor.interval_of("E", [{}, none], 0.9) == []


def test_no_refit_is_no_profile() -> None:
    assert floor.profile(fitted(Objective()), "E", INTERVAL, []) is None


def test_a_floor_held_near_zero_is_found_from_far_away() -> None:
    given = fitted(Objective())
    (plan,) = [p for p in floor.plans(given, "E", [1e-6, 1.9]) if p.held["E"] < 0.01]
    (found,) = refit(given, [plan])
    held = make_problem(POINTS, laws.get("chinchilla"), Objective(), fix={"E": 1e-6})
    assert found is not None
    assert found.value == pytest.approx(optimise(held).value, rel=1e-9)
