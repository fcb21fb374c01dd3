"""Schedules as text: what each is, its phases, and how surely a log says so."""

from collections.abc import Mapping
from typing import Any

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style

LONGEST = 300  # of a schedule's text: a whole log is told in a few points
_VERDICTS = {
    "certain": "one schedule explains the log",
    "ambiguous": "several schedules explain the log",
    "unexplained": "no schedule explains the log; the log itself is taken",
}


def report(record: Mapping[str, Any], *, style: Style) -> str:
    """Return everything `scaling schedule` prints.

    Parameters
    ----------
    record : mapping
        schedules and left_out, as `scaling schedule --json` prints them.
    style : Style
        Of standard output.
    """
    parts = [part for item in record["schedules"] for part in _one(item, style)]
    left = [f"{item['run']}: {item['reason']}" for item in record["left_out"]]
    if left:
        parts.append(_layout.labelled("left out", "\n".join([str(len(left)), *left]), style=style))
    return _layout.paragraphs(parts)


def _one(item: Mapping[str, Any], style: Style) -> list[str]:
    parts = [_layout.labelled("schedule", "\n".join(_facts(item)), style=style)]
    if item["identification"] is not None:
        parts.append(_layout.labelled("log", _log(item, style), style=style))
        parts.append(_rivals(item["identification"], style))
    if item["family"] != "knots":
        parts.append(_phases(item, style))
    return parts


def _facts(item: Mapping[str, Any]) -> list[str]:
    text = item["text"]
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(',')[0]},... (--json)"
    length = [_count(item["steps"], "steps"), _count(item["tokens"], "tokens")]
    lines = [
        shown if item["run"] is None else f"{item['run']}: {shown}",
        f"{' = '.join(part for part in length if part)}; peak {item['peak']:g}, last "
        f"{item['last']:g} ({_layout.percent(item['last'] / item['peak'])} of it)",
    ]
    if item["area"] is None:
        return [*lines, "area unknown: say how many tokens a step takes (--batch-tokens)"]
    steps = item["area"] / item["peak"]
    share = _layout.percent(steps / item["steps"])
    return [
        *lines,
        f"area S1 = {item['area']:.6g}, the sum of lr over steps: as {steps:.6g} steps at the "
        f"peak ({share} of the steps)",
    ]


def _count(number: float | None, noun: str) -> str:
    return "" if number is None else f"{_layout.quantity(number)} {noun}"


def _log(item: Mapping[str, Any], style: Style) -> str:
    found = item["identification"]
    verdict = style.paint(found["verdict"], "bold")
    rounding = found["rounding"]
    digits = f"rounded to +/-{rounding:.2g} of the peak" if rounding else "its digits exact"
    lines = [
        f"{verdict}: {_VERDICTS[found['verdict']]}",
        f"{found['rows']} rows, {digits}; {_layout.percent(found['within'])} of them within it, "
        f"the largest difference {found['misfit']:.2g} of the peak",
    ]
    if found["shift"]:
        lines.append("the log counts steps done: its step 1 is the schedule's step 0")
    return "\n".join([*lines, *(f"INFO {note}" for note in found["notes"])])


def _rivals(found: Mapping[str, Any], style: Style) -> str:
    if not found["rivals"]:
        return ""
    title = "it could also be" if found["verdict"] == "ambiguous" else "nearest"
    rows = [
        [f"{r['misfit']:.2g}", _layout.percent(r["within"]), f"{r['apart']:.2g}", r["text"]]
        for r in found["rivals"]
    ]
    head = ["misfit", "rows within", "apart", "schedule"]
    return _layout.block(title, _layout.table(head, rows, align=">>>^", style=style), style=style)


def _phases(item: Mapping[str, Any], style: Style) -> str:
    whole = item["phases"][-1]["end"]
    rows = [
        [
            p["name"],
            _layout.quantity(p["start"]),
            _layout.quantity(p["end"]),
            f"{p['first']:.4g}",
            f"{p['last']:.4g}",
            _layout.percent((p["end"] - p["start"]) / whole),
        ]
        for p in item["phases"]
    ]
    head = [
        "phase",
        f"from {item['unit'][:-1]}",
        f"to {item['unit'][:-1]}",
        "lr from",
        "lr to",
        "of the run",
    ]
    return _layout.block(
        "phases", _layout.table(head, rows, align="<>>>>>", style=style), style=style
    )
