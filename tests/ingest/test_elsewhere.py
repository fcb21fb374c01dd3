"""Logs that lie elsewhere: in an object store, and with W&B's API."""

import importlib
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import event_files
import fsspec
import pytest
from log_files import CURVE, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary.errors import DataError, UsageError

LATER = "".join(f"{s},{100 * s},4.0\n" for s in (40, 50))


@pytest.fixture
def bucket() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/logs/run0.csv", CURVE.encode())
    system.pipe("/bucket/logs/deep/run1.csv", CURVE.encode())
    system.pipe("/bucket/logs/tb/events.out.tfevents.1.a", event_files.scalars(["loss"], range(6)))
    system.pipe("/bucket/logs/.hidden/run2.csv", CURVE.encode())
    yield system
    system.rm("/bucket", recursive=True)


@pytest.mark.usefixtures("bucket")
def test_what_lies_in_a_bucket_is_read_as_a_folder_is(tmp_path: Path) -> None:
    for name in ("run0.csv", "deep/run1.csv"):
        write(tmp_path, f"logs/{name}", CURVE)
    write(tmp_path, "logs/tb/events.out.tfevents.1.a", event_files.scalars(["loss"], range(6)))
    there, here = ingest.read("memory://bucket/logs"), ingest.read(tmp_path / "logs")
    assert there.summary() == here.summary()
    assert {*there.sources["uri"].to_pylist()} == {
        "memory:///bucket/logs/deep/run1.csv",
        "memory:///bucket/logs/run0.csv",
        "memory://bucket/logs/tb",
    }
    assert len(ingest.read("memory://bucket/logs/*.csv")) == 1
    assert len(ingest.read("memory://bucket/logs/run0.csv")) == 1


def test_a_store_knows_objects_by_their_address(bucket: Any, tmp_path: Path) -> None:
    root, given = tmp_path / "store", ["memory://bucket/logs"]
    assert len(verb.put(given, root)[1].added) == 3
    again = verb.put(given, root)[1]
    assert len(again.unchanged) == 3
    assert "missing-file" not in {note.code for note in again.notes}
    bucket.pipe("/bucket/logs/run0.csv", (CURVE + LATER).encode())
    assert verb.put(given, root)[1].replaced == ("run0",)
    runs = ingest.read(root)
    assert {run["run_id"]: run["n_points"] for run in runs.summary()}["run0"] == 5
    assert "missing-file" not in {note.code for note in runs.notes}


@pytest.mark.usefixtures("bucket")
def test_what_is_not_in_a_bucket() -> None:
    told = refusal(DataError, ingest.read, "memory://bucket/nothing")
    assert told.startswith("memory:///bucket/nothing: nothing is there. Is the address right")


def test_a_bucket_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert refusal(DataError, ingest.read, "s3://bucket/logs") == (
        "s3://bucket/logs: reading s3:// needs the package s3fs, which is not installed. "
        "pip install 'scaling-cli[s3]'"
    )


def _wait_for(host: str, port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection((host, port)).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server does not answer")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of a local S3 server that has a bucket with logs."""
    why = "the dependency group s3 is not installed"
    for package in ("moto", "s3fs"):
        pytest.importorskip(package, reason=why)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host, port = free.getsockname()
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    started = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    _wait_for(host, port)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = importlib.import_module("boto3").client("s3")
    client.create_bucket(Bucket="ours")
    for name in ("run0.csv", "deep/run1.csv"):
        client.put_object(Bucket="ours", Key=f"logs/{name}", Body=CURVE.encode())
    yield client
    client.close()
    started.kill()
    started.wait()


@pytest.mark.filterwarnings("ignore")  # of the server
def test_a_bucket_of_s3(server: Any, tmp_path: Path) -> None:
    root, given = tmp_path / "store", ["s3://ours/logs"]
    assert verb.put(given, root)[1].added == ("run0", "run1")
    server.put_object(Bucket="ours", Key="logs/run0.csv", Body=(CURVE + LATER).encode())
    report = verb.put(given, root)[1]
    assert (report.replaced, report.unchanged) == (("run0",), ("run1",))
    assert ingest.read(root).sources["uri"].to_pylist() == [
        "s3://ours/logs/deep/run1.csv",
        "s3://ours/logs/run0.csv",
    ]
    told = refusal(DataError, ingest.read, "s3://theirs/logs")
    assert told.startswith("s3://theirs/logs: ")


# --- W&B ----------------------------------------------------------------------------------------


@dataclass
class FakeRun:
    id: str
    name: str
    rows: list[dict[str, Any]]
    config: dict[str, Any] = field(default_factory=dict)
    state: str = "finished"

    def scan_history(self) -> Iterator[dict[str, Any]]:
        yield from self.rows


ROWS = [
    {"_step": s, "_timestamp": 1.7e9 + s, "train/loss": 5 - s / 4, "text": "x"} for s in range(4)
]
RUNS = [
    FakeRun("a1", "base", ROWS, {"n_params": 7e6, "_wandb": {"m": []}}),
    FakeRun("b2", "large", [*ROWS[:2], {"_step": 2, "train/loss": "NaN"}], state="crashed"),
]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the API is asked for."""
    asked: list[str] = []

    class Api:
        def runs(self, path: str) -> list[FakeRun]:
            asked.append(path)
            return RUNS if path == "team/ladder" else []

        def run(self, path: str) -> FakeRun:
            asked.append(path)
            return next(run for run in RUNS if path.endswith(run.id))

    module = ModuleType("wandb")
    vars(module)["Api"] = Api
    monkeypatch.setitem(sys.modules, "wandb", module)
    return asked


def test_the_runs_of_a_project(api: list[str], tmp_path: Path) -> None:
    runs = ingest.read("wandb://team/ladder")
    assert api == ["team/ladder"]
    assert runs.runs.select(["run_id", "params", "status"]).to_pylist() == [
        {"run_id": "base", "params": 7e6, "status": "finished"},
        {"run_id": "large", "params": None, "status": "crashed"},
    ]
    losses = runs.points["loss"].to_pylist()
    assert losses[:6] == [5, 4.75, 4.5, 4.25, 5, 4.75]
    assert math.isnan(losses[6])
    assert len(ingest.read("wandb://team/ladder/b2")) == 1
    root = tmp_path / "store"
    assert verb.put(["wandb://team/ladder"], root)[1].added == ("base", "large")
    assert verb.put(["wandb://team/ladder"], root)[1].unchanged == ("base", "large")
    RUNS[0].rows.append({"_step": 4, "train/loss": 3.5})
    try:
        assert verb.put(["wandb://team/ladder"], root)[1].replaced == ("base",)
    finally:
        RUNS[0].rows.pop()


@pytest.mark.usefixtures("api")
def test_what_w_and_b_does_not_have() -> None:
    told = refusal(DataError, ingest.read, "wandb://team/nothing")
    assert told.startswith("wandb://team/nothing: the project has no runs.")
    told = refusal(DataError, ingest.read, "wandb://team/ladder/zz")
    assert told.startswith("wandb://team/ladder/zz: W&B does not give it (StopIteration: ).")
    told = refusal(UsageError, ingest.read, "wandb://team")
    assert told.startswith("wandb://team names no project. Write wandb://ENTITY/PROJECT")


def test_w_and_b_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert refusal(DataError, ingest.read, "wandb://team/ladder") == (
        "wandb://team/ladder: runs of W&B's API need the package wandb, which is not installed. "
        "pip install 'scaling-cli[wandb]'; files (run-ID.wandb) and exports need nothing."
    )
