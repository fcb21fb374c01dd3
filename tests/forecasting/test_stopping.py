"""Which of several runs to stop: closed forms of two, simulations whose best is known."""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import command_line
import numpy as np
import pytest
from refusals import refusal, refused

import scaling_cli as sc
from scaling_cli import learning_curves
from scaling_cli.artefacts.forecast import Forecast, Known, Scenario, Seen
from scaling_cli.forecasting import stopping
from scaling_cli.forecasting.job import Job
from scaling_cli.vocabulary.errors import UsageError

Z90 = 1.6448536269514722
STEP = np.arange(10, 1001, 10)


def job(run: str, end: float = 2.0, until: int = 1000, **facts: Any) -> Job:
    step = STEP[until >= STEP]
    return Job(run, step.astype(float), end + 3 * step**-0.5, **facts)


def forecast(
    run: str, value: float, sd: float, ways: dict[str, tuple[float, float]] | None = None
) -> Forecast:
    """Return a forecast of a run halfway, whose end is normal; or under ways that may come."""
    half = Z90 * sd
    scenarios = [
        Scenario(name, "constant", middle, (middle - half, middle + half), weight)
        for name, (middle, weight) in (ways or {}).items()
    ]
    known = Known("constant", "given", "as given", None, 1000.0)
    ends = (value - half, value + half)
    seen = Seen(500.0, None, 3.0, 50)
    return Forecast(
        run, "steps", seen, 1000.0, value, 0.9, ends, ends, True, "law", known, scenarios
    )


def two(first: Forecast, second: Forecast, **options: Any) -> dict[str, float]:
    jobs = [job(first.run, until=500), job(second.run, until=500)]
    told = stopping.which_to_stop([first, second], jobs, [], **options)
    return {c.run: c.p_best for c in told.candidates}


@pytest.mark.parametrize("apart", [0.0, 0.01, 0.03])
def test_of_two_normal_ends_the_difference_decides(apart: float) -> None:
    likely = two(forecast("a", 2.0, 0.02), forecast("b", 2.0 + apart, 0.02))
    spread = 0.02 * np.sqrt(2 * (1 - stopping.SHARED))
    assert likely["a"] == pytest.approx(NormalDist().cdf(apart / spread), abs=0.015)
    assert sum(likely.values()) == pytest.approx(1.0)


def test_what_rises_is_best_at_its_highest() -> None:
    assert two(forecast("a", 0.7, 0.01), forecast("b", 0.9, 0.01), rising=True)["b"] > 0.99


def test_the_schedule_that_comes_is_that_of_all() -> None:
    """Whether the rate is cooled down is worth ten times what parts the two; it parts nothing."""
    first = forecast("a", 2.0, 0.001, {"stays": (2.1, 0.5), "cools": (1.9, 0.5)})
    second = forecast("b", 2.01, 0.001, {"stays": (2.11, 0.5), "cools": (1.91, 0.5)})
    assert two(first, second)["a"] > 0.99


def test_the_least_likely_are_stopped_up_to_the_risk() -> None:
    several = [forecast(str(i), 2.0 + 0.02 * i, 0.02) for i in range(6)]
    jobs = [job(str(i), until=500, batch_tokens=1e3, params=1e6 * (i + 1)) for i in range(6)]
    for risk in (0.02, 0.1, 0.3):
        told = stopping.which_to_stop(several, jobs, [], risk=risk)
        stopped = [c for c in told.candidates if c.stop]
        going = [c for c in told.candidates if not c.stop]
        assert told.p_stopped == pytest.approx(sum(c.p_best for c in stopped))
        assert told.p_stopped <= risk
        assert min(c.p_best for c in going) + told.p_stopped > risk
        assert told.by == "compute"
        assert told.saved == pytest.approx(sum(int(c.run) + 1 for c in stopped) / 21)


def test_the_risk_is_how_often_the_best_is_stopped() -> None:
    """Ends drawn with half of the variance in common: the best is stopped as often as is said."""
    draw, missed, said, regrets, told_regret = np.random.default_rng(2), 0, 0.0, 0.0, 0.0
    for _ in range(200):
        middle, sd = draw.normal(2.0, 0.05, size=5), draw.uniform(0.01, 0.05, size=5)
        error = np.sqrt(0.5) * draw.normal() + np.sqrt(0.5) * draw.normal(size=5)
        end = middle + sd * error
        several = [forecast(str(i), middle[i], sd[i]) for i in range(5)]
        jobs = [job(str(i), until=500) for i in range(5)]
        told = stopping.which_to_stop(several, jobs, [], risk=0.2)
        going = [int(c.run) for c in told.candidates if not c.stop]
        missed += int(np.argmin(end)) not in going
        regrets += float(end[going].min() - end.min())
        said, told_regret = said + told.p_stopped, told_regret + told.regret
    assert missed / 200 == pytest.approx(said / 200, abs=0.06)
    assert regrets == pytest.approx(told_regret, rel=0.5)


def test_a_run_that_has_ended_is_a_candidate_but_nothing_is_left_of_it(tmp_path: Path) -> None:
    for name, end, until in (("done", 2.0, 1000), ("worse", 2.6, 600)):
        one = job(name, end, until)
        lines = [f"{x:.0f},{y}" for x, y in zip(one.x, one.loss, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["step,loss", *lines, ""]))
    asked: dict[str, Any] = {"schedule": "constant:peak=1e-3,steps=1000", "stop": True}
    told = sc.forecast(str(tmp_path / "*.csv"), **asked)
    assert told.stop is not None
    assert [(c.run, c.stop, c.left) for c in told.stop.candidates] == [
        ("done", False, 0.0),
        ("worse", True, 400.0),
    ]
    assert told.stop.saved == 1.0
    line = ["forecast", str(tmp_path / "*.csv"), "--schedule", asked["schedule"], "--stop"]
    printed = command_line.run(*line).stdout
    assert printed.startswith(
        "stop 1 of 2: worse; that saves 100 % of the steps left to run, and the best is\n  among "
        "them with probability below 0.01\n"
    )
    assert len(printed.splitlines()) <= 25
    path = tmp_path / "kept.json"
    path.write_text(command_line.run(*line, "--json").stdout)
    assert sc.load(path).stop == told.stop
    assert json.loads(path.read_text())["stop"]["risk"] == 0.1


def test_what_cannot_be_chosen_among_is_refused(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"schedule": "constant:peak=1e-3,steps=2000", "stop": True}
    error = refused(UsageError, sc.forecast, [job("a")], **asked)
    assert error.message == "--stop chooses among several runs; there is one."
    error = refused(UsageError, sc.forecast, [job("a"), job("b")], **asked, risk=1.5)
    assert error.message == "--risk must lie between 0 and 1, not 1.5."
    one, other = job("a", target="loss"), job("b", target="val_loss")
    error = refused(UsageError, sc.forecast, [one, other], **asked)
    assert error.message == (
        "the runs log different losses (loss, val_loss): no end is the best of all."
    )


def test_families_are_chosen_by_name() -> None:
    """A curve of one family, forecast by it alone, ends where it ends."""
    told = sc.forecast([job("a")], schedule="constant:peak=1e-3,steps=4000", families=["pow3"])[0]
    assert told.method == "families"
    assert told.value == pytest.approx(2 + 3 * 4000**-0.5, rel=2e-3)
    assert any(note.startswith("families, the heaviest: pow3 100 %") for note in told.notes)
    error = refused(UsageError, sc.forecast, [job("a")], until=4000, families=["pow33"])
    assert "pow3" in str(error)


def test_runs_that_are_no_candidates_are_told(tmp_path: Path) -> None:
    head, *rows = Path("data/ladder/runs/schedule-164k-2.1M-cosine.csv").read_text().splitlines()
    for name, count in (("long", 80), ("short", 3)):
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *rows[:count]]) + "\n")
    told = refusal(UsageError, sc.forecast, sc.read(tmp_path), until=2048, target="loss", stop=True)
    assert told.startswith(
        "--stop chooses among several runs; there is one. Left out: short: 3 point(s) of its loss; "
        "a forecast needs 5."
    )
    assert refusal(UsageError, sc.forecast, sc.read(tmp_path), until=2048, families=[]) == (
        "no family of learning curves is named. --families pow3,mmf"
    )
    assert refusal(UsageError, learning_curves.get, "pow9").startswith(
        "there is no family of learning curves 'pow9'. Did you mean pow4 or pow3? Known families "
        "of learning curves: exp4, "
    )
