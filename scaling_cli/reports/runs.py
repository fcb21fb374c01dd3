"""Runs: one line each, ranges, how every column was read, problems."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Command, Labelled, Notes, Table, section
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.quantities import BY_SYMBOL, NOT_PER_TOKEN, C, D, L, N, Quantity

if TYPE_CHECKING:
    from scaling_cli.runs.table import Runs

SHOWN = 10  # runs on the first screen
KINDS = 4  # files or runs named with one kind of note
ORDER = ("fail", "warn", "info")


def blocks(of: "Runs", *, full: bool = False) -> list[Block]:
    """Return what `scaling runs` prints."""
    record = of.to_dict()
    return [
        table(record["runs"], full=full),
        ranges(record),
        *([kinds(record["runs"])] if full else []),
        *columns(record["columns"], full=full),
        *problems(record["notes"], full=full),
    ]


def table(runs: Sequence[Mapping[str, Any]], *, full: bool) -> Table:
    """Return one line per run, and how many are not shown."""
    target = "/".join(sorted({run.get("target") or "loss" for run in runs})) or "loss"
    columns = [
        ("run", "<", lambda run: str(run["run_id"])),
        ("points", ">", lambda run: f"{run['n_points']:,}"),
        ("steps", ">", lambda run: _steps(run.get("first_step"), run.get("last_step"))),
        ("N", ">", lambda run: _optional(run.get(N.column), "N")),
        ("D", ">", lambda run: _optional(run.get(D.column), "D")),
        # Compute goes where the rest would not fit otherwise.
        ("C", ">", lambda run: _optional(run.get(C.column), "C") if full else ""),
        (target, ">", lambda run: "" if run.get("loss") is None else _numbers.value(run["loss"])),
        ("state", "^", lambda run: str(run.get("state") or "")),
        ("problems", "^", lambda run: "; ".join(run.get("problems") or ())),
    ]
    return Table.of(runs, columns, limit=None if full else SHOWN)


def _steps(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    return f"{first:g}" if first == last else f"{first:.0f}-{last:.0f}"


def _optional(number: float | None, symbol: str) -> str:
    return "" if number is None else _numbers.quantity(number, symbol)


def _meaning(quantity: Quantity, convention: str | None) -> str:
    """Return what a quantity is; what is not per token is a loss of some kind."""
    return "loss" if convention == NOT_PER_TOKEN else quantity.meaning


def ranges(record: Mapping[str, Any]) -> Block:
    """Return the range of every quantity over all runs, with unit and convention."""
    conventions = {c["canonical"]: c["convention"] for c in record["columns"] if c["convention"]}
    columns = [
        ("", "<", lambda q: q.symbol),
        ("", "<", lambda q: _numbers.span(record["ranges"][q.symbol], q.symbol)),
        ("", "<", lambda q: unit(q.unit, conventions.get(q.column))),
        ("", "^", lambda q: _meaning(q, conventions.get(q.column))),
    ]
    total = _numbers.count(len(record["runs"]), "run")
    points = _numbers.count(sum(run["n_points"] for run in record["runs"]), "point")
    title = f"{total}, {points}"
    if not record["ranges"]:
        return section(title, ["no N, D, C or loss was recognised"])
    return Table.of([BY_SYMBOL[symbol] for symbol in record["ranges"]], columns, title)


def kinds(runs: Sequence[Mapping[str, Any]]) -> Table:
    """Return what N counts and what the loss is, and how that is known; runs alike in one line."""
    groups = _numbers.grouped((_kinds(run), str(run["run_id"])) for run in runs)
    parts = [
        ("N counts", "^", lambda key: key[0]),
        ("the loss is", "^", lambda key: key[1]),
        ("in", "^", lambda key: key[2]),
        ("rounded to", ">", lambda key: key[3]),
        ("runs", ">", lambda key: str(len(groups[key]))),
    ]
    return Table.of(groups, parts, "what is counted and measured (and how that is known)")


def _kinds(run: Mapping[str, Any]) -> tuple[str, ...]:
    step, counted = run["loss_quantum"], run["params_convention"] or "total, assumed"
    return (
        f"{counted} ({run['params_known']})" if run["params_known"] else "",
        f"{LossKind(run['loss_kind']).words} ({run['loss_kind_known']})",
        f"{run['loss_unit']} ({run['loss_unit_known']})",
        "" if step is None else f"{step:g}",
    )


def unit(unit: str, convention: str | None) -> str:
    """Return a unit, with the counting convention that holds for it."""
    if unit == L.unit:  # a loss has the unit that is its convention
        return convention or unit
    return f"{unit} ({convention})" if convention and convention != unit else unit


def columns(readings: Sequence[Mapping[str, Any]], *, full: bool) -> list[Block]:
    """Return which column was read as what and why; the same reading of many files once."""
    files = _numbers.grouped((_read(reading), str(reading["file"])) for reading in readings)
    if not full:
        same = dict.fromkeys(name for column, name, *_ in files if name == column)
        other = dict.fromkeys(f"{key[1]} = {key[0]}" for key in files if key[1] != key[0])
        lines = [", ".join(other), f"by their names: {', '.join(same)}" if same else ""]
        return [Labelled("read as", [line for line in lines if line])]
    everywhere = {name for where in files.values() for name in where}
    alone = len(everywhere) == 1
    parts = [
        ("column", "<", lambda key: key[0]),
        ("read as", "^", lambda key: key[1]),
        ("unit", "^", lambda key: key[2]),
        ("because", "^", lambda key: key[3]),
        ("in", "^", lambda key: "" if alone else _files(files[key])),
    ]
    title = f"columns of {next(iter(everywhere))}" if alone else "columns"
    return [Table.of(files, parts, title)]


def _read(reading: Mapping[str, Any]) -> tuple[str, str, str, str]:
    meaning = unit(str(reading["unit"] or ""), reading["convention"])
    return str(reading["column"]), str(reading["canonical"]), meaning, str(reading["why"])


def _files(where: Sequence[str]) -> str:
    unique = sorted(set(where))
    return unique[0] if len(unique) == 1 else f"{len(unique)} files"


def problems(notes: Sequence[Mapping[str, Any]], *, full: bool) -> list[Block]:
    """Return every note, the worst first; on the first screen those of one kind in one line."""
    if not notes:
        return [Labelled("notes", ["none"])]
    ordered = sorted(notes, key=lambda note: ORDER.index(note["level"]))
    if full:
        return [section("notes", [note_line(note) for note in ordered])]
    kinds = _numbers.grouped(((note["level"], note["code"]), note) for note in ordered)
    return [Notes(level, [_kind(alike)]) for (level, _), alike in kinds.items()]


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
    column = repr(note["column"] or "")  # most messages name it
    parts = [
        str(note["file"] or ""),
        f"row {note['row']}" if note["row"] is not None else "",
        f"column {column}" if note["column"] and column not in note["message"] else "",
    ]
    text = ", ".join(part for part in parts if part)
    return f"{text}: " if text else ""


def ingested(record: Mapping[str, Any], *, sized: bool, full: bool = False) -> list[Block]:
    """Return what `scaling ingest` prints; runs of no known size can be looked at, not fitted."""
    words = ("added", "replaced", "unchanged", "removed")
    counts = ", ".join(f"{len(record[word])} {word}" for word in words if record[word])
    points = _numbers.count(record["points"], "point")
    told = [f"{record['store']}: {points}", f"runs: {counts or 'none'}"]
    return [
        Labelled("store", told),
        *problems(record["notes"], full=full),
        Command.of("next", "scaling", "fit" if sized else "runs", record["store"]),
    ]
