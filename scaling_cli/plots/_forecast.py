"""A running job: its losses so far, the forecast with its band, siblings and scenarios."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from scaling_cli.artefacts.forecast import Forecast, Forecasts, Scenario
from scaling_cli.forecasting.job import Job, binned
from scaling_cli.plots import _style
from scaling_cli.vocabulary.quantities import short_number

MOST_RUNS = 3  # panels
SHOWN_FROM = 0.08  # of the run: before it, losses fall too fast to see the end
MOST_ROWS, FEW_ROWS = 1500, 120
BESIDE = 0.012  # of the run: how far apart the ends of scenarios are drawn


@dataclass(frozen=True)
class Line:
    """A curve to draw, in steps (or tokens) and the unit of its loss."""

    name: str
    x: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class Panel:
    """One run.

    Parameters
    ----------
    forecast : Forecast
    logged, smooth : Line
        Rows as logged (thinned), and the averages that were fitted.
    siblings : sequence of Line
        Over the run's own length.
    """

    forecast: Forecast
    logged: Line
    smooth: Line
    siblings: Sequence[Line]

    @property
    def ends(self) -> Sequence[Scenario]:
        """Where the run ends under each schedule that it may have."""
        return self.forecast.scenarios


@dataclass(frozen=True)
class Table(_style.Sheet):
    """One panel per run, three at most, and what their vertical axis says."""

    shown: Sequence[Panel]
    left: int
    label: str

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a figure with a panel per run."""
        (width, height), panels = _style.PAGE, len(self.shown)
        return (width * (1 if panels == 1 else 0.72 * panels), height), panels, (1.0,)


def table(forecasts: Forecasts, jobs: Sequence[Job], siblings: Sequence[Job] = ()) -> Table:
    """Return what is drawn of forecasts, given the jobs and the siblings they were made from."""
    by_name = {job.run: job for job in jobs}
    shown = [_panel(f, by_name[f.run], siblings) for f in forecasts.runs[:MOST_RUNS]]
    labels = {_label(by_name[f.run]) for f in forecasts.runs[:MOST_RUNS]}
    names = {label.partition(" (")[0] for label in labels}
    label = next((told.pop() for told in (labels, names) if len(told) == 1), "")
    return Table(tuple(shown), len(forecasts) - len(shown), label)


def _label(job: Job) -> str:
    """Return what is forecast, a loss with its unit; what is no loss has none."""
    plain = job.noun != "loss" and job.loss_unit == "as given"
    return job.noun if plain else f"Loss ({job.loss_unit})"


def _panel(forecast: Forecast, job: Job, siblings: Sequence[Job]) -> Panel:
    first = SHOWN_FROM * forecast.until
    if (job.x >= first).sum() < 3:
        first = float(job.x[0])
    kept = np.flatnonzero(job.x >= first)
    kept = kept[:: max(1, len(kept) // MOST_ROWS)]
    logged = Line("logged", job.x[kept], job.loss[kept])
    finished = [_sibling(s, forecast, first) for s in siblings if s.run in forecast.siblings]
    return Panel(forecast, logged, _smooth(job, first), finished)


def _sibling(job: Job, forecast: Forecast, first: float) -> Line:
    """Return a finished run over the length of the one that is forecast."""
    stretch = forecast.until / job.now if forecast.method.endswith("transfer") else 1.0
    shown = _smooth(job, first / stretch)
    return Line(job.run, shown.x * stretch, shown.loss)


def _smooth(job: Job, first: float) -> Line:
    """Return the averages of many rows; few are shown as they are."""
    kept = job.x >= first
    if kept.sum() <= FEW_ROWS or (job.loss <= 0).any():
        return Line(job.run, job.x[kept], job.loss[kept])
    bins = binned(job, first)
    return Line(job.run, bins.x, bins.loss)


def draw(table: Table, *axes: Axes) -> None:
    """Draw one run per panel."""
    for panel, ax in zip(table.shown, axes, strict=True):
        _draw(panel, ax)
    low, high = _range(table.shown)  # panels share their vertical axis
    room = 0.05 * (high - low)
    axes[0].set_ylim(low - room, high + room)
    axes[0].set_ylabel(table.label)


def _draw(panel: Panel, ax: Axes) -> None:
    forecast, path, smooth = panel.forecast, panel.forecast.path, panel.smooth
    for i, line in enumerate(panel.siblings):
        text = "finished siblings" if i == 0 else None
        ax.plot(line.x, line.loss, color=_style.FAINT, lw=0.9, alpha=0.8, label=text)
    noisy = len(panel.logged.x) > len(smooth.x)
    if noisy:
        ax.plot(panel.logged.x, panel.logged.loss, ".", color=_style.INK, ms=2, alpha=0.4, mew=0)
    dots: dict[str, Any] = {"color": _style.INK, "ms": 3, "marker": None if noisy else "."}
    ax.plot(smooth.x, smooth.loss, label="logged so far", **dots)
    text = f"{100 * forecast.level:g} % interval, [{path.low[-1]:.3f}, {path.high[-1]:.3f}]"
    text += "" if forecast.valid else "; does not hold"
    _style.band(ax, path.x, path.low, path.high, color=_style.PREDICTED, alpha=0.18, label=text)
    text = f"expected, {path.loss[-1]:.3f} at the end"
    text += ", whatever the rate does" if panel.ends else ""
    ax.plot(path.x, path.loss, color=_style.PREDICTED, ls=_style.DASHED, label=text)
    # Other scenarios beside the end of the run, each with its interval.
    point: dict[str, Any] = {"color": _style.MEASURED, "mfc": "white", "ms": 5, "lw": 1}
    for i, (end, marker) in enumerate(zip(panel.ends, "s^vD", strict=False)):
        x, (low, high) = path.x[-1] * (1 + BESIDE * (i + 1)), end.interval
        bar, text = (
            [[end.value - low], [high - end.value]],
            f"if the rate {end.name}, {end.value:.3f}",
        )
        ax.errorbar(x, end.value, bar, fmt=marker, zorder=5, label=text, **point)
    ax.axvline(path.x[0], color=_style.FAINT, lw=0.8)
    ax.set_xlim(smooth.x[0], path.x[-1] * (1.01 + BESIDE * len(panel.ends)))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(lambda value, _: short_number(value))
    ax.set_xlabel(forecast.unit.capitalize())
    ax.set_title(forecast.run, loc="left")
    ax.legend(loc="upper right", handlelength=2.0, frameon=True, framealpha=0.9, edgecolor="none")


def _range(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return what was fitted, the bands, every end; early losses may leave it."""
    shown = [part for panel in panels for part in _parts(panel)]
    return min(float(np.min(v)) for v in shown), max(float(np.max(v)) for v in shown)


def _parts(panel: Panel) -> Iterator[np.ndarray]:
    path = panel.forecast.path
    yield from (panel.smooth.loss, path.low, path.high)
    yield from (np.array(end.interval) for end in panel.ends)
    yield from (s.loss[s.x <= path.x[-1]][-1] for s in panel.siblings)
