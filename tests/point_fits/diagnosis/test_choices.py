"""What moves the answer: refits against fits made afresh, compared at the headline."""

from dataclasses import replace

import numpy as np
import pytest
from tables import TRUTHS, table, truth

from scaling_cli import laws
from scaling_cli.laws._optimum import optimal_sizes
from scaling_cli.point_fits.diagnosis.choices import (
    Variation,
    choices,
    exponent_names,
    recounted,
    refit,
    slid,
    tied,
)
from scaling_cli.point_fits.fitted import Fitted, headline, target
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective

CORNERS = ["huber 1e-4", "huber 1e-2", "least squares"]  # beside the default, huber 1e-3
NOISY = table("chinchilla", noise=0.002, seed=21)


def fitted(points: Points, law: str = "chinchilla", objective: Objective | None = None) -> Fitted:
    problem = make_problem(points, laws.get(law), objective or Objective("l2"))
    return Fitted(points, problem, optimise(problem))


@pytest.fixture(scope="module")
def given() -> Fitted:
    return fitted(NOISY)


@pytest.fixture(scope="module")
def made(given: Fitted) -> list[Variation]:
    return [v for v in refit(given, choices(given)) if v is not None]


def same_as(given: Fitted, variation: Variation, oracle: Fitted, tolerance: float) -> None:
    """Compare a variation with a fit made afresh, from its own starts."""
    at, law = given.target, oracle.optimum.law
    own = given.optimum.law
    assert variation.exponents == pytest.approx(
        {n: law.values()[n] for n in exponent_names(type(own))}, rel=tolerance
    )
    shift = np.log(law(**at.inputs) / own(**at.inputs))
    assert variation.shift == pytest.approx(shift, abs=tolerance)
    moved = law.derive("optimal_params", C=at.compute) / own.derive("optimal_params", C=at.compute)
    assert variation.optimum_shift == pytest.approx(np.log(moved), abs=tolerance)


def test_corners_are_other_objectives(given: Fitted, made: list[Variation]) -> None:
    named = {v.name: v for v in made if v.kind == "objective"}
    assert list(named) == ["huber 1e-4", "huber 1e-3", "huber 1e-2"]
    same_as(given, named["huber 1e-2"], fitted(NOISY, objective=Objective("huber", 1e-2)), 1e-6)
    assert all(v.removed == () for v in named.values())


def test_filters_leave_out_what_they_say(given: Fitted, made: list[Variation]) -> None:
    named = {v.name: v for v in made if v.kind == "filter"}
    N, D = NOISY.inputs["N"], NOISY.inputs["D"]
    small = np.quantile(N * D, 0.25) >= N * D
    # A tenth of fifteen ratios, of which five each are 5, 20 and 80: the quantiles are 5 and 80.
    assert list(named) == ["without the smallest quarter"]
    one = named["without the smallest quarter"]
    assert one.removed == tuple(NOISY.runs[i] for i in np.flatnonzero(small).tolist())
    same_as(given, one, fitted(NOISY.take(~small)), 1e-6)


def test_extremes_of_tokens_per_parameter() -> None:
    ratios = NOISY.inputs["D"] * np.geomspace(1, 1.5, 15)
    points = replace(NOISY, inputs={"N": NOISY.inputs["N"], "D": ratios})
    problem = make_problem(points, laws.get("chinchilla"), Objective("l2"))
    optimum = optimise(make_problem(NOISY, laws.get("chinchilla"), Objective("l2")))
    plans = choices(Fitted(points, problem, optimum))
    (found,) = [p for p in plans if p.name == "without the extremes of tokens per parameter"]
    order = np.argsort(ratios / NOISY.inputs["N"])  # 15 values: 1.4 from either end
    assert sorted(np.flatnonzero(~found.kept).tolist()) == sorted([*order[:2], *order[-2:]])


def test_the_own_objective_is_not_a_variation() -> None:
    points = table("kaplan_n", noise=0.01, seed=1)
    found = choices(fitted(points, "kaplan_n", Objective()))
    assert [p.name for p in found if p.kind == "objective"] == CORNERS


def test_too_few_points_leave_nothing_out() -> None:
    points = table("kaplan_n", noise=0.01, seed=1).take(np.array([0, 3, 6, 9]))
    assert {p.kind for p in choices(fitted(points, "kaplan_n", Objective()))} == {"objective"}


def test_twins_are_tied_as_tie_ties_them(given: Fitted) -> None:
    ((name, found),) = tied(given)
    assert name == "beta = alpha"
    assert found is not None
    problem = make_problem(NOISY, laws.get("chinchilla"), Objective("l2"), tie={"beta": "alpha"})
    oracle = replace(given, problem=problem, optimum=optimise(problem))
    same_as(given, found, oracle, 1e-6)
    assert found.value == pytest.approx(oracle.optimum.value, rel=1e-10)
    assert found.exponents["alpha"] == found.exponents["beta"]


@pytest.mark.parametrize("held", [{"fix": {"beta": 0.4}}, {"tie": {"beta": "alpha"}}])
def test_held_exponents_are_not_tied_again(given: Fitted, held: dict) -> None:
    problem = make_problem(NOISY, laws.get("chinchilla"), Objective("l2"), **held)
    assert tied(replace(given, problem=problem)) == []


def test_another_count_is_compared_at_the_same_model(given: Fitted) -> None:
    # With N' = c N the same law holds with A' = A c^alpha: nothing moves.
    scaled = replace(given, points=replace(NOISY, counts={"active": 0.3 * NOISY.inputs["N"]}))
    ((name, found),) = recounted(scaled)
    assert name == "N counted active"
    assert found is not None
    assert found.exponents == pytest.approx(
        {n: given.optimum.law.values()[n] for n in ("alpha", "beta")}, rel=1e-6
    )
    assert found.shift == pytest.approx(0, abs=1e-7)
    assert found.optimum_shift == pytest.approx(0, abs=1e-5)


def test_another_count_is_refitted(given: Fitted) -> None:
    other = NOISY.inputs["N"] ** 1.1 / 40
    ((_, found),) = recounted(replace(given, points=replace(NOISY, counts={"active": other})))
    assert found is not None
    oracle = fitted(replace(NOISY, inputs={**NOISY.inputs, "N": other})).optimum.law
    assert found.exponents == pytest.approx(
        {n: oracle.values()[n] for n in ("alpha", "beta")}, rel=1e-6
    )
    at, own = given.target, given.optimum.law  # N' = N^1.1/40 is a straight line in logarithms
    there = oracle(N=at.inputs["N"] ** 1.1 / 40, D=at.inputs["D"])
    assert found.shift == pytest.approx(np.log(there / own(**at.inputs)), abs=1e-7)
    best = own.derive("optimal_params", C=at.compute)
    compute = 6 * (best**1.1 / 40) * own.derive("optimal_tokens", C=at.compute)
    moved = oracle.derive("optimal_params", C=compute) / (best**1.1 / 40)
    assert found.optimum_shift == pytest.approx(np.log(moved), abs=1e-5)


def test_slid_starts_meet_the_constraint_at_least_cost(given: Fitted) -> None:
    direction = np.array([0.0, 0, 0, 1, -1])
    u = slid(given, direction, 0.1)
    assert direction @ u == pytest.approx(0.1, abs=1e-9)
    # Any other step to the same place raises the linearised sum of squares more.
    J = given.problem.sensitivity(given.optimum.u)
    cost = np.sum((J @ (u - given.optimum.u)) ** 2)
    along = np.random.default_rng(0).standard_normal((50, 5))
    along -= np.outer(along @ direction, direction) / 2  # within the constraint
    others = np.sum(((u - given.optimum.u + 1e-3 * along) @ J.T) ** 2, axis=1)
    assert np.all(others >= cost)


def test_best_sizes_of_many_parameters() -> None:
    law = laws.get("chinchilla")
    values = {n: np.array([v, v]) for n, v in TRUTHS["chinchilla"].items()}
    values["A"] = np.array([480.0, 0.0])  # without a capacity term there is no optimum
    found = optimal_sizes(law(**values), 1e21)
    assert found is not None
    assert found[0] == pytest.approx(truth("chinchilla").derive("optimal_params", C=1e21))
    assert np.isnan(found[1])
    assert optimal_sizes(truth("power_law"), 1e21) is None


def test_headline_is_the_optimum_at_ten_times_the_compute() -> None:
    points = table("chinchilla")
    at = headline(truth("chinchilla"), points)
    C = 10 * 6 * np.max(points.inputs["N"] * points.inputs["D"])
    assert 6 * at["N"] * at["D"] == pytest.approx(C, rel=1e-12)
    assert target(truth("chinchilla"), points).compute == pytest.approx(C, rel=1e-12)
    # No other split of the same compute has a lower loss.
    N = at["N"] * np.geomspace(0.9, 1.1, 2001)
    L = np.asarray(truth("chinchilla")(N=N, D=C / (6 * N)))
    assert N[np.argmin(L)] == pytest.approx(at["N"], rel=2e-4)


def test_headline_without_an_optimum_grows_the_largest_run() -> None:
    one = table("power_law")
    assert headline(truth("power_law"), one) == {"x": pytest.approx(2e10)}
    assert target(truth("power_law"), one).compute is None
    dead = laws.get("chinchilla")(**TRUTHS["chinchilla"] | {"A": 0.0})
    both = table("chinchilla")
    at = headline(dead, both)
    assert at == {"N": pytest.approx(2e9 * 10**0.5), "D": pytest.approx(1.6e11 * 10**0.5)}
    assert target(dead, both).compute is None


def test_exponents_have_no_unit_and_are_not_amplitudes() -> None:
    names = {law: exponent_names(laws.get(law)) for law in ("chinchilla", "kaplan_nd", "power_law")}
    assert names == {
        "chinchilla": ["alpha", "beta"],
        "kaplan_nd": ["alpha_N", "alpha_D"],
        "power_law": ["alpha"],
    }


def at_an_edge() -> Points:
    """Return runs over one decade whose floor the data deny: E ends at its bound."""
    rng = np.random.default_rng(3)
    N, ratio = np.meshgrid(np.geomspace(1e8, 1e9, 5), [10.0, 30.0, 90.0], indexing="ij")
    N, D = N.ravel(), (ratio * N).ravel()
    loss = 30.0 * N**-0.06 * np.exp(0.02 * rng.standard_normal(15)) + 200.0 * D**-0.3
    return Points({"N": N, "D": D}, loss, [f"r{i}" for i in range(15)])


def test_refits_of_a_fit_at_its_edge_are_the_fits_made_afresh() -> None:
    given = fitted(at_an_edge(), objective=Objective())
    assert given.optimum.diagnostics["at_bound"]
    plans = choices(given)
    for plan, variation in zip(plans, refit(given, plans), strict=True):
        assert variation is not None
        rows = np.flatnonzero(plan.kept)
        points = given.points.take(rows)
        objective = Objective("l2") if np.isinf(plan.corner) else Objective(delta=plan.corner)
        afresh = optimise(make_problem(points, laws.get("chinchilla"), objective))
        assert variation.value <= afresh.value * (1 + 1e-6)
    [(_, tie)] = tied(given)
    problem = make_problem(given.points, laws.get("chinchilla"), Objective(), tie={"beta": "alpha"})
    assert tie is not None
    assert tie.value <= optimise(problem).value * (1 + 1e-6)
