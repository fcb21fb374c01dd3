"""Local logs of SwanLab: numbered folders of values, and where their names come from."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from log_files import codes, counting, curve, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.vocabulary.errors import DataError

RUN = "swanlog/run-20260101_120000-a1b2c3d4"
STEPS = range(10, 60, 10)


def _lines(pairs: Iterable[tuple[int, object]]) -> str:
    time = "2026-01-01T00:00:{:02}.5+00:00"
    records = [{"index": s, "data": v, "create_time": time.format(s % 60)} for s, v in pairs]
    return "".join(f"{json.dumps(record)}\n" for record in records)


def _metric(
    folder: Path, name: str, pairs: Iterable[tuple[int, object]], file: str = "1000"
) -> None:
    write(folder / RUN, f"logs/{name}/{file}.log", _lines(pairs))
    write(folder / RUN, f"logs/{name}/_summary.json", '{"max": 1.0, "num": 2}')


def _transformers(folder: Path, rate: float = 1e-3) -> None:
    """Write what its callback logs into folders from 10 on, and its configuration."""
    values = [
        lambda s: 9 - s / 10,
        lambda s: 1.5,
        lambda s: 1e-3 - s / 1e6,
        lambda s: s / 100,
        float,
    ]
    for i, value in enumerate(values):
        _metric(folder, str(10 + i), [(s, value(s)) for s in STEPS])
    for i in range(4):
        _metric(folder, str(15 + i), [(s, 8.0 - i) for s in (30, 50)])
    settings = {"FRAMEWORK": "🤗transformers", "learning_rate": rate, "vocab_size": 1000}
    text = "".join(f"{k}:\n  desc: ''\n  sort: 1\n  value: {v}\n" for k, v in settings.items())
    write(folder / RUN, "files/config.yaml", text)
    write(folder / RUN, "console/2026-01-01.log", "step 0: train loss 4.0, val loss 4.1\n")


def test_names_come_from_the_database(tmp_path: Path) -> None:
    _metric(tmp_path, "3", [(0, 5.0), (1, 4.0)])
    _metric(tmp_path, "4", [(1, 4.5)])
    database = sqlite3.connect(tmp_path / "swanlog/runs.swanlab")
    database.executescript(
        "CREATE TABLE experiment (id INTEGER, run_id TEXT, name TEXT);"
        "CREATE TABLE tag (id INTEGER, experiment_id INTEGER, name TEXT);"
        "INSERT INTO experiment VALUES (1, 'run-20260101_120000-a1b2c3d4', 'base');"
        "INSERT INTO tag VALUES (3, 1, 'train/loss'), (4, 1, 'val/loss'), (3, 2, 'other');"
    )
    database.close()
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["run-20260101_120000-a1b2c3d4"]
    assert (curve(runs), curve(runs, "val_loss")) == ({0: 5.0, 1: 4.0}, {1: 4.5})
    assert "metric-names" not in codes(runs)


def test_names_may_be_those_of_the_folders(tmp_path: Path) -> None:
    _metric(tmp_path, "train%2Floss", [(0, 5.0), (1, 4.0)], "1000")
    _metric(tmp_path, "train%2Floss", [(2, 3.0)], "2000")
    assert curve(ingest.read(tmp_path)) == {0: 5.0, 1: 4.0, 2: 3.0}


def test_what_transformers_logs_is_known_by_order_and_values(tmp_path: Path) -> None:
    _transformers(tmp_path)
    runs = ingest.read(tmp_path)
    assert curve(runs) == {s: 9 - s / 10 for s in STEPS}
    assert curve(runs, "lr") == {s: 1e-3 - s / 1e6 for s in STEPS}
    assert curve(runs, "val_loss") == {30: 8.0, 50: 8.0}
    assert runs.runs["config/vocab_size"].to_pylist() == [1000]
    assert "10 is train/loss, 11 is train/grad_norm" in codes(runs)["metric-names"]


def test_numbers_are_no_names_where_the_values_say_otherwise(tmp_path: Path) -> None:
    """The third metric exceeds the learning rate that was asked for: it is something else."""
    _transformers(tmp_path, rate=1e-5)
    runs = ingest.read(tmp_path)
    assert runs.points["loss"].null_count == runs.points.num_rows
    assert curve(runs, "10") == {s: 9 - s / 10 for s in STEPS}
    assert codes(runs)["metric-names"].endswith("is not here: they have their numbers.")


def test_what_is_no_number(tmp_path: Path) -> None:
    _metric(tmp_path, "loss", [(0, 5.0), (1, "NaN"), (2, "INF"), (3, "text"), (4, 2.0)])
    np.testing.assert_array_equal(counting(ingest.read(tmp_path), "loss"), [5, np.nan, np.inf, 2])


def test_a_log_that_is_still_written(tmp_path: Path) -> None:
    text = _lines([(0, 5.0), (1, 4.0)])
    for cut in (1, 5, 60):
        write(tmp_path / RUN, "logs/loss/1000.log", text[:-cut])
        runs = ingest.read(tmp_path)
        assert curve(runs) in ({0: 5.0}, {0: 5.0, 1: 4.0})
        assert ("cut-record" in codes(runs)) == (len(curve(runs)) == 1)


def test_refusals(tmp_path: Path) -> None:
    text = _lines([(0, 5.0)]) + '{"index": "a"}\n'
    path = write(tmp_path / RUN, "logs/loss/1000.log", text)
    assert refusal(DataError, ingest.read, path) == (
        f"""{path}, row 2: the line is no value of a metric: '{{"index": "a"}}'. """
        "Mend or delete it."
    )


def test_the_public_sample(shared: Path) -> None:
    runs = ingest.read(shared / "samples/swanlab")
    assert runs.runs["run_id"].to_pylist() == ["run-20250605_144317-a3b1799d"]
    loss, lr, held = curve(runs), curve(runs, "lr"), curve(runs, "val_loss")
    assert list(loss) == list(range(10, 401, 10))
    assert (loss[10], loss[400]) == (1.6216, 1.1073)
    assert (lr[10], lr[400]) == pytest.approx((1.95588e-4, 4.41176e-6), rel=1e-5)
    assert list(held) == [100, 200, 300, 400]
    assert (held[100], held[400]) == pytest.approx((1.271772, 1.214450), abs=1e-6)
