"""The loss surface over N and D: level lines, the runs, and the best N and D of every budget."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from scaling_cli.artefacts.fit import Fit
from scaling_cli.plots import _style
from scaling_cli.plots._fitted import at_held, held, held_out, within
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError

DRAWS = ("fit",)
_STEPS = 90
_ROOM = 1.6  # the surface is drawn this factor around the runs, measured ones included
_LEVELS = 12


@dataclass(frozen=True)
class Table(_style.Sheet):
    """The surface: `loss` has shape (len(D), len(N)); runs have shape (runs,)."""

    size: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    levels: np.ndarray
    runs: tuple[str, ...]
    run_size: np.ndarray
    run_tokens: np.ndarray
    held_size: np.ndarray | None
    held_tokens: np.ndarray | None
    best_size: np.ndarray | None
    best_tokens: np.ndarray | None
    edge: float
    """Largest compute of a fitted run."""
    compute: np.ndarray
    """Compute at each point of the surface, same shape as `loss`."""
    best_compute: np.ndarray
    best_inside: np.ndarray | None
    """Where the best N and D lie in the ranges that were fitted, shape of `best_size`."""
    labels: tuple[str, str, str]


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute the surface around the fitted runs and `measured` ones.

    Raises
    ------
    UsageError
        If the law has no size and data.
    """
    fitted, law = fit.points(), fit.law
    if (spent := law.size_and_data()) is None:
        raise UsageError(
            f"the contour figure needs a law of N and D, not of {', '.join(fitted.inputs)}.",
            hint="Draw --kind loss instead.",
        )
    symbol, data = spent
    others, left = held(law, fitted.inputs), held_out(fit, measured, level)
    beyond = left.inputs if left else {}
    size, tokens = (_grid(fitted.inputs[s], beyond.get(s)) for s in spent)
    grid = {**dict(zip(spent, np.meshgrid(size, tokens), strict=True)), **others}
    loss, compute = np.asarray(law(**grid)), law.along(grid)
    along = np.geomspace(compute.min(), compute.max(), _STEPS)
    names = [_style.label(fit, s) for s in (*spent, law.output().symbol)]
    best = law.optimum(along, **others)
    levels = MaxNLocator(_LEVELS).tick_values(loss.min(), loss.max())  # round losses
    return Table(
        size=size,
        tokens=tokens,
        loss=loss,
        levels=levels[(levels > loss.min()) & (levels < loss.max())],
        runs=tuple(fitted.runs),
        run_size=fitted.inputs[symbol],
        run_tokens=fitted.inputs[data],
        held_size=beyond.get(symbol),
        held_tokens=beyond.get(data),
        best_size=best[symbol] if best else None,
        best_tokens=best[data] if best else None,
        edge=float(law.along(fitted.inputs).max()),
        compute=compute,
        best_compute=along,
        best_inside=within(law, fitted.inputs, best) if best else None,
        labels=(names[0], names[1], at_held(names[2], others)),
    )


def _grid(values: np.ndarray, beyond: np.ndarray | None) -> np.ndarray:
    every = values if beyond is None else np.concatenate([values, beyond])
    return np.geomspace(every.min() / _ROOM, every.max() * _ROOM, _STEPS)


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    ax.set(xscale="log", yscale="log", xlabel=table.labels[0], ylabel=table.labels[1])
    surface = (table.size, table.tokens, table.loss)
    shades = np.geomspace(table.loss.min(), table.loss.max(), 40)
    ax.contourf(*surface, levels=shades, cmap=_style.PALE, norm=_style.colours(table.loss))
    faint: dict[str, Any] = {"colors": _style.FAINT}
    lines = ax.contour(*surface, levels=table.levels, linewidths=0.7, **faint)
    ax.clabel(lines, fontsize=7, fmt="%g")
    spent, beyond = (table.size, table.tokens, table.compute), [table.edge, np.inf]
    ax.contourf(*spent, levels=beyond, colors=[_style.NO_DATA], alpha=0.65)
    ax.contour(*spent, levels=beyond[:1], linestyles=":", linewidths=1, **faint)
    if table.best_size is not None and table.best_tokens is not None:
        best = (table.best_size, table.best_tokens, np.asarray(table.best_inside))
        _style.draw_reach(ax, *best, text="compute-optimal", colour=_style.PREDICTED)
    ax.plot(table.run_size, table.run_tokens, color=_style.INK, **_style.RUNS)
    if table.held_size is not None and table.held_tokens is not None:
        ax.plot(table.held_size, table.held_tokens, label="held-out runs", **_style.HELD_OUT)
    ax.set(xlim=table.size[[0, -1]], ylim=table.tokens[[0, -1]], title=table.labels[2])
    ax.grid(visible=False)
    _style.legend_above(ax, ncols=4, handlelength=1.8)
