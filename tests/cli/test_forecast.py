"""`scaling forecast`: text, JSON, files, exit codes, and a log that grows."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import command_line
import matplotlib.image
import numpy as np
import pytest
from jobs import CONSTANT, COSINE, STEPS, WSD, job, losses

from scaling_cli import plots, read, reports
from scaling_cli.forecasting import following as command
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.job import Job, jobs_of
from scaling_cli.plots import _forecast
from scaling_cli.reports import forecast as forecast_report
from scaling_cli.reports._text import Style
from scaling_cli.schedules import parse_schedule

ROOT = Path(__file__).resolve().parents[2]
run = partial(command_line.run, "forecast")


def lines(text: str, seen: int, *, every: int = 20, factor: float = 1.0, lr: bool = True) -> str:
    curve, schedule = losses(text, STEPS // 2), parse_schedule(text)
    rows = ["step,loss,lr" if lr else "step,loss"]
    for step in range(every, seen + 1, every):
        tail = f",{float(schedule.lr(step))!r}" if lr else ""
        rows.append(f"{step},{float(factor * curve[step])!r}{tail}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.csv").write_text(lines(COSINE, 2000))
    blind = lines(COSINE, 2000, lr=False)
    (tmp_path / "blind.csv").write_text(blind)
    (tmp_path / "bits.csv").write_text(blind.replace("loss", "bits"))
    tokens = blind.replace("step", "tokens").replace("0,", "0000,")
    (tmp_path / "tokens.csv").write_text(tokens)
    (tmp_path / "fallen.csv").write_text(
        (tmp_path / "run.csv").read_text().replace("0.001\n", "-0.001\n")
    )
    return tmp_path


def test_json_is_the_contract(here: Path) -> None:
    result = run("run.csv", "--json", "--until", "4000", "--set", "batch_tokens=1000")
    record = json.loads(result.stdout)
    assert (result.exit_code, record["schema_version"], record["left_out"]) == (0, 1, [])
    (item,) = record["runs"]
    assert item["run"] == "run"
    assert (item["seen"]["step"], item["seen"]["tokens"]) == (2000, 2e6)
    assert (item["until"], item["level"]) == (4000, 0.9)
    ends = losses(COSINE, STEPS // 2)[-1]
    assert item["value"] == pytest.approx(ends, rel=5e-3)
    assert item["interval"][0] < ends < item["interval"][1]
    direct = forecast(read("run.csv"), until=4000)[0]
    assert item["value"] == pytest.approx(direct.value, rel=1e-12)
    assert item["schedule"]["verdict"] == "certain"


def test_the_report(here: Path) -> None:
    result = run("run.csv", "--full")
    found = forecast(read("run.csv"))[0]
    (low, high), (lowest, highest) = found.interval, found.one_value
    assert (result.exit_code, result.stderr) == (0, "")
    assert " ".join(result.stdout.split()).startswith(
        f"run 2k of 4k steps, 50 % loss {found.seen.loss:.4f} (mean of the last rows) "
        f"forecast {found.value:.3f} in {low:.3f} .. {high:.3f} (90 %) at step 4k "
        f"{found.value:.4f}, 90 % interval [{low:.4f}, {high:.4f}] of the expected loss, "
        f"[{lowest:.4f}, {highest:.4f}] of one value "
        "method: law; 100 points; noise of one row 0.00 %"
    )
    assert "logged: it alone explains the 100 logged rates" in result.stdout
    assert "certain" not in result.stdout
    assert "backtest (the end of what is logged)\n  fitted to  forecast" in result.stdout


def test_without_a_schedule_the_ends_are_printed_before_the_headline(here: Path) -> None:
    result = run("blind.csv", "--until", "4k")
    (found,) = forecast(read("blind.csv"), until=4000)
    lines = result.stdout.splitlines()
    assert lines[2] == "what comes next is not known; if the learning rate"
    names = [s.name for s in found.scenarios]
    assert [line.strip().startswith(n) for line, n in zip(lines[4:7], names, strict=True)] == [
        True
    ] * 3
    for line, scenario in zip(lines[4:7], found.scenarios, strict=True):
        *_, value, low, _, high, weight, _ = line.split()
        assert float(weight) == pytest.approx(100 * scenario.weight, abs=0.51)
        assert float(value) == pytest.approx(scenario.value, abs=0.006)
        assert [float(low), float(high)] == pytest.approx(scenario.interval, abs=0.006)
    low, high = found.interval
    assert " ".join(result.stdout.split("headline")[1].split()).startswith(
        f"{found.value:.2f} in {low:.2f} .. {high:.2f} (90 %; these by their weight, "
        "--schedule narrows it) at step 4k schedule assumed: no learning rate is known; what it "
        "is, is an assumption"
    )


def test_a_rate_constant_so_far_says_nothing_of_what_comes(here: Path) -> None:
    """The log of a run that is cooled down: its end lies in what is printed, nothing is certain."""
    (here / "wsd.csv").write_text(lines(WSD, 2000))
    told = run("wsd.csv", "--until", "4k").stdout
    assert "learning rate constant so far" in told
    assert "certain" not in told
    assert "\n  stays as it is  " in told
    assert "\n  cools down in the last 20 %  " in told
    (item,) = json.loads(run("wsd.csv", "--until", "4k", "--json").stdout)["runs"]
    assert item["interval"][0] < losses(WSD, STEPS // 2)[-1] < item["interval"][1]
    assert (item["schedule"]["known"], item["schedule"]["verdict"]) == (
        "assumed",
        "constant so far",
    )
    assert [set(s) for s in item["scenarios"]] == [
        {"name", "schedule", "value", "interval", "weight"}
    ] * 2


def two_losses(held_out: int) -> str:
    """Return a log with a training loss in every row and a held-out one in some."""
    head, *rows = lines(COSINE, 2000).splitlines()
    told = [f"{row},{row.split(',')[1] if i < held_out else ''}" for i, row in enumerate(rows)]
    return "\n".join([f"{head},val_loss", *told]) + "\n"


SWITCHED = "the training loss is forecast: 6 point(s) of the held-out one are too few."


@pytest.mark.parametrize(("held_out", "loss"), [(6, "loss"), (100, "val_loss")])
def test_the_first_screen_says_which_loss_is_forecast(here: Path, held_out: int, loss: str) -> None:
    (here / "two.csv").write_text(two_losses(held_out))
    told = run("two.csv").stdout
    assert f"   {loss}\u00a0" in told.splitlines()[0] or f"   {loss} " in told.splitlines()[0]
    assert (f"\n\n{SWITCHED}\n" in told) == (loss == "loss")


def test_several_runs_say_which_losses_are_forecast(here: Path) -> None:
    for i in range(5):
        (here / f"two{i}.csv").write_text(two_losses(100 if i else 6))
    told = run("two*.csv").stdout
    assert [line.split()[3:4] for line in told.splitlines()[2:7]] == [
        ["loss"],
        *[["val_loss"]] * 4,
    ]
    assert f"\n\ntwo0: {SWITCHED}\n" in told
    assert run("two[1234].csv").stdout.splitlines()[1].split()[:3] == ["run", "seen", "val_loss"]


def test_a_present_rate_that_changes_nothing_is_not_told(here: Path) -> None:
    (item,) = json.loads(run("run.csv", "--json").stdout)["runs"]
    rate = (
        f"a rate that stays learns more meanwhile and ends at a loss of {item['constant_rate']:.4f}"
    )
    for held, told in ((item["constant_rate"], True), (item["value"] + 4e-6, False)):
        record = {"runs": [item | {"constant_rate": held}]}
        text = " ".join(reports.text(forecast_report.blocks(record), Style()).split())
        assert (rate in text) == told
        assert ("a rate that stays" in text) == told


def test_what_reading_left_out_is_said(here: Path) -> None:
    (here / "cut.csv").write_text(lines(COSINE, 2000)[:-1])
    said = json.loads(run("cut.csv", "--json").stdout)["notes"]
    (note,) = said
    assert note.startswith("cut.csv, row 101: left out: the last line has no newline")
    assert "\nreading   cut.csv, row 101: left out" in run("cut.csv").stdout


def test_several_runs_make_a_table(here: Path) -> None:
    for i in range(4):
        (here / f"many{i}.csv").write_text(lines(COSINE, 2000, factor=1 + 0.1 * i))
    result = run("many*.csv")
    assert result.exit_code == 0
    title, head, *rows = result.stdout.splitlines()
    assert title == "until step 4k"
    assert head.split() == ["run", "seen", "loss", "forecast", "90", "%"]
    assert [line.split()[0] for line in rows[:4]] == [f"many{i}" for i in range(4)]


def test_siblings_inform(here: Path) -> None:
    (here / "done.csv").write_text(lines(COSINE, STEPS, factor=1.1))
    result = run("run.csv", "--siblings", "done.csv", "--json")
    (item,) = json.loads(result.stdout)["runs"]
    assert (item["method"], item["siblings"]) == ("law + transfer", ["done"])
    assert "siblings  1: done" in run("run.csv", "--siblings", "done.csv").stdout


def test_a_certified_fit_of_curves_is_a_sibling(here: Path) -> None:
    text = COSINE.replace("0.001", "0.0003").replace("0.0001", "0.00003")
    (here / "small.csv").write_text(lines(text, 2000))
    result = run("small.csv", "--fit", "multi_power/luo-2025-25m", "--schedule", text, "--json")
    assert result.exit_code == 0, result.stderr
    (item,) = json.loads(result.stdout)["runs"]
    assert item["siblings"] == ["the fit's curve"]


def test_levels_and_methods(here: Path) -> None:
    result = run("run.csv", "--levels", "0.02", "--method", "families", "--until", 4000, "--full")
    assert "levels    working (the asymptote has settled): step" in result.stdout
    assert "the families run over the area under the learning rate" in result.stdout
    blind = run("blind.csv", "--method", "families", "--combine", "average", "--until", 4000)
    assert "none: the learning rate to come is not known; the families go on" in blind.stdout
    direct = forecast(read("blind.csv"), until=4000, method="families", combine="average")[0]
    assert f"forecast  {direct.value:.2f} in" in blind.stdout


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["blind.csv"],
            2,
            "error: nothing says where run 'blind' ends.\nhint: Say it: --until "
            "24000 (steps) or --until '100B tokens', or --schedule TEXT.\n",
        ),
        (
            ["run.csv", "-o", "x.txt"],
            2,
            "error: cannot write a forecast as 'x.txt'.\n"
            "hint: Use a name that ends in .png, .svg, .pdf, .json.\n",
        ),
        (
            ["run.csv", "--method", "lawn"],
            2,
            "error: there is no method 'lawn'.\nhint: Did you "
            "mean law? Known methods: law, power, ensemble, families.\n",
        ),
        (
            ["run.csv", "--level", "90"],
            2,
            "error: level must lie between 0 and 1, not 90.0.\nhint: Write 0.9 for 90 %.\n",
        ),
        (
            ["run.csv", "--until", "2000"],
            3,
            "error: run 'run' has reached its end: step 2000 of "
            "2000; its loss is {last}.\nhint: Say where it ends with --until if it goes on.\n",
        ),
        (
            ["run.csv", "--follow", "-o", "x.json"],
            2,
            "error: --follow writes no file.\nhint: Leave -o out, or --follow.\n",
        ),
        (
            ["run.csv", "--follow", "--every", "0"],
            2,
            "error: --follow takes one log and a positive --every.\n",
        ),
        (
            ["run.csv", "--follow", "--patience", "0"],
            2,
            "error: --patience must be 1 or more, not 0.\n",
        ),
        (
            ["run.csv", "--against", "x.json", "-o", "x.png"],
            2,
            "error: --against writes .json, no figure.\nhint: Leave --against out for one.\n",
        ),
        (
            ["run.csv", "--unique-tokens", "0"],
            2,
            "error: --unique-tokens must be positive, not 0.\n",
        ),
        (
            ["run.csv", "--unique-tokens", "1M"],
            2,
            "error: --unique-tokens is given, run 'run' is "
            "logged over steps, and the tokens of a step are not known.\nhint: Say how many "
            "tokens a "
            "step takes: --set batch_tokens=512k.\n",
        ),
        (
            ["run.csv", "--until", "100"],
            3,
            "error: run 'run' is past its end: step 2000, and it "
            "was to end at 100.\nhint: Give a later --until, or a schedule that goes on.\n",
        ),
        (
            ["tokens.csv", "--until", "4000"],
            3,
            "error: run 'tokens' is past its end: token 2e+06, "
            "and it was to end at 4000.\nhint: Give a later --until, or a schedule that "
            "goes on. Its "
            "log has no steps, so that numbers count tokens.\n",
        ),
        (
            ["bits.csv", "--until", "4000"],
            3,
            "error: run 'bits': no row has a step (or tokens) and "
            "loss.\nhint: Columns: step, bits. Say which holds the loss: --target COLUMN.\n",
        ),
        (
            ["fallen.csv"],
            3,
            "error: run 'fallen': the learning rate at step 100 is -0.001; it "
            "cannot be negative.\nhint: Name the column that holds it: --map lr=COLUMN.\n",
        ),
        (
            ["run.csv", "--against", "run.csv"],
            3,
            "error: run.csv, row 1: not JSON: Expecting value.\n"
            "hint: A result that scaling wrote with -o or --json is wanted here. Logs and tables "
            "of runs are for 'scaling runs', 'fit' and 'forecast'; points to predict at, for "
            "--points.\n",
        ),
    ],
)
def test_refusals(here: Path, arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    curve = losses(COSINE, STEPS // 2)[1920:2001:20]
    assert result.exit_code == code
    assert result.stderr == message.replace("{last}", f"{curve.mean():.4f}")


def test_too_little_since_the_rate_rose_is_no_usable_fit(here: Path) -> None:
    text = "cosine:peak=0.001,warmup=100,steps=1880 + cosine:peak=0.001,warmup=100,steps=2120"
    result = run("blind.csv", "--schedule", text)
    assert result.exit_code == 4
    assert "the learning rate rose again until step" in result.stderr


# --- files ----------------------------------------------------------------------------------


def test_a_figure_and_a_file(here: Path) -> None:
    assert run("run.csv", "-o", "forecast.png").stdout.endswith("written   forecast.png\n")
    assert matplotlib.image.imread(here / "forecast.png").std() > 0.01
    assert run("run.csv", "-o", "forecast.json").exit_code == 0
    assert json.loads((here / "forecast.json").read_text())["runs"][0]["run"] == "run"


def test_the_figure_shows_the_forecast(here: Path) -> None:
    (here / "done.csv").write_text(lines(COSINE, STEPS, factor=1.1))
    running, done = Job("run", *_points("run.csv")), Job("done", *_points("done.csv"))
    found = forecast(read("run.csv"), siblings=read("done.csv"))
    (panel,) = _forecast.table(found, [running], [done]).shown
    path = panel.forecast.path
    assert path.loss[-1] == found[0].value
    assert (path.low[-1], path.high[-1]) == pytest.approx(found[0].interval)
    (sibling,) = panel.siblings
    assert (sibling.name, sibling.x[-1]) == ("done", pytest.approx(4000, rel=0.03))
    assert sibling.loss[-1] == pytest.approx(done.loss[-1], rel=5e-3)
    blind = forecast(Job("run", running.x, running.loss), until=4000)
    (panel,) = _forecast.table(blind, [running]).shown
    assert panel.ends == blind[0].scenarios
    assert set(asdict(panel)) == {"forecast", "logged", "smooth", "siblings"}


def test_an_accuracy_is_never_called_a_loss(here: Path) -> None:
    rows = [f"{x:.0f},{0.8 - (y - 2.5) / 10}" for x, y in zip(*_points("run.csv"), strict=True)]
    (here / "top.csv").write_text("\n".join(["step,top1", *rows, ""]))
    asked = ("top.csv", "--target", "top1", "--until", "4000", "--schedule", COSINE)
    refused = run(*asked)
    assert (refused.exit_code, "top1 rises along the run" in refused.stderr) == (4, True)
    for full in ([], ["--full"]):
        told = run(*asked, "--rising", *full)
        assert told.exit_code == 0, told.stderr
        assert "loss" not in told.stdout.partition("reading")[0]
    runs = read("top.csv")
    made = forecast(runs, target="top1", until=4000, schedule=COSINE, rising=True)
    assert _forecast.table(made, jobs_of(runs, target="top1")[0]).label == "top1"
    ends = 0.8 - (losses(COSINE, STEPS // 2)[-1] - 2.5) / 10
    assert made[0].value == pytest.approx(ends, rel=0.01)


@pytest.mark.parametrize(("share", "mean", "worst"), [(0.5, 0.01, 0.015), (0.75, 0.005, 0.01)])
def test_the_accuracy_of_our_own_runs(here: Path, share: float, mean: float, worst: float) -> None:
    folder, errors = ROOT / "data/ladder_accuracy", []
    for log in sorted((folder / "runs").iterdir()):
        head, *rows = log.read_text().splitlines()
        steps = [int(row.partition(",")[0]) for row in rows]
        seen = [row for row, step in zip(rows, steps, strict=True) if step <= share * steps[-1]]
        (here / log.name).write_text("\n".join([head, *seen, ""]))
        asked = ("--target", "val_accuracy", "--rising", "--meta", str(folder / "runs.csv"))
        (found,) = json.loads(run(log.name, *asked, "--json").stdout)["runs"]
        ended = float(rows[-1].rpartition(",")[2])
        assert found["interval"][0] < ended < found["interval"][1]
        errors.append(abs(found["value"] / ended - 1))
    assert len(errors) == 8
    assert np.mean(errors) < mean
    assert max(errors) < worst


def test_a_column_of_text_is_refused(here: Path) -> None:
    (here / "text.csv").write_text("step,top1\n" + "".join(f"{s},x(0.{s})\n" for s in range(1, 9)))
    refused = run("text.csv", "--target", "top1", "--until", "4000")
    assert (refused.exit_code, refused.stderr) == (
        3,
        "error: run 'text': top1 holds text, such as 'x(0.1)'.\nhint: Name a column of numbers: "
        "--target COLUMN.\n",
    )


def test_runs_in_one_figure_share_an_axis_that_holds_them_all(here: Path) -> None:
    running = [Job("high", *_points("run.csv")), Job("low", *_points("run.csv"))]
    running[1] = replace(running[1], loss=0.5 * running[1].loss)
    found = forecast(running, until=4000)
    figure = plots.drawn(_forecast, _forecast.table(found, running))
    for ax, one in zip(figure.axes, found, strict=True):
        low, high = ax.get_ylim()
        assert low < min(s.interval[0] for s in one.scenarios)
        assert max(one.path.high) < high


def _points(name: str) -> tuple[np.ndarray, np.ndarray]:
    step, loss = np.loadtxt(name, delimiter=",", skiprows=1, usecols=(0, 1)).T
    return step, loss


def test_against_a_stored_forecast(here: Path) -> None:
    (here / "stored.json").write_text(run("run.csv", "--json").stdout)
    (here / "run.csv").write_text(lines(COSINE, 3000))
    result = run("run.csv", "--against", "stored.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "against   run: in the band; 50 of 50 checks inside" in result.stdout
    (here / "run.csv").write_text(lines(COSINE, 2000) + lines(WSD, 3000, factor=1.2)[16:])
    worse = lines(COSINE, 3000, factor=1.1).splitlines()[101:]
    (here / "run.csv").write_text(lines(COSINE, 2000) + "\n".join(worse) + "\n")
    result = run("run.csv", "--against", "stored.json", "--json")
    assert result.exit_code == 1
    assert result.stderr == "error: run: the loss has left the band of the forecast.\n"
    watch = json.loads(result.stdout)["against"]["run"]
    assert (watch["left"], watch["outside"], len(watch["checks"])) == (True, 50, 50)


def test_a_finished_run_is_only_compared(here: Path) -> None:
    (here / "stored.json").write_text(run("run.csv", "--json").stdout)
    (here / "run.csv").write_text(lines(COSINE, STEPS))
    record = json.loads(run("run.csv", "--against", "stored.json", "--json").stdout)
    assert record["runs"] == []
    assert record["against"]["run"]["left"] is False


# --- following ------------------------------------------------------------------------------


class Clock:
    """Stands in for sleeping: the log grows instead."""

    def __init__(self, path: Path, texts: list[str]) -> None:
        self.path, self.texts, self.slept = path, texts, []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.texts:
            self.path.write_text(self.texts.pop(0))


def follow(monkeypatch: pytest.MonkeyPatch, path: Path, texts: list[str], *more: object):
    clock = Clock(path, texts)
    monkeypatch.setattr(command, "sleep", clock.sleep)
    return run(path, "--follow", "--until", STEPS, *more), clock


def test_a_run_is_followed_to_its_end(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = [lines(COSINE, 3000), lines(COSINE, 3000) + "3020,2.9", lines(COSINE, STEPS)]
    result, clock = follow(monkeypatch, here / "run.csv", grown, "--every", 7)
    assert result.exit_code == 0, result.stderr
    told = result.stdout.splitlines()
    assert told[0].startswith("run  step 2k  loss 3.")
    assert told[-1].endswith("in the band  ended")
    assert set(clock.slept) == {7.0}


def test_a_run_that_leaves_the_band_exits_1(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worse = lines(COSINE, 3000, factor=1.1).splitlines()[101:]
    grown = [lines(COSINE, 2000) + "\n".join(worse[:k]) + "\n" for k in (1, 2, 3, 40)]
    result, _ = follow(monkeypatch, here / "run.csv", grown, "--json")
    assert result.exit_code == 1
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["against"]["run"]["outside"] for r in records] == [0, 1, 2, 3]
    # Every check is told once.
    assert [len(r["against"]["run"]["checks"]) for r in records] == [0, 1, 1, 1]
    assert records[-1]["against"]["run"]["left"]
    assert result.stderr == "error: run: the loss has left the band of the forecast.\n"


def test_a_log_that_is_moved_aside_is_waited_for(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(here / "run.csv", [])

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 1:
            clock.path.unlink()
        elif not clock.path.exists():
            clock.path.write_text(lines(COSINE, STEPS))

    monkeypatch.setattr(command, "sleep", sleep)
    result = run(here / "run.csv", "--follow", "--until", STEPS)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("ended\n")


def test_a_run_is_followed_against_a_stored_forecast(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = run("run.csv", "--json", "--until", STEPS).stdout
    (here / "stored.json").write_text(stored)
    worse = lines(COSINE, 2100, factor=1.1).splitlines()[101:]
    (here / "run.csv").write_text(lines(COSINE, 2000) + "\n".join(worse) + "\n")
    result, clock = follow(monkeypatch, here / "run.csv", [], "--against", "stored.json")
    assert (result.exit_code, clock.slept) == (1, [])


def test_a_finished_run_ends_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "stored.json").write_text(run("run.csv", "--json", "--until", STEPS).stdout)
    (here / "run.csv").write_text(lines(COSINE, STEPS))
    result, clock = follow(monkeypatch, here / "run.csv", [], "--against", "stored.json")
    assert (result.exit_code, clock.slept) == (0, [])
    assert result.stdout.endswith("ended\n")


def test_noise_is_no_departure(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = job(CONSTANT, seen=STEPS, every=4, noise=0.02)
    rows = [f"{x:.0f},{y!r}" for x, y in zip(whole.x.tolist(), whole.loss.tolist(), strict=True)]

    def text(seen: int) -> str:
        return "\n".join(["step,loss", *rows[: seen // 4]]) + "\n"

    (here / "run.csv").write_text(text(2000))
    grown = [text(seen) for seen in (2500, 3000, 3500, 4000)]
    result, _ = follow(monkeypatch, here / "run.csv", grown, "--schedule", CONSTANT)
    assert result.exit_code == 0, result.stdout


def test_a_log_that_grows_is_compared_by_the_loss_that_was_forecast(here: Path) -> None:
    """Eight held-out losses would now be the default; the stored forecast is of the others."""
    rows = [(int(x), loss) for x, loss in zip(*_points("run.csv"), strict=True)]

    def write(last: int, held_out: int) -> None:
        lines = [
            f"{x},{loss},{loss + 0.5 if i < held_out else ''}"
            for i, (x, loss) in enumerate(rows[:last])
        ]
        Path("two.csv").write_text("\n".join(["step,loss,val_loss", *lines]) + "\n")

    write(len(rows) - 20, 3)
    told = run("two.csv", "--until", "4000", "--schedule", COSINE, "-o", "told.json", "--json")
    assert json.loads(told.stdout)["runs"][0]["target"] == "loss"
    write(len(rows), 20)
    watched = run("two.csv", "--until", "4000", "--schedule", COSINE, "--against", "told.json")
    assert watched.exit_code == 0, watched.stderr
    other = run(
        "two.csv",
        "--until",
        "4000",
        "--schedule",
        COSINE,
        "--against",
        "told.json",
        "--target",
        "val_loss",
        "--json",
    )
    assert (other.exit_code, json.loads(other.stdout)["error"]["message"]) == (
        2,
        "the forecast is of loss, what is read from the log is val_loss.",
    )


def test_a_stored_forecast_that_is_not_there_or_is_none(here: Path) -> None:
    missing = run("run.csv", "--against", "no.json")
    told = "error: 'no.json' is neither a file nor a certified fit or recipe.\n"
    assert (missing.exit_code, missing.stderr.startswith(told)) == (2, True)
    other = run("run.csv", "--against", "chinchilla/besiroglu-2024")
    assert (other.exit_code, other.stderr) == (
        2,
        "error: chinchilla/besiroglu-2024 is a fit of a law of points, not a forecast of running "
        "jobs: use it with 'scaling predict --fit chinchilla/besiroglu-2024 --params 50B "
        "--tokens 1T'.\n",
    )
