"""Tables for other tools: what is exported, and what they make of a store's own files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import run as command
from refusals import refusal

import scaling_cli as sc
from scaling_cli.vocabulary.errors import UsageError

RUNS = 40  # more than buckets of a store
ROWS = 25


def _last(run: int) -> float:
    return 2.0 + run / 64  # exact in binary


def _lowest(points: pd.DataFrame) -> dict[str, float]:
    """Return the lowest loss of each run, by pandas."""
    table = points.groupby("run_id", observed=True).agg({"loss": "min"})
    return dict(zip(table.index.tolist(), table["loss"].tolist(), strict=True))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Runs that each went back once: the rows before say 9, and do not count."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for run in range(RUNS):
        rows = [f"{step},9,," for step in range(10, 15)]
        rows += [f"{step},{_last(run) + ROWS - step},," for step in range(1, ROWS)]
        rows += [f"{ROWS},{_last(run)},{_last(run) + 1},nan"]
        text = "\n".join(["step,loss,val_loss,grad_norm", *rows, ""])
        (folder / f"r{run}.csv").write_text(text, encoding="utf8")
    return folder


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Path:
    path = tmp_path / "store"
    assert command("ingest", logs, "--store", path, "--set", "params=124M").exit_code == 0
    return path


@pytest.mark.parametrize("source", ["logs", "store"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_points_and_runs(
    suffix: str, source: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    target = tmp_path / f"points{suffix}"
    given = request.getfixturevalue(source)
    said = ["--set", "params=124M"] if source == "logs" else []
    result = command("runs", given, "--export", target, *said)
    assert result.exit_code == 0
    assert f"{target}, {tmp_path / f'points-runs{suffix}'}" in result.stderr
    load: Callable[[Path], pd.DataFrame] = pd.read_csv if suffix == ".csv" else pd.read_parquet
    points, runs = load(target), load(target.with_stem("points-runs"))
    assert len(points) == RUNS * ROWS  # without what was superseded
    assert _lowest(points) == {f"r{run}": _last(run) for run in range(RUNS)}
    assert set(points["params"]) == {124e6}
    assert len(runs) == RUNS
    by_run = runs.set_index("run_id")
    assert by_run.loc["r7", ["n_points", "last_step", "last_val_loss"]].tolist() == [
        ROWS,
        ROWS,
        _last(7) + 1,
    ]


def test_units_are_in_the_metadata(logs: Path, tmp_path: Path) -> None:
    runs = sc.read(str(logs), set={"loss_convention": "bits/byte", "params": "124M"})
    points, beside = sc.export(runs, tmp_path / "p.parquet")
    units = {f.name: (f.metadata or {}).get(b"unit") for f in pq.read_schema(points)}
    wanted = {"step": b"steps", "loss": b"bits/byte", "val_loss": b"bits/byte"}
    assert {name: units[name] for name in wanted} == wanted
    units = {f.name: f.metadata[b"unit"] for f in pq.read_schema(beside)}
    assert (units["last_val_loss"], units["params"]) == (b"bits/byte", b"parameters")


def test_nan_stays_a_value_and_what_is_missing_empty(logs: Path, tmp_path: Path) -> None:
    points, _ = sc.export(sc.read(str(logs / "r0.csv")), tmp_path / "p.csv")
    last = points.read_text("utf8").splitlines()[-1].split(",")
    header = points.read_text("utf8").splitlines()[0].replace('"', "").split(",")
    assert dict(zip(header, last, strict=True))["grad_norm"] == "nan"
    assert dict(zip(header, last, strict=True))["tokens"] == ""


def test_what_was_exported_is_read_again(logs: Path, tmp_path: Path) -> None:
    runs = sc.read(str(logs))
    for suffix in (".csv", ".parquet"):
        points, _ = sc.export(runs, tmp_path / f"p{suffix}")
        again = sc.read(str(points))
        assert [r["loss"] for r in again.summary()] == [r["loss"] for r in runs.summary()]


def test_refusals(logs: Path, tmp_path: Path) -> None:
    runs = sc.read(str(logs))
    told = "cannot write points as 'p.xlsx'. Use a name that ends in .parquet, .csv."
    assert refusal(UsageError, sc.export, runs, tmp_path / "p.xlsx") == told
    read = logs / "r3.csv"
    told = f"cannot write {read}: it was read. Give another name."
    assert refusal(UsageError, sc.export, runs, read) == told
    told = f"cannot write {tmp_path / 'none' / 'p.csv'}: No such file or directory."
    assert refusal(UsageError, sc.export, runs, tmp_path / "none" / "p.csv") == told


# --- a store's own files, as docs/fitting.md reads them ------------------------------------------


def _by_pandas(store: Path) -> dict[str, float]:
    points = pd.read_parquet(store / "points", filters=[("flags", "==", 0)])
    return _lowest(points)


def _by_polars(store: Path) -> dict[str, float]:
    pl = pytest.importorskip("polars")
    scanned = pl.scan_parquet(f"{store}/points/**/*.parquet", hive_partitioning=True)
    kept = scanned.filter(pl.col("flags") == 0).group_by("run_id").agg(pl.col("loss").min())
    return dict(kept.collect().iter_rows())


def _by_duckdb(store: Path) -> dict[str, float]:
    duckdb = pytest.importorskip("duckdb")
    files = f"read_parquet('{store}/points/*/*.parquet', hive_partitioning=true)"
    asked = f"SELECT run_id, min(loss) FROM {files} WHERE flags = 0 GROUP BY 1"
    return dict(duckdb.sql(asked).fetchall())


@pytest.mark.parametrize("by", [_by_pandas, _by_polars, _by_duckdb])
def test_other_tools_read_a_store(by: Callable[[Path], dict[str, float]], store: Path) -> None:
    assert by(store) == {f"r{run}": _last(run) for run in range(RUNS)}


@pytest.mark.parametrize("table", ["runs.parquet", "sources.parquet"])
def test_tables_of_a_store_have_plain_names(table: str, store: Path) -> None:
    assert len(pd.read_parquet(store / table)) == RUNS


def test_a_bucket_is_one_number_for_every_tool(store: Path) -> None:
    numbers: dict[str, Any] = {"pandas": set(pd.read_parquet(store / "points")["bucket"])}
    manifest = json.loads((store / "manifest.json").read_text("utf8"))
    assert {int(number) for number in numbers["pandas"]} == {
        segment["bucket"] for segment in manifest["segments"]
    }
    assert np.all(np.array([*map(int, numbers["pandas"])]) < manifest["buckets"])
