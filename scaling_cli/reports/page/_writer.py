"""A page as one file of HTML that fetches nothing, or as Markdown for a pull request."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from scaling_cli import plots, reports
from scaling_cli._version import __version__
from scaling_cli.reports import _markup
from scaling_cli.reports._blocks import Block, Command, Table, Text, shown, visible
from scaling_cli.reports.page._page import Page, Picture
from scaling_cli.vocabulary.errors import UsageError

ASSETS = Path(__file__).with_name("assets")
MOST = 2**20  # bytes of a page
LARGEST_DRAWING = 250_000  # characters of SVG, from which on a figure is a picture of dots
LONGEST = 60_000  # bytes of Markdown
ROWS = 300  # of a table
LEFT_OUT, LONG = "What was left out", 4000  # characters: longer lists are folded
_ID = re.compile(r'(?<=[ \n])id="([^"]+)"')
_USED = re.compile(r'(url\(#|href="#)')
_FOREIGN = re.compile(r' (?:xmlns(?::xlink)?|width|height|version)="[^"]*"')


def html(page: Page) -> str:
    """Return a page as HTML.

    Raises
    ------
    UsageError
        If jinja2, which writes it, is not installed.
    """
    drawn = [_drawn(i, picture) for i, picture in enumerate(page.pictures, 1)]
    told: dict[str, Any] = {
        "page": visible_page(page),
        "version": __version__,
        "sections": [*_sections(page)],
        "pictures": drawn,
        "model": page.model,
        "css": _asset("page.css"),
        "scripts": [_asset("forecast.js"), page.model.script, _asset("controls.js")]
        if page.model
        else [],
    }
    return _template().render(**told)


def visible_page(page: Page) -> Mapping[str, Any]:
    """Return the running text of a page, control characters as escapes."""
    texts = {name: visible(getattr(page, name)) for name in ("title", "what", "name")}
    return {**texts, "answer": visible(list(page.answer)), "why": visible(page.without_pictures)}


@cache
def _template() -> Any:
    try:
        import jinja2  # the extra `report`
    except ImportError as error:
        raise UsageError(
            "an HTML report needs the package jinja2, which is not installed.",
            hint="pip install 'scaling-cli[report]', or --format md",
        ) from error
    loader = jinja2.FileSystemLoader(ASSETS)
    strict: dict[str, Any] = {"undefined": jinja2.StrictUndefined, "trim_blocks": True}
    environment = jinja2.Environment(loader=loader, autoescape=True, lstrip_blocks=True, **strict)
    return environment.get_template("page.html")


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf8")


def _sections(page: Page) -> Iterator[Mapping[str, Any]]:
    """Yield the parts below the figures: a title, its markup, and whether it is folded."""
    for title, parts, folded in _parts(page):
        if shown(parts):
            body = _markup.html([_cut(part) for part in parts], under=title)
            long = len(body) > LONG and title == LEFT_OUT
            yield {"id": _anchor(title), "title": title, "body": body, "folded": folded or long}


def _parts(page: Page) -> Iterator[tuple[str, Sequence[Block], bool]]:
    yield "What to be careful about", page.careful, False
    yield "How forecasts did that could be checked", page.backtest, False
    yield "What it assumes, and what would change it", page.assumed, False
    yield LEFT_OUT, page.left_out, False
    yield "Every number, and where it comes from", [page.table(), _origins()], False
    yield "The exact specification", page.exact, True
    yield "Checks that passed", page.checked, True
    yield "To make it again", [Command("", list(page.command))], False


def _origins() -> Text:
    return Text(
        [
            "declared: somebody said so. read: it stands in the logs. assumed: a default, a "
            "convention or a belief that no data here show. computed: it follows from the others."
        ]
    )


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _cut(block: Block) -> Block:
    """Return a table of at most so many rows, and how many more there are."""
    if not isinstance(block, Table) or len(block.rows) <= ROWS:
        return block
    more = f"and {len(block.rows) - ROWS} more rows (--json has all)"
    headers, align, title = block.headers, block.align, block.title
    return Table(headers, block.rows[:ROWS], align, title, [more, *block.notes])


def _drawn(number: int, picture: Picture) -> Mapping[str, Any]:
    """Return a figure as markup, with its words, and none of its names is that of another's."""
    figure = plots.figure(picture.kind, picture.table)
    svg = plots.svg(figure)
    words = {"title": picture.title, "text": picture.text, "id": f"figure-{number}"}
    if len(svg) > LARGEST_DRAWING:
        dots = base64.b64encode(plots.png(figure)).decode("ascii")
        alt = escape(f"{picture.title}. {picture.text}")
        return {**words, "svg": f'<img alt="{alt}" src="data:image/png;base64,{dots}">'}
    return {**words, "svg": _inline(svg, f"f{number}", picture)}


def _inline(svg: str, prefix: str, picture: Picture) -> str:
    start = svg.index("<svg")
    head, _, body = svg[start:].partition(">")
    head = _FOREIGN.sub("", head)
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = _USED.sub(rf"\g<1>{prefix}-", _ID.sub(rf'id="{prefix}-\1"', body))
    labels = f'role="img" aria-labelledby="{prefix}-title {prefix}-desc"'
    title, text = escape(picture.title), escape(picture.text)
    words = f'<title id="{prefix}-title">{title}</title><desc id="{prefix}-desc">{text}</desc>'
    return f"{head} {labels}>{words}{body}"


def markdown(page: Page) -> str:
    """Return a page as Markdown below 60 kB: what is too long for it is named and left out."""
    title, answer, *more = (_markup.plain(t) for t in visible([page.title, *page.answer]))
    head = f"# {title}\n\n**{answer}**\n\n" + "".join(f"{line}\n\n" for line in more)
    parts = [(t, p) for t, p, _ in _parts(page) if t != "Checks that passed" and shown(p)]
    written, left = [], []
    room = LONGEST - len(head.encode()) - 500
    for heading, blocks in sorted(parts, key=_length):
        text = f"## {heading}\n\n{reports.markdown(blocks)}\n"
        room -= len(text.encode())
        written += [(heading, text)] if room > 0 else []
        left += [] if room > 0 else [heading]
    order = [heading for heading, _ in parts]
    written.sort(key=lambda pair: order.index(pair[0]))
    tail = f"Too long for here: {', '.join(left)}. The HTML report has it.\n" if left else ""
    return head + "".join(text for _, text in written) + tail


def _length(part: tuple[str, Sequence[Block]]) -> int:
    return len(reports.markdown(part[1]))
