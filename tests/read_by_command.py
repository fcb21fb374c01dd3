"""What `scaling runs PATH` makes of files, typed without options: its tables, or its refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from command_line import run

from scaling_cli.runs.table import floats


@dataclass(frozen=True)
class Read:
    """Points that count, a row for each run, and what was said."""

    points: pa.Table
    runs: Mapping[str, Mapping[str, Any]]
    said: str

    def along(self, name: str, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps at which a run has a value in a column, and the values."""
        if column not in self.points.column_names:
            return np.empty(0), np.empty(0)
        points = self.points.filter(pc.field("run_id") == name)
        points = points.filter(points[column].is_valid())
        return floats(points["step"]), floats(points[column])

    def rows(self) -> dict[str, int]:
        """Return how many points each run has."""
        return {name: int(run["n_points"]) for name, run in self.runs.items()}


def read(path: Path, scratch: Path) -> Read:
    """Read a path; it must not be refused."""
    target = scratch / "points.parquet"
    result = run("runs", path, "--export", target, "--full")
    assert result.exit_code == 0, result.stderr
    beside = pq.read_table(scratch / "points-runs.parquet").to_pylist()
    return Read(pq.read_table(target), {row["run_id"]: row for row in beside}, result.stdout)


def refused(path: Path) -> str:
    """Return what is said of a path that is refused as bad data."""
    result = run("runs", path)
    assert result.exit_code == 3
    return " ".join(result.stderr.split())
