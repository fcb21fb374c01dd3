"""The lines of a console, and the measurements and facts in them: what every dialect shares."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from scaling_cli.ingest._sources import BOM
from scaling_cli.ingest.dialects._dialect import Dialect, Fact, Line, Of, without_names
from scaling_cli.vocabulary.loss_kinds import LossKind
from scaling_cli.vocabulary.registry import Modules

_DIALECTS = Modules("scaling_cli.ingest.dialects", "dialect of consoles")
LEVELS = range(3)
PLAIN = 1  # from this level on lines are of nobody in particular
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# What loggers and launchers write before a message. Each is matched whole or not at all, so that
# a long line costs no more than its length.
_FIRST = r"""(?>
    \[[^\[\]]{1,120}\]:?
    | (?:\d\d)?\d\d[-/]\d\d[-/]\d\d(?:[T_]\d\d:\d\d:\d\d(?:[.,]\d+)?)? | \d\d?/\d\d(?:/\d{2,4})?
    | \d{1,2}:\d\d:\d\d(?:[.,]\d+)?
    | \d+:(?=\s)
    | [IWED]\d{4}\s[\d:.]+\s+\d+\s[\w./-]+:\d+\]
    | (?:INFO|DEBUG|WARNING|WARN|ERROR|CRITICAL|NOTICE)\b:?(?:\w[\w.]*:)?
    | \([\w.<>]+:\d+\) | \(\w+\ pid=\d+\)
    | [\w./-]+\.py:\d+(?:\sin\s\w+)?
    | [\w.-]+:\d+(?=\s)
    | \d+%\|[^|]*\|[^\[\]\r\n]*\[[^\]]*\]
    | [\w.]+(?=\s+[-|]\s)
    | \(\d+/\d+\)
    | [-|>:]++
)\s*+"""
_RANK = re.compile(r"\s*(?:\[(?:rank|default)\s?(?P<bracketed>\d+)\]:\s?|(?P<bare>\d+):\s)")
_RANK_AFTER = re.compile(r"\brank\s?(?P<rank>\d+)$", re.IGNORECASE)


@cache
def dialects() -> tuple[Dialect, ...]:
    """Return every dialect; a file that starts with `_` is none."""
    return tuple(_DIALECTS.module(name).DIALECT for name in _DIALECTS.names())


@cache
def _lines() -> tuple[tuple[Dialect, Line], ...]:
    every = [(dialect, line) for dialect in dialects() for line in dialect.lines]
    return tuple(sorted(every, key=lambda pair: pair[1].level))


@cache
def _facts() -> tuple[tuple[Dialect, Fact], ...]:
    return tuple((dialect, fact) for dialect in dialects() for fact in dialect.facts)


@cache
def _begins(level: int) -> tuple[re.Pattern[str], tuple[tuple[Dialect, Line], ...]]:
    """Return what a line that measures may begin as, up to a level, and the lines by group."""
    lines = tuple(pair for pair in _lines() if pair[1].level <= level)
    either = "|".join(f"({without_names(line.begins)})" for _, line in lines)
    return re.compile(rf"\s*+(?:(?x:{_FIRST})){{0,16}}?(?:{either})", re.IGNORECASE), lines


@cache
def _words() -> re.Pattern[str]:
    """Return what a line must have to state a fact."""
    words = dict.fromkeys(re.escape(fact.words) for _, fact in _facts())
    return re.compile("|".join(words), re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """A line of a console, or what stands between two carriage returns of one."""

    number: int
    text: str
    rank: str | None = None


@dataclass
class Row:
    """What is measured at one step, and the line of the first of it."""

    numbers: dict[str, float]
    line: int
    dialect: Dialect
    kind: LossKind | None = None


@dataclass
class Statement:
    """A fact that a header states."""

    name: str
    value: float
    line: int
    rounded: bool


_COUNTED = ("step", "planned", "epoch", "batch", "per_epoch", "rank")
_GOING_ON = ("val/", "epoch/")


# One of these is in the words of every fact; most lines have none.
ROOTS = ("param", "batch", "vocab", "seq", "max_", "optimi", "total", "stopping", "token", "paral")


@dataclass
class Console:
    """What has been read of a console so far."""

    rows: list[Row] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    marks: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The first line that a header of each dialect has, by the name of the dialect."""
    length: int = 0
    others: int = 0
    repeated: int = 0
    between: int = 0
    broken: list[tuple[int, str, str]] = field(default_factory=list)
    head: Line | None = None
    last: dict[str, float] = field(default_factory=dict)
    next: dict[str, float] = field(default_factory=dict)
    minor: list[Row] = field(default_factory=list)


def pieces(content: bytes) -> Iterator[Piece]:
    """Yield the lines without their colours; what a progress bar rewrites is a line each time."""
    text = content.removeprefix(BOM).decode("utf-8", errors="replace")
    text = _COLOUR.sub("", text) if "\x1b" in text else text
    for number, line in enumerate(text.split("\n"), start=1):
        for piece in line.split("\r") if "\r" in line else (line,):
            rank = _RANK.match(piece)
            said = piece if rank is None else piece[rank.end() :]
            if said and not said.isspace():
                yield Piece(number, said, rank and (rank["bracketed"] or rank["bare"]))


def measuring(text: str, level: int) -> tuple[Dialect, Line, str] | None:
    """Return whose line this is, if it begins as a line that measures, and the line from there."""
    pattern, lines = _begins(level)
    begins = pattern.match(text)
    if begins is None:
        return None
    index = begins.lastindex or 1
    dialect, line = lines[index - 1]
    return dialect, line, text[begins.start(index) :].rstrip()


def listen(content: bytes, level: int) -> Console:
    """Read a console: what it measures and what its headers state."""
    console = Console()
    whole = content.endswith((b"\n", b"\r"))
    every = list(pieces(content))
    console.length = every[-1].number if every else 0
    for piece in every[:-1]:
        _take(console, piece, level, alone=False)
    for piece in every[-1:]:
        _take(console, piece, level, alone=not whole)
    if not any("train_loss" in row.numbers for row in console.rows):
        console.rows, console.minor = console.rows + console.minor, []
        console.rows.sort(key=lambda row: row.line)
    return console


def _take(console: Console, piece: Piece, level: int, *, alone: bool) -> None:
    """Add what a line says; one that ends without a newline keeps to itself."""
    said = measuring(piece.text, level)
    if said is not None:
        dialect, line, text = said
        rows = [row for row in line.numbers(text) if row and _counts(row)]
        console.head = line if rows and line.heads else None
        if not rows:
            console.broken.append((piece.number, text, dialect.names[0]))
        for row in rows:
            _add(console, piece, dialect, line, row, alone=alone)
    elif not (console.head and _below(console, piece, alone=alone)):
        console.head = None
        console.others += not _state(console, piece)


def _counts(row: Mapping[str, float]) -> bool:
    """Say whether what a row counts are numbers."""
    return all(math.isfinite(row.get(name, 0.0)) for name in _COUNTED)


def _below(console: Console, piece: Piece, *, alone: bool) -> bool:
    """Add a number that stands on a line of its own below the line of its step."""
    last = console.rows[-1]
    numbers = console.head.below(piece.text) if console.head else None
    if numbers:
        _merge(console, _same_step(last, numbers, piece.number), alone=alone)
    return numbers is not None


def _same_step(last: Row, numbers: Mapping[str, float], line: int) -> Row:
    """Return a row of the same step with other numbers."""
    kept = {name: last.numbers[name] for name in ("step", "epoch") if name in last.numbers}
    return Row(kept | dict(numbers), line, last.dialect, last.kind)


def _add(
    console: Console,
    piece: Piece,
    dialect: Dialect,
    line: Line,
    row: dict[str, float],
    *,
    alone: bool,
) -> None:
    for name in line.stale:
        if name in row and console.last.get(name) == row[name]:
            del row[name]
        else:
            console.last |= {name: row[name]} if name in row else {}
    if "per_epoch" in row:
        row["step"] = (row["epoch"] - 1) * row["per_epoch"] + row.pop("batch")
    if line.level >= PLAIN and "epoch" in row:
        row.pop("planned", None)  # it may be that of an epoch
    stepless = "step" not in row
    if stepless and line.of is Of.NEXT:
        console.next |= row
        return
    if stepless and line.of is Of.BEFORE:
        row["step"] = console.rows[-1].numbers.get("step", 0.0) if console.rows else 0.0
    rank = _RANK_AFTER.search(piece.text)
    if rank is not None or piece.rank is not None:
        row["rank"] = float(rank["rank"] if rank else piece.rank or 0)
    if console.next:
        row, console.next = console.next | row, {}
    made = Row(row, piece.number, dialect, line.kind or dialect.kind)
    if line.minor:
        console.minor.append(made)
    else:
        _merge(console, made, alone=alone or (stepless and line.of is Of.NONE))


def _merge(console: Console, row: Row, *, alone: bool) -> None:
    """Add a measurement to the row of its step, unless it says something else of it."""
    old = console.rows[-1].numbers if console.rows and not alone else None
    if old is None or row.numbers.get("step") != old.get("step"):
        console.rows.append(row)
        return
    # What an evaluation says while it goes on is said anew when it is done.
    same = {n for n in row.numbers.keys() & old.keys() if not n.startswith(_GOING_ON)}
    same = {n for n in same if not n.endswith("_seconds")}
    alike = row.numbers.get("rank") == old.get("rank") or row.numbers.keys() <= old.keys()
    other = any(differ(row.numbers[name], old[name]) for name in same - {"rank"})
    if other or not alike:
        console.rows.append(row)
        return
    console.repeated += bool(same - {"step", "epoch", "rank", "planned"})
    old |= row.numbers


def differ(one: float, other: float) -> bool:
    """Say whether two numbers differ; one NaN is as another."""
    return one != other and not (math.isnan(one) and math.isnan(other))


def _state(console: Console, piece: Piece) -> bool:
    """Take the facts of a line; say whether it has any."""
    said = piece.text.lower()
    if not any(root in said for root in ROOTS) or _words().search(said) is None:
        return False
    text, before = piece.text.strip(), len(console.statements)
    for dialect, fact in _facts():
        facts, rounded = fact.stated(text)
        made = [Statement(name, value, piece.number, rounded) for name, value in facts.items()]
        console.statements += made
        if made:
            console.marks.setdefault(dialect.names[0], (piece.number, text))
    return len(console.statements) > before
