"""`sc.predict`: the loss at points, or along learning-rate schedules, by a fit or its name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scaling_cli.artefacts._along import along
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.verbs import _stored
from scaling_cli.vocabulary.errors import UsageError


def predict(
    fit: Fit | CurveFit | _stored.Named | None = None,
    *,
    schedule: Any = None,
    steps: Sequence[float] | None = None,
    every: int | None = None,
    measured: Sequence[float | None] = (),
    level: float = 0.9,
    **inputs: Any,
) -> Any:
    """Predict with a fit, an interval beside every value.

    Parameters
    ----------
    fit : Fit, CurveFit, path or name, optional
        Default: ./fit.json if it is there, else the certified chinchilla/besiroglu-2024.
    schedule : Schedule, text, or a list of these, optional
        With a fit of loss curves: predict along it, and compare the ends of several.
    steps : sequence of int, optional
        Values at these steps too.
    every : int, optional
        Values every so many steps.
    measured : sequence of float or None
        What was measured at the points: errors and hits are added.
    level : float
        Nominal coverage of the intervals.
    **inputs : float, str or array
        The law's inputs by symbol or column: `N=7e9, D=1e12`, `params="7B", tokens="1T"`, `C=1e24`.

    Returns
    -------
    Prediction, or Along where a schedule is given

    Raises
    ------
    UsageError
        If an input is missing, unknown or contradicts the others, or the fit is of another kind.
    """
    if schedule is not None:
        thing = _stored.default_of_curves("--schedule") if fit is None else fit
        size = inputs.pop("N", None)
        if inputs:
            raise UsageError(f"along a schedule there is no {', '.join(inputs)}.")
        schedules = schedule if isinstance(schedule, list | tuple) else [schedule]
        named, curves = _stored.name_of(thing), _stored.of_curves(thing)
        return along(curves, named, schedules, N=size, steps=steps, every=every, level=level)
    thing = _stored.default() if fit is None else fit
    prediction = _stored.of_points(thing).predict(level=level, **inputs)
    made_by = {**prediction.made_by, "fit": _stored.name_of(thing)}
    return replace(prediction, made_by=made_by, measured=tuple(measured))
