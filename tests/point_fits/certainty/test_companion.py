"""Laws beside a law: which, what they are fitted to, and the forecast that they make together.

The oracle of forecasts and sides is the recipe computed anew with NumPy from what a fit stores.
"""

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Beside, Uncertainty
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.chinchilla_gamma import ChinchillaGamma
from scaling_cli.laws.kaplan_nd import KaplanND
from scaling_cli.point_fits.certainty.companion import (
    beside,
    companions,
    fitted,
    problems,
    weights_beside,
)
from scaling_cli.point_fits.certainty.draws import DRAWS, parameter_draws
from scaling_cli.point_fits.fitted import Company, Fitted, Resampling
from scaling_cli.point_fits.fitting import fit
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

BENT = ChinchillaGamma(E=1.7, A=3355.0, B=18186.0, alpha=0.408, beta=0.431, gamma=0.6)
STRAIGHT = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
NO_FLOOR = KaplanND(Nc=8.8e13, Dc=5.4e13, alpha_N=0.076, alpha_D=0.095)
Z90 = 1.6448536269514722
MEAN = {"chinchilla_gamma": 1.0, "kaplan_nd": 0.25}
WIDTH = {"kaplan_nd": 0.0}


def table(law: Law, rows: int = 16, noise: float = 0.0) -> Points:
    """Return four sizes by four ratios of tokens to parameters, the smallest runs first."""
    N, ratio = np.meshgrid(np.geomspace(3e7, 3e9, 4), [5.0, 20.0, 80.0, 320.0], indexing="ij")
    N, D = N.ravel(), (ratio * N).ravel()
    order = np.argsort(N * D)[:rows]
    wave = noise * np.random.default_rng(5).standard_normal(rows)
    output = np.asarray(law(N=N[order], D=D[order]), float) * np.exp(wave)
    return Points({"N": N[order], "D": D[order]}, output, [f"r{i:02d}" for i in range(rows)])


def made(*others: Beside, reach: float = 0.0, **changes: Any) -> Fit:
    """Return a fit whose draws vary E alone, evenly, almost without noise."""
    draws = {name: np.full(201, value) for name, value in STRAIGHT.values().items()}
    draws["E"] = draws["E"] + reach * np.linspace(-1, 1, 201)
    given: dict[str, Any] = {
        "draws": draws,
        "sigma": np.full(201, 1e-12),
        "drift": 0.018,
        "spread": 0.36,
        "largest": {"C": 1e20, "D": 1e10, "D/N": 50.0},
        "tested": True,
        "method": "by hand",
        "beside": others,
    }
    certain = Uncertainty(**given | changes)
    return Fit(STRAIGHT, status=Status.CONVERGED, value=0.0, n_points=16, uncertainty=certain)


# ---- which there are


def test_three_laws_of_size_and_data_name_each_other() -> None:
    enough = table(STRAIGHT, 7)
    of = {name: make_problem(enough, laws.get(name), Objective()) for name in ("chinchilla",)}
    assert weights_beside(of["chinchilla"]) == MEAN
    richer = make_problem(table(STRAIGHT), ChinchillaGamma, Objective())
    assert weights_beside(richer) == {"chinchilla": 1.0, "kaplan_nd": 0.25}
    for name in laws.names():
        law = laws.get(name)
        for other in law.beside:
            assert laws.get(other).inputs() == law.inputs()
            assert laws.get(other).output() == law.output()


def test_the_users_own_law_has_one_to_measure_its_width_from() -> None:
    points, plain = table(STRAIGHT), Objective()
    assert weights_beside(make_problem(points, Chinchilla, plain), Company(alone=True)) == WIDTH
    assert weights_beside(make_problem(points, Chinchilla, plain, {"E": 1.8})) == WIDTH
    assert weights_beside(make_problem(points, Chinchilla, plain, {}, {"beta": "alpha"})) == WIDTH
    assert weights_beside(make_problem(points, Chinchilla, plain, prior={"E": (1.8, 0.1)})) == WIDTH
    assert weights_beside(make_problem(points, laws.get("overtraining"), plain)) == WIDTH
    no_floor = make_problem(points, KaplanND, plain)
    assert weights_beside(no_floor) == {"chinchilla": 0.0}


def test_few_runs_or_other_inputs_leave_a_law_by_itself() -> None:
    assert weights_beside(make_problem(table(STRAIGHT, 6), Chinchilla, Objective())) == {}
    N = np.geomspace(1e7, 1e10, 9)
    line = Points({"N": N}, (1e13 / N) ** 0.08, [f"r{i}" for i in range(9)])
    assert weights_beside(make_problem(line, laws.get("kaplan_n"), Objective())) == {}


# ---- what they are fitted to


def test_they_are_fitted_to_all_points_and_to_those_of_each_cut() -> None:
    points = table(BENT)
    rows = [np.ones(16), (np.arange(16) < 14).astype(float)]
    every = companions(make_problem(points, Chinchilla, Objective()), rows)
    assert [(c.problem.law, c.weight) for c in every] == [(ChinchillaGamma, 1.0), (KaplanND, 0.25)]
    for law in every[0].laws:  # both are exact: the truth is of this law
        assert isinstance(law, ChinchillaGamma)
        np.testing.assert_allclose(law(**points.inputs), points.output, rtol=1e-7)
    for law, row in zip(every[1].laws, rows, strict=True):
        own = points.take(row > 0)
        best = optimise(make_problem(own, KaplanND, Objective())).law
        assert law is not None
        np.testing.assert_allclose(law(**points.inputs), best(**points.inputs), rtol=1e-4)


def test_least_absolute_deviations_are_near_enough_to_huber() -> None:
    for other, _ in problems(make_problem(table(STRAIGHT), Chinchilla, Objective("lad"))):
        assert other.objective == Objective("huber", 1e-3)


def test_a_refit_that_fails_is_left_out() -> None:
    problem = make_problem(table(BENT), ChinchillaGamma, Objective())
    good, bad = fitted(problem, [np.ones(16), np.full(16, np.nan)])
    assert isinstance(good, ChinchillaGamma)
    assert bad is None
    every = companions(make_problem(table(BENT), Chinchilla, Objective()), [np.full(16, np.nan)])
    assert beside(every, 0) == []


# ---- the forecast that they make


def by_hand(
    logs: list[float], weights: list[float], decades: float, drift: float, spread: float
) -> tuple[float, float]:
    """Return centre and side of the mean curve, in ln loss, of laws whose draws do not vary."""
    centre = sum(w * x for w, x in zip(weights, logs, strict=True)) / sum(weights)
    return centre, math.hypot(Z90 * drift * decades, spread * (max(logs) - min(logs)))


@pytest.mark.parametrize(
    ("N", "D", "decades"),
    [
        (1e9, 5e9, 0.0),
        (1e10, 9e9, math.log10(6 * 9e19 / 1e20)),  # beyond in compute
        (1e8, 5e10, max(1.5 * math.log10(5), math.log10(10))),  # in tokens, and in their ratio
        (1e7, 5e9, math.log10(10)),  # in the ratio alone
    ],
)
def test_the_number_to_plan_with_is_the_mean_of_three(N: float, D: float, decades: float) -> None:
    p = made(Beside(BENT, 1.0), Beside(NO_FLOOR, 0.25)).predict(N=N, D=D)
    logs = [math.log(law(N=N, D=D)) for law in (STRAIGHT, BENT, NO_FLOOR)]
    centre, side = by_hand(logs, [1.0, 1.0, 0.25], decades, 0.018, 0.36)
    assert p.forecast[0] == pytest.approx(math.exp(centre), rel=1e-12)
    assert p.value[0] == STRAIGHT(N=N, D=D)
    for ends in (p.mean, p.new_run):
        assert ends is not None
        low, high = (float(end[0]) for end in ends)
        assert [low, high] == pytest.approx([math.exp(centre - side), math.exp(centre + side)])
        assert math.sqrt(low * high) == pytest.approx(p.forecast[0], rel=1e-12)
    parts = {name: float(part[0]) for name, part in p.parts.items()}
    assert parts["drift"] == pytest.approx(Z90 * 0.018 * decades, abs=1e-15)
    assert parts["laws"] == pytest.approx(0.36 * (max(logs) - min(logs)), rel=1e-12)
    weights = [w["weight"] for w in p.to_dicts()[0]["laws"]]
    assert weights == pytest.approx([1 / 2.25, 1 / 2.25, 0.25 / 2.25], rel=1e-12)


def test_draws_reach_from_the_law_and_are_laid_about_the_mean() -> None:
    at = {"N": 1e9, "D": 5e9}
    p = made(Beside(BENT, 1.0), reach=0.01, spread=0.0).predict(**at)
    own, other = (math.log(law(**at)) for law in (STRAIGHT, BENT))
    # E varies evenly by 0.01: the 5 and 95 % quantiles of 201 draws lie 0.009 away.
    ends = [math.log(math.exp(own) + 0.009 * sign) - own for sign in (-1, 1)]
    assert p.mean is not None
    expected = [math.exp((own + other) / 2 + end) for end in ends]
    assert [float(end[0]) for end in p.mean] == pytest.approx(expected, rel=1e-9)


def test_other_levels_scale_what_is_not_drawn() -> None:
    at = {"N": 1e10, "D": 1e12}
    levels = {0.5: 0.6744897501960817, 0.99: 2.5758293035489004}
    for level, z in levels.items():
        fit_ = made(Beside(BENT, 1.0), Beside(NO_FLOOR, 0.25))
        parts = [fit_.predict(level=x, **at).parts for x in (level, 0.9)]
        for name in ("drift", "laws"):
            assert parts[0][name] / parts[1][name] == pytest.approx(z / Z90, rel=1e-12)


def test_a_law_far_from_the_others_is_left_out() -> None:
    at = {"N": 1e9, "D": 5e9}
    absurd = replace(NO_FLOOR, Nc=1e19)  # e^0.55 of the others and more
    p = made(Beside(BENT, 1.0), Beside(absurd, 0.25)).predict(**at)
    logs = [math.log(law(**at)) for law in (STRAIGHT, BENT)]
    assert abs(math.log(absurd(**at)) - max(logs)) > 0.5
    assert p.forecast[0] == pytest.approx(math.exp(sum(logs) / 2), rel=1e-12)
    assert p.parts["laws"][0] == pytest.approx(0.36 * abs(logs[0] - logs[1]), rel=1e-12)
    assert [law["weight"] for law in p.to_dicts()[0]["laws"]] == [0.5, 0.5, 0.0]
    # Of two there is no telling which is wrong: both count, and the range is wide.
    two = made(Beside(absurd, 1.0)).predict(**at)
    apart = abs(math.log(absurd(**at)) - logs[0])
    assert two.parts["laws"][0] == pytest.approx(0.36 * apart, rel=1e-12)


def test_alone_is_the_fitted_law_with_the_distance_to_one_of_the_other_kind() -> None:
    at = {"N": 1e10, "D": 1e12}
    p = made(Beside(BENT, 1.0), Beside(NO_FLOOR, 0.25)).alone().predict(**at)
    logs = [math.log(law(**at)) for law in (STRAIGHT, NO_FLOOR)]
    decades = max(math.log10(6e22 / 1e20), 1.5 * math.log10(100))
    centre, side = by_hand(logs, [1.0, 0.0], decades, 0.0234, 0.53)
    assert p.forecast[0] == pytest.approx(p.value[0], rel=1e-12)
    assert p.mean is not None
    ends = [float(end[0]) for end in p.mean]
    assert ends == pytest.approx([math.exp(centre - side), math.exp(centre + side)], rel=1e-9)
    bare = made().alone().predict(**at)
    assert bare.parts["drift"][0] == pytest.approx(Z90 * 0.037 * decades, rel=1e-12)
    assert bare.parts["laws"][0] == 0.0


def test_no_floor_is_said_and_widens_every_side() -> None:
    at = {"N": 1e10, "D": 1e12}
    plain, wide = (made(Beside(BENT, 1.0), widening=w).predict(**at) for w in (1.0, 1.3))
    for a, b in ((plain.mean, wide.mean), (plain.new_run, wide.new_run)):
        assert a is not None
        assert b is not None
        assert np.log(b[1] / b[0]) == pytest.approx(1.3 * np.log(a[1] / a[0]), rel=1e-12)
    assert plain.notes == ()
    assert wide.notes == (
        "no floor could be fitted (E ran to zero): how low the loss can fall was not shown, and "
        "the range is wider for it.",
    )


# ---- what a fit stores


def test_below_the_data_is_as_far_as_beyond_them() -> None:
    points = table(BENT, noise=0.003)
    found = fit(points, bootstrap=0)
    N, D = float(np.min(points.inputs["N"])), float(np.min(points.inputs["D"]))
    z, lowest = NormalDist().inv_cdf(0.95), float(np.min(points.inputs["N"] * points.inputs["D"]))
    far = found.predict(N=N / 100, D=D / 10)
    decades = math.log10(lowest / (N * D / 1000))
    assert far.parts["drift"][0] == pytest.approx(z * 0.018 * decades)
    few = found.predict(N=N, D=D / 10**0.5)  # inside C and D/N of some runs, or nearly
    assert few.parts["drift"][0] == pytest.approx(
        z * 0.018 * max(0.5, math.log10(lowest / (N * D / 10**0.5)))
    )


@pytest.mark.parametrize(
    ("options", "names", "recipe"),
    [
        ({}, ["chinchilla_gamma", "kaplan_nd"], (0.018, 0.36)),
        ({"alone": True}, ["kaplan_nd"], (0.0234, 0.53)),
        ({"fix": {"E": 1.7}}, ["kaplan_nd"], (0.0234, 0.53)),
        ({"law": "kaplan_nd"}, ["chinchilla"], (0.0234, 0.53)),
    ],
)
def test_a_fit_stores_what_its_forecasts_need(
    options: dict[str, Any], names: list[str], recipe: tuple[float, float]
) -> None:
    points = table(BENT, noise=0.003)
    found = Fit.from_dict(fit(points, bootstrap=0, **options).to_dict())
    certain = found.uncertainty
    assert certain is not None
    assert [laws.name_of(b.law) for b in certain.beside] == names
    assert (certain.drift, certain.spread) == recipe
    N, D = points.inputs["N"], points.inputs["D"]
    largest = {"C": 6 * np.max(N * D), "D": np.max(D), "D/N": np.max(D / N)}
    smallest = {"C": 6 * np.min(N * D), "D": np.min(D), "D/N": np.min(D / N)}
    inverse = {f"1/({symbol})": 1 / value for symbol, value in smallest.items()}
    assert certain.largest == pytest.approx(largest | inverse)
    at = {"N": 1e10, "D": 1e12}
    p, record = found.predict(**at), found.to_dict()["uncertainty"]
    stored = [laws.get(b["law"]["law"])(**b["law"]["parameters"]) for b in record["beside"]]
    logs = [math.log(law(**at)) for law in (found.law, *stored)]
    decades = max(
        np.log10(6e22 / certain.largest["C"]), 1.5 * np.log10(1e12 / certain.largest["D"])
    )
    weights = [1.0, *(b["weight"] for b in record["beside"])]
    centre, far = by_hand(logs, weights, decades, *recipe)
    assert p.forecast[0] == pytest.approx(math.exp(centre), rel=1e-12)
    draws = {name: np.array(values) for name, values in record["draws"].items()}
    reached = np.quantile(np.log(type(found.law)(**draws)(**at)), [0.05, 0.95])
    sides = [max(0.0, side) for side in (logs[0] - reached[0], reached[1] - logs[0])]
    wide = certain.widening
    assert wide == (1.3 if options.get("law") == "kaplan_nd" else 1.0)
    below, above = (wide * math.hypot(side, far) for side in sides)
    assert p.mean is not None
    ends = [float(end[0]) for end in p.mean]
    assert ends == pytest.approx([math.exp(centre - below), math.exp(centre + above)], rel=1e-9)


def test_a_file_of_0_1_0_predicts_with_the_drift_that_it_learned() -> None:
    record = made().to_dict()
    old = {"law": "chinchilla_gamma", "parameters": BENT.values()}
    sure = {k: v for k, v in record["uncertainty"].items() if k not in ("largest", "beside")}
    sure = {k: v for k, v in sure.items() if k not in ("spread", "widening")}
    sure |= {"axis": "C", "axis_max": 1e20, "companion": old, "drift": 0.03}
    at = {"N": 1e10, "D": 1e12}
    p = Fit.from_dict(record | {"uncertainty": sure}).predict(**at)
    logs = [math.log(law(**at)) for law in (STRAIGHT, BENT)]
    centre, side = by_hand(logs, [1.0, 1.0], math.log10(6e22 / 1e20), 0.03, 0.0)
    assert p.new_run is not None
    ends = [float(end[0]) for end in p.new_run]
    assert ends == pytest.approx([math.exp(centre - side), math.exp(centre + side)], rel=1e-9)


# Wrong losses in a table of 240: far too low, far too high, both.
WRONG = {"low": {50: 0.01}, "lowish": {50: 0.1}, "high": {1: 40.0}, "three": {1: 40.0, 50: 0.01}}


def spoiled(wrong: dict[int, float]) -> Points:
    """Return 240 runs of a straight law, with some losses replaced."""
    rng = np.random.default_rng(11)
    N, D = np.exp(rng.uniform(np.log(4e7), np.log(1e10), 240)), np.exp(rng.uniform(20, 26, 240))
    output = np.asarray(STRAIGHT(N=N, D=D), float) * np.exp(0.005 * rng.standard_normal(240))
    output[list(wrong)] = list(wrong.values())
    return Points({"N": N, "D": D}, output, [f"r{i}" for i in range(240)])


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_no_fit_ends_above_the_law_it_contains(wrong: dict[int, float]) -> None:
    points, objective = spoiled(wrong), Objective()
    inner = optimise(make_problem(points, Chinchilla, objective))
    problem = make_problem(points, ChinchillaGamma, objective)
    assert optimise(problem).value <= inner.value * (1 + 1e-9)
    [law] = fitted(problem, [np.ones(240)])
    assert law is not None
    assert problem.value(law) <= inner.value * (1 + 1e-9)


def test_draws_leave_out_what_no_such_noise_explains() -> None:
    def drawn(points: Points) -> dict[str, np.ndarray]:
        problem = make_problem(points, Chinchilla, Objective())
        given = Fitted(points, problem, optimise(problem), Resampling(seed=3))
        return parameter_draws(given, 0.005)[0]

    at = {"N": 1e11, "D": 2e12}
    means = []
    for draws in (drawn(spoiled({})), drawn(spoiled(WRONG["three"]))):
        assert len(draws["E"]) == DRAWS
        rows = zip(*(column.tolist() for column in draws.values()), strict=True)
        loss = np.log([Chinchilla(**dict(zip(draws, row, strict=True)))(**at) for row in rows])
        means.append((np.mean(loss), np.std(loss)))
    assert means[1] == pytest.approx(means[0], rel=0.1, abs=2 * means[0][1])
    assert means[1][1] == pytest.approx(means[0][1], rel=0.15)
