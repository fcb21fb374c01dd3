"""`fit`: from a table to a Fit that can be used, judged and repeated."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Uncertainty
from scaling_cli.artefacts._record import versions
from scaling_cli.artefacts.fit import Fit
from scaling_cli.engine import executors
from scaling_cli.engine.executors import Executor
from scaling_cli.engine.priors import Given, as_text
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.solve import prepared
from scaling_cli.ingest._points import as_points, weight_name, with_law
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.certainty import companion, delta
from scaling_cli.point_fits.certainty.resampling import Resamples, intervals, resample, undetermined
from scaling_cli.point_fits.certainty.uncertainty import assemble
from scaling_cli.point_fits.checklist import Evidence, checklist
from scaling_cli.point_fits.checklist.record import EMBEDDED_POINTS
from scaling_cli.point_fits.diagnosis import rivals
from scaling_cli.point_fits.diagnosis.diagnosis import COMPUTE_FACTORS, Diagnosis, diagnose
from scaling_cli.point_fits.fitted import Company, Fitted, Resampling, headline
from scaling_cli.point_fits.held_out import HeldOut, hold_out
from scaling_cli.runs.direction import Direction
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, refuse, settle
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import C

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from scaling_cli.runs.table import Runs


def fit(
    data: "Points | Runs | pd.DataFrame | str | os.PathLike[str]",
    *,
    law: str | type[Law] = "chinchilla",
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
    best_of: str | None = None,
    rising: bool = False,
    limit: float | None = None,
    objective: Objective | str | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    weights: "str | ArrayLike | None" = None,
    prior: Mapping[str, Given] | None = None,
    bootstrap: int = 1000,
    bootstrap_kind: str = "pairs",
    cluster: str = "run",
    seed: int = 0,
    level: float = 0.9,
    alone: bool = False,
    beside: Mapping[str, Mapping[str, float]] | None = None,
    command: str = "",
    executor: str | Executor = executors.SERIAL_NAME,
) -> Fit:
    """Fit a law and everything a careful person needs to judge it.

    Parameters
    ----------
    data : Points, Runs, DataFrame or path
        What to fit: selected points, ingested runs, or anything `read` understands.
    law : str or type[Law]
        Name of a law, see `scaling laws`; a formula, `E + A/N**alpha`; or what `sc.law` made.
    target, where, at : str, optional
        Which column is predicted, which runs, which rows of each; see `selection.select`.
    best_of : {"config", "frontier"}, optional
        Of runs of equal inputs (a random search) the best alone; or those that no other run
        undercuts with as little compute.
    rising : bool
        The target rises as runs grow: its distance from `limit` is fitted, and turned back in
        every answer.
    limit : float, optional
        What a rising target cannot pass. Default: 1 of what lies between 0 and 1, 100 of
        percentages, 0 of what lies below zero.
    objective : Objective or str, optional
        Huber with delta 1e-3 on ln loss by default.
    fix : mapping of parameter to float, optional
        Parameters held at a value.
    tie : mapping of parameter to parameter, optional
        Parameters made equal to another: {"alpha": "beta"}.
    weights : str or array, shape (n,), optional
        How much each point counts: a column of `data`, or numbers if `data` are Points. They
        multiply the terms of the objective; only their ratios matter to the fit. Points of weight
        zero are left out.
    prior : mapping of parameter to str, (center, sd) or Prior, optional
        Beliefs that enter the point fit and all intervals: {"alpha": "0.35+-0.05"}. A positive
        parameter is given the median `center`, and its logarithm the sd `sd / center`.
    bootstrap : int
        Resamples behind the parameter intervals; 0 for intervals by the delta method.
    bootstrap_kind : {"pairs", "wild"}
        What is resampled: whole runs, or the signs of the residuals of whole runs.
    cluster : {"run", "config"}
        What is resampled together: rows of a run, or also runs of the same inputs (seeds).
    seed : int
        Of all random numbers.
    level : float
        Nominal coverage of the stored intervals.
    alone : bool
        Forecasts are those of the law alone, not the mean of it and of the laws fitted beside it.
    beside : mapping of {"laws", "width"}, optional
        Laws that were chosen to be fitted beside it, and how wide intervals are; see `Company`.
    command : str
        Command line that made the fit, stored in it.
    executor : str or Executor
        Where refits run: `serial`, this process; `dask:tcp://10.0.0.1:8786`, the workers of that
        scheduler (needs the extra `dask`). Results are the same to the last bit on machines of
        one kind.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        If the data cannot be read or contradict themselves.
    FitError
        If no usable fit exists: too few points, not identified, not converged.
    """
    check_level(level)
    resampling = Resampling(bootstrap, bootstrap_kind, cluster, seed)  # refuses what none can draw
    minimised = Objective.of(objective)
    data, law_class = with_law(data, law)
    chosen = {"target": target, "where": where, "at": at, "best_of": best_of}
    direction = Direction(rising, limit, minimised.space)
    points, origin = as_points(data, law_class, **chosen, weights=weights, direction=direction)
    problem = make_problem(points, law_class, minimised, fix, tie, prior=prior)
    refuse(points, problem)
    company = Company(alone, **(beside or {}))
    with prepared(_needed(problem, company)), executors.opened(executor) as opened:
        fitted = Fitted(points, *settle(problem, seed=seed), resampling, level, opened, company)
        resampled, tested = resample(fitted), hold_out(fitted, law_class.axis())
        near = companion.of_all(problem, tested.companions, company)
        uncertainty = assemble(fitted, near, tested=bool(tested.cuts))
        diagnosis = diagnose(fitted, resampled.draws, uncertainty, tested)
    optimum = fitted.optimum
    unchecked = Fit(
        law=optimum.law,
        status=optimum.status,
        objective=minimised,
        value=optimum.value,
        n_points=len(points),
        left_out=list(points.left_out),
        data=describe(points, law_class) | origin,
        intervals=_intervals(fitted, resampled),
        uncertainty=uncertainty,
        backtest=backtest_dict(tested, law_class.axis()),
        derived=derived(optimum.law, points) | diagnosis.derived(),
        diagnostics=_diagnostics(fitted, resampled, diagnosis),
        selection={
            **chosen,
            **direction.to_dict(),
            **held(fix, tie, weights, prior),
            "bootstrap": bootstrap,
            "bootstrap_kind": bootstrap_kind,
            "cluster": cluster,
            "seed": seed,
            "level": level,
            "alone": alone,
            **({"beside": beside} if beside else {}),
        },
        origin={"kind": "computed"},
        versions=versions(),
        command=command,
    )
    return _checked(
        unchecked, fitted, uncertainty, resampled=resampled, tested=tested, diagnosis=diagnosis
    )


def held(
    fix: Mapping[str, float] | None,
    tie: Mapping[str, str] | None,
    weights: "str | ArrayLike | None",
    prior: Mapping[str, Given] | None,
) -> dict[str, Any]:
    """Return what was held, tied, weighed and believed, as the selection of a fit holds it."""
    own = {"fix": dict(fix or {}), "tie": dict(tie or {})}
    return {**own, "weight": weight_name(weights), "prior": as_text(prior)}


def _needed(problem: Problem, company: Company) -> list[Problem]:
    """Return a problem for every law that a fit of this one calls on."""
    beside = (other for other, _ in companion.problems(problem, company))
    known = [problem, *beside, *rivals.problems(problem)]
    return list({p.law: p for p in known}.values())


def refit_objective(
    points: Points,
    law: str,
    objective: Objective | str | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    *,
    prior: Mapping[str, Given] | None = None,
    seed: int = 0,
) -> Optimum:
    """Return the bare optimum, without uncertainty or checks.

    Raises
    ------
    FitError
        As `fit`.
    """
    problem = make_problem(points, laws.get(law), Objective.of(objective), fix, tie, prior=prior)
    refuse(points, problem)
    return settle(problem, seed=seed)[1]


def _checked(
    fit_: Fit,
    fitted: Fitted,
    uncertainty: Uncertainty,
    *,
    resampled: Resamples,
    tested: HeldOut,
    diagnosis: Diagnosis,
) -> Fit:
    """Add the checklist."""
    widths = fit_.as_fitted().predict(level=fitted.level, **fitted.target.inputs).half_widths()
    mean, new = (float("inf"), float("inf")) if widths is None else (float(w[0]) for w in widths)
    evidence = Evidence(
        fitted.points,
        fitted.problem,
        fitted.optimum,
        resampled=resampled,
        cuts=tested.cuts,
        uncertainty=uncertainty,
        diagnosis=diagnosis,
        half_widths=(mean, new),
        level=fitted.level,
        selection=fit_.selection,
        sources=fit_.data["sources"],
        command=fit_.command,
    )
    return replace(fit_, checks=checklist(evidence))


def _intervals(fitted: Fitted, resampled: Resamples) -> dict[str, dict[str, Any]]:
    """Return parameter intervals: percentiles of resamples, or the delta method without any.

    What the data leave open has no ends, but a reason.
    """
    level, method = fitted.level, resampled.method if resampled.asked else "delta"
    if resampled.asked:
        known = intervals(resampled.draws, level, method)
    else:
        known = delta.of_parameters(fitted, delta.curvature(fitted))
    open_ = undetermined(fitted.problem, fitted.optimum)
    return known | {
        name: {"level": level, "low": None, "high": None, "method": method, "reason": reason}
        for name, reason in open_.items()
    }


def _diagnostics(fitted: Fitted, resampled: Resamples, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return how the search and the refits went, as the fit file holds it."""
    resampling = {
        "method": resampled.method,
        "asked": resampled.asked,
        "converged": len(next(iter(resampled.draws.values()))),
        "started_elsewhere": resampled.restarted,
        "better_elsewhere": resampled.better,
    }
    told: dict[str, Any] = {"resampling": resampling, "priors": _moved(fitted)}
    if fitted.questioned is not fitted:
        told["thinned_to"] = len(fitted.questioned.points)
    return {**fitted.optimum.diagnostics, **diagnosis.to_dict(), **told}


def _moved(fitted: Fitted) -> dict[str, Any]:
    """Return, of each prior, how many of its sds the fit lies from its centre, and tau."""
    problem, penalty = fitted.problem, fitted.problem.penalty
    if penalty is None:
        return {}
    values = fitted.law.values()
    away = {
        name: (float(problem.law.parameters()[name].free(values[name])) - belief.center) / belief.sd
        for name, belief in penalty.beliefs.items()
        if name in values
    }
    return {"tau": penalty.tau(problem.smallest_corner), "sds_from_center": away}


def backtest_dict(tested: HeldOut, axis: str) -> dict[str, Any]:
    """Return the backtest as the fit file holds it."""
    if not axis:
        note = "no input grows, so no larger runs can be hidden: intervals are UNTESTED"
    elif tested.cuts:
        note = f"largest runs hidden along {axis}, laws refitted, forecasts scored"
    else:
        note = "no backtest is possible with these points: intervals are UNTESTED"
    return {"axis": axis, "cuts": [cut.summary() for cut in tested.cuts], "note": note}


def describe(points: Points, law: type[Law], *, embedded: bool = True) -> dict[str, Any]:
    """Return the data record of a fit file: digest, ranges, conventions, the points."""
    record: dict[str, Any] = {
        "sha256": points.sha256(),
        "ranges": points.ranges(law),
        "conventions": dict(points.conventions),
        "notes": [*points.notes, *([told] if (told := law.reading()) else [])],
    }
    if points.turned is not None:
        record["fitted_as"] = points.turned.to_dict()
    if embedded and len(points) <= EMBEDDED_POINTS:
        record["points"] = points.to_dict()
    return record


def derived(law: Law, points: Points) -> dict[str, Any]:
    """Return derived quantities of compute at 1x, 10x and 100x the largest run."""
    if not law.size_and_data():
        return {}
    held = headline(law, points)  # what does not grow with compute
    largest, optima = float(np.max(law.along(points.inputs))), {}
    for name, declared in law.derived_quantities().items():
        others = {s: held.get(s) for s in declared.inputs if s != C.symbol}
        if C.symbol not in declared.inputs or None in others.values():
            continue
        given = [{C.symbol: factor * largest, **others} for factor in COMPUTE_FACTORS]
        output = declared.output.symbol
        optima[name] = [{**at, output: float(law.derive(name, **at))} for at in given]
    return optima
