"""Every reader on damaged bytes: it reads what there is or says what is wrong, and soon."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import event_files
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import wandb_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_files import as_parquet, counting, sheets, write

from scaling_cli import ingest
from scaling_cli.vocabulary.errors import DataError, ScalingError

ROWS = range(6)
RUN = "0123456789abcdef0123456789abcdef"
TABLE = "step,loss,lr\n" + "".join(f"{s},{9 - s}.5,1e-3\n" for s in ROWS)
SOON = 5.0  # processor seconds
TRACKIO = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT, run_name TEXT,
    step INTEGER, metrics TEXT);
CREATE TABLE configs (id INTEGER PRIMARY KEY, run_id TEXT, run_name TEXT, config TEXT,
    created_at TEXT);
INSERT INTO metrics VALUES (1, 'a', '2026-01-01T00:00:00+00:00', 'base', 1, '{"loss": 3.5}'),
    (2, 'a', '2026-01-01T00:00:01+00:00', 'base', 2, '{"loss": 3.25}');
INSERT INTO configs VALUES (1, 'a', 'base', '{"n_params": 1e6}', '2026');
"""
MLFLOW = """
CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, lifecycle_stage TEXT, experiment_id INT);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan INT);
INSERT INTO runs VALUES ('a', 'base', 'FINISHED', 'active', 1);
INSERT INTO metrics VALUES ('loss', 3.5, 1700000000000, 'a', 1, 0),
    ('loss', 3.25, 1700000000001, 'a', 2, 0);
"""


def _database(script: str) -> Callable[[Path], bytes]:
    def made(folder: Path) -> bytes:
        path = folder / "made.db"
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path)
        database.executescript("PRAGMA page_size = 512;" + script)
        database.close()
        return path.read_bytes()

    return made


def _neptune(folder: Path) -> bytes:
    row = {"project_id": "t/p", "run_id": "R-1", "attribute_path": "train/loss"}
    rows = [
        {**row, "attribute_type": "float_series", "step": s, "float_value": 9.0 - s} for s in ROWS
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def _wandb(_: Path) -> bytes:
    rows = [wandb_files.history({"_step": s, "loss": 9.0 - s}) for s in ROWS]
    return wandb_files.log([wandb_files.run("base"), wandb_files.config({"lr": 1}), *rows])


def _text(text: str) -> Callable[[Path], bytes]:
    return lambda _: text.encode()


_JSON = "".join(json.dumps({"step": s, "loss": 9.5 - s, "host": "a"}) + "\n" for s in ROWS)
_SWAN = "".join(
    json.dumps({"index": s, "data": 9.5 - s, "create_time": "2026-01-01T00:00:00+00:00"}) + "\n"
    for s in ROWS
)
# For each kind of log: where it lies, and its content.
LOGS: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "delimited": ("run.csv", _text(TABLE)),
    "quoted": ("run.csv", _text('"","step","loss"\n' + '"1",1,"3.5"\n"2",2,"3.25"\n"3",3,3\n')),
    "jsonl": ("run.jsonl", _text(_JSON)),
    "console": ("run.log", _text("".join(f"iter {s}: loss {9 - s}.5, time 2.0ms\n" for s in ROWS))),
    "parquet": ("run.parquet", lambda _: as_parquet(TABLE)),
    "tensorboard": ("events.out.tfevents.1.a", lambda _: event_files.scalars(["loss"], ROWS)),
    "wandb": ("run-a1b2c3d4.wandb", _wandb),
    "trackio": ("project.db", _database(TRACKIO)),
    "mlflow": ("mlflow.db", _database(MLFLOW)),
    "mlflow files": (
        f"mlruns/1/{RUN}/metrics/loss",
        _text("".join(f"{1_700_000_000_000 + s} {9 - s}.5 {s}\n" for s in ROWS)),
    ),
    "swanlab": ("swanlog/run-20260101_120000-a1b2c3d4/logs/loss/1.log", _text(_SWAN)),
    "neptune": ("exports/data/t_p/part.parquet", _neptune),
}
LOGS["xlsx"] = ("run.xlsx", lambda _: sheets(run=[("step", "loss"), *((s, 9.5 - s) for s in ROWS)]))
CUTS, FLIPS = 60, 60


def damaged(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Yield the content cut at many places, and with bytes changed, lost or doubled."""
    cuts = rng.choice(len(content), min(CUTS, len(content)), replace=False)
    yield from (content[:cut] for cut in cuts.tolist())
    for _ in range(FLIPS):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), int(rng.integers(1, 4))).tolist():
            changed[place] = int(rng.integers(256))
        place = int(rng.integers(len(changed)))
        part = bytes(changed[place : place + int(rng.integers(9))])
        yield bytes(changed)
        yield bytes(changed[:place]) + part + bytes(changed[place:])
        yield bytes(changed[:place]) + bytes(changed[place + len(part) :])


@pytest.mark.parametrize("kind", LOGS)
def test_damaged_bytes_are_read_or_refused(
    kind: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    name, made = LOGS[kind]
    content = made(tmp_path)
    logs = tmp_path / "logs"
    write(logs, name, content)
    assert len(ingest.read(logs)) > 0
    read = refused = 0
    for bad in damaged(content, rng):
        write(logs, name, bad)
        begun = time.process_time()
        try:
            read += len(ingest.read(logs / name)) > 0
        except ScalingError as error:
            refused += 1
            assert error.message
        assert time.process_time() - begun < SOON
    assert read + refused == min(CUTS, len(content)) + 3 * FLIPS


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_binary_log_cut_at_every_byte(kind: str, tmp_path: Path) -> None:
    """What is read is the beginning of what is whole; what is not is refused in one message."""
    name, made = LOGS[kind]
    content = made(tmp_path)
    whole = ingest.read(write(tmp_path, name, content))
    wanted = list(zip(counting(whole, "step"), counting(whole, "loss"), strict=True))
    assert len(wanted) == len(ROWS)
    survived = set()
    for cut in range(len(content)):
        file = write(tmp_path, name, content[:cut])
        try:
            runs = ingest.read(file)
        except DataError as error:
            assert error.message
            continue
        found = list(zip(counting(runs, "step"), counting(runs, "loss"), strict=True))
        assert found == wanted[: len(found)], cut
        survived.add(len(found))
    assert survived == set(range(1, len(ROWS)))


@pytest.mark.parametrize("kind", LOGS)
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=9))))
def test_edited_bytes_are_read_or_refused(
    kind: str, tmp_path: Path, edits: list[tuple[float, int, bytes]]
) -> None:
    """Bytes are put in the place of others, at places that are shares of the length."""
    name, made = LOGS[kind]
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    content = made(folder)
    for share, lost, put in edits:
        at = int(share * len(content))
        content = content[:at] + put + content[at + lost :]
    try:
        ingest.read(write(tmp_path / "logs", name, content))
    except ScalingError as error:
        assert error.exit_code == 3
