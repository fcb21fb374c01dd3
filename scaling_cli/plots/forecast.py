"""Stored forecasts of running jobs: from where each run was seen to its end, with the range."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.plots import _forecast, _style
from scaling_cli.plots._forecast import MOST_RUNS, Line, Panel, Table
from scaling_cli.vocabulary.errors import DataError

DRAWS = ("forecast",)
_BEFORE = 0.05  # of the way to come: room for the point from which it goes on


def table(forecasts: Forecasts, measured: Any = None, level: float = 0.9) -> Table:
    """Return what is drawn of stored forecasts; `measured` and `level` are not used.

    Raises
    ------
    DataError
        If there is no forecast, or the file holds no way from now to the end.
    """
    del measured, level
    shown = forecasts.runs[:MOST_RUNS]
    if not shown or any(not len(forecast.path.x) for forecast in shown):
        raise DataError(
            "the file holds no forecast that can be drawn.",
            hint="Make it again with 'scaling forecast ... -o forecast.json'.",
        )
    labels = {forecast.target or "loss" for forecast in shown}
    left = len(forecasts) - len(shown)
    return Table(tuple(map(_panel, shown)), left, ", ".join(sorted(labels)))


def _panel(forecast: Forecast) -> Panel:
    here = Line("logged", np.array([forecast.now]), np.array([forecast.seen.loss]))
    return Panel(forecast, here, here, ())


def draw(table: Table, *axes: Axes) -> None:
    """Draw one run per panel: a stored forecast has its last level, not the log before it."""
    _forecast.draw(table, *axes)
    for panel, ax in zip(table.shown, axes, strict=True):
        seen = ax.lines[0]
        seen.set(marker="o", markersize=6, label="mean of the last logged rows", linestyle="none")
        left, right = ax.get_xlim()
        ax.set_xlim(left - _BEFORE * (right - left), right)
        ax.plot(panel.logged.x, panel.logged.loss, "o", ms=6, color=_style.INK, zorder=4)
        if legend := ax.get_legend():
            legend.remove()
        _style.legend_above(ax, ncols=3)
