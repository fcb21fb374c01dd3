"""Error against extrapolation: refits without the largest runs, scored on the largest runs."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefact import Fit
from scaling_cli.errors import DataError
from scaling_cli.plots import _style
from scaling_cli.points import Points


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


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Read the backtest off the fit; neither `measured` nor `level` is used.

    Raises
    ------
    DataError
        If the fit has no backtest.
    """
    del measured, level
    cuts = (fit.backtest or {}).get("cuts") or []
    if not cuts:
        note = (fit.backtest or {}).get("note") or "it was not fitted here"
        raise DataError(f"there is no backtest to draw: {note}.")
    cuts = sorted(cuts, key=lambda cut: cut["factor"])

    def column(name: str, unit: float = 1.0) -> np.ndarray:
        return np.array([np.nan if c[name] is None else unit * c[name] for c in cuts])

    return Table(
        axis=(fit.backtest or {})["axis"],
        factor=column("factor"),
        bias=column("bias", 100),
        mare=column("mare", 100),
        allowed=column("allowed", 100),
        coverage=column("coverage"),
        n_train=column("n_train"),
        n_test=column("n_test"),
    )


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    ax.axhline(0, color=_style.INK, lw=0.8)
    ax.plot(table.factor, table.mare, "o-", color=_style.PREDICTED, ms=5,
            label="mean absolute error")  # fmt: skip
    ax.plot(table.factor, table.allowed, color=_style.FAINT, ls=":", lw=1.2,
            label="90 % half-width of the law by itself")  # fmt: skip
    ax.plot(table.factor, table.bias, "D", color=_style.MEASURED, ms=4.5, mfc="white",
            ls=_style.DASHED, lw=1, label="bias (positive: predicted too high)")  # fmt: skip
    ax.set(
        xscale="log",
        xlabel=f"Largest held-out run / largest fitted run, in {table.axis}",
        ylabel="Error of held-out runs (%)",
    )
    ax.margins(x=0.12, y=0.15)
    _style.cut_axis(ax, table.factor, [_cut_text(table, i) for i in range(len(table.factor))])
    ax.legend(loc="best", handlelength=2.2)


def _cut_text(table: Table, i: int) -> str:
    """Say of a cut: how far it reaches, what was fitted, how many runs fell inside."""
    inside = f"{table.coverage[i] * table.n_test[i]:.0f} of {table.n_test[i]:.0f} inside"
    return f"{table.factor[i]:.3g}\N{MULTIPLICATION SIGN}\n{table.n_train[i]:.0f} fitted\n{inside}"
