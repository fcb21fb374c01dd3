"""List the data sets that have a card, or fetch one and check its hash."""

import shutil
from dataclasses import MISSING, dataclass
from pathlib import Path

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._output import write
from scaling_cli.cli._registry import CONTEXT, Command

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


@dataclass(frozen=True)
class Fetching:
    """What is fetched, and where its table goes."""

    name: str = options.argument("NAME", "A data set of 'scaling data list'.", default=MISSING)
    mirror: str | None = options.mirror()
    output: str | None = options.output("Copy the table there; - for standard output.")


@app.command(
    "list", cls=Command, context_settings=CONTEXT, epilog="\b\nExample:\n  scaling data list --json"
)
@options.command
def list_cards(asking: options.Asking) -> None:
    """List the data sets: what they are, whose, under which licence, and their columns."""
    from scaling_cli import datasets
    from scaling_cli.reports import data as data_report

    cards = [card.to_dict() for card in datasets.cards()]
    record = {"datasets": cards}
    asking.result(record, lambda: data_report.blocks(cards))


@app.command(
    "fetch",
    cls=Command,
    context_settings=CONTEXT,
    epilog="\b\nExample:\n  scaling data fetch chinchilla_epoch --mirror ~/mirror -o runs.csv",
)
@options.command
def fetch(fetching: Fetching, asking: options.Asking) -> None:
    """Fetch a data set into the cache, check its SHA-256, and make its table of runs."""
    from scaling_cli import datasets
    from scaling_cli.reports import data as data_report

    with asking.terminal.status(f"fetching {fetching.name}"):
        fetched = datasets.fetch(fetching.name, mirror=fetching.mirror)
    if fetching.output == "-" and not asking.json:
        asking.terminal.write(fetched.path.read_text(encoding="utf8"))
        return
    copy = None if fetching.output in (None, "-") else fetching.output
    write(lambda path: shutil.copyfile(fetched.path, path), copy)
    record = fetched.to_dict(None if copy is None else Path(copy))
    asking.result(record, lambda: data_report.fetched(record))
