"""Steps and tokens to reach a loss, by batch: the hyperbola of each level, the critical batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from scaling_cli.artefacts.batch_fit import BatchFit
from scaling_cli.plots import _style
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import short_number

DRAWS = ("batch_fit",)
MOST = 6  # levels that are drawn: from the highest to the lowest loss
STEPS = 80


@dataclass(frozen=True)
class Level:
    """One loss: runs that reached it, the law's curve, and the point at the critical batch."""

    loss: float
    batch: np.ndarray
    steps: np.ndarray
    curve_steps: np.ndarray
    curve_tokens: np.ndarray
    critical: tuple[float, float]
    """Steps and tokens there."""

    @property
    def tokens(self) -> np.ndarray:
        """Tokens of the runs."""
        return self.batch * self.steps


@dataclass(frozen=True)
class Table(_style.Sheet):
    """The levels by falling loss; critical batches with their range, shape (levels,)."""

    levels: tuple[Level, ...]
    loss: np.ndarray
    critical: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None

    alike = False

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure of two panels."""
        return (7.4, 3.6), 2, (1.0,)


def table(fit: BatchFit, measured: Any = None, level: float = 0.9) -> Table:
    """Compute what each level cost at each batch; `measured` is not used.

    Raises
    ------
    DataError
        If the fit holds no levels.
    """
    del measured
    if not fit.levels:
        raise DataError("the fit holds no loss levels: it is one of published numbers.")
    every = sorted(fit.levels, key=lambda item: -item.loss)
    picked = np.unique(np.linspace(0, len(every) - 1, MOST).round().astype(int))
    loss = np.array([item.loss for item in every])
    span = fit.interval(lambda t: t.critical_batch(loss), level)
    low, high = span if span is not None else (None, None)
    levels = tuple(_level(fit, every[i]) for i in picked.tolist())
    return Table(levels, loss, fit.trajectory.critical_batch(loss), low, high)


def _level(fit: BatchFit, item: Any) -> Level:
    batch = np.array([run["B"] for run in item.batches], float)
    steps = np.array([run["S"] for run in item.batches], float)
    along = np.geomspace(batch.min() / 2, batch.max() * 2, STEPS)
    cost = fit.trajectory.cost(item.loss, along, N=item.N)
    there = fit.trajectory.cost(item.loss, N=item.N)
    return Level(item.loss, batch, steps, cost.S, cost.E, (float(there.S), float(there.E)))


def draw(table: Table, *axes: Axes) -> None:
    """Draw the table: steps against tokens on the left, the critical batch on the right."""
    cost, critical = axes
    norm = _style.colours(np.array([level.loss for level in table.levels]))
    for level in table.levels:
        colour = _style.ORDERED(norm(level.loss))
        cost.plot(level.curve_steps, level.curve_tokens, color=colour, lw=1.1)
        marks = {"ls": "none", "marker": "o", "ms": 3, "color": colour}
        cost.plot(level.steps, level.tokens, **marks, label=f"loss {level.loss:.3g}")
        cost.plot(*level.critical, "D", color=colour, mfc="white", ms=5)
    cost.plot([], [], "D", color=_style.INK, mfc="white", ms=5, label="at the critical batch")
    cost.set(xscale="log", yscale="log", xlabel="Steps", ylabel="Tokens")
    _style.legend_above(cost, ncols=4, fontsize=7)
    _style.band(critical, table.loss, table.low, table.high, color=_style.PREDICTED, alpha=0.2)
    critical.plot(table.loss, table.critical, color=_style.INK)
    critical.set(yscale="log", xlabel="Loss", ylabel="Critical batch (tokens)")
    critical.invert_xaxis()
    critical.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    critical.yaxis.set_major_formatter(lambda value, _: short_number(value))
    critical.yaxis.set_minor_formatter(NullFormatter())
