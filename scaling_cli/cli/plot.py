"""Draw a figure of a fit: loss and its forecast, residuals, backtest, the surface over N and D."""

from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any

from scaling_cli import plots
from scaling_cli.cli import _options as options

if TYPE_CHECKING:
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.runs.points import Points

EXAMPLE = """
scaling plot fit.json -o loss.png
scaling plot fit.json --kind loss --measured held_out.csv -o forecast.pdf
scaling plot fit.json --kind residuals -o residuals.svg
scaling plot curves.json --kind curves --measured 'logs/*.csv' -o curves.pdf
"""
ORDER = 45


@dataclass(frozen=True)
class Drawing:
    """Which figure, of what, and where it goes."""

    fit: str = options.argument(
        "FIT",
        "A fit file, or that of a backtest.",
        default=MISSING,
        complete=options.complete(options.FITS),
    )
    kind: str = options.option(
        "NAME",
        f"Which figure: {', '.join(plots.names())}.",
        default="loss",
        complete=options.complete("plots.names"),
    )
    output: str | None = options.output(
        "A .png, .svg or .pdf file, or .csv for its numbers. Default: KIND.png; with --json, none."
    )
    measured: list[str] | None = options.option(
        "FILE",
        "Runs that were not fitted, drawn beside what the fit predicts for them: a CSV "
        "(params, tokens, loss); logs of loss curves, repeated, for curves and schedules.",
    )
    level: float = options.level()


@dataclass(frozen=True)
class Logs(options.Mapped):
    """How logs of loss curves are read."""

    schedules: list[str] | None = options.run_schedules()


@options.command
def plot(drawing: Drawing, logs: Logs, asking: options.Asking) -> None:
    """Draw a figure of a fit: loss and its forecast, residuals, backtest, the surface over N and D.

    For a fit of loss curves: curves (predicted against measured) or schedules (compared).

    What lies beyond the fitted runs is dashed, shaded and has an interval. With --json the
    numbers of the figure are printed.
    """
    from scaling_cli.verbs import plot as verb
    from scaling_cli.vocabulary.errors import UsageError

    along = "curve_fit" in plots.draws(drawing.kind)
    if (wrong := asking.typed(logs)) and not along:
        raise UsageError(
            f"{' and '.join(wrong)} is for figures of loss curves, not for {drawing.kind}."
        )
    fit = verb.drawable(drawing.fit, drawing.kind)
    measured = _curves(fit, drawing, logs, asking) if along else _points(fit, drawing, asking)
    drawn = verb.plot(fit, drawing.kind, measured=measured, level=drawing.level)
    path = drawing.output or (None if asking.json else f"{drawing.kind}.png")
    if path is not None:
        drawn.save(path)
    if hasattr(plots.get(drawing.kind), "ALONE") and not drawn.table.runs:
        asking.terminal.say(f"the runs of {drawing.fit} are not at hand: its law is drawn alone")
    _warn(fit, asking)
    if not asking.json:
        asking.terminal.write(f"{path}\n")
        return
    asking.result(drawn.to_dict() | {"fit": drawing.fit, "file": path}, list)


def _warn(fit: Any, asking: options.Asking) -> None:
    """Repeat what the fit warned of and what touches its forecasts: a figure cannot."""
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.reports._checks import gravest
    from scaling_cli.vocabulary.outcomes import Level, Touches

    if isinstance(fit, Fit):
        touched = fit.concerning({Touches.FORECAST, Touches.DATA, Touches.OPTIMUM})
        about = [check for check in touched if check.level is not Level.PASS]
        for told in gravest([{"code": c.code, "message": c.message} for c in about]):
            asking.terminal.say(f"! {told.replace('--full', 'scaling show --full')}")


def _points(fit: Any, drawing: Drawing, asking: options.Asking) -> "Points | None":
    """Return the points to compare with.

    Raises
    ------
    UsageError
        If there are several files, or none has a place.
    """
    from scaling_cli.artefacts.fit import Fit
    from scaling_cli.vocabulary.errors import UsageError

    files = drawing.measured or []
    if not files:
        return None
    if len(files) > 1:
        raise UsageError("--measured takes one file of points; give it once.")
    if not isinstance(fit, Fit):
        raise UsageError(f"{drawing.fit} is {fit.what}, drawn by itself: leave --measured out.")
    return _measured(files[0], fit, asking)


def _curves(fit: Any, drawing: Drawing, logs: Logs, asking: options.Asking) -> Any:
    """Return the loss curves to compare with; a log without one is named and not drawn."""
    from scaling_cli.verbs.fit import curves_to_compare

    if not drawing.measured:
        return None
    curves, left = curves_to_compare(fit, logs.read(drawing.measured, asking), logs.schedules)
    for item in left:
        asking.terminal.say(f"{item.run}: {item.reason}, not drawn")
    return curves


def _measured(path: str, fit: "Fit", asking: options.Asking) -> "Points":
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

    grid = _inputs.read_points(path, fit.law, fit.measured, fit.data.get("conventions"))
    known = [i for i, value in enumerate(grid.measured) if value is not None]
    if not known:
        raise DataError(
            f"no row states a measured {fit.target}.",
            file=path,
            hint=f"Give the runs a {fit.target} column, or leave --measured out.",
        )
    for i, row in enumerate(grid.rows):
        if i not in known:
            asking.terminal.say(f"{path}, row {row}: no measured loss, not drawn")
    return Points(
        inputs={symbol: np.array(values)[known] for symbol, values in grid.inputs.items()},
        output=np.array([grid.measured[i] for i in known], float),
        runs=[f"row {grid.rows[i]}" for i in known],
    )
