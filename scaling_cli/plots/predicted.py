"""Predicted against measured: the identity line, fitted runs and runs that were held out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.plots._fitted import HeldOut, across, held_out, points
from scaling_cli.runs.points import Points

GUIDE = 0.01  # dotted lines at 1 % off: an error that decides between two recipes
_ROOM = 0.03


@dataclass(frozen=True)
class Table:
    """Arrays of shape (runs,); `limits` bound both axes."""

    panels: ClassVar[int] = 1
    inches: ClassVar[tuple[float, float]] = (5.6, 4.6)
    runs: tuple[str, ...]
    measured: np.ndarray
    predicted: np.ndarray
    scale: np.ndarray
    held_out: HeldOut | None
    limits: tuple[float, float]
    output: str
    scale_label: str


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute what the law says of the runs it was fitted to, and of `measured` ones."""
    fitted = points(fit)
    held = held_out(fit, measured, level)
    predicted = np.asarray(fit.law(**fitted.inputs), float)
    shown = [fitted.output, predicted]
    if held is not None:
        sides = [x for x in (held.low, held.high) if x is not None]
        shown += [held.measured, held.predicted, *sides]
    everything = np.concatenate(shown)
    axis, reach = across(fit.law, fitted.inputs)
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


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    ends = np.array(table.limits)
    ax.plot(ends, ends, color=_style.INK, lw=0.9, label="predicted = measured")
    for factor in (1 - GUIDE, 1 + GUIDE):
        ax.plot(
            ends,
            ends * factor,
            color=_style.FAINT,
            lw=0.8,
            ls=":",
            label=f"{GUIDE:.0%} off" if factor > 1 else None,
        )
    norm = _style.colours(table.scale)
    ax.scatter(
        table.measured,
        table.predicted,
        s=16,
        c=_style.ORDERED(norm(table.scale)),
        linewidths=0,
        zorder=3,
        label="fitted runs",
    )
    if table.held_out:
        _draw_held_out(table.held_out, ax)
    ax.set(xlim=table.limits, ylim=table.limits, aspect="equal")
    _style.log_axis(ax, "x")
    _style.log_axis(ax, "y")
    what = table.output[0].lower() + table.output[1:]
    ax.set(xlabel=f"Measured {what}", ylabel=f"Predicted {what}")
    _style.colour_bar(ax, norm, table.scale_label)
    ax.legend(loc="upper left", handlelength=1.8)


def _draw_held_out(held: HeldOut, ax: Axes) -> None:
    bars = None
    if held.low is not None and held.high is not None:
        bars = np.stack([held.predicted - held.low, held.high - held.predicted])
    ax.errorbar(
        held.measured,
        held.predicted,
        yerr=bars,
        fmt="D",
        color=_style.MEASURED,
        ms=4.5,
        capsize=3,
        lw=1.2,
        zorder=5,
        label="held-out runs",
    )
