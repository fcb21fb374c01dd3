"""Folders of several trackers at once: read in one go, stored, and read again as they grow."""

from pathlib import Path

import event_files
import pytest
import wandb_files
from log_files import curve, write

from scaling_cli import ingest
from scaling_cli.runs import store
from scaling_cli.verbs import ingest as verb

RUN = "0123456789abcdef0123456789abcdef"
EVENTS = "tb/small/events.out.tfevents.1.host"
HISTORY = "wandb/run-20260101_000000-a1b2c3d4/run-a1b2c3d4.wandb"


def _mixed(folder: Path, steps: int = 20) -> None:
    """Write a run of each tracker, and what they write beside it."""
    write(folder, EVENTS, event_files.scalars(["train/loss"], range(steps)))
    rows = [{"train/loss": 9 / (s + 1), "_step": s} for s in range(steps)]
    write(folder, HISTORY, wandb_files.log(wandb_files.history(row) for row in rows))
    write(folder, "wandb/debug-internal.log", '{"time": 1, "step": 2}\n')
    values = "".join(f"{1_700_000_000_000 + s} {8 / (s + 1)} {s}\n" for s in range(steps))
    write(folder, f"mlruns/1/{RUN}/metrics/loss", values)
    write(folder, f"mlruns/1/{RUN}/params/optimizer", "adam")
    for name, factor in (("loss", 7), ("learning_rate", 1e-3)):
        lines = "".join(f"{s}\t{factor / (s + 1)}\n" for s in range(steps))
        write(folder, f"dvc/dvclive/plots/metrics/{name}.tsv", f"step\t{name}\n{lines}")


def test_a_mixed_folder_is_read_in_one_go(tmp_path: Path) -> None:
    _mixed(tmp_path)
    runs = ingest.read(tmp_path)
    ends = {run["run_id"]: (run["last_step"], run["loss"]) for run in runs.summary()}
    scales = {RUN: 8, "a1b2c3d4": 9, "dvclive": 7, "small": 10}
    assert ends == {run: (19, pytest.approx(scale / 20)) for run, scale in scales.items()}
    assert [note.level for note in runs.notes if note.level != "info"] == []


def test_a_store_takes_runs_of_several_files_once(tmp_path: Path) -> None:
    _mixed(tmp_path / "logs")
    logs, kept = tmp_path / "logs", tmp_path / "runs.store"
    assert len(verb.ingest(logs, kept).added) == 4
    again = verb.ingest(logs, kept)
    assert (len(again.unchanged), again.added, again.replaced) == (4, (), ())
    write(logs, EVENTS, event_files.scalars(["train/loss"], range(30)))
    grown = verb.ingest(logs, kept)
    assert (grown.replaced, len(grown.unchanged)) == (("small",), 3)
    last = {run["run_id"]: run["last_step"] for run in store.read(kept).summary()}
    assert last == {RUN: 19, "a1b2c3d4": 19, "dvclive": 19, "small": 29}


def test_a_run_in_two_trackers_keeps_both_names(tmp_path: Path) -> None:
    """Two trackers call it `base`: where each was found says which is which."""
    write(tmp_path, "tb/base/events.out.tfevents.1.host", event_files.scalars(["loss"], range(3)))
    rows = [{"loss": 2.0, "_step": 0}, {"loss": 1.0, "_step": 1}]
    records = [wandb_files.run("base"), *map(wandb_files.history, rows)]
    write(tmp_path, HISTORY, wandb_files.log(records))
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["base/a1b2c3d4", "base/base"]


def test_settings_beside_event_files_are_facts(tmp_path: Path) -> None:
    """As Lightning writes them."""
    write(tmp_path, "version_0/events.out.tfevents.1.host", event_files.scalars(["loss"], range(5)))
    write(tmp_path, "version_0/hparams.yaml", "max_steps: 5\nmodel:\n  n_layer: 4\nlr: 0.001\n")
    runs = ingest.read(tmp_path)
    facts = runs.runs.to_pylist()[0]
    assert (facts["step"], facts["peak_lr"], facts["config/model/n_layer"]) == (5, 1e-3, 4)
    assert [run["state"] for run in runs.summary()] == ["finished"]
    assert list(curve(runs)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", [EVENTS, HISTORY])
def test_a_compressed_log_is_read(tmp_path: Path, name: str) -> None:
    import gzip

    _mixed(tmp_path / "plain")
    content = (tmp_path / "plain" / name).read_bytes()
    path = write(tmp_path, f"{name}.gz", gzip.compress(content))
    assert len(curve(ingest.read(path))) == 20
