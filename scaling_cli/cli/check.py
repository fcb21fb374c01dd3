"""Refit stored fits and compare objective and predictions; the exit code is 1 if one fails."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.reference._result import CheckResult

EXAMPLE = """
scaling check
scaling check fit.json fits/ --junit check.xml
"""
ORDER = 50


def check(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH...]",
            help="Fit files, folders or certified names; all certified fits without one.",
            show_default=False,
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Store a refit whose objective is better.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML too.")
    ] = None,
    github: Annotated[
        bool,
        typer.Option(
            "--github",
            help="Annotate for GitHub Actions, with a table in the step summary; by itself "
            "where GITHUB_ACTIONS is true.",
        ),
    ] = False,
    mirror: options.Mirror = None,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Refit stored fits and compare objective and predictions; the exit code is 1 if one fails.

    A fit whose data are not on this machine is checked at its stored predictions and reported
    as skipped. A better optimum than the stored one is reported, and is no failure.
    """
    del debug
    _cache.enable()
    from scaling_cli import reference
    from scaling_cli.reports import check as rendering
    from scaling_cli.vocabulary.errors import CheckFailed

    terminal = Terminal(json=json, quiet=quiet)
    with terminal.status("refitting"):
        results = reference.check(paths or None, update=update, mirror=mirror)
    if not results:
        raise CheckFailed("there is no fit to check.", hint="Name fit files or folders of them.")
    terminal.result(lambda: rendering.blocks(results, full=full), record(results))
    if junit is not None:
        _write(junit, rendering.junit(results))
    if github or os.environ.get("GITHUB_ACTIONS") == "true":
        _annotate(results, terminal)
    if any(result.status == "fail" for result in results):
        raise typer.Exit(CheckFailed.exit_code)


def record(results: "Sequence[CheckResult]") -> dict[str, Any]:
    """Return what `scaling check --json` prints."""
    statuses = [str(result.status) for result in results]
    return {
        "fits": [result.to_dict() for result in results],
        "passed": sum(status in ("pass", "better") for status in statuses),
        "failed": statuses.count("fail"),
        "skipped": statuses.count("skipped"),
    }


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


def _write(path: Path, text: str) -> None:
    from scaling_cli.vocabulary.errors import UsageError

    try:
        path.write_text(text, encoding="utf8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from error
