"""Plots of letters: what is drawn where, within 80 columns, and what is said without plotext."""

import sys
from pathlib import Path

import command_line
import numpy as np
import pytest

from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _term

STORED = Path(__file__).resolve().parents[1] / "artefacts" / "v0.1.0"
RUN = "data/ladder/runs/schedule-164k-2.1M-cosine.csv"
ROOT = Path(__file__).resolve().parents[2]


def test_losses_fall_from_left_to_right_and_fit_a_screen() -> None:
    text = _term.losses(plots.get("loss").table(kinds.load(STORED / "fit.json", Fit)))
    lines = text.splitlines()
    assert lines[0] == "Cross-entropy loss (nats/token)"
    assert max(map(len, lines)) <= 80 and len(lines) == _term.LINES + 1
    assert "compute-optimal" in text and "extrapolated" in text and "\033" not in text
    assert [word for word in lines[-2].split() if word[0].isdigit()] == ["1e+12", "1e+13"]
    inner = [line.partition("\u2524")[2] or line.partition("\u2502")[2] for line in lines[4:-3]]
    rows = [(i, at) for i, line in enumerate(inner) for at, mark in enumerate(line) if mark == "."]
    beyond = np.array(rows)
    assert len(beyond) > 10 and np.corrcoef(beyond.T)[0, 1] > 0.8  # down is a larger row


def test_a_forecast_is_drawn_below_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = command_line.run("forecast", RUN, "--until", "3000", "--draw")
    assert done.exit_code == 0, done.output
    assert "xx forecast" in done.stdout and ".. its range" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_without_plotext_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, "plotext", None)
    done = command_line.run("fit", "data/ladder/runs.csv", "--draw")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: a plot in the terminal needs the package plotext, which is not installed.\n"
        "hint: pip install 'scaling-cli[term]', or draw a file: scaling plot FIT -o loss.png.\n"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--json"], "--draw draws for people: leave --json out."),
        (["--law", "annealing"], "--draw draws one fit of points."),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    more: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    done = command_line.run("fit", RUN, "--draw", *more)
    assert done.exit_code == 2
    assert f"error: {said}" in done.stderr
