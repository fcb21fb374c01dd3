"""From log files to a forecast through the command line: ingest, runs, fit, predict."""

import json
import math
from pathlib import Path
from typing import Any

import cli_fits
import pytest
from command_line import run

from scaling_cli import ingest

SIZES = (1e7, 3e7, 1e8, 3e8, 1e9)
RATIOS = (10.0, 40.0, 160.0)


def loss(N: float, D: float) -> float:
    t = cli_fits.TRUTH
    return t["E"] + t["A"] / N ** t["alpha"] + t["B"] / D ** t["beta"]


def table(noise: float = 0.0) -> str:
    """Return runs on the law of cli_fits; every other run is off by +noise, the rest by -noise."""
    lines = ["run_id,params,tokens,loss"]
    for i, (N, ratio) in enumerate((N, ratio) for N in SIZES for ratio in RATIOS):
        value = loss(N, ratio * N) * math.exp(noise * (-1) ** i)
        lines.append(f"run{i:02d},{N:.0f},{ratio * N:.0f},{value!r}")
    return "\n".join(lines) + "\n"


def curve(N: float, D: float, steps: int = 20) -> str:
    """Return the log of one run whose loss follows the law in the tokens seen so far."""
    seen = [D * (step + 1) / steps for step in range(steps)]
    rows = [f"{step + 1},{D_:.0f},{loss(N, D_)!r}" for step, D_ in enumerate(seen)]
    return "\n".join(["step,tokens,loss", *rows]) + "\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text(table())
    return tmp_path


# --- runs -----------------------------------------------------------------------------------


def test_runs_shows_what_was_understood(here: Path) -> None:
    result = run("runs", "runs.csv", "--full")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["run", "points", "N", "D", "loss", "state"]
    assert lines[1].split() == ["run00", "1", "10M", "100M", f"{loss(1e7, 1e8):.4f}", "finished"]
    assert lines[17].startswith("15 runs, 15 points")
    assert lines[18].split()[:5] == ["N", "10M", "to", "1B", "parameters"]
    assert "columns of runs.csv" in lines
    told = {tuple(line.split()[:3]) for line in lines}
    assert {("params", "params", "parameters"), ("loss", "loss", "nats/token")} <= told


def test_runs_as_json(here: Path) -> None:
    record = json.loads(run("runs", "runs.csv", "--json").stdout)
    assert list(record) == ["schema_version", "runs", "ranges", "columns", "notes"]
    assert record["schema_version"] == 1
    assert len(record["runs"]) == len(SIZES) * len(RATIOS)
    assert {"run_id", "n_points", "tokens", "params", "loss", "state", "problems"} <= set(
        record["runs"][0]
    )
    assert record["ranges"]["N"] == [1e7, 1e9]
    assert record["ranges"]["L"] == [loss(1e9, 160e9), loss(1e7, 1e8)]
    assert {"file", "column", "canonical", "unit", "convention", "why"} == set(record["columns"][0])


def test_many_runs_are_summarised(here: Path) -> None:
    rows = [f"r{i},{1e7 + i},{1e9},{3.0}" for i in range(43)]
    Path("many.csv").write_text("\n".join(["run_id,params,tokens,loss", *rows]) + "\n")
    lines = run("runs", "many.csv").stdout.splitlines()
    assert lines[10].startswith("r9 ")
    assert lines[11] == "and 33 more (--full)"
    whole = run("runs", "many.csv", "--full").stdout.splitlines()
    assert whole[43].startswith("r42  ")
    assert whole[44] == ""


# --- ingest ---------------------------------------------------------------------------------


def test_ingest_twice_changes_nothing(here: Path) -> None:
    first = run("ingest", "runs.csv", "--store", "s")
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.startswith("store     s: 15 points\n          runs: 15 added\n")
    assert first.stdout.endswith("next      scaling fit s\n")
    (here / "my run.csv").write_text(curve(1e7, 1e9))
    alone = run("ingest", "my run.csv", "--store", "my store")
    assert alone.stdout.endswith("next      scaling runs 'my store'\n")
    second = json.loads(run("ingest", "runs.csv", "--store", "s", "--json").stdout)
    assert (second["added"], second["replaced"], len(second["unchanged"])) == ([], [], 15)
    assert (second["store"], second["points"]) == ("s", 15)


# --- fit ------------------------------------------------------------------------------------


def fitted(*arguments: str) -> dict[str, Any]:
    result = run("fit", *arguments, "--bootstrap", "20", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_noiseless_runs_give_the_law_back(here: Path) -> None:
    record = fitted("runs.csv")
    assert record["parameters"] == pytest.approx(cli_fits.TRUTH, rel=1e-5)
    assert record["n_points"] == 15
    assert record["command"] == "scaling fit runs.csv --bootstrap 20 --json"


def test_the_store_gives_the_same_fit_as_the_files(here: Path) -> None:
    Path("runs.csv").write_text(table(noise=0.003))
    run("ingest", "runs.csv", "--store", "s")
    direct, stored = fitted("runs.csv"), fitted("s")
    for key in ("parameters", "objective", "intervals", "backtest", "n_points"):
        assert direct[key] == stored[key]
    assert direct["data"]["sha256"] == stored["data"]["sha256"]


def test_curves_with_facts_from_options(here: Path) -> None:
    logs = here / "logs"
    logs.mkdir()
    for N in SIZES:
        for ratio in RATIOS:
            (logs / f"{N:.0f}_{ratio:.0f}.csv").write_text(curve(N, ratio * N))
    record = fitted("logs", "--name", "{params}_{ratio}")
    assert record["n_points"] == 15
    assert record["parameters"] == pytest.approx(cli_fits.TRUTH, rel=1e-5)


def test_from_files_to_a_forecast(here: Path) -> None:
    Path("runs.csv").write_text(table(noise=0.003))
    result = run("fit", "runs.csv", "--bootstrap", "50", "--full")
    assert (result.exit_code, result.stderr) == (0, "")
    blocks = [block.split()[0] for block in result.stdout.split("\n\n")]
    assert blocks == [
        "data:",
        "left",
        "law",
        "10x",
        "parameters",
        "backtest",
        "other",
        "influence",
    ]
    assert result.stdout.startswith("data: 15 runs, 15 points from runs.csv\n")
    Path("held_out.csv").write_text(f"N,D,loss\n3B,120B,{loss(3e9, 1.2e11)!r}\n")
    check = json.loads(run("predict", "--points", "held_out.csv", "--json").stdout)
    (point,) = check["predictions"]
    assert point["inside"]
    assert abs(point["error"]) < 0.01
    assert point["extrapolation"]["C"] == pytest.approx(3e9 * 1.2e11 / (1e9 * 1.6e11))


def test_standard_input(here: Path) -> None:
    result = run("fit", "-", "--bootstrap", "5", "--json", input=table())
    assert json.loads(result.stdout)["n_points"] == 15


# --- refusals -------------------------------------------------------------------------------


def test_a_where_that_leaves_too_few(here: Path) -> None:
    result = run("fit", "runs.csv", "--where", "params < 2e7")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.startswith("error: 3 distinct configurations cannot determine the 5 ")
    assert not Path("fit.json").exists()


@pytest.mark.parametrize("command", ["runs", "fit", "ingest"])
def test_a_source_that_is_not_there_is_bad_data(here: Path, command: str) -> None:
    result = run(command, "nowhere.csv", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "data"


@pytest.mark.parametrize("command", ["runs", "fit", "ingest"])
def test_an_empty_file_is_bad_data(here: Path, command: str) -> None:
    Path("empty.csv").write_text("")
    result = run(command, "empty.csv")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("error: empty.csv: ")


def test_text_in_a_number_column_names_file_row_and_column(here: Path) -> None:
    Path("bad.csv").write_text("run_id,params,tokens,loss\na,1B,1T,2.5\nb,1B,many,2.5\n")
    result = run("runs", "bad.csv", "--json")
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == 3
    assert (error["file"], error["row"], error["column"]) == ("bad.csv", 3, "tokens")


# --- what a log cannot say -------------------------------------------------------------------


def test_a_run_whose_last_lines_are_nan_is_not_forecast(here: Path) -> None:
    """llm.c pads what it prints: `loss     nan` is a measurement."""
    line = "step {:4d}/400 | loss {:>8} (+nanz)| norm 0.3000 (+nanz)| lr 6.00e-04 | 420.95 ms |\n"
    values = [f"{3 + 7 / s:.6f}" if s <= 90 else "nan" for s in range(1, 121)]
    text = "".join(line.format(s, value) for s, value in enumerate(values, start=1))
    (here / "train.log").write_text(text)
    done = run("forecast", "train.log")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(
        "error: run 'train' diverged: its loss is not finite after step 90.\n"
    )


def test_a_table_in_which_nothing_is_recognised(here: Path) -> None:
    (here / "teams.csv").write_text("team,points,wins\na,3,4\nb,5,6\n")
    text = run("runs", "teams.csv").stdout
    assert "2 runs, 2 points\n  no N, D, C or loss was recognised\n" in text
    assert (
        "! no-loss: teams.csv: no loss was recognised; columns of numbers: points, wins\n"
        "  (--map loss=COLUMN reads one as the loss).\n"
    ) in text
    runs = ingest.read("teams.csv")
    assert [note.code for note in runs.noticed("points")] == [
        note.code for note in runs.noticed() if note.code != "no-loss"
    ]
    assert len(runs.noticed("points")) == len(runs.noticed()) - 1


def test_pruned_models_are_fitted_by_their_mean_size(here: Path) -> None:
    """Sizes fall to half over each log; the loss at its end is the law's at the mean size."""
    (here / "logs").mkdir()
    for i, (N, D) in enumerate((N, ratio * N) for N in SIZES for ratio in RATIOS):
        rows = ["tokens,n_params,loss"]
        for k in range(1, 21):
            size = N * (1 - k / 40)
            mean = N * (1 - (k * k + 1) / (80 * k))  # trapezoids, and the first step as it ended
            rows.append(f"{D * k / 20:.0f},{size!r},{loss(mean, D * k / 20)!r}")
        (here / "logs" / f"r{i:02d}.csv").write_text("\n".join([*rows, ""]))
    done = run("fit", "logs", "--law", "average_parameters", "--bootstrap", "0", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["n_points"] == 15
    for name in ("alpha", "beta"):
        assert record["parameters"][name] == pytest.approx(cli_fits.TRUTH[name], rel=1e-3)
