"""Recipes and where they cross: what each reaches along the axis, and the difference to the first.

Each recipe stands at its own best split of the compute, as `scaling compare` has it. Ranges are
those of the draws of both laws: how far other laws part is told at points, not drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.plots import _style
from scaling_cli.vocabulary.errors import UsageError

if TYPE_CHECKING:
    from scaling_cli.planning.comparison import Pair

PLACES = 90
REACH = 10.0  # times the largest run; a crossing a little beyond is drawn too
FAR = 100.0


@dataclass(frozen=True)
class Against:
    """A recipe against the first, in the target's unit, arrays of shape (n,)."""

    name: str
    reached: np.ndarray
    difference: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    crossing: float | None


@dataclass(frozen=True)
class Table(_style.Sheet):
    """The first recipe and the others along the axis, and to where there are runs of all."""

    first: str
    x: np.ndarray
    reached: np.ndarray
    others: tuple[Against, ...]
    edge: float
    level: float
    labels: tuple[str, str]
    """Of the axis and of the target."""

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a page with what is reached, and below it the differences."""
        return _style.PAGE, 1, (1.6, 1.0)


def table(name: str, pairs: Mapping[str, "Pair"]) -> Table:
    """Compute what recipes reach along their axis: the first, by name, and others against it.

    Raises
    ------
    UsageError
        If their law grows with several inputs of which none is compute: there is no axis to draw.
    """
    one = next(iter(pairs.values()))
    ends = [pair.span() for pair in pairs.values()]
    spans = [span for span in ends if span is not None]
    if not one.axis or not spans:
        raise UsageError("there is no axis along which to draw these recipes.")
    low, edge = min(span[0] for span in spans), max(span[1] for span in spans)
    crossings = {n: (pair.crossing() or {}).get("value") for n, pair in pairs.items()}
    near = [value for value in crossings.values() if value and value < FAR * edge]
    x = np.geomspace(low, max([REACH * edge, *(2 * value for value in near)]), PLACES)
    against = tuple(_against(n, pair, x, crossings[n]) for n, pair in pairs.items())
    labels = (_style.label(one.first, one.axis), one.first.target)
    return Table(name, x, _signed(one, x)[0], against, edge, one.level, labels)


def _signed(pair: "Pair", x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what both reach, in the target's own direction."""
    first, second = pair.frontiers(pair.laws, x)
    return (-first, -second) if pair.rises else (first, second)


def _against(name: str, pair: "Pair", x: np.ndarray, crossing: float | None) -> Against:
    first, second = _signed(pair, x)
    apart = second - first
    return Against(name, second, apart, *_ranges(pair, x, apart), crossing)


def _ranges(
    pair: "Pair", x: np.ndarray, apart: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return the ends of the draws' range, widened to what the laws themselves lie apart."""
    if pair.drawn is None:
        return None, None
    one, other = pair.frontiers(pair.drawn, x[:, None])
    gap = (other - one) * (-1 if pair.rises else 1)
    low, high = np.nanquantile(gap, [(1 - pair.level) / 2, (1 + pair.level) / 2], axis=1)
    return np.minimum(low, apart), np.maximum(high, apart)


def draw(table: Table, *axes: Axes) -> None:
    """Draw the table: what is reached above, differences below; crossings are marked in both."""
    reached, apart = axes
    inside = table.x <= table.edge
    marks: dict[str, Any] = {"text": table.first, "colour": _style.INK}
    _style.draw_reach(reached, table.x, table.reached, inside, **marks)
    apart.axhline(0, color=_style.INK, lw=1.0)
    for other, colour in zip(table.others, _style.DISTINCT, strict=False):
        told = {"text": other.name, "colour": colour}
        _style.draw_reach(reached, table.x, other.reached, inside, **told)
        _style.draw_reach(apart, table.x, other.difference, inside, **told)
        _style.band(apart, table.x, other.low, other.high, color=colour, alpha=0.18)
        if other.crossing and other.crossing <= table.x[-1]:
            for ax in axes:
                ax.axvline(other.crossing, color=colour, lw=0.9, ls=":")
    for line in [line for line in reached.lines if line.get_label() == "extrapolated"][1:]:
        line.set_label("_")  # said once
    reached.set(xscale="log", xlim=(table.x[0], table.x[-1]), ylabel=table.labels[1])
    _style.log_axis(reached, "y")
    apart.set(xlabel=table.labels[0], ylabel=f"Less {table.first}")
    for ax in axes:
        _style.shade_no_data(ax, table.edge)
    title = f"below: the {100 * table.level:g} % of the draws; dotted: where they cross"
    _style.legend_above(reached, ncols=3, title=title, title_fontsize=7.5, fontsize=7.5)
