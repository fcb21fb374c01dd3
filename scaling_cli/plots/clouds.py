"""How sure the exponents are, and how they move together: a dot for every draw of the law.

Draws are refits by least squares under weak priors; where outliers pull them away from a robust
fit, the figure says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.numerics.quantiles import central
from scaling_cli.plots import _style
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, UsageError

DRAWS = ("fit",)
PANELS = 3
SIDE, REST = 3.1, 0.7  # inches of a panel, and of what surrounds it
BEYOND = 0.005  # of the draws at either end may lie outside the axes: they are counted
AROUND = 100  # points of an ellipse


@dataclass(frozen=True)
class Panel:
    """Two parameters: draws of shape (n,), the fit, and the ellipse that holds a share of them."""

    names: tuple[str, str]
    x: np.ndarray
    y: np.ndarray
    fitted: tuple[float, float]
    ellipse: np.ndarray
    correlation: float
    outside: int
    """Draws beyond the axes."""
    limits: tuple[tuple[float, float], tuple[float, float]]
    away: bool
    """Whether the fit lies outside the ellipse."""


@dataclass(frozen=True)
class Table(_style.Sheet):
    """One panel for each pair; the ellipse is that of a normal distribution at this level."""

    pairs: tuple[Panel, ...]
    level: float

    alike = False

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure with square panels side by side."""
        return (SIDE * len(self.pairs), SIDE + REST), len(self.pairs), (1.0,)


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Return the draws of exponents, and of the floor with them; `measured` is not used.

    Raises
    ------
    DataError
        If the fit carries no draws.
    UsageError
        If fewer than two parameters can be drawn.
    """
    del measured
    if fit.uncertainty is None:
        raise DataError("the fit carries no draws: it was made with --bootstrap 0, or published.")
    moving = [n for n, v in fit.uncertainty.draws.items() if np.ptp(v) > 0]
    pairs = [*combinations([n for n in _shown(type(fit.law)) if n in moving], 2)]
    if not pairs:
        raise UsageError("the law has no two free parameters to draw against each other.")
    panels = tuple(_panel(fit, pair, level) for pair in pairs[:PANELS])
    return Table(panels, level)


def _shown(law: type[Law]) -> Sequence[str]:
    """Return exponents, then the floor; where a law has too few of them, every parameter."""
    declared = law.parameters()
    exponents = [n for n, p in declared.items() if not p.linear and not p.absorbs]
    own = [*exponents, *([floor] if (floor := law.floor()) else [])]
    return own if len(own) > 1 else list(declared)


def _panel(fit: Fit, names: tuple[str, str], level: float) -> Panel:
    draws = fit.uncertainty.draws if fit.uncertainty else {}
    x, y = (np.asarray(draws[name], float) for name in names)
    fitted = fit.parameters[names[0]], fit.parameters[names[1]]
    middle, covariance = np.array([x.mean(), y.mean()]), np.cov(x, y)
    angle = np.linspace(0, 2 * np.pi, AROUND)
    values, vectors = np.linalg.eigh(covariance)
    # A plane normal lies within r of its middle, in sds, with probability 1 - exp(-r^2 / 2).
    radius = np.sqrt(-2 * np.log(1 - level))
    axes = vectors * np.sqrt(np.maximum(values, 0.0))
    ellipse = middle[:, None] + radius * axes @ np.stack([np.cos(angle), np.sin(angle)])
    limits = _limits(x, fitted[0], ellipse[0]), _limits(y, fitted[1], ellipse[1])
    inside = [(low <= v) & (v <= high) for v, (low, high) in zip((x, y), limits, strict=True)]
    outside = int(np.sum(~(inside[0] & inside[1])))
    off = np.array(fitted) - middle
    away = bool(off @ np.linalg.pinv(covariance, hermitian=True) @ off > radius**2)
    correlation = float(np.corrcoef(x, y)[0, 1])
    return Panel(names, x, y, fitted, ellipse, correlation, outside, limits, away)


def _limits(values: np.ndarray, fitted: float, ellipse: np.ndarray) -> tuple[float, float]:
    low, high = central(values, 1 - 2 * BEYOND)
    low, high = min(low, fitted, float(ellipse.min())), max(high, fitted, float(ellipse.max()))
    room = 0.06 * (high - low)
    return low - room, high + room


def draw(table: Table, *axes: Axes) -> None:
    """Draw one pair per panel."""
    for panel, ax in zip(table.pairs, axes, strict=True):
        style = {"s": 7, "color": _style.PREDICTED, "alpha": 0.35, "linewidths": 0}
        ax.scatter(panel.x, panel.y, **style, label="least-squares refits that ranges are made of")
        text = f"{100 * table.level:g} % ellipse"
        ax.plot(*panel.ellipse, color=_style.INK, lw=1, label=text)
        ax.plot(*panel.fitted, "D", color=_style.MEASURED, ms=6, mec="white", label="the fit")
        ax.set(xlabel=panel.names[0], ylabel=panel.names[1], xlim=panel.limits[0])
        ax.set_ylim(panel.limits[1])
        told = f"correlation {panel.correlation:.2f}"
        told += f"; {panel.outside} of {len(panel.x)} draws beyond" if panel.outside else ""
        told += "; the fit counts outliers less" if panel.away else ""
        ax.set_title(told, loc="left", fontsize=8)
        ax.locator_params(nbins=5)
    _style.legend_above(axes[0], ncols=3)
