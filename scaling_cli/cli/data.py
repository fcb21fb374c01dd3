"""List the data sets that have a card, or fetch one and check its hash."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._registry import CONTEXT, Command
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.datasets import Card, Fetched

EXAMPLE = """
scaling data list
scaling data fetch chinchilla_epoch -o chinchilla.csv
"""
ORDER = 70

app = typer.Typer(
    name="data",
    help=__doc__,
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
    epilog="\b\nExample:\n  scaling data list\n  scaling data fetch NAME -o runs.csv",
)


@app.command(
    "list", cls=Command, context_settings=CONTEXT, epilog="\b\nExample:\n  scaling data list --json"
)
def list_cards(
    json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False
) -> None:
    """List the data sets: what they are, whose, under which licence, and their columns."""
    del debug
    from scaling_cli import datasets
    from scaling_cli.reports import data as data_report

    found = [describe(card) for card in datasets.cards()]
    Terminal(json=json, quiet=quiet).result(
        lambda: data_report.blocks(found),
        {"datasets": found},
    )


@app.command(
    "fetch",
    cls=Command,
    context_settings=CONTEXT,
    epilog="\b\nExample:\n  scaling data fetch chinchilla_epoch --mirror ~/mirror -o runs.csv",
)
def fetch(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of 'scaling data list'.")],
    mirror: options.Mirror = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Copy the table there; - for standard output."
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fetch a data set into the cache, check its SHA-256, and make its table of runs."""
    del debug
    from scaling_cli import datasets
    from scaling_cli.reports import data as data_report

    terminal = Terminal(json=json, quiet=quiet)
    with terminal.status(f"fetching {name}"):
        fetched = datasets.fetch(name, mirror=mirror)
    if output == "-" and not json:
        terminal.write(fetched.path.read_text(encoding="utf8"))
        return
    place = fetched.path if output in (None, "-") else _copy(fetched.path, Path(output))
    record = describe_fetched(fetched, place)
    terminal.result(lambda: data_report.fetched(record), record)


def describe(card: "Card") -> dict[str, Any]:
    """Return a card as JSON."""
    return {
        "name": card.name,
        "title": card.title,
        "licence": card.licence,
        "citation": card.citation,
        "shipped": card.is_shipped,
        "source": None if card.is_shipped else str(card.source.folder),
        "files": [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in card.files],
        "columns": [
            {"name": c.name, "unit": c.unit, "convention": c.convention} for c in card.columns
        ],
        "notes": list(card.notes),
    }


def describe_fetched(fetched: "Fetched", place: Path) -> dict[str, Any]:
    """Return what `scaling data fetch --json` prints."""
    return {
        **describe(fetched.card),
        "rows": fetched.table.num_rows,
        "table": str(place),
        "local_files": {name: str(path) for name, path in fetched.files.items()},
    }


def _copy(source: Path, target: Path) -> Path:
    import shutil

    from scaling_cli.vocabulary.errors import UsageError

    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}.") from error
    return target
