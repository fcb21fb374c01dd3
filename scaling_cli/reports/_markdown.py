"""Blocks as GitHub's Markdown: pipe tables, bold labels, quoted warnings."""

import re
from collections.abc import Iterator, Sequence

from scaling_cli.reports._blocks import (
    Block,
    Command,
    Labelled,
    Notes,
    Section,
    Table,
    Text,
    is_empty,
    visible,
)

# What Markdown or the HTML inside it would take for its own.
_OWN = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_SIDES = {"<": ":---", "^": ":---", ">": "---:"}


def write(parts: Sequence[Block]) -> str:
    """Return blocks as Markdown."""
    shown = visible([part for part in parts if not is_empty(part)])
    return "\n\n".join("\n".join(_lines(block)) for block in shown) + "\n"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _OWN.sub(r"\\\1", " ".join(text.split()))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield "\n\n".join(map(escaped, block.lines))
        case Labelled():
            yield f"**{escaped(block.label)}** " + "  \n".join(map(escaped, block.lines))
        case Section():
            yield f"**{escaped(block.title)}**\n\n" + "  \n".join(map(escaped, block.lines))
        case Notes():
            word = "" if block.level == "info" else f"**{block.level}** "
            yield from (f"> {word}{escaped(line)}  " for line in block.lines)
        case Command():
            yield f"**{escaped(block.label)}**\n\n" + "\n".join(f"    {c}" for c in block.lines)
        case Table():
            yield from _table(block)


def _table(block: Table) -> Iterator[str]:
    if block.title:
        yield f"**{escaped(block.title)}**\n"
    if block.rows:
        yield _row(block.headers)
        yield _row([_SIDES[side] for side in block.align], escape=False)
        yield from map(_row, block.rows)
    if block.notes:
        yield "\n" * bool(block.rows) + "  \n".join(map(escaped, block.notes))


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(escaped(cell) if escape else cell for cell in cells)} |"
