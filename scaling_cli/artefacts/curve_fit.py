"""The fit of loss curves as a thing: what is stored, loaded, and predicts any schedule.

Like a `Fit` it is plain data that predicts with NumPy alone; its JSON has the same keys. Parameters
of an average are named `law.parameter`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli import curve_laws
from scaling_cli.artefacts._curve_prediction import (
    CurvePrediction,
    CurveSources,
    CurveUncertainty,
    FittedLaw,
    predict,
)
from scaling_cli.artefacts._record import Fitted, refuse_draws
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError

AVERAGE = "average"
# Laws that err in different directions, averaged with equal weights. How well they fit, or predict
# a schedule left out of three, says little about their error on others, so nothing is selected.
AVERAGED = ("annealing", "area_exponential", "functional", "multi_power")


@dataclass(frozen=True)
class FittedRun:
    """One fitted run: its schedule, and how the fit does on it.

    Parameters
    ----------
    run, schedule : str
        The schedule as text.
    known : str
        How the schedule is known.
    points, first, last : int
        Fitted points, the first and the last fitted step.
    misfit, end_error : float or None
        Mean |prediction/loss - 1| over the points; prediction/loss - 1 over the last tenth.
    autocorrelation, effective : float or None
        Of successive residuals; the points that as many independent ones would be.
    params : float or None
        Model size, where it is known.
    """

    run: str
    schedule: str
    known: str = ""
    points: int = 0
    first: int | None = None
    last: int | None = None
    misfit: float | None = None
    end_error: float | None = None
    autocorrelation: float | None = None
    effective: float | None = None
    params: float | None = None


@dataclass(frozen=True)
class LeftOutSchedule:
    """A schedule that was left out, fitted without, and predicted.

    Parameters
    ----------
    runs : sequence of str
        The runs of this schedule.
    error : float or None
        Root mean square of ln(prediction/loss) over its steps; None where the others cannot be
        fitted alone.
    end_error : float or None
        Prediction/loss - 1 over the last tenth.
    note : str
        Why it could not be.
    """

    runs: tuple[str, ...]
    error: float | None
    end_error: float | None
    note: str = ""


@dataclass(frozen=True, repr=False)
class CurveFit(Fitted):
    """Laws of loss curves fitted to the same runs; the prediction is their mean.

    Parameters
    ----------
    name_of_law : str
        `average`, or the one law.
    members : sequence of FittedLaw
    unit : float
        What learning rates were divided by: the highest of the fitted runs, or 1 for laws of
        absolute rates.
    runs : sequence of FittedRun
    data : mapping
        sha256, ranges {S: [first, last], lr: [lowest, highest], L: [low, high]}, conventions,
        points of the runs.
    held_out : sequence of LeftOutSchedule
        Each schedule left out in turn: an estimate of the error, never a selector.
    """

    what = "a fit of loss curves"
    use = "scaling predict --fit FILE --schedule TEXT"
    written_by = "scaling fit ... --law average -o fit.json"
    COMPUTED = {"parameters": "parameters"}

    name_of_law: str = field(metadata={"key": "law"})
    unit: float = field(metadata={"key": "rate_unit"})
    members: Sequence[FittedLaw]
    runs: Sequence[FittedRun]
    intervals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)
    held_out: Sequence[LeftOutSchedule] = field(default=(), kw_only=True)
    uncertainty: CurveUncertainty | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse draws of unlike number, and runs whose points are not there."""
        super().__post_init__()
        for fitted in self.members:
            if fitted.draws:
                count = len(next(iter(fitted.draws.values())))
                refuse_draws(fitted.law, fitted.draws, count)
        points = self.data.get("points") or {}
        lost = [run.run for run in self.runs if points and run.run not in points]
        if lost:
            raise ValueError(f"data.points lacks {', '.join(lost)}")

    def __repr__(self) -> str:
        """Return one line: law, runs, points, status, warnings."""
        runs, points = f"{len(self.runs)} runs", f"{self.n_points} points"
        return self._line(self.name_of_law, runs, points, str(self.status))

    @property
    def laws(self) -> dict[str, FittedLaw]:
        """The fitted laws by name."""
        return {curve_laws.name_of(fitted.law): fitted for fitted in self.members}

    @property
    def parameters(self) -> dict[str, float]:
        """Parameter values; of an average each under `law.parameter`."""
        return {
            self.label(name, parameter): value
            for name, fitted in self.laws.items()
            for parameter, value in fitted.law.values().items()
        }

    def label(self, law: str, parameter: str) -> str:
        """Return the name of a parameter in this fit."""
        return f"{law}.{parameter}" if self.name_of_law == AVERAGE else parameter

    @property
    def longest(self) -> int:
        """The last step that was fitted."""
        return int(self.data["ranges"]["S"][1])

    def curves(self) -> list[Curve]:
        """Return the fitted curves.

        Raises
        ------
        DataError
            If the fit carries none: a published fit.
        """
        points = self.data.get("points")
        if not points:
            raise DataError("the fit carries no curves; a published fit has none.")
        return [
            Curve(
                r.run,
                parse_schedule(r.schedule),
                np.asarray(points[r.run]["step"]),
                np.asarray(points[r.run]["loss"], float),
                params=r.params,
            )
            for r in self.runs
        ]

    def predict(
        self,
        schedule: Schedule | str,
        step: ArrayLike | None = None,
        *,
        N: float | None = None,
        level: float = 0.9,
    ) -> CurvePrediction:
        """Return the loss along a schedule.

        Parameters
        ----------
        schedule : Schedule or text
            Over steps.
        step : array-like of int, optional
            Default: up to 500 steps from the end of the warm-up to the end of the run.
        N : float, optional
            Model size, for a law fitted to several.
        level : float
            Nominal coverage of the bands.

        Raises
        ------
        UsageError
            If the schedule cannot be read or runs over tokens, a step is not whole, or a size is
            missing or has no place.
        """
        found = parse_schedule(schedule) if isinstance(schedule, str) else schedule
        sources = CurveSources(self.laws, self.unit, self.data["ranges"], self.uncertainty, N)
        return predict(sources, found, step, level=level)

    @property
    def sized(self) -> bool:
        """Whether the law is one of several model sizes, so that predictions need one."""
        return any(fitted.law.sized for fitted in self.laws.values())

    def along(
        self, curve: Curve, step: ArrayLike | None = None, *, level: float = 0.9
    ) -> CurvePrediction:
        """Return the loss along the schedule of a curve, of its model, by default at its steps."""
        at = curve.step if step is None else step
        size = curve.params if self.sized else None
        return self.predict(curve.schedule, at, N=size, level=level)
