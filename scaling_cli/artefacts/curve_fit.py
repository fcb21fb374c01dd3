"""The fit of loss curves as a thing: what is stored, loaded, and predicts any schedule.

Like a `Fit` it is plain data that predicts with NumPy alone. Its JSON has the same keys, with
`kind: "curve_fit"`; parameters of an average are named `law.parameter`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli import curve_laws
from scaling_cli.artefacts.curve_prediction import (
    CurvePrediction,
    CurveSources,
    CurveUncertainty,
    FittedLaw,
    predict,
)
from scaling_cli.artefacts.fit import SCHEMA_VERSION
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import nulls, write_json
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Status

KIND = "curve_fit"
AVERAGE = "average"
# Laws that err in different directions, averaged with equal weights. How well they fit, or predict
# a schedule left out of three, says little about their error on others, so nothing is selected.
AVERAGED = ("annealing", "area_exponential", "functional", "multi_power")
NEEDED = ("law", "parameters", "objective", "status", "n_points", "members", "rate_unit", "runs")


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
class CurveFit:
    """Laws of loss curves fitted to the same runs; the prediction is their mean.

    Parameters
    ----------
    name_of_law : str
        `average`, or the one law.
    laws : mapping of name to FittedLaw
    unit : float
        What learning rates were divided by: the highest of the fitted runs, or 1 for laws of
        absolute rates.
    runs : sequence of FittedRun
    n_points : int
    data : mapping
        sha256, ranges {S: [first, last], lr: [lowest, highest], L: [low, high]}, conventions,
        points of the runs.
    held_out : sequence of LeftOutSchedule
        Each schedule left out in turn: an estimate of the error, never a selector.
    """

    name_of_law: str
    laws: Mapping[str, FittedLaw]
    unit: float
    runs: Sequence[FittedRun]
    n_points: int
    data: Mapping[str, Any]
    status: Status = Status.CONVERGED
    objective: Objective = field(default_factory=Objective)
    value: float | None = None
    """The sum of the Huber loss of the prediction over the fitted points, without priors."""
    intervals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    uncertainty: CurveUncertainty | None = None
    held_out: Sequence[LeftOutSchedule] = ()
    checks: Sequence[Check] = ()
    left_out: Sequence[LeftOut] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    """Options that made this fit: target, warmup, fix, prior_strength, start, bootstrap, seed."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    name: str = ""

    def __repr__(self) -> str:
        """Return one line: law, runs, points, status, warnings."""
        warned = [c.code for c in self.checks if c.level is not Level.PASS]
        parts = [self.name_of_law, f"{len(self.runs)} runs", f"{self.n_points} points"]
        parts += [str(self.status), *([f"see {', '.join(warned)}"] if warned else [])]
        return f"<CurveFit {'; '.join(parts)}>"

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

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract (NaN and infinity become null)."""
        return nulls(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": KIND,
                "name": self.name,
                "law": self.name_of_law,
                "parameters": self.parameters,
                "rate_unit": self.unit,
                "members": [_member(name, fitted) for name, fitted in self.laws.items()],
                "objective": {**asdict(self.objective), "reduction": "sum", "value": self.value},
                "status": str(self.status),
                "n_points": self.n_points,
                "runs": [_run(run) for run in self.runs],
                "intervals": {k: dict(v) for k, v in self.intervals.items()},
                "held_out": [asdict(fold) for fold in self.held_out],
                "checks": [
                    {"code": c.code, "level": str(c.level), "message": c.message}
                    for c in self.checks
                ],
                "left_out": [{"run": x.run, "reason": x.reason} for x in self.left_out],
                "data": dict(self.data),
                "diagnostics": dict(self.diagnostics),
                "selection": dict(self.selection),
                "origin": dict(self.origin),
                "uncertainty": None if self.uncertainty is None else asdict(self.uncertainty),
                "versions": dict(self.versions),
                "command": self.command,
            }
        )

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the fit file atomically: a killed process leaves the old file or the new one."""
        write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, file: str = "<fit>") -> "CurveFit":
        """Rebuild a fit from its JSON object.

        Raises
        ------
        DataError
            If the object is not a fit of curves of this schema; the message says what is wrong.
        """
        _require(record, file)
        try:
            return _read(cls, record)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            what = f"KeyError {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"the fit file is broken: {what}.",
                file=file,
                hint="Write it again with 'scaling fit ... -o fit.json'.",
            ) from error


def _run(run: FittedRun) -> dict[str, Any]:
    record = asdict(run)
    size = record.pop("params")
    return record if size is None else {**record, "params": size}


def _member(name: str, fitted: FittedLaw) -> dict[str, Any]:
    return {
        "law": name,
        "warmup": fitted.warmup,
        "parameters": fitted.law.values(),
        "value": fitted.value,
        "misfit": fitted.misfit,
        "agree": None if fitted.agree is None else list(fitted.agree),
        "left": fitted.left,
        "draws": {k: np.asarray(v).tolist() for k, v in fitted.draws.items()},
    }


def _require(record: Mapping[str, Any], file: str) -> None:
    if not isinstance(record, Mapping) or record.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"not a fit file of schema version {SCHEMA_VERSION}.",
            file=file,
            hint="Write it with 'scaling fit ... -o fit.json'.",
        )
    if record.get("kind") != KIND:
        raise DataError("not a fit of loss curves.", file=file)
    missing = [key for key in NEEDED if key not in record]
    if missing:
        raise DataError(f"the fit file lacks {', '.join(missing)}.", file=file)


def _read(cls: type[CurveFit], record: Mapping[str, Any]) -> CurveFit:
    objective, uncertain = record["objective"], record.get("uncertainty")
    copied = ("data", "intervals", "diagnostics", "selection", "origin", "versions")
    return cls(
        name_of_law=record["law"],
        laws={member["law"]: _read_law(member) for member in record["members"]},
        unit=float(record["rate_unit"]),
        runs=[FittedRun(**_known(FittedRun, run)) for run in record["runs"]],
        n_points=record["n_points"],
        status=Status(record["status"]),
        objective=Objective(objective["name"], objective["delta"], objective["space"]),
        value=objective.get("value"),
        uncertainty=None if uncertain is None else CurveUncertainty(**uncertain),
        held_out=[
            LeftOutSchedule(**{**fold, "runs": tuple(fold["runs"])})
            for fold in record.get("held_out") or []
        ],
        checks=[
            Check(c["code"], Level(c["level"]), c["message"]) for c in record.get("checks") or []
        ],
        left_out=[LeftOut(x["run"], x["reason"]) for x in record.get("left_out") or []],
        command=record.get("command") or "",
        name=record.get("name") or "",
        **{key: record.get(key) or {} for key in copied},
    )


def _known(cls: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that this version knows."""
    return {f.name: record[f.name] for f in fields(cls) if f.name in record}


def _read_law(member: Mapping[str, Any]) -> FittedLaw:
    law = curve_laws.get(member["law"])
    values = {name: float(value) for name, value in member["parameters"].items()}
    if set(values) != set(law.parameters()):
        raise ValueError(
            f"law {member['law']} has parameters {', '.join(law.parameters())}, the file has "
            f"{', '.join(values)}"
        )
    agree = member.get("agree")
    return FittedLaw(
        law(**values),
        member["warmup"],
        member.get("value"),
        member.get("misfit"),
        None if agree is None else (agree[0], agree[1]),
        member.get("left") or 0.0,
        {name: np.asarray(v, float) for name, v in (member.get("draws") or {}).items()},
    )
