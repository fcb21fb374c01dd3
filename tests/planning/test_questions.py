"""Questions that papers put, typed as a user types them, of runs simulated from a stated truth.

The published numbers (a crossing, speed-ups, a multiplier) are the truth; the curves that they are
read off are made up about them.
"""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run

from scaling_cli.laws.chinchilla import Chinchilla

BASE = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
NOISE = 0.002
Gain = Callable[[float], float]


def table(head: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write runs.csv in the folder that commands are typed in."""
    with Path("runs.csv").open("w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([head.split(), *rows])


def compared(*typed: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    result = run("compare", "runs.csv", *typed, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def within(told: dict[str, Any], truth: float, most: float) -> bool:
    """Whether a range holds the truth, and its ends are at most so many times apart."""
    low, high = told["interval"]
    return low <= truth <= high <= most * low


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def two(column: str, names: tuple[str, str], gain: Gain, sizes: Iterable[float]) -> None:
    """Runs of two recipes: a token of the second counts for gain(N) of the first."""
    random = np.random.default_rng(0)
    table(
        f"run_id {column} params tokens loss",
        (
            (f"{name}-{N:.0f}-{ratio}", name, N, N * ratio, float(loss))
            for name, of in zip(names, (lambda _: 1.0, gain), strict=True)
            for N in sizes
            for ratio in (10, 20, 40, 80, 160)
            for loss in [BASE(N=N, D=N * ratio * of(N)) * np.exp(NOISE * random.standard_normal())]
        ),
    )


def falling(first: float, last: float, low: float, high: float) -> Gain:
    """A gain that goes from one value to another between two sizes, as a power of the size."""
    power = np.log(last / first) / np.log(high / low)
    return lambda N: first * (N / low) ** power


def clocked(losses: dict[str, Callable[[np.ndarray], np.ndarray]], column: str) -> None:
    """Losses of models over accelerator-hours."""
    random, hours = np.random.default_rng(0), np.geomspace(10, 2000, 8)
    logs = {m: f(hours) + NOISE * random.standard_normal(len(hours)) for m, f in losses.items()}
    told = np.exp if column == "perplexity" else np.asarray
    table(
        f"run_id model hours {column}",
        ((f"{m}{i}", m, h, told(v[i])) for m, v in logs.items() for i, h in enumerate(hours)),
    )


STRAIGHT = {
    "gpt": lambda h: 3.2 - 0.17 * np.log(h),
    "lstm": lambda h: 3.2 - 0.17 * np.log(5e4) - 0.26 * np.log(h / 5e4),
}
BENT = {
    "gpt": lambda h: 1.9 + 4.0 * h**-0.25,
    "lstm": lambda h: 1.9 + 4.0 * 5e4**0.15 * h**-0.4,
}


@pytest.mark.parametrize("column", ["perplexity", "loss"])
def test_an_lstm_and_a_gpt_cross_at_5e4_hours(column: str) -> None:
    """Straight lines of ln perplexity over ln hours (arXiv 2309.11197): no floor bends them."""
    clocked(STRAIGHT, column)
    told = compared("--by", "model", "--axis", "hours")
    assert (told["first"], told["second"], told["law"]) == ("gpt", "lstm", "logarithm")
    assert within(told["crossing"], 5e4, 2)
    assert (told["crossing"]["ahead_after"], told["crossing"]["share"]) == ("second", 1.0)
    assert told["beside"]["law"] == "power_law" and told["beside"]["worse"] > 6
    at = compared("--by", "model", "--axis", "hours", "--input", "hours=200k")["at"][0]
    gap = -(0.26 - 0.17) * np.log(200e3 / 5e4)
    assert at["inputs"] == {"x": 200e3}
    assert at["interval"][0] <= gap <= at["interval"][1] < 0


def test_curves_with_a_floor_are_power_laws_of_hours() -> None:
    clocked(BENT, "loss")
    told = compared("--by", "model", "--axis", "hours")
    assert (told["law"], told["beside"]["law"]) == ("power_law", "logarithm")
    low, high = told["crossing"]["interval"]
    assert low < 5e4 and high is None  # at the floor any crossing is far, or never
    by_line = compared("--by", "model", "--axis", "hours", "--law", "logarithm")
    assert by_line["beside"] is None
    assert by_line["crossing"] == told["beside"]["crossing"]


def test_a_law_that_is_as_near_is_told_with_its_crossing() -> None:
    """Four runs on a third of a decade: no one can tell a floor from none."""
    hours = np.geomspace(100, 200, 5)
    table(
        "run_id model hours loss",
        (
            (f"{m}{i}", m, h, float(f(h)) + 3e-3 * (-1) ** i)
            for m, f in STRAIGHT.items()
            for i, h in enumerate(hours.tolist())
        ),
    )
    record = compared("--by", "model", "--axis", "hours")
    assert 0 <= record["beside"]["worse"] < 6
    said = " ".join(run("compare", "runs.csv", "--by", "model", "--axis", "hours").stdout.split())
    assert (
        f"the runs hardly tell {record['law']} from {record['beside']['law']}; by "
        f"{record['beside']['law']} "
    ) in said


def test_an_optimizers_speed_up_falls_from_1_4_to_1_1() -> None:
    """As published between .1B and 1.2B (arXiv 2509.02046), at 20 tokens per parameter."""
    two("optimizer", ("adamw", "muon"), falling(1.4, 1.1, 1e8, 1.2e9), (1e8, 2.5e8, 5e8, 1.2e9))
    typed = ("--by", "optimizer", "--params", "100M,1.2B", "--tokens", "2B,24B")
    told = compared(*typed)
    small, large = told["data_multiplier"]
    assert within(small, 1.4, 1.1) and within(large, 1.1, 1.2)
    power = np.log(1.1 / 1.4) / np.log(12)
    low, high = told["data_trend"]["interval"]
    assert low <= power <= high < 0
    assert (told["data_trend"]["with"], told["data_trend"]["between"]) == ("N", [1e8, 1.2e9])
    said = " ".join(run("compare", "runs.csv", *typed).stdout.split())
    assert "the factor of D shrinks with N: exponent " in said


def test_one_epoch_is_worth_1_9_to_3_3_times_ten() -> None:
    two("epochs", ("10", "1"), falling(3.3, 1.9, 2e7, 5e8), (2e7, 6e7, 1.7e8, 5e8))
    told = compared("--by", "epochs", "--first", "10", "--params", "20M,500M", "--tokens", "1B,20B")
    assert (told["first"], told["second"]) == ("10", "1")
    small, large = told["data_multiplier"]
    assert within(small, 3.3, 1.3) and within(large, 1.9, 1.5)
    turned = compared("--by", "epochs", "--first", "1", "--params", "20M", "--tokens", "1B")
    assert turned["data_multiplier"][0]["value"] < 1


def test_selected_data_are_worth_ten_times_as_many() -> None:
    two("data", ("random", "selected"), lambda _: 10.0, (2e7, 6e7, 1.7e8, 5e8))
    told = compared("--by", "data", "--params", "170M", "--tokens", "3B")
    assert within(told["data_multiplier"][0], 10, 1.6)


# arXiv 2509.14786: over 200M tokens the best run of the usual recipe is at 3.75, and ever larger
# ensembles of ever larger models go to 3.17; losses of both fall to about 1.94 with the tokens.
USUAL, JOINT, FLOOR, TIMES = 3.75, 3.17, 1.94, 5.17
POWER = np.log((USUAL - FLOOR) / (JOINT - FLOOR)) / np.log(TIMES)


def test_a_multiplier_of_5_17_from_asymptotes() -> None:
    assert pytest.approx(0.235, abs=0.002) == POWER  # which is the published exponent
    random = np.random.default_rng(2)
    rows = []
    for recipe, at in (("usual", USUAL), ("joint", JOINT)):
        for D in (2e8, 4e8, 8e8, 1.6e9):
            limit = FLOOR + (at - FLOOR) * (D / 2e8) ** -POWER
            for N in (1.5e8, 3e8, 6e8, 1.4e9):
                loss = (limit + 0.05 * (N / 1e9) ** -1.02) * np.exp(5e-4 * random.standard_normal())
                rows.append((f"{recipe}-{D:g}-{N:g}", recipe, N, D, loss))
    table("run_id recipe params tokens loss", rows)
    typed = ("--by", "recipe", "--first", "usual")
    far = compared(*typed, "--params", "1e15", "--tokens", "200M")
    assert within(far["data_multiplier"][0], TIMES, 1.4)
    ends = [
        (f"{r}{D:g}", r, D, FLOOR + (at - FLOOR) * (D / 2e8) ** -POWER)
        for r, at in (("usual", USUAL), ("joint", JOINT))
        for D in (2e8, 4e8, 8e8, 1.6e9)
    ]
    table("run_id recipe tokens loss", ends)
    told = compared(*typed, "--axis", "tokens", "--tokens", "200M")
    assert told["multiplier"][0]["value"] == pytest.approx(TIMES, rel=0.02)
    assert within(told["multiplier"][0], TIMES, 2)


def test_which_recipe_is_first_and_what_is_asked_of_a_law() -> None:
    clocked(STRAIGHT, "loss")
    typed = ("compare", "runs.csv", "--by", "model", "--axis", "hours")
    assert compared(*typed[2:], "--first", "lstm")["second"] == "gpt"
    unknown = run(*typed, "--first", "rnn")
    assert (unknown.exit_code, unknown.stderr) == (
        2,
        "error: there is no recipe 'rnn'.\nhint: Recipes: gpt, lstm.\n",
    )
    other = run(*typed, "--params", "7B")
    assert (other.exit_code, other.stderr) == (
        2,
        "error: logarithm takes no N.\nhint: Inputs: C, x.\n",
    )


def test_where_a_law_has_no_loss() -> None:
    clocked(STRAIGHT, "loss")
    typed = ("compare", "runs.csv", "--by", "model", "--axis", "hours")
    far = run(*typed, "--input", "hours=1e300")
    assert (far.exit_code, far.stderr) == (
        2,
        "error: logarithm forecasts no loss at x = 1e+300, far beyond its runs.\n"
        "hint: Compare nearer to the runs.\n",
    )


def test_long_names_leave_the_table_a_table() -> None:
    names = ("adamw-lr3e-4-wd0.1-cosine", "muon-with-everything")
    two("optimizer", names, lambda _: 1.3, (2e7, 1e8, 5e8))
    lines = run("compare", "runs.csv", "--by", "optimizer").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    title = f"loss: the second ({names[1]}) less the first ({names[0]})"
    assert " ".join(lines[i].strip() for i in (0, 1)) == title
    assert lines[2].split() == ["N", "D", "first", "second", "change", "90", "%", "better"]
    assert lines[3].split()[-2:] == ["second", "(1.00)"]
