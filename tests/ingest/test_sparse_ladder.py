"""The shipped sparse ladder: its curves are one run each, and the average count is the one."""

import csv

import numpy as np
import pytest

from scaling_cli import ingest, laws
from scaling_cli.point_fits import fitting
from scaling_cli.runs.selection import select
from scaling_cli.runs.table import floats
from scaling_cli.vocabulary import shipped

FOLDER = shipped.folder("data") / "sparse_ladder"
SETTLED = "sparsity <= 0.8 and (sparsity == 0 or (prune_start == 0.25 and prune_end == 0.75))"


def test_curves_have_the_average_that_training_counted() -> None:
    """Rows are up to 64 steps apart and pruning comes every 16: the mean is right to 1 %."""
    runs = ingest.read(FOLDER / "runs")
    ids, means = runs.points["run_id"].to_pylist(), floats(runs.points["average_params"])
    last = dict(zip(ids, means.tolist(), strict=True))
    with (FOLDER / "runs.csv").open(encoding="utf-8", newline="") as stream:
        counted = {row["run_id"]: row for row in csv.DictReader(stream)}
    assert len(last) == sum(row["role"] == "sparse" for row in counted.values()) == 24
    exact = [float(counted[name]["params_average"]) for name in last]
    np.testing.assert_allclose(list(last.values()), exact, rtol=1e-2)


@pytest.mark.parametrize("count", ["params_final", "params_total"])
def test_the_average_fits_better_than(count: str) -> None:
    """By the minimised sums that docs/laws.md tells: 1.7 and 1.8 times as large."""
    sums = {}
    for column in ("params_average", count):
        runs = ingest.read(FOLDER / "runs.csv", map={"average_params": column})
        points = select(runs, laws.get("average_parameters"), where=SETTLED)
        sums[column] = fitting.refit_objective(points, "average_parameters").value
    assert sums[count] / sums["params_average"] > 1.6
