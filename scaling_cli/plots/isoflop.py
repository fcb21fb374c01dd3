"""IsoFLOP slices: loss against size at each compute, a parabola through it, its minimum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError

DRAWS = ("fit",)
WINDOW = 0.2  # of ln C within which points are drawn with a slice, as they are grouped
STEPS = 60


@dataclass(frozen=True)
class Slice:
    """One compute: its runs, and the parabola over the sizes that it saw; None without one."""

    compute: float
    size: np.ndarray
    loss: np.ndarray
    along: np.ndarray
    parabola: np.ndarray
    optimum: float | None
    least: float | None
    reason: str


@dataclass(frozen=True)
class Table(_style.Sheet):
    """The slices by rising compute."""

    slices: tuple[Slice, ...]
    labels: tuple[str, str, str]


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Read the slices off a fit; `measured` and `level` are not used.

    Raises
    ------
    DataError
        If its runs lie on no isoFLOP slices.
    """
    del measured, level
    budgets = (fit.diagnostics.get("isoflop") or {}).get("budgets") or ()
    if not budgets:
        raise DataError(
            "there are no isoFLOP slices here: too few runs have equal compute.",
            hint="Draw --kind loss instead.",
        )
    points, law = fit.points(), fit.law
    size = (law.size_and_data() or ("",))[0]
    spent, sizes = law.along(points.inputs), points.inputs[size]
    slices = [
        _slice(budget, sizes, points.output, np.abs(np.log(spent / budget["compute"])) < WINDOW)
        for budget in budgets
    ]
    labels = (size, law.output().symbol, "C")
    slices.sort(key=lambda s: s.compute)
    first, second, third = (_style.label(fit, symbol) for symbol in labels)
    return Table(tuple(slices), (first, second, third))


def _slice(
    budget: Mapping[str, Any], sizes: np.ndarray, losses: np.ndarray, near: np.ndarray
) -> Slice:
    optimum, least = budget["optimum"], budget["output"]
    low, high = budget["sizes"]
    along = np.geomspace(low, high, STEPS) if optimum is not None else np.empty(0)
    apart = np.log(along / optimum) if optimum is not None else np.empty(0)
    parabola = np.empty(0) if least is None else least + budget["curvature"] * apart**2
    return Slice(
        float(budget["compute"]),
        sizes[near],
        losses[near],
        along,
        parabola,
        optimum,
        least,
        str(budget["reason"]),
    )


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    norm = _style.colours(np.array([s.compute for s in table.slices]))
    minima = [(s.optimum, s.least) for s in table.slices if s.optimum is not None]
    for s in table.slices:
        colour = _style.ORDERED(norm(s.compute))
        marks = {"ls": "none", "marker": "o", "ms": 3.5, "color": colour}
        ax.plot(s.size, s.loss, **marks, label=None if s is not table.slices[0] else "runs")
        ax.plot(s.along, s.parabola, color=colour, lw=1.2)
    if minima:
        style = {"color": _style.INK, "marker": "D", "ms": 5, "mfc": "white", "lw": 1}
        ax.plot(*zip(*minima, strict=True), **style, ls=_style.DASHED, label="minima")
    ax.set(xscale="log", xlabel=table.labels[0], ylabel=table.labels[1])
    _style.colour_bar(ax, norm, table.labels[2])
    ax.legend(loc="best")
