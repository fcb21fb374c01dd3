"""Hold the largest runs back, refit, forecast them, and say how good the forecasts were."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaling_cli.cli import _cache
from scaling_cli.cli import _options as options
from scaling_cli.cli._output import writable, write
from scaling_cli.plots import SUFFIXES

if TYPE_CHECKING:
    from scaling_cli.artefacts.backtest import Backtest

EXAMPLE = """
scaling backtest runs/*.csv
scaling backtest runs.csv --law kaplan_nd --on params --cuts 100M,1B
scaling backtest runs.csv --cuts rolling -o backtest.png
"""
ORDER = 35
RECORD = ".json"


@dataclass(frozen=True)
class Holding:
    """What is held back, and where the result goes."""

    on: str = options.option(
        "compute|params|tokens",
        "What is large: the axis along which runs are held back.",
        default="compute",
    )
    cuts: str | None = options.option(
        "CUTS",
        "A number of cuts; the largest values to fit (1e20,1e21); or rolling: each level "
        "forecast from all below it. Default: the cuts that every fit is tested by.",
    )
    bootstrap: int | None = options.option("N", "As for fit, but nothing here depends on it.")
    output: str | None = options.output(
        "Draw the errors (.png, .svg, .pdf), or write the numbers (.json).", name="--plot"
    )


@options.command
def backtest(
    *,
    given: options.Sources,
    fitting: options.Fitting,
    points: options.OfPoints,
    holding: Holding,
    reading: options.Reading,
    asking: options.Telling,
) -> None:
    """Hold the largest runs back, refit, forecast them, and say how good the forecasts were.

    Every cut is treated as if its runs were all there is: what is scored is the interval that
    'scaling predict' would have printed of a fit to those runs alone.
    If no cut leaves enough to fit, the exit code is 4.
    """
    path = writable(holding.output, "a backtest", (*SUFFIXES, RECORD))
    from scaling_cli.verbs.fit import DEFAULT

    law = fitting.law or DEFAULT
    asked = {**vars(fitting), **points.asked(asking), "law": law}
    if holding.bootstrap is not None:
        asking.terminal.say("--bootstrap: nothing in a backtest depends on it")
    _cache.enable()
    from scaling_cli.point_fits.cuts import read_cuts

    on = holding.on
    cuts = None if holding.cuts is None else read_cuts(holding.cuts, law, on)
    runs = reading.read(given.sources, asking)
    points.announce(asking)
    with asking.terminal.status(f"backtest of {law} along {on}"):
        from scaling_cli.point_fits import backtesting

        tested = backtesting.backtest(runs, on=on, cuts=cuts, command=asking.command, **asked)
    write(lambda path: _write(tested, path), path)
    asking.tell(tested, sources=given.sources, written=path)


def _write(tested: "Backtest", path: str) -> None:
    """Draw the figure or write the numbers."""
    from scaling_cli import plots

    if path.lower().endswith(RECORD):
        tested.to_json(path)
    else:
        plots.save(plots.figure("backtest", plots.get("backtest").table(tested)), path)
