"""The fit of loss curves as a thing: what is stored, loaded, and predicts any schedule.

Like a `Fit` it is plain data that predicts with NumPy alone; its JSON has the same keys. Parameters
of an average are named `law.parameter`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli import curve_laws
from scaling_cli.artefacts import _curve_prediction
from scaling_cli.artefacts._curve_prediction import CurvePrediction, CurveUncertainty, FittedLaw
from scaling_cli.artefacts._record import SPARSE, Fitted, refuse_draws
from scaling_cli.curve_laws import AVERAGE
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._beginning import completed, warmup_of
from scaling_cli.schedules._path import Path
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.bounds import require
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.jsonfile import stamped
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import L, N
from scaling_cli.vocabulary.shown import Shown

# Laws that err in different directions, averaged with equal weights. How well they fit, or predict
# a schedule left out of three, says little about their error on others, so nothing is selected.
AVERAGED = ("annealing", "area_exponential", "functional", "multi_power")
BY_CURVES = "as the curves say"  # a hidden warm-up
LAST = 0.1  # the share of a run that its end is taken to be, against the noise of single losses
DRAWN_AT = 40  # steps at which draws are evaluated: their spread is smooth between


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


@dataclass(frozen=True)
class HiddenWarmup:
    """The warm-up before logs that do not show it: one fact of all runs.

    Parameters
    ----------
    until : float
        The first step at which the rate is known to be at its peak.
    warmup : float
        The step at which the rise from zero is taken to end; 0 for none.
    source : str
        What that is taken from.
    curves : float or None
        Where the curves fit best with it; None where the law does not see it.
    level : float or None
    interval : pair of float, or None
        Between which ends the curves cannot tell.
    misfits : mapping of str to float
        Mean |prediction/loss - 1| of one law by what is taken.
    contradicted : bool
        Whether the curves clearly fit better with another than with the one that is stated.
    """

    until: float
    warmup: float
    source: str
    curves: float | None = None
    level: float | None = None
    interval: tuple[float, float] | None = None
    misfits: Mapping[str, float] = field(default_factory=dict)
    contradicted: bool = False


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
    hidden_warmup : HiddenWarmup, optional
        Where logs do not show it.
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
    hidden_warmup: HiddenWarmup | None = field(default=None, kw_only=True, metadata=SPARSE)

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

    @property
    def warmups(self) -> list[float]:
        """Where the warm-ups of the runs end, those of most runs first."""
        ends = [warmup_of(parse_schedule(run.schedule)) for run in self.runs]
        return sorted(set(ends), key=lambda end: -ends.count(end))

    @property
    def loss_unit(self) -> str:
        """The unit of the losses."""
        return self.data.get("conventions", {}).get(L.symbol, L.unit)

    @property
    def sizes(self) -> tuple[float, float] | None:
        """The smallest and the largest fitted model; None for a law of one model."""
        return tuple(self.data["ranges"][N.symbol]) if self.sized else None

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
                unit=self.loss_unit,
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
        check_level(level)
        schedule = parse_schedule(schedule) if isinstance(schedule, str) else schedule
        if schedule.unit != "steps":
            raise UsageError(
                f"the schedule runs over tokens: {schedule.text()}.",
                hint="Curves are fitted over steps: give steps= in place of tokens=.",
            )
        beyond, notes = self._beyond(N)
        at = _curve_prediction.grid(schedule) if step is None else np.atleast_1d(np.asarray(step))
        last, ranges = int(at.max()), self.data["ranges"]
        paths = self._paths(schedule, at, N)
        members = {n: fitted.law.curve(paths[fitted.warmup]) for n, fitted in self.laws.items()}
        each = np.stack(list(members.values()))
        value = each.mean(0)
        parts, draws = self._parts(schedule, at, each, N)
        mean, new_run, halves = _curve_prediction.bands(value, parts, self.uncertainty, level)
        return CurvePrediction(
            schedule=schedule,
            step=at.astype(int),
            rate=schedule.lr(at),
            value=value,
            low=each.min(0),
            high=each.max(0),
            members=members,
            level=level,
            mean=mean,
            new_run=new_run,
            parts=halves,
            draws=draws,
            tested=self.uncertainty is not None and self.uncertainty.schedule is not None,
            extrapolation={
                "S": max(1.0, float(at.max()) / self.longest),
                "lr": max(1.0, schedule.highest / ranges["lr"][1]),
                **beyond,
            },
            notes=(*_curve_prediction.outside(schedule, last, ranges), *notes),
            params=N,
        )

    def _beyond(self, N: float | None) -> tuple[dict[str, float], list[str]]:
        """Return by which factor a size is larger, or smaller, than every fitted one, and so said.

        A size that is missing, or has no place, is refused.
        """
        if N is None:
            if self.sizes:
                low, high = self.sizes
                raise UsageError(
                    f"the law was fitted to models of {low:g} to {high:g} parameters: of which "
                    "size?",
                    hint="Give N (--params).",
                )
            return {}, []
        if not self.sizes:
            raise UsageError(
                "the fit is one of a single model: its size cannot be chosen.",
                hint="Fit runs of several sizes with --law annealing_size.",
            )
        if not 0 < N < np.inf:
            raise UsageError(f"the model's size must be positive, not {N:g}.")
        low, high = self.sizes
        factor = max(1.0, N / high, low / N)
        note = (
            f"N = {N:g} lies outside the fitted sizes, {low:g} to {high:g}: where its curve ends "
            "rests on B N^-beta, which few sizes tell from L0."
        )
        return {"N": factor}, [note] if factor > 1 + 1e-9 else []

    def _paths(self, schedule: Schedule, at: np.ndarray, N: float | None) -> dict[str, Path]:
        """Return the path that each warm-up convention makes of a schedule."""
        return {
            warmup: Path.of(schedule, at, warmup=warmup, unit=self.unit, params=N)
            for warmup in {fitted.warmup for fitted in self.members}
        }

    def _parts(
        self, schedule: Schedule, at: np.ndarray, each: np.ndarray, N: float | None
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Return sds in ln loss of what the curve is unsure by, and ln loss at the end by draw."""
        if self.uncertainty is None:
            return {}, None
        parts = {"members": np.log(each).std(0, ddof=1)} if len(each) > 1 else {}
        draws = None
        if all(fitted.draws for fitted in self.members):
            order = np.unique(at)
            some = order[np.unique(np.linspace(0, len(order) - 1, DRAWN_AT).round().astype(int))]
            paths, ends = self._paths(schedule, some, N), []
            for fitted in self.members:
                path = fitted.law.prepared(paths[fitted.warmup]).compressed()
                ends.append(np.stack([np.asarray(law(path)) for law in fitted.drawn()]))
            drawn = np.log(np.mean(ends, axis=0))
            parts["parameters"] = np.interp(at, some, drawn.std(0))
            draws = drawn[:, -1]
        if self.uncertainty.schedule is not None:
            parts["schedule"] = self.uncertainty.schedule * np.maximum(1.0, at / self.longest)
        return parts, draws

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


@dataclass(frozen=True, repr=False)
class Along(Shown):
    """Predicted loss curves, by their number.

    Parameters
    ----------
    fit : CurveFit
    name : str
        Of the fit, as it was asked for.
    curves : tuple of CurvePrediction
        One per schedule.
    at : tuple of CurvePrediction
        The same at the steps that were asked for; empty where none were.
    measured : tuple of Curve
        What was measured at the steps of each; empty where nothing was.
    left_out : tuple of LeftOut
        Runs that are no curves.
    """

    report = "curve_prediction"

    fit: CurveFit
    name: str
    curves: tuple[CurvePrediction, ...]
    at: tuple[CurvePrediction, ...] = ()
    measured: tuple[Curve, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        """Return the number of schedules."""
        return len(self.curves)

    def __iter__(self) -> Iterator[CurvePrediction]:
        """Go through the curves."""
        return iter(self.curves)

    def __getitem__(self, number: int) -> CurvePrediction:
        """Return the curve along a schedule."""
        return self.curves[number]

    def __repr__(self) -> str:
        """Return a line per schedule: its end."""
        ends = (f"{p.value[-1]:.4f} after {p.schedule.text()}" for p in self.curves)
        return f"<Along {'; '.join(ends)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling predict --schedule --json` prints: ends, differences, curves."""
        sure, predictions = self.fit.uncertainty, [p.to_dict() for p in self.curves]
        for p, record in zip(self.curves[1:], predictions[1:], strict=True):
            record["difference"] = asdict(_curve_prediction.compare(self.curves[0], p, sure))
        compared = self.compared()
        measured: dict[str, Any] = {}
        if self.measured:
            predictions = [record for one in compared for record in one.to_dicts()]
            measured["compared"] = [one.to_dict() for one in compared]
            measured["left_out"] = [asdict(item) for item in self.left_out]
        record = {
            "fit": self.name,
            "law": self.fit.name_of_law,
            "tested": sure is not None and sure.schedule is not None,
            "method": None if sure is None else sure.method,
            "predictions": predictions,
            "along": [p.to_dict(i) for p in self.at for i in range(len(p.step))],
            "curves": [_curve(p) for p in self.curves],
            **measured,
            "file": None,
        }
        return stamped(record)

    def compared(self) -> "list[Compared]":
        """Return the curves beside what was measured."""
        pairs = zip(self.curves, self.measured, strict=True) if self.measured else ()
        fitted = {run.run for run in self.fit.runs}
        return [Compared(curve, p, curve.run in fitted) for p, curve in pairs]

    def to_csv(self) -> str:
        """Return the curves as CSV at full precision, one row per schedule and step."""
        lines = ["schedule,step,lr,loss,mean_low,mean_high,new_run_low,new_run_high"]
        for p in self.curves:
            bands = [*(p.mean or ()), *(p.new_run or ())]
            for i in range(len(p.step)):
                ends = [repr(float(b[i])) for b in bands] or [""] * 4
                cells = [repr(float(p.rate[i])), repr(float(p.value[i])), *ends]
                lines.append(f'"{p.schedule.text()}",{int(p.step[i])},{",".join(cells)}')
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Compared:
    """A measured loss curve beside its prediction, at the same steps."""

    curve: Curve
    prediction: CurvePrediction
    fitted: bool

    @property
    def error(self) -> np.ndarray:
        """Predicted over measured, minus one, at each step."""
        return self.prediction.value / self.curve.loss - 1

    @property
    def inside(self) -> np.ndarray | None:
        """Which values lie in the band of one logged value; None without bands."""
        if self.prediction.new_run is None:
            return None
        low, high = self.prediction.new_run
        return (low <= self.curve.loss) & (self.curve.loss <= high)

    @property
    def end_error(self) -> float:
        """The mean error over the last tenth of the steps: single losses are noisy."""
        return float(self.error[-max(1, round(LAST * len(self.error))) :].mean())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the whole curve."""
        inside = self.inside
        return {
            "run": self.curve.run,
            "schedule": self.curve.schedule.text(),
            "fitted": self.fitted,
            "points": len(self.error),
            "mare": float(np.abs(self.error).mean()),
            "bias": float(self.error.mean()),
            "end_error": self.end_error,
            "coverage": None if inside is None else float(inside.mean()),
        }

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the JSON object of each step."""
        inside = [None] * len(self.error) if self.inside is None else self.inside.tolist()
        measured = zip(self.curve.loss.tolist(), self.error.tolist(), inside, strict=True)
        return [
            {**self.prediction.to_dict(i), "measured": loss, "error": off, "inside": within}
            for i, (loss, off, within) in enumerate(measured)
        ]


def along(
    fit: CurveFit,
    name: str,
    schedules: Sequence[Schedule | str],
    *,
    N: float | None = None,
    steps: Sequence[float] | None = None,
    every: int | None = None,
    level: float = 0.9,
) -> Along:
    """Return the curve along each schedule, and its values at steps or every so many.

    Raises
    ------
    UsageError
        If a schedule is given twice or cannot be read, both `steps` and `every` are given, or a
        step lies outside every schedule.
    """
    whole = [parse_schedule(s) if isinstance(s, str) else s for s in schedules]
    # A table may begin late: the warm-up before it is that of the fitted runs.
    whole = [completed(schedule, fit.warmups) for schedule in whole]
    curves = tuple(fit.predict(schedule, N=N, level=level) for schedule in whole)
    written = [p.schedule.text() for p in curves]
    twice = next((text for i, text in enumerate(written) if text in written[:i]), None)
    if twice is not None:
        raise UsageError(f"the schedule {twice} is given twice.")
    if steps is not None and every is not None:
        raise UsageError("--steps and --every were both given.", hint="Give one of them.")
    if every is not None and every < 1:
        raise UsageError(f"--every must be at least 1 step, not {every}.")
    if steps is None and every is None:
        return Along(fit, name, curves)
    at = [fit.predict(p.schedule, _wanted(p, steps or (), every), N=N, level=level) for p in curves]
    return Along(fit, name, curves, tuple(at))


def _wanted(p: CurvePrediction, steps: Sequence[float], every: int | None) -> Sequence[float]:
    last = int(np.ceil(p.schedule.length))
    wanted = range(every, last + 1, every) if every else [s for s in steps if s <= last]
    if not len(wanted):
        raise UsageError(
            f"no step asked for lies on the schedule {p.schedule.text()}, of {last} steps."
        )
    require("points", len(wanted), f"{len(wanted)} steps are asked for")
    return wanted


def _curve(p: CurvePrediction) -> dict[str, Any]:
    return {
        "schedule": p.schedule.text(),
        "step": p.step.tolist(),
        "lr": p.rate.tolist(),
        "value": p.value.tolist(),
        "mean": None if p.mean is None else [band.tolist() for band in p.mean],
        "new_run": None if p.new_run is None else [band.tolist() for band in p.new_run],
    }
