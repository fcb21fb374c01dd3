"""`forecast`: where a running job will end, with an interval, from its own losses and siblings."""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.forecasting.families import check_combination
from scaling_cli.forecasting.job import Job, jobs_in, siblings_target
from scaling_cli.forecasting.single import METHODS, Ended, Options, forecast_job
from scaling_cli.forecasting.stopping import RISK, which_to_stop
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError, near
from scaling_cli.vocabulary.outcomes import LeftOut, why
from scaling_cli.vocabulary.quantities import U, parse_number

if TYPE_CHECKING:
    from scaling_cli.forecasting.siblings import PredictsCurves
    from scaling_cli.schedules._schedule import Schedule

__all__ = ["Forecast", "Forecasts", "forecast"]


def forecast(
    runs: Any,
    *,
    until: float | str | None = None,
    schedule: "Schedule | str | None" = None,
    siblings: Any = (),
    fit: "PredictsCurves | kinds.Named | None" = None,
    level: float = 0.9,
    method: str = "law",
    target: str | None = None,
    unique_tokens: float | str | None = None,
    threshold: float | None = None,
    combine: str = "stack",
    rising: bool = False,
    limit: float | str | None = None,
    families: Sequence[str] | None = None,
    target_loss: float | str | None = None,
    stop: bool = False,
    risk: float = RISK,
) -> Forecasts:
    """Forecast the final loss of running jobs, or whatever else falls or rises along them.

    The law L0 + A (S1/S1_now)^-alpha - B D, S1 the area under the learning rate and D its lagged
    fall, is averaged over a grid of alpha and lag under weak priors. The interval is its posterior
    spread combined with backtests on the run itself, or, with siblings, the error that they make
    when they are forecast from each other.

    Parameters
    ----------
    runs : Runs, Curve, DataFrame, path, or a sequence of Curve
        Running jobs.
    until : number or str, optional
        Where they end: steps, or tokens as in "1.5T tokens". Default: the end of the schedule.
    schedule : Schedule or str, optional
        Default, the first that applies: the column `schedule`; the logged learning rate; the shape
        of siblings. Where they do not tell what is to come, the forecast is of all schedules that
        may come, by weight, and marked as assumed.
    siblings : as `runs`
        Finished runs on the same data.
    fit : CurveFit, path or name, optional
        A fit of loss curves: the curve it predicts under the run's schedule is one sibling.
    level : float
        Nominal coverage of the intervals.
    method : str
        `law`; `families`, those of `extrapolate` over the area under the learning rate, with the
        law's decay, or over steps where no rate is known; `power`, a power law in steps;
        `ensemble`, the mean of that and of a damped slope of the last octave and a half.
    target : str, optional
        Column of the loss. Default: `val_loss` where it has eight points, else `loss`.
    unique_tokens : float or str, optional
        Distinct training tokens: beyond four passes over them the interval is not valid.
    threshold : float, optional
        What may be left to gain, nats/token: the levels of `anticipate` are added.
    combine : str
        How families are combined: `stack`, `average` (Bayesian, by BIC) or `equal`.
    rising : bool
        What is forecast should rise, as an accuracy does.
    limit : number, optional
        What it never passes. Default: 0 for what falls; for what rises 1 or 100 where its values
        look so, else nothing.
    families : sequence of str, optional
        Which families of learning curves; `method` is then `families`.
    target_loss : number, optional
        A level: when it is reached, or that it may never be, is added.
    stop : bool
        The runs are candidates of which the best is wanted: how likely each ends best is added,
        and which can be stopped now. Runs that have ended are candidates too.
    risk : float
        How likely the best may be among those that are stopped.

    Raises
    ------
    UsageError
        If nothing says where a run ends, or an option cannot be.
    DataError
        If no run can be forecast: too short, diverged, finished.
    FitError
        If too little is logged since the learning rate last rose, or what is forecast rises and
        nothing says that it should.
    """
    if families is not None and not families:
        raise UsageError("no family of learning curves is named.", hint="--families pow3,mmf")
    method = "families" if families else method
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}.", hint=near(method, METHODS, "methods"))
    check_level(level)
    check_combination(combine)
    distinct = None if unique_tokens is None else parse_number(unique_tokens, U)
    if distinct is not None and not distinct > 0:
        raise UsageError(f"--unique-tokens must be positive, not {unique_tokens}.")
    curves = kinds.load(fit, CurveFit) if isinstance(fit, str | PathLike | Record) else fit
    jobs, left, notes = jobs_in(runs, target)
    if stop:
        _check_candidates(jobs, left, risk)
    alone = isinstance(siblings, list | tuple) and not siblings
    same = target if alone else siblings_target(jobs, target)
    kin, unread, more = jobs_in(siblings, same)
    bound = None if limit is None else parse_number(limit)
    options = Options(
        *(until, schedule, level, method, distinct, curves, tuple(kin), threshold, combine),
        rising=rising,
        limit=bound,
        families=tuple(families) if families else None,
        target_loss=None if target_loss is None else parse_number(target_loss),
    )
    forecasts: dict[str, Forecast] = {}
    errors: list[ScalingError] = []
    ended: list[Job] = []
    for job in jobs:
        try:
            forecasts[job.run] = forecast_job(job, options)
        except ScalingError as error:
            if stop and isinstance(error, Ended):
                ended.append(job)
                continue
            errors.append(error)
            left.append(LeftOut(job.run, error.message))
    if not forecasts and len(left) == 1 and errors:
        raise errors[0]
    if not forecasts:
        raise _none(left, errors)
    going = [job for job in jobs if job.run in forecasts]
    return Forecasts(
        tuple(forecasts.values()),
        (*notes, *more),
        which_to_stop(tuple(forecasts.values()), going, ended, rising=rising, risk=risk)
        if stop
        else None,
        left_out=(*left, *unread),
    )


def _check_candidates(jobs: Sequence[Job], left: Sequence[LeftOut], risk: float) -> None:
    """Refuse to choose among fewer than two, among other losses, or at a risk that is none.

    Raises
    ------
    UsageError
    """
    if not 0 < risk < 1:
        raise UsageError(f"--risk must lie between 0 and 1, not {risk:g}.")
    if len(jobs) < 2:
        many = "one" if jobs else "none"
        without = f" Left out: {why(left)}." if left else ""
        raise UsageError(f"--stop chooses among several runs; there is {many}.{without}")
    if len(columns := sorted({job.target for job in jobs})) > 1:
        raise UsageError(
            f"the runs log different losses ({', '.join(columns)}): no end is the best of all.",
            hint="Name one: --target COLUMN.",
        )


def _none(left: Sequence[LeftOut], errors: Sequence[ScalingError]) -> ScalingError:
    """Return why no run can be forecast, with the remedy where it is one for all."""
    remedies = {(type(error), error.hint) for error in errors}
    if len(remedies) == 1 and len(errors) == len(left):
        ((kind, hint),) = remedies
        return kind(f"no run can be forecast: {why(left)}.", hint=hint)
    hint = f"{why(left)}." if left else "Give a log with a loss."
    return DataError("there is no run to forecast.", hint=hint)
