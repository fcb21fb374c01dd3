"""A running job: its losses so far, the forecast with its band, siblings and scenarios."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.forecasting.job import Job, binned
from scaling_cli.plots import _style
from scaling_cli.vocabulary.quantities import short_number

MOST_RUNS = 3  # panels
SHOWN_FROM = 0.08  # of the run: before it, losses fall too fast to see the end
MOST_ROWS, FEW_ROWS = 1500, 120
BESIDE = 0.012  # of the run: how far apart the ends of scenarios are drawn


@dataclass(frozen=True)
class Line:
    """A curve to draw, in steps (or tokens) and nats/token."""

    name: str
    x: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class End:
    """Where the run ends under another schedule that it may have, and the interval there."""

    name: str
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One run.

    Parameters
    ----------
    run, unit : str
    logged, smooth : Line
        Rows as logged (thinned), and the averages that were fitted.
    path : Line
        The expected loss to the end, with `low` and `high`.
    ends : sequence of End
        Of other scenarios.
    siblings : sequence of Line
        Over the run's own length.
    level : float
    assumed : str
        The schedule that is assumed; empty where it is known.
    valid : bool
        Whether the interval can be trusted.
    """

    run: str
    unit: str
    logged: Line
    smooth: Line
    path: Line
    low: np.ndarray
    high: np.ndarray
    ends: Sequence[End]
    siblings: Sequence[Line]
    level: float
    assumed: str
    valid: bool = True


@dataclass(frozen=True)
class Table:
    """One panel per run, three at most."""

    shown: Sequence[Panel]
    left: int

    @property
    def panels(self) -> int:
        """Number of panels."""
        return len(self.shown)

    @property
    def inches(self) -> tuple[float, float]:
        """Size of the figure."""
        width, height = _style.PAGE
        return width * (1 if self.panels == 1 else 0.72 * self.panels), height

    most: ClassVar[int] = MOST_RUNS


def table(found: Forecasts, jobs: Sequence[Job], siblings: Sequence[Job] = ()) -> Table:
    """Return what is drawn of forecasts, given the jobs and the siblings they were made from."""
    by_name = {job.run: job for job in jobs}
    shown = [_panel(f, by_name[f.run], siblings) for f in found.runs[:MOST_RUNS]]
    return Table(tuple(shown), len(found) - len(shown))


def _panel(forecast: Forecast, job: Job, siblings: Sequence[Job]) -> Panel:
    first = SHOWN_FROM * forecast.until
    if (job.x >= first).sum() < 3:
        first = float(job.x[0])
    smooth = _smooth(job, first)
    kept = np.flatnonzero(job.x >= first)
    kept = kept[:: max(1, len(kept) // MOST_ROWS)]
    others = [s for s in forecast.scenarios if not s.headline]
    return Panel(
        forecast.run,
        forecast.unit,
        Line("logged", job.x[kept], job.loss[kept]),
        smooth,
        Line("expected", forecast.path.x, forecast.path.loss),
        forecast.path.low,
        forecast.path.high,
        tuple(End(s.name, s.value, *s.interval) for s in others),
        tuple(_sibling(s, forecast, first) for s in siblings if s.run in forecast.siblings),
        forecast.level,
        next((s.name for s in forecast.scenarios if s.headline), "")
        if forecast.schedule.assumed
        else "",
        forecast.valid,
    )


def _sibling(job: Job, forecast: Forecast, first: float) -> Line:
    """Return a finished run over the length of the one that is forecast."""
    stretch = forecast.until / job.now if forecast.method.endswith("transfer") else 1.0
    shown = _smooth(job, first / stretch)
    return Line(job.run, shown.x * stretch, shown.loss)


def _smooth(job: Job, first: float) -> Line:
    """Return the averages of many rows; few are shown as they are."""
    kept = job.x >= first
    if kept.sum() <= FEW_ROWS:
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
    axes[0].set_ylabel("Loss (nats/token)")


def _draw(panel: Panel, ax: Axes) -> None:
    for i, sibling in enumerate(panel.siblings):
        ax.plot(
            sibling.x,
            sibling.loss,
            color=_style.FAINT,
            lw=0.9,
            alpha=0.8,
            label="finished siblings" if i == 0 else None,
        )
    noisy = len(panel.logged.x) > len(panel.smooth.x)
    if noisy:
        ax.plot(panel.logged.x, panel.logged.loss, ".", color=_style.INK, ms=2, alpha=0.4, mew=0)
    ax.plot(
        panel.smooth.x,
        panel.smooth.loss,
        color=_style.INK,
        marker=None if noisy else ".",
        ms=3,
        label="logged so far",
    )
    ax.fill_between(
        panel.path.x,
        panel.low,
        panel.high,
        color=_style.PREDICTED,
        alpha=0.18,
        lw=0,
        label=_band(panel),
    )
    assumed = f", assuming {panel.assumed}" if panel.assumed else ""
    ax.plot(
        panel.path.x,
        panel.path.loss,
        color=_style.PREDICTED,
        ls=_style.DASHED,
        label=f"expected, {panel.path.loss[-1]:.3f} at the end{assumed}",
    )
    _ends(panel, ax)
    ax.axvline(panel.path.x[0], color=_style.FAINT, lw=0.8)
    ax.set_xlim(panel.smooth.x[0], panel.path.x[-1] * (1.01 + BESIDE * len(panel.ends)))
    ax.xaxis.set_major_formatter(lambda value, _: short_number(value))
    ax.set_xlabel(panel.unit.capitalize())
    ax.set_title(panel.run, loc="left")
    ax.legend(loc="upper right", handlelength=2.0, frameon=True, framealpha=0.9, edgecolor="none")


def _band(panel: Panel) -> str:
    ends = f"[{panel.low[-1]:.3f}, {panel.high[-1]:.3f}]"
    return f"{100 * panel.level:g} % interval, {ends}{'' if panel.valid else '; does not hold'}"


def _ends(panel: Panel, ax: Axes) -> None:
    """Draw other scenarios beside the end of the run, each with its interval."""
    for i, (end, marker) in enumerate(zip(panel.ends, "s^vD", strict=False)):
        x = panel.path.x[-1] * (1 + BESIDE * (i + 1))
        bar = [[end.loss - end.low], [end.high - end.loss]]
        ax.errorbar(
            x,
            end.loss,
            bar,
            fmt=marker,
            color=_style.MEASURED,
            mfc="white",
            ms=5,
            lw=1,
            zorder=5,
            label=f"if {end.name}, {end.loss:.3f}",
        )


def _range(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return what was fitted, the bands, every end; early losses may leave it."""
    shown = [part for panel in panels for part in _parts(panel)]
    return min(float(np.min(v)) for v in shown), max(float(np.max(v)) for v in shown)


def _parts(panel: Panel) -> Iterator[np.ndarray]:
    yield from (panel.smooth.loss, panel.low, panel.high)
    yield from (np.array([end.low, end.high]) for end in panel.ends)
    yield from (s.loss[s.x <= panel.path.x[-1]][-1] for s in panel.siblings)
