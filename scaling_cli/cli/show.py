"""Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast."""

import importlib
from typing import TYPE_CHECKING, Annotated

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal, result_style

if TYPE_CHECKING:
    from scaling_cli.artefacts._record import Record

EXAMPLE = """
scaling show fit.json
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
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast.

    What it is, is read off the file. With --json the stored object is printed, as a file of this
    version would hold it.
    """
    del debug
    from scaling_cli.artefacts import kinds

    thing = kinds.load(stored)
    Terminal(json=json, quiet=quiet).result(lambda: text(thing), thing.to_dict())


def text(thing: "Record") -> str:
    """Return what is said of a thing by the report of its kind."""
    from scaling_cli.artefacts.batch_fit import BatchFit
    from scaling_cli.artefacts.forecast import Forecasts
    from scaling_cli.artefacts.hparams import Recipe
    from scaling_cli.hparam_fits.answer import report
    from scaling_cli.reports import batch_fit, forecast, recipe

    style = result_style()
    if isinstance(thing, Recipe):
        return recipe.report(report(thing, None, None, level=0.9), written=None, style=style)
    if isinstance(thing, Forecasts):
        return forecast.report(thing.to_dict(), style=style)
    if isinstance(thing, BatchFit):
        nothing_asked = {"targets": [], "losses": [], "warnings": []}
        return batch_fit.report(thing, nothing_asked, written=None, style=style)
    module = importlib.import_module(f"scaling_cli.reports.{thing.kind}")
    return module.report(thing, written=None, style=style)
