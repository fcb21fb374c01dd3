"""Checks of the fit: every warning and failure, whole messages; trends against other software."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evidence import DIAGNOSTICS, PROFILE, evidence, line, moved, rival
from scipy.stats import linregress
from tables import table, truth

from scaling_cli.artefacts._prediction import Beside
from scaling_cli.point_fits.checklist.fitted import runs_z, slope_t
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum
from scaling_cli.vocabulary.outcomes import Check, Level, Status, Touches

TABLE = table("chinchilla")


def warn(code: str, message: str) -> Check:
    return Check(code, Level.WARN, message)


def note(code: str, message: str) -> Check:
    return Check(code, Level.PASS, message)


def optimum(**changes: Any) -> Optimum:
    return replace(evidence().optimum, **changes)


# --- R7 and R8 ------------------------------------------------------------------------------


def test_held_parameters_are_said() -> None:
    given = evidence(selection={"fix": {"E": 1.7}, "tie": {"alpha": "beta"}, "seed": 0})
    found = line(given, "fit.spec")
    assert found.level is Level.WARN
    assert found.message.endswith(
        f"; seed 0; data sha256 {TABLE.sha256()[:12]}; tied: alpha = beta; held: E = 1.7. "
        "Intervals take what is held as exact: fit again with the smallest and the largest value "
        "you believe."
    )


def test_starts_that_disagree() -> None:
    diagnostics = DIAGNOSTICS | {"agree": 0.3, "basins": [1e-3, 2e-3, 5e-3]}
    assert line(evidence(optimum=optimum(diagnostics=diagnostics)), "fit.convergence") == warn(
        "fit.convergence",
        "30 % of 60 converged starts (of 64) agree on the minimum; gradient 2e-15; the surface "
        "has 3 minima. The best is reported; compare objectives before comparing parameters.",
    )


def test_no_start_comes_to_rest() -> None:
    diagnostics = DIAGNOSTICS | {"converged": 0, "agree": 0.0, "basins": [], "gradient_norm": 9e-10}
    assert line(evidence(optimum=optimum(diagnostics=diagnostics)), "fit.convergence") == warn(
        "fit.convergence",
        "none of 64 starts came to rest by itself; the best was followed to a gradient of 9e-10. "
        "The surface is nearly flat in some direction: hold a parameter with --fix before "
        "extrapolating.",
    )


def test_a_held_fit_that_comes_lower_is_a_failure() -> None:
    lower = replace(PROFILE, rise=np.array([0.3, -0.02, 0.0, 0.12, 0.4]))
    assert line(evidence(found={"profile": lower}), "fit.convergence") == Check(
        "fit.convergence",
        Level.FAIL,
        "95 % of 60 converged starts (of 64) agree on the minimum; gradient 2e-15; yet with E held "
        "at 1.7 the sum is 2 % lower: a minimum was missed. Fit again with another --seed and "
        "report this.",
    )


@pytest.mark.parametrize(("held", "level"), [(6.0, Level.FAIL), (5.0, Level.PASS)])
def test_a_floor_above_every_loss_is_no_fit(held: float, level: Level) -> None:
    low, high = np.min(TABLE.output), np.max(TABLE.output)
    assert low < 5.0 < high < 6.0
    given = evidence(selection={"fix": {"E": held}, "tie": {}, "seed": 0})
    found = line(given, "fit.convergence")
    assert found.level is level
    if level is Level.FAIL:
        assert found.message == (
            f"E is held at 6, above every point ({low:.4g} to {high:.4g}): the law can reach none "
            f"of them. Hold E below {low:.4g}."
        )


# --- R9 and influence -----------------------------------------------------------------------


def test_no_other_choice() -> None:
    given = evidence(found={"choices": [], "runs": [], "groups": []})
    assert line(given, "fit.influence").message == "too few points to leave any out."
    assert line(given, "fit.sensitivity").message == "no other choice could be tried."


def test_a_choice_that_moves_more_than_the_interval() -> None:
    other = moved("filter", 0.4, 0.05, name="without the smallest quarter", optimum_shift=None)
    assert line(evidence(found={"choices": [other]}), "fit.sensitivity") == warn(
        "fit.sensitivity",
        "of 1 other choices the prediction at 10x moves by at most +5.13 % (without the smallest "
        "quarter); the prediction by more than the interval. Decide the choice before looking at "
        "the answer, or quote the range.",
    )


def test_a_choice_that_moves_the_best_size_more_than_its_interval() -> None:
    # The draws of N* lie between 10.87B and 15.99B: half of ln 1.47 is 0.19.
    choices = [
        moved("objective", 0.4, 0.01),
        moved("tie", 0.4, 0.001, name="beta = alpha", optimum_shift=-0.2),
    ]
    given = evidence(found={"choices": choices, "failed": ("huber 1e-4",)})
    assert line(given, "fit.sensitivity") == note(
        "fit.sensitivity",
        "of 2 other choices the prediction at 10x moves by at most +1.01 % (huber 1e-2), N* by a "
        "factor of 0.819 (beta = alpha); 1 refits did not converge (huber 1e-4); N* by more than "
        "the interval. Decide the choice before looking at the answer, or quote the range.",
    )
    assert line(given, "fit.sensitivity").touches == (Touches.OPTIMUM,)
    inside = [replace(choices[1], optimum_shift=-0.18)]
    assert line(evidence(found={"choices": inside}), "fit.sensitivity").touches is None


def test_a_choice_that_moves_both_is_told_of_both() -> None:
    choices = [
        moved("filter", 0.4, 0.05, optimum_shift=None),
        moved("tie", 0.4, 0.001, name="beta = alpha", optimum_shift=-0.2),
    ]
    found = line(evidence(found={"choices": choices}), "fit.sensitivity")
    assert found.level is Level.WARN
    assert "; the prediction and N* by more than the interval. Decide" in found.message
    assert found.touches == (Touches.FORECAST, Touches.OPTIMUM)


def test_a_few_runs_decide() -> None:
    given = evidence(found={"groups": [moved("few runs", 0.30, -0.02)]})
    assert line(given, "fit.influence") == note(
        "fit.influence",
        "without run03, run07 beta moves from 0.370 to 0.300 and the prediction at 10x by -1.98 %: "
        "a few runs decide. Look at them; leave them out with --where if they are not of the "
        "regime you forecast.",
    )


@pytest.mark.parametrize(
    ("shift", "level", "touches"),
    [(0.063, Level.WARN, Touches.FORECAST), (0.061, Level.PASS, Touches.PARAMETERS)],
)
def test_runs_that_decide_an_exponent_and_runs_that_decide_the_forecast(
    shift: float, level: Level, touches: Touches
) -> None:
    # The range that is printed is 0.062 wide.
    found = line(evidence(found={"groups": [moved("few runs", 0.30, shift)]}), "fit.influence")
    assert (found.level, found.touches) == (level, (touches,))


def test_one_run_that_moves_the_forecast_more_than_its_interval() -> None:
    one = moved("run", 0.372, 0.07, removed=("run09",))
    assert line(evidence(found={"runs": [one]}), "fit.influence") == warn(
        "fit.influence",
        "without run09 beta moves from 0.370 to 0.372 and the prediction at 10x by +7.25 %: a few "
        "runs decide. Look at them; leave them out with --where if they are not of the regime you "
        "forecast.",
    )


def test_screened_runs_are_said_to_be() -> None:
    found = line(evidence(found={"run_count": 300}), "fit.influence")
    assert found.message.startswith(
        "at most (leaving out 1 of 300 runs, by a screen, and a few at once): without run03, run07 "
    )


# --- R10 ------------------------------------------------------------------------------------


def test_a_parameter_at_its_edge() -> None:
    given = evidence(optimum=optimum(at_bound=("B", "beta"), status=Status.AT_BOUND))
    assert line(given, "fit.identifiability") == warn(
        "fit.identifiability",
        "B, beta ran to the edge of its domain: the data do not show that term. Hold it with "
        "--fix, or use a law without it.",
    )


def test_an_ill_conditioned_fit() -> None:
    changed = optimum(status=Status.ILL_CONDITIONED, diagnostics=DIAGNOSTICS | {"condition": 3e12})
    given = evidence(optimum=changed, found={"profile": None})
    assert line(given, "fit.identifiability") == note(
        "fit.identifiability",
        "condition number 3e+12: some parameters are not determined. Predictions inside the data "
        "are; hold E with --fix or tie exponents to extrapolate.",
    )


def test_exponents_that_are_not_known() -> None:
    usual = evidence().resampled
    wide = replace(usual, draws=dict(usual.draws) | {"beta": np.linspace(0.1, 0.6, 201)})
    given = evidence(resampled=wide, found={"profile": None})
    assert line(given, "fit.identifiability") == note(
        "fit.identifiability",
        "condition number 1e+05; beta lies anywhere from 0.125 to 0.575. The exponents are not "
        "known: quote predictions, hold E with --fix, or add runs that span more decades.",
    )


def test_held_fits_without_a_forecast_do_not_count() -> None:
    nan = np.nan
    holes = replace(PROFILE, prediction=np.array([nan, 2.0, nan, 2.03, nan]))
    told = "rises by at most 12 % and the prediction at 10x lies between 2.0000 and 2.0300 ("
    assert told in line(evidence(found={"profile": holes}), "fit.identifiability").message
    none = replace(PROFILE, prediction=np.full(5, nan))
    told = "with E anywhere from 1.7 to 1.9 the sum rises by at most 12 % ("
    assert told in line(evidence(found={"profile": none}), "fit.identifiability").message


# --- R11 ------------------------------------------------------------------------------------


def test_residuals_of_a_mixed_table() -> None:
    factors = np.ones(15)
    factors[[2, 9, 11]] = [1.2, 0.9, 1.1]
    points = Points(TABLE.inputs, TABLE.output * factors, TABLE.runs)
    # |r| sorted: twelve zeros, ln 1.1, -ln 0.9, ln 1.2; the 90 % quantile lies at 12.6.
    quantile = 0.4 * np.log(1.1) + 0.6 * -np.log(0.9)
    assert line(evidence(points), "fit.residuals") == warn(
        "fit.residuals",
        f"robust sd {100 * quantile / 1.6448536269514722:.2g} %; farthest from the law: run02 "
        "(+20.00 %), run09 (-10.00 %), run11 (+10.00 %). Above 3 % the table mixes regimes "
        "(under-trained, unfinished or badly tuned runs); leave them out with --where.",
    )


def test_size_and_data_that_do_not_add() -> None:
    # The larger model gains less from data: no slope along N or D, one along their product.
    x, y = (np.log(TABLE.inputs[s]) - np.mean(np.log(TABLE.inputs[s])) for s in "ND")
    points = Points(TABLE.inputs, TABLE.output * np.exp(0.004 * x * y), TABLE.runs)
    found = line(evidence(points), "fit.residuals")
    assert found.level is Level.PASS
    assert "it goes with N and D together, not with each alone (t = " in found.message


def test_a_run_far_from_the_law_is_said() -> None:
    # The robust sd of 240 points sees three absurd losses no more than the fit does.
    factors = np.exp(0.004 * np.linspace(-1, 1, 15))
    factors[7] = 1.5
    points = Points(TABLE.inputs, TABLE.output * factors, TABLE.runs)
    found = line(evidence(points), "fit.residuals")
    assert found.level is Level.WARN
    assert "farthest from the law: run07 (+50.00 %), " in found.message
    assert found.message.endswith(
        ". 1 point lies more than 1.5 % and 10 sd away: a typing error, or a run that diverged or "
        "stopped? Leave out with --where what is not of the regime you forecast."
    )
    factors[7] = 1.014
    near = Points(TABLE.inputs, TABLE.output * factors, TABLE.runs)
    assert "a typing error" not in line(evidence(near), "fit.residuals").message


def test_a_trend_in_the_residuals() -> None:
    x = np.log(TABLE.inputs["N"])
    bent = TABLE.output * np.exp(0.005 * (x - np.mean(x)) / np.ptp(x))  # rises with N
    found = line(evidence(replace(TABLE, output=bent)), "fit.residuals")
    assert found.level is Level.PASS
    assert "What is left over is not noise: it rises with N (t = " in found.message
    assert found.message.endswith(
        ". The law bends: compare laws (fit.alternatives), or fit only the runs nearest to the "
        "forecast."
    )


def test_slopes_agree_with_other_software(rng: np.random.Generator) -> None:
    x, noise = np.linspace(0, 3, 40), rng.standard_normal(40)
    for slope in (0.0, 0.5, -2.0):
        r = slope * x + noise
        oracle: Any = linregress(x, r)
        assert slope_t(x, r) == pytest.approx(oracle.slope / oracle.stderr, rel=1e-10)
    assert slope_t(np.ones(9), noise[:9]) == 0.0
    assert slope_t(x[:3], noise[:3]) == 0.0


def test_runs_of_one_sign_are_counted() -> None:
    # Five above, then five below: 2 runs, where 6 are expected with variance 20/9.
    r = np.array([1.0] * 5 + [-1.0] * 5)
    assert runs_z(np.arange(10.0), r) == pytest.approx(-4 / np.sqrt(20 / 9), rel=1e-12)
    assert runs_z(np.arange(10.0), -r) == runs_z(np.arange(10.0), r)
    assert runs_z(np.arange(3.0), np.array([1.0, 1.0, -1.0])) == 0.0


# --- R12 ------------------------------------------------------------------------------------


def test_a_rival_that_forecasts_better() -> None:
    given = evidence(found={"rivals": [rival(0.02, 0.01), rival(0.02, 0.03, law="other")]})
    assert line(given, "fit.alternatives") == warn(
        "fit.alternatives",
        "kaplan_nd forecasts better than chinchilla: kaplan_nd missed held-back runs by 1.00 % "
        "where the fit missed by 2.00 % (2 of 2 cuts), and predicts +1.01 % at 10x; other missed "
        "held-back runs by 3.00 % where the fit missed by 2.00 % (0 of 2 cuts), and predicts +1.01 "
        "% at 10x. Fit it as well (--law kaplan_nd) and quote both forecasts.",
    )


def test_a_rival_that_is_part_of_the_forecast_is_a_note() -> None:
    sure = evidence().uncertainty
    rivals = {"rivals": [rival(0.02, 0.01)]}

    def level(weight: float) -> Level:
        beside = (Beside(truth("kaplan_nd"), weight),)
        told = evidence(found=rivals, uncertainty=replace(sure, beside=beside))
        return line(told, "fit.alternatives").level

    assert (level(0.25), level(0.0)) == (Level.PASS, Level.WARN)


def test_a_rival_that_is_hardly_better_is_no_reason() -> None:
    given = evidence(found={"rivals": [rival(0.02, 0.017)]})
    assert line(given, "fit.alternatives").level is Level.PASS


def test_a_tied_rival_that_forecasts_better_is_an_option_that_exists() -> None:
    given = evidence(found={"rivals": [rival(0.02, 0.01, law="chinchilla with beta = alpha")]})
    message = line(given, "fit.alternatives").message
    assert message.endswith("Fit it as well (--tie beta=alpha) and quote both forecasts.")


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (
            0.03,
            "no cut could test whether another law forecasts better: kaplan_nd was not tested, and "
            "predicts +3.05 % at 10x. Add smaller runs.",
        ),
        (
            0.05,
            "no cut can choose between chinchilla and kaplan_nd, whose predictions differ by more "
            "than the interval: kaplan_nd was not tested, and predicts +5.13 % at 10x. Quote both, "
            "or add runs.",
        ),
    ],
)
def test_a_rival_that_no_cut_tested(shift: float, message: str) -> None:
    untested = replace(rival(0.02, 0.02, shift=shift), cuts=[])
    given = evidence(found={"rivals": [untested]})
    assert line(given, "fit.alternatives") == note("fit.alternatives", message)


def test_no_rival_for_want_of_points() -> None:
    assert line(evidence(found={"rivals": []}), "fit.alternatives") == note(
        "fit.alternatives",
        "15 points are too few to fit another law beside chinchilla: whether one forecasts better "
        "was not shown. Add runs.",
    )


def test_no_rival_for_want_of_a_law() -> None:
    given = evidence(law="power_law", found={"rivals": [], "choices": [], "runs": [], "groups": []})
    assert line(given, "fit.alternatives") == Check(
        "fit.alternatives",
        Level.PASS,
        "no other law here is about the same inputs and output as power_law.",
    )
