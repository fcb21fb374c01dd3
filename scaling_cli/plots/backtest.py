"""Error against extrapolation: refits without the largest runs, scored on the largest runs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError

DRAWS = ("fit", "backtest")
CUT = ("factor", "bias", "mare", "half_width", "coverage", "n_train", "n_test")
IN_PER_CENT = ("bias", "mare", "half_width")


@dataclass(frozen=True)
class Errors:
    """Forecasts one by one, by rising reach; errors in per cent of the measured value.

    An error between `lowest` and `highest` is one that the forecast's interval allowed.
    """

    reach: np.ndarray
    error: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    inside: np.ndarray
    level: float


@dataclass(frozen=True)
class Table(_style.Sheet):
    """One entry per cut, by rising factor; errors in per cent of the measured value."""

    axis: str
    factor: np.ndarray
    bias: np.ndarray
    mare: np.ndarray
    half_width: np.ndarray
    coverage: np.ndarray
    n_train: np.ndarray
    n_test: np.ndarray
    errors: Errors | None = None
    """Every forecast, where the backtest kept them: they are drawn instead of the cuts."""


def table(fit: Fit | Backtest, measured: Points | None = None, level: float = 0.9) -> Table:
    """Read the backtest off a fit, or take one as it is; `measured` and `level` are not used.

    Raises
    ------
    DataError
        If the fit has no backtest.
    """
    del measured, level
    errors, record = None, {} if isinstance(fit, Backtest) else fit.backtest or {}
    if isinstance(fit, Backtest):
        errors, record = _errors(fit), {"axis": fit.axis, "cuts": [vars(c) for c in fit.cuts]}
    elif not record.get("cuts"):
        note = record.get("note") or "it was not fitted here"
        raise DataError(f"there is no backtest to draw: {note}.")
    cuts = sorted(record["cuts"], key=lambda cut: cut["factor"])
    units = {name: 100.0 if name in IN_PER_CENT else 1.0 for name in CUT}
    columns = {
        name: np.array([np.nan if c.get(name) is None else unit * c[name] for c in cuts])
        for name, unit in units.items()
    }
    return Table(axis=record["axis"], errors=errors, **columns)


def _errors(backtest: Backtest) -> Errors:
    every = backtest.forecasts()
    order = np.argsort(every.reach, kind="stable")
    log_predicted, edges = np.log(every.predicted), (every.high, every.low)
    lowest, highest = (100 * (log_predicted - np.log(edge))[order] for edge in edges)
    error, inside = 100 * every.error[order], every.inside[order]
    return Errors(every.reach[order], error, lowest, highest, inside, backtest.level)


def draw(table: Table, ax: Axes) -> None:
    """Draw every forecast of the table, or else its cuts."""
    ax.axhline(0, color=_style.INK, lw=0.8)
    if table.errors is None:
        _draw_cuts(table, ax)
    else:
        _draw_errors(table.errors, table.axis, ax)


def _draw_errors(errors: Errors, axis: str, ax: Axes) -> None:
    text = f"allowed by the {100 * errors.level:g} % new-run interval"
    bars: dict[str, Any] = {"color": _style.FAINT, "lw": 1.2, "alpha": 0.45, "zorder": 1}
    ax.vlines(errors.reach, errors.lowest, errors.highest, label=text, **bars)
    dots: dict[str, Any] = _style.RUNS | {"mec": "white", "mew": 0.4, "zorder": 3}
    sides = (
        (errors.inside, _style.PREDICTED, "inside"),
        (~errors.inside, _style.MEASURED, "outside"),
    )
    for rows, colour, side in sides:
        dots |= {"color": colour, "label": f"{side} ({np.sum(rows)} of {len(rows)})"}
        ax.plot(errors.reach[rows], errors.error[rows], **dots)
    ax.set(
        xlabel=f"Held-out run / largest fitted run, in {axis}",
        ylabel="Forecast above (+) or below (-) what was measured (%)",
    )
    ax.margins(x=0.05, y=0.1)
    _style.decades(ax)
    _style.log_axis(ax, "x")
    _style.legend_above(ax, ncols=3, handlelength=2.2)


def _draw_cuts(table: Table, ax: Axes) -> None:
    solid: dict[str, Any] = {"color": _style.PREDICTED, "marker": "o", "ms": 5}
    dotted: dict[str, Any] = {"color": _style.FAINT, "ls": ":", "lw": 1.2, "marker": "_", "ms": 9}
    dashed = _style.HELD_OUT | {"mfc": "white", "ls": _style.DASHED, "lw": 1}
    ax.plot(table.factor, table.mare, label="mean absolute error", **solid)
    if np.isfinite(table.half_width).any():
        ax.plot(table.factor, table.half_width, label="half-width of their range", **dotted)
    ax.plot(table.factor, table.bias, label="bias (positive: predicted too high)", **dashed)
    counted = np.isfinite(table.coverage).any()
    told = "\n(in: held-out runs inside their range)" if counted else ""
    ax.set(
        xscale="log",
        xlabel=f"Largest held-out run / largest fitted run, in {table.axis}{told}",
        ylabel="Error of held-out runs (%)",
    )
    ax.margins(x=0.12, y=0.15)
    ax.set_xticks(table.factor, [_cut_text(table, i) for i in range(len(table.factor))])
    ax.set_xticks([], minor=True)
    ax.legend(loc="best", handlelength=2.2)


def _cut_text(table: Table, i: int) -> str:
    """Say of a cut: how far it reaches, what was fitted, how many runs fell inside."""
    told = [f"{table.factor[i]:.3g}\N{MULTIPLICATION SIGN}", f"{table.n_train[i]:.0f} fitted"]
    if np.isfinite(table.coverage[i]):  # fits of 0.1.0 counted in the law's own range
        told.append(f"{table.coverage[i] * table.n_test[i]:.0f}/{table.n_test[i]:.0f} in")
    return "\n".join(told)
