"""`fit_curves`: laws of loss curves fitted to runs, and the curve that any schedule will give."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scaling_cli.artefacts.curve_fit import AVERAGE, AVERAGED, CurveFit, FittedRun, LeftOutSchedule
from scaling_cli.artefacts.curve_prediction import CurveUncertainty
from scaling_cli.curve_fits.checks import checklist, dead
from scaling_cli.curve_fits.folds import Fold, leave_out
from scaling_cli.curve_fits.resampling import autocorrelation, draws, effective, weights
from scaling_cli.curve_fits.search import DELTA, CurveOptions, Searched, search
from scaling_cli.engine.curves import CurveProblem, Linearised, linearise
from scaling_cli.numerics.mestimate import huber_sum
from scaling_cli.runs.curve import Curve, digest
from scaling_cli.vocabulary.arguments import check_count, check_level
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import LeftOut, Status
from scaling_cli.vocabulary.versions import versions

AS_TRAINED = "as_trained"
AUTO = "auto"
STRENGTHS = (0.0, 1.0, 10.0)  # of the priors, that `auto` chooses from
DRAWS = 100
LAST = 0.1  # the share of a run that its end is taken to be, against the noise of single losses


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
    out in turn, and blocks of the runs are drawn: see `curve_folds` and `curve_resampling`.

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
    UsageError
        If the law, the convention or a parameter is unknown.
    """
    if not curves:
        raise UsageError("there are no curves to fit.")
    check_level(level)
    check_count("seed", seed)
    check_count("bootstrap", bootstrap)
    names = AVERAGED if law == AVERAGE else (law,)
    if fix and law == AVERAGE:
        raise UsageError("parameters are held in one law, not in the average of several.")
    convention = AS_TRAINED if law == AVERAGE and warmup is None else warmup
    unit = max(curve.schedule.highest for curve in curves)
    thin = [curve.thinned() for curve in curves]
    strength, tried = _strength(prior, names, thin, CurveOptions(unit, convention, fix or {}, 1.0))
    options = CurveOptions(unit, convention, fix or {}, strength)
    found = {name: search(name, thin, options) for name in names}
    bare = CurveFit(
        law,
        {name: one.fitted for name, one in found.items()},
        unit,
        _runs(thin),
        sum(len(c.step) for c in thin),
        _data(curves, thin),
        objective=Objective(delta=DELTA),
        left_out=left_out,
        versions=versions(),
        command=command,
        diagnostics={"prior_strengths": tried} if tried else {},
        selection={
            "warmup": warmup,
            "fix": dict(fix or {}),
            "prior_strength": strength,
            "bootstrap": bootstrap,
            "seed": seed,
            "level": level,
        },
    )
    folds = leave_out(names, thin, options, bare.laws) if hold_out else []
    return _judged(bare, thin, found, folds)


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
        near = {name: search(name, curves, options).fitted for name in names}
    except FitError:
        return None
    return schedule_error(leave_out(names, curves, options, near))


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
        "conventions": {"lr": "over rate_unit", "L": "nats/token"},
        "points": {c.run: {"step": c.step.tolist(), "loss": c.loss.tolist()} for c in thin},
    }


def _runs(curves: Sequence[Curve]) -> list[FittedRun]:
    return [
        FittedRun(
            c.run,
            c.schedule.text(),
            " ".join(c.notes),
            len(c.step),
            int(c.step[0]),
            int(c.step[-1]),
            params=c.params,
        )
        for c in curves
    ]


def _judged(
    bare: CurveFit, curves: Sequence[Curve], found: Mapping[str, Searched], folds: Sequence[Fold]
) -> CurveFit:
    """Add errors along the runs, folds, draws, bands and checks."""
    residuals = [np.log(bare.along(c).value) - np.log(c.loss) for c in curves]
    correlation = autocorrelation(residuals)
    chosen = bare.selection
    lines = {name: linearise(one.problem, one.solution.law) for name, one in found.items()}
    problems = {name: one.problem for name, one in found.items()}
    drawn: dict[str, dict[str, np.ndarray]] = {name: {} for name in found}
    method = "no draws were asked for"
    if chosen["bootstrap"]:
        sizes = [len(c.step) for c in curves]
        counts, method = weights(sizes, correlation, chosen["bootstrap"], chosen["seed"])
        drawn = {n: draws(problems[n], found[n].fitted.law, counts) for n in found}
        method = f"{method}, {chosen['bootstrap']} draws"
    noise = float(np.sqrt(np.mean([np.mean(r**2) for r in residuals])))
    tested = [fold for fold in folds if fold.errors]
    sure = replace(
        bare,
        laws={n: replace(f, draws=drawn[n]) for n, f in bare.laws.items()},
        status=_status(bare, problems, lines),
        value=huber_sum(np.concatenate(residuals), bare.objective.delta),
        runs=[_told(run, r) for run, r in zip(bare.runs, residuals, strict=True)],
        uncertainty=CurveUncertainty(noise, schedule_error(folds), len(tested), method),
        held_out=[_left_out(fold) for fold in folds],
        diagnostics={**bare.diagnostics, "autocorrelation": correlation},
    )
    sure = replace(sure, intervals=_intervals(sure, method, chosen["level"]))
    return replace(sure, checks=checklist(sure, curves, problems, lines))


def _status(
    fit: CurveFit, problems: Mapping[str, CurveProblem], lines: Mapping[str, Linearised]
) -> Status:
    if any(dead(problems[name], lines[name]) for name in problems):
        return Status.AT_BOUND
    if any(fitted.left for fitted in fit.laws.values()):
        return Status.ILL_CONDITIONED
    return Status.CONVERGED


def _told(run: FittedRun, residuals: np.ndarray) -> FittedRun:
    correlation = autocorrelation([residuals])
    return replace(
        run,
        misfit=float(np.mean(np.abs(np.expm1(residuals)))),
        end_error=_end(residuals),
        autocorrelation=correlation,
        effective=effective(len(residuals), correlation),
    )


def _end(residuals: np.ndarray) -> float:
    """Return the relative error over the last tenth of a run."""
    return float(np.expm1(residuals[-max(1, round(LAST * len(residuals))) :].mean()))


def _left_out(fold: Fold) -> LeftOutSchedule:
    if not fold.errors:
        return LeftOutSchedule(fold.runs, None, None, fold.note)
    ends = [_end(errors) for errors in fold.errors]
    return LeftOutSchedule(fold.runs, schedule_error([fold]), float(np.mean(ends)))


def _intervals(fit: CurveFit, method: str, level: float) -> dict[str, dict[str, Any]]:
    """Return percentiles of the draws."""
    ends = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, fitted in fit.laws.items():
        for parameter, values in fitted.draws.items():
            low, high = np.quantile(values, ends).tolist()
            found[fit.label(name, parameter)] = {
                "level": level,
                "low": low,
                "high": high,
                "method": method,
            }
    return found
