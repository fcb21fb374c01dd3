"""MLflow: tracking folders and databases, with what is no number decoded.

What mlflow 3.17.2 wrote into a folder was read once with the same reader.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_files import counting, curve, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.ingest import mlflow
from scaling_cli.ingest._sources import SQLITE
from scaling_cli.vocabulary.errors import DataError

IDS = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")
LARGEST = 1.7976931348623157e308  # as MLflow keeps infinity in a database
SCHEMA = """
CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250), status VARCHAR(9),
                   lifecycle_stage VARCHAR(20), experiment_id INTEGER);
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32),
                      step BIGINT, is_nan BOOLEAN);
"""


def _lines(values: Iterable[tuple[int, object]], began: int = 1_700_000_000_000) -> str:
    return "".join(f"{began + 10 * i} {v} {s}\n" for i, (s, v) in enumerate(values))


def _meta(run: str, name: str, status: int = 3, stage: str = "active") -> str:
    return (
        f"artifact_uri: file:///x/{run}/artifacts\nend_time: 1700000001000\n"
        f"lifecycle_stage: {stage}\nrun_id: {run}\nrun_name: {name}\nrun_uuid: {run}\n"
        f"source_name: ''\nstatus: {status}\ntags: []\n"
    )


def _folder(folder: Path, run: str = IDS[0], name: str = "base", **files: str) -> Path:
    """Write a run as a tracking folder has it; `__` in the name of a file stands for a slash."""
    root = folder / "mlruns/1" / run
    write(root, "meta.yaml", _meta(run, name))
    for file, text in files.items():
        write(root, file.replace("__", "/"), text)
    return root


def _database(path: Path, *, ahead: bool = False) -> None:
    """Write two runs of one name, one of them broken off; `ahead` keeps pages beside the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    if ahead:
        database.execute("PRAGMA journal_mode = WAL")
    database.executescript(SCHEMA)
    for run, status in zip(IDS, ("FINISHED", "RUNNING"), strict=True):
        database.execute("INSERT INTO runs VALUES (?, 'base', ?, 'active', 1)", (run, status))
        database.execute("INSERT INTO params VALUES ('max_steps', '30', ?)", (run,))
        for step in range(30):
            row = ("train/loss", 5 / (step + 1), 1_700_000_000_000 + step, run, step, 0)
            database.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", row)
    for step, value, is_nan in ((30, 0.0, 1), (31, LARGEST, 0), (32, -LARGEST, 0)):
        row = ("val_loss", abs(value), 1_700_000_000_100 + step, IDS[1], step, is_nan)
        database.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", row)
        row = ("margin", value, 1_700_000_000_100 + step, IDS[1], step, is_nan)
        database.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", row)
    database.commit()
    if ahead:
        _copied_while_open(path)
    database.close()


def _copied_while_open(path: Path) -> None:
    """Keep what lies beside a database that is in use: closing it would put it in."""
    for end in ("", "-wal"):
        copy = path.with_name(f"copy-{path.name}{end}")
        copy.write_bytes(Path(f"{path}{end}").read_bytes())


def test_the_metrics_of_a_run_are_joined(tmp_path: Path) -> None:
    values = [(0, 5.0), (10, "nan"), (20, "inf"), (30, 2.25)]
    _folder(
        tmp_path,
        metrics__train__loss=_lines(values),
        metrics__val_loss=_lines([(20, 3.5)]),
        params__max_steps="40",
        params__model__n_params="1.5M",
        tags__mlflow_user="someone",
        artifacts__table="step,loss\n1,2\n",
    )
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["base"]
    assert counting(runs, "step") == [0, 10, 20, 30]
    np.testing.assert_array_equal(counting(runs, "loss"), [5.0, np.nan, np.inf, 2.25])
    assert curve(runs, "val_loss") == {20: 3.5}
    facts = runs.runs.to_pylist()[0]
    assert (facts["step"], facts["params"], facts["status"]) == (40, 1.5e6, "finished")
    assert runs.sources["uri"].to_pylist() == [(tmp_path / "mlruns/1" / IDS[0]).as_posix()]
    assert runs.sources["bytes"].to_pylist() == [
        sum(
            len((tmp_path / "mlruns/1" / IDS[0] / part).read_bytes())
            for part in (
                "metrics/train/loss",
                "metrics/val_loss",
                "params/max_steps",
                "params/model/n_params",
                "meta.yaml",
            )
        )
    ]


def test_a_metric_may_be_called_as_a_folder_is(tmp_path: Path) -> None:
    _folder(
        tmp_path,
        metrics__metrics__mAP=_lines([(0, 4.0), (1, 3.0)]),
        metrics__params__x=_lines([(0, 1), (1, 2)]),
    )
    runs = ingest.read(tmp_path)
    assert (counting(runs, "metrics/mAP"), counting(runs, "params/x")) == ([4.0, 3.0], [1.0, 2.0])


def test_runs_of_one_name_and_a_deleted_one(tmp_path: Path) -> None:
    for run in IDS:
        _folder(tmp_path, run, metrics__loss=_lines([(0, 4.0)]))
    write(tmp_path / "mlruns/1" / IDS[1], "meta.yaml", _meta(IDS[1], "base", 4, "deleted"))
    runs = ingest.read(tmp_path)
    facts = runs.runs.select(["run_id", "status", "lifecycle_stage"]).to_pylist()
    assert facts == [
        {"run_id": f"base/{IDS[0]}", "status": "finished", "lifecycle_stage": None},
        {"run_id": f"base/{IDS[1]}", "status": "failed", "lifecycle_stage": "deleted"},
    ]


def test_lines_of_old_versions_have_no_step(tmp_path: Path) -> None:
    _folder(tmp_path, metrics__loss="1600000000 4.5\n1600000001 4.25\n")
    assert curve(ingest.read(tmp_path)) == {0: 4.5, 1: 4.25}


def test_a_resumed_run_counts_once(tmp_path: Path) -> None:
    values = [*((s, 19.0 - s) for s in range(10)), *((s, 2.0) for s in range(6, 12))]
    _folder(tmp_path, metrics__loss=_lines(values))
    assert curve(ingest.read(tmp_path)) == {s: 19.0 - s if s < 6 else 2.0 for s in range(12)}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_cut_anywhere_gives_whole_lines(newline: str) -> None:
    content = _lines([(s, 9 - s / 7) for s in range(12)]).replace("\n", newline).encode()
    path, lines = f"mlruns/1/{IDS[0]}/metrics/loss", set()
    for end in range(content.index(b"\n") + 1, len(content)):
        raw = mlflow.join("x", mlflow.read(path, content[:end]))
        assert raw.columns["loss"].to_pylist() == [9 - s / 7 for s in range(len(raw))]
        lines.add(len(raw))
    assert lines == set(range(1, 12))


def test_infinity_and_nan_of_a_database_are_decoded(tmp_path: Path) -> None:
    _database(tmp_path / "mlflow.db")
    runs = ingest.read(tmp_path / "mlflow.db")
    assert runs.runs["run_id"].to_pylist() == [f"base/{run[:8]}" for run in IDS]
    assert runs.runs["status"].to_pylist() == ["finished", "running"]
    assert runs.runs["step"].to_pylist() == [30, 30]
    first = [
        step
        for step, loss in zip(counting(runs, "step"), counting(runs, "loss"), strict=True)
        if loss is not None and step is not None
    ]
    assert first == [*range(30), *range(30)]
    held = [value for value in counting(runs, "val_loss") if value is not None]
    np.testing.assert_array_equal(held, [np.nan, np.inf, np.inf])
    margin = [value for value in counting(runs, "margin") if value is not None]
    np.testing.assert_array_equal(margin, [np.nan, np.inf, -np.inf])


def test_what_lies_beside_a_database_in_use_is_read(tmp_path: Path) -> None:
    _database(tmp_path / "mlflow.db", ahead=True)
    copy = tmp_path / "copy-mlflow.db"
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if "copy" in path.name}
    assert len(before["copy-mlflow.db-wal"]) > 0
    assert len(ingest.read(copy)) == 2
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if "copy" in path.name}
    assert after == before


def test_other_databases_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE people (name TEXT)")
    database.close()
    assert refusal(DataError, ingest.read, path) == (
        f"{path}: it is an SQLite database. Export its table of metrics as CSV."
    )
    _database(tmp_path / "mlflow.db")
    database = sqlite3.connect(tmp_path / "mlflow.db")
    database.execute("DELETE FROM metrics")
    database.commit()
    database.close()
    assert refusal(DataError, ingest.read, tmp_path / "mlflow.db") == (
        f"{tmp_path / 'mlflow.db'}: the database holds no metrics. Were any logged?"
    )


def test_a_view_is_no_table(tmp_path: Path) -> None:
    """A view can compute without end."""
    path = tmp_path / "mlflow.db"
    database = sqlite3.connect(path)
    database.executescript(SCHEMA.replace("CREATE TABLE metrics", "CREATE TABLE other"))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    database.execute(f"CREATE VIEW metrics AS {endless}")
    database.commit()
    database.close()
    assert "it is an SQLite database." in refusal(DataError, ingest.read, path)


@given(st.data())
def test_a_damaged_database_is_refused(data: st.DataObject) -> None:
    memory = sqlite3.connect(":memory:")
    memory.executescript(SCHEMA)
    memory.execute("INSERT INTO metrics VALUES ('loss', 2.0, 1700000000000, 'a', 1, 0)")
    memory.commit()
    content = bytearray(memory.serialize())
    memory.close()
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(len(SQLITE), len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    try:
        mlflow.read("a.db", bytes(content[: data.draw(st.integers(100, len(content)))]))
    except DataError:
        return


def test_refusals(tmp_path: Path) -> None:
    root = _folder(tmp_path, metrics__loss="1700000000000 4.5 0\n1700000000000 high 1\n")
    path = root / "metrics/loss"
    assert refusal(DataError, ingest.read, path).startswith(f"{path}: not a metric of MLflow: ")
    empty = _folder(tmp_path / "b", params__lr="0.1")
    assert refusal(DataError, ingest.read, empty / "meta.yaml") == (
        f"{empty}: the run has no metrics. Were any logged? Those of a remote server are not here."
    )


def test_the_public_samples(shared: Path) -> None:
    runs = ingest.read(shared / "samples/mlflow-mlruns")
    held = [
        *(0.3188439607620239, 0.38698798418045044, 0.3374920189380646, 0.3920651972293854),
        *(0.366636723279953, 0.32907551527023315, 0.3224458694458008, 0.3276152014732361),
        0.3170156180858612,
    ]
    assert sorted(map(str, counting(runs, "val_loss"))) == sorted(map(str, held))
    for sample, name in (("mlflow-sqlite", "mlflow.db"), ("mlflow-filestore-derived", "")):
        runs = ingest.read(shared / "samples" / sample / name)
        rows = [
            row for row in runs.to_frame().to_dict("records") if row["run_id"].startswith("yolo26s")
        ]
        assert [row["step"] for row in rows] == list(range(50))
        ends = {key: (rows[0][key], rows[-1][key]) for key in ("train/box_loss", "train/cls_loss")}
        assert ends == {"train/box_loss": (1.82539, 1.28843), "train/cls_loss": (1.29166, 0.65842)}
        assert (rows[0]["val/box_loss"], rows[-1]["val/box_loss"]) == (1.49815, 1.28664)
        assert (rows[0]["lr"], rows[-1]["lr"]) == pytest.approx((3.32623e-3, 2.98e-4), rel=1e-5)
