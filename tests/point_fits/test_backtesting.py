"""`backtest` against closed forms, and against `fit` and `predict` on the fitted part alone."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from refusals import refusal

import scaling_cli
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.kaplan_n import KaplanN
from scaling_cli.point_fits import backtesting, fitting, held_out
from scaling_cli.point_fits.certainty.draws import DRAWS
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.objective import Objective

LAW = KaplanN(Nc=1e13, alpha_N=0.08)
SIZES = np.geomspace(1e6, 1e10, 17)  # four to a decade


def table(change: Any = 0.0) -> Points:
    """Return the law's own values, their logarithm changed."""
    return Points({"N": SIZES}, LAW(N=SIZES) * np.exp(change), [f"n{i}" for i in range(17)])


@pytest.fixture
def noisy(rng: np.random.Generator) -> Points:
    return table(0.01 * rng.standard_normal(17))


@pytest.mark.parametrize("cuts", [None, 3, [2e8, 2e9], "rolling"])
def test_a_law_without_noise_is_forecast_exactly(cuts: Any) -> None:
    found = backtesting.backtest(table(), law="kaplan_n", cuts=cuts)
    assert (found.axis, found.n_points) == ("N", 17)
    assert found.cuts
    for cut in found.cuts:
        assert cut.bias == pytest.approx(0, abs=1e-9)
        assert cut.mare == pytest.approx(0, abs=1e-9)
        assert (cut.coverage, cut.coverage_law) == (1.0, 1.0)
        assert cut.parameters == pytest.approx({"Nc": 1e13, "alpha_N": 0.08}, rel=1e-7)
    assert found.one_sided() is None


def test_a_law_of_two_inputs_on_each_axis() -> None:
    law = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5)))
    points = Points({"N": N, "D": D}, law(N=N, D=D), [str(i) for i in range(25)])
    # Three of five sizes, or token counts, are fitted; of 25 budgets those up to 6e18.
    for on, at, n_train in (("params", 1e8, 15), ("tokens", 1e10, 15), ("compute", 6e18, 15)):
        found = backtesting.backtest(points, on=on, cuts=[at], alone=True)
        (cut,) = found.cuts
        assert (cut.n_train, cut.n_test) == (n_train, 25 - n_train)
        assert cut.train_max == pytest.approx(at)
        assert cut.bias == pytest.approx(0, abs=1e-7)


def test_a_planted_bend_is_the_bias() -> None:
    # Beyond 1e9 every loss is 12 % (in the logarithm) below the law: 4 points of 17.
    found = backtesting.backtest(
        table(np.where(SIZES > 1.01e9, -0.12, 0.0)), law="kaplan_n", cuts=[1e9]
    )
    (cut,) = found.cuts
    assert (cut.n_train, cut.n_test, cut.factor) == (13, 4, pytest.approx(10))
    assert cut.train_max == pytest.approx(1e9)
    assert cut.bias == pytest.approx(0.12, abs=1e-8)
    assert cut.mare == pytest.approx(math.expm1(0.12), abs=1e-8)
    assert cut.held_out == ("n13", "n14", "n15", "n16")
    np.testing.assert_allclose(cut.forecasts.reach, 10 ** (np.arange(1, 5) / 4), rtol=1e-12)
    assert cut.coverage_law == 0.0
    assert found.one_sided() == (
        "4 of 4 runs outside their range lie on one side of it: expect the loss below the forecast."
    )


def test_rolling_meets_the_bend_at_its_first_level_alone() -> None:
    found = backtesting.backtest(
        table(np.where(SIZES > 1.01e9, -0.03, 0.0)), law="kaplan_n", cuts="rolling"
    )
    assert [(c.n_train, c.n_test) for c in found.cuts] == [(n, 1) for n in range(8, 17)]
    assert [c.bias for c in found.cuts[:5]] == pytest.approx([0.0] * 5, abs=1e-9)
    assert found.cuts[5].bias == pytest.approx(0.03, abs=1e-8)
    assert len(found.skipped) == 7


def test_intervals_are_those_of_a_prediction_from_the_part_alone(
    noisy: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "DRAWS", DRAWS)  # of a fit
    found = backtesting.backtest(noisy, law="kaplan_n", cuts=[2e9], level=0.8, seed=3)
    (cut,) = found.cuts
    below = SIZES <= 2e9
    alone = fitting.fit(noisy.take(below), law="kaplan_n", bootstrap=0, seed=3)
    prediction = alone.predict(N=SIZES[~below], level=0.8)
    np.testing.assert_allclose(cut.forecasts.predicted, prediction.forecast, rtol=1e-9)
    np.testing.assert_allclose(cut.forecasts.value, prediction.value, rtol=1e-9)
    assert prediction.new_run is not None
    np.testing.assert_allclose(
        [cut.forecasts.low, cut.forecasts.high], prediction.new_run, rtol=1e-7
    )
    assert alone.uncertainty is not None
    without = replace(alone, uncertainty=replace(alone.uncertainty, drift=0.0, widening=1.0))
    law_alone = without.predict(N=SIZES[~below], level=0.8).new_run
    assert law_alone is not None
    np.testing.assert_allclose(
        [cut.forecasts.law_low, cut.forecasts.law_high], law_alone, rtol=1e-7
    )


def test_what_is_held_back_does_not_enter_its_own_forecast(noisy: Points) -> None:
    spoiled = replace(noisy, output=np.where(SIZES > 2e9, 1.5, 1.0) * noisy.output)
    first, second = (
        backtesting.backtest(points, law="kaplan_n", cuts=[2e9]).cuts[0].forecasts
        for points in (noisy, spoiled)
    )
    np.testing.assert_allclose(first.predicted, second.predicted, rtol=1e-9)
    np.testing.assert_allclose([first.low, first.high], [second.low, second.high], rtol=1e-7)
    np.testing.assert_allclose(second.error, first.error - math.log(1.5), atol=1e-9)


def test_the_default_cuts_are_those_that_a_fit_is_tested_by(noisy: Points) -> None:
    found = backtesting.backtest(noisy, law="kaplan_n", objective=Objective("l2"))
    fit = fitting.fit(noisy, law="kaplan_n", objective=Objective("l2"), bootstrap=0)
    theirs = sorted((fit.backtest or {})["cuts"], key=lambda c: c["train_max"])
    assert len(found.cuts) == len(theirs) >= 3
    for cut, other in zip(found.cuts, theirs, strict=True):
        assert (cut.train_max, cut.n_train) == (other["train_max"], other["n_train"])
        for name in ("bias", "mare", "half_width", "coverage", "allowed", "coverage_law"):
            assert getattr(cut, name) == pytest.approx(other[name], rel=1e-9, abs=1e-12)


def test_runs_on_both_sides_of_a_cut_are_pointed_out() -> None:
    halves = replace(table(), runs=[f"n{i // 2}" for i in range(17)])
    found = backtesting.backtest(halves, law="kaplan_n", cuts=[1e8, 2e9])
    # 1e8 is the ninth point, the first of run n4, whose other is beyond; 2e9 parts n6 and n7.
    assert found.notes == (
        "in 1 of 2 cuts a run has rows on both sides: its later rows are forecast with its "
        "earlier ones fitted. With --at final every run is on one side.",
    )


def test_no_cut_that_leaves_enough() -> None:
    few = table().take(np.arange(9))
    assert refusal(FitError, backtesting.backtest, few, law="kaplan_n", cuts=[3e7, 1e9]) == (
        "no cut of these 9 points can be tested: each needs at least 8 points to fit (kaplan_n "
        "with 2 free parameters) and larger ones to forecast. Of 2 cuts tried, the largest: leaves "
        "6 points to fit, 8 are needed; holds nothing back. "
        "Add smaller runs, give other --cuts, or hold parameters with --fix or --tie."
    )


def test_parts_that_no_fit_can_be_made_of_are_named() -> None:
    # Ten repeats of one size, then one of each: three sizes are needed for two parameters.
    sizes = np.array([1e7] * 10 + [1e8, 1e9, 1e10])
    points = Points({"N": sizes}, LAW(N=sizes), [str(i) for i in range(13)])
    found = backtesting.backtest(points, law="kaplan_n", cuts="rolling")
    assert [(c.n_train, c.n_test) for c in found.cuts] == [(12, 1)]
    assert [(s.train_max, s.reason) for s in found.skipped] == [
        (
            1e7,
            "1 distinct configurations cannot determine the 2 free parameters of kaplan_n; at "
            "least 3 are needed",
        ),
        (
            1e8,
            "2 distinct configurations cannot determine the 2 free parameters of kaplan_n; at "
            "least 3 are needed",
        ),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "level must lie between 0 and 1, not 1.0."),
        ({"seed": -1}, "seed must not be negative, got -1."),
        (
            {"on": "tokens"},
            "law kaplan_n has no tokens to hold runs back along; it takes N. "
            "--on takes compute or params here.",
        ),
        (
            {"cuts": 0},
            "0 is no number of cuts. "
            "Give a number of cuts up to 100, values (1e20,1e21), or rolling.",
        ),
        (
            {"where": "tokens > 1"},
            "target, where and at select from runs; these points are already selected.",
        ),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], message: str) -> None:
    assert refusal(UsageError, backtesting.backtest, table(), law="kaplan_n", **options) == message


def test_it_is_public() -> None:
    assert scaling_cli.backtest is backtesting.backtest
