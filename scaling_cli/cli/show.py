"""Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast."""

from dataclasses import MISSING, dataclass

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling show fit.json --full
scaling show chinchilla/besiroglu-2024
scaling show forecast.json --json
"""
ORDER = 42


@dataclass(frozen=True)
class Stored:
    """What is shown."""

    stored: str = options.argument(
        "FILE|NAME",
        "A file that any command wrote with -o, a certified fit, or a certified recipe.",
        default=MISSING,
        complete=options.complete(options.FITS, options.RECIPES),
    )


@options.command
def show(which: Stored, asking: options.Telling) -> None:
    """Print a stored thing of any kind again: a fit, a recipe, a backtest, a forecast.

    What it is, is read off the file. With --json the stored object is printed, as a file of this
    version would hold it.
    """
    from scaling_cli.artefacts import kinds

    asking.tell(kinds.load(which.stored))
