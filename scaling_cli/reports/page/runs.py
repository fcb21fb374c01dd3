"""The page of runs of which nothing was fitted yet: what was understood of them."""

from collections.abc import Iterator
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports import runs as report
from scaling_cli.reports._blocks import Labelled, Notes, Text
from scaling_cli.reports.page import _origins
from scaling_cli.reports.page._page import Number, Origin, Page
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.quantities import C

ASSUMED = "Nothing is fitted here. A column is what its name says, unless --map says otherwise."


def of(runs: Runs, name: str) -> Page:
    """Return the page of a table of runs."""
    record = runs.to_dict()
    told = [n for n in record["notes"] if n["level"] != "info"]
    warned = [report.note_line(note) for note in told]
    quiet = [note for note in record["notes"] if note["level"] == "info"]
    return Page(
        title=f"What was understood of {_numbers.count(len(record['runs']), 'run')}",
        what="a table of runs",
        name=name,
        answer=[*_answer(record)],
        careful=[Notes("warn", warned), Text([] if warned else ["No problem was noticed."])],
        assumed=[Text([ASSUMED])],
        exact=[
            report.ranges(record),
            *report.columns(record["columns"], full=True),
            report.table(record["runs"], full=True),
            Labelled("notes", [report.note_line(note) for note in quiet]),
        ],
        left_out=[Labelled("runs", ["none: nothing was selected"])],
        numbers=[*_numbers_of(record)],
        command=[f"scaling runs {name}", f"scaling fit {name} -o fit.json"],
        facts={"warnings": told},
    )


def _answer(record: dict[str, Any]) -> Iterator[str]:
    runs = record["runs"]
    states = _numbers.grouped((str(run.get("state") or "unknown"), 1) for run in runs)
    told = ", ".join(f"{len(of)} {state}" for state, of in states.items())
    spans = [
        f"{symbol} from {_numbers.span(ends, symbol)}" for symbol, ends in record["ranges"].items()
    ]
    yield f"{_numbers.count(len(runs), 'run')} can be read ({told}): {', '.join(spans)}."
    yield "Nothing is forecast yet; the commands at the end fit a law to them."


def _numbers_of(record: dict[str, Any]) -> Iterator[Number]:
    counts = {c["canonical"]: c["convention"] for c in record["columns"] if c["convention"]}
    yield Number("runs", float(len(record["runs"])), Origin.READ, "the logs")
    points = float(sum(run["n_points"] for run in record["runs"]))
    yield Number("points", points, Origin.READ, "the logs")
    if C.column in {c["canonical"] for c in record["columns"]}:
        counts[C.symbol] = "as logged"
    yield from _origins.ranges({"ranges": record["ranges"], "conventions": counts}, {})
