"""`scaling fit`: the options it passes on, what it prints and writes, and when it refuses."""

import json
import math
import os
import shlex
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cli_fits
import command_line
import pytest
from tables import table

from scaling_cli import ingest, reports
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits import fitting
from scaling_cli.reports import _fitted
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports._text import Style
from scaling_cli.runs.table import Note
from scaling_cli.verbs import fit as fit_verb
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.jsonfile import to_json
from scaling_cli.vocabulary.outcomes import Check, Level

NOTE = Note("short-row", "warn", "left out: the line has 3 of 4 fields.", file="runs.csv", row=17)
FAILED = (
    Check("fit.convergence", Level.FAIL, "a minimum was missed."),
    Check("data.range", Level.PASS, "wide enough."),
    Check("fit.influence", Level.WARN, "one run decides."),
)


run = partial(command_line.run, "fit")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace reading and fitting by a fit made by hand; return what they were asked."""
    asked: dict[str, Any] = {"answer": cli_fits.fit()}

    def read(*sources: str, **options: Any) -> Any:
        asked["read"] = (list(sources), options)
        return SimpleNamespace(notes=[NOTE])

    def fit(data: Any, **options: Any) -> Fit:
        asked["fit"] = (data, options)
        if isinstance(asked["answer"], Exception):
            raise asked["answer"]
        return asked["answer"]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ingest, "read", read)
    monkeypatch.setattr(fit_verb, "law_of", lambda runs, schedules: (fit_verb.DEFAULT, ""))
    monkeypatch.setattr(fitting, "fit", fit)
    return asked


# --- options --------------------------------------------------------------------------------


def test_defaults_are_those_of_the_library(asked: dict[str, Any]) -> None:
    assert run("runs.csv").exit_code == 0
    assert asked["read"] == (
        ["runs.csv"],
        dict.fromkeys(cli_fits.READ),
    )
    data, options = asked["fit"]
    assert data.notes == [NOTE]
    assert options == {
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
        "seed": 0,
        "level": 0.9,
        "command": "scaling fit runs.csv",
        "executor": "serial",
        "weights": None,
        "prior": None,
        "bootstrap_kind": "pairs",
        "cluster": "run",
    }


def test_every_option_arrives(asked: dict[str, Any]) -> None:
    own = "--fix Dc=2G --bootstrap-kind wild --cluster config"
    assert run("a.csv", "b c.csv", *f"{cli_fits.OPTIONS} {own}".split()).exit_code == 0
    assert asked["read"] == (["a.csv", "b c.csv"], cli_fits.READ)
    options = dict(asked["fit"][1])
    command = options.pop("command")
    assert command.startswith("scaling fit a.csv 'b c.csv' --law kaplan_nd ")
    assert options == cli_fits.ARRIVED | {
        "fix": {"Nc": 1e9, "Dc": 2e9},
        "bootstrap": 10,
        "bootstrap_kind": "wild",
        "cluster": "config",
    }


BAD_OPTIONS = [
    (["--objective", "mse"], "error: objective must be huber, l2 or lad, not 'mse'.\n"),
    (["--space", "cubic"], "error: space must be log or linear, not 'cubic'.\n"),
    (["--delta", "0"], "error: delta must be positive, not 0.0.\n"),
    (["--fix", "E"], "error: cannot read 'E' for --fix.\nhint: Write --fix NAME=VALUE.\n"),
    (["--fix", "E=1", "--fix", "E=2"], "error: --fix gives E twice: 1 and 2.\n"),
    (["--fix", "E=low"], "error: --fix E=low: 'low' is no number.\nhint: Such as --fix E=1.6.\n"),
    (
        ["--objective", "l2", "--delta", "1e-2"],
        "error: --delta is the corner of the Huber loss; --objective l2 has none.\n"
        "hint: Leave one of the two out.\n",
    ),
    (
        ["-o", "nowhere/fit.json"],
        "error: cannot write nowhere/fit.json: there is no folder nowhere.\n",
    ),
    (["-o", "."], "error: cannot write .: it is a folder.\nhint: Give a file name with -o.\n"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS)
def test_bad_options_are_refused_before_any_work(
    asked: dict[str, Any], arguments: list[str], message: str
) -> None:
    result = run("runs.csv", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    assert "fit" not in asked


def test_a_cluster_that_may_keep_one_waiting_is_said(asked: dict[str, Any]) -> None:
    said = "connecting to dask:s.json; waits up to 60 s for a first worker\n"
    assert run("runs.csv", "--executor", "dask:s.json").stderr == said
    assert run("runs.csv", "--executor", "dask:s.json", "--quiet").stderr == ""


# --- what is written ------------------------------------------------------------------------


def test_the_fit_is_written_to_fit_json(asked: dict[str, Any]) -> None:
    result = run("runs.csv")
    assert result.stderr == ""
    written = kinds.load("fit.json", Fit).to_dict()
    assert written == asked["answer"].to_dict()
    assert result.stdout.endswith(
        "\nwritten   fit.json\nnext      scaling predict --params 3B --tokens 600B\n"
    )


def test_the_next_command_runs_whatever_the_file_is_called(asked: dict[str, Any]) -> None:
    Path("my (first) runs").mkdir()
    for _ in range(2):  # the second replaces the first
        told = run("runs.csv", "-o", "my (first) runs/my fit.json").stdout
        command = told.partition("next ")[2].replace("\\\n", "")
        assert shlex.split(command) == [
            *["scaling", "predict", "--fit", "my (first) runs/my fit.json"],
            *["--params", "3B", "--tokens", "600B"],
        ]
        assert command_line.run(*shlex.split(command)[1:]).exit_code == 0


def test_a_named_file_that_is_replaced_is_said_to_be(asked: dict[str, Any]) -> None:
    Path("other.json").write_text("old")
    result = run("runs.csv", "-o", "other.json")
    assert not Path("fit.json").exists()
    assert kinds.load("other.json", Fit).n_points == 20
    assert result.stdout.endswith(
        "\nwritten   other.json (the one before is replaced)\n"
        "next      scaling predict --fit other.json --params 3B --tokens 600B\n"
    )


def test_json_is_the_fit_file_itself(asked: dict[str, Any]) -> None:
    result = run("runs.csv", "--json")
    record = json.loads(result.stdout)
    assert record == json.loads(to_json(asked["answer"].to_dict()))
    assert not Path("fit.json").exists()
    assert {
        "schema_version",
        "law",
        "parameters",
        "objective",
        "status",
        "n_points",
        "intervals",
        "derived",
        "backtest",
        "checks",
        "left_out",
        "data",
        "command",
    } <= set(record)
    assert set(record["objective"]) == {"name", "delta", "space", "reduction", "value"}
    assert set(record["left_out"][0]) == {"run", "reason"}
    assert set(record["checks"][0]) == {"code", "level", "message"}
    assert record["parameters"] == cli_fits.TRUTH


def test_json_with_a_file_does_both(asked: dict[str, Any]) -> None:
    result = run("runs.csv", "--json", "-o", "both.json")
    assert json.loads(result.stdout) == json.loads(Path("both.json").read_text())


def test_a_folder_that_is_not_writable_is_found_before_the_work(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: (str(path), mode) != ("locked", os.W_OK))
    result = run("runs.csv", "-o", "locked/fit.json")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: cannot write locked/fit.json: the folder locked is not writable.\n"
        "hint: Give another place with -o.\n"
    )


# --- refusals -------------------------------------------------------------------------------


def test_a_minimum_that_is_none_is_no_usable_fit(asked: dict[str, Any]) -> None:
    asked["answer"] = cli_fits.fit(checks=FAILED)
    result = run("runs.csv")
    assert result.exit_code == 4
    assert not Path("fit.json").exists()
    assert result.stderr == (
        "error: no usable fit, nothing was written. fit.convergence: a minimum was missed.\n"
    )
    assert result.stdout.endswith(
        "checks    1 of 3 passed\n"
        "          FAIL fit.convergence: a minimum was missed.\n"
        "          WARN fit.influence: one run decides.\n"
        "          PASS data.range: wide enough.\n"
    )
    assert "forecast" not in result.stdout


def test_no_usable_fit_as_json_is_one_error_object(asked: dict[str, Any]) -> None:
    asked["answer"] = cli_fits.fit(checks=FAILED)
    result = run("runs.csv", "--json", "-o", "x.json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["error"]["code"] == "fit"
    assert not Path("x.json").exists()


def test_a_fit_error_writes_nothing(asked: dict[str, Any]) -> None:
    asked["answer"] = FitError("3 points cannot determine 5 parameters.", hint="Add runs.")
    result = run("runs.csv")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "error: 3 points cannot determine 5 parameters.\nhint: Add runs.\n"
    assert not Path("fit.json").exists()


def test_a_failure_that_forbids_a_use_is_said_and_written(asked: dict[str, Any]) -> None:
    failed = Check("backtest", Level.FAIL, "use no forecast beyond the data.")
    asked["answer"] = cli_fits.fit(checks=(*cli_fits.CHECKS, failed))
    result = run("runs.csv", "--full")
    assert result.exit_code == 0
    assert Path("fit.json").exists()
    assert (
        "checks    2 of 4 passed\n"
        "          FAIL backtest: use no forecast beyond the data.\n"
        "          WARN fit.influence: without run big"
    ) in result.stdout


def test_warnings_are_not_failures(asked: dict[str, Any]) -> None:
    assert any(check.level is Level.WARN for check in asked["answer"].checks)
    assert run("runs.csv").exit_code == 0


# --- what is printed ------------------------------------------------------------------------

SCREEN = """\
20 points   N 10M to 1B   D 1B to 200B   loss 2.2 to 3.9 nats/token
12 left out (its loss is NaN)

chinchilla   L = E + A/N^alpha + B/D^beta   converged
           90 % range                  90 % range
  E  1.82  1.64 .. 2.00  alpha  0.348  0.313 .. 0.383
  A   480  430 .. 530    beta    0.37  0.33 .. 0.40
  B  2090  1880 .. 2290

10x the largest run, C = 1e+23 at its best split: N = 29.4B, D = 566B
  loss 2.0321   90 % of new runs in 2.0147 .. 2.0496 (+/-0.86 %)

backtest  the 4 to 8 largest runs forecast from the rest, 10x to 100x further:
          off by 0.34 to 1.45 %; 10 of 12 inside their 90 % range

! without run big the exponent beta moves from .37 to .45.

2 of 3 checks passed; scaling show fit.json --full tells all

written   fit.json
next      scaling predict --params 3B --tokens 600B
"""

WHOLE = """\
data: 20 points from runs.csv
  N  10M to 1B         parameters (total)
  D  1B to 200B        tokens
  L  2.2000 to 3.9000  nats/token
  C  6e+16 to 1e+22    FLOP

left out  12
          run0, run1, run2, run3, run4, run5, run6, run7, run8, run9, run10,
            run11: its loss is NaN

law
  chinchilla: L(N, D) = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022,
    arXiv:2203.15556, eq. 2).
  sum of Huber(delta 0.001) of the residuals of ln loss = 1.234567890e-03
  status: converged (64 starts, 95 % of those that converged agree; condition
    number 1.2e+04)

10x the largest run, C = 1e+23 at its best split: N = 29.4B, D = 566B
       N     D      C    loss  90 % mean curve   90 % new run      beyond data
  29.45B  566B  1e+23  2.0321  [2.0209, 2.0433]  [2.0147, 2.0496]  C x10,
                                                                   D x2.8, N x29
  90 % range of a new run: half-width +/-0.86 %; parameters +/-0.44 %, noise
    +/-0.66 %, drift +/-0.33 %.

parameters
           value  90 % interval       unit        meaning
  E       1.8172  [1.63548, 1.99892]  nats/token  irreducible loss
  A       482.01  [433.809, 530.211]  nats/token  capacity coefficient
  B      2085.43  [1876.89, 2293.97]  nats/token  data coefficient
  alpha   0.3478  [0.31302, 0.38258]  1           capacity exponent
  beta    0.3658  [0.32922, 0.40238]  1           data exponent

backtest (larger runs held back)
  fitted   C <=  tested  reach     bias  mean |error|  half-width  inside
      12  1e+20       8   x100  -1.22 %        1.45 %   +/-0.67 %    75 %
      16  1e+21       4    x10  +0.21 %        0.34 %   +/-0.67 %   100 %
  largest runs hidden along C, laws refitted, forecasts scored
  half-width: of the range that 'scaling predict' would have printed from the
    fitted runs alone. inside: share of the held-back runs in it.

checks    2 of 3 passed
          WARN fit.influence: without run big the exponent beta moves from .37
            to .45.
          PASS data.range: five sizes, four budgets.
          PASS fit.convergence: all starts agree.
written   fit.json
next      scaling predict --params 3B --tokens 600B
"""


def test_the_whole_report() -> None:
    fit = cli_fits.fit(left_out=12)
    blocks = reports.blocks(fit, full=True, sources=["runs.csv"], written="fit.json")
    assert reports.text(blocks) == WHOLE
    (point,) = fit.predict(level=0.9, **cli_fits.OPTIMUM_AT_1E23).to_dicts()
    assert f"{point['value']:.4f}" in WHOLE
    assert f"[{point['new_run'][0]:.4f}, {point['new_run'][1]:.4f}]" in WHOLE
    assert f"parameters +/-{100 * point['parts']['parameters']:.2f} %" in " ".join(WHOLE.split())


def test_the_first_screen() -> None:
    fit = cli_fits.fit(left_out=12)
    screen = reports.text(reports.blocks(fit, sources=["runs.csv"], written="fit.json"))
    assert screen == SCREEN
    (point,) = fit.predict(level=0.9, **cli_fits.OPTIMUM_AT_1E23).to_dicts()
    low, high = point["new_run"]
    assert f"loss {point['value']:.4f}   90 % of new runs in {low:.4f} .. {high:.4f}" in SCREEN


def test_the_report_and_the_check_say_one_half_width() -> None:
    """Where noise is large, half the width in ln and over the value are far apart."""
    made = fitting.fit(table("chinchilla", noise=0.1, seed=3), bootstrap=0)
    (point,) = made.predict(**made.diagnostics["headline"]).to_dicts()
    low, high = point["new_run"]
    half = 100 * math.log(high / low) / 2
    assert abs(half - 100 * (high - low) / (2 * point["value"])) > 2
    (said,) = [c.message for c in made.checks if c.code == "extrap.width"]
    assert said.startswith(f"half-width {half:.1f} % at 10x")
    told = reports.text(reports.blocks(made, full=True))
    assert f"range of a new run: half-width +/-{half:.1f} %;" in " ".join(told.split())
    screen = reports.text(reports.blocks(made))
    assert f"(+/-{half:.1f} %)" in screen


def test_what_reading_noticed_is_told() -> None:
    fit = cli_fits.fit(left_out=0)
    notes = [asdict(NOTE), {**asdict(NOTE), "code": "convention-assumed", "message": "N: total."}]
    data = {**fit.data, "reading": notes, "notes": ["N counts all."]}
    changed = Fit.from_dict({**fit.to_dict(), "data": data})
    assert reports.text(reports.blocks(changed, full=True)).splitlines()[5:9] == [
        "  N counts all.",
        "  WARN short-row: runs.csv, row 17: left out: the line has 3 of 4 fields.",
        "",
        "left out  no run",
    ]
    assert reports.text(_fitted.opening("20 runs", (), data)) == (
        "20 runs\nN counts all.\n\n"
        "! short-row: runs.csv, row 17: left out: the line has 3 of 4 fields.\n"
    )


def test_fixed_parameters_and_missing_intervals_are_told_apart() -> None:
    fit = cli_fits.fit()
    changed = Fit.from_dict(
        {**fit.to_dict(), "selection": {"fix": {"E": 1.8172}, "level": 0.9}, "intervals": {}}
    )
    rows = fit_report.parameters(changed, full=True).rows
    assert rows[0][:3] == ["E", "1.8172", "fixed"]
    assert rows[1][:3] == ["A", "482.01", "-"]
    brief = fit_report.parameters(changed).rows
    assert brief[0] == ["E", "1.8172", "fixed", "alpha", "0.3478", ""]


def test_an_end_that_nothing_bounds_is_told() -> None:
    fit = cli_fits.fit()
    spans = {"A": (300.0, None), "B": (None, 2500.0), "E": (None, None)}
    intervals = {n: {"level": 0.9, "low": a, "high": b} for n, (a, b) in spans.items()}
    changed = Fit.from_dict({**fit.to_dict(), "intervals": intervals})
    rows = fit_report.parameters(changed, full=True).rows
    assert [row[2] for row in rows[:3]] == ["-", "[300, no bound]", "[no bound, 2500]"]
    brief = fit_report.parameters(changed).rows
    assert [row[:3] for row in brief[:3]] == [
        ["E", "1.817", ""],
        ["A", "480", "300 .. no bound"],
        ["B", "2100", "no bound .. 2500"],
    ]


def test_no_backtest_prints_its_reason() -> None:
    fit = cli_fits.fit(backtest={"axis": "C", "cuts": [], "note": "five points are too few."})
    assert reports.text([fit_report.backtest(fit)]) == "backtest  five points are too few.\n"
    assert "\n\nbacktest  five points are too few.\n" in reports.text(reports.blocks(fit))


def test_a_terminal_gets_colour_and_the_same_words() -> None:
    fit = cli_fits.fit()
    plain = reports.text(reports.blocks(fit, full=True))
    coloured = reports.text(reports.blocks(fit, full=True), Style(colour=True))
    assert "\033[1;33mWARN\033[0m" in coloured
    for code in ("1", "1;33", "33", "32"):
        coloured = coloured.replace(f"\033[{code}m", "")
    assert coloured.replace("\033[0m", "") == plain


@pytest.mark.parametrize(("later", "told"), [("a", True), ("b", False)])
def test_a_run_on_both_sides_of_a_cut_is_said(later: str, *, told: bool) -> None:
    # Rows at C = 6e19 and 6e21, and one cut at 1e20 that holds the second back.
    points = {
        "inputs": {"N": [1e9, 1e9], "D": [1e10, 1e12]},
        "output": [3.0, 2.5],
        "runs": ["a", later],
    }
    cuts = [{**cli_fits.BACKTEST["cuts"][0], "held_out": [later]}]
    fit = cli_fits.fit(backtest={**cli_fits.BACKTEST, "cuts": cuts})
    fit = replace(fit, data={**fit.data, "points": points})
    text = " ".join(reports.text([fit_report.backtest(fit)]).split())
    assert told == (
        "in 1 of 1 cuts a run has rows on both sides: its later rows are forecast with its "
        "earlier ones fitted. With --at final every run is on one side." in text
    )


def test_parameters_have_the_unit_of_the_losses() -> None:
    fit = cli_fits.fit()
    conventions = {**fit.data["conventions"], "L": "bits/byte"}
    changed = replace(fit, data={**fit.data, "conventions": conventions})
    text = reports.text([fit_report.parameters(changed, full=True)])
    assert text.count("bits/byte") == 3
    assert "nats/token" not in text
