"""Databases of Trackio, made with the tables that trackio 0.43 makes."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import codes, counting, curve
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary.errors import DataError

SCHEMA = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
    timestamp TEXT NOT NULL, run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
    run_name TEXT NOT NULL, config TEXT NOT NULL, created_at TEXT NOT NULL);
"""
Row = tuple[str, str, int, Any]


def _database(path: Path, rows: Sequence[Row], schema: str = SCHEMA) -> Path:
    """Write rows of run id, run name, step and metrics, and a configuration of the first run."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(schema)
    for i, (run, name, step, metrics) in enumerate(rows):
        time = f"2026-01-01T00:{i // 60:02}:{i % 60:02}.5+00:00"
        text = metrics if isinstance(metrics, bytes) else json.dumps(metrics).encode()
        insert = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES"
        database.execute(f"{insert} (?, ?, ?, ?, ?)", (run, time, name, step, text))
    config = json.dumps({"n_params": 124e6, "max_steps": 5, "_Username": "someone"}).encode()
    insert = "INSERT INTO configs (run_id, run_name, config, created_at) VALUES"
    database.execute(f"{insert} (?, ?, ?, '2026')", (rows[0][0], rows[0][1], config))
    database.commit()
    database.close()
    return path


def test_every_run_of_a_database(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("a1", "base", s, {"train/loss": 9.0 - s, "eval": {"loss": 8.0 - s}}) for s in range(5)
    ]
    rows += [("b2", "wide", s, {"train/loss": 5.0 - s}) for s in range(3)]
    runs = ingest.read(_database(tmp_path / "project.db", rows))
    facts = runs.runs.select(["run_id", "params", "step"]).to_pylist()
    assert facts == [
        {"run_id": "base", "params": 124e6, "step": 5},
        {"run_id": "wide", "params": None, "step": None},
    ]
    assert [run["state"] for run in runs.summary()] == ["finished", "unknown"]
    assert counting(runs, "loss") == [9.0, 8.0, 7.0, 6.0, 5.0, 5.0, 4.0, 3.0]
    assert counting(runs, "val_loss") == [8.0, 7.0, 6.0, 5.0, 4.0, None, None, None]
    assert counting(runs, "wall_time")[0] == 1767225600.5


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rows: list[Row] = [(run, "base", s, {"loss": 9.0 - s}) for run in ("a1", "b2") for s in (0, 1)]
    runs = ingest.read(_database(tmp_path / "project.db", rows))
    assert runs.runs["run_id"].to_pylist() == ["base/a1", "base/b2"]


def test_what_is_no_number(tmp_path: Path) -> None:
    values = ["NaN", "Infinity", 2.5]
    rows: list[Row] = [("a", "x", s, {"loss": v, "note": "hm"}) for s, v in enumerate(values)]
    rows += [("a", "x", 3, b"{cut"), ("a", "x", 3, {"image": {"_type": "trackio.image"}})]
    runs = ingest.read(_database(tmp_path / "project.db", rows))
    np.testing.assert_array_equal(counting(runs, "loss"), [np.nan, np.inf, 2.5])
    assert (
        "2 metric(s) hold what is no number, passed over: image, note." in codes(runs)["no-scalars"]
    )
    assert "1 row(s) hold no JSON object and are left out." in codes(runs)["short-row"]


def test_the_users_steps_go_before_calls_of_log(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("a", "x", s, {"loss": 9.0 - s, "train/global_step": 50 * s}) for s in range(4)
    ]
    assert curve(ingest.read(_database(tmp_path / "p.db", rows))) == {
        50 * s: 9.0 - s for s in range(4)
    }


def test_a_resumed_run_counts_once(tmp_path: Path) -> None:
    rows: list[Row] = [("a", "x", s, {"loss": 19.0 - s}) for s in range(10)]
    rows += [("a", "x", s, {"loss": 2.0}) for s in range(6, 12)]
    read = curve(ingest.read(_database(tmp_path / "p.db", rows)))
    assert read == {s: 19.0 - s if s < 6 else 2.0 for s in range(12)}


def test_early_databases_have_no_ids(tmp_path: Path) -> None:
    schema = SCHEMA.replace("run_id TEXT NOT NULL,", "run_id TEXT,", 1)
    path = _database(tmp_path / "p.db", [("base", "base", 0, {"loss": 2.0})], schema)
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE metrics DROP COLUMN run_id")
    database.execute("ALTER TABLE configs DROP COLUMN run_id")
    database.close()
    runs = ingest.read(path)
    assert runs.runs.select(["run_id", "params"]).to_pylist() == [
        {"run_id": "base", "params": 124e6}
    ]


def test_refusals(tmp_path: Path) -> None:
    path = _database(tmp_path / "p.db", [("a", "x", 0, {"note": "hm"})])
    assert refusal(DataError, ingest.read, path) == (
        f"{path}: the database holds no metrics. Was anything logged?"
    )
    path.write_bytes(path.read_bytes()[:5000])
    assert "SQLite database" in refusal(DataError, ingest.read, path)


def test_the_public_sample(shared: Path) -> None:
    runs = ingest.read(shared / "samples/trackio-sqlite")
    facts = runs.runs.select(["run_id", "params", "peak_lr"]).to_pylist()
    assert facts == [{"run_id": "gpttt-values", "params": 12345678, "peak_lr": 3e-4}]
    loss, held = curve(runs), curve(runs, "val_loss")
    assert list(loss) == list(range(49, 500, 50))
    assert (loss[49], loss[499]) == pytest.approx((2.620294, 1.668699), abs=1e-6)
    assert held == pytest.approx({199: 2.394055, 399: 1.902305}, abs=1e-6)


def test_a_database_that_is_written_is_read_from_where_it_is_written(tmp_path: Path) -> None:
    """A writer that is at work writes beside the file, which stays as it was meanwhile."""
    root, rows = tmp_path / "store", [("a", "x", s, {"loss": 9.0 - s}) for s in range(3)]
    path = _database(tmp_path / "project.db", rows)
    verb.put([str(path)], root)
    before, writer = path.read_bytes(), sqlite3.connect(path)
    insert = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES"
    writer.execute(f"{insert} ('a', '2026-01-01T00:00:09+00:00', 'x', 3, '{{\"loss\": 2}}')")
    writer.commit()
    assert path.read_bytes() == before
    assert verb.put([str(path)], root)[1].replaced == ("x",)
    assert counting(ingest.read(root), "loss") == [9.0, 8.0, 7.0, 2.0]
    assert verb.put([str(path)], root)[1].unchanged == ("x",)
    writer.close()
