"""Transaction logs of W&B: the whole history, at the steps at which it was measured.

The logs are made here byte by byte; what wandb 0.31.0 wrote was read once with the same reader and
gave the same values as were logged.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb_files as written
from hypothesis import given
from hypothesis import strategies as st
from log_files import codes, counting, curve, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.ingest import wandb
from scaling_cli.ingest._transactions import read_history
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.errors import DataError

FOLDER = "wandb/offline-run-20260101_{:06d}-{}"


def _path(second: int = 0, run_id: str = "a1b2c3d4") -> str:
    return f"{FOLDER.format(second, run_id)}/run-{run_id}.wandb"


def _read(folder: Path, files: Mapping[str, bytes]) -> Runs:
    for name, content in files.items():
        write(folder, name, content)
    return ingest.read(folder)


def _rows(steps: Any, **more: Any) -> list[bytes]:
    rows = [{"train/loss": 9 - s / 99, "_step": s, "_timestamp": 1.7e9 + s, **more} for s in steps]
    return [written.history(row) for row in rows]


@pytest.mark.parametrize("nested", [False, True])
def test_every_row_is_read(tmp_path: Path, *, nested: bool) -> None:
    """More than a block of 32 KiB, so that some records lie in two."""
    losses = [5 / math.sqrt(step + 1) for step in range(900)]
    records = [
        record
        for step, loss in enumerate(losses)
        for record in (
            written.history({"a/b/loss": loss, "train/loss": loss, "_step": step}, nested=nested),
            written.summary({"train/loss": loss}),
        )
    ]
    content = written.log([written.run("base"), *records, written.ended()])
    assert len(content) > 3 * 32768
    runs = _read(tmp_path, {_path(): content})
    assert runs.runs["run_id"].to_pylist() == ["base"]
    assert curve(runs) == dict(enumerate(losses))
    assert curve(runs, "a/b/loss") == dict(enumerate(losses))
    assert runs.runs["status"].to_pylist() == ["finished"]


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    values = [2.5, math.nan, math.inf, -1e-300]
    rows = [
        {"train/loss": abs(v), "x": v, "media": {"_type": "image"}, "note": "a"} for v in values
    ]
    runs = _read(tmp_path, {_path(): written.log([written.history(row) for row in rows])})
    np.testing.assert_array_equal(counting(runs, "loss"), np.abs(values))
    np.testing.assert_array_equal(counting(runs, "x"), values)
    told = (
        "2 metric(s) hold what is no number (texts, media, histograms), passed over: media, note."
    )
    assert codes(runs)["no-scalars"].endswith(told)


@pytest.mark.parametrize("axis", ["iter", "trainer/global_step", "train/global_step"])
def test_the_users_steps_go_before_calls_of_log(tmp_path: Path, axis: str) -> None:
    records = [r for s in range(5) for r in _rows([s], **{axis: 250 * s})]
    runs = _read(tmp_path, {_path(): written.log(records)})
    assert curve(runs) == {250 * s: 9 - s / 99 for s in range(5)}
    assert [c.column for c in runs.columns if c.canonical == "step"] == [axis]


def test_tokens_do_not_count_steps(tmp_path: Path) -> None:
    records = [r for s in range(5) for r in _rows([s], **{"throughput/total_tokens": 1000 * s})]
    runs = _read(tmp_path, {_path(): written.log(records)})
    assert counting(runs, "step") == [0, 1, 2, 3, 4]
    assert counting(runs, "tokens") == [0, 1000, 2000, 3000, 4000]


@pytest.mark.parametrize("place", ["record", "config"])
def test_a_metric_stands_at_its_own_steps(tmp_path: Path, place: str) -> None:
    """An evaluation that is logged in the row of a later training step."""
    rows = [{"train/loss": 9.0 - s, "global_step": 10 * s, "_step": s} for s in range(4)]
    rows[3] |= {"eval/loss": 8.5, "eval_step": 20}
    pairs = {"train/*": "global_step", "eval/loss": "eval_step"}
    if place == "record":
        defined = [written.metric(m, s, pattern="*" in m) for m, s in pairs.items()]
    else:
        stated = [{"1": "global_step"}, {"1": "eval_step"}]
        stated += [{"2": "train/*", "5": 1}, {"1": "eval/loss", "5": 2}]
        defined = [written.config({"_wandb": {"m": stated}})]
    records = [*defined, *(written.history(row) for row in rows)]
    runs = _read(tmp_path, {_path(): written.log(records)})
    assert curve(runs) == {0: 9.0, 10: 8.0, 20: 7.0, 30: 6.0}
    assert curve(runs, "val_loss") == {20: 8.5}


def test_a_row_without_the_users_step_belongs_to_the_one_before(tmp_path: Path) -> None:
    rows = [{"train/loss": 9.0, "iter": 5}, {"val/loss": 8.0}, {"train/loss": 7.0, "iter": 10}]
    records = [written.history(row) for row in [{"warm": 1.0}, *rows]]
    runs = _read(tmp_path, {_path(): written.log(records)})
    assert curve(runs, "val_loss") == {5: 8.0}
    told = "1 value(s) were logged before the first 'iter'; left out."
    assert codes(runs)["no-step"].endswith(told)


def test_what_the_configuration_says(tmp_path: Path) -> None:
    settings = {"max_iters": 5000, "batch_size": 64, "block_size": 256, "warmup_iters": 100}
    settings |= {"gradient_accumulation_steps": 2, "learning_rate": 1e-3, "model": {"n_layer": 6}}
    content = written.log([written.run("x"), written.config(settings), *_rows(range(3))])
    runs = _read(tmp_path, {_path(): content})
    facts = runs.runs.to_pylist()[0]
    assert {name: facts[name] for name in ("step", "batch_tokens", "seq_len", "peak_lr")} == {
        "step": 5000,
        "batch_tokens": 64 * 256 * 2,
        "seq_len": 256,
        "peak_lr": 1e-3,
    }
    assert (facts["warmup_iters"], facts["config/model/n_layer"]) == (100, 6)
    assert [run["state"] for run in runs.summary()] == ["unfinished"]


def test_the_configuration_beside_a_log_is_read(tmp_path: Path) -> None:
    lines = ["wandb_version: 1", "", "n_params:", "  desc: null", "  value: 124000000"]
    lines += ["_wandb:", "  desc: null", "  value:", "    cli_version: 0.16.3", "    m: []"]
    text = "\n".join(lines).encode()
    folder = FOLDER.format(0, "a1b2c3d4")
    own = {_path(): written.log(_rows(range(3))), f"{folder}/files/config.yaml": text}
    own |= {f"{folder}/files/output.log": b"step 0: train loss 4.0, val loss 4.1\n"}
    own |= {f"{folder}/files/wandb-summary.json": b'{"train/loss": 1}'}
    own |= {"wandb/debug.log": b'{"step": 1, "loss": 2}\n'}
    runs = _read(tmp_path, own)
    assert runs.runs.select(["run_id", "params"]).to_pylist() == [
        {"run_id": "a1b2c3d4", "params": 124000000}
    ]
    assert "output.log" in codes(runs)["ignored-file"]
    console = ingest.read(tmp_path / folder / "files/output.log")
    assert counting(console, "val_loss") == [4.1]


def test_a_run_that_was_resumed_lies_in_two_folders(tmp_path: Path) -> None:
    first = [r for s in range(10) for r in _rows([s], iter=s)]
    again = [
        written.history({"train/loss": 2.0, "iter": s - 4, "_step": s, "_timestamp": 1.8e9 + s})
        for s in range(10, 14)
    ]
    runs = _read(tmp_path, {_path(9): written.log(again), _path(1): written.log(first)})
    assert runs.runs["run_id"].to_pylist() == ["a1b2c3d4"]
    assert curve(runs) == {s: 9 - s / 99 if s < 6 else 2.0 for s in range(10)}


def test_runs_of_one_name_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    content = written.log([written.run("base"), *_rows(range(3))])
    runs = _read(tmp_path, {_path(1, "aaaa1111"): content, _path(2, "bbbb2222"): content})
    assert runs.runs["run_id"].to_pylist() == ["base/aaaa1111", "base/bbbb2222"]


def test_a_log_cut_anywhere_gives_what_is_whole() -> None:
    content = written.log([written.run("x"), *_rows(range(8))])
    whole = read_history(content)
    seen = set()
    for end in range(7, len(content)):
        history = read_history(content[:end])
        assert history.value.tolist() == whole.value.tolist()[: len(history.value)]
        assert not history.damaged
        seen.add(history.rows)
    assert seen == set(range(8))


def test_a_damaged_block_costs_its_rest_only() -> None:
    content = bytearray(written.log(_rows(range(3000))))
    content[40000] ^= 0xFF
    history = read_history(bytes(content))
    steps = history.value[history.name == history.names.index("_step")]
    assert history.damaged == 1
    assert steps[-1] == 2999
    gaps = np.diff(steps)
    assert sorted(gaps[gaps != 1].tolist()) == [gaps.max()]


@given(st.data())
def test_no_bytes_break_the_reader(data: st.DataObject) -> None:
    content = bytearray(written.log([written.run("x"), written.config({"a": 1}), *_rows(range(6))]))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(7, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert read_history(bytes(content)).rows <= 6


@given(st.binary(max_size=200), st.integers(1, 4))
def test_no_record_breaks_the_reader(record: bytes, times: int) -> None:
    """Records with right checksums that hold anything."""
    content = written.log([record] * times)
    try:
        wandb.join("a", wandb.read("a/run-a.wandb", content))
    except DataError:
        return


def test_refusals(tmp_path: Path) -> None:
    path = write(tmp_path, "run-x.wandb", written.log([written.run("x")]))
    assert refusal(DataError, ingest.read, path) == (
        f"{tmp_path}/x: the history of the run is empty. Was anything logged? The console of the "
        "run, if it was kept, may hold more."
    )
    later = b":W&B\xe1\xbe\x07" + written.log(_rows(range(2)))[7:]
    path = write(tmp_path, "run-y.wandb", later)
    assert refusal(DataError, ingest.read, path) == (
        f"{path}: a later version of W&B wrote this log. Update scaling, or export the history of "
        "the run as CSV."
    )


def test_the_public_sample(shared: Path) -> None:
    runs = ingest.read(shared / "samples/wandb-offline")
    assert runs.runs["run_id"].to_pylist() == ["vgpqdf1r"]
    assert counting(runs, "step") == list(range(0, 5001, 250))
    for name, first, last in (
        ("loss", 12.520064, 1.516894),
        ("val_loss", 12.521757, 1.561654),
        ("lr", 0.0, 0.0001),
    ):
        values = counting(runs, name)
        assert [values[0], values[-1]] == pytest.approx([first, last], abs=1e-6)
