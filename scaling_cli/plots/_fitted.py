"""What figures read off a fit: its points, the runs held out of it, what is held, how far."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.quantities import Domain, short_number

SAME = 1 + 1e-9  # the largest run itself lies within the data, rounding or not
NEAR = 1.1  # an optimal N or D this close to those that were run is not beyond them


@dataclass(frozen=True)
class HeldOut:
    """Runs that were not fitted: measured, and predicted with an interval for a new run.

    Arrays have shape (runs,); `low` and `high` are None where the fit has no uncertainty.
    """

    runs: tuple[str, ...]
    scale: np.ndarray
    inputs: dict[str, np.ndarray]
    measured: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None


def held_out(fit: Fit, measured: Points | None, level: float = 0.9) -> HeldOut | None:
    """Predict runs that were measured and not fitted; intervals have this level."""
    if measured is None:
        return None
    runs, inputs = tuple(measured.runs), dict(measured.inputs)
    prediction = fit.as_fitted().predict(level=level, **inputs)
    output, turned = measured.output, fit.turned
    if turned is not None and measured.turned is None:  # in the target, as a file has it
        output = turned.forth(output)
    values = (output, prediction.forecast, *(prediction.new_run or (None, None)))
    return HeldOut(runs, across(fit.law, inputs)[1], inputs, *values)


def across(law: Law, inputs: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """Return what figures lay runs along: the law's axis, or its first input if none grows."""
    symbol = law.axis() or next(iter(law.inputs()))
    return symbol, law.along(inputs) if law.axis() else np.asarray(inputs[symbol], float)


def positive(law: Law, symbol: str) -> bool:
    """Return whether a figure may take the logarithm of an input or an axis."""
    quantity = law.quantity(symbol)
    return quantity is None or quantity.domain is Domain.POSITIVE


def held(law: Law, fitted: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the inputs that do not grow, as the largest run has them: lines hold them there."""
    largest = int(np.argmax(law.along(fitted)))
    return {s: float(fitted[s][largest]) for s in law.inputs() if s not in law.growing()}


def at_held(text: str, others: Mapping[str, float]) -> str:
    """Return a label with the inputs that a line holds."""
    return ", ".join([text, *(f"{s} = {short_number(v)}" for s, v in others.items())])


def within(
    law: Law, fitted: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return where neither what grows nor the axis leaves the range that was fitted."""
    grown = law.growing() if len(law.growing()) > 1 else ()
    columns = [(law.along(inputs), law.along(fitted), SAME)]
    columns += [(np.asarray(inputs[s]), fitted[s], NEAR) for s in grown]
    return np.all([(v >= np.min(f) / r) & (v <= np.max(f) * r) for v, f, r in columns], axis=0)
