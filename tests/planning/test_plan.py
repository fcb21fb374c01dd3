"""Plans with their ranges: closed forms for draws of one parameter; the command and its words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cli_fits
import numpy as np
import pytest
from cli_fits import LAW
from command_line import run
from refusals import refusal
from scipy.optimize import brentq

import scaling_cli as sc
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.outcomes import Check, Level, Touches

C, SPREAD = 1e23, 0.2
B = LAW.B * np.exp(SPREAD * np.linspace(-1, 1, 201))
TILT = LAW.alpha + LAW.beta
ANSWERS = "inference_tokens"


@pytest.fixture
def fit() -> Fit:
    """A fit whose draws differ in B alone: N* goes with B to the power -1/(alpha + beta)."""
    sure = cli_fits.certain(LAW, {"B": B}, drift=0.002)
    return cli_fits.fit(uncertain=sure)


def test_the_range_of_the_best_size_is_that_of_the_draws(fit: Fit) -> None:
    (found,) = sc.plan(fit, C=C)["allocations"]
    N = LAW.optimal_params(C)
    shift = 0.9 * SPREAD / TILT  # 90 % of draws that are evenly spread
    assert found["N"] == pytest.approx(N)
    assert found["N_interval"] == pytest.approx([N * np.exp(-shift), N * np.exp(shift)], rel=1e-3)
    assert found["D_interval"] == pytest.approx(
        [C / 6 / N * np.exp(-shift), C / 6 / N * np.exp(shift)], rel=1e-3
    )
    told = fit.predict(C=C)
    assert found["loss"] == told.forecast[0]
    assert told.new_run is not None
    assert found["loss_interval"] == [float(end[0]) for end in told.new_run]
    low, high = found["near_optimal"]["N"]
    for end in (low, high):
        assert LAW(N=end, D=C / 6 / end) == pytest.approx(1.001 * LAW(N=N, D=C / 6 / N))
    assert found["near_optimal"]["D"] == pytest.approx([C / 6 / high, C / 6 / low])


def test_what_is_decided_has_no_range(fit: Fit) -> None:
    (held,) = sc.plan(fit, C="1e23", params="7B")["allocations"]
    assert (held["N"], held["N_interval"], held["near_optimal"]) == (7e9, None, None)
    assert held["D"] == pytest.approx(C / 4.2e10)
    (capped,) = sc.plan(fit, C=C, max_params=1e9)["allocations"]
    assert (capped["N"], capped["limited_by"]) == (1e9, ["max_params"])
    assert capped["near_optimal"]["N"][1] == pytest.approx(1e9)
    (few,) = sc.plan(fit, C=C, unique_tokens=1e11)["allocations"]
    assert (few["D"], few["limited_by"]) == (pytest.approx(1e11), ["max_tokens"])


def test_other_ratios_cost_loss_or_compute(fit: Fit) -> None:
    N, D = LAW.optimal_params(C), LAW.optimal_tokens(C)
    least = LAW(N=N, D=D)
    (found,) = sc.plan(fit, C=C, overtrain=[10])["overtrained"]
    assert (found["N"], found["D"]) == pytest.approx((N / np.sqrt(10), D * np.sqrt(10)))
    assert found["loss_change"] == pytest.approx(
        LAW(N=N / np.sqrt(10), D=D * np.sqrt(10)) - least, rel=1e-6
    )

    def missing(log: float) -> float:
        grown = np.exp(log / 2)
        return float(LAW(N=grown * N / np.sqrt(10), D=grown * D * np.sqrt(10)) - least)

    assert np.log1p(found["more_compute"]) == pytest.approx(brentq(missing, 0, 3), rel=1e-6)
    # B moves the term of the data alone: the difference is linear in it.
    changes = np.array(
        [
            LAW.A * (np.sqrt(10) ** LAW.alpha - 1) * N**-LAW.alpha
            + b * (np.sqrt(10) ** -LAW.beta - 1) * D**-LAW.beta
            for b in LAW.B * np.exp(0.9 * SPREAD * np.array([1.0, -1.0]))
        ]
    )
    assert found["loss_change_interval"] == pytest.approx(changes, rel=0.02)


def test_the_compute_that_makes_up_for_a_ratio_is_a_factor_above_zero() -> None:
    """Draws spread so widely that their ends, laid about the law in shares, fell below none."""
    B = LAW.B * np.exp(np.linspace(-1, 1.6, 201))
    fit = cli_fits.fit(uncertain=cli_fits.certain(LAW, {"B": B}))
    (found,) = sc.plan(fit, C=C, overtrain=[10])["overtrained"]
    N, D = LAW.optimal_params(C), LAW.optimal_tokens(C)

    def needed(B: float) -> float:
        """Return ln of the compute at ten times the ratio that is as good as the law's split."""
        law = replace(LAW, B=B)

        def missing(log: float) -> float:
            grown = np.exp(log / 2)
            return float(law(N=grown * N / 10**0.5, D=grown * D * 10**0.5) - law(N=N, D=D))

        root: Any = brentq(missing, -20, 20)
        return float(root)

    own, (low, middle, high) = needed(LAW.B), np.quantile([needed(b) for b in B], (0.05, 0.5, 0.95))
    ends = np.expm1([min(low, own + low - middle), max(high, own + high - middle)])
    assert found["more_compute_interval"] == pytest.approx(ends, rel=1e-6)
    assert -1 < ends[0] < 0


def test_where_no_compute_makes_up_for_a_ratio_that_is_said(tmp_path: Path) -> None:
    fit = cli_fits.fit(uncertain=cli_fits.certain(LAW, {"B": B}))
    fit.to_json(tmp_path / "fit.json")
    (found,) = sc.plan(fit, C=C, overtrain=[1e30])["overtrained"]
    assert (found["more_compute"], found["more_compute_interval"]) == (None, [None, None])
    shown = run(
        "plan", "--fit", str(tmp_path / "fit.json"), "--compute", "1e23", "--overtrain", "1e30"
    )
    assert "never [never, never]" in " ".join(shown.stdout.split())


def test_the_least_compute_for_a_loss(fit: Fit) -> None:
    wanted = float(fit.predict(C=C).forecast[0])
    (found,) = sc.plan(fit, target_loss=wanted)["allocations"]
    assert found["C"] == pytest.approx(C, rel=1e-9)
    assert found["loss"] == pytest.approx(wanted, rel=1e-12)
    for budget, end in zip(found["C_interval"], (0, 1), strict=True):
        ends = fit.predict(C=budget).new_run
        assert ends is not None
        assert ends[end][0] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_range_of_a_loss_to_reach_is_of_the_level_that_was_asked(
    fit: Fit, level: float
) -> None:
    wanted = float(fit.predict(C=C).forecast[0])
    (found,) = sc.plan(fit, target_loss=wanted, level=level)["allocations"]
    for end, budget in enumerate(found["C_interval"]):

        def missing(log: float, end: int = end) -> float:
            told = fit.predict(C=np.exp(log), level=level).new_run
            assert told is not None
            return float(told[end][0] - wanted)

        assert np.log(budget) == pytest.approx(brentq(missing, 45, 60), rel=1e-9)


def test_a_ratio_and_a_limit_hold_together_and_what_is_left_is_told(
    fit: Fit, tmp_path: Path
) -> None:
    # Twenty tokens for each parameter, and no more than 1e11: 5e9 parameters, 3e21 of 1e23 FLOP.
    (found,) = sc.plan(fit, C=C, ratio=20, max_tokens=1e11)["allocations"]
    assert (found["N"], found["D"]) == (pytest.approx(5e9), pytest.approx(1e11))
    assert (found["training"], found["limited_by"]) == (pytest.approx(3e21), ["max_tokens"])
    fit.to_json(tmp_path / "fit.json")
    limits = ("--max-tokens", "100B", "--ratio", "20")
    told = run("plan", "--fit", str(tmp_path / "fit.json"), "--compute", "1e23", *limits).stdout
    assert "! C = 1e+23: the limits leave all but 3e+21 of it unspent" in told
    # Half that ratio for the same 3e21 FLOP: 6 x 10 N^2.
    (half,) = sc.plan(fit, C=C, ratio=20, max_tokens=1e11, overtrain=[0.5])["overtrained"]
    assert (half["N"], half["D"]) == pytest.approx((np.sqrt(3e21 / 60), 10 * np.sqrt(3e21 / 60)))


def test_answers_make_the_best_model_smaller(fit: Fit) -> None:
    (found,) = sc.plan(fit, C=C, inference_tokens="1T")["allocations"]
    assert found["training"] + found["answers"] == pytest.approx(C)
    assert found["answers"] == 2e12 * found["N"]
    assert found["N"] < LAW.optimal_params(C)


def test_a_published_law_plans_without_ranges() -> None:
    (found,) = sc.plan(cli_fits.published(), C=1e24)["allocations"]
    assert found["N"] == pytest.approx(96e9, rel=2e-3)
    assert found["D"] == pytest.approx(1.74e12, rel=3e-3)
    assert (found["N_interval"], found["loss_interval"]) == (None, None)
    reached = sc.plan(cli_fits.published(), target_loss=found["loss"])["allocations"][0]
    assert (reached["C"], reached["C_interval"]) == (pytest.approx(1e24, rel=1e-9), None)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "nothing to plan for."),
        ({"C": 1e23, "target_loss": 2.0}, "both --compute and --target-loss were given."),
        ({"C": -1.0}, "C must be a positive number, not -1.0."),
        ({"C": 1e23, "params": 1e9, "ratio": 20}, "--params and --ratio together leave a budget"),
        ({"C": 1e23, "params": 2e9, "max_params": 1e9}, "--params 2e+09 is above --max-params"),
        ({"C": 1e23, "mfu": 40}, "mfu must lie between 0 and 1, not 40. Write 0.4 for 40 %."),
        ({"C": 1e23, "price": 2.0}, "--price needs --gpu. Such as --gpu h100."),
        ({"C": 1e23, "gpu": "h1000"}, "no accelerator 'h1000'. Known: a100, h100, "),
        ({"C": 1e23, "R": 4.0}, "R is nothing that a plan holds. Inputs to hold: none."),
        ({"target_loss": 1.0}, "by this fit no compute reaches loss = 1."),
        (
            {"target_loss": 2.0, "max_params": 1e6},
            "by this fit no compute under these limits reaches loss = 2.",
        ),
        (
            {"C": 1e23, "params": 7e9, "overtrain": [3]},
            "--params leaves a budget no other ratio than its own, and so not 3 times the tokens",
        ),
        (
            # 1e23 / 6e11 = 1.667e11 parameters; three times the ratio: sqrt(3) times the tokens.
            {"C": 1e23, "max_tokens": 1e11, "overtrain": [3]},
            "3 times the tokens per parameter at the same compute are 1.73e+11 tokens, above the "
            "limit of 1e+11.",
        ),
        (
            {"C": 1e20, "params": 7e9, ANSWERS: 1e15},
            "C = 1e+20 does not pay for 1e+15 tokens after training.",
        ),
    ],
)
def test_refusals(fit: Fit, asked: dict, told: str) -> None:
    assert refusal(UsageError, sc.plan, fit, **asked).startswith(told)


def test_a_law_without_size_and_data_is_refused() -> None:
    assert refusal(UsageError, sc.plan, "kaplan_n/kaplan-2020", C=1e23).startswith(
        "law kaplan_n has no size and data to split compute between."
    )


def test_the_screen(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit.to_json("fit.json")
    typed = ("--compute", "1e23", "--overtrain", "3,10", "--gpu", "h100", "--gpus", "64")
    result = run("plan", *typed)
    assert (result.exit_code, result.output) == (0, result.stdout)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert len(result.stdout.splitlines()) <= 30
    (record,) = json.loads(run("plan", *typed, "--json").stdout)["allocations"]
    lines = " ".join(result.stdout.split())
    N, D = LAW.optimal_params(C), LAW.optimal_tokens(C)
    for words in (
        f"1e+23 {N / 1e9:.4g}B ",
        f"{record['cost']['hours'] / 1e3:.4g}k hours of NVIDIA H100 SXM at 40 % of its peak",
        f"{record['cost']['days']:.3g} days on 64",
        f"x3.0 {N / np.sqrt(3e18):.4g}B {np.sqrt(3e-18) * D:.4g}B +",
        "N and its range, and other ratios, by chinchilla alone, each draw with its own best "
        "split; loss by the forecast of fit.json.",
    ):
        assert words in lines
    wanted = run("plan", "--target-loss", "2.2", "--max-params", "1B").stdout
    assert "the ceiling on parameters holds" in " ".join(wanted.split())
    refused = run("plan", "--compute", "1e23", "--target-loss", "2")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: both --compute and --target-loss were given.\n"
        "hint: Give --compute 1e24, or --target-loss 2.1.\n",
    )


def test_a_plan_says_what_a_forecast_of_it_is_warned_of() -> None:
    moves = Check("fit.sensitivity", Level.PASS, "N* moves.", (Touches.OPTIMUM,))
    fit = cli_fits.fit(checks=(moves,))
    for budget in (1e22, 1e27):  # 1e5 times the largest run, of which backtests reached 100 times
        said = fit.predict(C=budget).to_dict()["warnings"]
        assert sc.plan(fit, C=budget).record["warnings"] == said
        assert said[-1]["code"] == "fit.sensitivity"
    assert len(said) == 2
    assert "C x100k is further beyond the data than any backtest" in said[0]["message"]
    decided = sc.plan(fit, C=1e22, params=1e9).record["warnings"]
    assert decided == fit.predict(C=1e22, N=1e9).to_dict()["warnings"] == []


def _lifted(offset: float) -> Fit:
    """Return a fit of loss - offset, which is fitted as that + offset: it lies about zero."""
    fit = cli_fits.fit()
    turned = {"target": "excess", "sign": 1.0, "offset": offset}
    ranges = {**fit.data["ranges"], "L": [2.2 - offset, 3.9 - offset]}
    selection = {**fit.selection, "target": "excess"}
    return replace(
        fit, data={**fit.data, "ranges": ranges, "fitted_as": turned}, selection=selection
    )


def test_a_target_about_zero_is_as_useful_as_what_was_fitted_of_it() -> None:
    plain, C_ = cli_fits.fit(), 1e20
    zero = float(plain.predict(C=C_).forecast[0]) - 1e-4  # the forecast is nearly nothing
    fit = _lifted(zero)
    (own,), (told,) = (f.predict(C=C_).to_dict()["predictions"] for f in (plain, fit))
    assert told["forecast"] == pytest.approx(1e-4)
    assert told["useful"] is own["useful"] is True
    assert told["half_width"] == pytest.approx(own["half_width"], rel=1e-3)
    assert told["parts"] == pytest.approx(own["parts"])
    assert sc.plan(fit, C=C_)["allocations"][0]["useful"] is True
    error = fit.predict(C=C_).error(0, 0.01)
    assert error == pytest.approx((1e-4 + zero) / (0.01 + zero) - 1)


@pytest.mark.parametrize(
    "command", ["predict --fit f.json --loss", "plan --fit f.json --target-loss"]
)
def test_a_target_below_zero_can_be_asked_for(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli_fits.fit().to_json("loss.json")
    _lifted(3.0).to_json("f.json")
    (below,) = _budgets(*command.split(), "-0.75")
    (plain,) = _budgets(*command.replace("f.json", "loss.json").split(), "2.25")
    assert below == pytest.approx(plain, rel=1e-9)
    result = run(*command.replace("f.json", "loss.json").split(), "-0.75")
    told = "error: by this fit no compute reaches loss = -0.75.\n"
    assert (result.exit_code, result.stderr) == (2, told)


def _budgets(*command: str) -> list[float]:
    printed = json.loads(run(*command, "--json", "-q").stdout)
    if "allocations" in printed:
        return [found["C"] for found in printed["allocations"]]
    return [6 * point["inputs"]["N"] * point["inputs"]["D"] for point in printed["predictions"]]


def test_of_several_budgets_each_that_is_beyond_the_data_is_told(tmp_path: Path) -> None:
    cli_fits.fit().to_json(tmp_path / "f.json")
    asked = ["plan", "--fit", str(tmp_path / "f.json"), "--compute", "1e25,1e21"]
    out = " ".join(run(*asked).stdout.split())
    N, D = LAW.optimal_params(1e25) / 1e9, LAW.optimal_tokens(1e25) / 2e11
    assert f"C = 1e+25 is beyond the data: N x{N:.0f}, D x{D:.0f}, C x1k" in out
    assert f"C = 1e+21 is beyond the data: N x{LAW.optimal_params(1e21) / 1e9:.1f} N" in out


def test_less_than_one_token_is_no_plan() -> None:
    told = refusal(UsageError, sc.plan, "chinchilla/ladder", C=1e15, params=1e15)
    assert told == (
        "C = 1e+15 buys D = 0.17 (training tokens): less than one. Give more --compute, or other "
        "limits."
    )
