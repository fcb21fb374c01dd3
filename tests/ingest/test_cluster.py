"""Files that the workers of a dask cluster read: the same store."""

from collections.abc import Iterator
from pathlib import Path

import event_files
import pytest
import wandb_files
from log_files import CURVE, write
from twin_stores import told

from scaling_cli import ingest
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary.errors import DataError


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of two worker processes."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as started:
        yield f"dask:{started.scheduler_address}"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    for i in range(4):
        write(folder, f"run{i}.csv", CURVE.replace("5.5", f"5.{i}"))
        write(folder, f"log{i}.txt", "iter 1: loss 5.1, time 2.0ms\niter 2: loss 4.9, time 2.0ms\n")
    write(folder, "odd.csv", "step,loss\n1,5\n2,4\n1,4.5\n2,nan\n")
    write(folder, "table.csv", "run_id,params,tokens,loss\nx,1e6,2e7,3.5\ny,4e6,8e7,3\n")
    write(folder, "tb/events.out.tfevents.1.a", event_files.scalars(["loss"], range(6)))
    rows = [wandb_files.history({"_step": s, "loss": 9.0 - s}) for s in range(6)]
    write(folder, "run-a1.wandb", wandb_files.log([wandb_files.run("base"), *rows]))
    write(folder, "alone/train.csv", CURVE)
    write(folder, "alone/config.json", '{"n_layer": 2, "n_head": 2, "n_embd": 8}')
    write(tmp_path, "meta.csv", "run_id,params\nrun0,1e6\nlog1,2e6\nnobody,3e6\n")
    return folder


@pytest.mark.parametrize("beside", [False, True])
def test_the_store_is_the_same(
    beside: bool, address: str, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {"meta": "meta.csv"} if beside else {}
    for _ in range(2):
        here = told(tmp_path / "here", ["logs"], **said)
        there = told(tmp_path / "there", ["logs"], executor=address, **said)
        assert here == there
        (logs / "run1.csv").write_text(CURVE + "40,4000,3.5\n")
        (logs / "run2.csv").write_text("step,loss\n1,5\n2,4\n1,3\n")


def test_what_a_worker_refuses_is_refused_here(address: str, tmp_path: Path) -> None:
    bad = write(tmp_path, "bad.csv", "step,loss\n1,5\n2,oops\n")
    with pytest.raises(DataError, match=r"'oops' is not a number"):
        verb.put([bad], tmp_path / "store", executor=address)
    write(tmp_path, "good.csv", CURVE)
    report = verb.ingest(tmp_path, tmp_path / "store", executor=address)
    assert report.added == ("good",)
    assert "unreadable-file" in {note.code for note in report.notes}
    assert ingest.read(tmp_path / "store").points.num_rows == 3
