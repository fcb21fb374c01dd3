"""`scaling check`: verdicts as table, JSON, JUnit XML and GitHub annotations; the exit code."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import command_line
import pytest

from scaling_cli import reference
from scaling_cli.artefacts import kinds
from scaling_cli.reference._result import CheckResult, Verdict
from scaling_cli.reports import check as check_report

PASSED = CheckResult(
    "chinchilla/one",
    Verdict.PASS,
    2.5e-9,
    1.018274e-3,
    1.018274e-3,
    "refitted: predictions within 2.5e-09.",
    "fits/chinchilla/one.json",
)
FAILED = CheckResult(
    "chinchilla/two",
    Verdict.FAIL,
    0.5,
    None,
    2.0,
    "100 % off,\nsee: the file.",
    "fits/chinchilla/two,a.json",
)
BETTER = replace(PASSED, name="chinchilla/three", status=Verdict.BETTER, message="a lower one.")
SKIPPED = replace(
    PASSED, name="chinchilla/four", status=Verdict.SKIPPED, objective=None, message="no data."
)
ALL = [PASSED, FAILED, BETTER, SKIPPED]


run = partial(command_line.run, "check")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    asked: dict[str, Any] = {"answer": ALL}

    def check(paths: Any = None, **options: Any) -> list[CheckResult]:
        asked["check"] = (paths, options)
        return asked["answer"]

    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "SCALING_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "check", check)
    return asked


TABLE = """\
         fit               max |dL/L|  objective    stored
PASS     chinchilla/one       2.5e-09   0.001018  0.001018
FAIL     chinchilla/two           0.5          -         2
BETTER   chinchilla/three     2.5e-09   0.001018  0.001018
SKIPPED  chinchilla/four      2.5e-09          -  0.001018

chinchilla/one: refitted: predictions within 2.5e-09.
chinchilla/two: 100 % off, see: the file.
chinchilla/three: a lower one.
chinchilla/four: no data.

1 passed, 1 better than stored, 1 failed, 1 skipped
"""


def test_a_failure_is_exit_code_1(asked: dict[str, Any]) -> None:
    result = run()
    assert (result.exit_code, result.stdout, result.stderr) == (1, TABLE, "")
    assert asked["check"] == (None, {"update": False, "mirror": None})


def test_better_and_skipped_are_no_failures(asked: dict[str, Any]) -> None:
    asked["answer"] = [PASSED, BETTER, SKIPPED]
    assert run().exit_code == 0


def test_options_arrive(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run("a.json", "folder", "--update", "--mirror", "/m")
    assert asked["check"] == (["a.json", "folder"], {"update": True, "mirror": "/m"})
    monkeypatch.setenv("SCALING_MIRROR", "/from/environment")
    run()
    assert asked["check"] == (None, {"update": False, "mirror": "/from/environment"})


def test_nothing_to_check_is_not_a_success(asked: dict[str, Any]) -> None:
    asked["answer"] = []
    result = run()
    assert result.exit_code == 1
    assert result.stderr == (
        "error: there is no fit to check.\nhint: Name fit files or folders of them.\n"
    )


def test_json(asked: dict[str, Any]) -> None:
    result = run("--json")
    assert result.exit_code == 1
    record = json.loads(result.stdout)
    assert {key: record[key] for key in ("schema_version", "passed", "failed", "skipped")} == {
        "schema_version": 1,
        "passed": 2,
        "failed": 1,
        "skipped": 1,
    }
    assert record["fits"][0] == {
        "name": "chinchilla/one",
        "status": "pass",
        "max_relative_error": 2.5e-9,
        "objective": 1.018274e-3,
        "reference_objective": 1.018274e-3,
        "message": "refitted: predictions within 2.5e-09.",
        "file": "fits/chinchilla/one.json",
    }


def test_junit(asked: dict[str, Any]) -> None:
    run("--junit", "out.xml")
    suite = ElementTree.parse("out.xml").getroot()
    assert suite is not None
    assert suite.attrib == {
        "name": "scaling check",
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    cases = {case.attrib["name"]: [child.tag for child in case] for case in suite}
    assert cases == {
        "chinchilla/one": [],
        "chinchilla/two": ["failure"],
        "chinchilla/three": [],
        "chinchilla/four": ["skipped"],
    }


def test_junit_of_messages_that_xml_cannot_hold() -> None:
    odd = replace(FAILED, message="<&> \x00 \x1b[31m")
    suite = ElementTree.fromstring(check_report.junit([odd]))
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == "<&> ? ?[31m"


def test_junit_that_cannot_be_written(asked: dict[str, Any]) -> None:
    result = run("--junit", "nowhere/out.xml")
    assert result.exit_code == 2
    assert result.stderr == ("error: cannot write nowhere/out.xml: No such file or directory.\n")


ERROR = (
    "::error file=fits/chinchilla/two%2Ca.json,title=scaling check%3A chinchilla/two"
    "::100 %25 off,%0Asee: the file."
)
NOTICE = (
    "::notice file=fits/chinchilla/one.json,title=scaling check%3A chinchilla/three::a lower one."
)


def test_github_annotations_are_escaped(asked: dict[str, Any]) -> None:
    assert run("--github").stdout == f"{TABLE}{ERROR}\n{NOTICE}\n"


def test_github_is_recognised(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n")
    result = run("--json")
    json.loads(result.stdout)
    assert result.stderr == f"{ERROR}\n{NOTICE}\n"
    assert Path("summary.md").read_text() == (
        "before\n"
        "### scaling check: 1 passed, 1 better than stored, 1 failed, 1 skipped\n\n"
        "|  | fit | max \\|dL/L\\| | objective | stored |\n| :--- | :--- | ---: | ---: | ---: |\n"
        "| PASS | chinchilla/one | 2.5e-09 | 0.001018 | 0.001018 |\n"
        "| FAIL | chinchilla/two | 0.5 | - | 2 |\n"
        "| BETTER | chinchilla/three | 2.5e-09 | 0.001018 | 0.001018 |\n"
        "| SKIPPED | chinchilla/four | 2.5e-09 | - | 0.001018 |\n\n"
        "chinchilla/one: refitted: predictions within 2.5e-09.\n\n"
        "chinchilla/two: 100 % off, see: the file.\n\n"
        "chinchilla/three: a lower one.\n\n"
        "chinchilla/four: no data.\n\n"
    )


def test_at_most_ten_errors_and_the_last_says_how_many_more() -> None:
    lines = check_report.annotations([replace(FAILED, name=f"fit{i}") for i in range(12)])
    assert len(lines) == 10
    assert lines[-1] == (
        "::error title=scaling check::3 more fits failed; the log has all of them."
    )
    assert len(check_report.annotations([FAILED] * 10)) == 10


def test_certified_fits_pass_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real thing: shipped fits still reproduce what they store; no data were fetched.

    Every tenth here; `.ci/run` checks all with the installed wheel.
    """
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))
    names = kinds.fit_names()[::10]
    result = run(*names, "--json")
    record = json.loads(result.stdout)
    assert (result.exit_code, record["failed"]) == (0, 0)
    assert [fit["name"] for fit in record["fits"]] == names
    assert {fit["status"] for fit in record["fits"]} <= {Verdict.PASS, Verdict.SKIPPED}
