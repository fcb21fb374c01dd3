"""The page of a fit of loss curves."""

from collections.abc import Iterator
from dataclasses import replace

from scaling_cli.artefacts.curve_fit import CurveFit, FittedRun
from scaling_cli.reports import _fitted, _numbers
from scaling_cli.reports import curve_fit as report
from scaling_cli.reports._blocks import Block, Labelled, Text
from scaling_cli.reports.page import _origins, _parts
from scaling_cli.reports.page._page import Number, Origin, Page, Picture
from scaling_cli.vocabulary.quantities import LR, L, N, S

COLOURS = 7  # of a figure of schedules


def of(fit: CurveFit, name: str) -> Page:
    """Return the page of a fit of loss curves."""
    runs = _numbers.count(len(fit.runs), "loss curve")
    curves, schedules = _wanted(fit)
    pictures, why = _parts.pictures(fit, curves)
    more, _ = _parts.pictures(replace(fit, runs=_unlike(fit)), schedules)
    return Page(
        title=f"{fit.name_of_law} fitted to {runs}" if fit.runs else f"{fit.name_of_law}",
        what=fit.what,
        name=name,
        answer=[*_answer(fit)],
        careful=_parts.careful(fit.checks),
        checked=_parts.passed(fit.checks),
        backtest=[report.held_out(fit)],
        assumed=[*_assumed(fit)],
        exact=[*_exact(fit)],
        left_out=[Labelled("runs", _fitted.left_out(fit.left_out, full=True) or ["none"])],
        numbers=[*_numbers_of(fit)],
        command=[*_parts.commands(fit.command, name)],
        pictures=[*pictures, *more],
        without_pictures="" if more else why,
        facts={
            "law": fit.name_of_law,
            "warnings": _parts.warnings(fit.checks),
            "backtest": [vars(fold) for fold in fit.held_out],
            "left_out": [vars(item) for item in fit.left_out],
        },
    )


def _unlike(fit: CurveFit) -> list[FittedRun]:
    """Return the first runs of different schedules, as many as there are colours."""
    return [*{run.schedule: run for run in reversed(fit.runs)}.values()][::-1][:COLOURS]


def _longest(fit: CurveFit) -> tuple[str, float, tuple[float, float] | None] | None:
    """Return the schedule of the longest run, its end and where such an end lies."""
    runs = sorted((r for r in fit.runs if r.last), key=lambda r: -(r.last or 0))
    if not runs:
        return None
    size = fit.sizes[1] if fit.sizes else None
    told = fit.predict(runs[0].schedule, N=size)
    ends = told.mean and (float(told.mean[0][-1]), float(told.mean[1][-1]))
    return runs[0].run, float(told.value[-1]), ends


def _answer(fit: CurveFit) -> Iterator[str]:
    known = _longest(fit)
    if known is None:
        yield "The loss at every step of any learning-rate schedule follows from this law."
    else:
        run, value, ends = known
        if ends is None:
            at = _numbers.value(value)
            yield f"The law ends the run {run} at a loss of {at}; no range is known."
        else:
            shown, low, high = _numbers.deserved(value, *ends)
            yield (
                f"Another run of the length and schedule of {run} should end at a loss of about "
                f"{shown}: 9 of 10 such curves between {low} and {high}."
            )
    yield _parts.tested(report.tested(fit))


def _wanted(fit: CurveFit) -> Iterator[Picture]:
    runs = _numbers.count(len(fit.runs), "run")
    yield Picture(
        "curves",
        "Loss curves: measured and predicted",
        f"A panel for each of {runs}: logged losses as dots, the law as a line with its band, "
        "the error in per cent below, the learning rate at the bottom.",
        None,
    )
    yield Picture(
        "schedules",
        "Fitted schedules side by side",
        "The predicted loss along each schedule, and its learning rate below; a band is where the "
        "curve lies.",
        None,
    )


def _assumed(fit: CurveFit) -> Iterator[Block]:
    yield Text(
        [
            "That a new run differs from these in its schedule alone: the same model, data, batch "
            "and peak learning rate within what was fitted.",
            "Errors on longer runs are several times those on runs of this length.",
        ]
    )
    yield from report.hidden_warmup(fit, full=True)


def _exact(fit: CurveFit) -> Iterator[Block]:
    units = {S: S.unit, L: fit.loss_unit, LR: "at the end of the runs, to the highest"}
    known = _fitted.counted(fit.data, fit.n_points, len(fit.runs))
    named = {q.symbol: u for q, u in units.items()}
    yield _fitted.ranges(fit.data, named, f"data: {known}", *_fitted.reading(fit.data))
    yield from report.specification(fit)
    yield Labelled("versions", [f"{k} {v}" for k, v in fit.versions.items()])
    yield Labelled("data", _origins.digests(fit.data))


def _numbers_of(fit: CurveFit) -> Iterator[Number]:
    if known := _longest(fit):
        run, value, ends = known
        name = f"loss at the end of a run like {run}"
        yield Number(name, value, Origin.COMPUTED, "the mean of the laws", fit.loss_unit, ends, 0.9)
    units = {
        fit.label(name, p): d.unit
        for name, fitted in fit.laws.items()
        for p, d in fitted.law.parameters().items()
    }
    held, published = fit.selection.get("fix") or {}, fit.origin.get("kind") == "published"
    yield from _origins.parameters(fit.parameters, fit.intervals, units, held, published)
    for fold in fit.held_out:
        off = None if fold.error is None else 100 * fold.error
        yield Number(f"error on {', '.join(fold.runs)}", off, Origin.COMPUTED, "left out", "%")
    for run in fit.runs:
        off = None if run.misfit is None else 100 * run.misfit
        yield Number(f"misfit of {run.run}", off, Origin.COMPUTED, f"{run.points} points", "%")
    if (sure := fit.uncertainty) is not None:
        yield Number("noise of a logged loss", 100 * sure.noise, Origin.COMPUTED, "residuals", "%")
    if fit.value is not None:
        why = f"sum of {fit.objective.describe(L.column)}"
        yield Number("objective", fit.value, Origin.COMPUTED, why)
    units = {S.symbol: "steps", L.symbol: fit.loss_unit, N.symbol: "parameters"}
    yield from _origins.ranges(fit.data, units)
    yield from _origins.counts(fit.n_points, len(fit.left_out), fit.data)
    yield from _origins.options({**vars(fit.objective), **fit.selection}, fit.command)
