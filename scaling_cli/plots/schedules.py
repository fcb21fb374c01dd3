"""Predicted loss curves of several schedules in one figure, their learning rates below."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts._curve_prediction import CurvePrediction
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.plots import _style
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import UsageError

DRAWS = ("curve_fit",)
# Okabe and Ito's palette without its yellow, which is too light for a line on white.
WIDE, DEEP = 46, 3  # characters and lines of a schedule's text in the legend


@dataclass(frozen=True)
class Line:
    """One schedule: arrays of shape (n,); the band is where the curve lies, or None."""

    label: str
    step: np.ndarray
    value: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    rate: np.ndarray


@dataclass(frozen=True)
class Table(_style.Sheet):
    """Lines of one fit, in the `unit` of its losses; beyond `longest` no fitted run goes."""

    lines: tuple[Line, ...]
    level: float
    longest: float
    unit: str

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a page with the losses, and below them the rates."""
        return _style.PAGE, 1, (3.0, 1.0)


def table(fit: CurveFit, measured: Sequence[Curve] | None = None, level: float = 0.9) -> Table:
    """Predict the schedules of the fitted runs, and of `measured` ones, of the largest model."""
    texts = [run.schedule for run in fit.runs] + [c.schedule.text() for c in measured or ()]
    largest = fit.sizes[1] if fit.sizes else None
    found = [fit.predict(parse_schedule(t), N=largest, level=level) for t in dict.fromkeys(texts)]
    return of(found, fit)


def of(found: Sequence[CurvePrediction], fit: CurveFit) -> Table:
    """Return the table of predictions that a fit made.

    Raises
    ------
    UsageError
        If there are more schedules than colours that can be told apart.
    """
    if len(found) > len(_style.DISTINCT):
        most = len(_style.DISTINCT)
        raise UsageError(
            f"{len(found)} schedules are too many for one figure, which has {most} colours.",
            hint="Draw those that matter: scaling predict --fit FIT --schedule ... -o curves.png.",
        )
    lines = tuple(
        Line(_folded(p.schedule.text()), p.step, p.value, *(p.mean or (None, None)), p.rate)
        for p in found
    )
    return Table(lines, found[0].level, fit.longest, fit.loss_unit)


def _folded(text: str) -> str:
    """Return a schedule's text in lines broken after commas; only a long list of knots is cut."""
    lines = textwrap.wrap(text.replace(",", ", "), WIDE, max_lines=DEEP, placeholder=" ...")
    return "\n".join(lines).replace(", ", ",")


def draw(table: Table, *axes: Axes) -> None:
    """Draw the table: loss above, learning rate below."""
    loss, rate = axes
    for line, colour in zip(table.lines, _style.DISTINCT, strict=False):
        _style.band(loss, line.step, line.low, line.high, color=colour, alpha=0.16)
        loss.plot(line.step, line.value, color=colour, label=line.label)
        loss.plot(line.step[-1], line.value[-1], "o", color=colour, ms=3.5)
        rate.plot(line.step, line.rate, color=colour, lw=1.1)
    ends = np.array([line.value[-1] for line in table.lines])
    tops = np.array([np.quantile(line.value, 0.9) for line in table.lines])
    spread = tops.max() - ends.min()
    limits = (ends.min() - 0.25 * spread, tops.max() + 0.25 * spread)
    loss.set(ylabel=f"Loss ({table.unit})", ylim=limits)
    rate.set(xlabel="Step", ylabel="Learning rate")
    rate.set_ylim(bottom=0)
    title = f"bands: where the curve lies, {100 * table.level:g} %"
    _style.legend_above(loss, ncols=2, title=title, title_fontsize=7.5, fontsize=7.5)
    if max(line.step[-1] for line in table.lines) > table.longest:
        _style.shade_no_data(loss, table.longest)
