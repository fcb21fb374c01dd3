"""Error against extrapolation: refits without the largest runs, scored on the largest runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError


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
class Table:
    """One entry per cut, by rising factor; errors in per cent of the measured value."""

    panels: ClassVar[int] = 1
    inches: ClassVar[tuple[float, float]] = _style.PAGE
    axis: str
    factor: np.ndarray
    bias: np.ndarray
    mare: np.ndarray
    allowed: np.ndarray
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
    if isinstance(fit, Backtest):
        record = {"axis": fit.axis, "cuts": [vars(cut) for cut in fit.cuts]}
        return replace(_cuts(record), errors=_errors(fit))
    if not (fit.backtest or {}).get("cuts"):
        note = (fit.backtest or {}).get("note") or "it was not fitted here"
        raise DataError(f"there is no backtest to draw: {note}.")
    return _cuts(fit.backtest or {})


def _cuts(record: Mapping[str, Any]) -> Table:
    cuts = sorted(record["cuts"], key=lambda cut: cut["factor"])

    def column(name: str, unit: float = 1.0) -> np.ndarray:
        return np.array([np.nan if c[name] is None else unit * c[name] for c in cuts])

    return Table(
        axis=record["axis"],
        factor=column("factor"),
        bias=column("bias", 100),
        mare=column("mare", 100),
        allowed=column("allowed", 100),
        coverage=column("coverage"),
        n_train=column("n_train"),
        n_test=column("n_test"),
    )


def _errors(found: Backtest) -> Errors:
    every = found.forecasts()
    order = np.argsort(every.reach, kind="stable")
    log_predicted = np.log(every.predicted)
    return Errors(
        reach=every.reach[order],
        error=100 * every.error[order],
        lowest=100 * (log_predicted - np.log(every.high))[order],
        highest=100 * (log_predicted - np.log(every.low))[order],
        inside=every.inside[order],
        level=found.level,
    )


def draw(table: Table, ax: Axes) -> None:
    """Draw every forecast of the table, or else its cuts."""
    ax.axhline(0, color=_style.INK, lw=0.8)
    if table.errors is None:
        _draw_cuts(table, ax)
    else:
        _draw_errors(table.errors, table.axis, ax)


def _draw_errors(errors: Errors, axis: str, ax: Axes) -> None:
    ax.vlines(
        errors.reach,
        errors.lowest,
        errors.highest,
        color=_style.FAINT,
        lw=1.2,
        alpha=0.45,
        zorder=1,
        label=f"allowed by the {100 * errors.level:g} % new-run interval",
    )
    for rows, colour, text in (
        (errors.inside, _style.PREDICTED, "inside"),
        (~errors.inside, _style.MEASURED, "outside"),
    ):
        label = f"{text} ({np.sum(rows)} of {len(rows)})"
        ax.plot(
            errors.reach[rows],
            errors.error[rows],
            "o",
            color=colour,
            ms=3.5,
            mec="white",
            mew=0.4,
            zorder=3,
            label=label,
        )
    ax.set(
        xlabel=f"Held-out run / largest fitted run, in {axis}",
        ylabel="Forecast above (+) or below (-) what was measured (%)",
    )
    ax.margins(x=0.05, y=0.1)
    _style.decades(ax)
    _style.log_axis(ax, "x")
    # Above the axes: bars fill them, and a legend among them would hide some.
    _style.parent(ax).legend(
        *ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, handlelength=2.2
    )


def _draw_cuts(table: Table, ax: Axes) -> None:
    ax.plot(
        table.factor, table.mare, "o-", color=_style.PREDICTED, ms=5, label="mean absolute error"
    )
    ax.plot(
        table.factor,
        table.allowed,
        color=_style.FAINT,
        ls=":",
        lw=1.2,
        label="90 % half-width of the law by itself",
    )
    ax.plot(
        table.factor,
        table.bias,
        "D",
        color=_style.MEASURED,
        ms=4.5,
        mfc="white",
        ls=_style.DASHED,
        lw=1,
        label="bias (positive: predicted too high)",
    )
    ax.set(
        xscale="log",
        xlabel=f"Largest held-out run / largest fitted run, in {table.axis}\n"
        "(in: held-out runs inside the law's own 90 % interval)",
        ylabel="Error of held-out runs (%)",
    )
    ax.margins(x=0.12, y=0.15)
    _style.cut_axis(ax, table.factor, [_cut_text(table, i) for i in range(len(table.factor))])
    ax.legend(loc="best", handlelength=2.2)


def _cut_text(table: Table, i: int) -> str:
    """Say of a cut: how far it reaches, what was fitted, how many runs fell inside."""
    inside = f"{table.coverage[i] * table.n_test[i]:.0f}/{table.n_test[i]:.0f} in"
    return f"{table.factor[i]:.3g}\N{MULTIPLICATION SIGN}\n{table.n_train[i]:.0f} fitted\n{inside}"
