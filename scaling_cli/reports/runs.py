"""Runs: one line each, ranges, how every column was read, problems."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Command, Labelled, Notes, Section, Table, filled
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.quantities import BY_SYMBOL, C, D, N

SHOWN = 10  # runs on the first screen
KINDS = 4  # files or runs named with one kind of note
ORDER = ("fail", "warn", "info")


def blocks(of: Runs | Mapping[str, Any], *, full: bool = False) -> list[Block]:
    """Return what `scaling runs` prints, of a table of runs or of the record of one."""
    record = described(of) if isinstance(of, Runs) else of
    return [
        table(record["runs"], full=full),
        ranges(record),
        *columns(record["columns"], full=full),
        *problems(record["notes"], full=full),
    ]


def described(runs: Runs) -> dict[str, Any]:
    """Return the part of the record of `scaling runs --json` that the report reads."""
    summary = runs.summary()
    spans = {}
    for symbol in ("N", "D", "C", "L"):
        column = BY_SYMBOL[symbol].column
        stated = [run[column] for run in summary if run.get(column) is not None]
        known = [value for value in stated if math.isfinite(value)]
        spans |= {symbol: [min(known), max(known)]} if known else {}
    readings, notes = ([asdict(x) for x in items] for items in (runs.columns, runs.notes))
    return {"runs": summary, "ranges": spans, "columns": readings, "notes": notes}


def table(runs: Sequence[Mapping[str, Any]], *, full: bool) -> Table:
    """Return one line per run, and how many are not shown."""
    target = "/".join(sorted({run.get("target") or "loss" for run in runs})) or "loss"
    headers = ["run", "points", "steps", "N", "D", "C", target, "state", "problems"]
    rows = [_row(run) for run in runs[: None if full else SHOWN]]
    more = _numbers.more(len(runs) - len(rows))
    if not full:  # compute goes where the rest would not fit otherwise
        headers[5], rows = "", [[*row[:5], "", *row[6:]] for row in rows]
    return filled(Table(headers, rows, "<>>>>>>^^", notes=more))


def _row(run: Mapping[str, Any]) -> list[str]:
    return [
        str(run["run_id"]),
        f"{run['n_points']:,}",
        _steps(run.get("first_step"), run.get("last_step")),
        *(_optional(run.get(q.column), q.symbol) for q in (N, D, C)),
        "" if run.get("loss") is None else _numbers.value(run["loss"]),
        str(run.get("state") or ""),
        "; ".join(run.get("problems") or ()),
    ]


def _steps(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    return f"{first:g}" if first == last else f"{first:.0f}-{last:.0f}"


def _optional(number: float | None, symbol: str) -> str:
    return "" if number is None else _numbers.quantity(number, symbol)


def ranges(record: Mapping[str, Any]) -> Block:
    """Return the range of every quantity over all runs, with unit and convention."""
    conventions = {c["canonical"]: c["convention"] for c in record["columns"] if c["convention"]}
    rows = []
    for symbol, pair in record["ranges"].items():
        quantity = BY_SYMBOL[symbol]
        unit = _unit(quantity.unit, conventions.get(quantity.column))
        rows.append([symbol, _numbers.span(pair, symbol), unit, quantity.meaning])
    total = _numbers.count(len(record["runs"]), "run")
    points = _numbers.count(sum(run["n_points"] for run in record["runs"]), "point")
    title = f"{total}, {points}"
    if not rows:
        return Section(title, ["no quantity was recognised: name the columns with --map"])
    return Table(["", "", "", ""], rows, "<<<^", title=title)


def _unit(unit: str, convention: str | None) -> str:
    return f"{unit} ({convention})" if convention and convention != unit else unit


def columns(readings: Sequence[Mapping[str, Any]], *, full: bool) -> list[Block]:
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
    if not full:
        same = dict.fromkeys(name for column, name, *_ in files if name == column)
        other = dict.fromkeys(f"{key[1]} = {key[0]}" for key in files if key[1] != key[0])
        lines = [", ".join(other), f"by their names: {', '.join(same)}" if same else ""]
        return [Labelled("read as", [line for line in lines if line])]
    everywhere = {name for where in files.values() for name in where}
    alone = len(everywhere) == 1
    rows = [[*key, "" if alone else _files(where)] for key, where in files.items()]
    title = f"columns of {next(iter(everywhere))}" if alone else "columns"
    headers = ["column", "read as", "unit", "because", "in"]
    return [filled(Table(headers, rows, "<^^^^", title=title))]


def _files(where: Sequence[str]) -> str:
    unique = sorted(set(where))
    return unique[0] if len(unique) == 1 else f"{len(unique)} files"


def problems(notes: Sequence[Mapping[str, Any]], *, full: bool) -> list[Block]:
    """Return every note, the worst first; on the first screen those of one kind in one line."""
    if not notes:
        return [Labelled("notes", ["none"])]
    ordered = sorted(notes, key=lambda note: _rank(note["level"]))
    if full:
        return [Section("notes", [note_line(note) for note in ordered])]
    kinds: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for note in ordered:
        kinds.setdefault((note["level"], note["code"]), []).append(note)
    return [Notes(level, [_kind(alike)]) for (level, _), alike in kinds.items()]


def _rank(level: str) -> int:
    return ORDER.index(level) if level in ORDER else len(ORDER)


def _kind(notes: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for notes of one kind: the first one's sentence, and how many there are."""
    first = notes[0]
    if len(notes) == 1:
        return f"{first['code']}: {_place(first)}{first['message']}"
    places = dict.fromkeys(str(note["run"] or note["file"] or "") for note in notes)
    told = ", ".join(_numbers.some([place for place in places if place], KINDS))
    return f"{first['code']}, {len(notes)} notes ({told}), such as: {first['message']}"


def note_line(note: Mapping[str, Any]) -> str:
    """Return a note as one line: severity, code, place, sentence."""
    return f"{note['level'].upper()} {note['code']}: {_place(note)}{note['message']}"


def _place(note: Mapping[str, Any]) -> str:
    parts = [
        str(note["file"] or ""),
        f"row {note['row']}" if note["row"] is not None else "",
        f"column {note['column']!r}" if note["column"] else "",
    ]
    text = ", ".join(part for part in parts if part)
    return f"{text}: " if text else ""


def ingested(record: Mapping[str, Any], *, full: bool = False) -> list[Block]:
    """Return what `scaling ingest` prints."""
    words = ("added", "replaced", "unchanged", "removed")
    counts = ", ".join(f"{len(record[word])} {word}" for word in words if record[word])
    points = _numbers.count(record["points"], "point")
    told = [f"{record['store']}: {points}", f"runs: {counts or 'none'}"]
    return [
        Labelled("store", told),
        *problems(record["notes"], full=full),
        Command("next", [f"scaling fit {record['store']}"]),
    ]
