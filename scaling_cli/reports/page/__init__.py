"""A report that one can send: one page of HTML that needs no network, or Markdown.

`page/K.py` says what stands on the page of a K, as `reports/K.py` says what is worth knowing of
it; a kind without a file here has a page of its whole report. What is said is said by `reports`.
"""

import importlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_cli import plots
from scaling_cli.artefacts import kinds
from scaling_cli.reports.page import _writer
from scaling_cli.reports.page._page import Page
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import nulls, stamped, write_whole, writing
from scaling_cli.vocabulary.registry import files_of

SUFFIXES = {".html": "html", ".htm": "html", ".md": "md"}


@dataclass(frozen=True, repr=False)
class Report:
    """A report on a thing; a notebook shows the page.

    Parameters
    ----------
    page : Page
    """

    page: Page

    def html(self) -> str:
        """Return one page of HTML that fetches nothing; this needs the extra `report`."""
        return _writer.html(self.page)

    def markdown(self) -> str:
        """Return Markdown below 60 kB, for a pull request or a step summary."""
        return _writer.markdown(self.page)

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling report --json` prints: the numbers behind the page."""
        page = self.page
        numbers = [
            {
                "name": n.name,
                "value": n.value,
                "unit": n.unit,
                "interval": None if n.ends is None else list(n.ends),
                "level": n.level,
                "origin": str(n.origin),
                "from": n.why,
            }
            for n in page.numbers
        ]
        figures = [
            {"kind": p.kind, "title": p.title, "text": p.text, "numbers": plots.numbers(p.table)}
            for p in page.pictures
        ]
        head = {"name": page.name, "title": page.title, "what": page.what, "file": None}
        told = {"answer": list(page.answer), "command": list(page.command), "facts": page.facts}
        return nulls(stamped({**head, **told, "numbers": numbers, "figures": figures}))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report; the suffix chooses HTML or Markdown.

        Raises
        ------
        UsageError
            If the suffix is neither, or the file cannot be written.
        """
        form = SUFFIXES.get(Path(path).suffix.lower())
        if form is None:
            raise UsageError(
                f"cannot write a report as {Path(path).name!r}.",
                hint=f"Use a name that ends in {', '.join(SUFFIXES)}.",
            )
        written = self.html() if form == "html" else self.markdown()
        with writing(path):
            write_whole(path, written.encode("utf8"))

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, for a notebook."""
        text = self.html().replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{text}" style="width:100%;height:40em;border:0"></iframe>'

    def __repr__(self) -> str:
        """Return what it is about."""
        return f"<Report: {self.page.title}>"


def report(thing: Any, *, name: str | None = None) -> Report:
    """Return a report that one can send: a page, Markdown, or the numbers behind them.

    Parameters
    ----------
    thing : stored thing, path, name, or Runs
        A fit, a recipe, a backtest, a forecast, ...; of runs, what was understood of them.
    name : str, optional
        What it is called in commands. Default: the path or name that was given.

    Raises
    ------
    UsageError
        If it is nothing that is stored.
    """
    known = hasattr(thing, "report") and not isinstance(thing, str)
    called = name if name is not None else getattr(thing, "name", "") if known else str(thing)
    made = thing if known else kinds.load(thing)
    return Report(_of(made, called))


def _of(thing: Any, name: str) -> Page:
    kind = getattr(thing, "kind", thing.report if isinstance(thing, Runs) else "")
    kind = kind if kind in files_of(__name__) else "_any"
    return importlib.import_module(f"{__name__}.{kind}").of(thing, name)


def is_stored(name: str) -> bool:
    """Say whether a name is that of a stored thing; logs and tables of runs are none."""
    if not Path(name).is_file():
        return name in (*kinds.fit_names(), *kinds.recipe_names())
    with Path(name).open("rb") as stream:
        begun = stream.read(200).lstrip()
    return begun.startswith(b"{") and b'"schema_version"' in begun


def quoted(names: list[str]) -> str:
    """Return names as one types them."""
    return shlex.join(names)
