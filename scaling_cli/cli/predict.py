"""Predict the loss, with an interval, at points or along learning-rate schedules."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli import _predict_curves
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.artefacts._prediction import Prediction
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.cli._inputs import Grid
    from scaling_cli.reports._blocks import Block

EXAMPLE = """
scaling predict --params 7B --tokens 1T
scaling predict --fit fit.json --params 1B,7B --compute 1e23
scaling predict --fit fit.json --points held_out.csv
scaling predict --fit curves.json --schedule constant:peak=3e-4,steps=24000 \\
  --schedule wsd:peak=3e-4,stable=0.8,steps=24000 -o compared.png
"""
ORDER = 40
DEFAULT_FILE = "fit.json"
DEFAULT_NAME = "chinchilla/besiroglu-2024"


Params = Annotated[
    list[str] | None,
    typer.Option(metavar="N", help="Model parameters: 7B; 1B,7B or repeated for a grid."),
]
Tokens = Annotated[list[str] | None, typer.Option(metavar="D", help="Training tokens: 1T.")]
Compute = Annotated[
    list[str] | None,
    typer.Option(
        metavar="C",
        help="Training FLOP: 1e24. With N or D it gives the other by C = 6ND; alone, the law's "
        "own optimum.",
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", metavar="NAME=VALUE", help="Any input of another law: --input N_avg=3e8."
    ),
]
PointsFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A CSV with the law's inputs (params,tokens or N,D); a loss column is compared.",
    ),
]
Schedules = Annotated[
    list[str] | None,
    typer.Option(
        "--schedule",
        metavar="TEXT",
        help="With a fit of loss curves: predict along this schedule; repeat it to compare.",
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(metavar="S,S,...", help="With --schedule: values at these steps too."),
]
Every = Annotated[
    int | None, typer.Option(metavar="STEPS", help="With --schedule: a value every so many steps.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="With --schedule: the whole curves as .csv, or drawn as .png, .svg or .pdf.",
    ),
]


def predict(
    *,
    context: typer.Context,
    fit: options.FitName = None,
    params: Params = None,
    tokens: Tokens = None,
    compute: Compute = None,
    inputs: Inputs = None,
    points: PointsFile = None,
    schedules: Schedules = None,
    steps: Steps = None,
    every: Every = None,
    output: Output = None,
    level: options.ConfidenceLevel = 0.9,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Predict the loss, with an interval, at points or along learning-rate schedules.

    Two intervals are given: where the law's curve lies, and where one more run would land.
    Points beyond the data of the fit are marked with the factor by which they are. Along
    schedules, a fit of loss curves gives the end of each and its difference from the first.
    """
    del debug, steps, every, output
    terminal = Terminal(json=json, quiet=quiet)
    if _predict_curves.applies(context, schedules):
        _predict_curves.predict(context, terminal)
        return
    name, found = _resolve(fit, terminal)
    given = {"params": params, "tokens": tokens, "compute": compute, "input": inputs}
    grid = _grid(found, given, points)
    _echo(grid, terminal)
    prediction = found.predict(level=level, **grid.inputs)

    def render() -> "list[Block]":
        from scaling_cli.reports import prediction as prediction_report

        return prediction_report.blocks(prediction, full=full, fit=found, measured=grid.measured)

    terminal.result(render, _record(name, found, prediction, grid))


def _resolve(name: str | None, terminal: Terminal) -> "tuple[str, Fit]":
    """Return the fit that was named, or the default one after saying which that is."""
    from pathlib import Path

    from scaling_cli.artefacts import kinds
    from scaling_cli.artefacts.fit import Fit

    if name is None and Path(DEFAULT_FILE).is_file():
        terminal.say(f"fit: ./{DEFAULT_FILE}")
        name = DEFAULT_FILE
    elif name is None:
        terminal.say(
            f"fit: certified {DEFAULT_NAME}, because there is no ./{DEFAULT_FILE} here "
            "(--fit chooses another)"
        )
        name = DEFAULT_NAME
    return name, kinds.load(name, Fit)


def _grid(fit: "Fit", given: dict[str, list[str] | None], points: str | None) -> "Grid":
    from scaling_cli.cli import _inputs
    from scaling_cli.vocabulary.errors import UsageError
    from scaling_cli.vocabulary.quantities import C, D, N

    if points is None:
        return _inputs.grid(
            fit.law,
            params=_inputs.read_list(given["params"], N),
            tokens=_inputs.read_list(given["tokens"], D),
            compute=_inputs.read_list(given["compute"], C),
            others=_inputs.read_others(given["input"], fit.law),
        )
    typed = [f"--{option}" for option, values in given.items() if values]
    if typed:
        raise UsageError(
            f"--points and {' and '.join(typed)} were both given.",
            hint="A file of points holds all inputs; leave the others out.",
        )
    return _inputs.read_points(points, fit.law)


def _echo(grid: "Grid", terminal: Terminal) -> None:
    """Say once how every quantity was read."""
    from scaling_cli.reports import _numbers

    for symbol, values in grid.given.items():
        terminal.say(_numbers.echo(symbol, values))
    for note in grid.notes:
        terminal.say(note)
    if grid.rows:
        terminal.say(f"{_numbers.count(len(grid.rows), 'point')} read")


def _record(name: str, fit: "Fit", prediction: "Prediction", grid: "Grid") -> dict[str, Any]:
    from scaling_cli import laws
    from scaling_cli.reports import prediction as rendering

    records = prediction.to_dicts()
    widths = rendering.half_widths(prediction)
    for i, record in enumerate(records):
        record["half_width"] = None if widths is None else widths[i]
        record["useful"] = None if widths is None else widths[i] <= rendering.USEFUL
        measured = grid.measured[i] if grid.measured else None
        if measured is not None:
            record["measured"] = measured
            record["error"] = rendering.error(prediction, i, measured)
            record["inside"] = rendering.is_inside(prediction, i, measured)
    return {
        "fit": name,
        "law": laws.name_of(fit.law),
        "tested": None if fit.uncertainty is None else fit.uncertainty.tested,
        "method": None if fit.uncertainty is None else fit.uncertainty.method,
        "drift": None if fit.uncertainty is None else fit.uncertainty.drift,
        "backtests": (fit.backtest or {}).get("cuts") or [],
        "warnings": [] if widths is None else rendering.doubts(fit, prediction),
        "predictions": records,
    }
