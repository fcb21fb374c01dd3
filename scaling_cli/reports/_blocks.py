"""What a report is made of: blocks that say what stands where, and nothing of how it looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Text:
    """Running text, a paragraph a line."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Labelled:
    """A word, and beside it what is to say of it."""

    label: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A title, and below it lines."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows under headers, below a title if there is one; `notes` explain them.

    Parameters
    ----------
    align : str
        One character per column: `<` left, `>` right, `^` left and wrapped where room is short.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    title: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Notes:
    """Sentences of one severity: `info`, `warn` or `fail`."""

    level: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Command:
    """Command lines to type next."""

    label: str
    lines: Sequence[str]


Block = Text | Labelled | Section | Table | Notes | Command


def filled(table: Table) -> Table:
    """Return a table without the columns that hold nothing, the first aside."""
    kept = [i for i in range(len(table.headers)) if not i or any(row[i] for row in table.rows)]
    return replace(
        table,
        headers=[table.headers[i] for i in kept],
        rows=[[row[i] for i in kept] for row in table.rows],
        align="".join(table.align[i] for i in kept),
    )


def is_empty(block: Block) -> bool:
    """Say whether a block has nothing to tell."""
    return not (block.rows or block.notes if isinstance(block, Table) else any(block.lines))


def visible(value: Any) -> Any:
    """Return a block, or what it holds, with control characters shown as escapes.

    Names of runs and paths are other people's: an escape sequence in one must not reach a terminal.
    """
    if isinstance(value, str):
        return "".join(_visible(value))
    if isinstance(value, list | tuple):
        return [visible(item) for item in value]
    return type(value)(*(visible(getattr(value, field.name)) for field in fields(value)))


def _visible(text: str) -> Iterator[str]:
    for c in text:
        hidden = not c.isprintable() and c != "\u00a0"
        yield c.encode("unicode_escape").decode() if hidden else c
