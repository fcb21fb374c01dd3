"""The best size and data for every compute, with their ranges, beside published laws."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._optimum import near_optimal, optimal_range
from scaling_cli.plots import _fitted, _style
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError

DRAWS = ("fit",)
PUBLISHED = ("chinchilla/besiroglu-2024", "chinchilla/hoffmann-2022", "kaplan_nd/kaplan-2020")
COLOURS = ("#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito's
REACH = 100.0  # times the largest run
STEPS, SHARE = 60, 0.001
VALLEY = "#e69f00"


@dataclass(frozen=True)
class Other:
    """A published law: its best size and data at the same computes."""

    name: str
    size: np.ndarray
    data: np.ndarray


@dataclass(frozen=True)
class Table(_style.Sheet):
    """Arrays of shape (computes,); ends of the ranges are None where a fit has no draws."""

    compute: np.ndarray
    size: np.ndarray
    data: np.ndarray
    size_range: np.ndarray | None
    data_range: np.ndarray | None
    size_valley: np.ndarray
    data_valley: np.ndarray
    """Between which the loss lies within `SHARE` of the least."""
    level: float
    edge: float
    run_compute: np.ndarray
    run_size: np.ndarray
    run_data: np.ndarray
    others: tuple[Other, ...]
    labels: tuple[str, str, str]

    alike = False

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure of two panels."""
        return (7.4, 3.6), 2, (1.0,)


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute the best split over the fitted computes and beyond; `measured` is not used.

    Raises
    ------
    UsageError
        If the law has no best size and data at a compute.
    """
    del measured
    law, fitted = fit.law, fit.points()
    spent, others = law.size_and_data(), _fitted.held(fit.law, fitted.inputs)
    runs = law.along(fitted.inputs) if spent else np.ones(1)
    compute = np.geomspace(runs.min(), REACH * runs.max(), STEPS)
    best = law.optimum(compute, **others) if spent else None
    if spent is None or best is None:
        raise UsageError(
            "the figure optimum needs a law with a best size and data at a compute.",
            hint="Draw --kind loss instead.",
        )
    draws = getattr(fit.uncertainty, "draws", None)
    found = [optimal_range(law, draws, float(c), level, others) for c in compute]
    sizes = np.array(found).T if all(found) else None
    near = np.array([near_optimal(law, float(c), others, [SHARE])[SHARE] for c in compute]).T

    def bought(of: np.ndarray) -> np.ndarray:
        """Return the data that sizes leave to buy: little where a size is large."""
        ends = (law.spending(compute, **{**others, spent[0]: of[i]})[spent[1]] for i in (1, 0))
        return np.stack([np.asarray(end, float) for end in ends])

    counted = (fit.data.get("conventions") or {}).get("N")
    return Table(
        compute=compute,
        size=np.asarray(best[spent[0]], float),
        data=np.asarray(best[spent[1]], float),
        size_range=sizes,
        data_range=None if sizes is None else bought(sizes),
        size_valley=near,
        data_valley=bought(near),
        level=level,
        edge=float(runs.max()),
        run_compute=runs,
        run_size=fitted.inputs[spent[0]],
        run_data=fitted.inputs[spent[1]],
        others=tuple(_published(compute, counted)) if spent == ("N", "D") else (),
        labels=(_style.label(fit, "C"), _style.label(fit, spent[0]), _style.label(fit, spent[1])),
    )


def _published(compute: np.ndarray, own: str | None) -> Iterator[Other]:
    """Yield the published laws; of another count of parameters than the fit's it is said."""
    for name in PUBLISHED:
        fit = kinds.load(name, Fit)
        best = fit.law.optimum(compute)
        counted = (fit.data.get("conventions") or fit.law.convention).get("N")
        told = f"{name} (N {counted})".replace("_e", "-e") if counted != own else name
        if best is not None:
            yield Other(told, np.asarray(best["N"], float), np.asarray(best["D"], float))


def draw(table: Table, *axes: Axes) -> None:
    """Draw the table: size on the left, data on the right."""
    runs, inside = (table.run_size, table.run_data), table.compute <= table.edge * _fitted.SAME
    own, ranges = (table.size, table.data), (table.size_range, table.data_range)
    valleys = table.size_valley, table.data_valley
    for i, ax in enumerate(axes):
        ax.set(xscale="log", yscale="log", xlabel=table.labels[0], ylabel=table.labels[1 + i])
        ends, text = ranges[i], f"within {100 * SHARE:g} % of the least loss"
        _style.band(ax, table.compute, *valleys[i], color=VALLEY, alpha=0.35, label=text)
        text = f"{100 * table.level:g} % of the draws"
        if ends is not None:
            _style.band(ax, table.compute, *ends, color=_style.PREDICTED, alpha=0.2, label=text)
        _style.draw_reach(ax, table.compute, own[i], inside, text="best", colour=_style.INK)
        for other, colour in zip(table.others, COLOURS, strict=False):
            line = (other.size, other.data)[i]
            ax.plot(table.compute, line, color=colour, lw=1, ls=":", label=other.name)
        style = {**_style.RUNS, "color": _style.FAINT, "ms": 2.5}
        ax.plot(table.run_compute, runs[i], **style)
        ax.margins(y=0.12)
        _style.shade_no_data(ax, table.edge)
    _style.legend_above(axes[0], ncols=4, handlelength=1.8)
