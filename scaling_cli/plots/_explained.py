"""One curve with what was done to it: rows as logged, those set aside, and what is kept."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli.forecasting.explanation import Explanation, Standing
from scaling_cli.plots import _style
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import short_number

MOST_ROWS = 6000  # of those that count; what was set aside is drawn whole
ALONG = 400  # places of the schedule
DOTS = 60  # of the logged rates
# What the vertical axis shows of the rows that count: a start far above the rest would flatten it.
HIGHEST, BEGINNING = 0.97, 0.02
OLDER = "#cc79a7"
MARKS: tuple[tuple[Standing, str, dict[str, Any]], ...] = (
    (Standing.SUPERSEDED, "superseded", {"marker": "x", "color": OLDER}),
    (Standing.SPIKE, "spikes", {"marker": "^", "color": _style.MEASURED}),
)
MANY = 40  # marks, drawn smaller


@dataclass(frozen=True)
class Table(_style.Sheet):
    """All that is drawn of an explanation.

    Parameters
    ----------
    title, unit, label : str
        The run, what its axis counts, and the vertical axis.
    x, loss : array, shape (m,)
        Rows that count, thinned and in order.
    apart : mapping of what to (x, loss)
        Rows that do not.
    means : (x, loss)
        What the forecast is fitted to.
    broken : array
        Where the loss is not finite.
    resumed : sequence of (from, to)
        Where the log goes back.
    warmup : float
    used : mapping of use to (first, last)
    rates, logged : (x, rate) or None
        The schedule, and the logged rates.
    """

    title: str
    unit: str
    label: str
    x: np.ndarray
    loss: np.ndarray
    apart: dict[str, tuple[np.ndarray, np.ndarray]]
    means: tuple[np.ndarray, np.ndarray]
    broken: np.ndarray
    resumed: tuple[tuple[float, float], ...]
    warmup: float
    used: dict[str, tuple[float, float]]
    rates: tuple[np.ndarray, np.ndarray] | None
    logged: tuple[np.ndarray, np.ndarray] | None

    def layout(self) -> tuple[tuple[float, float], int, tuple[float, ...]]:
        """Return the size of a page: the loss, its uses, and the rate where one is known."""
        rated = self.rates is not None or self.logged is not None
        used = [0.22 + 0.16 * len(self.used)] if self.used else []
        return _style.PAGE, 1, (3.2, *used, *([0.9] if rated else []))


def table(of: Explanation) -> Table:
    """Return what is drawn of an explanation.

    Raises
    ------
    UsageError
        If the run is no curve.
    """
    if len(np.unique(of.x[of.logged & np.isfinite(of.x)])) < 2:
        raise UsageError(f"run {of.run!r} has no {of.target} along it to draw.")
    kept = np.flatnonzero(of.of(Standing.COUNTS))
    kept = kept[np.argsort(of.x[kept], kind="stable")]
    kept = kept[:: max(1, len(kept) // MOST_ROWS)]
    there = np.isfinite(of.loss)
    apart = {name: of.of(standing) & there for standing, name, _ in MARKS}
    logged = np.isfinite(of.lr) & ~of.of(Standing.SUPERSEDED)
    back = [(p.first + p.back, p.first) for p in of.segments if p.back is not None]
    return Table(
        *(of.run, of.unit, f"{of.target} ({of.loss_unit})", of.x[kept], of.loss[kept]),
        apart={name: (of.x[rows], of.loss[rows]) for name, rows in apart.items() if rows.any()},
        means=of.means,
        broken=of.x[~there & of.logged],
        resumed=tuple(back),
        warmup=of.rate.warmup if of.rate else 0.0,
        used={u.by: (u.first, u.last) for u in of.uses if u.first is not None and u.last},
        rates=_rates(of),
        logged=(of.x[logged], of.lr[logged]) if logged.any() else None,
    )


def _rates(of: Explanation) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the schedule along the rows; one over another unit is not drawn."""
    if of.schedule is None or of.schedule.unit != of.unit:
        return None
    along = np.linspace(max(np.nanmin(of.x), of.shift), np.nanmax(of.x), ALONG)
    return along, np.asarray(of.schedule.lr(along - of.shift))


def draw(table: Table, *axes: Axes) -> None:
    """Draw the loss above, below it what each use takes, and the learning rate."""
    loss, *others = axes
    lowest = [loss, *others][-1]
    _draw_loss(table, loss)
    if table.used:
        _draw_uses(table, others.pop(0))
    for rate in others:
        _draw_rate(table, rate)
    for ax in axes:
        ax.axvspan(0, table.warmup, color=_style.NO_DATA, zorder=0, lw=0)
    lowest.set_xlabel(table.unit.capitalize())
    lowest.xaxis.set_major_formatter(lambda value, _: short_number(value))
    whole = np.concatenate([table.x, table.broken, *(x for x, _ in table.apart.values())])
    if len(whole):
        lowest.set_xlim(min(0, whole.min()), whole.max() * 1.02)
    _style.legend_above(loss, ncols=4)


def _draw_loss(table: Table, ax: Axes) -> None:
    dots: dict[str, Any] = {"ls": "none", "mew": 0.8}
    text = "rows that count"
    ax.plot(table.x, table.loss, ".", color=_style.PREDICTED, ms=2.5, mew=0, label=text, zorder=3)
    for _, name, mark in MARKS:
        if name in table.apart:
            x, loss = table.apart[name]
            size = 4 if len(x) < MANY else 2.5
            ax.plot(x, loss, label=f"{name} ({len(x)})", zorder=4, ms=size, **dots, **mark)
    if len(table.means[0]):
        line: dict[str, Any] = {"color": _style.INK, "lw": 0.8, "marker": ".", "ms": 3.5}
        ax.plot(*table.means, label="averages (forecast)", zorder=5, **line)
    low, high = _range(table)
    ax.set_ylim(low, high)
    if len(table.broken):
        text = f"not finite ({len(table.broken)})"
        top = {"clip_on": False, "marker": "v", "ms": 5, "color": _style.INK, "label": text}
        ax.plot(table.broken, np.full(len(table.broken), high), zorder=6, **dots, **top)
    _draw_resumes(table, ax)
    if table.warmup:
        ax.fill_between([], [], [], color=_style.NO_DATA, lw=0, label="warm-up")
    ax.set_ylabel(table.label)
    if not len(table.loss):
        ax.set_yticks([])
    ax.set_title(table.title, loc="left")


def _draw_resumes(table: Table, ax: Axes) -> None:
    """Draw a line where the log goes back, from the last row before to the first after."""
    for i, (last, first) in enumerate(table.resumed):
        text = f"resumed ({len(table.resumed)})" if not i else None
        ax.axvline(first, color=OLDER, lw=0.9, ls=_style.DASHED, label=text, zorder=2)
        if last > first:
            ax.axvspan(first, last, color=OLDER, alpha=0.1, lw=0, zorder=1)


def _range(table: Table) -> tuple[float, float]:
    """Return what the vertical axis shows: all that is kept but the first of a steep start."""
    if not len(table.loss):
        return 0.0, 1.0
    x, loss = table.x, table.loss
    after = loss[x >= x[0] + BEGINNING * (x[-1] - x[0])]
    tops = [np.quantile(loss, HIGHEST), after.max()]
    tops += [values.max() for name, (_, values) in table.apart.items() if name == "spikes"]
    low, high = float(loss.min()), float(max(tops))
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _draw_uses(table: Table, ax: Axes) -> None:
    """Draw what each use takes as a bar."""
    for i, (first, last) in enumerate(table.used.values()):
        ax.plot([first, last], [-i, -i], color=_style.INK, lw=4, solid_capstyle="butt")
    ax.set(ylim=(-len(table.used) + 0.3, 0.7), yticks=[-i for i in range(len(table.used))])
    ax.set_yticklabels([*table.used], fontsize=7)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)


def _draw_rate(table: Table, ax: Axes) -> None:
    if table.rates is not None:
        ax.plot(*table.rates, color=_style.PREDICTED, lw=1.1, label="schedule")
    if table.logged is not None:
        x, rate = table.logged
        some = slice(None, None, max(1, len(x) // DOTS))
        ax.plot(x[some], rate[some], ".", color=_style.INK, ms=3, mew=0, label="logged")
    ax.set_ylabel("lr")
    ax.set_ylim(bottom=0)
    ax.legend(loc="best", ncols=2, fontsize=7)
