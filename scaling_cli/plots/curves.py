"""Loss curves per schedule: measured and predicted, residuals, the learning rate below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.plots import _style
from scaling_cli.runs.curve import Curve
from scaling_cli.vocabulary.errors import UsageError

DRAWS = ("curve_fit",)
MOST = 16  # panels that are still legible on a page
COLUMNS = 4
HEIGHTS = (3.2, 1.3, 0.8)
DOTS: dict[str, Any] = {
    "ls": "none",
    "marker": "o",
    "mew": 0.7,
    "color": _style.INK,
    "mfc": "white",
}
TINT = "#fdf3ec"  # behind what was held out
WIDTH, HEIGHT, MARGIN = 1.55, 2.2, 0.55  # inches of a panel, and of what surrounds them


@dataclass(frozen=True)
class Panel:
    """One run: measured (n,) at `step`, predicted (m,) along `along`; residuals in %.

    A residual is 100 ln(predicted/measured): positive where the prediction is too high. `low` and
    `high` bound where one logged value lies; None where the fit has no bands.
    """

    title: str
    fitted: bool
    schedule: str
    step: np.ndarray
    measured: np.ndarray
    residual: np.ndarray
    along: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    rate: np.ndarray


@dataclass(frozen=True)
class Table(_style.Sheet):
    """Panels, fitted runs first; `level` is that of the bands, `unit` that of the losses."""

    runs: tuple[Panel, ...]
    level: float
    law: str
    unit: str

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure with three rows of axes for every row of runs."""
        panels = min(COLUMNS, len(self.runs))
        blocks = -(-len(self.runs) // panels)
        return (WIDTH * panels + MARGIN, HEIGHT * blocks + MARGIN), panels, HEIGHTS * blocks


def table(fit: CurveFit, measured: Sequence[Curve] | None = None, level: float = 0.9) -> Table:
    """Compute what a fit says of the runs it was fitted to, and of `measured` ones.

    Raises
    ------
    DataError
        If the fit carries no curves and none are given.
    UsageError
        If there are more runs than a page has room for.
    """
    others = list(measured or ())
    fitted = fit.curves() if fit.data.get("points") or not others else []
    known = {curve.run for curve in fitted}
    runs = [*fitted, *(c for c in others if c.run not in known)]
    if len(runs) > MOST:
        raise UsageError(f"{len(runs)} runs are too many for one figure, which has {MOST} panels.")
    names = titles([c.run for c in runs])
    panels = tuple(
        _panel(fit, c, title, c.run in known, level) for c, title in zip(runs, names, strict=True)
    )
    return Table(panels, level, fit.name_of_law, fit.loss_unit)


def titles(names: Sequence[str]) -> list[str]:
    """Return names of runs without what all of them begin with, cut at a separator."""
    cut = 0
    while len(names) > 1 and len({name[: cut + 1] for name in names}) == 1 and cut < len(names[0]):
        cut += 1
    cut = max(names[0][:cut].rfind(mark) for mark in "-_/.") + 1
    return [name[cut:] or name for name in names]


def _panel(fit: CurveFit, curve: Curve, title: str, fitted: bool, level: float) -> Panel:
    thin, schedule = curve.thinned(), curve.schedule.text()
    residual = 100 * np.log(fit.along(thin, level=level).value / thin.loss)
    smooth = np.linspace(thin.step[0], thin.step[-1], 200).round().astype(int)
    p = fit.along(curve, np.unique(smooth), level=level)
    measured, predicted = (thin.step, thin.loss, residual), (p.step, p.value)
    bounds = p.new_run or (None, None)
    return Panel(title, fitted, schedule, *measured, *predicted, *bounds, p.rate)


def draw(table: Table, *axes: Axes) -> None:
    """Draw the table: for each run loss, residual and learning rate below each other."""
    grid = np.reshape(np.array(axes, object), (-1, len(HEIGHTS), table.layout()[1]))
    cells = grid.transpose(0, 2, 1).reshape(-1, len(HEIGHTS))
    for axes_of_run, panel in zip(cells, table.runs, strict=False):
        _draw_run(panel, *axes_of_run)
    for ax in cells[len(table.runs) :].ravel():
        ax.set_axis_off()
    _limits(table, cells)
    _label(table, grid)


def _draw_run(panel: Panel, loss: Axes, residual: Axes, rate: Axes) -> None:
    colour = _style.PREDICTED if panel.fitted else _style.MEASURED
    if not panel.fitted:
        for ax in (loss, residual, rate):
            ax.set_facecolor(TINT)
    edges, shade = (panel.low, panel.high), {"color": colour, "alpha": 0.22}
    errors = [None if edge is None else 100 * np.log(edge / panel.predicted) for edge in edges]
    _style.band(loss, panel.along, *edges, **shade)
    _style.band(residual, panel.along, *errors, **shade)
    loss.plot(panel.step, panel.measured, zorder=3, ms=2.6, **DOTS)
    loss.plot(panel.along, panel.predicted, color=colour, lw=1.3, zorder=2)
    residual.axhline(0, color=colour, lw=0.9)
    residual.plot(panel.step, panel.residual, ms=2.6, **DOTS)
    rate.fill_between(panel.along, 0, panel.rate, color=_style.FAINT, alpha=0.45, lw=0)
    word = "fitted" if panel.fitted else "held out"
    loss.set_title(f"{panel.title}", loc="left", fontsize=9, color=_style.INK)
    where = {"xy": (0.97, 0.94), "xycoords": "axes fraction", "ha": "right", "va": "top"}
    loss.annotate(word, **where, fontsize=8, color=colour, style="italic")  # losses fall: room


def _limits(table: Table, cells: np.ndarray) -> None:
    """Give every run the same scales; all that is measured or predicted is shown."""
    every = np.concatenate([part for p in table.runs for part in (p.measured, p.predicted)])
    width = max(float(np.abs(p.residual).max()) for p in table.runs)
    sides = [100 * np.log(p.high / p.predicted).max() for p in table.runs if p.high is not None]
    width = 1.15 * max([width, *sides])
    top = float(max(p.rate.max() for p in table.runs))
    last = float(max(p.step[-1] for p in table.runs))
    room = 0.06 * (every.max() - every.min())
    for loss, residual, rate in cells:
        loss.set(ylim=(every.min() - room, every.max() + room), xlim=(0, 1.02 * last))
        residual.set(ylim=(-width, width))
        rate.set(ylim=(0, 1.15 * top), yticks=[0, top], yticklabels=["0", "1"])
        for ax in (loss, residual, rate):
            ax.locator_params(axis="x", nbins=4)


def _label(table: Table, grid: np.ndarray) -> None:
    """Name the axes at the left and at the bottom, and explain the marks once."""
    names = f"Loss ({table.unit})", "Error (%)", "LR"
    for rows in grid:
        for ax, name in zip(rows[:, 0], names, strict=True):
            ax.set_ylabel(name, fontsize=8)
    for ax in grid[-1, -1]:
        ax.set_xlabel("Step", fontsize=8.5)
        ax.tick_params(labelbottom=True)
    first = grid[0, 0, 0]
    _style.parent(first).align_ylabels(grid[:, :, 0].ravel().tolist())
    first.plot([], [], ms=3, label="measured", **DOTS)
    for fitted in sorted({panel.fitted for panel in table.runs}, reverse=True):
        colour = _style.PREDICTED if fitted else _style.MEASURED
        text = f"{table.law}, {'fitted' if fitted else 'held-out'} run"
        first.plot([], [], color=colour, lw=1.3, label=text)
    if any(panel.low is not None for panel in table.runs):
        text = f"{100 * table.level:g} % of logged values"
        first.fill_between([], [], [], color=_style.FAINT, alpha=0.4, lw=0, label=text)
    _style.legend_above(first, ncols=4, fontsize=8, handlelength=1.6)
