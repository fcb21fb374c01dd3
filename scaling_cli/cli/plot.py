"""Draw a figure of a fit: loss and its forecast, residuals, backtest, the surface over N and D."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from scaling_cli import plots
from scaling_cli.cli import _options as options
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.runs.curve import Curve
    from scaling_cli.runs.points import Points

F = TypeVar("F", "CurveFit", "Fit")
EXAMPLE = """
scaling plot fit.json -o loss.png
scaling plot fit.json --kind loss --measured held_out.csv -o forecast.pdf
scaling plot fit.json --kind residuals -o residuals.svg
scaling plot curves.json --kind curves --measured 'logs/*.csv' -o curves.pdf
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
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Runs that were not fitted, drawn beside what the fit predicts for them: a CSV "
        "(params, tokens, loss); logs of loss curves, repeated, for curves and schedules.",
    ),
]


def plot(
    *,
    context: typer.Context,
    fit: FitFile,
    kind: Kind = DEFAULT_KIND,
    output: Output = None,
    measured: Measured = None,
    schedules: options.RunSchedules = None,
    meta: options.Meta = None,
    mapped: options.Map = None,
    level: options.ConfidenceLevel = 0.9,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Draw a figure of a fit: loss and its forecast, residuals, backtest, the surface over N and D.

    For a fit of loss curves: curves (predicted against measured) or schedules (compared).

    What lies beyond the fitted runs is dashed, shaded and has an interval. With --json the
    numbers of the figure are printed.
    """
    del debug, measured, schedules, meta, mapped
    terminal = Terminal(json=json, quiet=quiet)
    module = plots.get(kind)
    found, held_out = (_curves if plots.of_curves(kind) else _points)(context, terminal)
    table = module.table(found, measured=held_out, level=level)
    path = output or (None if json else f"{kind}.png")
    if path is not None:
        plots.save(plots.figure(kind, table), path)
    if not terminal.json:
        terminal.write(f"{path}\n")
        return
    terminal.result(list, _record(fit, kind, path, plots.numbers(table)))


def _points(context: typer.Context, terminal: Terminal) -> "tuple[Fit, Points | None]":
    """Return a fit of a law of points, and the points to compare with.

    Raises
    ------
    UsageError
        If options of loss curves were typed, or several files.
    """
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.vocabulary.errors import UsageError

    chosen = context.params
    wrong = options.given(context, ["schedules", "meta", "mapped"])
    if wrong:
        raise UsageError(
            f"{' and '.join(wrong)} is for figures of loss curves, not for {chosen['kind']}."
        )
    found, files = _drawn(chosen, Fit), chosen["measured"] or []
    if len(files) > 1:
        raise UsageError("--measured takes one file of points; give it once.")
    return found, _measured(files[0], found, terminal) if files else None


def _curves(context: typer.Context, terminal: Terminal) -> "tuple[CurveFit, list[Curve] | None]":
    """Return a fit of loss curves, and the curves to compare with."""
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.cli._fit_curves import schedules_of
    from scaling_cli.cli._reading import read

    chosen = context.params
    found, files = _drawn(chosen, CurveFit), chosen["measured"]
    if not files:
        return found, None
    from scaling_cli.runs.curves import curves_of

    runs = read(
        files,
        terminal,
        mapped=chosen["mapped"],
        constants=None,
        meta=chosen["meta"],
        name=None,
        format=None,
    )
    by_run, otherwise = schedules_of(chosen["schedules"])
    curves, left = curves_of(
        runs, target=found.selection.get("target"), schedules=by_run, otherwise=otherwise
    )
    for item in left:
        terminal.say(f"{item.run}: {item.reason}, not drawn")
    return found, curves


def _drawn(chosen: dict[str, Any], wanted: "type[F]") -> "F":
    """Return what is to be drawn.

    Raises
    ------
    UsageError
        If the figure does not draw things of its kind; those that do are named.
    """
    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.curve_fit import CurveFit
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.vocabulary.errors import UsageError

    thing = kinds.load(chosen["fit"])
    if isinstance(thing, wanted):
        return thing
    curves = isinstance(thing, CurveFit)
    figures = [name for name in plots.names() if plots.of_curves(name) == curves]
    other = f"take --kind {' or '.join(figures)}"
    if not isinstance(thing, CurveFit | Fit):
        other = f"use it with '{thing.use.replace('FILE', chosen['fit'])}'"
    raise UsageError(
        f"{chosen['fit']} is {thing.what}, which the figure {chosen['kind']} does not draw: "
        f"{other}."
    )


def _measured(path: str, fit: "Fit", terminal: Terminal) -> "Points":
    """Read the runs to compare with; a run without a loss is named and not drawn.

    Raises
    ------
    DataError
        If no row states a loss.
    """
    import numpy as np

    from scaling_cli.cli import _inputs
    from scaling_cli.runs.points import Points
    from scaling_cli.vocabulary.errors import DataError

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
    return {"fit": fit, "kind": kind, "file": path, "numbers": numbers}
