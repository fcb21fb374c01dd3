"""Blocks as plain text for a terminal or a pipe: aligned, wrapped, never cut off."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from scaling_cli.reports._blocks import Block, Command, Labelled, Notes, Table, Text, shown

PAGE = 80  # columns where there is no terminal to ask
LABEL = 10  # width of the label column
GAP = "  "
NARROWEST = 20  # a column beside a label is never narrower than this
FLOOR = 8  # nor is a column of a table
MARKS = {"info": "", "warn": "! ", "fail": "FAIL "}
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
# Words that are painted where a line or a cell begins with them.
_PAINT = {
    "PASS": ("green",),
    "BETTER": ("bold", "yellow"),
    "WARN": ("bold", "yellow"),
    "!": ("bold", "yellow"),
    "UNTESTED": ("bold", "yellow"),
    "FAIL": ("bold", "red"),
    "NO": ("bold", "red"),
}


@dataclass(frozen=True)
class Style:
    """How text may look on one stream.

    Parameters
    ----------
    colour : bool
        Whether escape sequences are allowed.
    width : int
        Columns that tables fit in and running text is wrapped to.
    """

    colour: bool = False
    width: int = PAGE

    def paint(self, text: str, *names: str) -> str:
        """Return text in a style (`bold`, `red`, ...), or unchanged where colour is off."""
        if not (self.colour and text):
            return text
        return f"\033[{';'.join(_CODES[name] for name in names)}m{text}\033[0m"


def write(parts: Sequence[Block], style: Style) -> str:
    """Return blocks apart by empty lines; those of one kind that belong together are not."""
    lines: list[str] = []
    before: Block | None = None
    for block in shown(parts):
        alike = any(isinstance(before, of) and isinstance(block, of) for of in (Labelled, Notes))
        lines += [""] if lines and not alike else []
        lines += _lines(block, style)
        before = block
    return "\n".join(lines).replace("\u00a0", " ") + "\n" * bool(lines)


def _lines(block: Block, style: Style) -> list[str]:
    match block:
        case Text():
            return [part for line in block.lines for part in wrap(line, style.width)]
        case Labelled():
            return _labelled(block, style)
        case Notes():
            marked = (MARKS[block.level] + line for line in block.lines)
            return [_painted(part, style) for line in marked for part in wrap(line, style.width)]
        case Table():
            titles = wrap(block.title, style.width) if block.title else []
            margin = "  " * bool(titles)
            room = style.width - len(margin)
            notes = (_painted(part, style) for line in block.notes for part in wrap(line, room))
            below = (f"{margin}{line}".rstrip() for line in (*table(block, style, room), *notes))
            return [*(style.paint(part, "bold") for part in titles), *below]


def _labelled(block: Labelled, style: Style) -> list[str]:
    room, hang = max(NARROWEST, style.width - LABEL), len(block.lines) > 1
    broken = _command if isinstance(block, Command) else partial(wrap, hang=hang)
    parts = [part for line in block.lines for part in broken(line, room)]
    head = style.paint(block.label, "bold") + " " * max(1, LABEL - len(block.label))
    margins = [head] + [" " * LABEL] * (len(parts) - 1)
    return [margin + _painted(part, style) for margin, part in zip(margins, parts, strict=True)]


def _command(line: str, width: int) -> list[str]:
    """Return a command line; one that is too long goes on after a backslash."""
    if len(line) <= width:
        return [line]
    return line.replace(" --", " \\\n  --").split("\n")


def _painted(line: str, style: Style) -> str:
    """Return a line with its first word painted, if that is one of those that are."""
    word, space, rest = line.partition(" ")
    return style.paint(word, *_PAINT[word]) + space + rest if word in _PAINT else line


def wrap(line: str, width: int, *, hang: bool = True) -> list[str]:
    """Wrap one line, keeping its indentation on what follows and `%` with its number.

    What follows hangs two columns further in, unless there is nothing to tell it from.
    """
    if len(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()) + 2 * hang)
    return textwrap.wrap(
        line.replace(" %", "\u00a0%"),
        width,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(block: Table, style: Style, width: int) -> list[str]:
    """Return an aligned table that fits: columns are wrapped, or the first goes above the others.

    What is still too wide is told row by row, each value with its header.
    """
    if not block.rows:
        return []
    widths = _widths(block, width)
    if _total(widths) <= width:
        return list(_grid(block, widths, style))
    rest = Table(block.headers[1:], [row[1:] for row in block.rows], block.align[1:])
    widths = _widths(rest, width - 2) if rest.headers else [width]
    told = (
        _stacked(block, rest, widths, style) if _total(widths) <= width - 2 else _told(block, width)
    )
    return list(told)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(block: Table, width: int) -> list[int]:
    """Return the columns' widths, those that may be wrapped shrunk to what room there is."""
    cells = zip(block.headers, *block.rows, strict=True)
    widths = [max(map(len, column)) for column in cells]
    wrapped = [i for i in range(len(widths)) if block.align[i] == "^"]
    rows = [block.headers, *block.rows]
    least = {i: max(FLOOR, *(len(w) for row in rows for w in row[i].split(" "))) for i in wrapped}
    while _total(widths) > width and (wide := [i for i in wrapped if widths[i] > least[i]]):
        widths[max(wide, key=lambda i: widths[i])] -= 1
    return widths


def _grid(block: Table, widths: Sequence[int], style: Style) -> Iterator[str]:
    yield from _bold(_row(block.headers, widths, block.align), style)
    for row in block.rows:
        yield from _row(row, widths, block.align, style)


def _bold(lines: Iterable[str], style: Style) -> Iterator[str]:
    yield from (style.paint(line, "bold") for line in lines if line.strip())


def _row(
    row: Sequence[str], widths: Sequence[int], align: str, style: Style | None = None
) -> Iterator[str]:
    """Yield a row as one line, or several where a cell of it is wrapped."""
    cells = [
        textwrap.wrap(cell, w, break_on_hyphens=False) or [""] if side == "^" else [cell]
        for cell, w, side in zip(row, widths, align, strict=True)
    ]
    for parts in zip_longest(*cells, fillvalue=""):
        line = []
        for cell, width, side in zip(parts, widths, align, strict=True):
            space = " " * (width - len(cell))
            painted = _painted(cell, style) if style else cell
            line.append(space + painted if side == ">" else painted + space)
        yield GAP.join(line).rstrip()


def _stacked(block: Table, rest: Table, widths: Sequence[int], style: Style) -> Iterator[str]:
    """Yield each row's first cell on a line of its own, and the others aligned below it."""
    head = (f"  {line}" for line in _row(rest.headers, widths, rest.align))
    yield from _bold([*block.headers[:1], *head], style)
    for row, others in zip(block.rows, rest.rows, strict=True):
        yield row[0]
        yield from (f"  {line}" for line in _row(others, widths, rest.align, style))


def _told(block: Table, width: int) -> Iterator[str]:
    for row in block.rows:
        pairs = zip(block.headers[1:], row[1:], strict=True)
        told = [f"{head} {cell}".strip() for head, cell in pairs if cell]
        kept = (part.replace(" ", "\u00a0") if len(part) < width // 2 else part for part in told)
        yield row[0]
        yield from (f"  {line}" for line in wrap("  ".join(kept), width - 2, hang=False))
