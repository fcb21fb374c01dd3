"""Event files of TensorBoard: every scalar, whatever wrote it, of every file of a run."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import event_files as written
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_files import codes, counting, curve, write

from scaling_cli import ingest
from scaling_cli.ingest import tensorboard
from scaling_cli.ingest._events import read_events
from scaling_cli.ingest._wire import checksums
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.errors import DataError

NAME = "events.out.tfevents.{}.host"


def _read(folder: Path, files: Mapping[str, bytes]) -> Runs:
    for name, content in files.items():
        write(folder, name, content)
    return ingest.read(folder)


def _losses(steps: Any, scale: float = 1.0, began: float = 1.7e9) -> list[bytes]:
    return [
        written.event(s, written.simple("loss", scale * (9 - s / 99)), time=began + s)
        for s in steps
    ]


def _float32(value: float) -> float:
    return float(np.float32(value))


def test_the_checksum_is_that_of_the_standard() -> None:
    """CRC-32C of `123456789` is e3069283 (RFC 3720); files store it rotated, and added to."""
    rows = np.frombuffer(b"123456789", np.uint8)[None]
    crc = 0xE3069283
    assert checksums(rows).tolist() == [((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32]


def test_every_point_of_the_real_writer_is_read(tmp_path: Path) -> None:
    writer = pytest.importorskip("tensorboardX").SummaryWriter
    rng = np.random.default_rng(1)
    losses = 10 / np.sqrt(1 + np.arange(3000)) + rng.normal(0, 0.01, 3000)
    with writer(str(tmp_path / "run")) as run:
        for step, loss in enumerate(losses.tolist()):
            run.add_scalar("train/loss", loss, step)
            if step % 100 == 0:
                run.add_scalar("val/loss", loss + 1, step)
        run.add_histogram("weights", losses, 5)
        run.add_text("args", '{"max_steps": 3000, "vocab_size": 50257}')
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["run"]
    assert curve(runs) == {step: _float32(loss) for step, loss in enumerate(losses.tolist())}
    held = {step: _float32(losses[step] + 1) for step in range(0, 3000, 100)}
    assert curve(runs, "val_loss") == held
    facts = runs.runs.to_pylist()[0]
    assert (facts["step"], facts["config/vocab_size"]) == (3000, 50257)
    assert [run["state"] for run in runs.summary()] == ["finished"]
    assert "weights" in codes(runs)["no-scalars"]


def test_the_real_writer_purges_and_writes_several_at_once(tmp_path: Path) -> None:
    """A writer that begins at step 120 takes back what lies after it, logged there or not."""
    writer = pytest.importorskip("tensorboardX").SummaryWriter
    with writer(str(tmp_path), filename_suffix=".a") as run:
        for step in range(0, 151, 50):
            run.add_scalars("loss", {"train": 5 - step / 100, "val": 6 - step / 100}, step)
            run.add_scalar("accuracy", 0.5, step)
        run.add_scalar("accuracy", 0.7, 130)
    with writer(str(tmp_path), filename_suffix=".b", purge_step=120) as run:
        for step in range(150, 301, 50):
            run.add_scalar("accuracy", 0.9, step)
    runs = ingest.read(tmp_path)
    assert len(runs) == 1
    assert curve(runs) == {s: _float32(5 - s / 100) for s in range(0, 151, 50)}
    assert curve(runs, "val_loss") == {s: _float32(6 - s / 100) for s in range(0, 151, 50)}
    kept = dict.fromkeys((0, 50, 100), 0.5) | dict.fromkeys((150, 200, 250, 300), _float32(0.9))
    assert curve(runs, "accuracy") == kept


@pytest.mark.parametrize("content", [False, True])
def test_tensors_are_read_as_simple_values_are(tmp_path: Path, *, content: bool) -> None:
    messages = [
        written.event(s, written.tensor("epoch_loss", 5 / (s + 1), content=content))
        for s in range(300)
    ]
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": written.framed(messages)})
    assert curve(runs) == {s: _float32(5 / (s + 1)) for s in range(300)}


def test_values_that_are_no_numbers_are_kept(tmp_path: Path) -> None:
    values = [2.5, np.nan, np.inf]
    messages = [written.event(s, written.simple("loss", v)) for s, v in enumerate(values)]
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": written.framed(messages)})
    np.testing.assert_array_equal(counting(runs, "loss"), values)
    assert [run["state"] for run in runs.summary()] == ["diverged"]


def test_several_metrics_stand_in_one_event(tmp_path: Path) -> None:
    both = (written.simple("loss", 2.0), written.simple("lr", 0.5))
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": written.framed([written.event(7, *both)])})
    assert (counting(runs, "loss"), counting(runs, "lr")) == ([2.0], [0.5])


def test_a_resumed_run_lies_in_several_files(tmp_path: Path) -> None:
    """0..149, again from 100 and again from 180: the later part counts from where it begins."""
    parts = {
        NAME.format(10): written.framed(_losses(range(150))),
        NAME.format(9): written.framed(_losses(range(180, 220), 3.0, 1.7e9 + 2000)),
        NAME.format(11): written.framed(_losses(range(100, 200), 2.0, 1.7e9 + 1000)),
    }
    runs = _read(tmp_path / "run", parts)
    scale = {**dict.fromkeys(range(100), 1), **dict.fromkeys(range(100, 180), 2)}
    scale |= dict.fromkeys(range(180, 220), 3)
    assert curve(runs) == {s: _float32(k * (9 - s / 99)) for s, k in scale.items()}
    assert codes(runs)["resumed"].endswith("70 row(s) that a later part rewrote are superseded.")


def test_the_metrics_of_a_step_begin_the_later_part_together(tmp_path: Path) -> None:
    """What is logged before the loss at the step where a run was resumed counts there too."""

    def part(steps: range, factor: float, began: float) -> list[bytes]:
        pairs = [(s, name) for s in steps for name in ("lr", "loss", "grad_norm")]
        return [written.event(s, written.simple(n, factor), time=began + s) for s, n in pairs]

    messages = [*part(range(10), 1, 1.7e9), *part(range(5, 12), 2, 1.8e9)]
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": written.framed(messages)})
    for name in ("lr", "loss", "grad_norm"):
        assert curve(runs, name) == {s: 1.0 if s < 5 else 2.0 for s in range(12)}


def test_two_ranks_that_write_every_step_are_one_run(tmp_path: Path) -> None:
    files = {
        NAME.format(1): written.framed(_losses(range(50))),
        NAME.format(2): written.framed(_losses(range(60), 1.5, 1.7e9 + 0.25)),
    }
    runs = _read(tmp_path / "run", files)
    assert curve(runs) == {s: _float32((1 if s < 50 else 1.5) * (9 - s / 99)) for s in range(60)}
    told = "50 value(s) stand in both, 50 of them with other values"
    assert told in codes(runs)["written-twice"]


def test_folders_of_sets_are_one_run(tmp_path: Path) -> None:
    def logged(offset: float) -> bytes:
        return written.framed(
            written.event(s, written.tensor("epoch_loss", offset - s)) for s in range(3)
        )

    runs = _read(
        tmp_path,
        {f"base/train/{NAME.format(1)}": logged(9), f"base/validation/{NAME.format(1)}": logged(8)},
    )
    assert runs.runs["run_id"].to_pylist() == ["base"]
    assert curve(runs) == {0: 9.0, 1: 8.0, 2: 7.0}
    assert curve(runs, "val_loss") == {0: 8.0, 1: 7.0, 2: 6.0}


def test_folders_of_series_are_one_run(tmp_path: Path) -> None:
    """As PyTorch makes them: the folder is named after tag and series."""
    own = {f"base/{NAME.format(1)}": written.framed([])}
    for series, offset in (("train", 9.0), ("val", 8.0)):
        messages = [written.event(s, written.simple("loss", offset - s)) for s in range(3)]
        own[f"base/loss_{series}/{NAME.format(1)}"] = written.framed(messages)
    runs = _read(tmp_path, own)
    assert runs.runs["run_id"].to_pylist() == ["base"]
    assert curve(runs) == {0: 9.0, 1: 8.0, 2: 7.0}
    assert curve(runs, "val_loss") == {0: 8.0, 1: 7.0, 2: 6.0}


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    content = written.framed(_losses(range(3)))
    files = {f"{run}/version_0/{NAME.format(1)}": content for run in ("lr0.1", "lr0.2")}
    runs = _read(tmp_path, files)
    assert runs.runs["run_id"].to_pylist() == ["lr0.1/version_0", "lr0.2/version_0"]


def test_twins_over_samples_are_left_out(tmp_path: Path) -> None:
    messages = [
        written.event(s * k, written.simple(f"lm loss{suffix}", 5.0))
        for s in range(1, 4)
        for k, suffix in ((1, ""), (64, " vs samples"))
    ]
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": written.framed(messages)})
    assert curve(runs) == {1: 5.0, 2: 5.0, 3: 5.0}
    assert "logged a second time, over samples" in codes(runs)["second-axis"]


def test_a_file_cut_anywhere_gives_what_is_whole() -> None:
    content = written.framed(_losses(range(12)))
    whole = read_events(content).step.tolist()
    seen = set()
    for end in range(len(content)):
        events = read_events(content[:end])
        assert events.step.tolist() == whole[: len(events.step)]
        assert not events.damaged and not events.garbled
        seen.add(len(events.step))
    assert seen == set(range(12))


def test_a_run_that_is_still_written_is_read(tmp_path: Path) -> None:
    content = written.framed(_losses(range(5)))
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": content[:-3]})
    assert counting(runs, "step") == [0, 1, 2, 3]
    assert "are the beginning of a record; left out." in codes(runs)["cut-record"]


def test_damaged_records_are_left_out(tmp_path: Path) -> None:
    content = bytearray(written.framed(_losses(range(40))))
    at = content.index(struct.pack("<f", 9 - 20 / 99))
    content[at + 2] ^= 0x40
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": bytes(content)})
    assert counting(runs, "step") == [s for s in range(40) if s != 20]
    told = "1 record(s) are damaged and left out; the first is here."
    assert codes(runs)["damaged-records"].endswith(told)


def test_what_follows_a_damaged_frame_is_not_guessed(tmp_path: Path) -> None:
    content = written.framed(_losses(range(5))) + bytes(100)
    runs = _read(tmp_path, {f"run/{NAME.format(1)}": content})
    assert counting(runs, "step") == [0, 1, 2, 3, 4]
    assert "the last 100 bytes are no records; left out." in codes(runs)["damaged-records"]


def test_other_record_files_are_not_taken_for_events() -> None:
    """Training data lie in the same frames."""
    example = written.delimited(1, written.delimited(1, b"text"))
    size = struct.pack("<Q", len(example))
    rows = np.frombuffer(size, np.uint8)[None]
    frame = size + checksums(rows).astype("<u4").tobytes() + example + bytes(4)
    assert tensorboard.sniff("a.tfrecord", frame) == 0
    assert tensorboard.sniff("a.log", written.framed([])) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no scalars: the file is empty."),
        (b"\x18\x00\x00", "no scalars: no event is whole."),
        (written.framed([written.event(1, written.text("a", "b"))]), "no scalars: texts"),
    ],
)
def test_files_without_scalars_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = write(tmp_path, f"run/{NAME.format(1)}", content)
    with pytest.raises(DataError) as caught:
        ingest.read(path)
    assert caught.value.message.startswith(told)


@given(st.data())
def test_no_bytes_break_the_reader(data: st.DataObject) -> None:
    content = bytearray(written.scalars(["loss", "lr"], range(8)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    events = read_events(bytes(content))
    assert len(events.step) + len(events.damaged) <= 17


def test_a_million_scalars_are_columns() -> None:
    """Records of a layout are read together: a second walk would take fifty times as long."""
    content = written.scalars(["loss", "lr"], range(2000))
    events = read_events(content)
    expected = np.repeat(np.arange(2000), 2)
    np.testing.assert_array_equal(events.step, expected)
    np.testing.assert_array_equal(events.value, (10 / (expected + 1)).astype(np.float32))


def test_the_public_sample(shared: Path) -> None:
    runs = ingest.read(shared / "samples/tensorboard-event-files")
    assert runs.runs["run_id"].to_pylist() == ["neox-experts-8"]
    loss, lr = curve(runs), curve(runs, "lr")
    assert list(loss) == list(range(1, 81))
    assert [loss[1], loss[80], lr[1], lr[80]] == pytest.approx(
        [11.9825, 7.59461, 0, 0.000299995], rel=1e-5
    )
    forward = curve(runs, "timers/forward")
    assert (forward[1], forward[80]) == pytest.approx((2.40582, 0.550151), rel=1e-5)
    rate = curve(runs, "runtime/samples_per_sec")
    assert list(rate) == list(range(10, 81, 10))
    assert rate[80] == pytest.approx(54.7279, rel=1e-5)


def test_an_export_as_csv_and_as_json_is_one_run(tmp_path: Path) -> None:
    rows = [(1.7e9 + s, s, 9 - s / 7) for s in range(20)]
    text = "Wall time,Step,Value\n" + "".join(f"{t},{s},{v}\n" for t, s, v in rows)
    write(tmp_path, "run-.-tag-loss.csv", text)
    write(tmp_path, "run-.-tag-loss.json", json.dumps(rows))
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["run-.-tag-loss"]
    assert curve(runs) == {s: v for _, s, v in rows}
    assert codes(runs)["same-values"].endswith("run-.-tag-loss.csv; left out.")


def test_the_public_export(shared: Path) -> None:
    loss = curve(ingest.read(shared / "samples/tensorboard-csv-export"))
    assert (len(loss), *[*loss][:: len(loss) - 1]) == (361, 36, 17376)
    assert loss[17376] == pytest.approx(0.00155722, rel=1e-4)
