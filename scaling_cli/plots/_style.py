"""How figures look: colours safe for colour-blind readers, sizes for a paper, axes from quantities.

Categories take their colours from Okabe and Ito's palette, ordered values from viridis.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots._fitted import HeldOut
from scaling_cli.vocabulary.quantities import C, L

INK = "#1a1a1a"
FAINT = "#8c8c8c"
MEASURED = "#d55e00"
PREDICTED = "#0072b2"
NO_DATA = "#ededed"
# Viridis without its yellow end, which is too light for a thin line on white.
ORDERED = LinearSegmentedColormap.from_list(
    "ordered", mpl.colormaps["viridis"](np.linspace(0.0, 0.86, 256))
)
# For surfaces: dark enough to rank, pale enough for lines and points on top.
PALE = LinearSegmentedColormap.from_list("pale", ("#9ecae1", "#deebf7", "#fffdf5", "#fde3b8"))

# For things without an order, of Okabe and Ito and a grey; more cannot be told apart.
DISTINCT = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7"),
    *("#56b4e9", "#e69f00", "#1a1a1a", "#8c8c8c"),
)
DASHED = (0, (4, 2))
WIDE = 10.0  # a logarithmic axis of more than a decade keeps its usual ticks
# How runs are marked, in every figure.
RUNS: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 3.5, "label": "fitted runs"}
HELD_OUT: dict[str, Any] = {"ls": "none", "marker": "D", "ms": 4.5, "color": MEASURED}
PAGE = (6.4, 4.3)  # inches: the text width of a paper
_DPI = 200
_STYLE = Path(__file__).with_name("scaling.mplstyle")


@contextmanager
def applied() -> Iterator[None]:
    """Draw in the house style, then give the caller's style back."""
    with mpl.rc_context(fname=_STYLE):
        yield


class Sheet:
    """What a figure's table says of its paper: axes side by side, size in inches, rows of axes.

    The base of every `Table`, which overrides what differs. `heights` are those of the rows, in
    any unit; a row shares its y axis where its panels are `alike`, a column its x axis.
    """

    alike: ClassVar[bool] = True

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return width and height in inches, columns of axes, and the height of every row."""
        return PAGE, 1, (1.0,)

    def empty(self) -> tuple[Figure, list[Axes]]:
        """Return an empty figure on no screen, and its axes row by row."""
        inches, columns, heights = self.layout()
        figure = Figure(figsize=inches, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        shared: Any = {"sharey": "row" if self.alike else "none"}
        shared |= {"sharex": "col" if len(heights) > 1 else "none"}
        shape: Any = {"ncols": columns, "height_ratios": heights, "squeeze": False}
        axes = figure.subplots(len(heights), **shape, **shared)
        return figure, axes.ravel().tolist()


def write(figure: Figure, path: Path) -> None:
    """Write a figure without the date, so that the same numbers give the same file."""
    dated = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[path.suffix.lower()]
    with applied():
        figure.savefig(path, metadata={dated: None})


def label(fit: Fit, symbol: str) -> str:
    """Return an axis label: meaning, symbol, unit, and the counting convention of this fit."""
    quantity = fit.law.quantity(symbol)
    if quantity is None:
        return symbol
    convention = fit.data.get("conventions", {}).get(symbol)
    name = quantity.meaning[0].upper() + quantity.meaning[1:]
    if quantity is C and fit.law.size_and_data():
        return f"{name}, {fit.law.compute_in_words()} (FLOP)"
    if quantity is L and fit.turned is not None:
        return str(fit.turned)
    if quantity is L:
        return f"{name} ({convention or quantity.unit})"
    counted = f"{quantity.unit}, {convention.replace('_', '-')}" if convention else quantity.unit
    counted = counted.removeprefix(f"{quantity.meaning.split()[-1]}, ")
    return f"{name}, {symbol} ({counted})" if counted not in name else f"{name}, {symbol}"


def log_axis(ax: Axes, which: str) -> None:
    """Make an axis logarithmic with plain numbers, where a decade is too wide for ticks.

    Losses span less than a decade: matplotlib would label one tick. Round numbers are
    ticked instead, which the logarithm spaces unevenly.
    """
    axis = ax.yaxis if which == "y" else ax.xaxis
    ax.set(**{f"{which}scale": "log"})
    low, high = ax.get_ylim() if which == "y" else ax.get_xlim()
    if high > WIDE * low:
        return
    ticks = ticker.MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    axis.set_major_locator(ticker.FixedLocator([t for t in ticks if low <= t <= high]))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))


def decades(ax: Axes) -> None:
    """Label a narrow logarithmic x axis: few decades, or 1-2-5 inside one, never in each other."""
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    several = np.floor(np.log10(high)) - np.ceil(np.log10(low)) >= 1
    subs, count = ((1.0,), 5) if several else ((1.0, 3.0), None)
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=subs, numticks=count))
    ax.xaxis.set_minor_formatter(ticker.NullFormatter())


def colours(values: np.ndarray) -> Normalize:
    """Return the scale of colours over these values: logarithmic, but for shares."""
    low, high = float(np.min(values)), float(np.max(values))
    if low <= 0:
        return Normalize(low, high)
    return LogNorm(low, high) if high > low else LogNorm(low / 2, high * 2)


def parent(ax: Axes) -> Figure:
    """Return the figure that axes belong to."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes belong to no figure")
    return figure


def colour_bar(ax: Axes, norm: Normalize, text: str) -> None:
    """Explain the colours of ordered values beside the axes."""
    bar = parent(ax).colorbar(ScalarMappable(norm, ORDERED), ax=ax, pad=0.02, aspect=30)
    bar.set_label(text)
    if isinstance(norm, LogNorm) and (norm.vmax or 1.0) > WIDE * (norm.vmin or 1.0):
        bar.ax.yaxis.set_minor_formatter(ticker.NullFormatter())  # they would lie in each other
        if np.log10((norm.vmax or 1.0) / (norm.vmin or 1.0)) < 2:
            bar.ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 3.0)))
    bar.ax.spines["outline"].set_visible(False)


def shade_no_data(ax: Axes, edge: float) -> None:
    """Shade what lies beyond the largest fitted run, and say so on the side with more room."""
    left, right = ax.get_xlim()
    if right <= edge:
        return
    ax.axvspan(edge, right, color=NO_DATA, zorder=0, linewidth=0)
    ax.set_xlim(left, right)
    across = ax.get_xaxis_transform()
    share = (ax.transScale + ax.transLimits).transform((edge, ax.get_ylim()[0]))[0]
    text, side = " no fitted run beyond here", "left"
    if share > 0.5:
        text, side = "no fitted run beyond here \N{RIGHTWARDS ARROW} ", "right"
    ax.text(edge, 0.012, text, transform=across, color=FAINT, fontsize=8, va="bottom", ha=side)


def legend_above(ax: Axes, *, ncols: int, **options: Any) -> None:
    """Explain the marks of one panel above all: inside it, a wide legend would hide some.

    In as many columns as fit the figure, `ncols` at the most.
    """
    figure, marks = parent(ax), ax.get_legend_handles_labels()
    for columns in range(min(ncols, len(marks[0])), 0, -1):
        legend = figure.legend(*marks, loc="outside upper center", ncols=columns, **options)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def band(
    ax: Axes, x: np.ndarray, low: np.ndarray | None, high: np.ndarray | None, **options: Any
) -> None:
    """Fill between two bounds; where a fit has no uncertainty there are none."""
    if low is not None and high is not None:
        ax.fill_between(x, low, high, lw=0, **options)


def draw_reach(
    ax: Axes, x: np.ndarray, y: np.ndarray, inside: np.ndarray, *, text: str, colour: str
) -> None:
    """Draw a line that is solid where `inside` holds, and dashed without a gap where not."""
    if inside.any():
        ax.plot(x, np.where(inside, y, np.nan), color=colour, lw=1.8, label=text)
    beyond = outside(inside)
    if beyond.any():
        text = "extrapolated" if inside.any() else f"{text}, extrapolated"
        ax.plot(x, np.where(beyond, y, np.nan), color=colour, lw=1.4, ls=DASHED, label=text)


def outside(inside: np.ndarray) -> np.ndarray:
    """Return where `inside` does not hold, and the points next to it, where it ends."""
    beyond = ~inside
    beyond[1:] |= ~inside[:-1]
    beyond[:-1] |= ~inside[1:]
    return beyond


def coloured(
    ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, label: str | None = None
) -> Normalize:
    """Draw runs in the colours of ordered values; return the scale of colours."""
    norm = colours(values)
    ax.scatter(x, y, s=16, c=ORDERED(norm(values)), linewidths=0, zorder=3, label=label)
    return norm


def predictions(ax: Axes, x: np.ndarray, held: HeldOut, **options: Any) -> None:
    """Draw what was predicted of held-out runs, with the interval for a new run."""
    bars = None
    if held.low is not None and held.high is not None:
        bars = np.stack([held.predicted - held.low, held.high - held.predicted])
    ax.errorbar(x, held.predicted, yerr=bars, capsize=3, lw=1.2, zorder=5, **options)
