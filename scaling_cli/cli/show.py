"""Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast."""

import importlib
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING

from scaling_cli.cli import _options as options
from scaling_cli.reports._style import Style

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


@dataclass(frozen=True)
class Stored:
    """What is shown."""

    stored: str = options.argument(
        "FILE|NAME",
        "A file that any command wrote with -o, a certified fit, or a certified recipe.",
        default=MISSING,
        complete=complete_stored,
    )


@options.command
def show(which: Stored, asking: options.Asking) -> None:
    """Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast.

    What it is, is read off the file. With --json the stored object is printed, as a file of this
    version would hold it.
    """
    from scaling_cli.artefacts import kinds

    thing = kinds.load(which.stored)
    asking.result(thing.to_dict(), lambda style: text(thing, style))


def text(thing: "Record", style: Style) -> str:
    """Return what is said of a thing by the report of its kind."""
    from scaling_cli.artefacts.batch_fit import BatchFit
    from scaling_cli.artefacts.forecast import Forecasts
    from scaling_cli.artefacts.hparams import Recipe
    from scaling_cli.hparam_fits.answer import report
    from scaling_cli.reports import batch_fit, forecast, recipe

    if isinstance(thing, Recipe):
        return recipe.report(report(thing, None, None, level=0.9), written=None, style=style)
    if isinstance(thing, Forecasts):
        return forecast.report(thing.to_dict(), style=style)
    if isinstance(thing, BatchFit):
        nothing_asked = {"targets": [], "losses": [], "warnings": []}
        return batch_fit.report(thing, nothing_asked, written=None, style=style)
    module = importlib.import_module(f"scaling_cli.reports.{thing.kind}")
    return module.report(thing, written=None, style=style)
