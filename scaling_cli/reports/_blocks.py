"""What a report is made of: blocks that say what stands where, and nothing of how it looks."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from scaling_cli.reports import _numbers

_T = TypeVar("_T")
Column = tuple[str, str, Callable[[_T], str]]
"""A header, the side as in `Table.align`, and what the column says of one thing."""


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

    @classmethod
    def of(
        cls,
        items: Iterable[_T],
        columns: Iterable[Column[_T]],
        title: str = "",
        *notes: str,
        limit: int | None = None,
    ) -> "Table":
        """Return a row for each thing; a column that says nothing of any of them is left out.

        Beyond the limit things are counted in a note.
        """
        headers, sides, cells = zip(*columns, strict=True)
        told = [*items]
        rows = [[cell(item) for cell in cells] for item in told[:limit]]
        more = _numbers.more(len(told) - len(rows))
        return filled(cls(headers, rows, "".join(sides), title, [*more, *notes]))


@dataclass(frozen=True)
class Notes:
    """Sentences of one severity: `info`, `warn` or `fail`."""

    level: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Command(Labelled):
    """Command lines to type next."""

    @classmethod
    def of(cls, label: str, *words: str) -> "Command":
        """Return one command line, its words quoted where a shell needs it."""
        return cls(label, [shlex.join(words)] if words else [])


Block = Text | Labelled | Table | Notes


def section(title: str, lines: Sequence[str]) -> Table:
    """Return lines below a title: a table that is nothing but its notes."""
    return Table([], [], "", title, lines)


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
    if isinstance(block, Table):
        return not (block.rows or any(block.notes))
    return not any(block.lines)


def shown(parts: Iterable[Block]) -> list[Any]:
    """Return the blocks that have something to tell, as they may be written."""
    return [visible(part) for part in parts if not is_empty(part)]


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
