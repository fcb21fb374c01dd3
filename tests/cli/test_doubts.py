"""What a fit warned of, beside the answers that it touches."""

import json
from dataclasses import replace
from pathlib import Path

import cli_fits
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
