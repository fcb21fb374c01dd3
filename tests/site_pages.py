"""Write the pages of the documentation site: python tests/site_pages.py build/site

The site is docs/*.md, README.md and what the registries say of themselves: a page for every law,
log format, console, check and command. The folder gets the pages and their figures, and beside it
mkdocs.yml with the navigation, which inherits the one of the repository (`make docs`).
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os.path import normpath, relpath
from pathlib import Path
from types import ModuleType
from typing import Any

import command_line
import console_logs
import formats_page
import python_page

import scaling_cli
from scaling_cli import reports
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.cli import _commands
from scaling_cli.forecasting.explanation import LATER_COUNTS
from scaling_cli.ingest import formats
from scaling_cli.ingest._trainers import dialects
from scaling_cli.ingest.dialects._dialect import Dialect
from scaling_cli.point_fits.checklist import ITEMS
from scaling_cli.reports import laws as law_report
from scaling_cli.verbs import laws as catalogue
from scaling_cli.verbs import plot
from scaling_cli.vocabulary.errors import ScalingError

ROOT = Path(__file__).resolve().parents[1]
ASIDE = (".png", ".svg", ".css")  # what goes along with the pages
# Of a law, the first of these that one of its fits can be drawn as.
DRAWN = ("loss", "predicted", "schedules")
SOURCES = (".py", ".json", ".cff", "LICENSE")
EXAMPLE = "chinchilla/ladder"  # the fit that the checks are shown of
LINES = 12  # of a console's log
_LINK = re.compile(r"(\]\()(?!https?://|#)(?P<target>[^)#\s]+(?:#[^)\s]*)?)")
# The first name of a row of an overview: `| `chinchilla` |`, `| R1 | `data.range` |`.
_ROW = re.compile(r"^(\|(?: (?:R\d+)? ?\|)? )`(?P<name>[\w.]+)`", re.MULTILINE)
_RULE = re.compile(r"^R\d+: ")
OVERVIEWS = {"laws.md": "laws", "curves.md": "laws", "checklist.md": "checks", "formats.md": "log"}
BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md")
# What stands where: a page, or a folder of pages that a registry fills.
NAVIGATION = {
    "Start": ("index.md", "tutorial.md", "counting.md", "limits.md", "comparison.md"),
    "How to": ("howto",),
    "Guide": (
        "fitting.md",
        "intervals.md",
        "planning.md",
        "curves.md",
        "batch-and-rate.md",
        "jobs.md",
        "report.md",
        "gallery.md",
        "performance.md",
    ),
    "Laws": ("laws.md", "laws"),
    "Log formats": ("formats.md", "log"),
    "Checks": ("checklist.md", "checks"),
    "Reference": ("commands.md", "commands", "python.md"),
    "Project": ("CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff.md", "examples"),
}


@dataclass(frozen=True)
class Page:
    """A page that a registry gives: where it lies, its text, and the fit and kind of its figure."""

    place: str
    text: str
    figure: tuple[str, str] | None = None

    @property
    def title(self) -> str:
        """What the navigation calls it: its first heading, without marks."""
        return self.text.partition("\n")[0].strip("#` ")


def generated(*, figures: bool) -> list[Page]:
    """Return a page for every member of a registry, and the reference of Python."""
    records = catalogue.laws().to_dict()
    every = [law for group in ("laws", "curve_laws", "learning_curves") for law in records[group]]
    commands = [Page(f"commands/{'-'.join(path)}.md", _command(path)) for path in _paths()]
    return [
        *(law(record, figures=figures) for record in every),
        *_checks(),
        *(Page(f"log/{name}.md", _format(name, module)) for name, module in formats().items()),
        *(Page(f"log/{d.names[0]}.md", _console(d)) for d in dialects()),
        *commands,
        Page("commands.md", _index(commands)),
        Page("python.md", _python()),
    ]


def law(record: Mapping[str, Any], *, figures: bool) -> Page:
    """Return the page of a law: formula, figure, what it declares, its fits, its source."""
    name, fits = record["name"], record["fits"]
    drawn = next((pair for fit in fits for pair in _drawable(fit)), None) if figures else None
    tables = [table for table in law_report.law(record)[1:4] if getattr(table, "rows", ())]
    source, bibtex = record["reference"], record["bibtex"].strip()
    equation = law_report.equation(record["formula"])
    parts = [
        f"# {name}",
        _fenced("text", equation),
        record["formula"].removeprefix(equation).strip(". "),
        record["notes"],
        _caption(name, drawn) if drawn else "",
        reports.markdown(tables),
        _fits(fits),
        f"**source**\n\n{source}" if source else "",
        _fenced("bibtex", bibtex) if bibtex else "",
    ]
    return Page(f"laws/{name}.md", _joined(parts), drawn)


def _drawable(name: str) -> Iterator[tuple[str, str]]:
    """Yield the figures that a certified fit can be drawn as with what is shipped."""
    for kind in DRAWN:
        try:
            plot.plot(name, kind)
        except ScalingError:
            continue
        yield name, kind


def _caption(name: str, drawn: tuple[str, str]) -> str:
    fit, kind = drawn
    command = f"scaling plot {fit} --kind {kind}"
    return f"![{fit}, drawn as {kind}]({name}.png)\n\n`{command}` draws this figure."


def _fits(names: list[str]) -> str:
    """Return the table of a law's certified fits, and the command that reproduces them."""
    if not names:
        return "**certified fits**\n\nnone"
    rows = "".join(map(_fit, names))
    head = "**certified fits**\n\n| fit | parameters | source | certainty |\n|---|---|---|---|\n"
    check = _fenced("console", "\n".join(f"$ scaling check {name}" for name in names))
    return f"{head}{rows}\nWhere its data are shipped or fetched a fit is reproduced by\n\n{check}"


def _fit(name: str) -> str:
    fit = kinds.load(name)
    members = [fit] if isinstance(fit, Fit) else getattr(fit, "members", ())
    values = members[0].law.values() if len(members) == 1 else {}
    numbers = ", ".join(f"{symbol} = {value:.4g}" for symbol, value in values.items())
    return _row(f"`{name}`", numbers, fit.origin.get("source", ""), fit.origin.get("certainty", ""))


def _checks() -> Iterator[Page]:
    """Yield a page for every line of the checklist, with what it says of a shipped fit."""
    said = {check.code: check for check in kinds.load(EXAMPLE, Fit).checks}
    for item in ITEMS:
        touched = ", ".join(touch.value for touch in item.touches)
        check = said.get(item.code)
        parts = [
            f"# {item.code}",
            f"**{_sentence(item.asks)}**",
            f"It looks at: {_RULE.sub('', item.judge.__doc__ or '')}",
            f"A warning is repeated by answers about: {touched}." if touched else "",
            f"Of `{EXAMPLE}` it says ({check.level.value}):\n\n> {check.message}" if check else "",
            "All lines, and how often each warned where a forecast came true: "
            "[the checklist](../checklist.md).",
        ]
        yield Page(f"checks/{item.code}.md", _joined(parts))


def _format(name: str, module: ModuleType) -> str:
    """Return the page of a log format: which files, what is known of them, what becomes of them."""
    given = [n for n in module.NAMES if n != name]
    parts = [
        f"# {name}",
        (module.__doc__ or "").strip(),
        f"Files: {module.LOOKED_FOR}.",
        f"Such as: {formats_page.SUCH_AS[name]}." if name in formats_page.SUCH_AS else "",
        f"Where a run was resumed: {getattr(module, 'RESUMED', LATER_COUNTS)}.",
        "Files are recognised by their content; where guessing fails, say so:",
        _fenced("console", "\n".join(f"$ scaling runs SRC --format {n}" for n in (name, *given))),
        "All formats and the names of columns: [formats](../formats.md).",
    ]
    return _joined(parts)


def _console(dialect: Dialect) -> str:
    """Return the page of a console: whose it is, lines that it prints, what is read of them."""
    texts = [log.text for log in console_logs.LOGS.values()]
    texts += [console_logs.NANOGPT, console_logs.LLM_C, console_logs.PRINTED, console_logs.MODDED]
    parts = [f"# {', '.join(dialect.names)}", _module_of(dialect)]
    for text in texts:
        rows = [row for row in formats_page.heard(text.encode()).rows if row.dialect is dialect]
        if rows:
            read = sorted({column for row in rows for column in row.numbers})
            shown = "\n".join(line.rstrip() for line in text.splitlines()[:LINES])
            parts += [_fenced("text", shown), f"is read as {', '.join(f'`{c}`' for c in read)}."]
    parts.append("Other consoles, and your own by `--pattern`: [formats](../formats.md).")
    return _joined(parts)


def _module_of(dialect: Dialect) -> str:
    """Return what the file of a dialect says of it."""
    every = (sys.modules[name] for name in sorted(sys.modules) if ".dialects." in name)
    own = next(module for module in every if getattr(module, "DIALECT", None) is dialect)
    return (own.__doc__ or "").strip()


def _paths() -> list[tuple[str, ...]]:
    """Return the path of every command, parts of commands included."""
    paths: list[tuple[str, ...]] = []
    for name in _commands.in_order():
        parts = getattr(_commands.get(name), "commands", {})
        paths += [(name,), *((name, part) for part in parts)]
    return paths


def _command(path: tuple[str, ...]) -> str:
    """Return the page of a command: what `--help` prints."""
    help_text = command_line.run(*path, "--help").output.strip()
    return _joined([f"# scaling {' '.join(path)}", _fenced("text", help_text)])


def _index(commands: list[Page]) -> str:
    """Return the list of all commands, each with what it does."""
    rows = []
    for page in commands:
        does = page.text.split("\n\n")[2].strip()
        rows.append(_row(f"[{page.title}]({page.place})", " ".join(does.split())))
    head = "Written from what `--help` says.\n\n| command | does |\n|---|---|\n"
    return _joined(["# Commands", head + "".join(rows)])


def _python() -> str:
    """Return the reference of Python: what docs/python.md tells, from the sources."""
    sections: dict[str, list[str]] = {title: [] for title in python_page.SECTIONS}
    for name in dir(scaling_cli):
        value = getattr(scaling_cli, name)
        if not isinstance(value, str):
            member = python_page.verb(name, value)
            place = f"::: {member.__module__}.{member.__qualname__}"
            named = f"      heading: sc.{name}\n      toc_label: sc.{name}"
            sections[python_page.section(value)].append(f"{place}\n    options:\n{named}")
    told = [f"## {title}\n\n" + "\n\n".join(members) for title, members in sections.items()]
    return _joined([python_page.HEAD.replace(" by `python tests/python_page.py`", ""), *told])


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def written(made: set[str]) -> list[Page]:
    """Return the pages that lie in the repository, with their links turned to the site's.

    What is `made` from a registry goes before a page of the same name.
    """
    names = ["README.md", *BESIDE]
    names += [str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md"))]
    return [_moved(name, made) for name in names if _place(name) not in made]


def _moved(name: str, made: set[str]) -> Page:
    """Return a page of the repository where the site has it."""
    place, text = _place(name), (ROOT / name).read_text(encoding="utf8")

    def turned(link: re.Match[str]) -> str:
        target, _, anchor = link["target"].partition("#")
        to = relpath(_place(normpath((Path(name).parent / target).as_posix())), Path(place).parent)
        return f"{link[1]}{to}{'#' + anchor if anchor else ''}"

    def linked(row: re.Match[str]) -> str:
        to = f"{OVERVIEWS[place]}/{row['name']}.md"
        return f"{row[1]}[`{row['name']}`]({to})" if to in made else row[0]

    text = _LINK.sub(turned, text)
    return Page(place, _ROW.sub(linked, text) if place in OVERVIEWS else text)


def _place(name: str) -> str:
    """Return where the site has a file of the repository; a source stands as a page of code."""
    if name.endswith(SOURCES):
        return f"{name}.md"
    return "index.md" if name == "README.md" else name.removeprefix("docs/")


def links(page: Page) -> set[str]:
    """Return the places that a page links to, without anchors."""
    targets = (link["target"].partition("#")[0] for link in _LINK.finditer(page.text))
    return {normpath((Path(page.place).parent / target).as_posix()) for target in targets}


def sources(pages: list[Page]) -> Iterator[Page]:
    """Yield the sources that pages link to, as pages of code."""
    for target in sorted({target for page in pages for target in links(page)}):
        source = ROOT / target.removesuffix(".md")
        if target.endswith(tuple(f"{end}.md" for end in SOURCES)) and source.is_file():
            told = _fenced(source.suffix[1:].replace("py", "python"), source.read_text("utf8"))
            yield Page(target, _joined([f"# {target.removesuffix('.md')}", told]))


def pages(*, figures: bool = True) -> list[Page]:
    """Return every page of the site."""
    made = generated(figures=figures)
    told = [*written({page.place for page in made}), *made]
    return [*told, *sources(told)]


def navigation(every: list[Page]) -> str:
    """Return mkdocs.yml beside the pages: what stands where; registries list themselves."""
    lines = [f"INHERIT: {ROOT / 'mkdocs.yml'}", "docs_dir: pages", "site_dir: html", "nav:"]
    for title, entries in NAVIGATION.items():
        lines.append(f"  - {title}:")
        for entry in entries:
            own = [
                page for page in every if page.place == entry or page.place.startswith(f"{entry}/")
            ]
            lines += [f'      - "{page.title}": {page.place}' for page in own]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write the site's pages, pictures and navigation."""
    every = pages()
    for page in every:
        target = folder / "pages" / page.place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page.text, encoding="utf8")
        if page.figure:
            plot.plot(*page.figure).save(target.with_suffix(".png"))
    for picture in (p for p in (ROOT / "docs").rglob("*") if p.suffix in ASIDE):
        target = folder / "pages" / picture.relative_to(ROOT / "docs")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.read_bytes())
    (folder / "mkdocs.yml").write_text(navigation(every), encoding="utf8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
