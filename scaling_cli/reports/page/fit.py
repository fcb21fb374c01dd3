"""The page of a fit of a law of points."""

from collections.abc import Iterator

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Prediction
from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits.recompute import with_points
from scaling_cli.reports import _fitted, _numbers, choice, diagnosis
from scaling_cli.reports import fit as fit_report
from scaling_cli.reports import prediction as prediction_report
from scaling_cli.reports._blocks import Block, Labelled, Text
from scaling_cli.reports.page import _model, _origins, _parts
from scaling_cli.reports.page._page import Number, Origin, Page, Picture
from scaling_cli.vocabulary.errors import ScalingError
from scaling_cli.vocabulary.quantities import C

ASSUMPTIONS = "assumptions"
ALONE = (
    "The runs that it was fitted to are not at hand: the law is drawn by itself, solid where they "
    "are known to lie."
)
STATED = (
    "That larger runs go on as those that were fitted: the same data, tokenizer, schedule family "
    "and tuning."
)


def of(fit: Fit, name: str) -> Page:
    """Return the page of a fit."""
    drawn = _drawable(fit)
    pictures, why = _parts.pictures(drawn, *_wanted(drawn))
    told = _headline(fit)
    return Page(
        title=_title(fit),
        what=fit.what,
        name=name,
        answer=[*_answer(fit, told)],
        careful=_parts.careful(fit.checks),
        checked=_parts.passed(fit.checks),
        backtest=[*choice.blocks(fit.choice, full=True), fit_report.backtest(fit)],
        assumed=[*_assumed(fit), *diagnosis.blocks(fit)],
        exact=[*_exact(fit)],
        left_out=[Labelled("runs", _fitted.left_out(fit.left_out, full=True) or ["none"])],
        numbers=[*_numbers_of(fit, told)],
        command=[*_parts.commands(fit.command, name)],
        pictures=pictures,
        without_pictures=why,
        model=_model.of(fit),
        facts={
            "law": laws.name_of(fit.law),
            "warnings": _parts.warnings(fit.checks),
            "backtest": fit.backtest,
            "left_out": [vars(item) for item in fit.left_out],
        },
    )


def _title(fit: Fit) -> str:
    law = laws.name_of(fit.law)
    return f"{law} fitted to {fit_report.fitted_to(fit)}" if fit.n_points else f"{law}, published"


def _drawable(fit: Fit) -> Fit:
    """Return the fit with its points, where they are at hand."""
    try:
        return with_points(fit)
    except ScalingError:
        return fit


def _headline(fit: Fit) -> Prediction | None:
    inputs = fit.diagnostics.get("headline")
    if not inputs:
        return None
    return fit.predict(level=float(fit.selection.get("level", 0.9)), **inputs)


def _answer(fit: Fit, told: Prediction | None) -> Iterator[str]:
    """Yield the answer for whoever reads one sentence, how it was tested, and where exactly."""
    if told is None:
        yield _example(fit)
        return
    inputs = {s: float(v[0]) for s, v in told.inputs.items()}
    ahead = fit_report.distance(fit, inputs)[1] if fit.law.axis() else None
    of = "compute" if fit.law.axis() == C.symbol else fit.law.axis()
    how = "Such a run" if ahead is None else f"A run of {ahead:.3g} times the {of} of the largest"
    value, low, high = _deserved(told)
    ends = f": {_share(told.level)} such runs should end between {low} and {high}" if low else ""
    yield f"{how} here should reach a {fit.measured} of about {value}{ends}."
    if told.new_run is None:
        yield "No range is known: the fit carries no draws."
    yield _parts.tested(fit_report.tested(fit))
    at = f"That run: {fit_report.where(fit, inputs)}"
    yield "; ".join([at, *(n.rstrip(".") for n in prediction_report.between(told))]) + "."
    yield from told.notes


def _example(fit: Fit) -> str:
    """Return what a law says at an example, of numbers that were typed in from a paper."""
    inputs = fit.law.example()
    at = ", ".join(f"{s} = {_numbers.rounded(v, s)}" for s, v in inputs.items())
    value = _numbers.value(float(fit.predict(**inputs).value[0]))
    return (
        f"By this law, at {at}, the {fit.measured} is about {value}; "
        "no range is known, for the numbers come without the runs that they were fitted to."
    )


def _deserved(told: Prediction) -> tuple[str, str, str]:
    value = float(told.forecast[0])
    if told.new_run is None:
        return _numbers.value(value), "", ""
    return _numbers.deserved(value, *(float(end[0]) for end in told.new_run))


def _share(level: float) -> str:
    """Return a share in words that need no explaining: `9 of 10`."""
    tenths = 10 * level
    return f"{tenths:.0f} of 10" if abs(tenths - round(tenths)) < 1e-9 else _numbers.level(level)


def _wanted(fit: Fit) -> Iterator[Picture]:
    """Yield the two figures: the fit with its extrapolation, and how forecasts did."""
    axis, runs = fit.law.axis() or "its input", _numbers.count(fit.n_points, "run")
    if not fit.data.get("points"):
        title, text = f"{fit.measured} against {axis}, by the law alone", ALONE
        yield Picture("loss", title, text, None)
        return
    yield Picture(
        "loss",
        f"{fit.measured} against {axis}: what was measured, and the forecast beyond",
        f"{runs} as dots; lines are the fitted law, solid where runs lie and dashed beyond them. "
        "The band beyond the runs is where a new run would land; grey marks where no run was.",
        None,
    )
    if (fit.backtest or {}).get("cuts"):
        yield Picture(
            "backtest",
            "How forecasts of larger runs did that were held back",
            "Each point is a refit without the largest runs, scored on them: how far off it was, "
            "and how many of them lay in the range that would have been given.",
            None,
        )
        return
    yield Picture(
        "predicted",
        "Predicted against measured",
        f"{runs} against the line on which the law is right; dotted lines are 1 % off.",
        None,
    )


def _assumed(fit: Fit) -> Iterator[Block]:
    said = [c.message for c in fit.checks if c.code == ASSUMPTIONS]
    yield Text([f"{text[0].upper()}{text[1:]}" for text in said] or [STATED])
    yield Text([*_most(fit)])


def _most(fit: Fit) -> Iterator[str]:
    """Say which other choice moves the forecast most."""
    choices = [c for c in fit.diagnostics.get("sensitivity") or () if c["headline_shift"]]
    if choices:
        most = max(choices, key=lambda c: abs(c["headline_shift"]))
        yield (
            f"Of {_numbers.count(len(choices), 'other way')} to fit the same runs, this one moves "
            f"the forecast most: {most['name']}, by {_numbers.bias(most['headline_shift'])}."
        )


def _exact(fit: Fit) -> Iterator[Block]:
    """Yield law, data, options and versions, with nothing rounded away."""
    yield from fit_report.specification(fit)
    declared = {k: v for k, v in fit.selection.items() if v not in (None, {}, [], False)}
    yield Labelled("options", [f"{k} = {v}" for k, v in declared.items()])
    counted = {"C": fit.law.compute_in_words(), **(fit.data.get("conventions") or {})}
    yield Labelled("conventions", [f"{k}: {v}".replace("_", "-") for k, v in counted.items()])
    origin = [f"{k}: {v}" for k, v in fit.origin.items() if isinstance(v, str)]
    yield Labelled("origin", [*origin, fit.law.reference])
    yield Labelled("versions", [f"{k} {v}" for k, v in fit.versions.items()])
    sure = fit.uncertainty
    yield Labelled("intervals", [] if sure is None else [sure.method])
    yield Labelled("data", _origins.digests(fit.data))


def _numbers_of(fit: Fit, told: Prediction | None) -> Iterator[Number]:
    """Yield every number of the page: the answer, the law, the tests, the data, the settings."""
    if told is not None:
        yield from _of_headline(fit, told)
    units = {name: p.unit for name, p in fit.law.parameters().items()}
    published = fit.origin.get("kind") == "published"
    held = fit.selection.get("fix") or {}
    yield from _origins.parameters(fit.parameters, fit.intervals, units, held, published)
    if fit.value is not None:
        why = f"sum of {fit.objective.describe(fit.law.output().column)}"
        yield Number("objective", fit.value, Origin.COMPUTED, why)
    test = fit.backtest or {}
    yield from _origins.cuts(test.get("cuts") or (), test.get("axis", "C"))
    yield from _of_ranges(fit)
    known = {s: fit_report.unit_of(s, fit) for s in fit.data.get("ranges", {})}
    yield from _origins.ranges(fit.data, known)
    if fit.n_points:
        yield from _origins.counts(fit.n_points, len(fit.left_out), fit.data)
    if fit.value is not None:
        yield from _origins.options({**vars(fit.objective), **fit.selection}, fit.command)


def _of_headline(fit: Fit, told: Prediction) -> Iterator[Number]:
    ends = [float(end[0]) for end in told.new_run] if told.new_run else None
    mean = [float(end[0]) for end in told.mean] if told.mean else None
    value, unit = float(told.forecast[0]), fit.law.output().unit
    yield Number(
        f"{fit.measured}, a new run", value, Origin.COMPUTED, "the forecast", unit, ends, told.level
    )
    yield Number(
        f"{fit.measured}, the curve", value, Origin.COMPUTED, "the forecast", unit, mean, told.level
    )
    own = float(told.value[0])
    yield Number(
        f"{fit.measured} by the law alone", own, Origin.COMPUTED, laws.name_of(fit.law), unit
    )
    for symbol, values in {**told.inputs, **told.spent}.items():
        why = "a step beyond the largest run, where the law is best"
        unit = quantity.unit if (quantity := fit.law.quantity(symbol)) else ""
        yield Number(f"{symbol} of that run", float(values[0]), Origin.ASSUMED, why, unit)
    for name, half in told.parts.items():
        why = "part of the range, in quadrature"
        yield Number(f"half-width by {name}", 100 * float(half[0]), Origin.COMPUTED, why, "%")


def _of_ranges(fit: Fit) -> Iterator[Number]:
    """Yield what is believed of what lies beyond the data: tables of others show it, not these."""
    sure = fit.uncertainty
    if sure is None:
        return
    others = "chosen so that ranges hold on tables of others"
    yield Number("drift of the law per decade", 100 * sure.drift, Origin.ASSUMED, others, "%")
    yield Number("share of the laws' distance", sure.spread, Origin.ASSUMED, others)
    yield Number("draws", float(len(sure.sigma)), Origin.ASSUMED, "enough for two digits of ends")
    for beside in sure.beside:
        why = "its share of the centre, where the fitted law has 1"
        yield Number(f"weight of {laws.name_of(beside.law)}", beside.weight, Origin.ASSUMED, why)
