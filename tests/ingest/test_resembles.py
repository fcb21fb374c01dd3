"""Losses that are none per token, and tables whose rows are no finished runs."""

import itertools
from pathlib import Path

import pytest
from log_files import write
from processes import python

from scaling_cli import ingest
from scaling_cli.runs.table import Runs

SMALL = (
    "loss is 0.0004 to 0.0008, which no cross-entropy per token is as small as, so it is not "
    "called nats/token (--set loss_convention=nats/token says that it is)."
)


def _told(runs: Runs) -> dict[str, str]:
    return {note.code: note.message for note in runs.notes}


def _unit(runs: Runs, name: str = "loss_convention") -> str | None:
    (unit,) = {*runs.runs[name].to_pylist()}
    return unit


@pytest.mark.parametrize("name", ["table.csv", "curve.csv", "curve.jsonl"])
def test_a_squared_error_is_not_called_nats(tmp_path: Path, name: str) -> None:
    if name == "table.csv":
        text = "params,loss\n" + "".join(f"{n}e6,{8e-4 / n}\n" for n in (1, 2))
    elif name == "curve.csv":
        text = "step,loss\n1,8e-4\n2,6e-4\n3,4e-4\n"
    else:
        text = "".join(f'{{"step": {s}, "loss": {v}}}\n' for s, v in ((1, 8e-4), (2, 4e-4)))
    runs = ingest.read(write(tmp_path, name, text))
    assert (_unit(runs), _told(runs)["loss-unit"]) == ("not per token", SMALL)


def test_what_the_user_says_of_it_counts(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "step,loss\n1,8e-4\n2,6e-4\n")
    for unit in ("nats/token", "nats/sample"):
        runs = ingest.read(file, set={"loss_convention": unit})
        assert (_unit(runs), "loss-unit" in _told(runs)) == (unit, False)


def test_a_loss_that_ends_at_nothing_was_a_cross_entropy(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "a.csv", "step,loss\n1,10.8\n2,0.5\n3,1e-3\n"))
    assert (_unit(runs), "loss-unit" in _told(runs)) == (None, False)


def test_a_loss_that_no_vocabulary_begins_at(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "a.csv", "step,loss\n1,340\n2,120.5\n3,96\n"))
    assert _unit(runs) == "not per token"
    assert _told(runs)["loss-unit"].startswith("loss is 96 to 340, which no cross-entropy")


def test_the_screen_does_not_call_it_an_entropy(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "params,loss\n1e6,8e-4\n2e6,4e-4\n")
    screen = python("-m", "scaling_cli", "runs", file).stdout
    assert "  L  0.0004 to 0.0008  not per token  loss\n" in screen


@pytest.mark.parametrize("metric", ["mse", "val_accuracy", "eval/rouge", "train_l1_loss", "f1"])
def test_names_of_other_metrics(tmp_path: Path, metric: str) -> None:
    file = write(tmp_path, "a.csv", f"step,{metric}\n1,0.5\n2,0.4\n")
    assert _unit(ingest.read(file, map={"loss": metric})) == "not per token"


def test_a_sum_of_losses_of_other_kinds(tmp_path: Path) -> None:
    rows = [(s, 1 + 1 / s, 0.5 + 2 / s) for s in range(1, 9)]
    text = "".join(f"{s},{a + b:.5f},{a:.5f},{b:.5f}\n" for s, a, b in rows)
    runs = ingest.read(write(tmp_path, "a.csv", "step,loss,loss_cls,loss_bbox\n" + text))
    assert _unit(runs) == "not per token"
    assert _told(runs)["loss-unit"].startswith("loss is the sum of loss_cls, loss_bbox, so it is")
    runs = ingest.read(write(tmp_path, "b.csv", "step,loss,lm_loss,z_loss\n" + text))
    assert _unit(runs) is None


def test_catboost_writes_two_files_of_one_run(tmp_path: Path) -> None:
    folder = "job/catboost_info"
    write(tmp_path, f"{folder}/learn_error.tsv", "iter\tMultiClass\n0\t1.08\n1\t1.01\n")
    write(tmp_path, f"{folder}/test_error.tsv", "iter\tMultiClass\n0\t1.09\n1\t1.05\n")
    write(tmp_path, f"{folder}/time_left.tsv", "iter\tPassed\tRemaining\n0\t1\t9\n1\t2\t8\n")
    runs = ingest.read(tmp_path)
    assert runs.points.select(["step", "loss", "val_loss"]).to_pylist() == [
        {"step": 0, "loss": 1.08, "val_loss": 1.09},
        {"step": 1, "loss": 1.01, "val_loss": 1.05},
    ]
    assert (_unit(runs), _unit(runs, "val_loss_convention")) == ("nats/sample", "nats/sample")


def test_rows_that_are_checkpoints(tmp_path: Path) -> None:
    cells = itertools.product((512, 768), (4096, 8192), range(1, 12))
    rows = "".join(f"{d},{v},{k * d * 1e6},{2 + 1 / k:.4f}\n" for d, v, k in cells)
    told = (
        "its rows look like checkpoints of 4 runs, not like finished runs: 'num_characters' goes "
        "up evenly while embed_dim, vocab_size stay."
    )
    for loss in ("score", "loss"):
        head = f"embed_dim,vocab_size,num_characters,{loss}\n"
        assert _told(ingest.read(write(tmp_path, "a.csv", head + rows)))["no-runs"] == told


def test_a_grid_of_runs_is_no_list_of_checkpoints(tmp_path: Path) -> None:
    grid = itertools.product((1e7, 3e7, 1e8), (1e18, 3e18, 1e19, 3e19, 1e20, 3e20))
    rows = "".join(f"{n:g},{c:g},{2 + 1e3 / n**0.4:.4f}\n" for n, c in grid)
    runs = ingest.read(write(tmp_path, "a.csv", "params,flops,loss\n" + rows))
    assert "no-runs" not in _told(runs)


def test_rows_that_are_laws_or_evaluations(tmp_path: Path) -> None:
    laws = "law,E,A,alpha,B,beta\nx,1.7,406,.34,410,.28\ny,1.8,480,.35,2085,.37\n"
    told = _told(ingest.read(write(tmp_path, "a.csv", laws)))["no-runs"]
    assert told == (
        "its rows look like fitted laws, not like runs: they have E, A, alpha, B, beta."
    )
    tasks = "Model,Model Size (B),MMLU,HellaSwag,ARC-C\nx,7,.44,.77,.53\ny,13,.55,.8,.58\n"
    told = _told(ingest.read(write(tmp_path, "b.csv", tasks)))["no-runs"]
    assert told == (
        "its rows look like evaluations of models (MMLU, HellaSwag, ARC-C), not like losses of "
        "runs: --target 'MMLU' fits one of them."
    )


def test_the_public_tables(shared: Path) -> None:
    tables = shared / "samples/scaling-tables"
    told = _told(ingest.read(tables / "scaling_with_vocab/exp_data.csv"))
    assert told["no-runs"].startswith("its rows look like checkpoints of 60 runs")
    assert "(--map loss=COLUMN reads one as the loss)" in told["no-loss"]
    assert _unit(ingest.read(tables / "walt/scaling_law.csv")) == "not per token"
    table = shared / "data/obsscaling/base_llm_benchmark_eval.csv"
    assert _told(ingest.read(table))["no-runs"].startswith("its rows look like evaluations")
