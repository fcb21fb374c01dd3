"""Loss against compute: runs by size, fitted curves, the frontier, and the forecast beyond."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.plots import _fitted, _style
from scaling_cli.plots._fitted import HeldOut
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import short_number

DRAWS = ("fit",)
# More sizes than this are shown by a colour bar, and this many of them get a curve.
MOST_SIZES = 8
# The frontier is drawn this far beyond the largest run, and beyond any measured one.
REACH, MARGIN = 10.0, 1.6
_STEPS = 120
SPAN = 1e4  # of a law whose runs are not known: from here to its example
ALONE = True  # a fit without its points is drawn as its law


@dataclass(frozen=True)
class Curve:
    """The fitted law along the scale axis at one size; arrays have shape (steps,)."""

    size: float
    scale: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class Frontier:
    """The least loss at each compute (or the law of one variable), with its interval.

    `low` and `high` bound a new run at `level`; None where the fit has no uncertainty. `inside`
    says where every input lies in the range that was fitted.
    """

    name: str
    scale: np.ndarray
    loss: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    level: float
    inside: np.ndarray


@dataclass(frozen=True)
class Table(_style.Sheet):
    """Everything drawn. Arrays of runs have shape (runs,).

    Lines hold the inputs that do not grow as the largest run has them; their labels say so.
    """

    runs: tuple[str, ...]
    scale: np.ndarray
    loss: np.ndarray
    size: np.ndarray | None
    size_symbol: str
    curves: tuple[Curve, ...]
    frontier: Frontier | None
    held_out: HeldOut | None
    edge: float | None
    labels: tuple[str, str]
    logarithmic: bool = True


def table(fit: Fit, measured: Points | None = None, level: float = 0.9) -> Table:
    """Compute the figure's numbers.

    Parameters
    ----------
    fit : Fit
        Must carry its points.
    measured : Points, optional
        Runs that were not fitted, drawn beside their predictions.
    level : float
        Coverage of the interval for a new run.
    """
    if not fit.data.get("points"):
        return _alone(fit, level)
    fitted, law = fit.points(), fit.law
    axis, reach = _fitted.across(law, fitted.inputs)
    symbol, _ = law.size_and_data() or ("", "")
    left, others = _fitted.held_out(fit, measured, level), _fitted.held(law, fitted.inputs)
    others, output = others if law.growing() else {}, _style.label(fit, law.output().symbol)
    return Table(
        runs=tuple(fitted.runs),
        scale=reach,
        loss=fitted.output,
        size=fitted.inputs[symbol] if symbol else None,
        size_symbol=symbol,
        curves=_curves(fit.law, fitted),
        frontier=_frontier(fit, fitted, left, level) if law.growing() else None,
        held_out=left,
        edge=float(reach.max()) if law.growing() else None,
        labels=(_style.label(fit, axis), _fitted.at_held(output, others)),
        logarithmic=_fitted.positive(law, axis),
    )


def _alone(fit: Fit, level: float) -> Table:
    """Return the law by itself: solid within the ranges that are known, dashed elsewhere.

    Raises
    ------
    UsageError
        If no input of the law grows.
    """
    law, ranges = fit.law, fit.data.get("ranges") or {}
    axis, there = law.axis(), {s: ranges.get(s, (v, v))[1] for s, v in _place(fit).items()}
    if not axis:
        raise UsageError("no input of this law grows: there is no line to draw.")
    low, high = ranges.get(axis) or ranges.get("x") or (None, None)
    largest = float(law.along(there)) if high is None else high
    along = np.geomspace(largest / SPAN if low is None else low, REACH * largest, _STEPS)
    others = {s: v for s, v in there.items() if s not in law.growing()}
    inputs = law.optimum(along, **others) if law.size_and_data() else None
    if inputs is None or not all(np.isfinite(v).any() for v in inputs.values()):
        steps = (along / largest) ** (1 / len(law.growing()))
        inputs = {s: v * steps if s in law.growing() else v for s, v in there.items()}
    told = fit.as_fitted().predict(level=level, **inputs)
    inside = along <= largest * _fitted.SAME if high is not None else np.zeros(_STEPS, bool)
    name, none = f"{laws.name_of(law)} alone", np.empty(0)
    ends = told.new_run or (None, None)
    line = Frontier(name, along, told.forecast, *ends, level, inside)
    output = _fitted.at_held(_style.label(fit, law.output().symbol), others)
    labels = (_style.label(fit, axis), output)
    edge = None if high is None else float(high)
    return Table((), none, none, None, "", (), line, None, edge, labels)


def _place(fit: Fit) -> dict[str, float]:
    """Return the largest place at which the numbers of a published law are held; else any."""
    anchors = [anchor["inputs"] for anchor in fit.origin.get("anchors") or ()]
    whole = [inputs for inputs in anchors if set(inputs) == set(fit.law.inputs())]
    if not whole:
        return fit.law.example()
    largest = int(np.argmax([float(fit.law.along(inputs)) for inputs in whole]))
    return {s: float(v) for s, v in whole[largest].items()}


def _curves(law: Law, fitted: Points) -> tuple[Curve, ...]:
    """Return the law at each size over the tokens that size was trained on.

    A size that was trained once gets a curve through all budgets of the data, in its place.
    """
    if (spent := law.size_and_data()) is None:
        return ()
    (symbol, data), curves = spent, []
    others, compute = _fitted.held(law, fitted.inputs), law.along(fitted.inputs)
    every = fitted.inputs[data]
    for size in _shown_sizes(fitted.inputs[symbol]):
        tokens = every[np.isclose(fitted.inputs[symbol], size, rtol=0.02)]
        low, high = tokens.min(), tokens.max()
        if low == high:
            spent = np.array([compute.min(), compute.max()])
            low, high = law.spending(spent, **{symbol: size}, **others)[data]
            low, high = max(every.min(), low), min(every.max(), high)
        inputs = {symbol: np.full(_STEPS, size), data: np.geomspace(low, high, _STEPS), **others}
        curves.append(Curve(float(size), law.along(inputs), np.asarray(law(**inputs))))
    return tuple(curves)


def _shown_sizes(sizes: np.ndarray) -> np.ndarray:
    """Return the sizes that get a curve: all, or some evenly among the ranks."""
    distinct = np.unique(sizes)
    if len(distinct) <= MOST_SIZES:
        return distinct
    return distinct[np.linspace(0, len(distinct) - 1, MOST_SIZES).round().astype(int)]


def _frontier(fit: Fit, fitted: Points, measured: HeldOut | None, level: float) -> Frontier | None:
    law, others, reach = fit.law, _fitted.held(fit.law, fitted.inputs), fit.law.along(fitted.inputs)
    largest = {s: float(v[np.argmax(reach)]) for s, v in fitted.inputs.items()}
    furthest = max(
        [law.along(law.reached(largest, REACH)), *(MARGIN * measured.scale if measured else ())]
    )
    along = np.union1d(np.geomspace(reach.min(), furthest, _STEPS), reach.max())
    inputs = law.optimum(along, **others) if law.size_and_data() else None
    name = "fitted law" if inputs is None else "compute-optimal"
    if inputs is None and len(law.growing()) == 1:
        inputs = {**law.placed(along), **others}
    if inputs is None:
        return None
    prediction = fit.as_fitted().predict(level=level, **inputs)
    low, high = prediction.new_run or (None, None)
    inside = _fitted.within(law, fitted.inputs, prediction.inputs)
    return Frontier(name, along, prediction.forecast, low, high, level, inside)


def draw(table: Table, ax: Axes) -> None:
    """Draw the table."""
    _draw_runs(table, ax)
    if table.frontier:
        _draw_frontier(table.frontier, ax)
    if held := table.held_out:
        text = "predicted, held-out run"
        style: dict[str, Any] = {"fmt": "o", "color": _style.PREDICTED, "mfc": "none", "ms": 7.5}
        _style.predictions(ax, held.scale, held, label=text, **style)
        # An error bar without bars: legends list lines before error bars.
        style = _style.HELD_OUT | {"zorder": 6, "label": "measured, held-out run"}
        ax.errorbar(held.scale, held.measured, **style)
    ax.set(xlabel=table.labels[0], ylabel=table.labels[1])
    if table.logarithmic:
        ax.set_xscale("log")
    _style.log_axis(ax, "y")
    if table.edge is not None:
        _style.shade_no_data(ax, table.edge)
    rises = table.frontier is not None and table.frontier.loss[-1] > table.frontier.loss[0]
    ax.legend(loc="upper left" if rises else "upper right", handlelength=1.8, labelspacing=0.35)


def _draw_runs(table: Table, ax: Axes) -> None:
    if table.size is None:
        if not table.runs:
            return
        ax.plot(table.scale, table.loss, color=_style.PREDICTED, **_style.RUNS)
        return
    norm = _style.coloured(ax, table.scale, table.loss, table.size)
    named = len(np.unique(table.size)) <= MOST_SIZES
    for curve in table.curves:
        text = f"{table.size_symbol} = {short_number(curve.size)}" if named else None
        colour = _style.ORDERED(norm(curve.size))
        ax.plot(curve.scale, curve.loss, color=colour, lw=1, alpha=0.85)
        ax.plot([], [], "o-", color=colour, ms=4, lw=1, label=text)
    if not named:
        _style.colour_bar(ax, norm, f"{table.size_symbol} of each run")


def _draw_frontier(line: Frontier, ax: Axes) -> None:
    beyond, text = _style.outside(line.inside), f"{100 * line.level:g} % new-run interval"
    _style.draw_reach(ax, line.scale, line.loss, line.inside, text=line.name, colour=_style.INK)
    style: dict[str, Any] = {"color": _style.PREDICTED, "alpha": 0.22}
    _style.band(ax, line.scale, line.low, line.high, where=beyond, label=text, **style)
