"""A fit, in the order a careful person asks: data, law, forecast, backtest, doubts, what next."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import _checks, _numbers, diagnosis
from scaling_cli.reports import laws as laws_report
from scaling_cli.reports import prediction as prediction_report
from scaling_cli.reports import runs as runs_report
from scaling_cli.reports._blocks import Block, Command, Labelled, Section, Table, Text
from scaling_cli.runs.points import straddled
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import Role, factor, format_number, short_number

STEP = 3.0  # the suggested prediction lies this far beyond each input's range
NAMED = 4  # runs named with one reason
NOTED = 3  # notes of the selection, on the first screen
REASONS = 2  # for leaving runs out, on the first screen
TWO_COLUMNS = 3  # parameters, from which on they stand in two columns
INSIDE = (
    "law allows: the 90 % range of a new run if the law is exactly true. inside: share of the "
    "held-back runs in that range. 'scaling backtest' counts them in the wider range that "
    "'scaling predict' prints."
)
_ARGUMENTS = re.compile(r"\([\w, ]*\) =")


def blocks(
    fit: Fit,
    *,
    full: bool = False,
    sources: Sequence[str] = (),
    written: str | None = None,
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
    if not full:
        return [*_screen(fit, written), *_ending(fit, written)]
    return [
        *data(fit, sources),
        Section("law", _law(fit)),
        *headline(fit),
        parameters(fit),
        backtest(fit),
        *diagnosis.blocks(fit),
        *_checks.everything(fit.checks),
        *_ending(fit, written),
    ]


def refusal(fit: Fit, *, sources: Sequence[str] = ()) -> list[Block]:
    """Return what is known of a fit that cannot be used: no forecast, nothing written."""
    known: list[Block] = [*data(fit, sources), Section("law", _law(fit)), parameters(fit)]
    return known + _checks.everything(fit.checks)


# The first screen.


def _screen(fit: Fit, written: str | None) -> list[Block]:
    where = f"scaling show {_path(written)} --full" if written else "--full"
    return [
        *opening(_read(fit), fit.left_out, fit.data),
        brief_parameters(fit),
        *_forecast(fit),
        *_tested(fit),
        *_checks.screen(fit.checks, _facts(fit)),
        *_checks.counted(fit.checks, where),
    ]


def opening(read: str, left: Sequence[LeftOut], data: Mapping[str, Any]) -> list[Block]:
    """Return what was read, what was left out, and what reading and selecting noticed."""
    notes = [str(note) for note in data.get("notes", ()) if not str(note).startswith("target: ")]
    noticed = _unsaid(data)
    mild = dict.fromkeys(note["code"] for note in noticed if note["level"] == "info")
    more = f"noticed in reading: {', '.join(mild)} (--full)" if mild else ""
    lines = [read, left_out_briefly(left), *_numbers.listed(notes, NOTED, full=False), more]
    worse = [note for note in noticed if note["level"] != "info"]
    return [
        Text([line for line in lines if line]),
        *(runs_report.problems(worse, full=False) if worse else ()),
    ]


def _read(fit: Fit) -> str:
    """Return how many runs and which ranges were read."""
    runs = (fit.data.get("points") or {}).get("runs")
    number = len(set(runs)) if runs else None
    counted = _numbers.count(fit.n_points, "point") if fit.n_points else ""
    if number is not None:
        rows = f", {counted}" if fit.n_points != number else ""
        counted = f"{_numbers.count(number, 'run')}{rows}"
    ranges = fit.data.get("ranges", {})
    spans = [
        f"{symbol} {_numbers.span([float(f'{x:.3g}') for x in ranges[symbol]])}"
        for symbol in fit.law.inputs()
        if symbol in ranges
    ]
    if (output := fit.law.output().symbol) in ranges:
        low, high = (f"{x:.3g}" for x in ranges[output])
        unit = fit.data.get("conventions", {}).get(output) or fit.law.output().unit
        spans.append(f"{_target(fit)} {low} to {high} {unit}")
    return _numbers.pieces(f"{fit.name}:" * bool(fit.name), counted, *spans)


def _target(fit: Fit) -> str:
    """Return the column that is predicted, as the notes of the selection have it."""
    told = (note for note in fit.data.get("notes", ()) if str(note).startswith("target: "))
    words = str(next(told, "")).removeprefix("target: ").rstrip(".").split()
    return words[0].rstrip(",;") if words else fit.law.output().column


def left_out_briefly(items: Sequence[LeftOut]) -> str:
    """Return how many runs were left out, and the reasons that most of them have."""
    if not items:
        return ""
    runs = _by_reason(items)
    if len(runs) == 1:
        return f"{len(items)} left out {_briefly(next(iter(runs)))}"
    most = sorted(runs.items(), key=lambda pair: -len(pair[1]))
    told = [f"{len(names)} {_briefly(reason)}" for reason, names in most]
    return f"{len(items)} left out: {'; '.join(_numbers.listed(told, REASONS, full=False))}"


def _briefly(reason: str) -> str:
    where = reason.removeprefix("where: not ")
    return f"({reason})" if where == reason else f"by --where '{where}'"


def brief_parameters(fit: Fit) -> Table:
    """Return the law and its parameters, with the digits that their intervals deserve."""
    cells = [_brief(fit, name) for name in fit.parameters]
    rows = [list(cell) for cell in cells]
    if len(cells) >= TWO_COLUMNS:
        half = math.ceil(len(cells) / 2)
        right = [*cells[half:], *[("", "", "")] * (2 * half - len(cells))]
        rows = [[*a, *b] for a, b in zip(cells[:half], right, strict=True)]
    known = next((i["level"] for i in fit.intervals.values() if i.get("level")), None)
    head = ["", "", f"{100 * float(known):g} % range" if known else ""]
    formula = _ARGUMENTS.sub(" =", laws_report.equation(fit.law.formula()))
    ended = ", ".join(part for part in (str(fit.status).replace("_", " "), _miss(fit)) if part)
    title = [laws.name_of(fit.law), formula, ended]
    times = len(rows[0]) // 3 if rows else 1
    return Table(head * times, rows, "<><" * times, title=_numbers.pieces(*title))


def _brief(fit: Fit, name: str) -> tuple[str, str, str]:
    number, span = fit.parameters[name], fit.intervals.get(name) or {}
    low, high = span.get("low"), span.get("high")
    if name in (fit.selection.get("fix") or {}):
        return name, f"{number:.6g}", "fixed"
    if low is None or high is None:
        return name, f"{number:.4g}", ""
    shown, *ends = _numbers.deserved(number, low, high)
    return name, shown, " .. ".join(ends)


def _miss(fit: Fit) -> str:
    """Return the mean distance of the fitted points from the law."""
    points = fit.data.get("points")
    if not points:
        return ""
    inputs = {symbol: np.asarray(v, float) for symbol, v in points["inputs"].items()}
    ratio = np.asarray(fit.law(**inputs), float) / np.asarray(points["output"], float)
    return f"typical miss {_numbers.percent(float(np.mean(np.abs(ratio - 1))))}"


def _forecast(fit: Fit) -> list[Block]:
    """Return the forecast beyond the largest run, with the range of a new run."""
    inputs = fit.diagnostics.get("headline")
    if not inputs:
        return []
    prediction = fit.predict(level=float(fit.selection.get("level", 0.9)), **inputs)
    title = _briefly_where(fit, inputs)
    value = f"{fit.law.output().column} {_numbers.value(float(prediction.value[0]))}"
    if prediction.new_run is None:
        return [Section(title, [value])]
    low, high = (_numbers.value(float(end[0])) for end in prediction.new_run)
    half = prediction_report.half_widths(prediction)
    range_ = f"{100 * prediction.level:g} % of new runs in {low} .. {high}"
    width = f"(+/-{_numbers.percent(half[0])})" if half else ""
    told = [_numbers.pieces(value, f"{range_} {width}"), *_untested(fit)]
    told += prediction_report.between(fit, prediction)
    return [Section(title, told)]


def _untested(fit: Fit) -> list[str]:
    tested = fit.uncertainty is not None and fit.uncertainty.tested
    return [] if tested else ["UNTESTED: no backtest shows that the range holds beyond the data"]


def _tested(fit: Fit) -> list[Block]:
    """Return in a sentence how forecasts of held-back runs did."""
    test = fit.backtest or {}
    cuts = test.get("cuts") or []
    if not cuts:
        return [Labelled("backtest", [str(test.get("note") or "none was possible")])]
    fewest, most = (pick(cut["n_test"] for cut in cuts) for pick in (min, max))
    runs = f"{fewest} to {most}" if fewest < most else f"{most}"
    factors = [float(f"{cut['factor']:.2g}") for cut in cuts if cut.get("factor")]
    reach = _ends(factors, lambda x: f"{x:g}x")
    off = _ends([cut["mare"] for cut in cuts], _numbers.percent)
    covered = [cut["coverage"] for cut in cuts if cut.get("coverage") is not None]
    inside = _ends(covered, lambda x: f"{100 * x:.0f} %")
    told = f"the {runs} largest runs forecast from the rest, {reach} further: off by {off}"
    told += _side([cut.get("bias") for cut in cuts])
    told += f"; {inside} of them inside the law's own range" if covered else ""
    return [Labelled("backtest", [told])]


def _ends(numbers: Sequence[float], write: Any) -> str:
    """Write the smallest and the largest of numbers, or the one there is."""
    low, high = write(min(numbers, default=math.nan)), write(max(numbers, default=math.nan))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _side(biases: Sequence[float | None]) -> str:
    known = [bias for bias in biases if bias is not None]
    if len(known) < 2 or min(known) * max(known) <= 0:
        return ""
    return f", each time too {'high' if known[0] > 0 else 'low'} on average"


def _facts(fit: Fit) -> dict[str, str]:
    """Return the lines of checks that have numbers of this fit in them."""
    inputs, test = fit.diagnostics.get("headline"), fit.backtest or {}
    reached = [cut["factor"] for cut in test.get("cuts") or () if cut.get("factor")]
    facts = {}
    if inputs and reached and fit.data.get("ranges"):
        ahead = f"{_there(fit, inputs)[2]:.3g}x"
        facts["extrap.distance"] = (
            "the forecast reaches further than any backtest here did "
            f"({ahead} against {max(reached):.2g}x)"
        )
    better = [r for r in fit.diagnostics.get("rivals") or () if _is_better(r)]
    if better:
        best = min(better, key=lambda r: r["held_out_error"])
        shift = _numbers.percent(math.expm1(best["headline_shift"]), sign=True)
        facts["fit.alternatives"] = (
            f"{best['law']} came nearer to the held-back runs (its forecast: {shift})"
        )
    return facts


def _is_better(rival: Mapping[str, Any]) -> bool:
    error, own = rival.get("held_out_error"), rival.get("own_held_out_error")
    return error is not None and own is not None and error < own


def _path(written: str) -> str:
    return written.partition(" (")[0]


def _ending(fit: Fit, written: str | None) -> list[Block]:
    """Return where the fit is and what to do next."""
    if written is None:
        return []
    options = " ".join(_option(symbol, fit) for symbol in fit.law.inputs())
    named = "" if _path(written) == "fit.json" else f" --fit {_path(written)}"
    return [
        Labelled("written", [written]),
        Command("next", [f"scaling predict{named} {options}"]),
    ]


def _option(symbol: str, fit: Fit) -> str:
    """Return an option for an input, at a value a step beyond the data."""
    ranges = fit.data.get("ranges", {})
    number = STEP * ranges[symbol][1] if symbol in ranges else 1e9
    text = short_number(float(f"{number:.1g}"))
    held = (fit.diagnostics.get("headline") or {}).get(symbol)
    if held is not None and symbol not in fit.law.growing():
        text = f"{held:.6g}"
    options = {Role.SIZE: f"--params {text}", Role.DATA: f"--tokens {text}"}
    return options.get(fit.law.inputs()[symbol].role, f"--input {symbol}={text}")


# Everything.


def data(fit: Fit, sources: Sequence[str]) -> list[Block]:
    """Return what was read, its ranges with unit and convention, and what was left out."""
    runs = (fit.data.get("points") or {}).get("runs")
    counted = _numbers.count(len(set(runs)), "run") + ", " if runs else ""
    rows = [
        [symbol, _numbers.span(pair, symbol), _unit(symbol, fit)]
        for symbol, pair in fit.data.get("ranges", {}).items()
    ]
    notes = [str(note) for note in fit.data.get("notes", ())] + reading(fit.data)
    title = f"data: {counted}{_numbers.count(fit.n_points, 'point')}{origin(sources)}"
    return [
        Table(["", "", ""], rows, "<<^", title=title, notes=notes),
        Labelled("left out", left_out(fit.left_out)),
    ]


def origin(sources: Sequence[str]) -> str:
    """Return from where data came, in words."""
    return f" from {', '.join(sources)}" if sources else ""


def _by_reason(items: Sequence[LeftOut]) -> dict[str, list[str]]:
    runs: dict[str, list[str]] = {}
    for item in items:
        runs.setdefault(item.reason, []).append(item.run)
    return runs


def left_out(items: Sequence[LeftOut]) -> list[str]:
    """Return how many runs were left out and, by reason, which."""
    if not items:
        return ["no run"]
    reasons = [f"  {_named(names)}: {reason}" for reason, names in _by_reason(items).items()]
    return [str(len(items)), *reasons]


def _named(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def reading(data: Mapping[str, Any]) -> list[str]:
    """Return what reading noticed, but for what the selection says again."""
    return [runs_report.note_line(note) for note in _unsaid(data)]


def _unsaid(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    said = " ".join(str(note) for note in data.get("notes", ()))
    return [n for n in data.get("reading", ()) if n["message"].split(":")[0] not in said]


def _unit(symbol: str, fit: Fit) -> str:
    """Return the unit of a range, with the counting convention that holds for it."""
    convention = fit.data.get("conventions", {}).get(symbol)
    quantity = fit.law.quantity(symbol)
    if symbol == fit.law.output().symbol and convention:
        return convention
    unit = quantity.unit if quantity else ""
    return f"{unit} ({convention})" if convention and convention != unit else unit


def _law(fit: Fit) -> list[str]:
    """Return the law, its equation, what was minimised and how that ended."""
    lines = [f"{laws.name_of(fit.law)}: {fit.law.formula()}"]
    if fit.value is not None:
        lines.append(f"sum of {fit.objective.describe()} = {fit.value:.9e}")
    lines += _weighing(fit)
    return [*lines, f"status: {str(fit.status).replace('_', ' ')}{_starts(fit.diagnostics)}"]


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


def headline(fit: Fit) -> list[Block]:
    """Return the forecast at ten times the largest run, at the law's optimum if it has one."""
    inputs = fit.diagnostics.get("headline")
    if not inputs:
        return []
    prediction = fit.predict(level=float(fit.selection.get("level", 0.9)), **inputs)
    notes = prediction_report.notes(fit, prediction)
    return [prediction_report.table(prediction, title=_where(fit, inputs), notes=notes)]


def _there(fit: Fit, inputs: Mapping[str, float]) -> tuple[str, float, float, bool]:
    """Return the axis, the value on it, how far beyond the data, and whether at the optimum."""
    law, axis = fit.law, fit.law.axis()
    if not axis:
        return axis, math.nan, 1.0, False
    there = float(law.along(inputs))
    best = law.optimum(there, **inputs) if law.size_and_data() else None
    at_best = best is not None and all(math.isclose(best[s], inputs[s]) for s in inputs)
    return axis, there, there / fit.data["ranges"][axis][1], at_best


def _where(fit: Fit, inputs: Mapping[str, float]) -> str:
    """Return in words where the headline forecast is made."""
    axis, there, ahead, at_best = _there(fit, inputs)
    if not axis:
        return "forecast for the best run: no input of this law grows"
    words = f"forecast at {ahead:.3g}x the largest run, {axis} = {format_number(there)}"
    return words + ", at the law's optimum" * at_best


def _briefly_where(fit: Fit, inputs: Mapping[str, float]) -> str:
    axis, there, ahead, at_best = _there(fit, inputs)
    at = ", ".join(f"{s} = {_numbers.rounded(v, s)}" for s, v in inputs.items())
    if not axis:
        return f"the best run: {at}"
    along = "" if axis in inputs else f", {axis} = {there:.3g}{' at its best split' * at_best}"
    return f"{ahead:.3g}x the largest run{along}: {at}"


def parameters(fit: Fit) -> Table:
    """Return the parameters with their intervals, and by which method those are."""
    declared = fit.law.parameters()
    rows = [
        [
            name,
            _numbers.parameter(number),
            _interval(fit, name),
            _parameter_unit(fit, declared[name].unit),
            declared[name].meaning,
        ]
        for name, number in fit.parameters.items()
    ]
    levels = [i["level"] for i in fit.intervals.values() if i.get("level") is not None]
    title = f"{100 * float(levels[0]):g} % interval" if levels else "interval"
    methods = dict.fromkeys(str(i["method"]) for i in fit.intervals.values() if i.get("method"))
    told = [f"intervals: {', '.join(methods)}"] if methods else []
    headers = ["", "value", title, "unit", "meaning"]
    return Table(headers, rows, "<><<^", title="parameters", notes=told)


def _parameter_unit(fit: Fit, declared: str) -> str:
    """Return a parameter's unit, the output's own in it being that of these data."""
    output = fit.law.output()
    return declared.replace(output.unit, fit.data.get("conventions", {}).get("L") or output.unit)


def _interval(fit: Fit, name: str) -> str:
    if name in (fit.selection.get("fix") or {}):
        return "fixed"
    span = fit.intervals.get(name)
    if span is None or span.get("low") is None or span.get("high") is None:
        return "-"
    return _numbers.interval((span["low"], span["high"]), _numbers.parameter)


def backtest(fit: Fit) -> Block:
    """Return the table of forecasts made for runs that were held back."""
    test = fit.backtest or {}
    cuts = test.get("cuts") or []
    note = str(test.get("note") or "")
    if not cuts:
        return Labelled("backtest", [note or "none was possible"])
    axis = test.get("axis", "C")
    headers = ["fitted", "to", "tested", "reach", "bias", "mean |error|", "law allows", "inside"]
    rows = [_cut(cut, axis) for cut in cuts]
    notes = [note] * bool(note) + [INSIDE, *_straddling(fit, axis, cuts)]
    headers[1] = f"{axis} <="
    title = "backtest (larger runs held back)"
    return Table(headers, rows, ">>>>>>>>", title=title, notes=notes)


def _straddling(fit: Fit, axis: str, cuts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say where a run has rows on both sides of a cut; a fit without its points cannot tell."""
    points = fit.data.get("points")
    if not points:
        return
    inputs = {symbol: np.asarray(v, float) for symbol, v in points["inputs"].items()}
    values = inputs.get(axis, fit.law.along(inputs))
    held = [(cut["train_max"], cut.get("held_out", ())) for cut in cuts]
    both = straddled(points["runs"], values, held)
    if both:
        yield (
            f"in {both} of {len(cuts)} cuts a run has rows on both sides: its later rows are "
            "forecast with its earlier ones fitted. With --at final every run is on one side."
        )


def _cut(cut: Mapping[str, Any], axis: str) -> list[str]:
    reach, allowed, coverage = cut.get("factor"), cut.get("allowed"), cut.get("coverage")
    return [
        str(cut["n_train"]),
        _numbers.quantity(cut["train_max"], axis),
        str(cut["n_test"]),
        "-" if reach is None else factor(reach),
        _numbers.bias(cut.get("bias")),
        _numbers.percent(cut.get("mare")),
        "-" if allowed is None else f"+/-{_numbers.percent(allowed)}",
        "-" if coverage is None else f"{100 * coverage:.0f} %",
    ]
