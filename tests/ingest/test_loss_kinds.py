"""What a logged loss is (of a step, a mean, smoothed) and how that is known; a mix is warned of."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import command_line
import pytest
from console_logs import LOGS

import scaling_cli as sc
from scaling_cli.ingest import _settings
from scaling_cli.runs.table import Note, Runs

runs_command = partial(command_line.run, "runs")
# As their sources print: means since the last line, an exponential mean, one micro-batch.
OF_TRAINERS = {
    "megatron": "interval_mean",
    "gpt-neox": "interval_mean",
    "huggingface": "interval_mean",
    "fairseq": "interval_mean",
    "xlm": "interval_mean",
    "nanochat": "running_mean",
    "litgpt": "micro_batch",
    "mmengine": "window_mean",
    "torchtitan": "step",
    "olmo": "step",
    "build-nanogpt": "step",
}
NANOGPT = "".join(f"iter {s}: loss {9 - s / 10:.4f}, time 250.12ms, mfu 41.20%\n" for s in range(9))
LLMC = "".join(f"s:{s} trl:{9 - s / 10:.4f} lr:0.000600 norm:1.00\n" for s in range(9))
TRAINER = {
    "log_history": [{"loss": 9 - s / 1e3, "step": s, "epoch": s / 90} for s in range(10, 90, 10)],
    "max_steps": 80,
}
FACTORY = "".join(
    json.dumps({"current_steps": s, "total_steps": 80, "loss": 9 - s / 1e3, "percentage": s}) + "\n"
    for s in range(10, 90, 10)
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def curve(name: str = "loss", digits: int = 4) -> str:
    rows = [f"{s},{9 - s / 7:.{digits}f}" for s in range(1, 13)]
    return "\n".join([f"step,{name}", *rows]) + "\n"


def kinds(*sources: str, **said: Any) -> list[tuple[str, str]]:
    record = sc.read(*sources, **said).to_dict()
    return [(run["loss_kind"], run["loss_kind_known"]) for run in record["runs"]]


def mixed(runs: Runs) -> Note | None:
    return next((note for note in runs.notes if note.code == "mixed-loss-kinds"), None)


@pytest.mark.parametrize("name", OF_TRAINERS)
def test_what_a_trainer_prints_is_known(name: str, here: Path) -> None:
    Path("train.log").write_text(LOGS[name].text, encoding="utf8")
    known = sc.read("train.log").runs.to_pylist()[0]
    assert (known["loss_kind"], known["loss_kind_known"]) == (OF_TRAINERS[name], "its trainer")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("train.log", NANOGPT, "micro_batch"),
        ("main.log", LLMC, "step"),
        ("trainer_state.json", json.dumps(TRAINER, indent=1), "interval_mean"),
        ("trainer_log.jsonl", FACTORY, "interval_mean"),
    ],
)
def test_what_files_of_trainers_hold_is_known(
    name: str, content: str, kind: str, here: Path
) -> None:
    Path(name).write_text(content, encoding="utf8")
    assert kinds(name) == [(kind, "its trainer")]


def test_a_micro_batch_is_told(here: Path) -> None:
    Path("train.log").write_text(NANOGPT, encoding="utf8")
    told = [note.message for note in sc.read("train.log").notes if note.code == "loss-kind"]
    assert told == ["the training loss of nanogpt is that of one micro-batch."]


def test_where_nothing_says_it_a_step_is_assumed(here: Path) -> None:
    Path("run.csv").write_text(curve(), encoding="utf8")
    Path("train.log").write_text(LOGS["equals"].text, encoding="utf8")
    assert kinds("run.csv", "train.log") == [("step", "assumed")] * 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("loss_ema", "running_mean"),
        ("train/smoothed", "running_mean"),
        ("train/loss_epoch", "interval_mean"),
    ],
)
def test_the_name_of_a_column_says_it(name: str, kind: str, here: Path) -> None:
    Path("run.csv").write_text(curve(name), encoding="utf8")
    assert kinds("run.csv", map={"loss": name}) == [(kind, "its name")]


def test_it_can_be_declared(here: Path) -> None:
    Path("run.csv").write_text(curve(), encoding="utf8")
    Path("train.log").write_text(LOGS["nanochat"].text, encoding="utf8")
    said = {"loss_kind": "interval_mean"}
    assert kinds("run.csv", "train.log", set=said) == [("interval_mean", "declared")] * 2
    with pytest.raises(sc.UsageError) as caught:
        sc.read("run.csv", set={"loss_kind": "smooth"})
    assert str(caught.value) == (
        "--set loss_kind=smooth: must be one of step, micro_batch, interval_mean, running_mean, "
        "window_mean, accumulated_sum, evaluation."
    )


@pytest.mark.parametrize(("every", "kind"), [(10, "interval_mean"), (1, "step")])
def test_the_configuration_of_hugging_face_says_it(every: int, kind: str) -> None:
    config = {"logging_steps": every, "lr_scheduler_type": "cosine"}
    facts = _settings.facts({**config, "per_device_train_batch_size": 8})
    assert (facts["loss_kind"], facts["loss_kind_known"]) == (kind, "the configuration")
    assert "loss_kind" not in _settings.facts(config)


NANOCHAT = "".join(
    f"step {s:05d}/00060 ({s / 0.6:.2f}%) | loss: {9 - s / 100:.6f} | lrm: 1.00 | dt: 512.34ms | "
    "tok/sec: 1,023,456 | bf16_mfu: 45.67 | total time: 1.02m\n"
    for s in range(0, 60, 5)
)


def test_losses_that_lie_off_each_other_are_warned_of(here: Path) -> None:
    Path("a.log").write_text(NANOCHAT, encoding="utf8")
    Path("b.csv").write_text(curve(), encoding="utf8")
    note = mixed(sc.read("a.log", "b.csv"))
    assert note is not None
    assert (note.level, note.message) == (
        "warn",
        "training losses are of several kinds, in 1 run(s) a running mean, which lags behind; in "
        "1 run(s) that of the batch of a step: fit one of them (--where), or val_loss; --set "
        "loss_kind=... says that they are alike.",
    )
    assert mixed(sc.read("a.log", "b.csv", set={"loss_kind": "step"})) is None
    assert mixed(sc.read("a.log")) is None


def test_means_and_steps_lie_on_one_line(here: Path) -> None:
    Path("a.log").write_text(LOGS["gpt-neox"].text, encoding="utf8")
    Path("b.csv").write_text(curve(), encoding="utf8")
    assert mixed(sc.read("a.log", "b.csv")) is None


def test_held_out_losses_are_of_one_kind(here: Path) -> None:
    Path("a.log").write_text(NANOCHAT, encoding="utf8")
    held = curve().replace("loss", "loss,val_loss").replace("\n12,", "\n12,7.1,")
    rows = [f"{line}{',' if i else ''}" for i, line in enumerate(held.splitlines()[:-1])]
    Path("b.csv").write_text("\n".join([*rows, "12,7.1,7.2"]) + "\n", encoding="utf8")
    runs = sc.read("a.log", "b.csv")
    assert mixed(runs) is None
    assert [run["loss_kind"] for run in runs.to_dict()["runs"]] == ["running_mean", "evaluation"]


LADDER = Path(__file__).parents[2] / "data" / "ladder" / "runs.csv"


def fitted(kind: str, target: str) -> dict[str, str]:
    """Fit the ladder with every third run said to have losses of another kind."""
    head, *rows = LADDER.read_text("utf8").replace("final_loss", target).splitlines()
    cells = [kind if i % 3 == 0 else "step" for i in range(len(rows))]
    lines = [f"{head},loss_kind", *(f"{r},{c}" for r, c in zip(rows, cells, strict=True))]
    Path("runs.csv").write_text("\n".join(lines) + "\n", encoding="utf8")
    asked = (
        "runs.csv",
        "--where",
        'role == "fit"',
        "--bootstrap",
        "20",
        "--json",
        "--target",
        target,
    )
    record = json.loads(command_line.run("fit", *asked).stdout)
    (check,) = [c for c in record["checks"] if c["code"] == "data.alike"]
    return check


def test_a_fit_of_losses_that_lie_off_each_other_is_warned_of(here: Path) -> None:
    check = fitted("running_mean", "loss")
    assert check["level"] == "warn"
    assert check["message"].startswith('loss_kind differs: "running_mean" beside "step", in ')
    assert check["message"].endswith(
        "Losses of two kinds are no one law's: fit one of them (--where 'loss_kind == \"step\"'), "
        "or a target that they share, such as val_loss."
    )


@pytest.mark.parametrize(
    ("kind", "target"), [("running_mean", "val_loss"), ("interval_mean", "loss")]
)
def test_a_fit_of_losses_that_agree_is_not(kind: str, target: str, here: Path) -> None:
    assert fitted(kind, target)["level"] == "pass"


def test_digits_that_were_rounded_away(here: Path) -> None:
    Path("four.csv").write_text(curve(digits=4), encoding="utf8")
    Path("two.csv").write_text(curve(digits=2), encoding="utf8")
    Path("all.csv").write_text(curve(digits=9), encoding="utf8")
    Path("few.csv").write_text("step,loss\n1,4.0\n2,3.9\n", encoding="utf8")
    record = sc.read(".").to_dict()
    assert {run["run_id"]: run["loss_quantum"] for run in record["runs"]} == {
        "four": 1e-4,
        "two": 1e-2,
        "all": None,
        "few": None,
    }


def test_the_screen_says_what_is_counted_and_measured(here: Path) -> None:
    Path("run.csv").write_text(curve(), encoding="utf8")
    shown = runs_command("run.csv", "--set", "params=124M", "--full").stdout
    assert (
        """\
what is counted and measured (and how that is known)
  N counts            the loss is          in                   rounded to  runs
  total, assumed      that of the batch    nats/token               0.0001     1
  (declared)          of a step (assumed)  (assumed)
"""
        in shown
    )
    (run,) = json.loads(runs_command("run.csv", "--set", "params=124M", "--json").stdout)["runs"]
    assert {k: v for k, v in run.items() if k.startswith(("loss_", "params_"))} == {
        "params_convention": None,
        "params_known": "declared",
        "loss_unit": "nats/token",
        "loss_unit_known": "assumed",
        "loss_kind": "step",
        "loss_kind_known": "assumed",
        "loss_quantum": 1e-4,
    }
