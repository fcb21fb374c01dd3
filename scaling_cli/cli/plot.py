"""Draw a figure of a fit: loss and its forecast, residuals, backtest, the surface over N and D."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli import plots
from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefact import Fit
    from scaling_cli.points import Points

EXAMPLE = """
scaling plot fit.json -o loss.png
scaling plot fit.json --kind loss --measured held_out.csv -o forecast.pdf
scaling plot fit.json --kind residuals -o residuals.svg
"""
ORDER = 45
DEFAULT_KIND = "loss"


def complete_kind(incomplete: str) -> list[str]:
    """Complete the name of a figure."""
    return [name for name in plots.names() if name.startswith(incomplete)]


FitFile = Annotated[
    str, typer.Argument(metavar="FIT", help="A fit file.", autocompletion=options.complete_fit)
]
Kind = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=f"Which figure: {', '.join(plots.names())}.",
        autocompletion=complete_kind,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A .png, .svg or .pdf file. Default: KIND.png; with --json, none.",
    ),
]
Measured = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A CSV of runs that were not fitted (params, tokens, loss): drawn beside what the "
        "fit predicts for them.",
    ),
]


def plot(
    *,
    fit: FitFile,
    kind: Kind = DEFAULT_KIND,
    output: Output = None,
    measured: Measured = None,
    level: options.ConfidenceLevel = 0.9,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Draw a figure of a fit: loss and its forecast, residuals, backtest, the surface over N and D.

    What lies beyond the fitted runs is dashed, shaded and has an interval. With --json the
    numbers of the figure are printed.
    """
    del debug
    from scaling_cli import reference

    terminal = Terminal(json=json, quiet=quiet)
    module = plots.get(kind)
    found = reference.resolve(fit)
    held_out = None if measured is None else _measured(measured, found, terminal)
    table = module.table(found, measured=held_out, level=level)
    path = output or (None if json else f"{kind}.png")
    if path is not None:
        plots.save(plots.figure(kind, table), path)
    terminal.result(lambda: f"{path}\n", _record(fit, kind, path, plots.numbers(table)))


def _measured(path: str, fit: "Fit", terminal: Terminal) -> "Points":
    """Read the runs to compare with; a run without a loss is named and not drawn.

    Raises
    ------
    DataError
        If no row states a loss.
    """
    import numpy as np

    from scaling_cli.cli import _inputs
    from scaling_cli.errors import DataError
    from scaling_cli.points import Points

    grid = _inputs.read_points(path, fit.law)
    known = [i for i, value in enumerate(grid.measured) if value is not None]
    if not known:
        raise DataError(
            f"no row states a measured {fit.law.output().column}.",
            file=path,
            hint="Give the runs a loss column, or leave --measured out.",
        )
    for i, row in enumerate(grid.rows):
        if i not in known:
            terminal.say(f"{path}, row {row}: no measured loss, not drawn")
    return Points(
        inputs={symbol: np.array(values)[known] for symbol, values in grid.inputs.items()},
        output=np.array([grid.measured[i] for i in known], float),
        runs=[f"row {grid.rows[i]}" for i in known],
    )


def _record(fit: str, kind: str, path: str | None, numbers: dict[str, Any]) -> dict[str, Any]:
    return {"schema_version": 1, "fit": fit, "kind": kind, "file": path, "numbers": numbers}
