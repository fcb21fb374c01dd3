"""Loss against compute: runs by size, fitted curves, the frontier, and the forecast beyond."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.plots._fitted import HeldOut, best_inputs, held_out, points, within
from scaling_cli.runs.points import Points, scale
from scaling_cli.vocabulary.quantities import short_number

# More sizes than this are shown by a colour bar, and this many of them get a curve.
MOST_SIZES = 8
# The frontier is drawn this far beyond the largest run, and beyond any measured one.
REACH, MARGIN = 10.0, 1.6
_STEPS = 120


@dataclass(frozen=True)
class Curve:
    """The fitted law along the scale axis at one size; arrays have shape (steps,)."""

    size: float
    scale: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class Frontier:
    """The least loss at each compute (or the law of one variable), with its interval.

    `low` and `high` bound a new run at `level`; None where the fit has no uncertainty. `inside`
    says where every input lies in the range that was fitted.
    """

    name: str
    scale: np.ndarray
    loss: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    level: float
    inside: np.ndarray


@dataclass(frozen=True)
class Table:
    """Everything drawn. Arrays of runs have shape (runs,)."""

    panels: ClassVar[int] = 1
    inches: ClassVar[tuple[float, float]] = _style.PAGE
    runs: tuple[str, ...]
    scale: np.ndarray
    loss: np.ndarray
    size: np.ndarray | None
    size_symbol: str
    curves: tuple[Curve, ...]
    frontier: Frontier | None
    held_out: HeldOut | None
    edge: float
    labels: tuple[str, str]


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute the figure's numbers.

    Parameters
    ----------
    fit : Fit
        Must carry its points.
    measured : Points, optional
        Runs that were not fitted, drawn beside their predictions.
    level : float
        Coverage of the interval for a new run.
    """
    fitted = points(fit)
    axis, reach = scale(fitted.inputs)
    symbol = next((s for s in ("N", "N_avg") if s in fitted.inputs and "D" in fitted.inputs), "")
    held = held_out(fit, measured, level)
    furthest = max([REACH * reach.max(), *(MARGIN * held.scale if held else ())])
    along = np.union1d(np.geomspace(reach.min(), furthest, _STEPS), reach.max())
    return Table(
        runs=tuple(fitted.runs),
        scale=reach,
        loss=fitted.output,
        size=fitted.inputs[symbol] if symbol else None,
        size_symbol=symbol,
        curves=_curves(fit, fitted, symbol) if symbol else (),
        frontier=_frontier(fit, fitted, along, level),
        held_out=held,
        edge=float(reach.max()),
        labels=(_style.label(fit, axis), _style.label(fit, fit.law.output().symbol)),
    )


def _curves(fit: Fit, fitted: Points, symbol: str) -> tuple[Curve, ...]:
    """Return the law at each size over the tokens that size was trained on.

    A size that was trained once gets a curve through all budgets of the data, in its place.
    """
    curves = []
    compute = scale(fitted.inputs)[1]
    for size in _shown_sizes(fitted.inputs[symbol]):
        tokens = fitted.inputs["D"][np.isclose(fitted.inputs[symbol], size, rtol=0.02)]
        low, high = tokens.min(), tokens.max()
        if low == high:
            per_token = scale({symbol: size, "D": np.ones(1)})[1][0]
            low = max(fitted.inputs["D"].min(), compute.min() / per_token)
            high = min(fitted.inputs["D"].max(), compute.max() / per_token)
        inputs = {symbol: np.full(_STEPS, size), "D": np.geomspace(low, high, _STEPS)}
        curves.append(Curve(float(size), scale(inputs)[1], np.asarray(fit.law(**inputs))))
    return tuple(curves)


def _shown_sizes(sizes: np.ndarray) -> np.ndarray:
    """Return the sizes that get a curve: all, or some evenly among the ranks."""
    distinct = np.unique(sizes)
    if len(distinct) <= MOST_SIZES:
        return distinct
    return distinct[np.linspace(0, len(distinct) - 1, MOST_SIZES).round().astype(int)]


def _frontier(fit: Fit, fitted: Points, along: np.ndarray, level: float) -> Frontier | None:
    inputs, name = best_inputs(fit.law, along), "compute-optimal"
    if inputs is None and len(fit.law.inputs()) == 1:
        inputs, name = {next(iter(fit.law.inputs())): along}, "fitted law"
    if inputs is None:
        return None
    prediction = fit.predict(level=level, **inputs)
    low, high = prediction.new_run or (None, None)
    inside = within(fitted.inputs, inputs)
    return Frontier(name, along, prediction.value, low, high, level, inside)


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    norm = _style.colours(table.size) if table.size is not None else None
    _draw_runs(table, ax, norm)
    if table.frontier:
        _draw_frontier(table.frontier, ax)
    if table.held_out:
        held = table.held_out
        _style.draw_held_out(held, ax, held.scale)
    ax.set(xscale="log", xlabel=table.labels[0], ylabel=table.labels[1])
    _style.log_axis(ax, "y")
    _style.shade_no_data(ax, table.edge)
    ax.legend(loc="upper right", handlelength=1.8, labelspacing=0.35)


def _draw_runs(table: Table, ax: Axes, norm: LogNorm | None) -> None:
    if table.size is None or norm is None:
        ax.plot(table.scale, table.loss, "o", color=_style.PREDICTED, ms=4, label="fitted runs")
        return
    colours = _style.ORDERED(norm(table.size))
    ax.scatter(table.scale, table.loss, s=16, c=colours, linewidths=0, zorder=3)
    named = len(np.unique(table.size)) <= MOST_SIZES
    for curve in table.curves:
        text = f"{table.size_symbol} = {short_number(curve.size)}" if named else None
        colour = _style.ORDERED(norm(curve.size))
        ax.plot(curve.scale, curve.loss, color=colour, lw=1, alpha=0.85)
        ax.plot([], [], "o-", color=colour, ms=4, lw=1, label=text)
    if not named:
        _style.colour_bar(ax, norm, f"{table.size_symbol} of each run")


def _draw_frontier(frontier: Frontier, ax: Axes) -> None:
    _style.draw_reach(
        ax, frontier.scale, frontier.loss, frontier.inside, text=frontier.name, colour=_style.INK
    )
    if frontier.low is not None and frontier.high is not None:
        ax.fill_between(
            frontier.scale,
            frontier.low,
            frontier.high,
            where=_style.outside(frontier.inside),
            color=_style.PREDICTED,
            alpha=0.22,
            linewidth=0,
            label=f"{100 * frontier.level:g} % new-run interval",
        )
