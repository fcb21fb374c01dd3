"""Refit stored fits and compare objective and predictions; the exit code is 1 if one fails."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import write
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.reference._result import CheckResult

EXAMPLE = """
scaling check
scaling check fit.json fits/ --junit check.xml
"""
ORDER = 50


@dataclass(frozen=True)
class Checking:
    """What is checked, and where the results go besides."""

    paths: list[str] | None = options.argument(
        "[PATH...]", "Fit files, folders or certified names; all certified fits without one."
    )
    update: bool = options.option(
        "", "Store a refit whose objective is better.", "--update", default=False
    )
    junit: Path | None = options.option("FILE", "Write the results as JUnit XML too.")
    github: bool = options.option(
        "",
        "Annotate for GitHub Actions, with a table in the step summary; by itself "
        "where GITHUB_ACTIONS is true.",
        "--github",
        default=False,
    )
    mirror: str | None = options.mirror()


@options.command
def check(checking: Checking, asking: options.Telling) -> None:
    """Refit stored fits and compare objective and predictions; the exit code is 1 if one fails.

    A fit whose data are not on this machine is checked at its stored predictions and reported
    as skipped. A better optimum than the stored one is reported, and is no failure.
    """
    _cache.enable()
    from scaling_cli.reports import check as rendering
    from scaling_cli.verbs import check as verb
    from scaling_cli.vocabulary.errors import CheckFailed

    with asking.terminal.status("refitting"):
        checked = verb.check(*checking.paths or (), update=checking.update, mirror=checking.mirror)
    results = checked.made
    asking.tell(checked)
    if checking.junit is not None:
        text = rendering.junit(results)
        write(lambda path: Path(path).write_text(text, encoding="utf8"), str(checking.junit))
    if checking.github or os.environ.get("GITHUB_ACTIONS") == "true":
        _annotate(results, asking.terminal)
    if checked["failed"]:
        raise typer.Exit(CheckFailed.exit_code)


def _annotate(results: "Sequence[CheckResult]", terminal: Terminal) -> None:
    """Write GitHub's workflow commands, and the table to the step summary."""
    from scaling_cli.reports import check as rendering

    for line in rendering.annotations(results):
        if terminal.json:  # standard output holds the object alone; the runner reads both
            terminal.complain(line)
        else:
            terminal.write(line + "\n")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf8") as stream:
            stream.write(rendering.summary(results))
