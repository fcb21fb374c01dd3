"""Columns that say that runs are not alike, and rows that are no results."""

from pathlib import Path

import numpy as np
import pytest

import scaling_cli as sc
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.runs import likeness
from scaling_cli.runs.selection import select

HEAD = "run_id,params,tokens,loss"
BODY = [f"r{i},{(i % 4 + 1) * 1e7:g},{(i % 3 + 1) * 1e9:g},{4 - i / 10:g}" for i in range(12)]


def table(tmp_path: Path, column: str, cells: list[object], losses: dict[int, object]) -> Path:
    rows = [row.split(",") for row in BODY]
    for i, value in losses.items():
        rows[i][3] = str(value)
    lines = [",".join([*row, str(cell)]) for row, cell in zip(rows, cells, strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([f"{HEAD},{column}", *lines]) + "\n", encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("state", "finished", "crashed"),
        ("State", "finished", "running"),
        ("wandb/state", "finished", "killed"),
        ("status", "COMPLETED", "timed out"),
        ("diverged", "False", "True"),
        ("has_nan", 0, 1),
        ("completed", "yes", "no"),
        ("pct_complete", 100, 40),
        ("train/progress", 1.0, 0.98),
    ],
)
def test_unfinished_runs_are_left_out(tmp_path: Path, column: str, good: str, bad: str) -> None:
    path = table(tmp_path, column, [bad if i in (2, 7) else good for i in range(12)], {})
    points = select(sc.read(path), Chinchilla)
    assert sorted({*points.runs} ^ {f"r{i}" for i in range(12)}) == ["r2", "r7"]
    (note,) = [n for n in points.notes if "left out" in n]
    assert note.startswith(f"2 run(s) are left out, as {column} is {bad}: r2, r7 (--where '")
    where = note.split("--where '")[1].removesuffix("').")
    again = select(sc.read(path), Chinchilla, where=where)  # what is written out runs as it stands
    assert again.runs == points.runs
    assert not [n for n in again.notes if "left out" in n]


def test_what_every_run_is_leaves_none_out(tmp_path: Path) -> None:
    points = select(sc.read(table(tmp_path, "state", ["running"] * 12, {})), Chinchilla)
    assert len(points) == 12


@pytest.mark.parametrize("mark", [0, -1, 999, 100, 1e10, 3.4028235e38])
def test_numbers_that_stand_for_no_loss(tmp_path: Path, mark: float) -> None:
    path = table(tmp_path, "x1", list(range(12)), {3: f"{mark:g}", 5: f"{mark:g}"})
    points = select(sc.read(path), Chinchilla)
    assert sorted({*points.runs} ^ {f"r{i}" for i in range(12)}) == ["r3", "r5"]
    assert [x.reason for x in points.left_out] == [
        f"loss is {mark:g}, a mark and no measurement"
    ] * 2
    (note,) = [n for n in points.notes if "left out" in n]
    where = note.split("--where '")[1].removesuffix("').")
    assert select(sc.read(path), Chinchilla, where=where).runs == points.runs


def test_a_loss_that_is_merely_large_stays(tmp_path: Path) -> None:
    path = table(tmp_path, "x1", list(range(12)), {3: 37.4})
    assert len(select(sc.read(path), Chinchilla)) == 12


def test_settings_with_two_values_are_kept_with_the_points(tmp_path: Path) -> None:
    cells: list[object] = ["gpt2" if i < 6 else "llama" for i in range(12)]
    points = select(sc.read(table(tmp_path, "config/tokenizer", cells, {})), Chinchilla)
    assert {n: v.tolist() for n, v in points.settings.items()}["config/tokenizer"] == [
        cells[int(run[1:])] for run in points.runs
    ]
    assert select(sc.read(table(tmp_path, "dataset", ["c4"] * 12, {})), Chinchilla).settings == {}


def test_passes_over_the_data(tmp_path: Path) -> None:
    points = select(sc.read(table(tmp_path, "unique_tokens", [5e8] * 12, {})), Chinchilla)
    np.testing.assert_allclose(points.passes["unique_tokens"], points.inputs["D"] / 5e8)
    points = select(sc.read(table(tmp_path, "num_epochs", [3] * 12, {})), Chinchilla)
    np.testing.assert_array_equal(points.passes["num_epochs"], np.full(12, 3.0))


def test_conditions_as_they_are_typed() -> None:
    assert likeness.one_of("a b", ["x"]) == '`a b` == "x"'
    assert likeness.one_of("n", [1.0, 0.1]) == "n in [1, 0.1]"
    assert likeness.one_of("n", ['say "so"']) == "n == 'say \"so\"'"
    assert likeness.seldom("unique_tokens", 4) == "tokens <= 4*unique_tokens"
    assert likeness.seldom("num_epochs", 1) == "num_epochs <= 1"


def test_rows_along_a_run_that_was_done_stay(tmp_path: Path) -> None:
    rows = [f"r{i},1e7,{s}e8,{4 - s / 9},{s},{s / 9}" for i in range(3) for s in (3, 6, 9)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([f"{HEAD},step,progress", *rows[:-1]]), encoding="utf8")
    points = select(sc.read(path), Chinchilla, at="all")
    assert list(points.runs) == ["r0"] * 3 + ["r1"] * 3  # r2 had done 6 of 9


@pytest.mark.parametrize("column", ["planned_tokens", "config/target_tokens", "token_budget"])
def test_runs_short_of_the_tokens_they_were_planned_for(tmp_path: Path, column: str) -> None:
    tokens = [float(row.split(",")[2]) for row in BODY]
    path = table(
        tmp_path, column, [n * (2 if i in (2, 7) else 1) for i, n in enumerate(tokens)], {}
    )
    points = select(sc.read(path), Chinchilla)
    assert sorted({*points.runs} ^ {f"r{i}" for i in range(12)}) == ["r2", "r7"]
    name = f"`{column}`" if "/" in column else column
    assert [note for note in points.notes if "left out" in note] == [
        f"2 run(s) are left out, as tokens is 2e+09 of {column} 4e+09 or tokens is 3e+09 of "
        f"{column} 6e+09: r2, r7 (--where 'tokens >= 0.99*{name}')."
    ]
    again = select(sc.read(path), Chinchilla, where=f"tokens >= 0.99*{name}")
    assert again.runs == points.runs


@pytest.mark.parametrize(
    ("rows", "states"),
    [
        (["a,1,10,20,5", "a,2,20,20,4", "b,1,10,40,5", "b,2,20,40,4"], ["finished", "unfinished"]),
        (["a,2,20,20,4", "b,2,20,40,4", "c,2,20,,4"], ["finished", "unfinished", "finished"]),
        (["a,1,10,20,5", "a,2,20,20,4", "b,1,10,,5", "b,2,20,,4"], ["finished", "unknown"]),
    ],
)
def test_a_run_short_of_its_planned_tokens_is_unfinished(
    tmp_path: Path, rows: list[str], states: list[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["run_id,step,tokens,planned_tokens,loss", *rows, ""]), "utf8")
    assert [run["state"] for run in sc.read(path).summary()] == states
