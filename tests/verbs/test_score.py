"""Kept forecasts against runs: numbers of a known truth, counts of exact distributions."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cli_fits
import command_line
import numpy as np
import pandas as pd
import pytest
from refusals import refused
from scipy.stats import beta, binom

import scaling_cli as sc
from scaling_cli.verbs import score as verb
from scaling_cli.vocabulary.errors import DataError, MismatchError, UsageError

T = cli_fits.TRUTH
Z90 = 1.6448536269514722
LADDER = Path(__file__).parents[2] / "data" / "ladder"
STORED = Path(__file__).parents[1] / "artefacts" / "v0.1.0" / "saved_prediction.json"


def loss(N: float, D: float) -> float:
    return T["E"] + T["A"] / N ** T["alpha"] + T["B"] / D ** T["beta"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a fit and a forecast of three runs."""
    monkeypatch.chdir(tmp_path)
    cli_fits.fit().to_json("fit.json")
    sizes: dict[str, Any] = {"N": [1e9, 2e9, 4e9], "D": [2e10, 4e10, 8e10]}
    sc.predict("fit.json", **sizes, save="forecast.json")
    return tmp_path


def runs(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["run_id", "params", "tokens", "loss"])


def test_a_run_is_held_against_the_range_of_its_own_point(here: Path) -> None:
    kept = sc.load("forecast.json")
    low, high = kept.predictions[0].new_run
    middle = kept.predictions[0].forecast
    far = middle + 2 * (high - middle)
    scored = sc.score(kept, runs(("a", 1e9, 2e10, middle), ("b", 2e9, 4e10, 1e-9 + far)))["scored"]
    a, b = scored
    assert (a["run"], a["inside"], a["error"]) == ("a", True, 0.0)
    assert (a["mean"], a["new_run"]) == (kept.predictions[0].mean, (low, high))
    own = kept.predictions[1]
    assert b["error"] == pytest.approx(own.forecast / (far + 1e-9) - 1)
    side = own.new_run[1] - own.forecast
    assert b["sds"] == pytest.approx((own.forecast - far - 1e-9) * Z90 / side)
    assert b["inside"] is (far + 1e-9 <= own.new_run[1])


def test_what_made_it_and_when_is_kept(here: Path) -> None:
    kept, fit = sc.load("forecast.json"), sc.load("fit.json")
    assert (kept.fit["name"], kept.law, kept.target) == ("fit.json", fit.law, "loss")
    assert kept.fit["n_points"] == fit.n_points
    assert abs(datetime.now(UTC) - datetime.fromisoformat(kept.date)).total_seconds() < 600
    again = sc.predict("fit.json", N=[1e9, 2e9, 4e9], D=[2e10, 4e10, 8e10])
    for i, promise in enumerate(kept.predictions):
        assert promise.value == pytest.approx(loss(**promise.inputs), rel=1e-12)
        assert promise.forecast == again.forecast[i]
        assert again.new_run is not None
        assert promise.new_run == tuple(end[i] for end in again.new_run)


def test_what_has_no_run_is_waited_for(here: Path) -> None:
    answer = sc.score("forecast.json", runs(("a", 1e9, 2e10, 2.5), ("other", 1e6, 1e7, 5.0)))
    assert [w["what"] for w in answer["waiting"]] == [
        {"N": 2e9, "D": 4e10},
        {"N": 4e9, "D": 8e10},
    ]
    assert answer["left_out"] == [{"run": "other", "reason": "at no point that was forecast"}]
    error = refused(DataError, sc.score, "forecast.json", runs(("other", 1e6, 1e7, 5.0)))
    assert error.message == "no run is at the point of a forecast yet."


def test_a_run_beside_its_point_is_met_by_the_law(here: Path) -> None:
    (scored,) = sc.score("forecast.json", runs(("a", 1.05e9, 1.9e10, 2.5)))["scored"]
    kept = sc.load("forecast.json").predictions[0]
    moved = loss(1.05e9, 1.9e10) / loss(1e9, 2e10)
    assert scored["asked"] == {"N": 1e9, "D": 2e10}
    assert scored["predicted"] == pytest.approx(kept.forecast * moved, rel=1e-12)
    assert scored["new_run"] == pytest.approx([v * moved for v in kept.new_run], rel=1e-12)
    refused(DataError, sc.score, "forecast.json", runs(("a", 1.2e9, 2e10, 2.5)))


def test_runs_that_were_fitted_are_no_test() -> None:
    kept = sc.load(STORED)
    at = replace(kept.predictions[0], inputs={"N": 1271064.0, "D": 1179648.0})
    answer = sc.score(replace(kept, predictions=(*kept.predictions, at)), LADDER / "runs.csv")
    fitted = {"run": "ladder-1271k-1.18M", "reason": "it is one of the runs that were fitted"}
    assert fitted in answer["left_out"]
    assert {s["run"] for s in answer["scored"]} == {"ladder-1271k-9.44M", "ladder-1271k-2.36M"}


def test_other_counts_are_refused(here: Path) -> None:
    table = pd.DataFrame(
        {"run_id": ["a"], "params_non_embedding": [1e9], "tokens": [2e10], "loss": [2.5]}
    )
    error = refused(MismatchError, sc.score, "forecast.json", table)
    assert error.message == "the forecast has N as total, the runs have it as non_embedding."


@pytest.mark.parametrize(("held", "number"), [(0, 1), (1, 1), (17, 20), (20, 20), (900, 1200)])
def test_the_record_is_that_of_a_binomial(held: int, number: int) -> None:
    low, high = verb._clopper_pearson(held, number)
    assert low == pytest.approx(beta.ppf(0.05, held, number - held + 1) if held else 0.0, abs=1e-9)
    top = beta.ppf(0.95, held + 1, number - held) if held < number else 1.0
    assert high == pytest.approx(top, abs=1e-9)
    assert verb._binomial(number, 0.9) == tuple(binom.ppf([0.05, 0.95], number, 0.9))


def test_ranges_that_are_right_hold_as_often_as_they_say(here: Path) -> None:
    """Runs drawn from the predictive distribution: the record must count them as 90 %."""
    kept, draw = sc.load("forecast.json"), np.random.default_rng(3)
    rows = []
    for i in range(300):
        own = kept.predictions[i % 3]
        sd = (own.new_run[1] - own.new_run[0]) / (2 * Z90)
        centre = (own.new_run[1] + own.new_run[0]) / 2
        rows.append((f"run {i}", own.inputs["N"], own.inputs["D"], draw.normal(centre, sd)))
    (record,) = sc.score(kept, runs(*rows))["record"]
    assert record["runs"] == 300
    low, high = record["expected"]
    assert (low, high) == tuple(binom.ppf([0.05, 0.95], 300, 0.9))
    assert low <= record["held"] <= high
    assert record["interval"][0] < 0.9 < record["interval"][1]
    assert record["rms_sds"] == pytest.approx(1.0, abs=0.1)


def test_several_forecasts_make_one_record(here: Path) -> None:
    (here / "kept").mkdir()
    for i, (N, D) in enumerate([(1e9, 2e10), (3e9, 3e10)]):
        sc.predict("fit.json", N=N, D=D, save=str(here / "kept" / f"{i}.json"))
    runs(("a", 1e9, 2e10, 2.5), ("b", 3e9, 3e10, 9.9)).to_csv("runs.csv", index=False)
    for given in (["kept"], ["kept/0.json", "kept/1.json"], ["kept/*.json"]):
        (record,) = sc.score(*given, "runs.csv")["record"]
        assert (record["forecasts"], record["runs"]) == (2, 2)


# --- forecasts of running jobs -------------------------------------------------------------------


def curve(steps: int) -> pd.DataFrame:
    """Return a run at a constant rate whose loss is 2 + 3 step^-0.4."""
    step = np.arange(10, steps + 1, 10)
    noise = 0.003 * np.random.default_rng(0).normal(size=len(step))
    return pd.DataFrame({"step": step, "loss": (2 + 3 * step**-0.4) * np.exp(noise)})


def test_a_forecast_of_a_running_job_is_scored_at_its_end(here: Path) -> None:
    curve(2000).to_csv("run.csv", index=False)
    schedule = "constant:peak=1e-3,steps=6000"
    command_line.run("forecast", "run.csv", "--schedule", schedule, "-o", "job.json")
    waiting = command_line.run("score", "job.json", "run.csv", "--json")
    assert waiting.exit_code == 3
    assert "the run is at step 2000" not in json.loads(waiting.stdout)["error"]["message"]
    curve(6000).to_csv("run.csv", index=False)
    (scored,) = sc.score("job.json", "run.csv")["scored"]
    assert scored["measured"] == pytest.approx(2 + 3 * 6000**-0.4, rel=3e-3)
    assert scored["predicted"] == pytest.approx(sc.load("job.json")[0].value, rel=1e-3)
    assert scored["inside"] is True


# --- what is said --------------------------------------------------------------------------------


def test_the_first_line_answers(here: Path) -> None:
    middle = sc.load("forecast.json").predictions[0].forecast
    runs(("a", 1e9, 2e10, middle)).to_csv("runs.csv", index=False)
    lines = command_line.run("score", "forecast.json", "runs.csv").stdout.splitlines()
    assert lines[0].startswith("it came true: a is inside its 90 % range, off by ")
    assert len(lines) <= 25
    runs(("a", 1e9, 2e10, 2 * middle)).to_csv("runs.csv", index=False)
    lines = command_line.run("score", "forecast.json", "runs.csv").stdout.splitlines()
    assert lines[0] == ("it did not come true: a is outside its 90 % range, off by 50.0 %, too low")


def test_what_is_no_forecast_is_refused(here: Path) -> None:
    assert refused(UsageError, sc.score, "forecast.json").message == (
        "there are no runs to hold the forecast against."
    )
    error = refused(UsageError, sc.score, "fit.json", "runs.csv")
    assert error.message == (
        "fit.json is a fit of a law of points, not a saved prediction: use it with "
        f"'{sc.load('fit.json').usage('fit.json')}'."
    )


def test_a_prediction_along_a_schedule_is_not_kept(here: Path) -> None:
    schedule = "constant:peak=1e-3,steps=6000"
    result = command_line.run("predict", "--schedule", schedule, "--save", "x.json", "--json")
    assert json.loads(result.stdout)["error"]["message"] == (
        "--save keeps predictions at points, not along schedules."
    )


def test_a_loss_that_nobody_named_is_the_held_out_one_where_there_is_one(here: Path) -> None:
    """A fit to a table of final losses is held against logs by what a fit of them would take."""
    kept = sc.load("forecast.json")
    first = kept.predictions[0]
    table = runs(("a", 1e9, 2e10, 9.0)).assign(val_loss=first.forecast)
    (scored,) = sc.score(kept, table)["scored"]
    assert (scored["target"], scored["error"]) == ("val_loss", 0.0)
    named = replace(kept, data={**kept.data, "named": True})
    (scored,) = sc.score(named, table)["scored"]
    assert (scored["target"], scored["measured"]) == ("loss", 9.0)
