"""Stored forecasts of running jobs: from where each run was seen to its end, with the range."""

from typing import Any

import numpy as np

from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.plots._forecast import MOST_RUNS, Line, Panel
from scaling_cli.plots._forecast import Table as Table
from scaling_cli.plots._forecast import draw as draw
from scaling_cli.vocabulary.errors import DataError

DRAWS = ("forecast",)


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
