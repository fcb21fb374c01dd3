"""`scaling backtest`: the options it passes on, what it prints and draws, and when it refuses."""

import json
import math
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cli_fits
import command_line
import numpy as np
import pytest

from scaling_cli import ingest, plots
from scaling_cli.artefacts.backtest import Backtest, Forecasts, ScoredCut, Skipped
from scaling_cli.laws.kaplan_n import KaplanN
from scaling_cli.point_fits import backtesting
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import LeftOut

NOTE = Note("short-row", "warn", "left out: the line has 3 of 4 fields.", file="runs.csv", row=17)


run = partial(command_line.run, "backtest")


def forecasts(reach: list[float], error: list[float]) -> Forecasts:
    """Return forecasts of a loss of 2: half-width 2 %, 1 % for the law by itself, in ln."""
    predicted = 2.0 * np.exp(error)
    bounds = {
        "low": predicted * math.exp(-0.02),
        "high": predicted * math.exp(0.02),
        "value": predicted,
        "law_low": predicted * math.exp(-0.01),
        "law_high": predicted * math.exp(0.01),
    }
    runs = [f"r{i}" for i in range(len(reach))]
    return Forecasts(runs, np.array(reach), np.full(len(reach), 2.0), predicted, **bounds)


def made(errors: tuple[float, ...] = (0.03, 0.03, 0.015, 0.0)) -> Backtest:
    parts = [forecasts([1.2, 4.0, 40.0, 400.0], list(errors)), forecasts([2.0], [0.0])]
    cuts = tuple(
        ScoredCut(
            train_max=at,
            n_train=n,
            n_test=len(part),
            factor=float(part.reach.max()),
            parameters={},
            held_out=tuple(part.runs),
            forecasts=part,
            **part.score(),
        )
        for at, n, part in zip((1e20, 1.234e21), (12, 15), parts, strict=True)
    )
    return Backtest(
        "chinchilla",
        "compute",
        "C",
        0.9,
        Objective(),
        16,
        cuts,
        skipped=(Skipped(1e19, "leaves 5 points to fit, 8 are needed"),),
        left_out=[LeftOut("bad", "its loss is NaN")],
        data={"notes": ["target: loss."]},
    )


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace reading and refitting by a backtest made by hand; return what they were asked."""
    asked: dict[str, Any] = {"answer": made()}

    def read(*sources: str, **options: Any) -> Any:
        asked["read"] = (list(sources), options)
        return SimpleNamespace(notes=[NOTE])

    def backtest(data: Any, **options: Any) -> Backtest:
        asked["backtest"] = (data, options)
        if isinstance(asked["answer"], Exception):
            raise asked["answer"]
        notes = [asdict(note) for note in data.notes]
        return replace(asked["answer"], data={**asked["answer"].data, "reading": notes})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ingest, "read", read)
    monkeypatch.setattr(backtesting, "backtest", backtest)
    return asked


# --- options --------------------------------------------------------------------------------


def test_defaults_are_those_of_the_library(asked: dict[str, Any]) -> None:
    result = run("runs.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    assert asked["read"][0] == ["runs.csv"]
    assert asked["backtest"][1] == {
        "law": "chinchilla",
        "target": None,
        "where": None,
        "at": "final",
        "best_of": None,
        "rising": False,
        "alone": False,
        "limit": None,
        "objective": None,
        "fix": None,
        "tie": None,
        "on": "compute",
        "cuts": None,
        "seed": 0,
        "level": 0.9,
        "command": "scaling backtest runs.csv",
        "executor": "serial",
        "weights": None,
        "prior": None,
    }


def test_every_option_arrives(asked: dict[str, Any]) -> None:
    own = "--on params --cuts 100M,1B"
    result = run("a.csv", "b.csv", *f"{cli_fits.OPTIONS} {own}".split())
    assert result.stderr == (
        "--bootstrap: nothing in a backtest depends on it\n"
        "connecting to dask:s.json; waits up to 60 s for a first worker\n"
    )
    assert asked["read"] == (["a.csv", "b.csv"], cli_fits.READ)
    options = dict(asked["backtest"][1])
    assert options.pop("command").startswith("scaling backtest a.csv b.csv --law kaplan_nd ")
    assert options == cli_fits.ARRIVED | {"on": "params", "cuts": [1e8, 1e9]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "mse"], "error: objective must be huber, l2 or lad, not 'mse'.\n"),
        (["--fix", "E"], "error: cannot read 'E' for --fix.\nhint: Write --fix NAME=VALUE.\n"),
        (
            ["--cuts", "0"],
            "error: 0 is no number of cuts.\n"
            "hint: Give a number of cuts up to 100, values (1e20,1e21), or rolling.\n",
        ),
        (
            ["--on", "flops", "--cuts", "3"],
            "error: cannot hold runs back along 'flops'.\n"
            "hint: --on takes compute, params, tokens.\n",
        ),
        (
            ["-o", "backtest.jpeg"],
            "error: cannot write a backtest as 'backtest.jpeg'.\n"
            "hint: Use a name that ends in .png, .svg, .pdf, .json.\n",
        ),
        (
            ["--plot", "nowhere/b.png"],
            "error: cannot write nowhere/b.png: there is no folder nowhere.\n",
        ),
    ],
)
def test_bad_options_are_refused_before_any_work(
    asked: dict[str, Any], arguments: list[str], message: str
) -> None:
    result = run("runs.csv", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    assert "backtest" not in asked


def test_no_usable_cut_is_exit_code_4(asked: dict[str, Any]) -> None:
    asked["answer"] = FitError("no cut of these 9 points can be tested.", hint="Add runs.")
    result = run("runs.csv", "-o", "b.png")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "error: no cut of these 9 points can be tested.\nhint: Add runs.\n"
    assert not Path("b.png").exists()


# --- what is printed ------------------------------------------------------------------------

SCREEN = """\
16 points read
1 left out (its loss is NaN)

! short-row: runs.csv, row 17: left out: the line has 3 of 4 fields.

chinchilla: 5 forecasts of held-back runs, off by 1.52 % on average; 60 % inside
  their 90 % range

cuts (larger runs held back, law refitted)
  fitted       C <=  tested  reach     bias  |error|      range  inside
      12      1e+20       4   x400  +1.89 %   1.90 %  +/-2.00 %    50 %
      15  1.234e+21       1   x2.0  +0.00 %   0.00 %  +/-2.00 %   100 %

all cuts together, by reach beyond the largest fitted run
  reach        forecasts     bias  |error|      range  inside
  x1 to x1.5           1  +3.05 %   3.05 %  +/-2.00 %     0 %
  x1.5 to x5           2  +1.51 %   1.52 %  +/-2.00 %    50 %
  x20 to x100          1  +1.51 %   1.51 %  +/-2.00 %   100 %
  beyond x100          1  +0.00 %   0.00 %  +/-2.00 %   100 %

inside: share of the held-back runs in the 90 % range that scaling predict would
  have printed from the fitted runs alone. bias: + is a forecast too high.

untested  1 cut
          C <= 1e+19: leaves 5 points to fit, 8 are needed
"""

WHOLE = """\
data      16 points from runs.csv
          target: loss.
          WARN short-row: runs.csv, row 17: left out: the line has 3 of 4
            fields.
left out  1
          bad: its loss is NaN
law       chinchilla: L(N, D) = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022,
            arXiv:2203.15556, eq. 2).
          sum of Huber(delta 0.001) of the residuals of ln loss

cuts (larger runs held back, law refitted)
  fitted       C <=  tested  reach     bias  |error|      range  inside  alone
      12      1e+20       4   x400  +1.89 %   1.90 %  +/-2.00 %    50 %   25 %
      15  1.234e+21       1   x2.0  +0.00 %   0.00 %  +/-2.00 %   100 %  100 %

all cuts together, by reach beyond the largest fitted run
  reach        forecasts     bias  |error|      range  inside  alone
  x1 to x1.5           1  +3.05 %   3.05 %  +/-2.00 %     0 %    0 %
  x1.5 to x5           2  +1.51 %   1.52 %  +/-2.00 %    50 %   50 %
  x20 to x100          1  +1.51 %   1.51 %  +/-2.00 %   100 %    0 %
  beyond x100          1  +0.00 %   0.00 %  +/-2.00 %   100 %  100 %

inside: share of the held-back runs in the 90 % range that scaling predict would
  have printed from the fitted runs alone. alone: share in the range of the
  fitted law by itself. bias: + is a forecast too high.

untested  1 cut
          C <= 1e+19: leaves 5 points to fit, 8 are needed
"""


def test_the_report(asked: dict[str, Any]) -> None:
    assert run("runs.csv").stdout == SCREEN
    assert run("runs.csv", "--full").stdout == WHOLE


def test_misses_on_one_side_are_warned_of(asked: dict[str, Any]) -> None:
    asked["answer"] = made((0.03, 0.03, 0.025, 0.0))
    assert run("runs.csv").stdout.endswith(
        "! backtest.bias: 3 of 3 runs outside their range lie on one side of it: expect\n"
        "  the loss below the forecast.\n"
    )


def test_without_a_pattern_there_is_no_warning(asked: dict[str, Any]) -> None:
    asked["answer"] = replace(made((0.03, -0.03, 0.0, 0.0)), skipped=())
    printed = run("runs.csv").stdout
    assert "! backtest" not in printed
    assert "untested" not in printed


def test_json_is_the_record(asked: dict[str, Any]) -> None:
    record = json.loads(run("runs.csv", "--json").stdout)
    assert record["data"].pop("reading") == [asdict(NOTE)]
    assert record == json.loads(json.dumps(made().to_dict()))
    contract = {"train_max", "n_train", "n_test", "bias", "mare", "coverage"}
    assert contract <= set(record["cuts"][0])
    assert record["skipped"] == [
        {"train_max": 1e19, "reason": "leaves 5 points to fit, 8 are needed"}
    ]


def test_the_figure_is_drawn_and_named(asked: dict[str, Any]) -> None:
    result = run("runs.csv", "--plot", "b.png")
    assert result.stdout == f"{SCREEN}written   b.png\n"
    assert Path("b.png").read_bytes().startswith(b"\x89PNG")


def test_the_numbers_are_written_as_json(asked: dict[str, Any]) -> None:
    result = run("runs.csv", "--json", "-o", "b.json")
    assert json.loads(result.stdout) == json.loads(Path("b.json").read_text())


def test_the_figure_shows_every_forecast() -> None:
    table = plots.get("backtest").table(made())
    errors = table.errors
    assert errors.reach.tolist() == [1.2, 2.0, 4.0, 40.0, 400.0]
    np.testing.assert_allclose(errors.error, [3, 0, 3, 1.5, 0], atol=1e-10)
    np.testing.assert_allclose([errors.lowest, errors.highest], [[-2] * 5, [2] * 5], rtol=1e-10)
    assert errors.inside.tolist() == [False, True, False, True, True]
    figure = plots.figure("backtest", table)
    axes, (legend,) = figure.axes[0], figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "allowed by the 90 % new-run interval",
        "inside (3 of 5)",
        "outside (2 of 5)",
    ]
    assert axes.get_xlabel() == "Held-out run / largest fitted run, in C"


# --- the whole way --------------------------------------------------------------------------


def test_from_a_table_of_runs_to_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = np.geomspace(1e6, 1e10, 17)
    bent = KaplanN(Nc=1e13, alpha_N=0.08)(N=sizes) * np.where(sizes > 1.01e9, 0.97, 1.0)
    rows = [f"n{i},{sizes[i].item()!r},{bent[i].item()!r}" for i in range(17)]
    Path("runs.csv").write_text("\n".join(["run_id,params,loss", *rows]) + "\n")
    result = run("runs.csv", "--law", "kaplan_n", "--cuts", "1e9", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    (cut,) = record["cuts"]
    assert (record["axis"], cut["n_train"], cut["n_test"]) == ("N", 13, 4)
    assert cut["bias"] == pytest.approx(-math.log(0.97), abs=1e-7)
    assert cut["mare"] == pytest.approx(1 / 0.97 - 1, abs=1e-7)
    assert cut["held_out"] == ["n13", "n14", "n15", "n16"]
    few = run("runs.csv", "--law", "kaplan_n", "--where", "params < 1e7")
    assert (few.exit_code, few.stdout) == (4, "")
    assert few.stderr == (
        "error: no cut of these 4 points can be tested: each needs at least 8 points to fit "
        "(kaplan_n with 2 free parameters) and larger ones to forecast. Of 7 cuts tried, the "
        "largest: holds back 1 point, 3 are needed.\n"
        "hint: Add smaller runs, give other --cuts, or hold parameters with --fix or --tie.\n"
    )
