"""`sc.fit`: a law of points or of loss curves, fitted to runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from scaling_cli import curve_laws
from scaling_cli import laws as laws_of_points
from scaling_cli.artefacts.curve_fit import AVERAGE, CurveFit
from scaling_cli.laws._law import Law
from scaling_cli.runs.points import Points
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import S, parse_number

if TYPE_CHECKING:
    from scaling_cli.artefacts.grouped_fit import GroupedFit
    from scaling_cli.runs.curve import Curve
    from scaling_cli.runs.table import Runs
    from scaling_cli.vocabulary.outcomes import LeftOut

DEFAULT = "chinchilla"
AUTO = "auto"
BACKBONE = "power_area"  # all that curves without a fall tell
Written = str | Schedule
Schedules = Written | Sequence[Written] | Mapping[str, Written] | None


class OfPoints(TypedDict, total=False):
    """Options of laws of points alone."""

    at: str
    best_of: str | None
    rising: bool
    limit: float | None
    objective: Objective | str | None
    tie: Mapping[str, str] | None
    weights: Any
    prior: Mapping[str, Any] | None
    alone: bool
    bootstrap_kind: str
    cluster: str
    executor: Any


class OfCurves(TypedDict, total=False):
    """Options of laws of loss curves alone."""

    schedules: Schedules
    start: int | None
    warmup: str | None
    prior_strength: float | str


class Options(OfPoints, OfCurves, total=False):
    """What `fit` takes beside data and law."""

    target: str | None
    where: str | None
    fix: Mapping[str, float] | None
    bootstrap: int
    seed: int
    level: float
    command: str


def fit(
    data: Any,
    *,
    law: str | type[Law] | None = None,
    by: str | None = None,
    shared: str | None = None,
    through: Mapping[str, str] | None = None,
    **options: Unpack[Options],
) -> Any:
    """Fit a law and everything a careful person needs to judge it.

    Parameters
    ----------
    data : Runs, Points, DataFrame, Arrow table, dict of columns, path, or a list of these
        What to fit. A law of points takes a row or more of each run, a law of loss curves every
        logged step.
    law : str or type[Law], optional
        Its name (`sc.laws()` lists them) says which kind of fit it gives; or a formula,
        `E + A/N**alpha`; what `sc.law` made of a function; or `auto`, the laws that forecast runs
        best that are held back. Default: what the data are says it,
        chinchilla of a table of runs, the average of loss curves of one model.
    by : str, optional
        Laws of points: the column whose values are groups; the law is fitted to each.
    shared : {"exponents", "factors", "separate", "auto"} or parameters, optional
        With `by`: what groups have in common, fitted to all at once, as in `compare`.
    through : mapping of parameter to law, optional
        With `by`: a law of that parameter over the groups, whose values are numbers:
        {"E": "power_law"} is the asymptote of asymptotes.
    target, where : str, optional
        The column that is predicted (default: val_loss if it is logged, else loss), and which
        runs are kept.
    fix : mapping of parameter to float, optional
        Parameters held at a value.
    bootstrap : int, optional
        Resamples behind the intervals of parameters; 0 for none. Default: 1000, of loss curves
        100.
    seed : int
        Of all random numbers.
    level : float
        Nominal coverage of the stored intervals.
    command : str
        The command line that made the fit, stored in it.
    at : {"final", "all", "last:K"}
        Laws of points: which rows of a run.
    best_of : {"config", "frontier"}, optional
        Laws of points: of runs of equal inputs (a random search) the best alone; or those that no
        other undercuts with as little compute.
    rising : bool, limit : float, optional
        Laws of points: the target rises, at most to this limit.
    objective : Objective or its name, optional
        Laws of points: Huber with delta 1e-3 on ln loss by default.
    tie : mapping of parameter to parameter, optional
        Laws of points: parameters made equal to another.
    weights : str or array, optional
        Laws of points: how much each counts, a column of `data` or numbers for Points.
    prior : mapping of parameter to str, (center, sd) or Prior, optional
        Laws of points: beliefs, {"alpha": "0.35+-0.05"}.
    bootstrap_kind : {"pairs", "wild"}
        Laws of points: whole runs are drawn, or the signs of their residuals.
    cluster : {"run", "config"}
        Laws of points: what is drawn together.
    alone : bool
        Laws of points: forecasts are those of the law alone, not the mean of several.
    executor : str or Executor
        Laws of points: where refits run; `serial`, or `dask:tcp://HOST:PORT`.
    schedules : str or Schedule, a list of these, or mapping of run to one, optional
        Loss curves: the schedule of all runs that log none, or by run.
    start : int, optional
        Loss curves: the first step to fit. Default: the end of the warm-up.
    warmup : float, or {"as_trained", "area", "at_peak"}, optional
        Loss curves: the step at which the warm-up ends that logs do not show; or how the warm-up
        counts.
    prior_strength : float or "auto"
        Loss curves: weight of the weak priors.

    Returns
    -------
    Fit or CurveFit; with `by` a GroupedFit

    Raises
    ------
    UsageError
        If an option is one of the other kind of law.
    DataError
        If the data cannot be read or contradict themselves.
    FitError
        If no usable fit exists: too few points, not identified, not converged.
    """
    named = law
    if law is None:
        of_points = any(name in options for name in OfPoints.__annotations__)
        data, law = (data, DEFAULT) if of_points else _seen(data, options.get("schedules"))
    along = isinstance(law, str) and is_of_curves(law)
    foreign = (OfPoints if along else OfCurves).__annotations__
    if wrong := [name for name in options if name in foreign]:
        raise of_other_kind(law if isinstance(law, str) else law.called(), wrong)
    asked: dict[str, Any] = {**options}
    if by is not None:
        return _by_groups(data, along, by=by, shared=shared, through=through, law=law, **asked)
    if shared is not None or through:
        wrong = "shared" if shared is not None else "through"
        raise UsageError(f"--{wrong} needs --by: the column of the groups.")
    if along:
        return along_curves(data, law=None if named is None else str(named), **asked)
    from scaling_cli.point_fits import choosing, fitting

    if law == AUTO:
        return choosing.fit(data, **asked)
    return fitting.fit(data, law=law, **asked)


def _by_groups(data: Any, along: bool, **asked: Any) -> "GroupedFit":
    """Fit a law of points to every group of runs."""
    from scaling_cli.ingest import as_runs
    from scaling_cli.point_fits import choosing, fitting
    from scaling_cli.verbs import groups

    if along:
        raise UsageError(
            f"--by fits laws of points; {asked['law']} is one of loss curves.",
            hint="Fit the curves of each group: --where 'COLUMN == \"VALUE\"' -o FILE.",
        )
    if isinstance(data, Points):
        raise UsageError("points have no columns to group by.", hint="Give a table of runs.")
    if asked["law"] != AUTO:
        return groups.fit_groups(as_runs(data), fit=fitting.fit, **asked)
    if asked["shared"] is not None:
        raise UsageError("--shared needs one law; --law auto may choose one for each group.")
    options = {name: value for name, value in asked.items() if name != "law"}
    return groups.fit_groups(as_runs(data), fit=choosing.fit, **options)


def laws() -> list[str]:
    """Return the names of all laws that are fitted."""
    return [*laws_of_points.names(), AVERAGE, *curve_laws.names()]


def is_of_curves(law: str) -> bool:
    """Return whether a law is one of loss curves."""
    return law == AVERAGE or law in curve_laws.names()


def of_other_kind(law: str, named: Sequence[str]) -> UsageError:
    """Return what is wrong with options of the other kind of law."""
    wrong = " and ".join(named)
    if is_of_curves(law):
        return UsageError(
            f"{wrong} cannot be used with --law {law}, a law of loss curves: it is fitted to every "
            "logged step by the Huber loss (0.001) of ln loss.",
            hint="Its options: --target, --where, --start, --schedule, --warmup, --fix, "
            "--prior-strength, --bootstrap, --seed, --level.",
        )
    return UsageError(
        f"{wrong} is for laws of loss curves; {law} sees no schedule.",
        hint=f"Laws of loss curves: {', '.join((AVERAGE, *curve_laws.names()))}.",
    )


def _seen(data: Any, schedules: Schedules) -> tuple["Runs | Points", str]:
    from scaling_cli.ingest import as_runs

    if isinstance(data, Points):
        return data, DEFAULT
    runs = as_runs(data)
    return runs, law_of(runs, schedules)[0]


def law_of(runs: "Runs", schedules: Schedules = None) -> tuple[str, str]:
    """Return the law where none is named, and in words what the runs are.

    Raises
    ------
    DataError
        If they are loss curves of which neither the size nor the learning rate is known.
    """
    from scaling_cli.runs.curve import FEWEST_POINTS
    from scaling_cli.runs.table import Layout, default_target

    facts, points = runs.runs, runs.points
    curves = all(rows == Layout.CURVE for rows in facts["rows"].to_pylist())
    measured = points.num_rows - points[default_target(runs)].null_count
    sizes = {*facts["params"].to_pylist()}
    mixed = len(sizes) > 1 and None in sizes
    if not curves or mixed or measured < FEWEST_POINTS * len(facts):
        return DEFAULT, ""
    of_curves = f"{len(facts)} loss curve{'s' * (len(facts) > 1)}"
    if len(sizes) > 1:
        each = f"{of_curves} of {len(sizes)} models, so a table of finished runs"
        return DEFAULT, f"{each} (--law annealing_size fits every step)"
    rated = points["lr"].null_count < points.num_rows or "schedule" in facts.column_names
    if schedules or rated:
        return AVERAGE, f"{of_curves} of one model{', it is assumed' * (sizes == {None})}"
    if sizes != {None}:
        return DEFAULT, ""
    raise DataError(
        f"{of_curves}, of which neither the model's size nor the learning rate is logged.",
        hint="Give the schedule for a law of curves: --schedule RUN=TEXT; or sizes for a law of "
        "finished runs: --set params=124M, --meta runs.csv or --name '{params}_{tokens}'.",
    )


def seen_as(fit: Any, seen: str) -> str:
    """Return what the runs were seen to be and, of loss curves, what that led to."""
    if not isinstance(fit, CurveFit):
        return seen
    families = dict.fromkeys(run.schedule.partition(":")[0] for run in fit.runs)
    return f"{seen} ({', '.join(families)}), so a law of curves: {fit.name_of_law}"


def along_curves(
    data: Any,
    *,
    law: str | None = None,
    target: str | None = None,
    where: str | None = None,
    schedules: Schedules = None,
    start: int | None = None,
    warmup: str | float | None = None,
    fix: Mapping[str, float] | None = None,
    prior_strength: float | str = 1.0,
    bootstrap: int | None = None,
    seed: int = 0,
    level: float = 0.9,
    command: str = "",
) -> CurveFit:
    """Fit a law of loss curves to runs as they were read; see `fit_curves` for its options.

    Where none is named it is the average; of runs whose rate never falls, the area's power law.
    """
    from scaling_cli.curve_fits import fitting
    from scaling_cli.curve_fits.checks import falls
    from scaling_cli.ingest import as_runs
    from scaling_cli.runs.curves import curves_of
    from scaling_cli.runs.table import default_target

    runs = as_runs(data)
    by_run, otherwise = schedules_of(schedules)
    end, convention = _warmup(warmup)
    asked = {"target": target, "where": where, "schedules": by_run, "otherwise": otherwise}
    curves, left = curves_of(runs, **asked, start=start, warmup=end)
    strength = prior_strength
    fitted = fitting.fit_curves(
        curves,
        law=law or (AVERAGE if any(map(falls, curves)) else BACKBONE),
        warmup=convention,
        fix=fix,
        prior=parse_number(strength) if strength != "auto" else strength,
        bootstrap=fitting.DRAWS if bootstrap is None else bootstrap,
        seed=seed,
        level=level,
        left_out=left,
        command=command,
    )
    data = {**fitted.data, **runs.provenance(target), "target": target or default_target(runs)}
    selection = {**fitted.selection, "target": target, "where": where, "start": start}
    return replace(fitted, data=data, selection=selection)


def _warmup(warmup: str | float | None) -> tuple[float | None, str | None]:
    """Return where the warm-up ends, if that is said, and how it counts, if that is."""
    if isinstance(warmup, str) and warmup.replace("_", "").isalpha():
        return None, warmup
    return None if warmup is None else parse_number(warmup, S), None


def curves_to_compare(
    fit: CurveFit, data: Any, schedules: Schedules = None
) -> "tuple[list[Curve], list[LeftOut]]":
    """Return measured loss curves of the model of a fit, and runs that have none.

    The column is that of the fit, and so is the warm-up where logs do not show it.
    """
    from scaling_cli.ingest import as_runs
    from scaling_cli.runs.curve import siblings
    from scaling_cli.runs.curves import curves_of

    by_run, otherwise = schedules_of(schedules)
    target = fit.selection.get("target")
    curves, left = curves_of(as_runs(data), target=target, schedules=by_run, otherwise=otherwise)
    return siblings(curves, [("as fitted", end) for end in fit.warmups[:1]]), left


def schedules_of(schedules: Schedules) -> tuple[Mapping[str, Written], str | None]:
    """Return schedules by run, and the one of all runs that log none.

    Raises
    ------
    UsageError
        If one is neither TEXT nor RUN=TEXT, nor a table, or is given twice.
    """
    from scaling_cli.schedules import is_table, is_text, parse_schedule

    if isinstance(schedules, Mapping):
        return dict(schedules), None
    by_run: dict[str, str] = {}
    several = [schedules] if isinstance(schedules, str | Schedule) else schedules or ()
    for text in (str(schedule) for schedule in several):
        run, equals, rest = text.partition("=")
        run = run.strip() if equals and not is_text(text) else ""
        schedule = rest.strip() if run else text.strip()
        if not (is_text(schedule) or is_table(schedule)):
            raise UsageError(
                f"cannot read {text!r} for --schedule.",
                hint="Write --schedule TEXT or --schedule RUN=TEXT, such as "
                "cosine:peak=3e-4,warmup=2000,steps=24000, or a table of step and lr.",
            )
        parse_schedule(schedule)
        if run in by_run:
            raise UsageError(f"--schedule is given twice for {run or 'runs that log none'}.")
        by_run[run] = schedule
    return by_run, by_run.pop("", None)
