"""What a fit warned of, beside the answers that it touches."""

import json
from dataclasses import replace
from pathlib import Path

import cli_fits
import numpy as np
import pytest
from command_line import run as command
from typer.testing import Result

from scaling_cli.vocabulary.outcomes import Check, Level, Touches


def run(*args: str) -> Result:
    return command("predict", *args)


def touching(level: Level, *touches: Touches, code: str = "a.code") -> Check:
    return Check(code, level, f"{level} of {' and '.join(touches) or 'nothing'}.", touches)


TRAVELLING = (
    touching(Level.PASS, Touches.OPTIMUM),
    touching(Level.WARN, Touches.FORECAST),
    touching(Level.WARN, Touches.PARAMETERS),
    touching(Level.WARN),
    touching(Level.PASS),
    touching(Level.FAIL, Touches.DATA),
    touching(Level.WARN, Touches.OPTIMUM, Touches.PARAMETERS),
    Check("of.old", Level.WARN, "from a file that declares nothing."),
    Check("of.old", Level.PASS, "that too."),
)


@pytest.mark.parametrize(
    ("point", "told"),
    [
        (
            ("--params", "7B", "--tokens", "1T"),
            ["fail of data.", "warn of forecast.", "from a file that declares nothing."],
        ),
        (
            ("--compute", "1e23"),
            [
                "fail of data.",
                "warn of forecast.",
                "warn of optimum and parameters.",
                "from a file that declares nothing.",
                "pass of optimum.",
            ],
        ),
    ],
)
def test_warnings_travel_with_the_questions_that_they_touch(
    point: tuple[str, ...], told: list[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "told.json")
    cli_fits.fit(checks=TRAVELLING).to_json(file)
    record = json.loads(run("--fit", file, *point, "--json").stdout)
    assert [warning["message"] for warning in record["warnings"]] == told
    screen = run("--fit", file, *point).stdout
    lines = [line for line in screen.splitlines() if line.startswith("! ")]
    more = [f"! and {len(told) - 3} more (--full)"] if len(told) > 3 else []
    assert lines == [*(f"! {message}" for message in told[:3]), *more]
    whole = run("--fit", file, *point, "--full").stdout
    assert [x for x in whole.splitlines() if x.startswith("! ")] == [f"! {m}" for m in told]


def test_warnings_travel_without_an_interval(tmp_path: Path) -> None:
    file = str(tmp_path / "told.json")
    replace(cli_fits.fit(checks=TRAVELLING), uncertainty=None).to_json(file)
    record = json.loads(run("--fit", file, "--params", "7B", "--tokens", "1T", "--json").stdout)
    assert record["warnings"][0] == {"code": "a.code", "message": "fail of data."}


def told(folder: Path, *options: str) -> list[str]:
    """Fit a file and return the codes that come with a forecast from it."""
    fitted = command("fit", *options, "--bootstrap", "0", "-o", folder / "fit.json")
    assert fitted.exit_code == 0, fitted.output
    asked = ("--fit", str(folder / "fit.json"), "--params", "2B", "--tokens", "60B", "--json")
    return [warning["code"] for warning in json.loads(run(*asked).stdout)["warnings"]]


def test_rows_along_runs_are_said_with_the_forecast(tmp_path: Path) -> None:
    rows = ["run_id,step,params,tokens,loss"]
    for i, N in enumerate(np.geomspace(2e7, 8e8, 5)):
        for step in range(1, 9):
            D = step * 4e9 * (1 + i / 3)
            loss = 1.8 + 400 / N**0.34 + 900 / D**0.32
            rows.append(f"r{i},{step},{N:.6g},{D:.6g},{loss:.8g}")
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf8")
    assert "assumptions" in told(tmp_path, str(file), "--at", "all")
    ends = tmp_path / "ends.csv"  # each row the end of a run of its own
    ends.write_text(
        "\n".join([rows[0], *(f"e{i}{row[2:]}" for i, row in enumerate(rows[1:]))]) + "\n",
        encoding="utf8",
    )
    assert "assumptions" not in told(tmp_path, str(ends))


def test_one_schedule_is_said_with_the_forecast(shared: Path, tmp_path: Path) -> None:
    file = shared / "cases" / "minimind_one_schedule" / "checkpoints.csv"
    codes = told(tmp_path, str(file), "--at", "all")
    assert {"assumptions", "fit.identifiability"} <= set(codes)
