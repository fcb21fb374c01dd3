"""One law of loss curves fitted to runs: what is refused, the starts, the best minimum."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli import curve_laws
from scaling_cli.artefacts._curve_prediction import FittedLaw
from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.curves import CurveProblem, solve_curves
from scaling_cli.laws._law import Domain
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules._path import Path
from scaling_cli.vocabulary.errors import FitError, UsageError

DELTA = 1e-3
# Of the objective: what a whole step may still gain. Along a valley that a few runs leave open the
# last digits of the minimum take forever, and predictions do not know them.
USABLE = 1e-2
AGREE = 1e-6  # of the objective: starts that end closer have found the same minimum


@dataclass(frozen=True)
class CurveOptions:
    """What is the same for a fit and all its refits.

    Parameters
    ----------
    unit : float
        Rates are divided by it.
    warmup : str or None
        Convention for all laws; None for each law's own.
    fix : mapping of parameter to float
    prior_strength : float
    """

    unit: float
    warmup: str | None
    fix: Mapping[str, float]
    prior_strength: float


@dataclass(frozen=True)
class Searched:
    """A fitted law with the problem that it solves, for resamples of it."""

    fitted: FittedLaw
    problem: CurveProblem


def search(
    name: str, curves: Sequence[Curve], options: CurveOptions, *, start: CurveLaw | None = None
) -> Searched:
    """Fit one law from its grid of starts, or from one.

    Raises
    ------
    FitError
        If the rate never falls, there are fewer points than parameters, or no start converges.
    UsageError
        If the convention or a held parameter is unknown.
    """
    law = curve_laws.get(name)
    convention = options.warmup or law.warmup
    if law.sized:
        _refuse_sizes(name, curves, options)
    paths = [law.prepared(c.path(convention, options.unit)).compressed() for c in curves]
    _refuse(law, paths, options.fix)
    problem = _problem(law, paths, [c.loss for c in curves], options)
    starts = _starts(problem, options.fix) if start is None else iter([start])
    ended = [solve_curves(problem, place) for place in starts]
    best = min(ended, key=lambda solution: solution.value)
    if not best.decrement < USABLE:
        raise FitError(
            f"{name}: no start converged.",
            hint="Add runs with other schedules, or hold a parameter.",
        )
    reached = [s for s in ended if s.value <= best.value * (1 + AGREE)]
    misfit = float(np.mean(np.abs(np.expm1(best.residuals))))
    agree = (len(reached), len(ended))
    left = 0.0 if best.converged else best.decrement
    fitted = FittedLaw(best.law, convention, best.value, misfit, agree, left)
    return Searched(fitted, problem)


def _refuse_sizes(name: str, curves: Sequence[Curve], options: CurveOptions) -> None:
    """Refuse runs that cannot say how the loss depends on the model's size."""
    for curve in curves:
        if curve.params is None:
            raise FitError(
                f"run {curve.run!r}: the size of its model is not known, and {name} needs it.",
                hint="Give a column params, --set params=... or --meta.",
            )
    sizes = sorted({curve.params for curve in curves if curve.params is not None})
    if len(sizes) < 2:
        raise FitError(
            f"{name} is fitted to runs of several model sizes; these are all of N = {sizes[0]:g}.",
            hint="Add runs of another size, or fit annealing.",
        )
    if len(sizes) == 2 and not options.prior_strength and not {"L0", "B", "beta"} & {*options.fix}:
        raise FitError(
            "two sizes do not tell B N^-beta from L0: without priors nothing does.",
            hint="Keep the priors, or hold beta: --fix beta=0.34.",
        )


def _refuse(law: type[CurveLaw], paths: Sequence[Path], fix: Mapping[str, float]) -> None:
    for name in fix:
        if name not in law.parameters():
            raise UsageError(
                f"{curve_laws.name_of(law)} has no parameter {name!r}.",
                hint=f"Parameters: {', '.join(law.parameters())}.",
            )
    if law.decays and not any((path.gap > 0).any() for path in paths):
        raise FitError(
            "the learning rate never falls in these runs: what a fall does is not in the data.",
            hint="Add a run with a decay, or fit power_area or power_steps.",
        )
    points = sum(len(path.step) for path in paths)
    if points <= len(law.parameters()):
        raise FitError(f"{points} points cannot determine {len(law.parameters())} parameters.")


def _problem(
    law: type[CurveLaw], paths: Sequence[Path], losses: Sequence[np.ndarray], options: CurveOptions
) -> CurveProblem:
    declared = law.parameters()
    prior = np.zeros((len(declared), 2))
    for i, parameter in enumerate(declared.values()):
        if parameter.prior is not None and parameter.domain is Domain.POSITIVE:
            precision = options.prior_strength * (DELTA / parameter.prior.log_sd) ** 2
            prior[i] = np.log(parameter.prior.center), precision
    scales = {"area": _typical(path.area[-1] for path in paths)}
    if law.sized:
        scales["N"] = _typical(path.params[-1] for path in paths)
    free = np.array([name not in options.fix for name in declared])
    return CurveProblem(law, paths, losses, DELTA, prior, free, scales)


def _typical(values: Iterable[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(list(values)))))


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
