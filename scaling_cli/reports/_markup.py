"""Blocks as markup: GitHub's Markdown, or a fragment of HTML with every text escaped."""

import re
from collections.abc import Iterator, Sequence
from html import escape

from scaling_cli.reports._blocks import Block, Command, Labelled, Notes, Table, Text, shown

# What Markdown or the HTML inside it would take for its own.
_OWN = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_RULES = {"<": ":---", "^": ":---", ">": "---:"}


def markdown(parts: Sequence[Block]) -> str:
    """Return blocks as Markdown."""
    return "\n\n".join("\n".join(_markdown(block)) for block in shown(parts)) + "\n"


def html(parts: Sequence[Block], *, under: str = "") -> str:
    """Return blocks as one element of HTML.

    Under a heading of a page titles are headings, and wide tables are moved by the keyboard too.
    """
    numbered = enumerate(shown(parts), 1)  # parts that a page leads to are told apart by a number
    lines = (line for i, b in numbered for line in _html(b, under and f"{under}, {i}"))
    return "<div>\n" + "\n".join(lines) + "\n</div>\n"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _OWN.sub(r"\\\1", " ".join(text.split()))


def _markdown(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield "\n\n".join(map(plain, block.lines))
        case Command():
            label = f"**{plain(block.label)}**\n\n" * bool(block.label)
            yield label + "\n".join(f"    {c}" for c in block.lines)
        case Labelled():
            yield f"**{plain(block.label)}** " + "  \n".join(map(plain, block.lines))
        case Notes():
            word = "" if block.level == "info" else f"**{block.level}** "
            yield from (f"> {word}{plain(line)}  " for line in block.lines)
        case Table():
            yield from [f"**{plain(block.title)}**\n"] * bool(block.title)
            cells = [[*map(plain, row)] for row in (block.headers, *block.rows)]
            rows = [cells[0], [_RULES[side] for side in block.align], *cells[1:]]
            yield from (f"| {' | '.join(row)} |" for row in rows if block.rows)
            if block.notes:
                yield "\n" * bool(block.rows) + "  \n".join(map(plain, block.notes))


def _html(block: Block, under: str) -> Iterator[str]:
    if isinstance(block, Table):
        yield from _table(block, under)
        return
    lines = [escape(line) for line in block.lines]
    match block:
        case Text():
            yield from (f"<p>{line}</p>" for line in lines)
        case Command():
            label = f"<p><b>{escape(block.label)}</b></p>\n" * bool(block.label)
            yield f"{label}<pre>" + "\n".join(lines) + "</pre>"
        case Labelled():
            yield f"<p><b>{escape(block.label)}</b> {'<br/>'.join(lines)}</p>"
        case Notes():
            word = f"<b>{block.level}</b> " if under and block.level != "info" else ""
            items = "".join(f"<li>{word}{line}</li>" for line in lines)
            yield f'<ul class="{block.level}">{items}</ul>'


def _table(block: Table, under: str) -> Iterator[str]:
    title = escape(block.title)
    heading = f"<h3>{title}</h3>" if under else f"<p><b>{title}</b></p>"
    yield from [heading] * bool(title)
    if block.rows:
        label = escape(f"{under}: {block.title or ', '.join(filter(None, block.headers))}")
        opened = f'<div class="wide" role="region" tabindex="0" aria-label="{label}">'
        yield from [opened] * bool(under)
        yield f"<table>\n<thead>{_cells('th', block.headers, block.align)}</thead>"
        rows = (_cells("td", row, block.align) for row in block.rows)
        yield f"<tbody>{''.join(rows)}</tbody>\n</table>"
        yield from ["</div>"] * bool(under)
    if block.notes:
        yield f"<p>{'<br/>'.join(map(escape, block.notes))}</p>"


def _cells(name: str, cells: Sequence[str], align: str) -> str:
    """Return a row; a header without words is no header to those who hear the table."""
    sides = ("right" if side == ">" else "left" for side in align)
    named = (name if cell else "td" for cell in cells)
    parts = (
        f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>'
        for tag, cell, side in zip(named, cells, sides, strict=True)
    )
    return f"<tr>{''.join(parts)}</tr>"
