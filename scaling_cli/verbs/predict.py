"""`sc.predict`: the loss at points, or along learning-rate schedules, by a fit or its name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from scaling_cli.artefacts import _chain, kinds
from scaling_cli.artefacts._prediction import Prediction, by_symbol
from scaling_cli.artefacts.curve_fit import Along, CurveFit, along
from scaling_cli.artefacts.fit import Fit
from scaling_cli.artefacts.saved_prediction import SavedPrediction
from scaling_cli.planning.reaching import reaching
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.verbs import _stored
from scaling_cli.verbs.fit import curves_to_compare
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import N, parse_number

Measured = Sequence[float | str | None] | float | str


@overload
def predict(
    fit: kinds.Named | None = None,
    *,
    schedule: None = None,
    measured: Measured = (),
    alone: bool = False,
    level: float = 0.9,
    save: str | None = None,
    then: kinds.Named | None = None,
    **inputs: Any,
) -> Prediction: ...
@overload
def predict(
    fit: kinds.Named | None = None,
    *,
    schedule: Schedule | str | Sequence[Schedule | str],
    steps: Sequence[float] | None = None,
    every: int | None = None,
    level: float = 0.9,
    **inputs: Any,
) -> Along: ...
@overload
def predict(
    fit: kinds.Named | None = None,
    *,
    points: Any,
    schedule: Any = None,
    level: float = 0.9,
) -> Along: ...
def predict(
    fit: kinds.Named | None = None,
    *,
    schedule: Any = None,
    points: Any = None,
    steps: Sequence[float] | None = None,
    every: int | None = None,
    measured: Measured = (),
    level: float = 0.9,
    alone: bool = False,
    save: str | None = None,
    then: kinds.Named | None = None,
    **inputs: Any,
) -> Prediction | Along:
    """Predict with a fit, an interval beside every value.

    Parameters
    ----------
    fit : Fit, CurveFit, path or name, optional
        Default: ./fit.json if it is there, else the certified chinchilla/besiroglu-2024.
    schedule : Schedule, text, or a list of these, optional
        With a fit of loss curves: predict along it, and compare the ends of several.
    points : whatever `read` understands, optional
        With a fit of loss curves: measured curves, compared along the schedule, or along those that
        they log.
    steps : sequence of int, optional
        Values at these steps too.
    every : int, optional
        Values every so many steps.
    measured : sequence of float or None
        What was measured, one per point: errors and hits are added.
    level : float
        Nominal coverage of the intervals.
    alone : bool
        Forecast with the fitted law alone, not with the mean of it and of the laws beside it.
    save : path, optional
        Keep the prediction there, at points, for `score`.
    then : Fit, path or name, optional
        A fit of a law whose input is the loss (task_error, task_accuracy): it is asked at what the
        first forecasts, and its answer holds the draws of both.
    **inputs : float, str or array
        The law's inputs by symbol or column: `N=7e9, D=1e12`, `params="7B", tokens="1T"`, `C=1e24`.
        Along a schedule the size, of a fit to several.

    Returns
    -------
    Prediction, or Along where a schedule or measured curves are given

    Raises
    ------
    UsageError
        If an input is missing, unknown or contradicts the others, the fit is of another kind, or
        not as many values were measured as there are points.
    """
    if points is not None:
        thing = _stored.default_of_curves("points") if fit is None else fit
        return compare(thing, points, schedule, level=level)
    if schedule is not None:
        thing = _stored.default_of_curves("--schedule") if fit is None else fit
        schedules = schedule if isinstance(schedule, list | tuple) else [schedule]
        size, curves = _size(inputs), kinds.load(thing, CurveFit)
        named = kinds.name_of(thing)
        return along(curves, named, schedules, N=size, steps=steps, every=every, level=level)
    if steps is not None or every is not None:
        wrong = "steps" if every is None else "every"
        raise UsageError(
            f"--{wrong} needs --schedule.", hint="A law of points has no steps: it sees the end."
        )
    thing, told = _stored.default() if fit is None else (fit, "")
    points_fit = kinds.load(thing, Fit)
    asked = points_fit.alone() if alone else points_fit
    prediction = asked.predict(level=level, **inputs)
    tasks = None if then is None else kinds.load(then, Fit)
    if tasks is not None:
        _chain.check(asked, tasks)
        prediction = _chain.chained(prediction, tasks)
    made_by = {**prediction.made_by, "fit": kinds.name_of(thing)}
    if then is not None:
        made_by |= {"then": kinds.name_of(then)}
    several = np.ravel(np.array(measured, object)).tolist()
    values = tuple(parse_number(v) if isinstance(v, str) else v for v in several)
    if len(values) not in (0, len(prediction.value)):
        raise UsageError(
            f"{len(values)} measured for {len(prediction.value)} points.",
            hint="Give one for each; None where nothing was measured.",
        )
    told_by = replace(prediction, made_by=made_by, measured=values, unasked=told)
    if save is not None:
        kept(told_by, points_fit, name=kinds.name_of(thing), then=tasks).to_json(save)
    return told_by


def kept(
    prediction: Prediction,
    fit: Fit,
    *,
    name: str = "",
    then: Fit | None = None,
    command: str = "",
) -> SavedPrediction:
    """Return a prediction as `--save` stores it, made by a fit of this name."""
    by = replace(prediction, made_by={**prediction.made_by, "fit": name})
    return SavedPrediction.made(by, fit, then=then, command=command)


def compute_reaching(fit: Fit, value: float) -> float:
    """Return the least compute at whose best split the forecast is this value of the target.

    Raises
    ------
    UsageError
        If none within 12 decades of the data does.
    """
    budget = reaching(fit, value, lambda C: fit.law.optimum(C) or {}, lambda p: p.forecast)
    if budget is None:
        raise UsageError(f"by this fit no compute reaches {fit.target} = {value:g}.")
    return budget


def compare(
    fit: kinds.Named, data: Any, schedule: str | None = None, *, level: float = 0.9
) -> Along:
    """Return measured loss curves beside what a fit predicts at their steps.

    Parameters
    ----------
    fit : CurveFit, path or name
    data : whatever `read` understands
    schedule : str, optional
        Of every curve. Default: what each logs.
    level : float
        Nominal coverage of the bands.
    """
    from scaling_cli.ingest import as_runs

    curves_fit, runs = kinds.load(fit, CurveFit), as_runs(data)
    names = runs.runs["run_id"].to_pylist()
    given = None if schedule is None else dict.fromkeys(names, schedule)
    curves, left = curves_to_compare(curves_fit, runs, given)
    along = tuple(curves_fit.along(curve, level=level) for curve in curves)
    name = kinds.name_of(fit)
    return Along(curves_fit, name, along, measured=tuple(curves), left_out=tuple(left))


def _size(inputs: dict[str, Any]) -> float | None:
    """Return the one model size among inputs, None where there is none."""
    given = by_symbol({N.symbol: N}, inputs)
    sizes = np.ravel(given.pop(N.symbol, ())).tolist()
    if given:
        raise UsageError(f"along a schedule there is no {', '.join(given)}.")
    if len(sizes) > 1:
        raise UsageError("--params takes one model size with --schedule.")
    return sizes[0] if sizes else None
