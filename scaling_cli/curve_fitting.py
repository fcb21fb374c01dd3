"""`fit_curves`: laws of loss curves fitted to runs, and the curve that any schedule will give."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli import curve_laws
from scaling_cli.curve_law import CurveLaw
from scaling_cli.curves import Curve
from scaling_cli.engine.curves import CurveProblem, solve_curves
from scaling_cli.errors import FitError, UsageError
from scaling_cli.law import Domain
from scaling_cli.schedule import Schedule
from scaling_cli.schedule_path import Path

AVERAGE = "average"
# Laws that err in different directions, averaged with equal weights. How well they fit, or predict
# a schedule left out of three, says little about their error on others, so nothing is selected.
MEMBERS = ("annealing", "area_exponential", "functional", "multi_power")
AS_TRAINED = "as_trained"
DELTA = 1e-3
AGREE = 1e-6  # of the objective: starts that end closer have found the same minimum
MOST_PREDICTED = 500  # steps, where none are asked for
FAR = 1.5  # times the longest fitted run: beyond, every law here has been too low


@dataclass(frozen=True)
class CurvePrediction:
    """A predicted loss curve.

    Parameters
    ----------
    step : int array, shape (n,)
    value : array, shape (n,)
        Nats/token.
    low, high : array, shape (n,)
        The lowest and the highest of the laws that are averaged: how far they disagree, which is
        no interval.
    notes : sequence of str
        Where the schedule leaves what was fitted.
    """

    step: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FittedLaw:
    """One law, fitted: rates over the highest rate of the fitted runs.

    Parameters
    ----------
    law : CurveLaw
    warmup : str
        Convention; see `schedule_path.CONVENTIONS`.
    value : float
        The minimised sum.
    misfit : float
        Mean |prediction/loss - 1| over the fitted points.
    agree : tuple of (int, int)
        Starts that reached this minimum, and all of them.
    """

    law: CurveLaw
    warmup: str
    value: float
    misfit: float
    agree: tuple[int, int]


@dataclass(frozen=True)
class CurveFit:
    """Laws of loss curves fitted to the same runs; the prediction is their mean.

    Parameters
    ----------
    laws : mapping of name to FittedLaw
    unit : float
        The highest learning rate of the fitted runs: rates are divided by it.
    runs : sequence of str
    n_points : int
    longest : int
        The last step that was fitted.
    """

    laws: Mapping[str, FittedLaw]
    unit: float
    runs: Sequence[str]
    n_points: int
    longest: int

    def predict(self, schedule: Schedule, step: ArrayLike | None = None) -> CurvePrediction:
        """Return the loss along a schedule.

        Parameters
        ----------
        schedule : Schedule
            Over steps.
        step : array-like of int, optional
            Default: up to 500 steps from the end of the warm-up to the end of the run.
        """
        at = _grid(schedule) if step is None else np.atleast_1d(np.asarray(step))
        each = [
            fitted.law.curve(Path.of(schedule, at, warmup=fitted.warmup, unit=self.unit))
            for fitted in self.laws.values()
        ]
        return CurvePrediction(
            at.astype(int), np.mean(each, axis=0), np.min(each, axis=0), np.max(each, axis=0),
            tuple(self._outside(schedule, int(at.max()))),
        )  # fmt: skip

    def _outside(self, schedule: Schedule, last: int) -> Iterator[str]:
        """Yield where a schedule leaves what was fitted."""
        if last > FAR * self.longest:
            yield (
                f"step {last} is {last / self.longest:.1f} times the longest fitted run: decays "
                "after long runs have taken off less than such fits say."
            )
        if schedule.highest > self.unit * (1 + 1e-9):
            yield (
                f"the peak {schedule.highest:g} lies above {self.unit:g}, the highest rate that "
                "was fitted."
            )
        phases = schedule.phases()
        falls = next((i for i, p in enumerate(phases) if p.last < p.first), len(phases))
        if any(p.last > p.first or p.first > q.last for q, p in itertools.pairwise(phases[falls:])):
            yield "the rate rises again after it fell, which no fitted run need have shown."


def fit_curves(
    curves: Sequence[Curve],
    *,
    law: str = AVERAGE,
    warmup: str | None = None,
    fix: Mapping[str, float] | None = None,
    prior: float = 1.0,
) -> CurveFit:
    """Fit laws of loss curves jointly to runs of one model, data set and batch size.

    The sum of Huber (1e-3) of the residuals of ln loss is minimised, plus the penalty of the weak
    priors that a law declares, from four starts to a gradient of zero.

    Parameters
    ----------
    curves : sequence of Curve
        With different schedules; at least one must let the learning rate fall.
    law : str
        `average`, the equal mean of annealing, area_exponential, functional and multi_power, or
        one law (`scaling laws` lists them).
    warmup : str, optional
        How the warm-up counts; see `schedule_path.CONVENTIONS`. Default: as it was trained in the
        average, the authors' convention for one law.
    fix : mapping of parameter to float, optional
        Parameters of one law that are held, for rates over their peak.
    prior : float
        Strength of the priors: 0 for none, 1 weak, 10 strong.

    Raises
    ------
    FitError
        If the rate never falls, there are fewer points than parameters, or no start converges.
    UsageError
        If the law, the convention or a parameter is unknown.
    """
    if not curves:
        raise UsageError("there are no curves to fit.")
    names = MEMBERS if law == AVERAGE else (law,)
    if fix and law == AVERAGE:
        raise UsageError("parameters are held in one law, not in the average of several.")
    convention = AS_TRAINED if law == AVERAGE and warmup is None else warmup
    unit = max(curve.schedule.highest for curve in curves)
    thin = [curve.thinned() for curve in curves]
    laws = {
        name: _fit(curve_laws.get(name), thin, unit, warmup=convention, fix=fix or {}, prior=prior)
        for name in names
    }
    return CurveFit(
        laws, unit, [c.run for c in curves], sum(len(c.step) for c in thin),
        max(int(c.step[-1]) for c in curves),
    )  # fmt: skip


def _grid(schedule: Schedule) -> np.ndarray:
    """Return steps from the end of the warm-up to the end of the run."""
    warm = [phase.end for phase in schedule.phases() if phase.name == "warm-up"][:1]
    first, last = max(1.0, *warm, 0.0), max(1.0, np.ceil(schedule.length) - 1)
    return np.unique(np.round(np.linspace(min(first, last), last, MOST_PREDICTED)).astype(int))


def _fit(
    law: type[CurveLaw],
    curves: Sequence[Curve],
    unit: float,
    *,
    warmup: str | None,
    fix: Mapping[str, float],
    prior: float,
) -> FittedLaw:
    convention = warmup or law.warmup
    paths = [Path.of(c.schedule, c.step, warmup=convention, unit=unit) for c in curves]
    _refuse(law, paths, fix)
    problem = _problem(law, [p.compressed() for p in paths], [c.loss for c in curves], fix, prior)
    ended = [solve_curves(problem, start) for start in _starts(problem, fix)]
    best = min(ended, key=lambda solution: solution.value)
    if not best.converged:
        raise FitError(
            f"{curve_laws.name_of(law)}: no start converged.",
            hint="Add runs with other schedules, or hold a parameter.",
        )
    reached = [s for s in ended if s.converged and s.value <= best.value * (1 + AGREE)]
    misfit = float(np.mean(np.abs(np.expm1(best.residuals))))
    return FittedLaw(best.law, convention, best.value, misfit, (len(reached), len(ended)))


def _refuse(law: type[CurveLaw], paths: Sequence[Path], fix: Mapping[str, float]) -> None:
    for name in fix:
        if name not in law.parameters():
            raise UsageError(
                f"{curve_laws.name_of(law)} has no parameter {name!r}.",
                hint=f"Parameters: {', '.join(law.parameters())}.",
            )
    if law.clock != "none" and not any((path.gap > 0).any() for path in paths):
        raise FitError(
            "the learning rate never falls in these runs: what a fall does is not in the data.",
            hint="Add a run with a decay, or fit power_area or power_steps.",
        )
    points = sum(len(path.step) for path in paths)
    if points <= len(law.parameters()):
        raise FitError(f"{points} points cannot determine {len(law.parameters())} parameters.")


def _problem(
    law: type[CurveLaw],
    paths: Sequence[Path],
    losses: Sequence[np.ndarray],
    fix: Mapping[str, float],
    strength: float,
) -> CurveProblem:
    declared = law.parameters()
    prior = np.zeros((len(declared), 2))
    for i, parameter in enumerate(declared.values()):
        if parameter.prior is not None and parameter.domain is Domain.POSITIVE:
            precision = strength * (DELTA / parameter.prior.log_sd) ** 2
            prior[i] = np.log(parameter.prior.center), precision
    area = float(np.exp(np.mean([np.log(path.area[-1]) for path in paths])))
    free = np.array([name not in fix for name in declared])
    return CurveProblem(law, paths, losses, DELTA, prior, free, area)


def _starts(problem: CurveProblem, fix: Mapping[str, float]) -> Iterator[CurveLaw]:
    """Yield laws on the grid of the declared starts, with the best linear parameters at each."""
    declared = problem.law.parameters()
    grids = {n: (fix[n],) if n in fix else p.starts for n, p in declared.items() if not p.linear}
    measured = np.concatenate(list(problem.losses))
    linear = [name for name, p in declared.items() if p.linear]
    for place in itertools.product(*grids.values()):
        values = dict(zip(grids, place, strict=True))
        columns = [_column(problem, values, name, linear) for name in linear]
        held = sum((fix[n] * c for n, c in zip(linear, columns, strict=True) if n in fix), 0.0)
        free = [n for n in linear if n not in fix]
        design = np.stack([c for n, c in zip(linear, columns, strict=True) if n in free], axis=1)
        found = np.linalg.lstsq(design, measured - held, rcond=None)[0]
        # A start must be positive; the size is one that a curve of these losses could have.
        least = 0.01 * measured.mean() / np.abs(design).max(0)
        amplitudes = dict(zip(free, np.maximum(found, least).tolist(), strict=True))
        amplitudes |= {name: fix[name] for name in linear if name in fix}
        yield problem.law(**values, **amplitudes)


def _column(
    problem: CurveProblem, values: Mapping[str, float], name: str, linear: Sequence[str]
) -> np.ndarray:
    """Return what one linear parameter at one, the others at zero, adds to the loss."""
    law = problem.law(**values, **{other: float(other == name) for other in linear})
    return np.concatenate([np.asarray(law(path)) for path in problem.paths])
