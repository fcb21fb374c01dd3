"""Small inputs after public reports of faults: what must be read from each, or be refused."""

from pathlib import Path

import numpy as np
import pytest

from scaling_cli import ingest
from scaling_cli.runs.table import floats
from scaling_cli.vocabulary.errors import DataError

# run: points with a training loss, first and last step, last loss, last held-out loss
READ = {
    "build-nanogpt-log/log.txt": {"log": (300, 0, 299, None, None)},
    "dvclive-folder": {"dvclive-folder": (20, 0, 380, 3.243837, None)},
    "epoch-only-csv/training.csv": {"training": (20, 0, 19, None, 3.07696)},
    "hf-console-dicts/train.log": {"train": (20, 1, 20, 3.5490, None)},
    "hf-log-history-jsonl/log.jsonl": {"log": (20, 10, 200, 3.5490, 3.6490)},
    "hf-trainer-state/trainer_state.json": {"trainer_state": (20, 10, 200, 3.5490, 3.6490)},
    "iter-resets-each-epoch/run.log.json": {"run.log": (50, 50, 2500, 2.63595, None)},
    "lightning-metrics-csv/metrics.csv": {"metrics": (40, 9, 399, 3.2231, 3.3231)},
    "llmc-stdout-nan-and-val/train.log": {"train": (400, 0, 400, np.nan, np.nan)},
    "loss-summed-then-mean/log.csv": {"log": (100, 0, 1980, 2.6929, None)},
    "megatron-diverged/pretrain.log": {"pretrain": (30, 10, 300, np.nan, None)},
    "nanogpt-goes-nan/train.log": {"train": (60, 0, 600, np.nan, np.nan)},
    "tensorboard-csv-export/run-train-tag-train_loss.csv": {
        "run-train-tag-train_loss": (20, 0, 950, 2.902824, None)
    },
    "two-models-one-csv/log.csv": {
        "wide": (11, 0, 5000, 1.7896, 1.8696),
        "deep": (11, 0, 5000, 4.4896, 4.5696),
    },
    "wandb-chart-export/one_run.csv": {"base": (20, 0, 950, None, None)},
    "wandb-chart-export/wandb_export.csv": {
        "base-124M": (20, 0, 950, None, None),
        "wide-350M": (10, 0, 900, None, None),
    },
    "wandb-history-custom-step/history.csv": {"history": (20, 100, 2000, 2.6904, None)},
}
STATES = {
    "hf-trainer-state/trainer_state.json": "finished",
    "llmc-stdout-nan-and-val/train.log": "diverged",
    "megatron-diverged/pretrain.log": "diverged",
    "nanogpt-goes-nan/train.log": "diverged",
}
SIZES = {"llmc-stdout-nan-and-val/train.log": (124475904, 524288)}
LADDERS = {
    "checkpoints-named-by-name/runs.csv": (4, 16, [3.2836, 4.4265]),
    "isoflop-n-and-budget-only/isoflops.json": (15, 15, [3.5058, 4.6252]),
    "letters-as-shape/runs.csv": (18, 18, [3.0956, 6.0665]),
}
REFUSED = {
    "decimal-commas/log.csv": ("'10,900' could be 10.900 or 10900.", 2, "loss"),
    "decimal-commas/log4.csv": ("'10,9000' has a decimal comma.", 2, "loss"),
    "loss-column-all-zero/log.csv": ("--map loss=ce_loss.", 2, "loss"),
    "nanogpt-loss-with-unit/output.log": ("goes on otherwise: 'step 0: train loss", 1, None),
}


@pytest.mark.parametrize("case", READ)
def test_curves(shared: Path, case: str) -> None:
    runs = ingest.read(shared / "cases" / case)
    rows, owner = runs.order
    columns = {name: floats(runs.points[name])[rows] for name in ("step", "loss", "val_loss")}
    there = runs.points["loss"].is_valid().to_numpy()[rows]
    held = runs.points["val_loss"].is_valid().to_numpy()[rows]
    assert set(runs.runs["run_id"].to_pylist()) == READ[case].keys()
    for i, run in enumerate(runs.runs["run_id"].to_pylist()):
        points, first, last, loss, val_loss = READ[case][run]
        mine = owner == i
        assert int(np.sum(mine & there)) == points
        assert (columns["step"][mine].min(), columns["step"][mine].max()) == (first, last)
        for name, known, value in (("loss", there, loss), ("val_loss", held, val_loss)):
            if value is not None:
                np.testing.assert_equal(columns[name][mine & known][-1], value)


@pytest.mark.parametrize("case", STATES)
def test_states(shared: Path, case: str) -> None:
    assert [r["state"] for r in ingest.read(shared / "cases" / case).summary()] == [STATES[case]]


@pytest.mark.parametrize("case", SIZES)
def test_what_the_header_says(shared: Path, case: str) -> None:
    facts = ingest.read(shared / "cases" / case).runs
    assert (facts["params"][0].as_py(), facts["batch_tokens"][0].as_py()) == SIZES[case]


@pytest.mark.parametrize("case", LADDERS)
def test_tables_of_runs(shared: Path, case: str) -> None:
    runs = ingest.read(shared / "cases" / case)
    last = [run["loss"] for run in runs.summary()]
    assert (len(runs), runs.points.num_rows, [min(last), max(last)]) == LADDERS[case]


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(shared: Path, case: str) -> None:
    told, row, column = REFUSED[case]
    with pytest.raises(DataError) as caught:
        ingest.read(shared / "cases" / case)
    assert told in str(caught.value)
    assert (caught.value.row, caught.value.column) == (row, column)


def test_a_budget_is_compute(shared: Path) -> None:
    runs = ingest.read(shared / "cases/isoflop-n-and-budget-only/isoflops.json")
    assert [c.canonical for c in runs.columns if c.column == "compute_budget"] == ["flops"]
