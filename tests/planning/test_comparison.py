"""Two recipes whose difference is known: closed forms for draws of one parameter, and words."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import cli_fits
import numpy as np
import pytest
from cli_fits import LAW
from command_line import run
from refusals import refusal

import scaling_cli as sc
from scaling_cli.artefacts._prediction import Beside
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.power_law import PowerLaw
from scaling_cli.vocabulary.errors import DataError, FitError, UsageError
from scaling_cli.vocabulary.outcomes import Check, Level

GAIN, SPREAD = 1.5, 0.1
LOGS = SPREAD * np.linspace(-1, 1, 201)  # of B, of one fit: the other is certain
POINT: dict[str, Any] = {"N": 1e9, "D": 2e10}


def made(law: Any, draws: dict[str, np.ndarray], **changes: Any) -> Fit:
    """A fit of a law with draws of some parameters; the others are certain."""
    sure = cli_fits.certain(law, draws)
    return replace(cli_fits.fit(), law=law, uncertainty=sure, **changes)


ONE = made(LAW, {})
BETTER = Chinchilla(**{**LAW.values(), "B": LAW.B * GAIN**-LAW.beta})
TWO = made(BETTER, {"B": BETTER.B * np.exp(LOGS)})


def test_runs_that_are_worth_more_tokens_save_as_much_compute() -> None:
    # B less by GAIN^-beta: every token counts GAIN times, on the best splits every FLOP too.
    found = sc.compare(ONE, TWO, **POINT)
    ends = GAIN * np.exp(np.array([-0.9, 0.9]) * SPREAD / LAW.beta)
    for told in (*found["multiplier"], *found["data_multiplier"]):
        assert told["value"] == pytest.approx(GAIN, rel=1e-9)
        assert told["interval"] == pytest.approx(ends, rel=0.01)
    assert found["data_multiplier"][0]["at"] == POINT["D"]
    assert found["multiplier"][0]["at"] == pytest.approx(6 * POINT["N"] * POINT["D"])


def test_the_difference_at_a_point() -> None:
    (at,) = sc.compare(ONE, TWO, **POINT)["at"]
    term = BETTER.B * POINT["D"] ** -LAW.beta
    assert at["difference"] == pytest.approx(BETTER(**POINT) - LAW(**POINT), rel=1e-9)
    sides = term * (np.exp(0.9 * SPREAD * np.array([-1, 1])) - 1)
    assert at["interval"] == pytest.approx(at["difference"] + sides, rel=0.01)
    assert at["p_better"] == pytest.approx(1, abs=0.01)
    (turned,) = sc.compare(TWO, ONE, **POINT)["at"]
    assert turned["difference"] == pytest.approx(-at["difference"])
    assert turned["p_better"] == pytest.approx(1 - at["p_better"])
    (same,) = sc.compare(ONE, ONE, **POINT)["at"]
    assert (same["difference"], same["p_better"]) == (0.0, 0.5)


@pytest.mark.parametrize("wide", [1.0, 8.0])
def test_how_likely_one_is_better_is_said_by_the_side_on_which_zero_lies(wide: float) -> None:
    skewed = made(BETTER, {"B": BETTER.B * np.exp(wide * np.where(LOGS > 0, LOGS, 0.1 * LOGS))})
    (at,) = sc.compare(ONE, skewed, **POINT)["at"]
    side = at["interval"][1] - at["difference"]
    assert at["p_better"] == pytest.approx(NormalDist().cdf(-1.6448536 * at["difference"] / side))
    assert (at["p_better"] > 0.95) == (at["interval"][1] < 0) == (wide == 1.0)


def test_fits_that_forecast_with_other_laws_are_compared_by_their_own() -> None:
    other = Beside(Chinchilla(**{**LAW.values(), "E": 1.9}), 1.0)
    sure = ONE.uncertainty
    assert sure is not None
    mean = replace(ONE, uncertainty=replace(sure, beside=[other], spread=0.36))
    assert mean.predict(**POINT).forecast[0] > ONE.predict(**POINT).forecast[0]
    (at,) = sc.compare(ONE, mean, **POINT)["at"]
    assert at["difference"] == pytest.approx(0, abs=1e-12)


def test_without_being_asked_it_tells_within_the_runs_at_the_largest_and_beyond() -> None:
    found = sc.compare(ONE, TWO)
    low, high = ONE.data["ranges"]["C"]
    assert [m["at"] for m in found["multiplier"]] == pytest.approx(
        [np.sqrt(low * high), high, 10 * high]
    )
    assert found["trend"]["exponent"] == pytest.approx(0, abs=1e-9)
    assert (found["crossing"]["value"], found["crossing"]["ahead_after"]) == (None, "second")
    assert found["crossing"]["share"] == 0


def test_where_two_power_laws_cross() -> None:
    ranges = {"x": [20.0, 3000.0], "L": [2.0, 4.0]}
    data = {**ONE.data, "ranges": ranges}
    slow = PowerLaw(A=4.2, alpha=0.05, E=0.0)
    fast = PowerLaw(A=4.2 * 5e4**0.03, alpha=0.08, E=0.0)
    one = made(slow, {}, data=data, diagnostics={})
    two = made(fast, {"A": fast.A * np.exp(0.1 * LOGS)}, data=data, diagnostics={})
    found = sc.compare(one, two)["crossing"]
    assert (found["axis"], found["ahead_after"], found["share"]) == ("x", "second", 1.0)
    assert found["value"] == pytest.approx(5e4, rel=1e-3)
    ends = 5e4 * np.exp(np.array([-0.9, 0.9]) * 0.1 * SPREAD / 0.03)
    assert found["interval"] == pytest.approx(ends, rel=0.01)
    (saved,) = sc.compare(one, two, x=1e6)["multiplier"]
    assert saved["value"] == pytest.approx((5e4**-0.03 * 1e6**0.08) ** 20 / 1e6, rel=1e-6)


def test_what_moved() -> None:
    told = {m["parameter"]: m for m in sc.compare(ONE, TWO)["moved"]}
    assert [name for name, m in told.items() if m["moved"]] == ["B"]
    middle = np.sqrt(np.prod(ONE.data["ranges"]["D"]))
    terms = np.array([LAW.B, BETTER.B]) * middle**-LAW.beta
    assert (told["B"]["first"], told["B"]["second"]) == pytest.approx(tuple(terms))
    width = terms[1] * (np.exp(0.9 * SPREAD * np.array([-1, 1])) - 1)
    assert told["B"]["interval"] == pytest.approx(terms[1] - terms[0] + width, rel=0.03)


def test_runs_of_equal_inputs_are_pairs() -> None:
    sizes = np.repeat([1e8, 2e8, 4e8], 2)
    tokens = np.tile([4e9, 8e9], 3)
    first = LAW(N=sizes, D=tokens)
    gaps = np.array([-0.01, -0.02, -0.03, -0.01, -0.02, -0.03])
    with_points = [
        made(
            law,
            {},
            data={
                **ONE.data,
                "points": {
                    "inputs": {"N": sizes.tolist(), "D": tokens.tolist()},
                    "output": output.tolist(),
                    "runs": [f"r{i}" for i in range(6)],
                },
            },
            backtest=None,
        )
        for law, output in ((LAW, first), (BETTER, first + gaps))
    ]
    found = sc.compare(*with_points)["paired"]
    half = 2.015048 * gaps.std(ddof=1) / np.sqrt(6)  # Student's t, 5 degrees, 95th percentile
    assert (found["n"], found["difference"]) == (6, pytest.approx(-0.02))
    assert found["interval"] == pytest.approx([-0.02 - half, -0.02 + half], rel=1e-5)


def test_what_is_refused() -> None:
    assert refusal(UsageError, sc.compare, ONE, "kaplan_n/kaplan-2020") == (
        "chinchilla and kaplan_n differ on the same runs too: a difference of recipes is told by "
        "one law. Fit both recipes with one law."
    )
    assert refusal(UsageError, sc.compare, ONE) == (
        "a comparison needs two. scaling compare a.json b.json"
    )
    along = cli_fits.fit(checks=(Check("assumptions", Level.WARN, "rows along runs."),))
    assert refusal(FitError, sc.compare, ONE, along).startswith(
        "a fit is of rows along runs, before their rate has decayed"
    )
    table = {"run_id": ["a", "b"], "params": [1e8, 2e8], "tokens": [2e9, 4e9], "loss": [3.0, 2.9]}
    assert refusal(DataError, sc.compare, table, by="optimizer").startswith(
        "there is no column 'optimizer'. Columns that say something of a run: run_id, params."
    )
    assert refusal(DataError, sc.compare, table | {"kind": ["x", "x"]}, by="kind").startswith(
        "column 'kind' has 1 values"
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"conventions": {"N": "total", "L": "bits/byte"}},
            "L is nats/token in the first and bits/byte in the second.",
        ),
        (
            {"conventions": {"N": "non_embedding", "L": "nats/token"}},
            "N is total in the first and non_embedding in the second.",
        ),
        (
            {"fitted_as": {"target": "accuracy", "sign": -1.0, "offset": 1.0}},
            "the target is loss, which falls, in the first and loss, which rises, in the second.",
        ),
    ],
)
def test_fits_of_other_numbers_are_refused(changed: dict[str, Any], told: str) -> None:
    counted = {**ONE.data, "conventions": {"N": "total", "L": "nats/token"}}
    one, other = replace(ONE, data=counted), replace(TWO, data=counted | changed)
    assert refusal(UsageError, sc.compare, one, other) == (
        f"the fits are not of the same numbers: {told} "
        "Fit both recipes to columns that are counted alike."
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_fits_lift_their_target_by_may_differ(sign: float) -> None:
    # The second's own numbers, lifted by .4: its floor as much higher, every answer the same.
    higher = Chinchilla(**{**BETTER.values(), "E": BETTER.E + 0.4})
    one, two = (
        replace(fit, data={**fit.data, "fitted_as": {"target": "t", "sign": sign, "offset": by}})
        for fit, by in ((ONE, 1.0), (made(higher, {"B": BETTER.B * np.exp(LOGS)}), 1.4))
    )
    plain, lifted = sc.compare(ONE, TWO, **POINT), sc.compare(one, two, **POINT)
    difference = sign * plain["at"][0]["difference"]
    assert lifted["at"][0]["difference"] == pytest.approx(difference, rel=1e-9)
    assert sorted(lifted["at"][0]["interval"]) == pytest.approx(
        sorted(sign * end for end in plain["at"][0]["interval"]), rel=1e-6
    )
    for name in ("multiplier", "data_multiplier"):
        assert lifted[name][0]["value"] == pytest.approx(GAIN, rel=1e-9)
        assert lifted[name][0]["interval"] == pytest.approx(plain[name][0]["interval"], rel=1e-9)
    assert (lifted["crossing"], lifted["moved"]) == (plain["crossing"], [])


def test_published_fits_without_ranges_are_compared_at_a_point() -> None:
    names = ("power_law/henighan-2020-math", "power_law/henighan-2020-image-32x32")
    found = sc.compare(*names, x=1e6)
    one, two = (sc.load(name).law for name in names)
    gap = two.E + two.A * 1e6**-two.alpha - one.E - one.A * 1e6**-one.alpha
    assert found["at"][0]["difference"] == pytest.approx(gap, rel=1e-12)
    assert found["crossing"] is None
    again = run("compare", *names, "--input", "x=1e6")
    assert (again.exit_code, "crossing" in again.stdout.split("\n\n")[1]) == (0, False)
    steps = "kaplan_ns/kaplan-2020-headline"
    told = sc.compare(steps, steps, N=1e9, S_min=1e5)
    assert (told["at"][0]["difference"], told["multiplier"]) == (0.0, [])


def test_who_is_ahead_between_two_crossings() -> None:
    first = PowerLaw(A=4.0, alpha=0.2, E=2.0)
    second = PowerLaw(A=2.6, alpha=0.1, E=1.6)
    # In z = x^-.1 the first less the second is 4 z^2 - 2.6 z + .4, nought at z = .25 and .4.
    assert np.allclose(np.roots([4, -2.6, 0.4]), [0.4, 0.25], rtol=1e-12)
    places = [0.4**-10, 0.25**-10]
    data = {**ONE.data, "ranges": {"x": [100.0, 1e4], "L": [2.0, 4.0]}}
    one, two = (made(law, {}, data=data, diagnostics={}) for law in (first, second))
    found = sc.compare(one, two)["crossing"]
    assert found["value"] == pytest.approx(places[0], rel=1e-2)
    assert found["again"] == pytest.approx(places[1], rel=1e-2)
    assert found["ahead_after"] == "first"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of two optimizers' runs, without noise but for a trace of it."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    with Path("runs.csv").open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(("run_id", "optimizer", "params", "tokens", "loss"))
        for name, law in (("adamw", LAW), ("muon", BETTER)):
            for size in np.geomspace(2e7, 1e9, 5).tolist():
                for ratio in (5, 20, 80):
                    loss = law(N=size, D=ratio * size) * np.exp(1e-3 * random.standard_normal())
                    write.writerow((f"{name}{size:.0f}-{ratio}", name, size, ratio * size, loss))
    return tmp_path


def test_groups_of_a_table(here: Path) -> None:
    typed = ("runs.csv", "--by", "optimizer", "--params", "2B", "--tokens", "40B")
    record = json.loads(run("compare", *typed, "--json").stdout)
    assert (record["first"], record["second"]) == ("adamw", "muon")
    (told,) = record["data_multiplier"]
    assert told["interval"][0] < GAIN < told["interval"][1]
    (at,) = record["at"]
    truth = BETTER(N=2e9, D=4e10) - LAW(N=2e9, D=4e10)
    assert at["interval"][0] < truth < at["interval"][1]
    assert record["paired"]["n"] == 15
    result = run("compare", *typed)
    assert (result.exit_code, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 80
    lines = " ".join(result.stdout.split())
    for words in (
        "loss: muon less adamw",
        f"{at['difference']:+.4f}",
        "muon (1.00)",
        f"D x{told['value']:.3g} ({told['interval'][0]:.3g} .. {told['interval'][1]:.3g}, 90 %) at "
        "N = 2B, D = 40B",
        "15 runs of the same inputs:",
    ):
        assert words in lines


def test_runs_of_no_group_are_counted_and_text_is_any(here: Path) -> None:
    head, *rows = Path("runs.csv").read_text().splitlines()
    groups = ['"the ""new"" one"', "it's", ""]
    more = [
        f"{row.replace(',', f'{i},', 1)},{g}" for i, g in enumerate(groups) for row in rows[:15]
    ]
    Path("named.csv").write_text("\n".join([f"{head},recipe", *more]))
    record = json.loads(run("compare", "named.csv", "--by", "recipe", "--json").stdout)
    assert {record["first"], record["second"]} == {'the "new" one', "it's"}
    assert record["groupless"] == 15
    lines = run("compare", "named.csv", "--by", "recipe").stdout
    assert "! 15 runs have no recipe: they are in no recipe" in lines


def test_options_that_need_groups(here: Path) -> None:
    refused = run("compare", "chinchilla/ladder", "chinchilla/epoch-240", "--axis", "hours")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: --axis needs --by: fits are compared as they are.\n",
    )
