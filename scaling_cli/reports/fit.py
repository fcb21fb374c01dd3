"""A fit, in the order a careful person asks: data, law, forecast, backtest, doubts, what next."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import _checks, _fitted, _numbers, diagnosis
from scaling_cli.reports import choice as choice_report
from scaling_cli.reports import laws as laws_report
from scaling_cli.reports import prediction as prediction_report
from scaling_cli.reports import runs as runs_report
from scaling_cli.reports._blocks import Block, Labelled, Table, section
from scaling_cli.runs.points import straddled
from scaling_cli.vocabulary.quantities import factor

INSIDE = (
    "half-width: of the range that 'scaling predict' would have printed from the fitted runs "
    "alone. inside: share of the held-back runs in it."
)
_FARTHEST = re.compile(r"farthest from the law: (.*?\))")
_ARGUMENTS = re.compile(r"\([\w, ]*\) =")


def blocks(
    fit: Fit, *, full: bool = False, sources: Sequence[str] = (), written: str | None = None
) -> list[Block]:
    """Return what `scaling fit` prints.

    Parameters
    ----------
    fit : Fit
    full : bool
        Everything; otherwise the first screen.
    sources : sequence of str
        What was read.
    written : str or None
        Where the fit was written, in words.
    """
    ending = _fitted.ending(written, "predict", fit.example if written else "")
    if full:
        return [
            *_known(fit, sources, [*_forecast(fit, full=True), parameters(fit, full=True)]),
            *choice_report.blocks(fit.choice, full=True),
            backtest(fit),
            *diagnosis.blocks(fit),
            *_checks.everything(fit.checks),
            *ending,
        ]
    return [
        *_fitted.opening(_read(fit), fit.left_out, fit.data),
        *choice_report.blocks(fit.choice, full=False),
        parameters(fit),
        *_forecast(fit, full=False),
        Labelled("backtest", [tested(fit)]),
        *_checks.screen(fit.checks, _facts(fit)),
        *_checks.counted(fit.checks, written),
        *ending,
    ]


def refusal(fit: Fit, *, sources: Sequence[str] = ()) -> list[Block]:
    """Return what is known of a fit that cannot be used: no forecast, nothing written."""
    known = _known(fit, sources, [parameters(fit, full=True)])
    return [*known, *_checks.everything(fit.checks)]


def _known(fit: Fit, sources: Sequence[str], told: Sequence[Block]) -> list[Block]:
    """Return data, what was left out and the law, before what the law says."""
    data, law = specification(fit, sources)
    left = Labelled("left out", _fitted.left_out(fit.left_out, full=True) or ["no run"])
    return [data, left, law, *told]


def specification(fit: Fit, sources: Sequence[str] = ()) -> tuple[Block, Block]:
    """Return the data that were fitted, and the law: what was minimised, how that ended."""
    title = f"data: {_fitted.counted(fit.data, fit.n_points)}{_fitted.origin(sources)}"
    notes = [*map(str, fit.data.get("notes", ())), *_fitted.reading(fit.data)]
    units = {symbol: unit_of(symbol, fit) for symbol in fit.data.get("ranges", {})}
    return _fitted.ranges(fit.data, units, title, *notes), section("law", list(_law(fit)))


def _read(fit: Fit) -> str:
    """Return how many runs and which ranges were read."""
    ranges, output = fit.data.get("ranges", {}), fit.law.output()
    known = fitted_to(fit) if fit.n_points else ""
    spans = [
        f"{symbol} {_numbers.span([float(f'{x:.3g}') for x in ranges[symbol]])}"
        for symbol in fit.law.inputs()
        if symbol in ranges
    ]
    if output.symbol in ranges:
        span = _numbers.ends(ranges[output.symbol], lambda x: f"{x:.3g}")
        spans.append(f"{fit.measured} {span} {unit_of(output.symbol, fit)}".rstrip())
    return _numbers.pieces(f"{fit.name}:" * bool(fit.name), known, *spans)


def fitted_to(fit: Fit) -> str:
    """Return how many runs and points were fitted, in one number where each run is one point."""
    runs = (fit.data.get("points") or {}).get("runs")
    if runs and len(set(runs)) == fit.n_points:
        return _numbers.count(fit.n_points, "run")
    return _fitted.counted(fit.data, fit.n_points)


def parameters(fit: Fit, *, full: bool = False) -> Table:
    """Return the law and its parameters; in full with their units and how intervals were made."""
    declared, held, spans = fit.law.parameters(), fit.selection.get("fix") or {}, fit.intervals
    output = fit.law.output()
    unit, own = output.unit, unit_of(output.symbol, fit) or output.unit  # that of these data
    units = {name: parameter.unit.replace(unit, own) for name, parameter in declared.items()}
    listed = [
        _fitted.Parameter(
            name, number, spans.get(name), units[name], declared[name].meaning, name in held
        )
        for name, number in fit.parameters.items()
    ]
    methods = dict.fromkeys(str(i["method"]) for i in spans.values() if i.get("method"))
    notes = [f"intervals: {', '.join(methods)}"] if methods else []
    formula = _ARGUMENTS.sub(" =", laws_report.equation(fit.law.formula()))
    if fit.turned is not None:
        formula = f"{fit.turned} ={formula.partition('=')[2]}"
    ended = ", ".join(part for part in (str(fit.status).replace("_", " "), _miss(fit)) if part)
    name = laws.name_of(fit.law)
    own = () if _says(formula, name) else (name,)  # a formula is its own name
    title = "parameters" if full else _numbers.pieces(*own, formula, ended)
    return _fitted.parameters(listed, title, _fitted.level(spans), *notes * full, full=full)


def _says(formula: str, name: str) -> bool:
    return formula.endswith(name.rpartition("= ")[2])


def _miss(fit: Fit) -> str:
    """Return the mean distance of the fitted points from the law."""
    if not fit.data.get("points"):
        return ""
    points = fit.points()
    ratio = np.asarray(fit.law(**points.inputs), float) / points.output
    of = "" if fit.turned is None else f" of {fit.turned}"
    return f"typical miss {_numbers.percent(float(np.mean(np.abs(ratio - 1))))}{of}"


def _forecast(fit: Fit, *, full: bool) -> list[Block]:
    """Return the forecast beyond the largest run, with the range of a new run."""
    inputs = fit.diagnostics.get("headline")
    if not inputs:
        return []
    prediction = fit.predict(level=float(fit.selection.get("level", 0.9)), **inputs)
    title = where(fit, inputs)
    if full:
        notes = prediction_report.notes(prediction)
        return [prediction_report.table(prediction, title=title, notes=notes)]
    value = f"{fit.target} {_numbers.value(float(prediction.forecast[0]))}"
    if prediction.new_run is None:
        return [section(title, [value])]
    low, high = _numbers.values([float(end[0]) for end in prediction.new_run])
    half = prediction_report.half_widths(prediction)
    range_ = f"{100 * prediction.level:g} % of new runs in {low} .. {high}"
    of = prediction_report.of_what(prediction)
    width = f"(+/-{_numbers.percent(half[0])}{of})" if half else ""
    told = [_numbers.pieces(value, f"{range_} {width}")]
    if fit.uncertainty is None or not fit.uncertainty.tested:
        told.append("UNTESTED: no backtest shows that the range holds beyond the data")
    beside = [*prediction_report.between(prediction), *prediction.notes]
    return [section(title, [*told, *beside])]


def distance(fit: Fit, inputs: Mapping[str, float]) -> tuple[float, float | None]:
    """Return where on the law's axis inputs lie, and how many times the largest run."""
    there = float(fit.law.along(inputs))
    largest = fit.data.get("ranges", {}).get(fit.law.axis())
    return there, there / largest[1] if largest else None


def where(fit: Fit, inputs: Mapping[str, float]) -> str:
    """Return in words where the headline forecast is made."""
    law, axis = fit.law, fit.law.axis()
    at = ", ".join(f"{s} = {_numbers.rounded(v, s)}" for s, v in inputs.items())
    if not axis:
        return f"the best run, for no input of this law grows: {at}"
    there, ahead = distance(fit, inputs)
    best = law.optimum(there, **inputs) if law.size_and_data() else None
    at_best = best is not None and all(math.isclose(best[s], inputs[s]) for s in inputs)
    along = "" if axis in inputs else f", {axis} = {there:.3g}{' at its best split' * at_best}"
    times = "beyond" if ahead is None else f"{ahead:.3g}x"
    return f"{times} the largest run{along}: {at}"


def tested(fit: Fit) -> str:
    """Return in a sentence how forecasts of held-back runs did."""
    test = fit.backtest or {}
    cuts = test.get("cuts") or []
    if not cuts:
        return str(test.get("note") or "none was possible")
    sizes = _numbers.ends([cut["n_test"] for cut in cuts], str)
    reach = _numbers.ends(
        [cut["factor"] for cut in cuts if cut.get("factor")], lambda x: f"{float(f'{x:.2g}'):g}x"
    )
    off = _numbers.ends([cut["mare"] for cut in cuts if cut["mare"] is not None], _numbers.percent)
    thinned = fit.diagnostics.get("thinned_to")
    what = f"of {thinned} points (thinned from {fit.n_points})" if thinned else "runs"
    told = f"the {sizes} largest {what} forecast from the rest, {reach} further: off by {off}"
    told += "" if fit.turned is None else f" of {fit.turned}"
    biases = [cut["bias"] for cut in cuts if cut.get("bias") is not None]
    if len(biases) > 1 and min(biases) * max(biases) > 0:
        told += f", each time too {'high' if biases[0] > 0 else 'low'} on average"
    covered = [cut for cut in cuts if cut.get("coverage") is not None]
    if not covered:
        return told
    inside = round(sum(cut["coverage"] * cut["n_test"] for cut in covered))
    every = sum(cut["n_test"] for cut in covered)
    level = _numbers.level(float(fit.selection.get("level", 0.9)))
    return f"{told}; {inside} of {every} inside their {level} range"


def _facts(fit: Fit) -> dict[str, str]:
    """Return the lines of checks that have numbers of this fit in them."""
    facts = {}
    for check in fit.checks:
        if check.code == "data.units" and check.message in fit.data.get("notes", ()):
            facts[check.code] = "counts of tokens, parameters and compute do not fit each other"
        if check.code == "fit.residuals" and (far := _FARTHEST.search(check.message)):
            line = _checks.SHORT[check.code]
            facts[check.code] = line.replace("outlying runs", f"outlying runs ({far[1]})")
    errors = ("held_out_error", "own_held_out_error")
    tested = [r for r in fit.diagnostics.get("rivals") or () if None not in map(r.get, errors)]
    better = [rival for rival in tested if rival[errors[0]] < rival[errors[1]]]
    if better:
        best = min(better, key=lambda r: r["held_out_error"])
        facts["fit.alternatives"] = (
            f"{best['law']} came nearer to the held-back runs (its forecast: "
            f"{diagnosis.forecast_by(best, fit.turned)})"
        )
    return facts


# Everything.


def unit_of(symbol: str, fit: Fit) -> str:
    """Return the unit of a range, with the counting convention that holds for it."""
    convention = fit.data.get("conventions", {}).get(symbol)
    quantity = fit.law.quantity(symbol)
    if symbol == fit.law.output().symbol and convention:
        return convention
    unit = quantity.unit if quantity and quantity.unit != "1" else ""
    return runs_report.unit(unit, convention)


def _law(fit: Fit) -> Iterator[str]:
    """Yield the law, its equation, what was minimised and how that ended."""
    name, formula = laws.name_of(fit.law), fit.law.formula()
    yield formula if _says(formula, name) else f"{name}: {formula}"
    if fit.value is not None:
        of = fit.law.output().column if fit.turned is None else f"({fit.turned})"
        yield f"sum of {fit.objective.describe(of)} = {fit.value:.9e}"
    weight, prior = fit.selection.get("weight"), fit.selection.get("prior") or {}
    if weight:
        yield f"terms multiplied by the weights of column {weight}"
    away = (fit.diagnostics.get("priors") or {}).get("sds_from_center", {})
    told = [
        f"{n}={text} (the fit lies {away.get(n, math.nan):+.2g} sd from its center)"
        for n, text in prior.items()
    ]
    if told:
        yield f"with priors {', '.join(told)}"
    starts, agree, condition = map(fit.diagnostics.get, ("starts", "agree", "condition"))
    sure = []
    if starts is not None and agree is not None:
        sure.append(f"{starts} starts, {100 * agree:.0f} % of those that converged agree")
    if condition is not None:
        sure.append(f"condition number {condition:.2g}")
    status = f"status: {str(fit.status).replace('_', ' ')}"
    yield f"{status} ({'; '.join(sure)})" if sure else status


def backtest(fit: Fit) -> Block:
    """Return the table of forecasts made for runs that were held back."""
    test = fit.backtest or {}
    cuts, axis, note = test.get("cuts") or [], test.get("axis", "C"), str(test.get("note") or "")
    if not cuts:
        return Labelled("backtest", [note or "none was possible"])
    columns = [
        ("fitted", ">", lambda cut: str(cut["n_train"])),
        (f"{axis} <=", ">", lambda cut: _numbers.quantity(cut["train_max"], axis)),
        ("tested", ">", lambda cut: str(cut["n_test"])),
        ("reach", ">", lambda cut: _known_or(cut.get("factor"), factor)),
        ("bias", ">", lambda cut: _numbers.bias(cut.get("bias"))),
        ("mean |error|", ">", lambda cut: _numbers.percent(cut.get("mare"))),
        ("half-width", ">", lambda cut: _known_or(cut.get("half_width"), _numbers.either_side)),
        ("inside", ">", lambda cut: _known_or(cut.get("coverage"), _numbers.share)),
    ]
    notes = [note] * bool(note) + [INSIDE, *_straddling(fit, axis, cuts)]
    return Table.of(cuts, columns, "backtest (larger runs held back)", *notes)


def _known_or(number: float | None, write: Callable[[float], str]) -> str:
    return "-" if number is None else write(number)


def _straddling(fit: Fit, axis: str, cuts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say where a run has rows on both sides of a cut; a fit without its points cannot tell."""
    if not fit.data.get("points"):
        return
    points = fit.points()
    values = points.inputs.get(axis, fit.law.along(points.inputs))
    both = straddled(points.runs, values, [(c["train_max"], c.get("held_out", ())) for c in cuts])
    if both:
        yield (
            f"in {both} of {len(cuts)} cuts a run has rows on both sides: its later rows are "
            "forecast with its earlier ones fitted. With --at final every run is on one side."
        )
