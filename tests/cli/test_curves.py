"""Loss curves through the command line: fit, predict along schedules, draw, and what is refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

import scaling_cli as sc
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import CurveFit

SIZE = "schedule-164k-2.1M"
FITTED = ("constant", "cosine", "wsd20")
CONSTANT = "constant:peak=0.0047,warmup=100,steps=2048"
WSD = "wsd:peak=0.0047,warmup=100,stable=0.8,steps=2048"
WSD_TEXT = "wsd:peak=0.0047,warmup=100,stable=1638.4,steps=2048"
CERTIFIED = "multi_power/luo-2025-25m"


@pytest.fixture(scope="module")
def sources(root: Path) -> list[str]:
    folder = root / "data/ladder"
    logs = [str(folder / f"runs/{SIZE}-{kind}.csv") for kind in FITTED]
    return [*logs, "--meta", str(folder / "runs.csv")]


@pytest.fixture(scope="module")
def fitted(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A fit of the area law to three curves of the ladder, and what was printed."""
    path = tmp_path_factory.mktemp("fit") / "fit.json"
    options = ["--law", "area_exponential", "--bootstrap", "10", "-o", str(path), "--full"]
    done = run("fit", *sources, *options)
    assert done.exit_code == 0, done.stderr
    return path, done.stdout


def test_fit_says_what_it_did(fitted: tuple[Path, str]) -> None:
    path, text = fitted
    fit = sc.load(path)
    assert isinstance(fit, CurveFit)
    law = fit.laws["area_exponential"].law
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # However long the path of the clone is, and so wherever the line breaks.
    assert " ".join(text.split()).startswith("data: 3 runs, 36 points from /")
    assert "target: val_loss." in lines
    for r in fit.runs:
        assert r.misfit is not None and r.end_error is not None and r.effective is not None
        words = (
            f"{r.run} points {r.points} independent {r.effective:.0f} "
            f"misfit {100 * r.misfit:.2f} % at its end {100 * r.end_error:+.2f} % "
            f"schedule {r.schedule}"
        )
        assert words in " ".join(lines)
    assert "schedules: as its column states." in lines
    assert any(line.startswith(f"B {law.values()['B']:.6g} [") for line in lines)
    for fold in fit.held_out:
        assert fold.error is not None and fold.end_error is not None
        assert f"{fold.runs[0]} {100 * fold.error:.2f} % {100 * fold.end_error:+.2f} %" in lines
    assert lines[-2:] == [
        f"--fit {path} \\",
        "--schedule wsd:peak=0.0047,warmup=100,stable=0.9,decay=linear,steps=2048",
    ]


def test_the_prediction_is_that_of_the_library(fitted: tuple[Path, str]) -> None:
    path, _ = fitted
    done = run(
        "predict",
        "--fit",
        str(path),
        "--schedule",
        CONSTANT,
        "--schedule",
        WSD,
        "--json",
        "--every",
        "1000",
    )
    record = json.loads(done.stdout)
    fit = kinds.load(str(path), CurveFit)
    first, second = record["predictions"]
    for prediction, text in ((first, CONSTANT), (second, WSD_TEXT)):
        found = fit.predict(text)
        assert prediction["inputs"] == {"schedule": text, "S": 2047}
        assert prediction["value"] == found.value[-1]
        assert found.mean is not None and found.new_run is not None
        assert prediction["mean"] == [found.mean[0][-1], found.mean[1][-1]]
        assert prediction["new_run"] == [found.new_run[0][-1], found.new_run[1][-1]]
        assert (prediction["output"], prediction["level"]) == ("L", 0.9)
        assert prediction["extrapolation"] == {"S": 1.0, "lr": 1.0}
    assert second["difference"]["value"] == pytest.approx(second["value"] - first["value"])
    low, high = second["difference"]["interval"]
    assert low < second["difference"]["value"] < high < 0
    assert second["difference"]["agree"] == [1, 1]
    assert [p["inputs"]["S"] for p in record["along"]] == [1000, 2000] * 2
    curve = record["curves"][1]
    assert curve["value"][-1] == second["value"] and len(curve["step"]) == len(curve["mean"][0])
    assert (record["tested"], record["law"]) == (True, "area_exponential")


def test_a_decay_ends_lower_and_the_table_says_how_surely(fitted: tuple[Path, str]) -> None:
    path, _ = fitted
    done = run("predict", "--fit", str(path), "--schedule", CONSTANT, "--schedule", WSD, "--full")
    rows = [line.split() for line in done.stdout.splitlines()]
    # Too wide for 80 columns: each value with its header, below its schedule.
    first, second = done.stdout.partition("\n\n")[0].split(f"{WSD_TEXT}\n")
    assert rows[0] == [CONSTANT]
    told = " ".join(second.split())
    for header in ("step 2047 loss ", " 90 % curve [", " 90 % one value [", " from the first -"):
        assert header in told
    assert " order sure " in told and told.endswith(" laws agree 1 of 1")
    # One digit was measured for each: the ladder's own runs, ends 1.5239 and 1.4454.
    assert float(first.split()[4]) == pytest.approx(1.524, rel=0.01)
    assert float(second.split()[3]) == pytest.approx(1.445, rel=0.01)


def test_what_lies_far_out_is_warned_about(fitted: tuple[Path, str]) -> None:
    path, _ = fitted
    done = run("predict", "--fit", str(path), "--schedule", "cosine:peak=0.01,steps=6144")
    text = " ".join(done.stdout.split())
    assert "! step 6143 is 3.0 times the longest fitted run: decays after long runs" in text
    assert "! the peak 0.01 lies above 0.0047, the highest rate that was fitted." in text


def test_curves_are_written_and_drawn(fitted: tuple[Path, str], tmp_path: Path) -> None:
    path, _ = fitted
    options = ["--fit", str(path), "--schedule", CONSTANT, "--schedule", WSD]
    done = run("predict", *options, "-o", str(tmp_path / "curves.csv"))
    assert done.stdout.splitlines()[-1] == f"written   {tmp_path / 'curves.csv'}"
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    predicted = kinds.load(str(path), CurveFit).predict(CONSTANT)
    some = [row for row in rows if row["schedule"] == CONSTANT]
    assert [float(row["loss"]) for row in some] == predicted.value.tolist()
    assert [int(row["step"]) for row in some] == predicted.step.tolist()
    assert run("predict", *options, "-o", str(tmp_path / "curves.png")).exit_code == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_of_predicted_against_measured(
    fitted: tuple[Path, str], root: Path, tmp_path: Path
) -> None:
    path, _ = fitted
    folder = root / "data/ladder"
    done = run(
        "plot",
        str(path),
        "--kind",
        "curves",
        "--json",
        "-o",
        str(tmp_path / "curves.svg"),
        "--measured",
        str(folder / f"runs/{SIZE}-wsd*.csv"),
        "--meta",
        str(folder / "runs.csv"),
    )
    panels = json.loads(done.stdout)["numbers"]["runs"]
    assert [(p["title"], p["fitted"]) for p in panels] == [
        ("constant", True),
        ("cosine", True),
        ("wsd20", True),
        ("wsd10", False),
        ("wsd20sqrt", False),
        ("wsd40", False),
    ]
    fit = kinds.load(str(path), CurveFit)
    for panel in panels:
        value = fit.predict(panel["schedule"], panel["step"]).value
        assert panel["residual"] == pytest.approx(
            (100 * np.log(value / np.array(panel["measured"]))).tolist()
        )
    assert (tmp_path / "curves.svg").read_text().count("held out") == 3


def test_the_figure_of_schedules(fitted: tuple[Path, str], tmp_path: Path) -> None:
    path, _ = fitted
    target = str(tmp_path / "schedules.svg")
    done = run("plot", str(path), "--kind", "schedules", "--json", "-o", target)
    lines = json.loads(done.stdout)["numbers"]["lines"]
    fit = kinds.load(str(path), CurveFit)
    assert len(lines) == 3
    for line, fitted_run in zip(lines, fit.runs, strict=True):
        assert line["value"] == fit.predict(fitted_run.schedule).value.tolist()
    assert "where the curve lies" in (tmp_path / "schedules.svg").read_text()


def test_without_a_decay_there_is_no_fit(sources: list[str]) -> None:
    done = run("fit", sources[0], *sources[3:], "--law", "average", "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["error"]["message"] == (
        "the learning rate never falls in these runs: what a fall does is not in the data."
    )


def test_the_certified_fit_predicts_any_schedule_without_bands() -> None:
    text = "wsd:peak=3e-4,warmup=2160,stable=0.8,decay=linear,min=3e-5,steps=24000"
    done = run("predict", "--fit", CERTIFIED, "--schedule", text)
    assert done.exit_code == 0, done.stderr
    head, row = done.stdout.splitlines()[:2]
    assert head.split() == ["schedule", "step", "loss"]
    law = kinds.load(CERTIFIED, CurveFit)
    assert row.split()[2] == f"{law.predict(text).value[-1]:.4f}"
    assert "no bands: these are published numbers, and the fit carries no draws." in done.stdout


def test_schedules_are_given_where_none_is_logged(tmp_path: Path) -> None:
    for name, text in (("a", CONSTANT), ("b", WSD)):
        schedule = sc.parse_schedule(text)
        step = np.arange(100, 2048, 100)
        area = np.cumsum(schedule.per_step() / 0.0047)[step]
        loss = 1.2 + 4 * area**-0.4 - 0.1 * (1 - schedule.lr(step) / 0.0047)
        lines = [f"{s},{x:.6f}" for s, x in zip(step, loss, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["step,loss", *lines]) + "\n")
    logs = [str(tmp_path / f"{name}.csv") for name in "ab"]
    options = ["--law", "power_area", "--bootstrap", "0", "--json"]
    done = run("fit", *logs, "--schedule", CONSTANT, "--schedule", f"b={WSD}", *options)
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    told = {r["run"]: (r["schedule"], r["known"]) for r in record["runs"]}
    assert told == {"a": (CONSTANT, "schedule: as given."), "b": (WSD_TEXT, "schedule: as given.")}
    assert record["selection"]["start"] is None
    later = run("fit", *logs, "--schedule", CONSTANT, "--start", "1000", *options)
    assert json.loads(later.stdout)["data"]["ranges"]["S"] == [1000, 2000]
    none = run("fit", *logs, *options)
    assert none.exit_code == 3
    assert json.loads(none.stdout)["error"]["message"] == (
        "no run has a loss curve and a schedule."
    )


REFUSED = [
    (
        ["fit", "x.csv", "--law", "average", "--tie", "a=b", "--at", "all"],
        "--at and --tie cannot be used with --law average, a law of loss curves: it is fitted to "
        "every logged step by the Huber loss (0.001) of ln loss.",
    ),
    (
        ["fit", "x.csv", "--law", "chinchilla", "--schedule", CONSTANT],
        "--schedule is for laws of loss curves; chinchilla sees no schedule.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--params", "7B"],
        f"{CERTIFIED} is a fit of loss curves, not a fit of a law of points: use it with 'scaling "
        f"predict --fit {CERTIFIED} --schedule TEXT'.",
    ),
    (
        ["predict", "--fit", "kaplan_n/kaplan-2020", "--schedule", CONSTANT],
        "kaplan_n/kaplan-2020 is a fit of a law of points, not a fit of loss curves: use it with "
        "'scaling predict --fit kaplan_n/kaplan-2020 --params 7B'.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", CONSTANT, "--params", "7B"],
        "the fit is one of a single model: its size cannot be chosen.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", "constant:peak=3e-4,steps=1e9"],
        "constant:peak=0.0003,steps=1000000000: 1000000000 steps are asked for: the limit is "
        "20000000.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", "constant:peak=3e-4,steps=1e6", "--every=1"],
        "1000000 steps are asked for: the limit is 100000.",
    ),
    (
        ["predict", "--schedule", CONSTANT],
        "--schedule needs a fit of loss curves, and there is no ./fit.json here.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--params", "7B", "--every", "10"],
        "--every needs --schedule.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", CONSTANT, "--schedule", CONSTANT],
        f"the schedule {CONSTANT} is given twice.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", CONSTANT, "-o", "x.txt"],
        "cannot write curves as 'x.txt'.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", CONSTANT, "--steps", "5", "--every", "5"],
        "--steps and --every were both given.",
    ),
    (
        ["predict", "--fit", CERTIFIED, "--schedule", CONSTANT, "--steps", "9000"],
        f"no step asked for lies on the schedule {CONSTANT}, of 2048 steps.",
    ),
    (
        ["plot", "kaplan_n/kaplan-2020", "--kind", "curves"],
        "kaplan_n/kaplan-2020 is a fit of a law of points, which the figure curves does not draw: "
        "take --kind backtest, clouds, contour, isoflop, loss, optimum, predicted, residuals or "
        "sensitivity.",
    ),
    (
        ["plot", "fit.json", "--kind", "loss", "--schedule", CONSTANT],
        "--schedule is for figures of loss curves, not for loss.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=lambda x: "-".join(x)[:40])
def test_refused_in_one_message(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["message"] == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=cosin", "cannot read 'a=cosin' for --schedule."),
        (f"a={CONSTANT}", "a schedule is given for 'a', which is no run."),
    ],
)
def test_a_schedule_that_cannot_be_used(sources: list[str], text: str, message: str) -> None:
    done = run("fit", *sources, "--law", "power_area", "--schedule", text, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["message"] == message
