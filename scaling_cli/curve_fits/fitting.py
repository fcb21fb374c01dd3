"""`fit_curves`: laws of loss curves fitted to runs, and how sure that is.

Each schedule is left out in turn: the errors say how far such predictions lie off. They are no
selector: with three schedules the law that predicts the third best is not the one that predicts a
fourth best.

Losses along a run are not independent, so what is drawn for the intervals is stretches as long as
their residuals remember, by the rule of Carlstein (1986, doi:10.1214/aos/1176350057) for a
first-order autoregression. A draw minimises the same objective, weak priors kept, from the fit to
all. (Its tangent there would do for lone minima; along a ridge it overstates the spread by two.)
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from scaling_cli import curve_laws
from scaling_cli.artefacts._curve_prediction import CurveUncertainty, FittedLaw
from scaling_cli.artefacts._record import versions
from scaling_cli.artefacts.curve_fit import (
    AVERAGE,
    AVERAGED,
    LAST,
    CurveFit,
    FittedRun,
    HiddenWarmup,
    LeftOutSchedule,
)
from scaling_cli.curve_fits import beginnings
from scaling_cli.curve_fits.checks import checklist, dead
from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.curves import STILL as MINIMUM
from scaling_cli.engine.curves import CurveProblem, Linearised, side_by_side, solve_curves
from scaling_cli.laws._law import Domain
from scaling_cli.numerics.mestimate import huber
from scaling_cli.numerics.quantiles import central
from scaling_cli.runs.curve import Curve, digest, siblings
from scaling_cli.schedules._path import Path
from scaling_cli.vocabulary.arguments import check_count, check_level
from scaling_cli.vocabulary.errors import FitError, MismatchError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import LeftOut, Status

DELTA = 1e-3
# Of the objective: what a whole step may still gain. Along a valley that a few runs leave open the
# last digits of the minimum take forever, and predictions do not know them.
USABLE = 1e-2
AGREE = 1e-6  # of the objective: starts that end closer have found the same minimum
AS_TRAINED = "as_trained"
AUTO = "auto"
STRENGTHS = (0.0, 1.0, 10.0)  # of the priors, that `auto` chooses from
DRAWS = 100
MANY_RUNS = 10  # from here on whole runs are drawn: that also draws their schedules
STILL = 1e-7  # of the objective: at 1e-3 a draw stops before it has seen the width of a valley
LANES = 32  # draws that are refitted side by side
NEAR = 1e-9  # of the objective: warm-ups are told apart by a hundredth of it
SEES_WARMUP = "multi_power"  # of the averaged laws, the one that misses real curves least


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
    """A fitted law with the problem that it solves, for resamples of it, as a straight line."""

    fitted: FittedLaw
    line: Linearised


class Draws(NamedTuple):
    """Refits of a law to resamples: parameters, each of shape (count,), and which none feels."""

    values: Mapping[str, np.ndarray]
    dead: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Fold:
    """One schedule left out: what a fit would have said of it without it."""

    runs: tuple[str, ...]
    errors: tuple[np.ndarray, ...]  # ln(prediction/loss) along each; empty where it could not be
    note: str = ""  # why it could not be


def fit_curves(
    curves: Sequence[Curve],
    *,
    law: str = AVERAGE,
    warmup: str | None = None,
    fix: Mapping[str, float] | None = None,
    prior: float | str = 1.0,
    bootstrap: int = DRAWS,
    seed: int = 0,
    level: float = 0.9,
    hold_out: bool = True,
    left_out: Sequence[LeftOut] = (),
    command: str = "",
) -> CurveFit:
    """Fit laws of loss curves jointly to runs of one model, data set and batch size.

    The one law of several models, `annealing_size`, takes the sizes of the curves.

    The sum of Huber (1e-3) of the residuals of ln loss is minimised, plus the penalty of the weak
    priors that a law declares, from four starts to a gradient of zero. Each schedule is then left
    out in turn, and blocks of the runs are drawn.

    Parameters
    ----------
    curves : sequence of Curve
        With different schedules; at least one must let the learning rate fall.
    law : str
        `average`, the equal mean of annealing, area_exponential, functional and multi_power, or
        one law (`scaling laws` lists them).
    warmup : str, optional
        How the warm-up counts; see `schedules._path.CONVENTIONS`. Default: as it was trained in the
        average, the authors' convention for one law.
    fix : mapping of parameter to float, optional
        Parameters of one law that are held, for rates over their peak.
    prior : float or "auto"
        Strength of the priors: 0 for none, 1 weak, 10 strong; `auto` takes of these the one whose
        predictions of schedules left out of the training curves err least.
    bootstrap : int
        Draws; 0 for none.
    seed : int
    level : float
        Nominal coverage of the intervals of parameters.
    hold_out : bool
        Whether each schedule is left out in turn. Without it, and without draws, a fit takes a
        fraction of the time and its bands are UNTESTED.
    left_out : sequence of LeftOut
        Runs that are no curves, for the record.
    command : str
        For the record.

    Raises
    ------
    FitError
        If the rate never falls, there are fewer points than parameters, or no start converges.
    MismatchError
        If the losses have two units.
    UsageError
        If the law, the convention or a parameter is unknown.
    """
    if not curves:
        raise UsageError("there are no curves to fit.")
    if len(units := {curve.unit for curve in curves}) > 1:
        raise MismatchError(f"the losses of the curves have two units: {', '.join(sorted(units))}.")
    check_level(level)
    check_count("seed", seed)
    check_count("bootstrap", bootstrap)
    names = AVERAGED if law == AVERAGE else (law,)
    if fix and law == AVERAGE:
        raise UsageError("parameters are held in one law, not in the average of several.")
    convention = AS_TRAINED if law == AVERAGE and warmup is None else warmup
    unit = max(curve.schedule.highest for curve in curves)
    curves = siblings(curves)
    thin = [curve.thinned() for curve in curves]
    strength, tried = _strength(prior, names, thin, CurveOptions(unit, convention, fix or {}, 1.0))
    options = CurveOptions(unit, convention, fix or {}, strength)
    found = side_by_side(names, lambda name: search(name, thin, options))
    hidden = _hidden_warmup(thin, found, options, level)
    if hidden and hidden.warmup != next(c.beginning.warmup for c in thin if c.beginning):
        curves = siblings(curves, [(hidden.source, hidden.warmup)])
        thin = [curve.thinned() for curve in curves]
        found = {name: search(name, thin, options, start=found[name].fitted.law) for name in names}
    drawn = {"bootstrap": bootstrap, "seed": seed, "level": level}
    bare = CurveFit(
        law,
        unit,
        [searched.fitted for searched in found.values()],
        (),
        status=Status.CONVERGED,
        n_points=sum(len(c.step) for c in thin),
        data=_data(curves, thin),
        objective=Objective(delta=DELTA),
        left_out=left_out,
        versions=versions(),
        command=command,
        diagnostics={"prior_strengths": tried} if tried else {},
        hidden_warmup=hidden,
        selection={"warmup": warmup, "fix": dict(fix or {}), "prior_strength": strength, **drawn},
    )
    folds = leave_out(thin, options, found) if hold_out else []
    return _judged(bare, thin, found, folds)


def _hidden_warmup(
    curves: Sequence[Curve], found: Mapping[str, Searched], options: CurveOptions, level: float
) -> HiddenWarmup | None:
    """Return the warm-up before logs that do not show it; None where all do."""
    if all(curve.beginning is None for curve in curves):
        return None
    name = SEES_WARMUP if SEES_WARMUP in found else next(iter(found))

    def objective(begun: Sequence[Curve]) -> tuple[float, float, float]:
        again = _refit(name, begun, options, found[name].fitted)
        residuals = again.line.residuals
        independent = effective(len(residuals), autocorrelation([residuals]))
        return again.fitted.value or np.nan, again.fitted.misfit or 0.0, independent

    return beginnings.compare(curves, objective, level)


def _strength(
    prior: float | str, names: Sequence[str], curves: Sequence[Curve], options: CurveOptions
) -> tuple[float, dict[str, float | None]]:
    """Return the strength of the priors, and the errors by which it was chosen.

    Raises
    ------
    UsageError
        If it is no number from 0 on, nor auto; or no schedule can be left out.
    """
    if prior != AUTO:
        if isinstance(prior, str) or not (np.isfinite(prior) and prior >= 0):
            raise UsageError(f"the strength of priors is a number from 0 on or auto, not {prior}.")
        return float(prior), {}
    errors = {s: _error(names, curves, replace(options, prior_strength=s)) for s in STRENGTHS}
    known = {s: e for s, e in errors.items() if e is not None}
    if not known:
        raise UsageError(
            "prior strength auto: no schedule can be left out of these runs.",
            hint="Add a schedule with a decay, or give a strength: 0, 1 or 10.",
        )
    return min(known, key=lambda s: known[s]), {f"{s:g}": e for s, e in errors.items()}


def _error(names: Sequence[str], curves: Sequence[Curve], options: CurveOptions) -> float | None:
    """Return the root mean square error on schedules left out; None where there is none."""
    try:
        near = side_by_side(names, lambda name: search(name, curves, options))
    except FitError:
        return None
    return schedule_error(leave_out(curves, options, near))


def schedule_error(folds: Sequence[Fold]) -> float | None:
    """Return the root mean square over folds of ln(prediction/loss); None without any."""
    squares = [np.mean([np.mean(e**2) for e in fold.errors]) for fold in folds if fold.errors]
    return float(np.sqrt(np.mean(squares))) if squares else None


def _data(curves: Sequence[Curve], thin: Sequence[Curve]) -> dict[str, Any]:
    """Return the data record: digest, ranges, conventions, the fitted points."""
    ends = [float(c.schedule.lr(c.step[-1])) for c in curves]
    sizes = [c.params for c in curves if c.params is not None]
    return {
        "sha256": digest(thin),
        "ranges": {
            "S": [min(int(c.step[0]) for c in curves), max(int(c.step[-1]) for c in curves)],
            "lr": [min(ends), max(c.schedule.highest for c in curves)],
            "L": [min(float(c.loss.min()) for c in thin), max(float(c.loss.max()) for c in thin)],
            **({"N": [min(sizes), max(sizes)]} if sizes else {}),
        },
        "conventions": {"lr": "over rate_unit", "L": thin[0].unit},
        "points": {c.run: {"step": c.step.tolist(), "loss": c.loss.tolist()} for c in thin},
    }


def _judged(
    bare: CurveFit, curves: Sequence[Curve], found: Mapping[str, Searched], folds: Sequence[Fold]
) -> CurveFit:
    """Add errors along the runs, folds, draws, bands and checks."""
    residuals = [np.log(bare.along(c).value) - np.log(c.loss) for c in curves]
    correlation = autocorrelation(residuals)
    chosen = bare.selection
    lines = {name: searched.line for name, searched in found.items()}
    drawn = {name: Draws({}, ()) for name in found}
    method = "no draws were asked for"
    if chosen["bootstrap"]:
        sizes = [len(c.step) for c in curves]
        counts, method = weights(sizes, correlation, chosen["bootstrap"], chosen["seed"])
        drawn = side_by_side(found, lambda name: draws(found[name], counts))
        method = f"{method}, {chosen['bootstrap']} draws"
    noise = float(np.sqrt(np.mean([np.mean(r**2) for r in residuals])))
    tested = [fold for fold in folds if fold.errors]
    sure = replace(
        bare,
        members=[replace(f, draws=drawn[n].values) for n, f in bare.laws.items()],
        status=_status(bare, lines),
        value=float(huber(np.concatenate(residuals), bare.objective.delta).sum()),
        runs=[_fitted_run(c, r) for c, r in zip(curves, residuals, strict=True)],
        uncertainty=CurveUncertainty(noise, schedule_error(folds), len(tested), method),
        held_out=[_left_out(fold) for fold in folds],
        diagnostics={**bare.diagnostics, "autocorrelation": correlation},
    )
    sure = replace(sure, intervals=_intervals(sure, drawn, method, chosen["level"]))
    return replace(sure, checks=checklist(sure, curves, lines))


def _status(fit: CurveFit, lines: Mapping[str, Linearised]) -> Status:
    if any(map(dead, lines.values())):
        return Status.AT_BOUND
    if any(fitted.left for fitted in fit.laws.values()):
        return Status.ILL_CONDITIONED
    return Status.CONVERGED


def _fitted_run(curve: Curve, residuals: np.ndarray) -> FittedRun:
    correlation, points = autocorrelation([residuals]), len(residuals)
    off = float(np.mean(np.abs(np.expm1(residuals)))), _end(residuals)
    memory = correlation, effective(points, correlation)
    steps, known = (int(curve.step[0]), int(curve.step[-1])), " ".join(curve.notes)
    text = curve.schedule.text()
    return FittedRun(curve.run, text, known, points, *steps, *off, *memory, params=curve.params)


def _end(residuals: np.ndarray) -> float:
    """Return the relative error over the last tenth of a run."""
    return float(np.expm1(residuals[-max(1, round(LAST * len(residuals))) :].mean()))


def _left_out(fold: Fold) -> LeftOutSchedule:
    end = float(np.mean([*map(_end, fold.errors)])) if fold.errors else None
    return LeftOutSchedule(fold.runs, schedule_error([fold]), end, fold.note)


def _intervals(
    fit: CurveFit, drawn: Mapping[str, Draws], method: str, level: float
) -> dict[str, dict[str, Any]]:
    return {
        fit.label(name, parameter): {"level": level, "low": low, "high": high, "method": method}
        for name, fitted in fit.laws.items()
        for parameter, (low, high) in percentiles(fitted.law, drawn[name], level).items()
    }


def percentiles(
    fitted: CurveLaw, draws: Draws, level: float
) -> dict[str, tuple[float | None, float | None]]:
    """Return between what parameters lie in a share of the draws; None where nothing bounds them.

    A draw in which no point feels a parameter any more has run away with it: how far is chance.
    """
    result = {}
    for parameter, values in draws.values.items():
        ran = np.array([parameter in names for names in draws.dead])
        away = np.where(values < getattr(fitted, parameter), -np.inf, np.inf)
        with np.errstate(invalid="ignore"):  # between two infinities lies no number
            low, high = central(np.where(ran, away, values), level)
        result[parameter] = low if np.isfinite(low) else None, high if np.isfinite(high) else None
    return result


def leave_out(
    curves: Sequence[Curve], options: CurveOptions, near: Mapping[str, Searched]
) -> list[Fold]:
    """Fit to thinned curves without each schedule in turn, from the fit to all."""
    schedules = dict.fromkeys(curve.schedule.text() for curve in curves)
    if len(schedules) < 2:
        return []
    return [*side_by_side(schedules, lambda text: _fold(text, curves, options, near)).values()]


def _fold(
    text: str, curves: Sequence[Curve], options: CurveOptions, near: Mapping[str, Searched]
) -> Fold:
    """Predict the runs of a schedule by the mean of the laws that are fitted without it."""
    kept = [c.schedule.text() != text for c in curves]
    out = [*itertools.compress(curves, np.logical_not(kept))]
    runs = tuple(c.run for c in out)
    try:
        laws = [_without(n, curves, kept, options, fitted) for n, fitted in near.items()]
    except FitError as error:
        return Fold(runs, (), error.message)
    return Fold(runs, tuple(_errors(laws, c, options.unit) for c in out))


def _without(
    name: str, curves: Sequence[Curve], kept: Sequence[bool], options: CurveOptions, near: Searched
) -> FittedLaw:
    """Fit from the fit to all with the others not counted, from the grid if that ends nowhere."""
    rest, problem = [*itertools.compress(curves, kept)], near.line.problem
    _refuse(name, rest, [*itertools.compress(problem.paths, kept)], options)
    times = np.repeat(np.array(kept, float), [len(c.step) for c in curves])
    [ended] = solve_curves(problem, [near.fitted.law], times=times[None])
    if not ended.decrement < USABLE:
        return search(name, rest, options).fitted
    return replace(near.fitted, law=ended.law, value=ended.value)


def _refit(name: str, begun: Sequence[Curve], options: CurveOptions, near: FittedLaw) -> Searched:
    """Fit along other warm-ups from a fit, or from the grid where that ends nowhere."""
    try:
        return search(name, begun, options, start=near.law, still=NEAR)
    except FitError:
        return search(name, begun, options)


def _errors(laws: Sequence[FittedLaw], curve: Curve, unit: float) -> np.ndarray:
    each = [f.law.curve(curve.path(f.warmup, unit)) for f in laws]
    return np.log(np.mean(each, axis=0)) - np.log(curve.loss)


def autocorrelation(residuals: Sequence[np.ndarray]) -> float:
    """Return the correlation of successive residuals, runs pooled, about each run's zero."""
    products = sum(float(r[1:] @ r[:-1]) for r in residuals)
    squares = sum(float(r[1:] @ r[1:] + r[:-1] @ r[:-1]) / 2 for r in residuals)
    return products / squares if squares > 0 else 0.0


def effective(points: int, correlation: float) -> float:
    """Return how many independent residuals say as much about a mean."""
    rho = min(max(correlation, 0.0), 1 - 1e-6)
    return max(1.0, points * (1 - rho) / (1 + rho))


def block_length(points: int, correlation: float) -> int:
    """Return the length of blocks for a run of so many points."""
    rho = min(max(correlation, 0.0), 0.99)
    best = (np.sqrt(6) * rho / (1 - rho**2)) ** (2 / 3) * points ** (1 / 3)
    return int(min(max(1, np.ceil(best)), max(1, points // 2)))


def weights(
    sizes: Sequence[int], correlation: float, count: int, seed: int
) -> tuple[np.ndarray, str]:
    """Return how often each point is drawn, shape (count, points), and how, in words."""
    generator = np.random.default_rng(seed)
    if len(sizes) >= MANY_RUNS:
        share = np.full(len(sizes), 1 / len(sizes))
        drawn = generator.multinomial(len(sizes), share, size=count).astype(float)
        return np.repeat(drawn, sizes, axis=1), f"bootstrap of {len(sizes)} runs"
    lengths = [block_length(n, correlation) for n in sizes]
    parts = [_blocks(n, b, count, generator) for n, b in zip(sizes, lengths, strict=True)]
    span = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)}-{max(lengths)}"
    return np.concatenate(parts, axis=1), f"bootstrap of blocks of {span} points within runs"


def _blocks(points: int, length: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return how often each point of a run is drawn by blocks that wrap around its end."""
    blocks = -(-points // length)
    starts = generator.integers(points, size=(count, blocks))
    index = (starts[:, :, None] + np.arange(length)) % points
    index = index.reshape(count, -1)[:, :points]
    drawn = np.zeros((count, points))
    np.add.at(drawn, (np.arange(count)[:, None], index), 1.0)
    return drawn


def draws(near: Searched, drawn: np.ndarray) -> Draws:
    """Refit a law to each resample."""
    fitted, line, values, gone = near.fitted.law, near.line, [], []
    for first in range(0, len(drawn), LANES):
        times = drawn[first : first + LANES]
        starts = [fitted] * len(times)
        ends = solve_curves(line.problem, starts, times=times, still=STILL, known=line)
        values += [[*end.law.values().values()] for end in ends]
        gone += [dead(end.line) for end in ends]
    return Draws(dict(zip(fitted.values(), np.transpose(values), strict=True)), gone)


# --- One law of loss curves: what is refused, the starts, the best minimum.


def search(
    name: str,
    curves: Sequence[Curve],
    options: CurveOptions,
    *,
    start: CurveLaw | None = None,
    still: float = MINIMUM,
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
    paths = [law.prepared(c.path(convention, options.unit)).compressed() for c in curves]
    _refuse(name, curves, paths, options)
    problem = _problem(law, paths, [c.loss for c in curves], options)
    starts = _starts(problem, options.fix) if start is None else [start]
    ended = solve_curves(problem, [*starts], still=still)
    best = min(ended, key=lambda solution: solution.value)
    if not best.decrement < USABLE:
        raise FitError(
            f"{name}: no start converged.",
            hint="Add runs with other schedules, or hold a parameter.",
        )
    agree = sum(s.value <= best.value * (1 + AGREE) for s in ended), len(ended)
    misfit = float(np.mean(np.abs(np.expm1(best.line.residuals))))
    left = 0.0 if best.converged else best.decrement
    fitted = FittedLaw(best.law, convention, best.value, misfit, agree, left)
    return Searched(fitted, best.line)


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


def _refuse(
    name: str, curves: Sequence[Curve], paths: Sequence[Path], options: CurveOptions
) -> None:
    law = curve_laws.get(name)
    if law.sized:
        _refuse_sizes(name, curves, options)
    for parameter in options.fix:
        if parameter not in law.parameters():
            raise UsageError(
                f"{name} has no parameter {parameter!r}.",
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
    ends = {"area": [path.area[-1] for path in paths]}
    if law.sized:
        ends["N"] = [path.params[-1] for path in paths]
    scales = {name: float(np.exp(np.mean(np.log(values)))) for name, values in ends.items()}
    free = np.array([name not in options.fix for name in declared])
    return CurveProblem(law, paths, losses, DELTA, prior, free, scales)


def _starts(problem: CurveProblem, fix: Mapping[str, float]) -> Iterator[CurveLaw]:
    """Yield laws on the grid of the declared starts, with the best linear parameters at each."""
    declared = problem.law.parameters()
    grids = {n: (fix[n],) if n in fix else p.starts for n, p in declared.items() if not p.linear}
    measured = np.concatenate(list(problem.losses))
    linear = [name for name, p in declared.items() if p.linear]
    free = [name for name in linear if name not in fix]
    for place in itertools.product(*grids.values()):
        values, columns = dict(zip(grids, place, strict=True)), {}
        for name in linear:  # at one, the others at zero
            law = problem.law(**values, **{other: float(other == name) for other in linear})
            columns[name] = np.concatenate([np.asarray(law(path)) for path in problem.paths])
        held = {name: fix[name] for name in linear if name in fix}
        rest = measured - sum((value * columns[name] for name, value in held.items()), 0.0)
        design = np.stack([columns[name] for name in free], axis=1)
        # A start must be positive; the size is one that a curve of these losses could have.
        least = 0.01 * measured.mean() / np.abs(design).max(0)
        best = np.maximum(np.linalg.lstsq(design, rest, rcond=None)[0], least)
        yield problem.law(**values, **held, **dict(zip(free, best.tolist(), strict=True)))
