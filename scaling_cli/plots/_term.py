"""Small plots of letters for a terminal, by plotext (the extra `term`)."""

from types import ModuleType
from typing import Any

import numpy as np

from scaling_cli.plots._forecast import Table as Ends
from scaling_cli.plots.loss import Table as Losses
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import short_number

WIDTH, LINES = 80, 16
PLACES = 5  # of the axes that are labelled
RUN, FITTED, BEYOND = "o", "dot", "."


def plotext() -> ModuleType:
    """Return the package that draws.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import plotext
    except ModuleNotFoundError as error:
        raise UsageError(
            "a plot in the terminal needs the package plotext, which is not installed.",
            hint="pip install 'scaling-cli[term]', or draw a file: scaling plot FIT -o loss.png.",
        ) from error
    return plotext


def losses(table: Losses) -> str:
    """Return the runs, the law and what lies beyond them, over the logarithm of the axis."""
    term = _empty()
    values, runs = [table.scale], np.log10(table.scale).tolist()
    if runs:
        term.scatter(runs, table.loss.tolist(), marker=RUN, label="runs")
    if line := table.frontier:
        values.append(line.scale)
        for where, marker, text in (
            (line.inside, FITTED, line.name),
            (~line.inside, BEYOND, "extrapolated"),
        ):
            if where.any():
                at = np.log10(line.scale[where]).tolist()
                term.plot(at, line.loss[where].tolist(), marker=marker, label=text)
    return _written(term, np.concatenate(values), np.log10, table.labels)


def ends(table: Ends) -> str:
    """Return each run as it was logged and as it is forecast, one plot a run."""
    told = []
    for panel in table.shown:
        term, path = _empty(), panel.forecast.path
        term.plot(panel.smooth.x.tolist(), panel.smooth.loss.tolist(), marker=FITTED, label="run")
        for values, marker, text in (
            (path.low, BEYOND, "its range"),
            (path.high, BEYOND, None),
            (path.loss, "x", "forecast"),
        ):
            term.plot(path.x.tolist(), values.tolist(), marker=marker, label=text)
        along = np.concatenate([panel.smooth.x, path.x])
        told.append(
            _written(term, along, np.asarray, ("steps", f"{panel.forecast.run}: {table.label}"))
        )
    return "\n".join(told)


def _empty() -> Any:
    term = plotext()
    term.clear_figure()
    term.plot_size(WIDTH, LINES)
    term.theme("clear")
    return term


def _written(term: Any, values: np.ndarray, place: Any, labels: tuple[str, str]) -> str:
    """Return the plot with round numbers along its axis, without codes of colours."""
    if place is np.log10:
        named = {float(tick): f"{tick:.3g}" for tick in _decades(values)}
    else:
        named = {float(t): short_number(float(t)) for t in np.linspace(0, values.max(), PLACES)}
    term.xticks([float(place(tick)) for tick in named], [*named.values()])
    term.xlabel(labels[0])
    text = term.uncolorize(term.build()).rstrip("\n")
    return "\n".join([labels[1], *(line.rstrip() for line in text.splitlines())]) + "\n"


def _decades(values: np.ndarray) -> np.ndarray:
    """Return the powers of ten among values; their ends where there are fewer than two."""
    low, high = np.log10(values.min()), np.log10(values.max())
    powers = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    return powers if len(powers) > 1 else np.array([values.min(), values.max()])
