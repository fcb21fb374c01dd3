"""Logs that were resumed, repeated, shuffled or cut."""

from pathlib import Path

import numpy as np
import pytest
from log_files import CURVE, TABLE, as_jsonl, codes, column, counting, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.vocabulary.errors import DataError


@pytest.mark.parametrize("header", ["", "step,loss\n"])
def test_a_resumed_log(tmp_path: Path, header: str) -> None:
    """0..149, then 100..199, then 180..219: the later part wins from its first step on."""
    parts = [range(150), range(100, 200), range(180, 220)]
    rows = ["".join(f"{s},{9 - s / 100 + k}\n" for s in part) for k, part in enumerate(parts)]
    file = write(tmp_path, "f.csv", "step,loss\n" + header.join(rows))
    runs = ingest.read(file)
    steps, losses = counting(runs, "step"), counting(runs, "loss")
    assert steps == list(range(220))
    part = [0] * 100 + [1] * 80 + [2] * 40
    assert losses == [9 - s / 100 + k for s, k in zip(range(220), part, strict=True)]
    assert runs.points.num_rows == 290
    place = 152 + (header != "")
    assert codes(runs)["resumed"] == (
        f"{file}, row {place}: the log was resumed 2 time(s); 70 row(s) that a later part rewrote "
        "are superseded."
    )


def test_a_stale_row_between_the_new_ones_is_superseded_too(tmp_path: Path) -> None:
    text = "step,loss\n10,5\n15,4.5\n20,4\nstep,loss\n10,6\n20,3\n"
    runs = ingest.read(write(tmp_path, "f.csv", text))
    assert (counting(runs, "step"), counting(runs, "loss")) == ([10, 20], [6, 3])


def test_a_wider_header_after_a_resume(tmp_path: Path) -> None:
    text = "step,loss\n1,5\n2,4\nstep,loss,lr\n3,3,0.1\n4,2,0.2\n"
    runs = ingest.read(write(tmp_path, "f.csv", text))
    assert column(runs, "lr") == [None, None, 0.1, 0.2]
    assert column(runs, "segment") == [0, 0, 1, 1]


def test_repeated_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n1,5\n1,5\n2,4\n2,4\n3,nan\n3,nan\n")
    runs = ingest.read(file)
    assert column(runs, "step") == [1, 2, 3]
    assert codes(runs)["duplicate-rows"] == (
        f"{file}: 3 row(s) repeat another row exactly; dropped."
    )


def test_a_step_that_is_logged_again_with_another_value(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n1,5\n2,4\n2,4.5\n3,3\n")
    runs = ingest.read(file)
    assert counting(runs, "loss") == [5, 4.5, 3]
    assert codes(runs)["repeated-step"] == (
        f"{file}, row 4: 1 step(s) have several values (here of loss); the last one counts."
    )


def test_training_and_evaluation_in_rows_of_their_own(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss,val_loss\n1,5,\n2,4,\n2,,4.5\n3,3,\n")
    runs = ingest.read(file)
    assert counting(runs, "loss") == [5, 4, 3]
    assert counting(runs, "val_loss") == [None, 4.5, None]
    assert codes(runs)["merged-steps"] == (
        f"{file}: 1 step(s) had several rows that complete each other; merged."
    )


def test_rows_in_descending_order_are_no_resumes(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "f.csv", "step,loss\n30,3\n20,4\n10,5\n"))
    assert counting(runs, "loss") == [5, 4, 3]


def test_a_shuffled_curve_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n1,5\n5,4\n2,4\n6,3\n3,4\n7,3\n")
    assert refusal(DataError, ingest.read, file) == (
        f"{file}, row 6, column 'step': step goes back again and again: this is neither one run "
        "nor a resumed log. Add a run_id column if there are several runs, or say --set rows=run "
        "if each row is a finished run."
    )


def test_equal_rows_without_ids_are_kept_and_named(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "params,tokens,loss\n7,9,3\n8,9,2\n7,9,3\n")
    runs = ingest.read(file)
    assert len(runs) == 3
    assert codes(runs)["equal-rows"] == (
        f"{file}, row 2: rows 2, 4 are equal to another row in every column; kept, as they may be "
        "seeds. If they are copies, delete them or add a run_id column."
    )


def test_the_last_line_of_a_curve_without_newline_is_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", CURVE[:-1])
    runs = ingest.read(file)
    assert column(runs, "step") == [10, 20]
    assert codes(runs)["partial-line"] == (
        f"{file}, row 4: left out: the last line has no newline and may be half written "
        "(keep_partial keeps it)."
    )
    assert column(ingest.read(file, keep_partial=True), "loss") == [5.5, 4.25, 4.0]


def test_the_last_line_of_a_table_of_runs_without_newline_is_kept(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", TABLE[:-1])
    runs = ingest.read(file)
    assert column(runs, "loss") == [3.5, 3.0, 2.75]
    assert codes(runs)["partial-line"] == (
        f"{file}, row 4: the last line has no newline but all its fields; kept."
    )


def test_a_line_cut_in_the_middle_is_left_out_and_named(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", TABLE.replace(",2.75\n", ""))
    runs = ingest.read(file)
    assert runs.runs["run_id"].to_pylist() == ["a", "b"]
    assert codes(runs)["short-row"] == (
        f"{file}, row 4: left out: the line has 3 of 4 fields; it was cut while written."
    )


def test_a_cut_last_line_of_json(tmp_path: Path) -> None:
    file = write(tmp_path, "f.jsonl", as_jsonl(CURVE)[:-5])
    runs = ingest.read(file)
    assert column(runs, "step") == [10, 20]
    assert codes(runs)["short-row"] == (
        f"{file}, row 3: left out: the line is not whole JSON; it looks cut while being written."
    )


def test_json_as_python_writes_it(tmp_path: Path) -> None:
    text = (
        '{"step": 1, "train": {"loss": 5}, "ok": true}\n{"step": 2, "train": {"loss": NaN}}\n'
        '{"step": 3, "train": {"loss": Infinity}}\n'
    )
    runs = ingest.read(write(tmp_path, "f.jsonl", text))
    np.testing.assert_array_equal(column(runs, "loss"), [5, np.nan, np.inf])
    assert column(runs, "ok") == ["True", None, None]


def test_rows_that_go_on_without_a_loss_are_said(tmp_path: Path) -> None:
    """JSON cannot hold what is no number: it is left empty, and the run seems to end before."""
    rows = [f"{s},{9 - s / 10 if s < 15 else ''},0.1\n" for s in range(20)]
    file = write(tmp_path, "f.csv", "step,loss,lr\n" + "".join(rows))
    assert codes(ingest.read(file))["silent"] == (
        f"{file}, row 17: the last 5 of 20 rows have no loss, and the others do: if it was no "
        "number there, the run broke down."
    )
    seldom = [f"{s},{9 - s / 10 if s % 4 == 0 else ''},0.1\n" for s in range(24)]
    kept = write(tmp_path, "g.csv", "step,loss,lr\n" + "".join(seldom))
    late = write(tmp_path, "h.csv", "step,loss,lr\n" + "".join(rows[:19]))
    assert "silent" not in {**codes(ingest.read(kept)), **codes(ingest.read(late))}
