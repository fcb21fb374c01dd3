"""Results of checking fits: a table, JUnit XML, GitHub annotations, a Markdown summary."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from scaling_cli.reference._result import CheckResult
from scaling_cli.reports import _markup, _numbers
from scaling_cli.reports._blocks import Block, Table, Text

if TYPE_CHECKING:
    from scaling_cli.verbs._answer import Answer

# GitHub shows ten annotations of a kind per step and drops the rest without a word.
ANNOTATIONS = 10
NAMED = 3  # fits named with one message
SHOWN = 20  # fits that are listed one by one on the first screen, whatever became of them
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def blocks(of: "Answer | Sequence[CheckResult]", *, full: bool = True) -> list[Block]:
    """Return a line per fit and the count; without `full`, only the fits that did not pass."""
    results = of if isinstance(of, Sequence) else of.made
    shown = [r for r in results if full or str(r.status) != "pass" or len(results) <= SHOWN]
    said = _numbers.grouped((" ".join(r.message.split()), r.name) for r in shown)
    notes = [
        f"{', '.join(_numbers.listed(names, NAMED, full=full))}: {message}"
        for message, names in said.items()
        if message
    ]
    columns = [
        ("", "<", lambda r: str(r.status).upper()),
        ("fit", "<", lambda r: r.name),
        ("max |dL/L|", ">", lambda r: _number(r.max_relative_error)),
        ("objective", ">", lambda r: _number(r.objective)),
        ("stored", ">", lambda r: _number(r.reference_objective)),
    ]
    return [
        Table.of(shown, columns),
        Text(notes),
        Text([totals(results) + ("" if len(shown) == len(results) else " (--full lists all)")]),
    ]


def totals(results: Sequence[CheckResult]) -> str:
    """Return the count of every status: `7 passed, 1 failed, 2 skipped`."""
    words = {
        "pass": "passed",
        "better": "better than stored",
        "fail": "failed",
        "skipped": "skipped",
    }
    statuses = [str(result.status) for result in results]
    counts = {word: statuses.count(status) for status, word in words.items()}
    return ", ".join(
        f"{number} {word}" for word, number in counts.items() if number or word == "passed"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def junit(results: Sequence[CheckResult]) -> str:
    """Return the results as JUnit XML."""
    statuses = [str(result.status) for result in results]
    suite = ElementTree.Element(
        "testsuite",
        name="scaling check",
        tests=str(len(results)),
        failures=str(statuses.count("fail")),
        errors="0",
        skipped=str(statuses.count("skipped")),
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname="scaling.check", name=_xml(result.name)
        )
        kind = {"fail": "failure", "skipped": "skipped"}.get(str(result.status))
        if kind:
            ElementTree.SubElement(case, kind, message=_xml(result.message))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Drop the characters that XML cannot hold in any form."""
    return _NOT_XML.sub("?", text)


def annotations(results: Sequence[CheckResult]) -> list[str]:
    """Return GitHub's workflow commands: an error per failure, at most ten, the last a sum."""
    failed = [result for result in results if str(result.status) == "fail"]
    shown = failed if len(failed) <= ANNOTATIONS else failed[: ANNOTATIONS - 1]
    lines = [_annotation("error", r.file, f"scaling check: {r.name}", r.message) for r in shown]
    if len(failed) > len(shown):
        rest = f"{len(failed) - len(shown)} more fits failed; the log has all of them."
        lines.append(_annotation("error", "", "scaling check", rest))
    better = [result for result in results if str(result.status) == "better"]
    return lines + [
        _annotation("notice", r.file, f"scaling check: {r.name}", r.message)
        for r in better[:ANNOTATIONS]
    ]


def _annotation(kind: str, file: str, title: str, message: str) -> str:
    place = f"file={_property(file)}," if file else ""
    return f"::{kind} {place}title={_property(title)}::{_escape(message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def summary(results: Sequence[CheckResult]) -> str:
    """Return the Markdown of a step summary."""
    table, notes, _ = blocks(results)
    return f"### scaling check: {totals(results)}\n\n{_markup.markdown([table, notes])}\n"
