"""What figures read off a fit: its points, the runs held out of it, the best N and D."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import Points, scale
from scaling_cli.vocabulary.errors import DataError

SAME = 1 + 1e-9  # the largest run itself lies within the data, rounding or not
NEAR = 1.1  # an optimal N or D this close to those that were run is not beyond them


def points(fit: Fit) -> Points:
    """Return the points that a fit carries.

    Raises
    ------
    DataError
        If it carries none: a published fit, or one to very many points.
    """
    stored = fit.data.get("points")
    if not stored:
        raise DataError(
            "the fit file carries no points to draw.",
            hint="A published fit has none, and a fit to very many points keeps only their digest.",
        )
    return Points(
        inputs={s: np.asarray(v, float) for s, v in stored["inputs"].items()},
        output=np.asarray(stored["output"], float),
        runs=[str(run) for run in stored["runs"]],
    )


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
    prediction = fit.predict(level=level, **measured.inputs)
    low, high = prediction.new_run or (None, None)
    return HeldOut(
        runs=tuple(measured.runs),
        scale=scale(measured.inputs)[1],
        inputs=dict(measured.inputs),
        measured=measured.output,
        predicted=prediction.value,
        low=low,
        high=high,
    )


def within(fitted: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where neither an input nor the scale axis leaves the range that was fitted."""
    along = scale(inputs)[1], scale(fitted)[1], SAME
    columns = [along, *((inputs[s], fitted[s], NEAR) for s in fitted if len(fitted) > 1)]
    held = [(v >= np.min(f) / room) & (v <= np.max(f) * room) for v, f, room in columns]
    return np.all(held, axis=0)


def best_inputs(law: Law, compute: np.ndarray) -> dict[str, np.ndarray] | None:
    """Return the law's inputs of least loss at each compute, or None if it derives none."""
    derived = law.derived_quantities()
    best = {}
    for name in ("optimal_params", "optimal_tokens"):
        if name not in derived:
            return None
        best[derived[name].output.symbol] = np.asarray(getattr(law, name)(compute), float)
    return best if set(best) == set(law.inputs()) else None
