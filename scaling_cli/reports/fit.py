"""A fit as text, in the order a careful person asks: data, law, forecast, parameters, tests."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import optimum
from scaling_cli.reports import _layout
from scaling_cli.reports import diagnosis as diagnosis_report
from scaling_cli.reports import prediction as prediction_report
from scaling_cli.reports import runs as runs_report
from scaling_cli.reports._style import Style
from scaling_cli.runs.points import scale, straddled
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level
from scaling_cli.vocabulary.quantities import BY_SYMBOL, factor, format_number, short_number

STEP = 3.0  # the suggested prediction lies this far beyond each input's range
SHOWN = 10  # reasons for leaving runs out, and notes, that are listed one by one
NAMED = 4  # runs named with one reason; the fit file has them all
INSIDE = (
    "inside: held-back points within what the law allows, the 90 % interval by its own variance "
    "without drift; 'scaling backtest' counts those in the interval that 'scaling predict' prints"
)
_PAINT = {Level.PASS: ("green",), Level.WARN: ("bold", "yellow"), Level.FAIL: ("bold", "red")}


def report(
    fit: Fit, *, sources: Sequence[str] = (), written: str | None = None, style: Style
) -> str:
    """Return everything `scaling fit` prints.

    Parameters
    ----------
    fit : Fit
    sources : sequence of str
        What was read.
    written : str or None
        Where the fit was written, in words.
    style : Style
        Of standard output.
    """
    return _layout.paragraphs(
        [
            data(fit, sources, style),
            law(fit, style),
            headline(fit, style),
            parameters(fit, style),
            backtest(fit, style),
            diagnosis_report.text(fit, style),
            checks(fit.checks, style),
            ending(fit, written, style),
        ]
    )


def refusal(fit: Fit, *, sources: Sequence[str] = (), style: Style) -> str:
    """Return what is known of a fit that cannot be used: no forecast, nothing written."""
    return _layout.paragraphs(
        [
            data(fit, sources, style),
            law(fit, style),
            parameters(fit, style),
            checks(fit.checks, style),
        ]
    )


def data(fit: Fit, sources: Sequence[str], style: Style) -> str:
    """Return what was read, its ranges with unit and convention, and what was left out."""
    runs = (fit.data.get("points") or {}).get("runs")
    origin = f" from {', '.join(_layout.some(sources, 3))}" if sources else ""
    counted = _layout.count(len(set(runs)), "run") + ", " if runs else ""
    lines = [f"{counted}{_layout.count(fit.n_points, 'point')}{origin}"]
    rows = [
        [symbol, _layout.span(pair, symbol), _unit(symbol, fit)]
        for symbol, pair in fit.data.get("ranges", {}).items()
    ]
    lines += _layout.table(["", "", ""], rows, align="<<<", style=style).splitlines()
    lines += [str(note) for note in fit.data.get("notes", ())]
    lines += _layout.some(reading(fit.data, style), SHOWN)
    parts = [_layout.labelled("data", "\n".join(lines), style=style)]
    parts.append(_layout.labelled("left out", left_out(fit.left_out), style=style))
    return "\n".join(parts)


def left_out(items: Sequence[LeftOut]) -> str:
    """Return how many runs were left out and, by reason, which."""
    if not items:
        return "no run"
    runs: dict[str, list[str]] = {}
    for item in items:
        runs.setdefault(item.reason, []).append(item.run)
    reasons = [f"{_named(names)}: {reason}" for reason, names in runs.items()]
    lines = (f"  {line}" for line in _layout.some(reasons, SHOWN))
    return "\n".join([str(len(items)), *lines])


def _named(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def reading(data: Mapping[str, Any], style: Style) -> list[str]:
    """Return what reading noticed, but for what the selection says again."""
    said = " ".join(str(note) for note in data.get("notes", ()))
    return [
        line
        for note in data.get("reading", ())
        if note["message"].split(":")[0] not in said
        for line in [runs_report.note_line(note, style)]
    ]


def _unit(symbol: str, fit: Fit) -> str:
    """Return the unit of a range, with the counting convention that holds for it."""
    conventions = fit.data.get("conventions", {})
    quantity = BY_SYMBOL.get(symbol)
    convention = conventions.get(symbol)
    if symbol == fit.law.output().symbol and convention:
        return convention
    unit = quantity.unit if quantity else ""
    return f"{unit} ({convention})" if convention and convention != unit else unit


def law(fit: Fit, style: Style) -> str:
    """Return the law, its equation, what was minimised and how that ended."""
    lines = [f"{laws.name_of(fit.law)}: {fit.law.formula()}"]
    if fit.value is not None:
        lines.append(f"sum of {fit.objective.describe()} = {fit.value:.9e}")
    lines += _weighing(fit)
    lines.append(f"status: {str(fit.status).replace('_', ' ')}{_starts(fit.diagnostics)}")
    return _layout.labelled("law", "\n".join(lines), style=style)


def _weighing(fit: Fit) -> list[str]:
    """Return what stands in the sum beside the points: their weights, and priors."""
    weight, prior = fit.selection.get("weight"), fit.selection.get("prior") or {}
    lines = [f"terms multiplied by the weights of column {weight}"] if weight else []
    away = (fit.diagnostics.get("priors") or {}).get("sds_from_center", {})
    told = [
        f"{n}={text} (the fit lies {away.get(n, math.nan):+.2g} sd from its center)"
        for n, text in prior.items()
    ]
    return [*lines, f"with priors {', '.join(told)}"] if told else lines


def _starts(diagnostics: Mapping[str, Any]) -> str:
    """Return how surely this is the minimum: starts, their agreement, the condition number."""
    starts, agree = diagnostics.get("starts"), diagnostics.get("agree")
    condition = diagnostics.get("condition")
    parts = []
    if starts is not None and agree is not None:
        parts.append(f"{starts} starts, {100 * agree:.0f} % of those that converged agree")
    if condition is not None:
        parts.append(f"condition number {condition:.2g}")
    return f" ({'; '.join(parts)})" if parts else ""


def headline(fit: Fit, style: Style) -> str:
    """Return the forecast at ten times the largest run, at the law's optimum if it has one."""
    inputs = fit.diagnostics.get("headline")
    if not inputs:
        return ""
    prediction = fit.predict(level=float(fit.selection.get("level", 0.9)), **inputs)
    body = prediction_report.table(prediction, style=style)
    notes = [
        part
        for line in prediction_report.notes(fit, prediction, style=style)
        for part in _layout.wrap(line, style.width - 2)
    ]
    return _layout.block(_where(fit, inputs), "\n".join([body, *notes]), style=style)


def _where(fit: Fit, inputs: Mapping[str, float]) -> str:
    """Return in words where the headline forecast is made."""
    axis, along = scale({symbol: np.array([value]) for symbol, value in inputs.items()})
    there = float(along[0])
    ahead = there / fit.data["ranges"][axis][1]
    words = f"forecast at {ahead:.3g}x the largest run, {axis} = {format_number(there)}"
    best = optimum(fit.law, there) if axis == "C" else None
    at_best = best is not None and all(math.isclose(best[s], inputs[s]) for s in inputs)
    return f"{words}, at the law's optimum" if at_best else words


def parameters(fit: Fit, style: Style) -> str:
    """Return the parameters with their intervals, and by which method those are."""
    declared = fit.law.parameters()
    held = {**fit.selection.get("fix", {})} if fit.selection.get("fix") else {}
    rows = [
        [
            name,
            _layout.parameter(number),
            _interval(fit, name, held),
            _parameter_unit(fit, declared[name].unit),
            declared[name].meaning,
        ]
        for name, number in fit.parameters.items()
    ]
    levels = [i["level"] for i in fit.intervals.values() if i.get("level") is not None]
    title = f"{100 * float(levels[0]):g} % interval" if levels else "interval"
    headers = ["", "value", title, "unit", "meaning"]
    body = _layout.table(headers, rows, align="<><<^", style=style)
    methods = dict.fromkeys(str(i["method"]) for i in fit.intervals.values() if i.get("method"))
    told = [f"intervals: {', '.join(methods)}"] if methods else []
    return _layout.block("parameters", "\n".join([body, *told]), style=style)


def _parameter_unit(fit: Fit, declared: str) -> str:
    """Return a parameter's unit, the output's own in it being that of these data."""
    output = fit.law.output()
    return declared.replace(output.unit, fit.data.get("conventions", {}).get("L") or output.unit)


def _interval(fit: Fit, name: str, held: Mapping[str, Any]) -> str:
    if name in held:
        return "fixed"
    found = fit.intervals.get(name)
    if found is None or found.get("low") is None or found.get("high") is None:
        return "-"
    return _layout.interval((found["low"], found["high"]), _layout.parameter)


def backtest(fit: Fit, style: Style) -> str:
    """Return the table of forecasts made for runs that were held back."""
    test = fit.backtest or {}
    cuts = test.get("cuts") or []
    note = str(test.get("note") or "")
    if not cuts:
        return _layout.labelled("backtest", note or "none was possible", style=style)
    axis = test.get("axis", "C")
    headers = [
        f"fitted to {axis} <=",
        "fitted",
        "tested",
        "reach",
        "bias",
        "mean |error|",
        "law allows",
        "inside",
    ]
    rows = [_cut(cut, axis) for cut in cuts]
    body = _layout.table(headers, rows, align=">>>>>>>>", style=style)
    notes = [note] * bool(note) + [INSIDE] + _straddling(fit, axis, cuts)
    lines = [body, *(line for one in notes for line in _layout.wrap(one, style.width - 2))]
    return _layout.block("backtest (larger runs held back)", "\n".join(lines), style=style)


def _straddling(fit: Fit, axis: str, cuts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say where a run has rows on both sides of a cut; a fit without its points cannot tell."""
    points = fit.data.get("points")
    if not points:
        return []
    inputs = {symbol: np.asarray(v, float) for symbol, v in points["inputs"].items()}
    values = inputs.get(axis, scale(inputs)[1])
    held = [(cut["train_max"], cut.get("held_out", ())) for cut in cuts]
    both = straddled(points["runs"], values, held)
    if not both:
        return []
    return [
        f"in {both} of {len(cuts)} cuts a run has rows on both sides: its later rows are forecast "
        "with its earlier ones fitted. With --at final every run is on one side."
    ]


def _cut(cut: Mapping[str, Any], axis: str) -> list[str]:
    reach, allowed, coverage = cut.get("factor"), cut.get("allowed"), cut.get("coverage")
    return [
        _layout.quantity(cut["train_max"], axis),
        str(cut["n_train"]),
        str(cut["n_test"]),
        "-" if reach is None else factor(reach),
        _layout.bias(cut.get("bias")),
        _layout.percent(cut.get("mare")),
        "-" if allowed is None else f"+/-{_layout.percent(allowed)}",
        "-" if coverage is None else f"{100 * coverage:.0f} %",
    ]


def checks(found: Sequence[Check], style: Style) -> str:
    """Return the checklist: failures and warnings in full, what passed by its code."""
    if not found:
        return ""
    passed = [check.code for check in found if check.level is Level.PASS]
    worse = sorted(
        (c for c in found if c.level is not Level.PASS), key=lambda c: c.level is Level.WARN
    )
    width = style.width - _layout.LABEL
    lines = [f"{len(passed)} of {len(found)} passed"]
    for check in worse:
        word = style.paint(str(check.level).upper(), *_PAINT[check.level])
        lines += _layout.wrap(f"{word} {check.code}: {check.message}", width)
    if passed:
        word = style.paint("PASS", *_PAINT[Level.PASS])
        lines += _layout.wrap(f"{word} {', '.join(passed)}", width)
    head = style.paint("checks", "bold") + " " * (_layout.LABEL - len("checks"))
    return "\n".join([head + lines[0], *(" " * _layout.LABEL + line for line in lines[1:])])


def ending(fit: Fit, written: str | None, style: Style) -> str:
    """Return where the fit is and what to do next."""
    if written is None:
        return ""
    options = " ".join(_option(symbol, fit) for symbol in fit.law.inputs())
    path = written.split(" (")[0]
    named = "" if path == "fit.json" else f" --fit {path}"
    lines = [
        _layout.labelled("written", written, style=style),
        _layout.labelled("next", f"scaling predict{named} {options}", style=style),
    ]
    return "\n".join(lines)


def _option(symbol: str, fit: Fit) -> str:
    """Return an option for an input, at a value a step beyond the data."""
    ranges = fit.data.get("ranges", {})
    number = STEP * ranges[symbol][1] if symbol in ranges else 1e9
    text = short_number(float(f"{number:.1g}"))
    return {"N": f"--params {text}", "D": f"--tokens {text}"}.get(
        symbol, f"--input {symbol}={text}"
    )
