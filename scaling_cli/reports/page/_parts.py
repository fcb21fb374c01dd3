"""What pages of several kinds share: checks, pictures, commands."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from scaling_cli import plots
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Notes, Text
from scaling_cli.reports.page._page import Picture
from scaling_cli.vocabulary.errors import ScalingError
from scaling_cli.vocabulary.outcomes import Check, Level

REPORT = "report.html"


def careful(checks: Sequence[Check]) -> list[Block]:
    """Return every check that did not pass in full, what failed first."""
    notes: list[Block] = [
        Notes(str(level), [f"{c.code}: {c.message}" for c in checks if c.level is level])
        for level in (Level.FAIL, Level.WARN)
    ]
    if not checks:
        return [Text(["Nothing was checked: these are numbers that others published."])]
    fine = all(check.level is Level.PASS for check in checks)
    told = f"All {_numbers.count(len(checks), 'check')} passed."
    return [Text([told] if fine else []), *notes]


def passed(checks: Sequence[Check]) -> list[Block]:
    """Return what passed, a line each."""
    return [Labelled(c.code, [c.message]) for c in checks if c.level is Level.PASS]


def warnings(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Return what did not pass, as `--json` has it."""
    return [
        {"code": c.code, "level": str(c.level), "message": c.message}
        for c in checks
        if c.level is not Level.PASS
    ]


def pictures(thing: Any, *wanted: Picture) -> tuple[list[Picture], str]:
    """Return the pictures that can be drawn of a thing, and why others cannot.

    Parameters
    ----------
    thing : stored thing
    *wanted : Picture
        Without their tables.
    """
    drawn, reasons = [], []
    for picture in wanted:
        try:
            table = plots.get(picture.kind).table(thing)
        except ScalingError as error:
            reasons.append(error.message)
            continue
        drawn.append(Picture(picture.kind, picture.title, picture.text, table))
    return drawn, " ".join(dict.fromkeys(reasons))


def tested(sentence: str) -> str:
    """Return how forecasts did as a sentence; that nothing was tested is said as it is."""
    return f"{sentence}." if sentence.startswith("UNTESTED") else f"Tested: {sentence}."


def commands(made: str, name: str) -> Iterator[str]:
    """Yield what makes the thing, and what makes its page."""
    if made:
        yield made
    if name:
        yield shlex.join(["scaling", "report", name, "-o", REPORT])
