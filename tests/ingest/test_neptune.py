"""Exports of Neptune, with the columns that neptune-exporter writes."""

import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import counting, curve
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.vocabulary.errors import DataError

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("project_id", "run_id", "attribute_path")),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", pa.timestamp("ms", "UTC")),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
    ]
)


def _value(path: str, kind: str, value: Any, run: str = "R-1") -> dict[str, Any]:
    return {"run_id": run, "attribute_path": path, "attribute_type": kind, f"{kind}_value": value}


def _series(path: str, values: dict[int | float, float], run: str = "R-1") -> list[dict[str, Any]]:
    row = {"run_id": run, "attribute_path": path, "attribute_type": "float_series"}
    return [{**row, "step": decimal.Decimal(str(s)), "float_value": v} for s, v in values.items()]


def _export(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / "exports/data/team_project" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"project_id": "team/project", **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return path


def test_a_run_lies_in_several_parts(tmp_path: Path) -> None:
    facts = [_value("sys/name", "string", "base"), _value("sys/failed", "bool", False)]
    facts += [_value("params/n_params", "int", 124_000_000), _value("params/lr", "float", 3e-4)]
    first = [*facts, *_series("train/loss", {0: 9.0, 10: np.nan}), *_series("val/loss", {10: 8.0})]
    _export(tmp_path, "R-1_part_0.parquet", first)
    _export(tmp_path, "R-1_part_1.parquet", _series("train/loss", {20: 7.0}))
    _export(tmp_path, "R-2_part_0.parquet", _series("train/loss", {0: 5.0, 10: 4.0}, "R-2"))
    runs = ingest.read(tmp_path)
    rows = runs.runs.select(["run_id", "params", "status", "peak_lr"]).to_pylist()
    assert rows == [
        {"run_id": "R-2", "params": None, "status": None, "peak_lr": None},
        {"run_id": "base", "params": 124e6, "status": "finished", "peak_lr": 3e-4},
    ]
    np.testing.assert_array_equal(counting(runs, "loss"), [5.0, 4.0, 9.0, np.nan, 7.0])
    assert curve(runs, "val_loss") == {10: 8.0}


def test_several_runs_in_one_file(tmp_path: Path) -> None:
    rows = [*_series("loss", {0: 3.0}, "R-1"), *_series("loss", {0: 2.0}, "R-2")]
    runs = ingest.read(_export(tmp_path, "all.parquet", rows))
    assert runs.runs["run_id"].to_pylist() == ["R-1", "R-2"]
    assert counting(runs, "loss") == [3.0, 2.0]


def test_other_parquet_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"step": [0, 1], "loss": [3.0, 2.0]}), path)
    assert counting(ingest.read(path), "loss") == [3.0, 2.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (_series("loss", {0: 3.0, 0.5: 2.0}), "the step 0.5 is no whole number. Log whole steps."),
        ([_value("sys/name", "string", "x")], "the run has no series of numbers. Export them too."),
    ],
)
def test_refusals(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    path = _export(tmp_path, "R-1_part_0.parquet", rows)
    assert refusal(DataError, ingest.read, path) == f"{path.parent}/R-1: {message}"
