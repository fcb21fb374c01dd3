"""Consoles of trainers: which lines count."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from console_logs import LLM_C, MODDED, NANOGPT, PRINTED
from log_files import codes, column, counting, write
from refusals import refusal

from scaling_cli.ingest import console, read
from scaling_cli.vocabulary.errors import DataError

WHOLE = """\
| total batch size      | 131072                                             |
| num_parameters        | 124475904                                          |
val loss 10.9
step    1/3 | loss 9.100000 (+nanz)| norm 0.3000 (+nanz)| lr 6.00e-04 | 420.95 ms | 31.9%
step    2/3 | loss     nan (+nanz)| norm    nan (+nanz)| lr 6.00e-04 | 420.95 ms | 31.9%
val loss nan
step    3/3 | loss     nan (+nanz)| norm    nan (+nanz)| lr 6.00e-04 | 420.95 ms | 31.9%
"""
MEGATRON = """\
using world size: 8, data-parallel-size: 8
 iteration       10/     300 | consumed samples:   640 | elapsed time per iteration (ms): 812.4 | \
learning rate: 3.000E-04 | global batch size:    64 | lm loss: 6.078E+00 | loss scale: 1.0 | \
grad norm: 0.412 | number of skipped iterations:   0 |
[2024-05-01 10:00:00] iteration       20/     300 | consumed samples:  1280 | consumed tokens: \
2621440 | learning rate: 3.000E-04 | global batch size:    64 | lm loss: 5.297E+00 |
 validation loss at iteration 20 | lm loss value: 5.401E+00 | lm loss PPL: 2.216E+02 |
1:  iteration       30/     300 | consumed samples:  1920 | learning rate: 3.000E-04 | global \
batch size:    64 | loss scale: 1.0 | grad norm: nan | number of skipped iterations:   0 |
"""
BUILD = """\
0 val 10.9510
0 hella 0.2463
0 train 10.950210
1 train 9.109629
2 val 8.9
2 train nan
"""
LOGS = {"nanogpt": NANOGPT, "llm.c": LLM_C, "printed": PRINTED, "modded": MODDED}
LOGS |= {"whole": WHOLE, "megatron": MEGATRON, "build-nanogpt": BUILD}


def _rows(text: str | bytes, folder: Path) -> list[dict[str, Any]]:
    [raw] = console.read("a.log", Path(write(folder, "a.log", text)).read_bytes())
    lists = {name: values.to_pylist() for name, values in raw.columns.items()}
    rows = [
        {name: values[i] for name, values in lists.items() if values[i] is not None}
        for i in range(len(raw))
    ]
    return rows[:-1] if raw.cut else rows


def test_nanogpt(tmp_path: Path) -> None:
    assert _rows(NANOGPT, tmp_path) == [
        {
            "step": 0,
            "mean_train_loss": 10.9876,
            "val_loss": 10.9877,
            "train_loss": 10.9881,
            "iter_seconds": pytest.approx(43.00012),
        },
        {"step": 10, "train_loss": 9.5432, "iter_seconds": pytest.approx(0.25012)},
        {
            "step": 20,
            "mean_train_loss": 7.9876,
            "val_loss": 7.99,
            "train_loss": 8.0432,
            "iter_seconds": pytest.approx(0.251),
        },
    ]


def test_llm_c(tmp_path: Path) -> None:
    rows = _rows(LLM_C, tmp_path)
    assert rows[0] == {
        "step": 0,
        "val_loss": 11.0092,
        "train_loss": 11.0091,
        "lr": 1e-6,
        "grad_norm": 15.37,
    }
    assert rows[1] == {"step": 1, "train_loss": 10.814, "lr": 2e-6, "grad_norm": 12.01}
    assert np.isnan(rows[2].pop("train_loss"))
    assert rows[2] == {"step": 2, "accuracy": 0.2987, "lr": 3e-6, "grad_norm": np.inf}
    assert rows[3] == {"step": 3, "train_loss": 10.5}
    assert _rows(PRINTED, tmp_path) == [
        {"step": 1, "train_loss": 11.0091, "grad_norm": 15.37, "lr": 8.57e-7},
        {"step": 2, "train_loss": 10.9, "grad_norm": 14.0, "lr": 1.71e-6},
    ]


def test_a_loss_that_is_not_finite_ends_a_run(tmp_path: Path) -> None:
    for text, last, run in ((WHOLE, 3, "whole"), (MEGATRON, 30, "megatron")):
        runs = read(write(tmp_path, f"{run}.log", text))
        assert [(r["state"], r["last_step"]) for r in runs.summary()] == [("diverged", last)]
    facts = read(write(tmp_path, "whole.log", WHOLE)).runs.to_pylist()[0]
    assert (facts["params"], facts["params_convention"], facts["batch_tokens"], facts["step"]) == (
        124475904,
        "total",
        131072,
        3,
    )


def test_held_out_losses_without_a_step_are_of_the_step_before(tmp_path: Path) -> None:
    rows = _rows(WHOLE, tmp_path)
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert rows[0] == {"step": 0, "val_loss": 10.9}
    assert repr(rows[2]["val_loss"]) == repr(rows[2]["train_loss"]) == "nan"


def test_megatron(tmp_path: Path) -> None:
    rows = _rows(MEGATRON, tmp_path)
    assert rows[0] == {
        "step": 10,
        "lr": 3e-4,
        "batch_seqs": 64,
        "train_loss": 6.078,
        "grad_norm": 0.412,
        "consumed_samples": 640,
        "elapsed time per iteration (ms)": 812.4,
        "loss scale": 1,
        "number of skipped iterations": 0,
    }
    assert rows[1] == {
        "step": 20,
        "tokens": 2621440,
        "lr": 3e-4,
        "batch_seqs": 64,
        "train_loss": 5.297,
        "val_loss": 5.401,
        "consumed_samples": 1280,
        "val/lm loss PPL": 221.6,
    }
    assert rows[2]["step"] == 30
    assert repr(rows[2]["train_loss"]) == "nan"


def test_build_nanogpt(tmp_path: Path) -> None:
    rows = _rows(BUILD, tmp_path)
    assert rows[0] == {"step": 0, "val_loss": 10.951, "accuracy": 0.2463, "train_loss": 10.95021}
    assert rows[1] == {"step": 1, "train_loss": 9.109629}
    assert repr(rows[2]) == "{'step': 2, 'val_loss': 8.9, 'train_loss': nan}"


def test_a_unit_behind_the_loss_is_refused(tmp_path: Path) -> None:
    text = "step 0: train loss 6.12 BPC, val loss 6.13 BPC\niter 0: loss 5.1 BPC, time 263.86ms\n"
    file = write(tmp_path, "a.log", text)
    assert refusal(DataError, read, file) == (
        f"{file}, row 1: the line begins as a measurement of nanogpt does and goes on otherwise: "
        "'step 0: train loss 6.12 BPC, val loss 6.13 BPC'. Such as 'iter 100: loss 3.4567, time "
        "250.12ms, mfu 41.20%', 's:100 trl:3.45' or 'step=100 loss=3.45'; --pattern 'step "
        "(?P<step>\\d+).*loss (?P<loss>\\S+)' reads any other."
    )


def test_modded_nanogpt(tmp_path: Path) -> None:
    assert _rows(MODDED, tmp_path) == [
        {"step": 0, "val_loss": 11.0149, "train_seconds": pytest.approx(0.305)},
        {"step": 1, "train_loss": 11.0091, "train_seconds": pytest.approx(24.179)},
        {"step": 2, "train_loss": 11.0001, "val_loss": 11.0002, "train_seconds": 25.5},
        {"step": 3, "train_seconds": 26.123},
    ]


def test_the_header_says_batch_and_size_and_the_line_where_the_run_ends(tmp_path: Path) -> None:
    runs = read(write(tmp_path, "a.log", NANOGPT), write(tmp_path, "b.log", MODDED))
    assert runs.runs["params"].to_pylist() == [123.59e6, None]
    assert runs.runs["batch_tokens"].to_pylist() == [491520.0, None]
    assert runs.runs["step"].to_pylist() == [None, 6000]
    assert "without position embeddings" in codes(runs)["params-of-header"]
    meta = write(tmp_path, "meta.csv", "run_id,params\na,123587328\n")
    exact = read(str(tmp_path / "a.log"), meta=meta)
    assert exact.runs["params"].to_pylist() == [123587328.0]  # the header's is rounded


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    broken = "s:1 trl:5.0\ns:2 trl:4.x\nstep:3/9 train_loss:\nhello\ns:4 trl:4.0\n"
    runs = read(write(tmp_path, "a.log", broken))
    assert column(runs, "step") == [1, 4]
    assert "2 line(s) left out" in codes(runs)["short-row"]
    assert "a.log, row 2" in codes(runs)["short-row"]
    assert "1 line(s) are not measurements" in codes(runs)["other-lines"]


@pytest.mark.parametrize(
    "line",
    [
        " iteration {0:8d}/    1000 | consumed samples: {0} | lm loss: {1:.6E} | grad norm: 1.0 |",
        "iter {0}: loss {1:.6f}, time 250.12ms, mfu 41.20%",
        "step: {0:2d}  loss: {1:.6f}  grad_norm:  1.0  tps: 1,234",
        "s:{0} trl:{1:.6f} lr:0.001 norm:1.0",
    ],
)
def test_two_lines_in_one_are_no_measurement_of_the_first_step(tmp_path: Path, line: str) -> None:
    steps = [*range(10, 210, 10)]
    whole = [line.format(step, 5 - step / 100) for step in steps]
    for cut in range(len(line.format(100, 4.0).partition(":")[0]) + 14, len(whole[9]), 3):
        text = [*whole[:9], whole[9][:cut] + whole[10].lstrip(), *whole[11:], ""]
        runs = read(write(tmp_path, "a.log", "\n".join(text)))
        pairs = zip(column(runs, "step"), column(runs, "loss"), strict=True)
        assert list(pairs) == [(s, 5 - s / 100) for s in steps if s not in (100, 110)]
        assert "1 line(s) left out" in codes(runs)["short-row"]


@pytest.mark.parametrize(
    "line",
    [
        "step {0} total_loss 9.0 loss {1}",
        "step {0}: loss={1}, total_loss=9.0",
        "step {0}: total_loss=9.0 loss={1}",
        "step {0} loss 9.0 lm_loss {1} aux_loss 0.01",
        "step {0} | aux loss 0.01 | loss {1}",
        "step {0} z loss 0.01 loss {1}",
        "step {0} style loss 0.01, train loss {1}",
        "step {0} prev loss 9.0 total loss {1}",
    ],
)
def test_a_part_of_a_loss_is_none(tmp_path: Path, line: str) -> None:
    losses = [5.0, 4.5, 4.25]
    text = "".join(line.format(step, loss) + "\n" for step, loss in enumerate(losses))
    assert column(read(write(tmp_path, "a.log", text)), "loss") == losses


def test_a_loss_of_something_else_is_not_read_as_that_of_training(tmp_path: Path) -> None:
    text = "".join(f"step {step} aux loss 0.0{step} kd loss 3.{step}\n" for step in range(9))
    assert "the format is not known" in refusal(DataError, read, write(tmp_path, "a.log", text))


@pytest.mark.parametrize("line", ["step {0} loss 4.0", "iter {0}: loss 4.0, time 250.12ms"])
@pytest.mark.parametrize("step", ["9" * 400, "1" * 5000])
def test_a_step_beyond_all_numbers_is_left_out(tmp_path: Path, line: str, step: str) -> None:
    text = "".join(line.format(cell) + "\n" for cell in (1, 2, step, 4))
    runs = read(write(tmp_path, "a.log", text))
    assert column(runs, "step") == [1, 2, 4]
    assert "1 line(s) left out" in codes(runs)["short-row"]


def test_a_number_beyond_all_numbers_in_an_object_is_left_out(tmp_path: Path) -> None:
    cells = ("1", "2", "9" * 400, "4")
    text = "".join(f"{{'loss': 4.0, 'grad_norm': {cell}, 'epoch': 0.1}}\n" for cell in cells)
    runs = read(write(tmp_path, "a.log", text))
    assert column(runs, "grad_norm") == [1, 2, 4]
    assert "1 line(s) left out" in codes(runs)["short-row"]


def test_a_fact_beyond_all_numbers_is_none(tmp_path: Path) -> None:
    rank = " > number of parameters on model parallel rank ({}, 0): {}\n"
    head = rank.format("9" * 5000, 5) + rank.format(0, 1000)
    text = f"{head}  model_parallel_size .... {'9' * 400}\ns:1 trl:5.0\ns:2 trl:4.5\n"
    assert read(write(tmp_path, "a.log", text)).runs["params"].to_pylist() == [1000.0]


def test_ranks_that_are_counted_in_two_ways_give_no_size(tmp_path: Path) -> None:
    said = " > number of parameters on model parallel rank {}: 1000\n"
    text = "".join(map(said.format, ("(0, 0)", "(1, 0)", "0"))) + "s:1 trl:5.0\ns:2 trl:4.5\n"
    runs = read(write(tmp_path, "a.log", text))
    assert runs.runs["params"].to_pylist() == [None]
    assert "in two ways: params is not known" in codes(runs)["params-of-ranks"]


def test_a_mark_of_the_byte_order_hides_no_line(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfiteration 1/ 9 | lm loss: 5.0 |\niteration 2/ 9 | lm loss: 4.5 |\n"
    assert column(read(write(tmp_path, "a.log", text)), "loss") == [5.0, 4.5]


def test_colours_launchers_and_progress_bars_are_looked_through(tmp_path: Path) -> None:
    text = (
        "[rank0]: s:1 trl:5.0\n[rank1]: s:1 trl:5.0\n0: s:2 trl:4.5\n"
        "\x1b[32ms:3 trl:4.25\x1b[0m\n 10%|\rs:4 trl:4.125\r 20%|\n"
    )
    runs = read(write(tmp_path, "a.log", text))
    assert column(runs, "step") == [1, 2, 3, 4]
    assert column(runs, "loss") == [5.0, 4.5, 4.25, 4.125]
    assert "1 line(s) repeat" in codes(runs)["repeated-lines"]


def test_a_resumed_log_replaces_what_it_repeats(tmp_path: Path) -> None:
    text = "s:1 trl:5.0\ns:2 trl:4.5\ns:3 trl:4.25\ns:2 trl:4.4\ns:3 trl:4.2\n"
    runs = read(write(tmp_path, "a.log", text))
    assert counting(runs, "step") == [1, 2, 3]
    assert counting(runs, "loss") == [5.0, 4.4, 4.2]


@pytest.mark.parametrize("name", LOGS)
def test_a_log_cut_anywhere_gives_the_rows_before_the_cut(name: str, tmp_path: Path) -> None:
    content = LOGS[name].encode()
    whole = _rows(content, tmp_path)
    for length in range(len(content)):
        try:
            rows = _rows(content[:length], tmp_path)
        except DataError as error:
            told = ("no line is a measurement", "the line begins as", "it looks like the console")
            assert error.message.startswith(told)
            continue
        complete = rows[:-1]  # of the last step only some lines may be there
        assert [repr(row) for row in complete] == [repr(row) for row in whole[: len(complete)]]
        assert all(row.keys() <= there.keys() for row, there in zip(rows, whole, strict=False))


def test_only_logs_with_a_measurement_are_recognised(tmp_path: Path) -> None:
    for text in LOGS.values():
        assert console.sniff("a", text.encode()) > 0.9
    for text in ("step,loss\n1,2\n", '{"step": 1, "loss": 2}\n', "the step 5 is big\n", ""):
        assert console.sniff("a", text.encode()) == 0.0
    with pytest.raises(DataError, match="no line is a measurement"):
        read(write(tmp_path, "a.txt", "hello\n"), format="nanogpt")


@pytest.mark.parametrize("name", ["5bdc3988", "d4bfb25f"])
def test_real_logs_have_the_curves_of_their_tables(name: str, shared: Path) -> None:
    runs = read(str(shared / "logs" / f"modded-nanogpt-{name}.txt"))
    for part, measured in (("train", "loss"), ("val", "val_loss")):
        [table] = (shared / "data" / "nanogpt_logs").glob(f"*{name}_{part}.csv")
        rows = np.loadtxt(table, delimiter=",", skiprows=1)
        pairs = dict(zip(column(runs, "step"), column(runs, measured), strict=True))
        assert [pairs[int(step)] for step in rows[:, 0]] == rows[:, 1].tolist()


@pytest.mark.parametrize("name", ["5bdc3988", "d4bfb25f"])
def test_real_logs_are_read_whole(name: str, shared: Path) -> None:
    file = shared / "logs" / f"modded-nanogpt-{name}.txt"
    found: dict[str, dict[int, float]] = {"train_loss": {}, "val_loss": {}}
    for line in file.read_text(encoding="utf8").splitlines():
        if line.startswith("step:"):
            fields = dict(part.split(":", 1) for part in line.split() if ":" in part)
            step = int(fields["step"].split("/")[0])
            for metric in found.keys() & fields.keys():
                found[metric][step] = float(fields[metric])
    runs = read(str(file))
    for metric, name_here in (("train_loss", "loss"), ("val_loss", "val_loss")):
        pairs = zip(column(runs, "step"), column(runs, name_here), strict=True)
        assert {s: v for s, v in pairs if v is not None} == found[metric]
