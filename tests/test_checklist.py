"""The checklist: every warning from a table made for it, codes and whole messages."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tables import TRUTHS, table, truth

from scaling_cli import laws
from scaling_cli.artefact import Check, Level, Objective, Status, Uncertainty
from scaling_cli.checklist import Evidence, checklist
from scaling_cli.optimum import Optimum, make_problem
from scaling_cli.points import LeftOut, Points
from scaling_cli.stability import Variation
from scaling_cli.uncertainty import Cut

CODES = [
    "data.range", "data.params_convention", "data.units", "data.filters", "data.collinearity",
    "fit.convergence", "fit.identifiability", "fit.residuals", "fit.influence",
    "fit.sensitivity", "ci.method", "backtest", "backtest.bias", "extrap.width",
]  # fmt: skip
DIAGNOSTICS = {
    "starts": 64, "converged": 60, "agree": 0.95, "basins": [1e-3], "gradient_norm": 2e-15,
    "condition": 1.2e5,
}  # fmt: skip
NO_DRAWS = Uncertainty({}, np.zeros(0), 0.02, "C", 1e20, True, "")


def _cut(bias: float = 0.001, factor: float = 10.0, **changes: Any) -> Cut:
    return replace(Cut(1e19, 9, 3, factor, bias, 0.004, 0.01, 1.0, 0.0, 1.0, ("a",)), **changes)


CUTS = [_cut(0.001, 3.0), _cut(-0.002, 12.5, mare=0.0123, coverage=0.4), _cut(0.001, 7.0)]


def _moved(kind: str, beta: float, shift: float, name: str = "huber 1e-2") -> Variation:
    return Variation(name, kind, ("run03", "run07"), {"alpha": 0.35, "beta": beta}, shift)


def _evidence(points: Points | None = None, law: str = "chinchilla", **changes: Any) -> Evidence:
    """Return evidence in which every check passes, at the truth of a noiseless table."""
    points = points or table(law)
    problem = make_problem(points, laws.get(law), Objective())
    optimum = Optimum(np.log(list(TRUTHS[law].values())), truth(law), 1e-9, Status.CONVERGED, (),
                      DIAGNOSTICS)  # fmt: skip
    fine = Evidence(
        points=points, problem=problem, optimum=optimum, draws={"E": np.zeros(1000)}, cuts=CUTS,
        variations=[_moved("influence", 0.38, 0.001), _moved("objective", 0.4, -0.002)],
        uncertainty=NO_DRAWS, headline={"N": 7e9, "D": 1.4e11}, headline_half_width=0.031,
        resamples=1000,
    )  # fmt: skip
    return replace(fine, **changes)


def _check(evidence: Evidence, code: str) -> Check:
    (found,) = [c for c in checklist(evidence) if c.code == code]
    return found


def _optimum(**changes: Any) -> Optimum:
    return replace(_evidence().optimum, **changes)


def test_a_sound_fit_passes_everything() -> None:
    found = checklist(_evidence())
    assert [c.code for c in found] == CODES
    assert {c.level for c in found} == {Level.PASS}
    messages = {c.code: c.message for c in found}
    assert messages == {
        "data.range": "15 points: N 20M to 2B (5 levels); D 100M to 160B (15 levels).",
        "data.params_convention": "conventions: none stated.",
        "data.units": "no logged compute to compare with 6ND.",
        "data.filters": "nothing was left out.",
        "data.collinearity": "N and D vary independently (33 % unexplained).",
        "fit.convergence": "95 % of 60 converged starts (of 64) agree on the minimum; gradient "
        "2e-15.",
        "fit.identifiability": "condition number 1e+05 (coefficients drift together; exponents "
        "and predictions are what to compare).",
        "fit.residuals": messages["fit.residuals"],
        "fit.influence": "at most: leaving out run03, run07 moves beta from 0.370 to 0.380 and "
        "the prediction at 10x by +0.10 %.",
        "fit.sensitivity": "the prediction at 10x moves by at most -0.20 % (huber 1e-2).",
        "ci.method": "1000 of 1000 bootstrap refits by run (15 runs) converged.",
        "backtest": "3 cuts, the farthest 12.5x: mean absolute error 1.23 % at worst; the law "
        "alone covers 80 % of hidden runs at 90 %, so predict adds drift.",
        "backtest.bias": "backtests do not all miss on one side.",
        "extrap.width": "half-width 3.1 % at 10x (N = 7B, D = 140B).",
    }
    assert messages["fit.residuals"].startswith("robust sd ")


def test_unexplained_share_is_that_of_the_design() -> None:
    # ln D = ln N + ln ratio, independent: var(ln ratio) / (var(ln N) + var(ln ratio)) of ln D.
    points = table("chinchilla")
    ln_N, ln_D = np.log(points.inputs["N"]), np.log(points.inputs["D"])
    share = 1 - np.corrcoef(ln_N, ln_D)[0, 1] ** 2
    assert f"({100 * share:.0f} % unexplained)" in _check(_evidence(), "data.collinearity").message


def test_few_levels_and_few_points() -> None:
    points = table("chinchilla").take(np.array([0, 1, 2, 6, 7, 12, 14]))
    found = _check(_evidence(points), "data.range")
    assert found == Check(
        "data.range", Level.WARN,
        "N takes only 3 values; 7 points leave 2 to spare for 5 parameters (N 20M to 2B (3 "
        "levels); D 100M to 160B (7 levels)). Add runs before trusting exponents.",
    )  # fmt: skip


def test_another_way_of_counting() -> None:
    points = replace(table("chinchilla"), conventions={"N": "non_embedding"})
    assert _check(_evidence(points), "data.params_convention") == Check(
        "data.params_convention", Level.WARN,
        "N is counted as non_embedding here and as total by the authors of chinchilla. Exponents "
        "are not comparable with the published ones; predict with the same count that was fitted.",
    )  # fmt: skip
    same = replace(table("chinchilla"), conventions={"N": "total", "L": "nats/token"})
    assert _check(_evidence(same), "data.params_convention") == Check(
        "data.params_convention", Level.PASS, "conventions: N total, L nats/token."
    )


def test_logged_compute_that_is_not_6ND() -> None:
    points = table("chinchilla")
    C = 6 * points.inputs["N"] * points.inputs["D"]
    agrees = replace(points, compute=C * np.linspace(0.95, 1.05, 15))
    assert _check(_evidence(agrees), "data.units") == Check(
        "data.units", Level.PASS, "logged compute agrees with 6ND."
    )
    differs = replace(points, compute=C * np.linspace(1.0, 1.25, 15))
    assert _check(_evidence(differs), "data.units") == Check(
        "data.units", Level.WARN,
        "logged compute is 1 to 1.25 times 6ND: another way of counting, or tokens or parameters "
        "in other units. Decades beyond the data are counted in 6ND.",
    )  # fmt: skip


def test_what_was_left_out_is_listed() -> None:
    left = [LeftOut(f"r{i}", "no loss") for i in range(7)]
    some, many = (replace(table("chinchilla"), left_out=left[:n]) for n in (2, 7))
    assert _check(_evidence(some), "data.filters").message == (
        "2 left out, listed with reasons: r0, r1."
    )
    assert _check(_evidence(many), "data.filters").message == (
        "7 left out, listed with reasons: r0, r1, r2, r3, r4, ...."
    )


def test_entangled_inputs() -> None:
    N = np.geomspace(1e7, 1e10, 15)
    D = 20 * N * np.tile([0.8, 1.0, 1.25], 5)
    points = Points({"N": N, "D": D}, truth("chinchilla")(N=N, D=D), [str(i) for i in range(15)])
    share = 1 - np.corrcoef(np.log(N), np.log(D))[0, 1] ** 2
    assert _check(_evidence(points), "data.collinearity") == Check(
        "data.collinearity", Level.WARN,
        f"only {100 * share:.1f} % of the spread of one of N and D is independent of the other. "
        "Add runs at other ratios of tokens to parameters.",
    )  # fmt: skip


def test_one_input_cannot_be_entangled() -> None:
    found = _check(_evidence(law="power_law", variations=[]), "data.collinearity")
    assert (found.level, found.message) == (Level.PASS, "one input.")


def test_starts_that_disagree() -> None:
    diagnostics = DIAGNOSTICS | {"agree": 0.3, "basins": [1e-3, 2e-3, 5e-3]}
    evidence = _evidence(optimum=_optimum(diagnostics=diagnostics))
    assert _check(evidence, "fit.convergence") == Check(
        "fit.convergence", Level.WARN,
        "30 % of 60 converged starts (of 64) agree on the minimum; gradient 2e-15; the surface "
        "has 3 minima. The best is reported; compare objectives before comparing parameters.",
    )  # fmt: skip


def test_no_start_comes_to_rest() -> None:
    diagnostics = DIAGNOSTICS | {"converged": 0, "agree": 0.0, "basins": [], "gradient_norm": 9e-10}
    evidence = _evidence(optimum=_optimum(diagnostics=diagnostics))
    assert _check(evidence, "fit.convergence") == Check(
        "fit.convergence", Level.WARN,
        "none of 64 starts came to rest by itself; the best was followed to a gradient of 9e-10. "
        "The surface is nearly flat in some direction: hold a parameter with --fix before "
        "extrapolating.",
    )  # fmt: skip


def test_a_parameter_at_its_edge() -> None:
    evidence = _evidence(optimum=_optimum(at_bound=("B", "beta"), status=Status.AT_BOUND))
    assert _check(evidence, "fit.identifiability") == Check(
        "fit.identifiability", Level.WARN,
        "B, beta ran to the edge of its domain: the data do not show that term. Hold it with "
        "--fix, or use a law without it.",
    )  # fmt: skip


def test_an_ill_conditioned_fit() -> None:
    optimum = _optimum(status=Status.ILL_CONDITIONED, diagnostics=DIAGNOSTICS | {"condition": 3e12})
    assert _check(_evidence(optimum=optimum), "fit.identifiability") == Check(
        "fit.identifiability", Level.WARN,
        "condition number 3e+12: some parameters are not determined. Predictions inside the data "
        "are; hold E with --fix or tie exponents to extrapolate.",
    )  # fmt: skip


def test_residuals_of_a_mixed_table() -> None:
    clean = table("chinchilla")
    factors = np.ones(15)
    factors[[2, 9, 11]] = [1.2, 0.9, 1.1]
    points = Points(clean.inputs, clean.output * factors, clean.runs)
    # |r| sorted: twelve zeros, ln 1.1, -ln 0.9, ln 1.2; the 90 % quantile lies at 12.6.
    quantile = 0.4 * np.log(1.1) + 0.6 * -np.log(0.9)
    assert _check(_evidence(points), "fit.residuals") == Check(
        "fit.residuals", Level.WARN,
        f"robust sd {100 * quantile / 1.6448536269514722:.2g} %; farthest from the law: run02 "
        "(+20.0 %), run09 (-10.0 %), run11 (+10.0 %). Above 2 % the table mixes regimes "
        "(under-trained, unfinished or badly tuned runs); leave them out with --where.",
    )  # fmt: skip


def test_a_few_runs_decide() -> None:
    evidence = _evidence(variations=[_moved("influence", 0.30, -0.02)])
    assert _check(evidence, "fit.influence") == Check(
        "fit.influence", Level.WARN,
        "leaving out run03, run07 moves beta from 0.370 to 0.300 and the prediction at 10x by "
        "-1.98 %: a few runs decide. Look at them; leave them out with --where if they are not of "
        "the regime you forecast.",
    )  # fmt: skip


def test_no_other_choice() -> None:
    evidence = _evidence(variations=[])
    assert _check(evidence, "fit.influence").message == "too few points to leave any out."
    assert _check(evidence, "fit.sensitivity").message == "no other choice could be tried."


def test_a_choice_that_moves_more_than_the_interval() -> None:
    evidence = _evidence(variations=[_moved("filter", 0.4, 0.05, "without the smallest quarter")])
    assert _check(evidence, "fit.sensitivity") == Check(
        "fit.sensitivity", Level.WARN,
        "the prediction at 10x moves by at most +5.13 % (without the smallest quarter), more than "
        "its interval. Decide the choice before looking at the answer.",
    )  # fmt: skip


@pytest.mark.parametrize(("kept", "level"), [(980, Level.PASS), (979, Level.WARN)])
def test_resamples_that_failed(kept: int, level: Level) -> None:
    found = _check(_evidence(draws={"E": np.zeros(kept)}), "ci.method")
    assert found.level is level
    warning = "; parameter intervals rest on the rest. Too few runs, or a flat direction."
    text = f"{kept} of 1000 bootstrap refits by run (15 runs) converged"
    assert found.message == text + (warning if level is Level.WARN else ".")


def test_no_resamples_asked_for() -> None:
    found = _check(_evidence(draws={"E": np.zeros(0)}, resamples=0), "ci.method")
    assert found.level is Level.PASS


def test_no_backtest() -> None:
    assert _check(_evidence(cuts=[]), "backtest") == Check(
        "backtest", Level.WARN,
        "no backtest is possible: intervals are UNTESTED. Add smaller runs so that the largest "
        "can be hidden and predicted.",
    )  # fmt: skip


def test_few_backtests() -> None:
    found = _check(_evidence(cuts=CUTS[:2]), "backtest")
    assert found == Check(
        "backtest", Level.WARN,
        "2 cuts, the farthest 12.5x: mean absolute error 1.23 % at worst; the law alone covers "
        "70 % of hidden runs at 90 %, so predict adds drift. Fewer than 3 cuts: the drift is "
        "partly assumed.",
    )  # fmt: skip


@pytest.mark.parametrize(("sign", "side"), [(1, "below"), (-1, "above")])
def test_backtests_that_miss_on_one_side(sign: int, side: str) -> None:
    # ln prediction - ln measured > 0: the hidden losses were lower than predicted.
    cuts = [_cut(sign * b) for b in (0.02, 0.03, 0.001)]
    assert _check(_evidence(cuts=cuts), "backtest.bias") == Check(
        "backtest.bias", Level.WARN,
        f"every backtest missed on one side: the law is bending. Expect the loss {side} the "
        "forecast.",
    )  # fmt: skip


@pytest.mark.parametrize(
    "biases", [(0.02, 0.03), (0.02, -0.03, 0.02), (0.02, 0.001, 0.001)],
    ids=["two cuts", "both sides", "one telling"],
)  # fmt: skip
def test_backtests_that_do_not_tell_a_side(biases: tuple[float, ...]) -> None:
    found = _check(_evidence(cuts=[_cut(b) for b in biases]), "backtest.bias")
    assert found.level is Level.PASS


def test_a_forecast_too_wide_to_use() -> None:
    assert _check(_evidence(headline_half_width=0.25), "extrap.width") == Check(
        "extrap.width", Level.WARN,
        "half-width 25.0 % at 10x (N = 7B, D = 140B): no useful prediction there. Add larger "
        "runs, or forecast less far.",
    )  # fmt: skip
