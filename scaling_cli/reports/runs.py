"""Runs as text: one line each, ranges, how every column was read, problems."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.vocabulary.quantities import BY_SYMBOL, C, D, N

SHOWN = 40  # runs listed one by one
_PAINT = {"info": (), "warn": ("bold", "yellow"), "fail": ("bold", "red")}


def overview(record: Mapping[str, Any], *, style: Style) -> str:
    """Return everything `scaling runs` prints.

    Parameters
    ----------
    record : mapping
        runs, ranges, columns and notes, as `scaling runs --json` prints them.
    style : Style
        Of standard output.
    """
    return _layout.paragraphs(
        [
            table(record["runs"], style),
            ranges(record, style),
            columns(record["columns"], style),
            problems(record["notes"], style),
        ]
    )


def table(runs: Sequence[Mapping[str, Any]], style: Style) -> str:
    """Return one line per run, and how many are not shown."""
    targets = {run.get("target") or "loss" for run in runs}
    headers = [
        "run",
        "points",
        "steps",
        "N",
        "D",
        "C",
        "/".join(sorted(targets)) or "loss",
        "state",
        "problems",
    ]
    rows = [_row(run) for run in runs[:SHOWN]]
    told = [i for i in range(len(headers)) if i < 2 or any(row[i] not in ("-", "") for row in rows)]
    lines = [
        _layout.table(
            [headers[i] for i in told],
            [[row[i] for i in told] for row in rows],
            align="".join("<>>>>>><^"[i] for i in told),
            style=style,
        )
    ]
    if len(runs) > SHOWN:
        lines.append(f"and {len(runs) - SHOWN} more (all of them with --json)")
    return "\n".join(lines)


def _row(run: Mapping[str, Any]) -> list[str]:
    return [
        str(run["run_id"]),
        str(run["n_points"]),
        _steps(run.get("first_step"), run.get("last_step")),
        *(_optional(run.get(q.column), q.symbol) for q in (N, D, C)),
        _layout.value(run.get("loss")),
        str(run.get("state") or ""),
        "; ".join(run.get("problems") or ()),
    ]


def _steps(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return "-"
    return f"{first:g}" if first == last else f"{first:.0f}-{last:.0f}"


def _optional(number: float | None, symbol: str) -> str:
    return "-" if number is None else _layout.quantity(number, symbol)


def ranges(record: Mapping[str, Any], style: Style) -> str:
    """Return the range of every quantity over all runs, with unit and convention."""
    conventions = {c["canonical"]: c["convention"] for c in record["columns"] if c["convention"]}
    rows = []
    for symbol, pair in record["ranges"].items():
        quantity = BY_SYMBOL[symbol]
        text = _layout.span(pair, symbol)
        unit = _unit(quantity.unit, conventions.get(quantity.column))
        rows.append([symbol, text, unit, quantity.meaning])
    total = _layout.count(len(record["runs"]), "run")
    points = _layout.count(sum(run["n_points"] for run in record["runs"]), "point")
    body = _layout.table(["", "", "", ""], rows, align="<<<^", style=style)
    return _layout.block(f"{total}, {points}", body, style=style)


def _unit(unit: str, convention: str | None) -> str:
    return f"{unit} ({convention})" if convention and convention != unit else unit


def columns(readings: Sequence[Mapping[str, Any]], style: Style) -> str:
    """Return which column was read as what and why; the same reading of many files once."""
    files: dict[tuple[str, ...], list[str]] = {}
    for reading in readings:
        key = (
            str(reading["column"]),
            str(reading["canonical"]),
            _unit(str(reading["unit"] or ""), reading["convention"]),
            str(reading["why"]),
        )
        files.setdefault(key, []).append(str(reading["file"]))
    if not files:
        return ""
    headers = ["column", "read as", "unit", "because"]
    everywhere = {name for where in files.values() for name in where}
    if len(everywhere) == 1:
        rows = [list(key) for key in files]
        body = _layout.table(headers, rows, align="<<<^", style=style)
        return _layout.block(f"columns of {everywhere.pop()}", body, style=style)
    rows = [[*key, _files(where)] for key, where in files.items()]
    body = _layout.table([*headers, "in"], rows, align="<<<^<", style=style)
    return _layout.block("columns", body, style=style)


def _files(where: Sequence[str]) -> str:
    unique = sorted(set(where))
    return unique[0] if len(unique) == 1 else f"{len(unique)} files"


def problems(notes: Sequence[Mapping[str, Any]], style: Style) -> str:
    """Return every note, the worst first."""
    order = {"fail": 0, "warn": 1, "info": 2}
    if not notes:
        return _layout.labelled("notes", "none", style=style)
    lines = []
    for note in sorted(notes, key=lambda note: order.get(note["level"], 3)):
        lines += _layout.wrap(note_line(note, style), style.width - 2)
    return _layout.block("notes", "\n".join(lines), style=style)


def note_line(note: Mapping[str, Any], style: Style) -> str:
    """Return a note as one line: severity, code, place, sentence."""
    word = style.paint(note["level"].upper(), *_PAINT.get(note["level"], ()))
    return f"{word} {note['code']}: {_place(note)}{note['message']}"


def _place(note: Mapping[str, Any]) -> str:
    parts = [
        str(note["file"] or ""),
        f"row {note['row']}" if note["row"] is not None else "",
        f"column {note['column']!r}" if note["column"] else "",
    ]
    text = ", ".join(part for part in parts if part)
    return f"{text}: " if text else ""


def ingested(record: Mapping[str, Any], *, style: Style) -> str:
    """Return everything `scaling ingest` prints."""
    words = ("added", "replaced", "unchanged", "removed")
    counts = ", ".join(f"{len(record[word])} {word}" for word in words if record[word])
    points = _layout.count(record["points"], "point")
    store = _layout.labelled(
        "store", f"{record['store']}: {points}\nruns: {counts or 'none'}", style=style
    )
    further = _layout.labelled("next", f"scaling fit {record['store']}", style=style)
    return _layout.paragraphs([store, problems(record["notes"], style), further])
