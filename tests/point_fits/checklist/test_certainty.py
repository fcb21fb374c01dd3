"""Checks of intervals, forecasts, sizes and records: every warning and failure, whole messages."""

from dataclasses import replace

import numpy as np
import pytest
from evidence import BUDGET, CUTS, cut, evidence, line, moved, slices
from tables import table

from scaling_cli.artefacts.backtest import Backtest, Forecasts, ScoredCut
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.certainty.resampling import Resamples
from scaling_cli.point_fits.checklist import record
from scaling_cli.point_fits.checklist.evidence import Evidence
from scaling_cli.point_fits.diagnosis.isoflop import Allocation
from scaling_cli.point_fits.fitted import Target
from scaling_cli.vocabulary.objective import Objective, Turned
from scaling_cli.vocabulary.outcomes import Check, Level, Touches


def warn(code: str, message: str) -> Check:
    return Check(code, Level.WARN, message)


def note(code: str, message: str) -> Check:
    return Check(code, Level.PASS, message)


# --- R13 and R14 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "ending"),
    [
        (980, "; no interval is narrower than 15 points allow."),
        (
            979,
            ". Parameter intervals rest on the rest: too few runs, or a flat direction. Hold a "
            "parameter with --fix or --tie.",
        ),
    ],
)
def test_resamples_that_failed(kept: int, ending: str) -> None:
    draws = {n: np.resize(v, kept) for n, v in evidence().resampled.draws.items()}
    found = line(evidence(resampled=Resamples(draws, "by hand", 1000)), "ci.method")
    assert found == note("ci.method", f"by hand: {kept} refits converged{ending}")
    assert found.touches == (None if kept == 980 else (Touches.PARAMETERS,))


@pytest.mark.parametrize(
    ("asked", "level", "beyond", "enough"),
    [
        (1, 0.9, "0.05", 100),
        (98, 0.9, "4.9", 100),
        (98, 0.5, "24.5", 100),
        (960, 0.99, "4.8", 1000),
    ],
)
def test_resamples_that_cannot_place_the_ends(
    asked: int, level: float, beyond: str, enough: int
) -> None:
    """Five percent of a hundred resamples are five: the fewest that place an end."""

    def found(count: int) -> Check:
        draws = {n: np.resize(v, count) for n, v in evidence().resampled.draws.items()}
        return line(
            evidence(resampled=Resamples(draws, "by hand", count), level=level), "ci.method"
        )

    assert found(enough).level is Level.PASS
    assert found(asked) == note(
        "ci.method",
        f"--bootstrap {asked} is too few for {100 * level:g} % intervals: {beyond} resamples lie "
        f"beyond each end. Use --bootstrap {enough} or more, or --bootstrap 0 for the delta "
        "method.",
    )


def test_no_resamples_asked_for() -> None:
    assert line(evidence(resampled=Resamples({"E": np.zeros(0)}, "none")), "ci.method") == Check(
        "ci.method",
        Level.PASS,
        "no bootstrap was asked for: parameter intervals are by the delta method, predictions' by "
        "by hand.",
    )


def test_an_interval_narrower_than_so_few_runs_allow() -> None:
    given = evidence()
    J = given.problem.sensitivity(given.optimum.u)
    least = 0.004 * np.sqrt(np.linalg.inv(J.T @ J)[4, 4])  # sd of ln beta
    beta = given.optimum.law.values()["beta"]

    def with_half_width(half: float) -> Evidence:
        ends = np.exp(np.linspace(-half / 0.9, half / 0.9, 201))  # quantiles 5 and 95 % at +-half
        draws = dict(given.resampled.draws) | {"beta": beta * ends}
        return evidence(resampled=replace(given.resampled, draws=draws))

    assert line(with_half_width(NORMAL_90 * least / 2.9), "ci.method").level is Level.PASS
    assert line(with_half_width(NORMAL_90 * least / 4), "ci.method") == note(
        "ci.method",
        "the interval of beta is as narrow as 240 points of this noise would make it, and there "
        "are 15: do not quote it. Look for repeated rows, or fit one point per run.",
    )


def test_draws_without_an_optimum() -> None:
    given = evidence()
    half = np.where(np.arange(201) < 101, given.uncertainty.draws["A"], 0.0)
    broken = replace(given.uncertainty, draws=dict(given.uncertainty.draws) | {"A": half})
    assert line(evidence(uncertainty=broken), "ci.kind") == note(
        "ci.kind",
        "at 10x the mean curve is known to +/-2.10 %, a new run to +/-3.10 %; only 50 % of the "
        "draws have an N* at all: quote no interval of it, and forecast at sizes that were run.",
    )


def test_a_law_without_an_optimum() -> None:
    given = evidence(law="power_law", found={"choices": [], "groups": [], "runs": []})
    assert line(given, "ci.kind") == Check(
        "ci.kind",
        Level.PASS,
        "at 10x the mean curve is known to +/-2.10 %, a new run to +/-3.10 %; the law has no N* at "
        "a compute.",
    )
    assert line(given, "optimum.flatness") == Check(
        "optimum.flatness", Level.PASS, "the law has no best size at a given compute."
    )


# --- R15 and R16 ----------------------------------------------------------------------------


def test_no_backtest() -> None:
    assert line(evidence(cuts=[]), "backtest") == note(
        "backtest",
        "no backtest is possible: intervals are UNTESTED. Add smaller runs so that the largest "
        "can be hidden and predicted.",
    )


def test_few_backtests() -> None:
    assert line(evidence(cuts=CUTS[:2]), "backtest") == note(
        "backtest",
        "2 cuts, the farthest 12.5x: mean absolute error 1.23 % at worst; the range that predict "
        "prints holds 70 % of hidden runs at 90 %, that of the law alone 90 %. Fewer than 3 cuts "
        "show little. Add smaller runs.",
    )


def test_a_law_whose_interval_covers_next_to_nothing() -> None:
    cuts = [cut(coverage=share) for share in (0.2, 0.4, 0.25)]
    assert line(evidence(cuts=cuts), "backtest") == Check(
        "backtest",
        Level.FAIL,
        "3 cuts, the farthest 10.0x: mean absolute error 0.40 % at worst; the range that predict "
        "prints holds 28 % of hidden runs at 90 %, that of the law alone 90 %. The laws do not "
        "forecast these runs: use no forecast that reaches farther than these cuts did. Fit "
        "another law, or one regime with --where.",
    )
    assert line(evidence(cuts=cuts[:2]), "backtest").level is Level.PASS


def scored(*biases: float) -> list[ScoredCut]:
    """Return one cut for each ln prediction - ln measured; its range reaches 0.01 to each side."""
    low, high = np.exp([-0.01]), np.exp([0.01])

    def forecast(bias: float) -> Forecasts:
        columns = [2 * np.exp([bias]), low * 2 * np.exp(bias), high * 2 * np.exp(bias)]
        return Forecasts(["a"], np.array([10.0]), np.array([2.0]), *columns, *columns)

    return [cut(bias, forecasts=forecast(bias)) for bias in biases]


@pytest.mark.parametrize(("sign", "side"), [(1, "below"), (-1, "above")])
def test_backtests_that_miss_on_one_side(sign: int, side: str) -> None:
    # ln prediction - ln measured > 0: the hidden losses were lower than predicted.
    cuts = scored(*(sign * b for b in (0.02, 0.03, 0.001, 0.02)))
    told = f"3 of 3 runs outside their range lie on one side of it: expect the loss {side} the "
    assert line(evidence(cuts=cuts), "backtest.bias") == note("backtest.bias", f"{told}forecast.")
    # What is measured rises where what was fitted, its distance from 1, falls.
    points = replace(table("chinchilla"), turned=Turned("accuracy", -1.0, 1.0))
    other = {"below": "above", "above": "below"}[side]
    told = (
        f"3 of 3 runs outside their range lie on one side of it: expect the accuracy {other} the "
    )
    found = line(evidence(points, cuts=cuts), "backtest.bias")
    assert found == note("backtest.bias", f"{told}forecast.")
    test = Backtest("chinchilla", "compute", "C", 0.9, Objective(), 15, tuple(cuts))
    assert test.one_sided() == told.replace(f"accuracy {other}", f"loss {side}") + "forecast."


@pytest.mark.parametrize(
    "biases",
    [(0.02, -0.03, 0.02, -0.02), (0.02, 0.02, 0.001, 0.001)],
    ids=["both sides", "two misses"],
)
def test_backtests_that_do_not_tell_a_side(biases: tuple[float, ...]) -> None:
    assert line(evidence(cuts=scored(*biases)), "backtest.bias") == note(
        "backtest.bias", "runs outside their range are few, or lie on both sides of it."
    )


@pytest.mark.parametrize(("count", "there"), [(0, "no backtest"), (2, "only 2 cuts")])
def test_a_side_that_was_not_shown(count: int, there: str) -> None:
    assert line(evidence(cuts=CUTS[:count]), "backtest.bias") == note(
        "backtest.bias",
        f"{there}: whether forecasts miss on one side was not shown. Add smaller runs.",
    )


START = (
    "the headline lies 10x beyond the largest C, 6.71x beyond the largest N, 1.49x beyond the "
    "largest D (1.0 decades of C); backtests reached "
)
ENDING = "Forecast less far, or add smaller runs so that a backtest can reach as far."


def test_a_forecast_as_far_as_the_headline_always_lies() -> None:
    # Up to C = 1e19 the table's largest run has 200M parameters and 5.06B tokens, of 2B and 160B.
    assert line(evidence(cuts=CUTS[:1]), "extrap.distance") == Check(
        "extrap.distance", Level.PASS, f"{START}3x in C, 10x in N, 31.6x in D."
    )


def test_a_forecast_of_a_size_farther_than_any_backtest() -> None:
    # Hiding the runs above C = 1e21 alone leaves the largest size among those that are fitted.
    cuts = [cut(factor=12.5, train_max=1e21)]
    target = Target({"N": 2e9 * 13, "D": 1.92e22 / 6 / (2e9 * 13)}, 1.92e22)
    found = line(evidence(cuts=cuts, found={"target": target}), "extrap.distance")
    assert found.level is Level.PASS
    assert "; backtests reached 12.5x in C, 1x in N, " in found.message
    assert found.message.endswith(
        f": nothing here shows how the law does so far out in N. {ENDING}"
    )


def test_a_forecast_too_wide_to_use() -> None:
    assert line(evidence(half_widths=(0.2, 0.25)), "extrap.width") == note(
        "extrap.width",
        "half-width 25.0 % at 10x (N = 13.41B, D = 238.6B): no useful prediction there. Add larger "
        "runs, or forecast less far.",
    )


# --- R17 and R18 ----------------------------------------------------------------------------

COUNT = "4 isoFLOP budgets, 4 with a bracketed minimum: N* 5B at C = 1.15e+22 (exponent 0.500), "
BIAS = "; on the law's own losses this grid misses by a factor of 1.02"


def test_parabolas_that_agree_with_the_law() -> None:
    assert line(evidence(found={"isoflop": slices()}), "approach2.bias") == Check(
        "approach2.bias", Level.PASS, f"{COUNT}4.5B by the law{BIAS}; they agree."
    )


@pytest.mark.parametrize(
    ("high", "says"), [(39e9, "they agree"), (41e9, "the parabolas cannot tell the two apart")]
)
def test_parabolas_agree_only_where_their_range_could_tell(high: float, says: str) -> None:
    wide = Allocation(1.15e22, 5e9, (4e9, high), 4.5e9, None)
    checked = line(evidence(found={"isoflop": slices(allocations=[wide])}), "approach2.bias")
    assert checked == Check("approach2.bias", Level.PASS, f"{COUNT}4.5B by the law{BIAS}; {says}.")


def test_parabolas_beside_a_law_without_a_best_size_agree_with_nothing() -> None:
    alone = Allocation(1.15e22, 5e9, (4e9, 6.5e9), None, None)
    checked = line(evidence(found={"isoflop": slices(allocations=[alone])}), "approach2.bias")
    assert checked.message == f"{COUNT.removesuffix(', ')}{BIAS}."


def test_parabolas_that_contradict_the_law() -> None:
    far = Allocation(1.15e22, 5e9, (4e9, 6.5e9), 8e9, (7e9, 9e9))
    assert line(evidence(found={"isoflop": slices(allocations=[far])}), "approach2.bias") == warn(
        "approach2.bias",
        f"{COUNT}8B by the law{BIAS}; the law's N* lies outside the parabolas' 4B to 6.5B: trust "
        "the parabolas for N*, the law for the loss, and plan for anything from 4B to 9B.",
    )


@pytest.mark.parametrize(("centring", "side"), [(0.7, "large"), (-0.7, "small")])
def test_a_grid_that_bends_parabolas(centring: float, side: str) -> None:
    budgets = [replace(BUDGET, centring=centring)] * 4
    found = slices(budgets=budgets, bias=-0.4)
    assert line(evidence(found={"isoflop": found}), "approach2.bias") == warn(
        "approach2.bias",
        f"{COUNT}4.5B by the law; on the law's own losses this grid misses by a factor of 0.67; "
        "the grid is too wide or too lopsided for parabolas: run sizes closer to each minimum; "
        f"minima lie at the {side} end of the sizes: add {side}er ones.",
    )


def test_too_few_minima_for_a_line() -> None:
    found = slices(line=None, allocations=[], bias=None)
    assert line(evidence(found={"isoflop": found}), "approach2.bias") == note(
        "approach2.bias",
        "4 isoFLOP budgets, of which too few bracket a minimum for a line: N* is the law's alone, "
        "and untested. Add sizes on both sides of each minimum.",
    )


def test_a_choice_of_size_that_matters() -> None:
    # N* = 13.41B, within 0.5 % from 6.19B to 28.95B: a factor of 0.4 leaves it, 0.5 does not.
    choices = [
        moved("tie", 0.4, 0.0, name="beta = alpha", optimum_shift=np.log(0.4)),
        moved("objective", 0.4, 0.0, optimum_shift=np.log(0.5)),
    ]
    assert line(evidence(found={"choices": choices}), "optimum.flatness") == note(
        "optimum.flatness",
        "at C = 1.92e+22 N from 9.487B to 18.95B is within 0.1 % of the least loss, N from 6.19B "
        "to 28.95B is within 0.5 % of the least loss; N* leaves that under beta = alpha: the "
        "choice of size costs more than 0.5 % of loss if it is wrong. Run a few sizes around it "
        "before committing.",
    )
    assert line(evidence(found={"choices": choices}), "optimum.flatness").touches == (
        Touches.OPTIMUM,
    )


# --- R19 and R20 ----------------------------------------------------------------------------


def test_rows_along_runs_are_not_final_losses() -> None:
    points = replace(table("chinchilla"), runs=[f"r{i // 3}" for i in range(15)])
    found = line(evidence(points), "assumptions")
    assert found.level is Level.WARN
    assert found.message.startswith(
        "15 points of 5 runs are rows along them: a loss before the learning rate has decayed is "
        "not that of a run which ends there. Fit --at final, or read forecasts as of the same "
        "schedule at the same point. Besides, forecasts assume for larger runs what holds for "
    )


TAKEN = (
    "forecasts assume for larger runs what holds for these: the same data mix, tokenizer, context "
    "length and evaluation set, one family of schedules that ends with the run, hyper-parameters "
    "tuned at every scale"
)


def test_tokens_seen_once_are_assumed_only_where_nothing_says_otherwise() -> None:
    points = table("chinchilla")
    again = evidence(replace(points, passes={"epochs": np.linspace(1, 2, len(points))}))
    assert line(again, "assumptions") == Check("assumptions", Level.PASS, f"{TAKEN}.")
    sizes = evidence(table("kaplan_n"), law="kaplan_n")  # which takes no tokens
    assert record.assumptions.check(sizes) == Check("assumptions", Level.PASS, f"{TAKEN}.")


def test_standard_input_cannot_be_read_again() -> None:
    digest = table("chinchilla").sha256()[:12]
    given = evidence(sources=[{"path": "<stdin>", "sha256": "0"}])
    assert line(given, "repro") == warn(
        "repro",
        f"data sha256 {digest}, read from standard input, which cannot be read again: keep the "
        "file and name it.",
    )


def test_points_given_in_memory() -> None:
    digest = table("chinchilla").sha256()[:12]
    assert line(evidence(sources=[], command=""), "repro") == Check(
        "repro",
        Level.PASS,
        f"the same call of scaling_cli.fit regenerates this; data sha256 {digest}; the points are "
        "in the fit file.",
    )
    rows = np.arange(20_001) % 15
    many = replace(table("chinchilla").take(rows), runs=[str(i) for i in range(len(rows))])
    digest = many.sha256()[:12]
    assert line(evidence(many, sources=[], command=""), "repro") == warn(
        "repro",
        f"data sha256 {digest}; the points were given in memory and are too many for the fit "
        "file: keep them yourself.",
    )
