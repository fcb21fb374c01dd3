"""Residuals against the scale axis and every input: what the law leaves unexplained, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.plots import _style
from scaling_cli.plots._fitted import held_out, positive
from scaling_cli.runs.points import Points

DRAWS = ("fit",)
# The trend is the median in groups of equal size: few enough that noise averages out.
MOST_GROUPS, SMALLEST_GROUP = 8, 4


@dataclass(frozen=True)
class Panel:
    """One variable: the points along it and the medians of neighbouring groups."""

    label: str
    values: np.ndarray
    held_out: np.ndarray | None
    group_values: np.ndarray
    group_medians: np.ndarray
    logarithmic: bool


@dataclass(frozen=True)
class Table(_style.Sheet):
    """Residuals 100 ln(measured/predicted), shape (runs,); positive: worse than predicted."""

    runs: tuple[str, ...]
    residual: np.ndarray
    held_out: np.ndarray | None
    by: Mapping[str, Panel]
    noise: float | None = None
    """Half-width of what one run's own noise allows, in the same unit."""
    level: float = 0.9

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure with a panel per variable."""
        return (3.1 * max(2, len(self.by)), 3.3), len(self.by), (1.0,)


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute the residuals of the fitted points, and of `measured` ones if there are any."""
    fitted = fit.points()
    residual = 100 * np.log(fitted.output / np.asarray(fit.law(**fitted.inputs)))
    held = held_out(fit, measured, level)
    variables = _variables(fit.law, fitted)
    beyond = _variables(fit.law, measured) if measured else {}
    panels = {}
    for symbol, values in variables.items():
        label, logarithmic = _style.label(fit, symbol), positive(fit.law, symbol)
        medians = _medians(values, residual, logarithmic)
        panels[symbol] = Panel(label, values, beyond.get(symbol), *medians, logarithmic)
    left = None if held is None else 100 * np.log(held.measured / held.predicted)
    sure = fit.uncertainty
    noise = None if sure is None else 100 * quantile(level) * float(np.sqrt(np.mean(sure.sigma**2)))
    return Table(tuple(fitted.runs), residual, left, panels, noise, level)


def _variables(law: Law, table: Points) -> dict[str, np.ndarray]:
    return ({law.axis(): law.along(table.inputs)} if law.axis() else {}) | dict(table.inputs)


def _medians(
    values: np.ndarray, residual: np.ndarray, logarithmic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean of the variable, median residual) of groups; geometric where logarithmic."""
    count = min(MOST_GROUPS, len(values) // SMALLEST_GROUP)
    if count < 2:
        return np.empty(0), np.empty(0)
    groups = np.array_split(np.argsort(values, kind="stable"), count)
    there = np.log(values) if logarithmic else values
    centres = np.array([np.mean(there[rows]) for rows in groups])
    medians = np.array([np.median(residual[rows]) for rows in groups])
    return np.exp(centres) if logarithmic else centres, medians


def draw(table: Table, *axes: Axes) -> None:
    """Draw one panel per variable."""
    for ax, panel in zip(axes, table.by.values(), strict=True):
        _draw_panel(table, panel, ax)
    axes[0].set_ylabel("100 ln(measured / predicted)")
    _style.legend_above(axes[0], ncols=4)


def _draw_panel(table: Table, panel: Panel, ax: Axes) -> None:
    ax.axhline(0, color=_style.INK, lw=0.8, zorder=1)
    if table.noise is not None:
        text = f"{100 * table.level:g} % of a run's noise"
        ax.axhspan(-table.noise, table.noise, color=_style.NO_DATA, lw=0, zorder=0, label=text)
    faint: dict[str, Any] = {"color": _style.PREDICTED, "alpha": 0.6, "mew": 0}
    ax.plot(panel.values, table.residual, **_style.RUNS, **faint)
    if len(panel.group_values):
        text = "median of neighbours"
        ax.plot(panel.group_values, panel.group_medians, color=_style.INK, label=text)
    if panel.held_out is not None and table.held_out is not None:
        ax.plot(panel.held_out, table.held_out, label="held-out run", **_style.HELD_OUT)
    ax.set_xlabel(panel.label)
    if panel.logarithmic:
        _style.decades(ax)
