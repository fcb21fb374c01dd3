"""The valley of the loss over learning rate and batch in every cell, and the advice of the laws.

A recipe keeps the optimum of each cell and the mean curvature of all: the valleys are drawn of
these. Where the batch was not swept a valley is a curve over the learning rate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from scaling_cli.artefacts.hparams import Recipe
from scaling_cli.plots import _style
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import B_TOKENS, LR, short_number

DRAWS = ("hparams",)
EXCESS = (0.0025, 0.01)  # of the loss: within these a cell's valley is drawn
AROUND = 120
MOST = 12  # cells that a legend can name
BELOW = 0.06  # % of loss: between the ranges of cells, which lie below their valleys


@dataclass(frozen=True)
class Valley:
    """One cell: its optimum (rate and batch, or the rate alone), its valley, the laws' advice.

    Parameters
    ----------
    N, D : float
    optimum, advice : array, shape (k,)
    low, high : array, shape (k,), or None
        Where the optimum of such a run lies, by the laws.
    edges : array, shape (2, k, m)
        Where the loss is 0.25 and 1 % above the least; with one axis, its two ends.
    """

    N: float
    D: float
    optimum: np.ndarray
    advice: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    edges: np.ndarray

    @property
    def name(self) -> str:
        """What it is called."""
        return f"N {short_number(self.N)}, D {short_number(self.D)}"


@dataclass(frozen=True)
class Table(_style.Sheet):
    """The cells, by N and D, and whether the batch was swept."""

    valleys: tuple[Valley, ...]
    batch: bool
    level: float

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure beside whose panel the cells are named."""
        return (7.4, 4.3), 1, (1.0,)


def table(recipe: Recipe, measured: Any = None, level: float = 0.9) -> Table:
    """Compute the valleys of a recipe's cells; `measured` is not used.

    Raises
    ------
    DataError
        If it holds no cells: it is one of published laws.
    """
    del measured
    if recipe.flatness is None or not recipe.cells:
        raise DataError("there are no cells to draw: only a recipe of your own sweep has some.")
    hessian = recipe.flatness.hessian
    spread = max(recipe.cells, key=lambda c: c["N"] * c["D"])
    batch = len(hessian) == 2 and "batch_tokens" in spread
    ordered = sorted(recipe.cells, key=lambda c: (c["N"], c["D"]))
    valleys = tuple(_valley(recipe, cell, hessian, level) for cell in ordered)
    return Table(valleys, batch, level)


def _valley(recipe: Recipe, cell: Any, hessian: np.ndarray, level: float) -> Valley:
    at = np.array([cell[name] for name in ("lr", "batch_tokens")[: len(hessian)]], float)
    fits = [fit for s, fit in recipe.fits().items() if s in (LR.symbol, B_TOKENS.symbol)]
    told = [_asked(fit, cell, level) for fit in fits[: len(hessian)]]
    values, spans = [float(p.value[0]) for p in told], [p.new_run for p in told]
    known = [span for span in spans if span is not None]
    sure = len(known) == len(spans)
    low, high = (np.array([float(s[i][0]) for s in known]) if sure else None for i in (0, 1))
    return Valley(cell["N"], cell["D"], at, np.array(values), low, high, edges(at, hessian))


def _asked(fit: Any, cell: Any, level: float) -> Any:
    return fit.predict(level=level, **{s: cell[s] for s in ("N", "D") if s in fit.law.inputs()})


def edges(at: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Return where ln loss is so much above its least: ellipses, or two ends of a parabola."""
    angle = np.linspace(0, 2 * np.pi, AROUND)
    circle = np.stack([np.cos(angle), np.sin(angle)]) if len(at) == 2 else np.array([[-1.0, 1.0]])
    # x' H x / 2 = ln(1 + excess) on the image of the unit circle under chol(H)^-T.
    shape = np.linalg.solve(np.linalg.cholesky(hessian).T, circle)
    scales = np.sqrt(2 * np.log1p(np.array(EXCESS)))
    return at[:, None] * np.exp(scales[:, None, None] * shape)


def draw(table: Table, ax: Axes) -> None:
    """Draw the table: a colour a cell, its valley, its optimum, the advice with its range."""
    sizes = np.arange(len(table.valleys), dtype=float)
    colours = _style.ORDERED(sizes / max(1.0, sizes[-1]))
    for row, (valley, colour) in enumerate(zip(table.valleys, colours, strict=True), 1):
        named = valley.name if len(table.valleys) <= MOST else None
        if table.batch:
            _ellipses(ax, valley, colour, named)
        else:
            _parabola(ax, valley, colour, named, -BELOW * row)
    inner, outer = (100 * excess for excess in EXCESS)
    ax.set(xscale="log", xlabel="Learning rate (peak)")
    if table.batch:
        ax.set(yscale="log", ylabel="Batch (tokens a step)")
        ax.set_title(f"lines: {inner:g} and {outer:g} % above the least loss", fontsize=8)
    else:
        ax.set_ylabel("Loss above the least of its cell (%)")
        ax.axhline(0, color=_style.INK, lw=0.6)
        ax.set_yticks(np.linspace(0, outer, 5))
        ranges = f"where such a run's\noptimum lies, {100 * table.level:g} %"
        ax.plot([], [], color=_style.INK, lw=1.6, label=ranges)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.plot([], [], "x", color=_style.INK, label="the laws' advice")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=7)


def _ellipses(ax: Axes, valley: Valley, colour: Any, named: str | None) -> None:
    for edge, width in zip(valley.edges, (1.3, 0.7), strict=True):
        ax.plot(*edge, color=colour, lw=width)
    ax.plot(*valley.optimum, "o", color=colour, ms=4, label=named)
    ax.plot(*valley.advice, "x", color=colour, ms=6)


def _parabola(ax: Axes, valley: Valley, colour: Any, named: str | None, row: float) -> None:
    """Draw a cell's valley as far as 1 % up; the advice lies on it, its range in a row below."""
    (best,), (advised,), (low, high) = valley.optimum, valley.advice, valley.edges[-1][0]
    along = np.geomspace(low, high, AROUND)
    curvature = 2 * np.log1p(EXCESS[-1]) / np.log(high / best) ** 2

    def above(rate: Any) -> Any:
        return 100 * np.expm1(curvature * np.log(rate / best) ** 2 / 2)

    ax.plot(along, above(along), color=colour, label=named)
    ax.plot(best, 0, "o", color=colour, ms=4)
    ax.plot(advised, above(advised), "x", color=colour, ms=6)
    if valley.low is not None and valley.high is not None:
        ax.hlines(row, valley.low[0], valley.high[0], color=colour, lw=1.6)
