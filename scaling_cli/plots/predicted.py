"""Predicted against measured: the identity line, fitted runs and runs that were held out."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from scaling_cli import laws
from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _fitted, _style
from scaling_cli.plots._fitted import HeldOut
from scaling_cli.runs.points import Points

DRAWS = ("fit", "backtest")
GUIDE = 0.01  # dotted lines at 1 % off: an error that decides between two recipes
_ROOM = 0.03


@dataclass(frozen=True)
class Table(_style.Sheet):
    """Arrays of shape (runs,); `limits` bound both axes."""

    runs: tuple[str, ...]
    measured: np.ndarray
    predicted: np.ndarray
    scale: np.ndarray
    held_out: HeldOut | None
    limits: tuple[float, float]
    output: str
    scale_label: str

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure whose panel is square."""
        return (5.6, 4.6), 1, (1.0,)


def table(fit: Fit | Backtest, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute what the law says of the runs it was fitted to, and of `measured` ones.

    Of a backtest: what was forecast of the runs that it held back, by how far beyond the rest.
    """
    if isinstance(fit, Backtest):
        return _of_backtest(fit)
    fitted = fit.points()
    held = _fitted.held_out(fit, measured, level)
    predicted = np.asarray(fit.law(**fitted.inputs), float)
    shown = [fitted.output, predicted]
    if held is not None:
        sides = [x for x in (held.low, held.high) if x is not None]
        shown += [held.measured, held.predicted, *sides]
    everything = np.concatenate(shown)
    axis, reach = _fitted.across(fit.law, fitted.inputs)
    return Table(
        runs=tuple(fitted.runs),
        measured=fitted.output,
        predicted=predicted,
        scale=reach,
        held_out=held,
        limits=(float(everything.min() * (1 - _ROOM)), float(everything.max() * (1 + _ROOM))),
        output=_style.label(fit, fit.law.output().symbol),
        scale_label=_style.label(fit, axis),
    )


def _of_backtest(test: Backtest) -> Table:
    every, law = test.forecasts(), laws.get(test.law)
    symbol = law.output().symbol
    held = HeldOut(
        tuple(every.runs), every.reach, {}, every.measured, every.predicted, every.low, every.high
    )
    shown = np.concatenate([every.measured, every.predicted, every.low, every.high])
    unit = (test.data.get("conventions") or {}).get(symbol)
    return Table(
        runs=(),
        measured=np.empty(0),
        predicted=np.empty(0),
        scale=np.empty(0),
        held_out=held,
        limits=(float(shown.min() * (1 - _ROOM)), float(shown.max() * (1 + _ROOM))),
        output=f"{law.output().meaning} ({unit or law.output().unit})",
        scale_label=f"Held-out run / largest fitted run, in {test.axis}",
    )


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    ends = np.array(table.limits)
    ax.plot(ends, ends, color=_style.INK, lw=0.9, label="predicted = measured")
    for factor, text in ((1 - GUIDE, None), (1 + GUIDE, f"{GUIDE:.0%} off")):
        ax.plot(ends, ends * factor, color=_style.FAINT, lw=0.8, ls=":", label=text)
    norm = None
    if len(table.runs):
        norm = _style.coloured(ax, table.measured, table.predicted, table.scale, "fitted runs")
    if held := table.held_out:
        marks = _style.HELD_OUT | ({} if norm else {"alpha": 0.6})
        _style.predictions(ax, held.measured, held, label="held-out runs", **marks)
    ax.set(xlim=table.limits, ylim=table.limits, aspect="equal")
    _style.log_axis(ax, "x")
    _style.log_axis(ax, "y")
    what = table.output[0].lower() + table.output[1:]
    ax.set(xlabel=f"Measured {what}", ylabel=f"Predicted {what}")
    if norm is not None:
        _style.colour_bar(ax, norm, table.scale_label)
    ax.legend(loc="upper left", handlelength=1.8)
