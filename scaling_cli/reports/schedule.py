"""Schedules: what each is, its phases, and how surely a log says so."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports._blocks import Block, Labelled, Table
from scaling_cli.reports.curve_fit import shortened

SHOWN = 5  # rivals on the first screen
LONGEST = 300  # of a schedule's text: a whole log is told in a few points
_VERDICTS = {
    "certain": "one schedule explains the log",
    "ambiguous": "several schedules explain the log",
    "unexplained": "no schedule explains the log; the log itself is taken",
}


def blocks(record: Mapping[str, Any], *, full: bool = False) -> list[Block]:
    """Return what `scaling schedule` prints.

    Parameters
    ----------
    record : mapping
        schedules and left_out, as `scaling schedule --json` prints them.
    full : bool
        With every rival of what a log says, and every run that was left out.
    """
    parts = [part for item in record["schedules"] for part in _schedule(item, full=full)]
    return [*parts, Labelled("left out", _fitted.left_out(record["left_out"], full=full))]


def _schedule(item: Mapping[str, Any], *, full: bool) -> Iterator[Block]:
    yield Labelled("schedule", _facts(item))
    if item["identification"] is not None:
        yield Labelled("log", _log(item))
        yield _rivals(item["identification"], full=full)
    if item["family"] != "knots":
        yield _phases(item)


def _facts(item: Mapping[str, Any]) -> list[str]:
    shown = shortened(item["text"], LONGEST, " (--json)")
    length = [_count(item["steps"], "steps"), _count(item["tokens"], "tokens")]
    lines = [
        shown if item["run"] is None else f"{item['run']}: {shown}",
        f"{' = '.join(part for part in length if part)}; peak {item['peak']:g}, last "
        f"{item['last']:g} ({_numbers.percent(item['last'] / item['peak'])} of it)",
    ]
    if item["area"] is None:
        return [*lines, "area unknown: say how many tokens a step takes (--batch-tokens)"]
    steps = item["area"] / item["peak"]
    share = _numbers.percent(steps / item["steps"])
    return [
        *lines,
        f"area S1 = {item['area']:.6g}, the sum of lr over steps: as {steps:.6g} steps at the "
        f"peak ({share} of the steps)",
    ]


def _count(number: float | None, noun: str) -> str:
    return "" if number is None else f"{_numbers.quantity(number)} {noun}"


def _log(item: Mapping[str, Any]) -> list[str]:
    found = item["identification"]
    rounding = found["rounding"]
    digits = f"rounded to +/-{rounding:.2g} of the peak" if rounding else "its digits exact"
    lines = [
        f"{found['verdict']}: {_VERDICTS[found['verdict']]}",
        f"{found['rows']} rows, {digits}; {_numbers.percent(found['within'])} of them within it, "
        f"the largest difference {found['misfit']:.2g} of the peak",
    ]
    if found["shift"]:
        lines.append("the log counts steps done: its step 1 is the schedule's step 0")
    return [*lines, *(f"INFO {note}" for note in found["notes"])]


def _rivals(found: Mapping[str, Any], *, full: bool) -> Table:
    title = "it could also be" if found["verdict"] == "ambiguous" else "nearest"
    columns = [
        ("schedule", "^", lambda r: r["text"]),
        ("misfit", ">", lambda r: f"{r['misfit']:.2g}"),
        ("rows within", ">", lambda r: _numbers.percent(r["within"])),
        ("apart", ">", lambda r: f"{r['apart']:.2g}"),
    ]
    return Table.of(found["rivals"], columns, title, limit=None if full else SHOWN)


def _phases(item: Mapping[str, Any]) -> Table:
    whole, unit = item["phases"][-1]["end"], item["unit"][:-1]
    columns = [
        ("phase", "<", lambda p: p["name"]),
        (f"from {unit}", ">", lambda p: _numbers.quantity(p["start"])),
        (f"to {unit}", ">", lambda p: _numbers.quantity(p["end"])),
        ("lr from", ">", lambda p: f"{p['first']:.4g}"),
        ("lr to", ">", lambda p: f"{p['last']:.4g}"),
        ("of the run", ">", lambda p: _numbers.percent((p["end"] - p["start"]) / whole)),
    ]
    return Table.of(item["phases"], columns, "phases")
