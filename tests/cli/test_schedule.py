"""`scaling schedule`: what a schedule is, and which one a log followed."""

import json
from functools import partial
from pathlib import Path

import command_line
import numpy as np
import pytest

from scaling_cli.schedules import parse_schedule

WSD = "wsd:peak=3e-4,warmup=2160,stable=0.8,decay=linear,min=3e-5,steps=24000"


run = partial(command_line.run, "schedule")


def log(text: str, every: int = 10) -> str:
    schedule = parse_schedule(text)
    steps = range(0, int(schedule.length), every)
    lines = [f"{s},{schedule.lr(s):.6f},3.5" for s in steps]
    return "\n".join(["step,lr,loss", *lines]) + "\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_schedule_is_described() -> None:
    result = run(WSD, "--batch-tokens", "500k")
    assert (result.exit_code, result.stderr) == (0, "")
    # warm-up sum_{s<2160} s/2160, 17,040 steps at the peak, then 4,800 from 1 down to 0.1
    area = 2159 / 2 + 17040 + sum(1 - 0.9 * s / 4800 for s in range(4800))
    assert (
        result.stdout
        == f"""\
schedule  wsd:peak=0.0003,warmup=2160,stable=19200,min=3e-05,steps=24000
          24k steps = 12B tokens; peak 0.0003, last 3e-05 (10.0 % of it)
          area S1 = {3e-4 * area:.6g}, the sum of lr over steps: as {area:.6g} steps at the
            peak (86.5 % of the steps)

phases
  phase         from step  to step  lr from   lr to  of the run
  warm-up               0    2.16k        0  0.0003      9.00 %
  constant          2.16k    19.2k   0.0003  0.0003      71.0 %
  linear decay      19.2k      24k   0.0003   3e-05      20.0 %
"""
    )


def test_a_schedule_over_tokens_needs_a_batch_for_its_area() -> None:
    text = "cosine:peak=0.001,warmup=2B,tokens=1T"
    assert "area unknown: say how many tokens a step takes (--batch-tokens)" in run(text).stdout
    (item,) = json.loads(run(text, "--json").stdout)["schedules"]
    assert (item["steps"], item["tokens"], item["area"]) == (None, 1e12, None)
    (item,) = json.loads(run(text, "--batch-tokens", "1M", "--json").stdout)["schedules"]
    assert (item["steps"], item["tokens"]) == (1e6, 1e12)
    assert item["area"] == pytest.approx(0.001 * (2000 / 2 + (1e6 - 2000) / 2), rel=1e-6)


def test_json_of_a_schedule() -> None:
    record = json.loads(run(WSD, "--json").stdout)
    assert (record["schema_version"], record["left_out"]) == (1, [])
    (item,) = record["schedules"]
    assert list(item) == [
        "run",
        "text",
        "family",
        "unit",
        "steps",
        "tokens",
        "batch_tokens",
        "peak",
        "last",
        "area",
        "phases",
        "identification",
    ]
    assert item["text"] == parse_schedule(WSD).text()
    assert item["phases"][1] == {
        "name": "constant",
        "start": 2160,
        "end": 19200,
        "first": 0.0003,
        "last": 0.0003,
    }
    assert item["identification"] is None


def test_a_log_is_identified(here: Path) -> None:
    text = "cosine:peak=0.001,warmup=50,min=0.0001,steps=1000"
    Path("a.csv").write_text(log(text))
    result = run("a.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"schedule  a: {text}\n" in result.stdout
    assert "log       certain: one schedule explains the log\n" in result.stdout
    assert "100 rows, rounded to +/-0.0005 of the peak; 100 % of them within it" in result.stdout
    (item,) = json.loads(run("a.csv", "--json").stdout)["schedules"]
    assert (item["run"], item["text"]) == ("a", text)
    found = item["identification"]
    assert list(found) == [
        "verdict",
        "misfit",
        "within",
        "rounding",
        "shift",
        "rows",
        "rivals",
        "notes",
    ]
    assert (found["verdict"], found["within"], found["rows"]) == ("certain", 1.0, 100)
    assert found["rounding"] == pytest.approx(0.5e-6 / 0.001)


def test_rivals_are_listed(here: Path) -> None:
    whole = log("cosine:peak=6e-4,warmup=700,steps=20000", every=100)
    Path("a.csv").write_text("\n".join(whole.splitlines()[:31]) + "\n")
    result = run("a.csv")
    assert "log       ambiguous: several schedules explain the log\n" in result.stdout
    table = result.stdout.partition("it could also be\n")[2].partition("\n\n")[0].splitlines()
    assert table[0].split() == ["schedule"]
    assert table[1].split() == ["misfit", "rows", "within", "apart"]
    assert len(table) >= 2
    (item,) = json.loads(run("a.csv", "--steps", "20k", "--json").stdout)["schedules"]
    assert item["text"] == "cosine:peak=0.0006,warmup=700,steps=20000"


def test_a_log_that_nothing_explains_is_told_in_part(here: Path) -> None:
    Path("a.csv").write_text(log("cyclic:peak=1e-3,min=1e-4,period=500,steps=2000"))
    result = run("a.csv")
    assert "unexplained: no schedule explains the log; the log itself is taken" in result.stdout
    assert "INFO the rate rises again at step 500." in result.stdout
    shown = "".join(result.stdout.partition("\n\n")[0].split())
    assert shown.startswith("schedulea:knots:0=0.001,10=0.000999,20=0.000996,")
    assert ",...(--json)1.991ksteps;" in shown
    assert "phases" not in result.stdout
    (item,) = json.loads(run("a.csv", "--json").stdout)["schedules"]
    assert parse_schedule(item["text"]).lr(np.arange(0, 2000, 10))[50] == 0.001


def test_runs_without_a_learning_rate_are_listed(here: Path) -> None:
    Path("a.csv").write_text(log("linear:peak=1e-3,steps=1000"))
    Path("b.csv").write_text("step,loss\n1,3.5\n2,3.4\n3,3.3\n")
    result = run("a.csv", "b.csv")
    assert result.exit_code == 0
    assert result.stdout.endswith(
        "left out  1\n          b: 0 row(s) with a step and a learning rate\n"
    )
    alone = run("b.csv")
    assert (alone.exit_code, alone.stdout) == (3, "")
    assert alone.stderr == (
        "error: b.csv: no run has a learning rate along its steps.\n"
        "hint: Say which column it is: --map lr=COLUMN. Columns found: step, loss.\n"
    )


def test_a_text_that_is_none_is_a_mistake_of_usage() -> None:
    result = run("cosine:peak=1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: cosine needs steps (or tokens).\n"
        "hint: Write cosine:peak=...,[warmup=...],[init=...],[first=...],[min=...],steps=....\n"
    )
