"""Tables of other shapes: each is read as the curves that it was written from."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import codes, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.runs.table import Runs, floats
from scaling_cli.vocabulary.errors import DataError

STEPS = range(0, 1000, 50)
Curve = dict[int, tuple[float, float]]
"""Training and held-out loss by step; NaN where none was measured."""


def loss(step: float, offset: float = 0.0) -> float:
    return round(2 + 8 / (1 + step) ** 0.3 + offset, 6)


def curve(steps: Iterable[int], offset: float = 0.0) -> Curve:
    return {step: (loss(step, offset), np.nan) for step in steps}


def curves(runs: Runs) -> dict[str, Curve]:
    """Return the points that count, by run and step."""
    rows, owner = runs.order
    names = runs.runs["run_id"].to_pylist()
    columns = [floats(runs.points[name])[rows] for name in ("step", "loss", "val_loss")]
    read: dict[str, Curve] = {name: {} for name in names}
    for run, step, train, held in zip(owner.tolist(), *columns, strict=True):
        assert int(step) not in read[names[run]]
        read[names[run]][int(step)] = (float(train), float(held))
    return read


def lines(header: str, rows: Iterable[Iterable[Any]]) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows), ""])


def objects(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def same(read: dict[str, Curve], written: dict[str, Curve]) -> None:
    assert read.keys() == written.keys()
    for run, points in written.items():
        assert list(read[run]) == sorted(points)
        np.testing.assert_array_equal(
            [read[run][s] for s in sorted(points)], [points[s] for s in sorted(points)]
        )


AB = {"a": curve(STEPS), "b": curve(STEPS, 0.5)}
SHIFT = {"a": 0.0, "b": 0.5}
BLOCKS = [(run, step, loss(step, SHIFT[run])) for run in "ab" for step in STEPS]
TURNS = [(run, step, loss(step, SHIFT[run])) for step in STEPS for run in "ab"]
LADDER = [
    (name, n, d, loss(d / n))
    for name, n in (("a", 10**7), ("b", 10**8))
    for d in (10**9, 2 * 10**9, 4 * 10**9)
]

SEVERAL = {
    "one after the other": (lines("arch,step,loss", BLOCKS), AB),
    "in turns": (lines("optimizer,step,train_loss", TURNS), AB),
    "shuffled": (lines("variant,step,loss", np.random.default_rng(0).permutation(BLOCKS)), AB),
    "by size": (
        lines("N,step,loss", ((10**7 if run == "a" else 10**8, *row) for run, *row in BLOCKS)),
        {"N=10000000": AB["a"], "N=100000000": AB["b"]},
    ),
    "by seed": (
        lines("seed,iter,loss", ((1 if run == "a" else 2, *row) for run, *row in BLOCKS)),
        {"seed=1": AB["a"], "seed=2": AB["b"]},
    ),
    "by a setting that is another from the start": (
        lines("batch_size,step,loss", ((32 if run == "a" else 64, *row) for run, *row in BLOCKS)),
        {"batch_size=32": AB["a"], "batch_size=64": AB["b"]},
    ),
    "by two columns": (
        lines(
            "model,seed,step,loss",
            ((m, k, s, loss(s, SHIFT[m] + k)) for m in "ab" for k in (0, 1) for s in STEPS),
        ),
        {f"{m}/seed={k}": curve(STEPS, SHIFT[m] + k) for m in "ab" for k in (0, 1)},
    ),
    "by epochs": (
        lines(
            "method,epoch,loss", ((run, e, loss(e, SHIFT[run])) for run in "ab" for e in range(9))
        ),
        {run: curve(range(9), SHIFT[run]) for run in "ab"},
    ),
    "chart export": (
        lines(
            '"Step","a - train/loss","a - train/loss__MIN","a - train/loss__MAX",'
            '"b - train/loss","b - train/loss__MIN","b - train/loss__MAX"',
            ((s, loss(s), 0.1, 99, "" if s % 100 else loss(s, 0.5), "", "") for s in STEPS),
        ),
        {"a": AB["a"], "b": curve(range(0, 1000, 100), 0.5)},
    ),
    "chart export of one run": (
        lines("global_step,a - loss", ((s, loss(s)) for s in STEPS)),
        {"a": AB["a"]},
    ),
}

ONE = {
    "epochs": (
        lines("epoch,loss,val_loss", ((e, loss(e), loss(e, 0.1)) for e in range(63))),
        {e: (loss(e), loss(e, 0.1)) for e in range(63)},
    ),
    "tenths of an epoch": (
        objects(*({"loss": loss(k), "epoch": k / 10} for k in range(1, 30))),
        curve(range(1, 30)),
    ),
    "epochs of many digits": (
        objects(*({"loss": loss(k), "epoch": k / 733} for k in range(1, 30))),
        curve(range(1, 30)),
    ),
    "epochs in words": (
        lines("epoch,loss", ((f"Epoch {e}/9", loss(e)) for e in range(9))),
        curve(range(9)),
    ),
    "several rows an epoch": (
        lines("epoch,loss", ((k // 5, loss(k)) for k in range(30))),
        {k + 1: (loss(k), np.nan) for k in range(30)},
    ),
    "losses alone": (
        lines("loss,val_loss", ((loss(k), loss(k, 0.1)) for k in range(9))),
        {k: (loss(k), loss(k, 0.1)) for k in range(9)},
    ),
    "steps within epochs from 0": (
        lines(
            "epoch,iter,loss",
            ((e, i, loss(100 * e + i)) for e in range(4) for i in range(0, 100, 20)),
        ),
        curve(range(0, 400, 20)),
    ),
    "steps within epochs from 1": (
        lines(
            "epoch,batch_idx,loss",
            ((e, i, loss(100 * (e - 1) + i)) for e in (1, 2, 3) for i in range(1, 101, 20)),
        ),
        {
            100 * (e - 1) + i: (loss(100 * (e - 1) + i), np.nan)
            for e in (1, 2, 3)
            for i in range(1, 101, 20)
        },
    ),
    "steps within epochs, resumed at an epoch": (
        lines(
            "epoch,step,loss",
            ((e, i, loss(50 * (e - 1) + i)) for e in (1, 2, 3, 2, 3, 4) for i in range(10, 60, 10)),
        ),
        curve(range(10, 210, 10)),
    ),
    "held-out rows in turns": (
        objects(
            *(
                row
                for s in STEPS
                for row in (
                    {"split": "train", "step": s, "loss": loss(s), "acc": 0.5},
                    {"split": "valid", "step": s, "loss": loss(s, 0.1), "acc": 0.4},
                )
            )
        ),
        {s: (loss(s), loss(s, 0.1)) for s in STEPS},
    ),
    "held-out rows after the others": (
        lines(
            "set,step,loss",
            [
                *(("Train", s, loss(s)) for s in STEPS),
                *(("Val", s, loss(s, 0.1)) for s in range(0, 1000, 500)),
            ],
        ),
        {s: (loss(s), np.nan if s % 500 else loss(s, 0.1)) for s in STEPS},
    ),
    "held-out rows by epoch": (
        lines(
            "epoch,phase,loss",
            ((e, p, loss(e, 0.1 * (p == "val"))) for e in range(9) for p in ("train", "val")),
        ),
        {e: (loss(e), loss(e, 0.1)) for e in range(9)},
    ),
    "whether it is training": (
        lines(
            "step,is_train,loss",
            ((s, t, loss(s, 0 if t else 0.1)) for s in STEPS for t in (True, False)),
        ),
        {s: (loss(s), loss(s, 0.1)) for s in STEPS},
    ),
    "three sets": (
        lines(
            "epoch,split,loss",
            (
                (e, p, loss(e, d))
                for e in range(9)
                for p, d in (("train", 0), ("dev", 0.1), ("test", 0.2))
            ),
        ),
        {e: (loss(e), loss(e, 0.1)) for e in range(9)},
    ),
    "held-out rows that say the epoch": (
        objects(
            *(
                row
                for e in range(1, 9)
                for row in (
                    *({"step": 6 * e + i - 6, "loss": loss(6 * e + i - 6)} for i in range(1, 7)),
                    {"step": e, "AP": 0.5},
                )
            )
        ),
        curve(range(1, 49)),
    ),
    "held-out rows of a resumed log": (
        objects(
            *(
                row
                for part in (range(0, 60, 10), range(30, 100, 10))
                for s in part
                for row in (
                    *([{"step": s, "val_loss": loss(s, 0.1)}] if s % 30 == 0 else []),
                    {"step": s, "loss": loss(s)},
                )
            )
        ),
        {s: (loss(s), np.nan if s % 30 else loss(s, 0.1)) for s in range(0, 100, 10)},
    ),
    "a row for each metric of an epoch": (
        lines(
            "epoch,metric,value",
            (
                row
                for e in range(5)
                for row in ((e, "loss", loss(e)), (e, "val_loss", loss(e, 0.1)))
            ),
        ),
        {e: (loss(e), loss(e, 0.1)) for e in range(5)},
    ),
    "the logger's counter beside the step": (
        lines(
            "_step,trainer/global_step,train/loss", ((k, 50 * k, loss(50 * k)) for k in range(20))
        ),
        AB["a"],
    ),
    "columns as JSON": (
        json.dumps({"step": list(STEPS), "loss": [loss(s) for s in STEPS]}),
        AB["a"],
    ),
    "columns as pandas writes them": (
        json.dumps({"step": {str(s): s for s in STEPS}, "loss": {str(s): loss(s) for s in STEPS}}),
        AB["a"],
    ),
    "a list in an object": (
        json.dumps({"seed": 1, "history": [{"step": s, "loss": loss(s)} for s in STEPS]}, indent=1),
        AB["a"],
    ),
    "a list in an object of one line": (
        json.dumps({"log_history": [{"step": s, "loss": loss(s)} for s in STEPS]}) + "\n",
        AB["a"],
    ),
    "scalars as TensorBoard writes them": (
        json.dumps([{"step": s, "loss": loss(s)} for s in STEPS]),
        AB["a"],
    ),
    "dictionaries of a console": (
        "***** Running training *****\n  0%|     | 0/30 [00:00<?, ?it/s]\n"
        + "".join(
            f"{{'loss': {loss(k)}, 'grad_norm': nan, 'epoch': {k / 10:.2f}}}\n"
            for k in range(1, 30)
        )
        + "{'train_runtime': 9.5, 'train_loss': 4.5, 'epoch': 2.9}\n",
        curve(range(1, 30)),
    ),
    "dictionaries of texts": (
        "".join(f"{{'loss': '{loss(k)}', 'epoch': '{k}'}}\n" for k in range(1, 30)),
        curve(range(1, 30)),
    ),
}


def written(folder: Path, text: str) -> str:
    endings = {"{": "f.jsonl" if text.startswith("{") and "\n" in text else "f.json", "[": "f.json"}
    ending = "f.log" if "{'" in text else endings.get(text[0], "f.csv")
    return write(folder, "f.json" if text.startswith("{\n") else ending, text)


@pytest.mark.parametrize("case", SEVERAL)
def test_several_runs_in_one_table(tmp_path: Path, case: str) -> None:
    text, expected = SEVERAL[case]
    same(curves(ingest.read(written(tmp_path, text))), expected)


@pytest.mark.parametrize("case", ONE)
def test_one_run(tmp_path: Path, case: str) -> None:
    text, expected = ONE[case]
    runs = ingest.read(written(tmp_path, text))
    same(curves(runs), {"f": expected})
    assert "resumed" not in codes(runs) or "resumed" in case


TOLD = {
    "runs by a column": (
        lines("arch,step,loss", BLOCKS),
        "several-runs",
        "{}: 2 runs stand in one table, told apart by 'arch' (--map run_id=arch says so, --set "
        "rows=run makes each row a run).",
    ),
    "epochs": (
        lines("epoch,loss", ((e, loss(e)) for e in range(9))),
        "epochs",
        "{}: there is no step: the axis is epochs (--map step=COLUMN names another axis).",
    ),
    "steps within epochs": (
        lines("epoch,iter,loss", ((e, i, 4 - e) for e in (1, 2) for i in (10, 20, 30))),
        "epochs",
        "{}: 'iter' begins again in every epoch: an epoch is taken to have 30 steps (--map "
        "step=COLUMN names another axis).",
    ),
    "held-out rows": (
        lines("step,split,loss", [(1, "train", 5), (1, "val", 6), (2, "train", 4)]),
        "held-out-rows",
        "{}: 'split' tells rows of val from training rows: their losses are apart.",
    ),
    "an export": (
        lines("Step,a - loss,a - loss__MIN,a - loss__MAX", [(1, 5, 4, 6), (2, 4, 3, 5)]),
        "chart-export",
        "{}: chart export: 1 column(s) RUN - METRIC became rows of 1 run(s); 2 of smallest and "
        "largest values are left out.",
    ),
    "a size that changes": (
        lines("step,N,loss", ((s, 10**8 - 10**7 * (s // 100), loss(s)) for s in STEPS[1:])),
        "size-changes",
        "{}: params changes along the run; average_params is its mean so far.",
    ),
    "begun anew": (
        lines("step,loss", [(0, 9), (1, 8), (0, 9.5), (1, 8.5), (2, 8)]),
        "resumed",
        "{}, row 4: the log was resumed 1 time(s); 2 row(s) that a later part rewrote are "
        "superseded. It began again from its first step: if these are several runs, say --map "
        "run_id=COLUMN.",
    ),
    "no loss": (
        lines("step,Value,host", ((s, loss(s), "n1") for s in STEPS)),
        "no-loss",
        "{}: no loss was recognised; columns of numbers: Value (--map loss=Value reads one as the "
        "loss).",
    ),
    "nothing counted": (
        objects(*({"step": s, "loss": loss(s), "num_input_tokens_seen": 0} for s in STEPS)),
        "zeros",
        "{}: tokens are 0 in every row: not counted.",
    ),
    "no axis": (
        lines("k,loss", ((k, loss(k)) for k in range(6))),
        "no-axis",
        "{}: every row is taken for a finished run, but 'k' goes up along the file (--map step=k "
        "reads a curve).",
    ),
    "no runs": (
        lines("team,wins,losses", [("a", 3, 4), ("b", 5, 6)]),
        "no-loss",
        "{}: no loss was recognised; columns of numbers: wins, losses (--map loss=COLUMN reads one "
        "as the loss).",
    ),
    "words in a column of that name": (
        lines("run,loss,final_loss", [("a", "mse", 3), ("b", "mse", 2)]),
        "letter",
        "{}: column 'loss' is not taken for loss: it holds no numbers.",
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_was_understood_is_told(tmp_path: Path, case: str) -> None:
    text, code, message = TOLD[case]
    file = written(tmp_path, text)
    assert codes(ingest.read(file))[code] == message.format(file)


def test_checkpoints_that_a_name_holds_together(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", lines("name,N,D,loss", LADDER))
    runs = ingest.read(file)
    assert runs.runs.select(["run_id", "rows", "params"]).to_pylist() == [
        {"run_id": "a", "rows": "checkpoint", "params": 1e7},
        {"run_id": "b", "rows": "checkpoint", "params": 1e8},
    ]
    assert [note.level for note in runs.notes if note.code == "several-runs"] == ["warn"]
    assert len(ingest.read(file, set={"rows": "run"})) == len(LADDER)


def test_checkpoints_at_even_numbers_of_tokens(tmp_path: Path) -> None:
    """What a log writes every billion tokens is no ladder, whose tokens double from run to run."""
    rows = ((n, d, loss(d / n)) for n in (10**7, 10**8) for d in range(10**9, 11 * 10**9, 10**9))
    runs = ingest.read(write(tmp_path, "f.csv", lines("N,D,loss", rows)))
    assert runs.runs["rows"].to_pylist() == ["checkpoint"] * 2
    assert [run["n_points"] for run in runs.summary()] == [10, 10]


def test_runs_that_only_many_settings_tell_apart(tmp_path: Path) -> None:
    settings = [(a, b, c) for a in (1, 2) for b in (1, 2) for c in (1, 2)]
    rows = ((*shares, s, loss(s, sum(shares))) for shares in settings for s in STEPS)
    runs = ingest.read(write(tmp_path, "f.csv", lines("w1,w2,w3,step,loss", rows)))
    same(
        curves(runs),
        {f"f:{2 + 20 * i}": curve(STEPS, sum(shares)) for i, shares in enumerate(settings)},
    )


FINISHED = {
    "a ladder": lines("params,tokens,loss", ((n, 20 * n, 3) for n in (10**7, 3 * 10**7, 10**8))),
    "one budget": lines(
        "N,D,loss", ((n, 10**16 // n, 3) for n in (10**8, 10**7, 10**6, 10**5, 10**4))
    ),
    "a grid": lines(
        "N,D,loss", ((n, d, 3) for n in (10**7, 10**8) for d in (10**9, 10**10, 10**11))
    ),
    "a sweep": lines("lr,tokens,loss", ((r, d, 3) for r in (1, 2, 3) for d in (10**9, 10**10))),
    "totals": lines("name,steps,loss", ((m, s, 3) for m in "ab" for s in (10, 20, 30))),
}


@pytest.mark.parametrize("case", FINISHED)
def test_finished_runs_stay_finished_runs(tmp_path: Path, case: str) -> None:
    file = write(tmp_path, "f.csv", FINISHED[case])
    assert set(ingest.read(file).runs["rows"].to_pylist()) == {"run"}


def test_held_out_losses_of_finished_runs(tmp_path: Path) -> None:
    """The facts of a run stay with its rows, whichever set a row measures."""
    rows = (
        (f"r{n}", p, n * 10**7, 10**9, 32 * n, loss(n, 0.1 * (p == "val")))
        for n in (1, 2, 3)
        for p in ("train", "val")
    )
    text = lines("run,split,params,tokens,width,loss", rows)
    named = ingest.read(write(tmp_path, "f.csv", text))
    assert named.runs["params"].to_pylist() == [1e7, 2e7, 3e7]
    assert [r["loss"] for r in named.summary()] == [loss(n, 0.1) for n in (1, 2, 3)]
    bare = ingest.read(write(tmp_path, "g.csv", text.replace("run,", "host,")))
    assert bare.runs["params"].to_pylist() == [1e7, 1e7, 2e7, 2e7, 3e7, 3e7]
    assert bare.runs["width"].to_pylist() == [32, 32, 64, 64, 96, 96]
    assert [r["target"] for r in bare.summary()] == ["loss", "val_loss"] * 3


def test_what_the_user_maps_goes_before_what_is_guessed(tmp_path: Path) -> None:
    rows = ((e, i, m, loss(i)) for m in "ab" for e in (1, 2) for i in (10, 20, 30))
    file = write(tmp_path, "f.csv", lines("epoch,iter,arch,loss", rows))
    assert ingest.read(file, map={"run_id": "arch", "step": "iter"}).runs["run_id"].to_pylist() == [
        "a",
        "b",
    ]
    by_epoch = write(
        tmp_path, "g.csv", lines("epoch,n,loss", ((e, 9 - e, loss(e)) for e in range(9)))
    )
    read = curves(ingest.read(by_epoch, map={"step": "n"}))
    same(read, {"g": {9 - e: (loss(e), np.nan) for e in range(9)}})


def test_the_mean_of_a_size_that_changes(tmp_path: Path) -> None:
    """From 4e6 to 1e6 parameters in a straight line: the mean is the area over the tokens."""
    tokens = np.arange(1, 31) * 1e8
    sizes = 4e6 - 1e-3 * tokens
    rows = zip(tokens, sizes, 5 - tokens / 1e9, strict=True)
    file = write(tmp_path, "f.csv", lines("tokens,n_params,loss", rows))
    for runs in (ingest.read(file), ingest.read(file, map={"average_params": "n_params"})):
        first = sizes[0] * tokens[0]  # nothing is known before the first row
        area = first + 4e6 * (tokens - 1e8) - 1e-3 * (tokens**2 - 1e16) / 2
        np.testing.assert_allclose(floats(runs.points["average_params"]), area / tokens, rtol=1e-12)
        np.testing.assert_array_equal(floats(runs.points["params"]), sizes)


REFUSED = {
    "the same steps twice": (
        lines("step,loss", ((s, loss(s, 0.1 * k)) for k in (0, 1) for s in (1, 2, 3))),
        "{}, row 5, column 'loss': the same steps come 2 times, with other losses. If they are "
        "several runs, add a column that names them (--map run_id=COLUMN); if one was started "
        "anew, delete what does not count.",
    ),
    "an open quote": (
        'step,note,loss\n1,"ok,5\n2,x,4\n3,y,3\n',
        "{}, row 4: not readable as delimited text: unexpected end of data.",
    ),
    "a quote that closes three lines on": (
        'step,note,loss\n1,"ok,5\n2,x,4\n3,"y,3\n',
        "{}, row 4: not readable as delimited text: ',' expected after '\"'.",
    ),
    "a name twice": (
        '{"step": 1, "loss": 5, "loss": 4}\n{"step": 2, "loss": 3}\n',
        "{}, row 1, column 'loss': the name 'loss' stands twice in one object. Delete one of the "
        "two.",
    ),
    "a date": (
        "params,tokens,loss\n1e7,2024-10-15,3\n",
        "{}, row 2, column 'tokens': '2024-10-15' is not a number. Mend the cell, or leave it "
        "empty if there is no value.",
    ),
    "a fraction": (
        "params,tokens,loss\n12/10,1e9,3\n",
        "{}, row 2, column 'params': '12/10' is not a number. Mend the cell, or leave it empty if "
        "there is no value.",
    ),
    "zeros": (
        lines("step,loss,ce_loss", ((s, 0, loss(s)) for s in STEPS)),
        "{}, row 2, column 'loss': loss (cross-entropy loss) must be positive, found 0. Another "
        "column may be it: --map loss=ce_loss.",
    ),
    "a pointer": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n",
        "{}: it is a Git LFS pointer, not the file. Fetch it: git lfs pull.",
    ),
    "a page": (
        "<!DOCTYPE html>\n<html><body>404, not found</body></html>\n",
        "{}: it is a web page. Download the file itself (raw).",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    file = written(tmp_path, text)
    assert refusal(DataError, ingest.read, file) == message.format(file)


def test_text_stays_text(tmp_path: Path) -> None:
    ids = ["007", "7", "12345678901234567890", "12345678901234567891"]
    rows = [(i, "2024-10-15", "12/10", "01", 5) for i in ids]
    runs = ingest.read(write(tmp_path, "f.csv", lines("run,date,share,code,loss", rows)))
    facts = runs.runs.to_pydict()
    assert sorted(facts["run_id"]) == sorted(ids)
    assert [set(facts[n]) for n in ("date", "share", "code")] == [{"2024-10-15"}, {"12/10"}, {"01"}]
    numbers = objects(*({"run_id": int(i), "loss": 5} for i in ids[2:]))
    assert ingest.read(write(tmp_path, "g.jsonl", numbers)).runs["run_id"].to_pylist() == ids[2:]


def test_a_bad_file_does_not_stop_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "good.csv", lines("step,loss", ((s, loss(s)) for s in STEPS)))
    pointer = write(tmp_path, "moved.csv", REFUSED["a pointer"][0])
    broken = write(tmp_path, "torn.csv", "step,loss\n1,5\n2,five\n")
    write(tmp_path, "notes.txt", "Two runs, told apart by hand\nThe first, of 5, is the good one\n")
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["good"]
    assert [str(note) for note in runs.notes if note.code == "unreadable-file"] == [
        f"{pointer}: passed over: it is a Git LFS pointer, not the file. Fetch it: git lfs pull.",
        f"{broken}, row 3: passed over: 'five' is not a number. Mend the cell, or leave it empty "
        "if there is no value.",
    ]
    assert "five" in refusal(DataError, ingest.read, broken)


JOINED = {
    "DVCLive": {
        "plots/metrics/train/loss.tsv": lines("step\tloss", ([f"{s}\t{loss(s)}"] for s in STEPS)),
        "plots/metrics/eval/loss.tsv": f"step\tloss\n900\t{loss(900, 0.1)}\n",
        "plots/metrics/train/lr.tsv": lines("step\tlr", ([f"{s}\t0.1"] for s in STEPS)),
    },
    "TensorBoard": {
        "run-big_train-tag-epoch_loss.csv": lines(
            "Wall time,Step,Value", ((1.5, s, loss(s)) for s in STEPS)
        ),
        "run-big_validation-tag-epoch_loss.csv": lines(
            "Wall time,Step,Value", [(9.5, 900, loss(900, 0.1))]
        ),
    },
}


@pytest.mark.parametrize("writer", JOINED)
def test_a_run_whose_metrics_have_files_of_their_own(tmp_path: Path, writer: str) -> None:
    for name, text in JOINED[writer].items():
        write(tmp_path / "big", name, text)
    runs = ingest.read(tmp_path / "big")
    same(curves(runs), {"big": {s: (loss(s), loss(s, 0.1) if s == 900 else np.nan) for s in STEPS}})
    assert codes(runs)["joined-files"].startswith(f"{len(JOINED[writer])} files of one metric each")


def test_one_record_is_a_line_with_or_without_its_end(tmp_path: Path) -> None:
    for name in ("f.json", "f.jsonl", "f.txt"):
        for end in ("\n", ""):
            text = json.dumps({"params": 1e7, "tokens": 1e9, "loss": 3}) + end
            assert ingest.read(write(tmp_path, name, text)).points["loss"].to_pylist() == [3.0]


def test_a_garbled_dictionary_is_left_out(tmp_path: Path) -> None:
    rows = [f"{{'loss': {loss(k)}, 'epoch': {k}}}" for k in range(1, 9)]
    file = write(tmp_path, "f.log", "\n".join([*rows[:3], "{'loss': 4.0, 'ep", *rows[3:], ""]))
    same(curves(ingest.read(file)), {"f": curve(range(1, 9))})
    torn = write(tmp_path, "g.log", "\n".join([*rows, "{'loss': 4.0 'epoch': 9}", ""]))
    runs = ingest.read(torn)
    same(curves(runs), {"g": curve(range(1, 9))})
    assert "1 line(s) left out" in codes(runs)["short-row"]
