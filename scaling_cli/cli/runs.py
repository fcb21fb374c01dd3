"""Show what was understood: runs, ranges, columns with unit and convention, problems."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaling_cli.cli import _options as options
from scaling_cli.plots import SUFFIXES

if TYPE_CHECKING:
    from scaling_cli.forecasting.explanation import Explanation

EXAMPLE = """
scaling runs runs/*.csv
scaling runs logs/ --name '{params}_{tokens}' --map loss=eval/c4
scaling runs logs/ --explain run-7 --plot run-7.png
scaling runs store/ --export points.parquet
"""
ORDER = 20
EXPORTS = (".parquet", ".csv")


@dataclass(frozen=True)
class Explaining:
    """Which curve is explained, and where what is shown goes."""

    explain: str | None = options.option(
        "RUN", "What was done to this run: what of its log counts, and what each fit uses."
    )
    target: str | None = options.option("COLUMN", "With --explain: its loss, if there are several.")
    plot: str | None = options.option(
        "FILE", "With --explain: a figure of it, as .png, .svg or .pdf."
    )
    export: str | None = options.option(
        "FILE",
        "Write the points that count, with the facts of their runs, to a .parquet (units in the "
        "metadata) or .csv file, and a row for each run beside it.",
    )


@options.command
def runs(
    given: options.Sources,
    explaining: Explaining,
    reading: options.Reading,
    asking: options.Telling,
) -> None:
    """Show what was understood: runs, ranges, columns with unit and convention, problems.

    Nothing is fitted and no log is changed: look here before you fit.
    """
    from dataclasses import replace

    from scaling_cli.cli._output import writable
    from scaling_cli.runs.change import missing
    from scaling_cli.vocabulary.errors import UsageError

    if explaining.explain is None and (explaining.plot or explaining.target):
        raise UsageError("--plot and --target are for one run.", hint="Name it: --explain RUN.")
    writable(explaining.plot, "a figure", SUFFIXES)
    writable(explaining.export, "points", EXPORTS)
    read = reading.read(given.sources, asking)
    if explaining.export is not None:
        from scaling_cli.runs.exported import export

        asking.terminal.say(", ".join(map(str, export(read, explaining.export))))
    if explaining.explain is not None:
        from scaling_cli.forecasting.explanation import explain

        told = explain(read, explaining.explain, target=explaining.target)
        _draw(told, explaining.plot, asking)
        asking.tell(told)
        return
    asking.tell(replace(read, notes=[*read.notes, *missing(read.sources)]))


def _draw(told: "Explanation", path: str | None, asking: options.Asking) -> None:
    """Draw the curve with what was done to it."""
    if path is None:
        return
    from scaling_cli import plots
    from scaling_cli.plots import _explained

    plots.save(plots.drawn(_explained, _explained.table(told)), path)
    asking.terminal.say(path)
