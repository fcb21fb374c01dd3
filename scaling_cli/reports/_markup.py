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


def html(parts: Sequence[Block]) -> str:
    """Return blocks as one element of HTML."""
    return "<div>\n" + "\n".join(line for b in shown(parts) for line in _html(b)) + "\n</div>\n"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _OWN.sub(r"\\\1", " ".join(text.split()))


def _markdown(block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield "\n\n".join(map(_plain, block.lines))
        case Command():
            yield f"**{_plain(block.label)}**\n\n" + "\n".join(f"    {c}" for c in block.lines)
        case Labelled():
            yield f"**{_plain(block.label)}** " + "  \n".join(map(_plain, block.lines))
        case Notes():
            word = "" if block.level == "info" else f"**{block.level}** "
            yield from (f"> {word}{_plain(line)}  " for line in block.lines)
        case Table():
            yield from [f"**{_plain(block.title)}**\n"] * bool(block.title)
            cells = [[*map(_plain, row)] for row in (block.headers, *block.rows)]
            rows = [cells[0], [_RULES[side] for side in block.align], *cells[1:]]
            yield from (f"| {' | '.join(row)} |" for row in rows if block.rows)
            if block.notes:
                yield "\n" * bool(block.rows) + "  \n".join(map(_plain, block.notes))


def _html(block: Block) -> Iterator[str]:
    lines = [escape(line) for line in ([] if isinstance(block, Table) else block.lines)]
    match block:
        case Text():
            yield from (f"<p>{line}</p>" for line in lines)
        case Command():
            yield f"<p><b>{escape(block.label)}</b></p>\n<pre>" + "\n".join(lines) + "</pre>"
        case Labelled():
            yield f"<p><b>{escape(block.label)}</b> {'<br/>'.join(lines)}</p>"
        case Notes():
            yield f'<ul class="{block.level}">{"".join(f"<li>{line}</li>" for line in lines)}</ul>'
        case Table():
            yield from [f"<p><b>{escape(block.title)}</b></p>"] * bool(block.title)
            if block.rows:
                yield f"<table>\n<thead>{_cells('th', block.headers, block.align)}</thead>"
                rows = (_cells("td", row, block.align) for row in block.rows)
                yield f"<tbody>{''.join(rows)}</tbody>\n</table>"
            if block.notes:
                yield f"<p>{'<br/>'.join(map(escape, block.notes))}</p>"


def _cells(name: str, cells: Sequence[str], align: str) -> str:
    sides = ("right" if side == ">" else "left" for side in align)
    parts = (
        f'<{name} style="text-align:{side}">{escape(cell)}</{name}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(parts)}</tr>"
