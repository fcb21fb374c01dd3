"""Small inputs after public reports of faults, read from the command line, or refused there."""

from pathlib import Path

import numpy as np
import pytest
from read_by_command import read, refused

from scaling_cli import ingest

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
# Whole folders whose rows are finished runs, or checkpoints: how many runs and points.
FOLDERS = {
    "bigcode_passk": (25, 25),
    "checkpoints-named-by-name": (4, 16),
    "counts-in-billions": (16, 16),
    "dreamer_bigger_worse": (20, 20),
    "hf_grad_accum_loss": (24, 24),
    "huge_table": (200, 100000),
    "isoflop-n-and-budget-only": (15, 15),
    "isoflop_counted_flops": (28, 28),
    "letters-as-shape": (18, 18),
    "marin_lr_edge": (60, 60),
    "marinfold_untuned_cells": (16, 16),
    "minimind_one_schedule": (6, 240),
    "nanochat_tokens_hardcoded": (28, 28),
    "nni_accuracy": (3, 240),
    "olmo_bad_rung": (20, 20),
    "params_typo": (18, 18),
    "perplexity-table": (16, 16),
    "repeated_unique_tokens": (48, 48),
    "two_tokenizers": (20, 20),
}
EMPTY = {"bittensor_below_floor"}  # it is about a command, and holds no file


@pytest.mark.parametrize("case", READ)
def test_curves(shared: Path, tmp_path: Path, case: str) -> None:
    found = read(shared / "cases" / case, tmp_path)
    assert found.runs.keys() == READ[case].keys()
    for run, (points, first, last, loss, val_loss) in READ[case].items():
        assert len(found.along(run, "loss")[0]) == points
        assert found.runs[run]["first_step"] == first
        assert found.runs[run]["last_step"] == last
        for name, value in (("loss", loss), ("val_loss", val_loss)):
            if value is not None:
                np.testing.assert_equal(found.along(run, name)[1][-1], value)


@pytest.mark.parametrize("case", STATES)
def test_states(shared: Path, tmp_path: Path, case: str) -> None:
    runs = read(shared / "cases" / case, tmp_path).runs
    assert [run["state"] for run in runs.values()] == [STATES[case]]


@pytest.mark.parametrize("case", SIZES)
def test_what_the_header_says(shared: Path, tmp_path: Path, case: str) -> None:
    (facts,) = read(shared / "cases" / case, tmp_path).runs.values()
    assert (facts["params"], facts["batch_tokens"]) == SIZES[case]


@pytest.mark.parametrize("case", LADDERS)
def test_tables_of_runs(shared: Path, tmp_path: Path, case: str) -> None:
    found = read(shared / "cases" / case, tmp_path)
    last = [run["last_loss"] for run in found.runs.values()]
    assert (len(found.runs), found.points.num_rows, [min(last), max(last)]) == LADDERS[case]


@pytest.mark.parametrize("case", FOLDERS)
def test_whole_folders(shared: Path, tmp_path: Path, case: str) -> None:
    found = read(shared / "cases" / case, tmp_path)
    assert (len(found.runs), found.points.num_rows) == FOLDERS[case]


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(shared: Path, case: str) -> None:
    told, row, column = REFUSED[case]
    said = refused(shared / "cases" / case)
    assert told in said
    assert f"{Path(case).name}, row {row}" in said
    assert column is None or f"column '{column}'" in said


def test_perplexities_are_read_by_their_logarithm(shared: Path, tmp_path: Path) -> None:
    found = read(shared / "cases/perplexity-table", tmp_path)
    table = np.genfromtxt(shared / "cases/perplexity-table/runs.csv", delimiter=",", names=True)
    wanted = np.log(table["perplexity"])
    np.testing.assert_allclose(found.points["loss"].to_numpy(), wanted, rtol=1e-12)


def test_no_case_is_left_out(shared: Path) -> None:
    folders = {path.name for path in (shared / "cases").iterdir() if path.is_dir()}
    told = {Path(case).parts[0] for case in (*READ, *REFUSED, *FOLDERS)}
    assert folders == told | EMPTY


def test_a_budget_is_compute(shared: Path) -> None:
    runs = ingest.read(shared / "cases/isoflop-n-and-budget-only/isoflops.json")
    assert [c.canonical for c in runs.columns if c.column == "compute_budget"] == ["flops"]
