"""Blocks as a fragment of HTML: plain elements, every text escaped."""

from collections.abc import Iterator, Sequence
from html import escape

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

_SIDES = {"<": "left", "^": "left", ">": "right"}


def write(parts: Sequence[Block]) -> str:
    """Return blocks as one element."""
    shown = visible([part for part in parts if not is_empty(part)])
    return "<div>\n" + "\n".join(line for block in shown for line in _lines(block)) + "\n</div>\n"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield from (f"<p>{escape(line)}</p>" for line in block.lines)
        case Labelled():
            yield f"<p><b>{escape(block.label)}</b> {_broken(block.lines)}</p>"
        case Section():
            yield f"<p><b>{escape(block.title)}</b></p>\n<p>{_broken(block.lines)}</p>"
        case Notes():
            items = "".join(f"<li>{escape(line)}</li>" for line in block.lines)
            yield f'<ul class="{block.level}">{items}</ul>'
        case Command():
            typed = "\n".join(map(escape, block.lines))
            yield f"<p><b>{escape(block.label)}</b></p>\n<pre>{typed}</pre>"
        case Table():
            yield from _table(block)


def _broken(lines: Sequence[str]) -> str:
    return "<br/>".join(map(escape, lines))


def _table(block: Table) -> Iterator[str]:
    if block.title:
        yield f"<p><b>{escape(block.title)}</b></p>"
    if block.rows:
        yield "<table>"
        yield f"<thead>{_row('th', block.headers, block.align)}</thead>"
        yield f"<tbody>{''.join(_row('td', row, block.align) for row in block.rows)}</tbody>"
        yield "</table>"
    if block.notes:
        yield f"<p>{_broken(block.notes)}</p>"


def _row(name: str, cells: Sequence[str], align: str) -> str:
    parts = (
        f'<{name} style="text-align:{_SIDES[side]}">{escape(cell)}</{name}>'
        for cell, side in zip(cells, align, strict=True)
    )
    return f"<tr>{''.join(parts)}</tr>"
