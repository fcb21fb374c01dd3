"""What is said of things: blocks that three writers turn into text, Markdown or HTML.

`reports/K.py` says what is worth knowing of a K: of what lies in `artefacts/K.py`, of a table of
runs, of a prediction, of what a verb answers. A thing says by `report` which file that is.
"""

import importlib
from collections.abc import Sequence
from typing import Any

from scaling_cli.reports import _text
from scaling_cli.reports._blocks import Block
from scaling_cli.reports._markup import html
from scaling_cli.reports._markup import markdown as markdown
from scaling_cli.reports._text import Style


def blocks(thing: Any, *, full: bool = False, **context: Any) -> list[Block]:
    """Return what is said of a thing: its first screen, or everything.

    Parameters
    ----------
    thing : a fit, a prediction, a table of runs, an answer, ...
    full : bool
        Everything, where the first screen leaves things out.
    **context
        What only the caller knows, such as `sources` and `written` of a fit.
    """
    module = importlib.import_module(f"{__name__}.{thing.report}")
    return module.blocks(thing, full=full, **context)


def text(parts: Sequence[Block], style: Style | None = None) -> str:
    """Return blocks as plain text, at 80 columns where no style says otherwise."""
    return _text.write(parts, style or Style())


def short(thing: Any) -> str:
    """Return the first screen as text: what `print(fit)` shows.

    `artefacts` lies below this package: there, `__str__` and `_repr_html_` reach `short` and
    `short_html` by name, `importlib.import_module("scaling_cli.reports").short(self)`.
    """
    return text(blocks(thing)).rstrip("\n")


def short_html(thing: Any) -> str:
    """Return the first screen as HTML: what a notebook shows."""
    return html(blocks(thing))
