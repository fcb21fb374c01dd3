"""When a level is reached: closed forms of normal paths, runs of known laws, clocks in logs."""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import command_line
import numpy as np
import pandas as pd
import pytest
from jobs import CONSTANT, STEPS, losses
from refusals import refused

import scaling_cli as sc
from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.reaching import place, reached_by
from scaling_cli.vocabulary.errors import UsageError

HELD = f"constant:peak=1e-3,steps={STEPS}"


def power_curve(step: np.ndarray) -> np.ndarray:
    """Return 2 + 3 step^-0.4, whose inverse is known."""
    return 2 + 3 * step**-0.4


def step_of(level: float) -> float:
    return ((level - 2) / 3) ** (-1 / 0.4)


def log(until: int, noise: float = 0.002) -> pd.DataFrame:
    step = np.arange(10, until + 1, 10)
    noisy = np.exp(noise * np.random.default_rng(1).normal(size=len(step)))
    return pd.DataFrame({"step": step, "loss": power_curve(step) * noisy})


def test_a_place_is_where_the_normal_path_crosses() -> None:
    """Of ln loss = -a x + s x z the level is passed by x with probability Phi((ln L/x + a)/s)."""
    x = np.linspace(1.0, 10.0, 2001)
    a, s, level = 0.1, 0.02, np.exp(-0.5)
    reached = reached_by(level, -a * x[None], s * x[None])[0]
    normal = NormalDist()
    for share in (0.05, 0.5, 0.95):
        exact = 0.5 / (a - normal.inv_cdf(share) * -s) if share == 0.5 else None
        crossing = 0.5 / (a + normal.inv_cdf(share) * s * -1)
        assert place(share, x, reached) == pytest.approx(exact or crossing, rel=1e-3)
    assert place(0.5, x, np.full(2001, 0.4)) is None


def test_what_was_reached_once_stays_reached() -> None:
    up = np.array([[0.0, -1.0, 0.0]])
    reached = reached_by(float(np.exp(-0.5)), up, np.full((1, 3), 0.1))
    assert reached[0].tolist() == sorted(reached[0].tolist())


@pytest.mark.parametrize("level", [2.125, 2.115])
def test_the_step_of_a_power_law_is_found(level: float, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    log(2000).to_csv(path, index=False)
    reaches = sc.forecast(path, schedule=HELD, until=6000, target_loss=level)[0].reaches
    assert reaches is not None
    assert reaches.step is not None
    low, high = reaches.step.interval
    assert low is not None
    assert low <= step_of(level)
    assert high is None or step_of(level) <= high
    assert reaches.step.value == pytest.approx(step_of(level), rel=0.1)
    assert reaches.tokens is None
    assert reaches.already is None


def test_ranges_of_the_step_hold() -> None:
    """Over 40 runs of laws drawn at random: at least as often as they say."""
    draw, held = np.random.default_rng(5), 0
    schedule = sc.parse_schedule(CONSTANT)
    for _ in range(40):
        changes = {
            "L0": draw.normal(2.6, 0.2),
            "A": draw.normal(0.6, 0.1),
            "alpha": 0.45 * np.exp(0.2 * draw.normal()),
        }
        curve, step = losses(CONSTANT, STEPS // 2, **changes), np.arange(20, 1501, 20)
        noisy = curve[step] * np.exp(0.01 * draw.normal(size=len(step)))
        one = Job("run", step.astype(float), noisy, schedule=schedule)
        reaches = sc.forecast([one], target_loss=curve[2500])[0].reaches
        assert reaches is not None
        assert reaches.step is not None
        low, high = reaches.step.interval
        held += low is not None and low <= 2500 and (high is None or high >= 2500)
    assert held >= 32  # of 40: of a right 90 % fewer are seen once in a hundred times


def test_never_is_the_share_that_lies_above_at_the_end(tmp_path: Path) -> None:
    """At the median of the end a level is reached in half of the cases; lower, in fewer."""
    path = tmp_path / "run.csv"
    log(2000).to_csv(path, index=False)
    end = sc.forecast(path, schedule=HELD, until=4000)[0]
    for level, never in ((end.value, 0.5), (end.interval[0], 0.95), (end.interval[1], 0.05)):
        reaches = sc.forecast(path, schedule=HELD, until=4000, target_loss=level)[0].reaches
        assert reaches is not None
        assert reaches.never == pytest.approx(never, abs=1e-6)


def test_a_level_of_the_past_is_found_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    log(2000, noise=0.0).to_csv(path, index=False)
    reaches = sc.forecast(path, schedule=HELD, until=4000, target_loss=2.3)[0].reaches
    assert reaches is not None
    assert reaches.already == pytest.approx(step_of(2.3), rel=0.1)
    assert (reaches.step, reaches.never) == (None, 0.0)


@pytest.mark.parametrize(
    ("column", "each", "dated"),
    [("_timestamp", 2.0, True), ("elapsed", 2.0, False), ("train_time_ms", 2000.0, False)],
)
def test_hours_follow_the_pace_of_the_log(
    column: str, each: float, dated: bool, tmp_path: Path
) -> None:
    first = 1.7e9 if dated else 0.0
    clock = first + each * np.arange(10, 2001, 10)
    clock[100:] += 3600 * each / 2.0  # an hour of waiting between two rows
    path = tmp_path / "run.csv"
    log(2000).assign(**{column: clock}).to_csv(path, index=False)
    reaches = sc.forecast(path, schedule=HELD, until=6000, target_loss=2.12)[0].reaches
    assert reaches is not None
    assert reaches.step is not None
    assert reaches.step.value is not None
    assert reaches.seconds is not None
    assert reaches.seconds.value == pytest.approx(2.0 * (reaches.step.value - 2000), rel=1e-6)
    assert (reaches.date is not None) is dated


def test_an_accuracy_reaches_a_level(tmp_path: Path) -> None:
    step = np.arange(10, 2001, 10)
    accuracy = 0.9 - 1.5 * step**-0.4
    path = tmp_path / "run.csv"
    pd.DataFrame({"step": step, "accuracy": accuracy}).to_csv(path, index=False)
    asked: dict[str, Any] = {"schedule": HELD, "until": 8000, "target": "accuracy", "rising": True}
    reaches = sc.forecast(path, **asked, target_loss=0.85)[0].reaches
    assert reaches is not None
    assert reaches.step is not None
    assert reaches.loss == pytest.approx(0.85)
    low, high = reaches.step.interval
    assert low is not None
    assert low <= (0.05 / 1.5) ** (-1 / 0.4) <= (high or np.inf)
    error = refused(UsageError, sc.forecast, path, **asked, target_loss=1.5)
    assert error.message == "--target-loss 1.5 cannot be reached: the limit is 1."


def test_the_first_line_answers(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    log(2000).to_csv(path, index=False)
    line = ["forecast", str(path), "--schedule", HELD, "--until", "6000", "--target-loss"]
    answer = command_line.run(*line, "2.12")
    assert answer.stdout.startswith("run reaches loss 2.12 at step 3.")
    assert len(answer.stdout.splitlines()) <= 25
    never = command_line.run(*line, "1.5").stdout.splitlines()[0]
    assert never == "run does not reach loss 1.5 by step 6k: probability 1.00"
    record = json.loads(command_line.run(*line, "2.12", "--json").stdout)
    stored = tmp_path / "forecast.json"
    stored.write_text(json.dumps(record))
    assert (
        sc.load(stored)[0].reaches
        == sc.forecast(path, schedule=HELD, until=6000, target_loss=2.12)[0].reaches
    )
