"""Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast."""

from typing import Annotated

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

EXAMPLE = """
scaling show fit.json --full
scaling show chinchilla/besiroglu-2024
scaling show forecast.json --json
"""
ORDER = 42


def complete_stored(incomplete: str) -> list[str]:
    """Complete the name of a certified fit or recipe."""
    from scaling_cli.artefacts import kinds

    names = [*kinds.fit_names(), *kinds.recipe_names()]
    return [name for name in names if name.startswith(incomplete)]


Stored = Annotated[
    str,
    typer.Argument(
        metavar="FILE|NAME",
        help="A file that any command wrote with -o, a certified fit, or a certified recipe.",
        show_default=False,
        autocompletion=complete_stored,
    ),
]


def show(
    *,
    stored: Stored,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast.

    What it is, is read off the file. With --json the stored object is printed, as a file of this
    version would hold it.
    """
    del debug
    from scaling_cli import reports
    from scaling_cli.artefacts import kinds

    thing = kinds.load(stored)
    terminal = Terminal(json=json, quiet=quiet)
    terminal.result(lambda: reports.blocks(thing, full=full), thing.to_dict())
