"""The companion law: when there is one, what it is fitted to, how it moves and marks intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.chinchilla_gamma import ChinchillaGamma
from scaling_cli.point_fits.certainty.companion import companion, fitted, problem_of
from scaling_cli.point_fits.certainty.draws import DRAWS, parameter_draws
from scaling_cli.point_fits.certainty.uncertainty import score
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.fitting import fit
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status

BENT = ChinchillaGamma(E=1.7, A=3355.0, B=18186.0, alpha=0.408, beta=0.431, gamma=0.6)
STRAIGHT = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
Z90 = 1.6448536269514722


def table(law: Law, rows: int = 16, noise: float = 0.0) -> Points:
    """Return four sizes by four ratios of tokens to parameters, the smallest runs first."""
    N, ratio = np.meshgrid(np.geomspace(3e7, 3e9, 4), [5.0, 20.0, 80.0, 320.0], indexing="ij")
    N, D = N.ravel(), (ratio * N).ravel()
    order = np.argsort(N * D)[:rows]
    wave = noise * np.random.default_rng(5).standard_normal(rows)
    output = np.asarray(law(N=N[order], D=D[order]), float) * np.exp(wave)
    return Points({"N": N[order], "D": D[order]}, output, [f"r{i:02d}" for i in range(rows)])


def made(companion_law: Law | None, *, spread: float = 0.0, drift: float = 0.0) -> Fit:
    """Return a fit whose draws vary E alone, evenly, without noise."""
    draws = {name: np.full(201, value) for name, value in STRAIGHT.values().items()}
    draws["E"] = draws["E"] + spread * np.linspace(-1, 1, 201)
    certain = Uncertainty(
        draws=draws,
        sigma=np.full(201, 1e-12),
        drift=drift,
        axis="C",
        axis_max=1e20,
        tested=True,
        method="by hand",
        companion=companion_law,
    )
    return Fit(STRAIGHT, status=Status.CONVERGED, value=0.0, n_points=16, uncertainty=certain)


# ---- when there is one


def test_laws_name_each_other() -> None:
    assert laws.get(Chinchilla.companion) is ChinchillaGamma
    assert laws.get(ChinchillaGamma.companion) is Chinchilla
    named = [laws.get(name) for name in laws.names() if laws.get(name).companion]
    for law in named:
        assert laws.get(law.companion).inputs() == law.inputs()
        assert laws.get(law.companion).output() == law.output()


def test_it_takes_sixteen_points_and_a_law_with_nothing_held() -> None:
    enough = table(STRAIGHT)
    problem = make_problem(enough, Chinchilla, Objective())
    other = problem_of(problem)
    assert other is not None
    assert other.law is ChinchillaGamma
    assert problem_of(make_problem(table(STRAIGHT, 15), Chinchilla, Objective())) is None
    assert problem_of(make_problem(enough, Chinchilla, Objective(), {"E": 1.8})) is None
    assert problem_of(make_problem(enough, Chinchilla, Objective(), {}, {"beta": "alpha"})) is None
    believed = make_problem(enough, Chinchilla, Objective(), prior={"E": (1.8, 0.1)})
    assert problem_of(believed) is None
    assert problem_of(make_problem(enough, laws.get("overtraining"), Objective())) is None


def test_no_companion_for_few_points() -> None:
    assert companion(make_problem(table(STRAIGHT, 15), Chinchilla, Objective()), []) is None


# ---- what it is fitted to


def test_it_is_fitted_to_all_points_and_to_those_of_each_cut() -> None:
    points = table(BENT)
    mask = np.arange(16) < 14
    found = companion(make_problem(points, Chinchilla, Objective()), [mask])
    assert found is not None
    assert len(found.at_cuts) == 1
    for law in (found.law, *found.at_cuts):  # both are exact: the truth is of this law
        assert isinstance(law, ChinchillaGamma)
        np.testing.assert_allclose(law(**points.inputs), points.output, rtol=1e-7)


def test_least_absolute_deviations_are_near_enough_to_huber() -> None:
    other = problem_of(make_problem(table(STRAIGHT), Chinchilla, Objective("lad")))
    assert other is not None
    assert other.objective == Objective("huber", 1e-3)


def test_a_refit_that_fails_is_none() -> None:
    problem = make_problem(table(BENT), ChinchillaGamma, Objective())
    good, bad = fitted(problem, [np.ones(16), np.full(16, np.nan)])
    assert isinstance(good, ChinchillaGamma)
    assert bad is None


def test_drift_is_learned_from_misses_of_the_centre() -> None:
    points = table(BENT)
    problem = make_problem(points, Chinchilla, Objective())
    mask = np.arange(16) < 12
    hidden = {s: v[~mask] for s, v in points.inputs.items()}
    optimum = optimise(problem)
    alone = score(points, problem, optimum.u, mask, ~mask)
    both = score(points, problem, optimum.u, mask, ~mask, companion=BENT)
    own = np.log(optimum.law(**hidden)) - np.log(points.output[~mask])
    assert alone.rms == pytest.approx(math.sqrt(np.mean(own**2)), rel=1e-9)
    assert both.rms == pytest.approx(alone.rms / 2, rel=1e-9)  # the companion is exact there
    assert (both.bias, both.mare) == (alone.bias, alone.mare)  # of the law that was asked for


# ---- intervals


def test_intervals_lie_about_the_mean_of_both_forecasts() -> None:
    at = {"N": 1e10, "D": 1e12}
    one, two = math.log(STRAIGHT(**at)), math.log(BENT(**at))
    decades = math.log10(6 * at["N"] * at["D"] / 1e20)
    found = made(BENT, drift=0.02).predict(**at)
    assert found.mean is not None
    assert found.new_run is not None
    half = Z90 * 0.02 * decades
    expected = [math.exp((one + two) / 2 + side * half) for side in (-1, 1)]
    for low, high in (found.mean, found.new_run):
        assert [low[0], high[0]] == pytest.approx(expected, rel=1e-9)
    assert found.value[0] == STRAIGHT(**at)
    assert found.companion is not None
    assert found.companion[0] == "chinchilla_gamma"
    assert found.companion[1].tolist() == [BENT(**at)]
    assert found.to_dicts()[0]["companion"] == {"law": "chinchilla_gamma", "value": BENT(**at)}


def test_an_interval_always_holds_the_point() -> None:
    far = replace(BENT, E=3 * BENT.E)
    found = made(far, spread=1e-3).predict(N=1e8, D=1e10)
    assert found.mean is not None
    assert found.mean[0][0] == pytest.approx(found.value[0], rel=1e-12)
    middle = math.sqrt(found.value[0] * far(N=1e8, D=1e10))
    assert found.mean[1][0] > middle


def test_a_run_scatters_beyond_a_mean_that_ends_at_the_law() -> None:
    near = replace(BENT, E=1.01 * BENT.E)
    alone = made(near, spread=1e-5)
    assert alone.uncertainty is not None
    sigma = np.full(201, 0.003)
    at = {"N": 1e8, "D": 1e10}
    found = replace(alone, uncertainty=replace(alone.uncertainty, sigma=sigma)).predict(**at)
    assert found.mean is not None
    assert found.new_run is not None
    assert found.mean[0][0] == pytest.approx(found.value[0], rel=1e-12)
    centre = math.sqrt(found.value[0] * near(**at))
    below = math.hypot(math.log(centre / found.value[0]), Z90 * 0.003)
    assert math.log(centre / found.new_run[0][0]) == pytest.approx(below, rel=1e-3)


def test_without_a_companion_nothing_moves() -> None:
    found = made(None).predict(N=1e8, D=1e10)
    assert found.companion is None
    assert found.to_dicts()[0]["companion"] is None


def test_it_is_kept_in_the_fit_file() -> None:
    fit_ = made(BENT)
    record = fit_.to_dict()
    assert record["uncertainty"]["companion"] == {
        "law": "chinchilla_gamma",
        "parameters": BENT.values(),
    }
    again = Fit.from_dict(record)
    assert again.uncertainty is not None
    assert again.uncertainty.companion == BENT
    old = record | {"uncertainty": dict(record["uncertainty"])}
    del old["uncertainty"]["companion"]  # a file of an earlier version
    earlier = Fit.from_dict(old)
    assert earlier.uncertainty is not None
    assert earlier.uncertainty.companion is None


def test_fit_stores_it_and_says_so() -> None:
    found = fit(table(BENT, noise=0.003), bootstrap=0)
    certain = found.uncertainty
    assert certain is not None
    assert isinstance(certain.companion, ChinchillaGamma)
    assert certain.method.endswith("; centred between this law and chinchilla_gamma")
    held = fit(table(BENT, noise=0.003), bootstrap=0, fix={"E": 1.7})
    assert held.uncertainty is not None
    assert held.uncertainty.companion is None
    assert "centred" not in held.uncertainty.method


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
