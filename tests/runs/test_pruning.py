"""A pruning schedule said beside logs that do not show it, against the counts themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refusal

import scaling_cli as sc
from scaling_cli import ingest, laws
from scaling_cli.runs.selection import select
from scaling_cli.runs.table import floats
from scaling_cli.vocabulary.errors import MismatchError, UsageError

STEPS = 400
WINDOW = "final=.8,start=25%,end=75%,unit=tokens"


def in_force(dense: float) -> np.ndarray:
    """Return the parameters after each step of a run pruned to .8 from 25 to 75 % of it."""
    through = np.clip((np.arange(1, STEPS + 1) / STEPS - 0.25) / 0.5, 0, 1)
    return dense * (1 - 0.8 * (1 - (1 - through) ** 3))


def logs(folder: Path, *, counted: bool) -> Path:
    """Write the logs of two runs, with or without the count in force."""
    folder.mkdir()
    for name, dense in (("small", 1e5), ("large", 1e6)):
        sizes = in_force(dense)
        rows = [
            f"{i},{1000 * i},{5 - i / STEPS}" + (f",{sizes[i - 1]:.0f}" if counted else "")
            for i in range(1, STEPS + 1)
        ]
        head = "step,tokens,loss" + (",params" if counted else "")
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    meta = "run_id,params\nsmall,100000\nlarge,1000000\n"
    (folder / "sizes.csv").write_text(meta, encoding="utf-8")
    return folder


def means(folder: Path, **options: Any) -> dict[str, np.ndarray]:
    runs = ingest.read(str(folder / "*l*.csv"), **options)
    ids, values = runs.points["run_id"].to_pylist(), floats(runs.points["average_params"])
    return {name: values[np.array(ids) == name] for name in ("small", "large")}


def test_a_schedule_that_is_said_is_that_of_the_counts(tmp_path: Path) -> None:
    """The closed form of the schedule is the mean of the counts, at every step of the log."""
    silent = logs(tmp_path / "silent", counted=False)
    said = means(silent, meta=silent / "sizes.csv", sparsity=WINDOW)
    for name, dense in (("small", 1e5), ("large", 1e6)):
        oracle = np.cumsum(in_force(dense)) / np.arange(1, STEPS + 1)
        np.testing.assert_allclose(said[name], oracle, rtol=4e-3)
        assert said[name][-1] == pytest.approx(dense * (1 - 0.8 * 0.625), rel=1e-12)


def test_counts_that_change_along_a_run_are_one_curve(tmp_path: Path) -> None:
    counted = means(logs(tmp_path / "counted", counted=True))
    oracle = np.cumsum(in_force(1e6)) / np.arange(1, STEPS + 1)
    np.testing.assert_allclose(counted["large"], oracle, rtol=4e-3)


def test_one_run_is_pruned_and_the_other_dense(tmp_path: Path) -> None:
    silent = logs(tmp_path / "silent", counted=False)
    options = {"meta": silent / "sizes.csv", "sparsity": [f"sm*={WINDOW}"]}
    assert means(silent, **options)["small"][-1] == pytest.approx(5e4, rel=1e-12)
    assert set(means(silent, **options)["large"]) == {1e6}
    runs = ingest.read(str(silent / "*l*.csv"), **options)
    assert [str(note) for note in runs.notes if note.code == "sparsity"] == [
        "average_params of 1 run(s) by the pruning schedule that was given; the other 1 are dense."
    ]


def test_what_a_schedule_cannot_be_said_of(tmp_path: Path) -> None:
    silent = logs(tmp_path / "silent", counted=False)
    files, meta = str(silent / "*l*.csv"), silent / "sizes.csv"
    assert refusal(UsageError, ingest.read, files, meta=meta, sparsity=f"tiny={WINDOW}") == (
        f"--sparsity 'tiny={WINDOW}' fits no run. Write RUN=final=.8,start=25%,end=75%; the runs "
        "are large, small."
    )
    assert refusal(MismatchError, ingest.read, files, sparsity=WINDOW) == (
        "--sparsity needs the parameters before pruning of large, small. Give them: --set "
        "params=124M, or --meta runs.csv."
    )
    counted = str(logs(tmp_path / "counted", counted=True) / "*l*.csv")
    assert refusal(MismatchError, ingest.read, counted, sparsity=WINDOW) == (
        "these runs hold average_params already: it would be another by --sparsity. Leave "
        "--sparsity out."
    )


def test_a_law_that_would_ignore_the_schedule_is_refused(tmp_path: Path) -> None:
    silent = logs(tmp_path / "silent", counted=False)
    runs = ingest.read(str(silent / "*l*.csv"), meta=silent / "sizes.csv", sparsity=WINDOW)
    assert refusal(UsageError, sc.fit, runs, law="chinchilla") == (
        "--sparsity gives average_params, which chinchilla does not take. Fit --law "
        "average_parameters, or leave --sparsity out."
    )
    assert list(select(runs, laws.get("average_parameters")).inputs) == ["N_avg", "D"]
