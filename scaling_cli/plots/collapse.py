"""Loss curves over their ends, against the share of the run: tuned runs fall upon one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.curve_fit import LAST, CurveFit
from scaling_cli.plots import _style
from scaling_cli.plots.curves import titles
from scaling_cli.runs.curve import Curve
from scaling_cli.vocabulary.errors import DataError

DRAWS = ("curve_fit",)
FROM = 0.1  # of the run: before it losses fall too fast to tell curves apart
STEPS = 100


@dataclass(frozen=True)
class Line:
    """One run: the loss over that of its end, at shares of its way."""

    run: str
    share: np.ndarray
    ratio: np.ndarray
    params: float | None


@dataclass(frozen=True)
class Table(_style.Sheet):
    """The runs, and how far they part: sd of ln ratio at shares that all have."""

    runs: tuple[Line, ...]
    share: np.ndarray
    spread: np.ndarray
    """In per cent."""

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a page with the curves, and below them how far they part."""
        return _style.PAGE, 1, (3.0, 1.0)


def table(fit: CurveFit, measured: Sequence[Curve] | None = None, level: float = 0.9) -> Table:
    """Normalise the fitted curves, and `measured` ones; `level` is not used.

    Raises
    ------
    DataError
        If there are no curves.
    """
    del level
    curves = [*(fit.curves() if fit.data.get("points") else ()), *(measured or ())]
    if not curves:
        raise DataError("the fit carries no curves; a published fit has none.")
    lines = [_line(c, t) for c, t in zip(curves, titles([c.run for c in curves]), strict=True)]
    first = max(float(line.share[0]) for line in lines)
    share = np.linspace(max(FROM, first), 1.0, STEPS)
    logs = np.stack([np.log(np.interp(share, line.share, line.ratio)) for line in lines])
    return Table(tuple(lines), share, 100 * logs.std(axis=0))


def _line(curve: Curve, title: str) -> Line:
    share = np.asarray(curve.step, float) / float(curve.step[-1])
    end = float(np.mean(curve.loss[share >= 1 - LAST]))
    kept = share >= min(FROM, float(share[-1]))
    return Line(title, share[kept], np.asarray(curve.loss, float)[kept] / end, curve.params)


def draw(table: Table, *axes: Axes) -> None:
    """Draw the table."""
    ratio, spread = axes
    few = len(table.runs) <= len(_style.DISTINCT)
    colours = _style.DISTINCT if few else _style.ORDERED(np.linspace(0, 1, len(table.runs)))
    for line, colour in zip(table.runs, colours, strict=not few):
        ratio.plot(line.share, line.ratio, color=colour, lw=1, label=line.run)
    spread.plot(table.share, table.spread, color=_style.INK, lw=1.2)
    ratio.set_ylabel("Loss / loss at the end")
    spread.set(xlabel="Share of the run", ylabel="Spread (%)")
    spread.set_ylim(bottom=0)
    _style.legend_above(ratio, ncols=4, fontsize=7.5)
