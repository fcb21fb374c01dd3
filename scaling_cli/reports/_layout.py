"""Plain text for people: aligned tables, wrapped paragraphs, numbers with the digits they carry.

Everything is ASCII and returns strings; nothing is ever cut off with an ellipsis.
"""

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence

from scaling_cli.reports._style import Style
from scaling_cli.vocabulary.quantities import format_number, short_number

LABEL = 10  # width of the label column of a report
GAP = "  "
NARROWEST = 20  # a wrapped column is never narrower than this
_ESCAPE = re.compile(r"\033\[[0-9;]*m")


def printed(text: str) -> int:
    """Return the columns a text takes, escape sequences aside."""
    return len(_ESCAPE.sub("", text))


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, align: str, style: Style
) -> str:
    """Return an aligned table.

    Parameters
    ----------
    headers, rows
        Texts; cells may hold escape sequences.
    align : str
        One character per column: `<` left, `>` right, `^` left and wrapped where the terminal
        is too narrow (at most one such column).
    style : Style
        Of the stream it is printed to.
    """
    if not rows:
        return ""
    widths = [max(map(printed, column)) for column in zip(headers, *rows, strict=True)]
    flexible = align.find("^")
    if flexible >= 0 and style.table_width is not None:
        others = sum(widths) - widths[flexible] + len(GAP) * (len(widths) - 1)
        room = max(NARROWEST, style.table_width - others)
        widths[flexible] = min(widths[flexible], room)
    head = [style.paint(_line(headers, widths, align), "bold")] if any(headers) else []
    lines = [text for row in rows for text in _lines(row, widths, align, flexible)]
    return "\n".join([*head, *lines])


def _lines(row: Sequence[str], widths: Sequence[int], align: str, flexible: int) -> list[str]:
    """Return a row as one line, or several where its flexible cell is wrapped."""
    if flexible < 0 or printed(row[flexible]) <= widths[flexible]:
        return [_line(row, widths, align)]
    parts = textwrap.wrap(row[flexible], widths[flexible], break_on_hyphens=False)
    below = [[part if i == flexible else "" for i in range(len(row))] for part in parts[1:]]
    first = [parts[0] if i == flexible else cell for i, cell in enumerate(row)]
    return [_line(cells, widths, align) for cells in [first, *below]]


def _line(cells: Sequence[str], widths: Sequence[int], align: str) -> str:
    return GAP.join(map(_pad, cells, widths, align)).rstrip()


def _pad(cell: str, width: int, side: str) -> str:
    space = " " * (width - printed(cell))
    return space + cell if side == ">" else cell + space


def labelled(label: str, body: str, *, style: Style) -> str:
    """Return a block of a report: a bold label, its text beside it, wrapped line by line."""
    width = max(NARROWEST, style.width - LABEL)
    lines = [part for line in body.splitlines() for part in (wrap(line, width) or [""])]
    head = style.paint(label, "bold") + " " * max(1, LABEL - printed(label))
    return "\n".join([head + lines[0], *(" " * LABEL + line for line in lines[1:])])


def block(label: str, body: str, *, style: Style) -> str:
    """Return a labelled block whose lines (a table) are indented but never wrapped."""
    lines = [f"  {line}" if line else "" for line in body.splitlines()]
    return "\n".join([style.paint(label, "bold"), *lines])


def wrap(line: str, width: int) -> list[str]:
    """Wrap one line, keeping its indentation on what follows and `%` with its number."""
    if printed(line) <= width:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()) + 2)
    parts = textwrap.wrap(
        line.replace(" %", "\0%"),
        width,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [part.replace("\0", " ") for part in parts]


def paragraphs(parts: Iterable[str]) -> str:
    """Join blocks by empty lines and end with a newline."""
    return "\n\n".join(part for part in parts if part) + "\n"


def value(number: float | None) -> str:
    """Write a measured or predicted value: four decimals, or five digits where it is small."""
    if number is None or not math.isfinite(number):
        return "-" if number is None else str(number)
    return f"{number:.4f}" if abs(number) >= 0.1 else f"{number:.5g}"


def parameter(number: float) -> str:
    """Write a fitted parameter: six significant digits."""
    return f"{number:.6g}"


def interval(pair: Sequence[float] | None, write: Callable[[float], str] | None = None) -> str:
    """Write an interval: `[2.0512, 2.1034]`; `-` where there is none."""
    if pair is None:
        return "-"
    form = write or value
    return f"[{form(pair[0])}, {form(pair[1])}]"


def percent(fraction: float | None, *, sign: bool = False) -> str:
    """Write a fraction as a percentage with two or three digits: `0.81 %`, `+1.2 %`, `6e+79 %`."""
    if fraction is None or not math.isfinite(fraction):
        return "-"
    number = 100 * fraction
    if abs(number) >= 1e5:
        return f"{number:{'+' if sign else ''}.2g} %"
    digits = 2 if abs(number) < 10 else 1 if abs(number) < 100 else 0
    return f"{number:{'+' if sign else ''}.{digits}f} %"


def bias(mean_log: float | None) -> str:
    """Write a mean of ln prediction - ln measured as a percentage, by its geometric mean."""
    return percent(None if mean_log is None else math.expm1(mean_log), sign=True)


def quantity(number: float, symbol: str = "") -> str:
    """Write a quantity for a table: `7B`, `1.33T`; compute always as a power of ten."""
    return f"{number:.4g}" if symbol == "C" else short_number(number)


def span(pair: Sequence[float], symbol: str = "") -> str:
    """Write a range: `44M to 16.2B`, `2.07 to 5.01` for a loss, or the one value there is."""
    low, high = (value(x) if symbol == "L" else quantity(x, symbol) for x in pair)
    return low if low == high else f"{low} to {high}"


def echo(symbol: str, numbers: Sequence[float]) -> str:
    """Write how an input was read: `N = 7e+09`, `N = 1e+09, 7e+09`."""
    return f"{symbol} = {', '.join(format_number(number) for number in numbers)}"


def count(number: int, noun: str) -> str:
    """Write a count with its noun: `1 run`, `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(lines: Sequence[str], limit: int) -> list[str]:
    """Return the first lines and, where there are more, how many."""
    rest = len(lines) - limit
    return list(lines) if rest <= 0 else [*lines[:limit], f"and {rest} more"]
