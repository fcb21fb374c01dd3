"""Report: one page to send, with the answer, figures, doubts, every number and its origin."""

from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write

if TYPE_CHECKING:
    from scaling_cli.reports.page import Report

EXAMPLE = """
scaling report fit.json -o report.html
scaling report fit.json --format md >> "$GITHUB_STEP_SUMMARY"
scaling report backtest.json --json
scaling report 'runs/*.csv' -o runs.html
"""
ORDER = 46
SUFFIXES = (".html", ".htm", ".md")


@dataclass(frozen=True)
class Wanted:
    """What is reported on, and in which form."""

    sources: list[str] = options.argument(
        "FILE|NAME|SRC...",
        "A file that any command wrote with -o, a certified fit or recipe; or runs, of which "
        "nothing is fitted.",
        default=MISSING,
        complete=options.complete(options.FITS, options.RECIPES),
    )
    output: str | None = options.output(
        "A .html or .md file. Default: report.html; with --format md or --json, none."
    )
    form: str | None = options.option(
        "html|md", "Which form; md without -o goes to standard output.", "--format"
    )


@options.command
def report(wanted: Wanted, reading: options.Mapped, asking: options.Asking) -> None:
    """Write one page that says everything: the answer, figures, doubts, every number's origin.

    The HTML page needs no network and no server; a fit of points can be asked for other runs on
    it. Markdown stays below 60 kB. With --json the numbers behind the page are printed.
    """
    form, path = _form(wanted, asking)
    made = _made(wanted, reading, asking)
    if path is not None:
        write(made.save, path)
        if not asking.json:
            asking.terminal.write(f"{path}\n")
    elif form == "md" and not asking.json:
        asking.terminal.write(made.markdown())
    if asking.json:
        asking.result({**made.to_dict(), "file": path}, list)


def _form(wanted: Wanted, asking: options.Asking) -> tuple[str, str | None]:
    """Return the form and the file.

    Raises
    ------
    UsageError
        If they contradict each other, or the file cannot be written.
    """
    from scaling_cli.vocabulary.errors import UsageError

    path = writable(wanted.output, "a report", SUFFIXES)
    by_name = None if path is None else "md" if path.lower().endswith(".md") else "html"
    form = wanted.form or by_name or "html"
    if form not in ("html", "md"):
        raise UsageError(f"--format must be html or md, not {form!r}.")
    if by_name not in (None, form):
        raise UsageError(f"--format {form} and -o {path} contradict each other.")
    if path is None and form == "html" and not asking.json:
        path = writable("report.html")
    return form, path


def _made(wanted: Wanted, reading: options.Mapped, asking: options.Asking) -> "Report":
    """Return the report on a stored thing, or on the runs that are read.

    Raises
    ------
    UsageError
        If a stored thing is to be read as logs are.
    """
    from scaling_cli.reports import page
    from scaling_cli.vocabulary.errors import UsageError

    names = wanted.sources
    if len(names) == 1 and page.is_stored(names[0]):
        if wrong := asking.typed(reading):
            told = f"{names[0]} is no log: {' and '.join(wrong)} says nothing about it."
            raise UsageError(told, hint="Leave it out.")
        return page.report(names[0])
    return page.report(reading.read(names, asking), name=page.quoted(names))
