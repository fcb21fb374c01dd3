"""Leave one schedule out: what a fit would have said of each of its schedules without it.

The errors say how far such predictions lie off. They are no selector: with three schedules the
law that predicts the third best is not the one that predicts a fourth best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli.artefacts._curve_prediction import FittedLaw
from scaling_cli.curve_fits.search import CurveOptions, search
from scaling_cli.runs.curve import Curve
from scaling_cli.vocabulary.errors import FitError


@dataclass(frozen=True)
class Fold:
    """One schedule left out.

    Parameters
    ----------
    runs : sequence of str
    errors : sequence of array
        Ln(prediction/loss) over the steps of each of these runs; empty where it could not be.
    note : str
        Why it could not be.
    """

    runs: tuple[str, ...]
    errors: tuple[np.ndarray, ...]
    note: str = ""


def leave_out(
    names: Sequence[str],
    curves: Sequence[Curve],
    options: CurveOptions,
    near: Mapping[str, FittedLaw],
) -> list[Fold]:
    """Fit without each schedule in turn and predict its runs by the mean of the laws.

    Parameters
    ----------
    names : sequence of str
        Laws.
    curves : sequence of Curve
        Thinned.
    options : CurveOptions
    near : mapping of law to FittedLaw
        The fit to all: where refits start.
    """
    schedules = list(dict.fromkeys(curve.schedule.text() for curve in curves))
    if len(schedules) < 2:
        return []
    return [_fold(text, names, curves, options, near) for text in schedules]


def _fold(
    text: str,
    names: Sequence[str],
    curves: Sequence[Curve],
    options: CurveOptions,
    near: Mapping[str, FittedLaw],
) -> Fold:
    out = [c for c in curves if c.schedule.text() == text]
    rest = [c for c in curves if c.schedule.text() != text]
    runs = tuple(c.run for c in out)
    try:
        laws = [_refit(name, rest, options, near[name]) for name in names]
    except FitError as error:
        return Fold(runs, (), error.message)
    return Fold(runs, tuple(_errors(laws, c, options.unit) for c in out))


def _refit(name: str, rest: Sequence[Curve], options: CurveOptions, near: FittedLaw) -> FittedLaw:
    """Fit from the fit to all, or from the grid where that ends nowhere."""
    try:
        return search(name, rest, options, start=near.law).fitted
    except FitError:
        return search(name, rest, options).fitted


def _errors(laws: Sequence[FittedLaw], curve: Curve, unit: float) -> np.ndarray:
    each = [f.law.curve(curve.path(f.warmup, unit)) for f in laws]
    return np.log(np.mean(each, axis=0)) - np.log(curve.loss)
