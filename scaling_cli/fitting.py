"""`fit`: from a table to a Fit that can be used, judged and repeated."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli import __version__, laws
from scaling_cli.artefact import Fit, Objective
from scaling_cli.checklist import Evidence, checklist
from scaling_cli.diagnosis import COMPUTE_FACTORS, diagnose
from scaling_cli.engine.solve import Problem
from scaling_cli.errors import UsageError
from scaling_cli.law import Law
from scaling_cli.optimum import Optimum, make_problem, optimise, refuse
from scaling_cli.points import Points
from scaling_cli.uncertainty import (
    Cut,
    assemble,
    backtest,
    bootstrap,
    cuts_by_share,
    intervals,
    resample_counts,
)

if TYPE_CHECKING:
    import pandas as pd

    from scaling_cli.runs import Runs

EMBEDDED_POINTS = 20_000  # beyond it the fit file holds the digest alone


def fit(
    data: "Points | Runs | pd.DataFrame | str | os.PathLike[str]",
    *,
    law: str = "chinchilla",
    target: str | None = None,
    where: str | None = None,
    at: str = "final",
    objective: Objective | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.9,
    command: str = "",
) -> Fit:
    """Fit a law and everything a careful person needs to judge it.

    Parameters
    ----------
    data : Points, Runs, DataFrame or path
        What to fit: selected points, ingested runs, or anything `read` understands.
    law : str
        Name of a law; see `scaling laws`.
    target, where, at : str, optional
        Which column is predicted, which runs, which rows of each; see `points.select`.
    objective : Objective, optional
        Huber with delta 1e-3 on ln loss by default.
    fix : mapping of parameter to float, optional
        Parameters held at a value.
    tie : mapping of parameter to parameter, optional
        Parameters made equal to another: {"alpha": "beta"}.
    bootstrap : int
        Resamples by run behind the parameter intervals; 0 for none.
    seed : int
        Of all random numbers.
    level : float
        Nominal coverage of the stored intervals.
    command : str
        Command line that made the fit, stored in it.

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
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, not {level!r}.")
    if bootstrap < 0:
        raise UsageError(f"bootstrap must not be negative, got {bootstrap}.")
    law_class = laws.get(law)
    points, sources = as_points(data, law_class, target=target, where=where, at=at)
    chosen = objective or Objective()
    problem = make_problem(points, law_class, chosen, fix, tie)
    refuse(points, problem)
    optimum = optimise(problem, seed=seed)
    selection = {
        "target": target, "where": where, "at": at, "fix": dict(fix or {}),
        "tie": dict(tie or {}), "bootstrap": bootstrap, "seed": seed, "level": level,
    }  # fmt: skip
    bare = Fit(
        law=optimum.law, status=optimum.status, objective=chosen, value=optimum.value,
        n_points=len(points), left_out=list(points.left_out),
        data=describe(points) | {"sources": sources},
        derived=derived(optimum.law, points), diagnostics=optimum.diagnostics,
        selection=selection, origin={"kind": "computed"}, versions=versions(), command=command,
    )  # fmt: skip
    return _judged(bare, points, problem, optimum)


def refit_objective(
    points: Points,
    law: str,
    objective: Objective | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Mapping[str, str] | None = None,
    *,
    seed: int = 0,
) -> Optimum:
    """Return the bare optimum, without uncertainty or checks.

    Raises
    ------
    FitError
        As `fit`.
    """
    problem = make_problem(points, laws.get(law), objective or Objective(), fix, tie)
    refuse(points, problem)
    return optimise(problem, seed=seed)


def _judged(bare: Fit, points: Points, problem: Problem, optimum: Optimum) -> Fit:
    """Add intervals, backtest and checklist."""
    resamples, seed = bare.selection["bootstrap"], bare.selection["seed"]
    level = bare.selection["level"]
    weights = resample_counts(points.runs, resamples, seed)
    draws = bootstrap(problem, optimum, weights)
    masks = cuts_by_share(points, len(optimum.u))
    cuts = backtest(points, problem, optimum, masks)
    uncertainty = assemble(points, problem, optimum, cuts, seed)
    found = diagnose(
        points, problem, optimum,
        draws=draws, uncertainty=uncertainty, masks=masks, cuts=cuts, level=level,
    )  # fmt: skip
    sure = replace(
        bare,
        intervals=intervals(draws, level),
        uncertainty=uncertainty,
        backtest=backtest_dict(cuts, uncertainty.axis, uncertainty.drift),
        derived=dict(bare.derived) | found.derived(),
        diagnostics=dict(bare.diagnostics) | found.to_dict(),
    )
    checks = checklist(
        Evidence(
            points=points, problem=problem, optimum=optimum, draws=draws, resamples=resamples,
            cuts=cuts, uncertainty=uncertainty, diagnosis=found,
            half_widths=_half_widths(sure, found.target.inputs), level=level,
            selection=bare.selection, sources=bare.data["sources"], command=bare.command,
        )
    )  # fmt: skip
    return replace(sure, checks=checks)


def _half_widths(fit_: Fit, at: Mapping[str, float]) -> tuple[float, float]:
    """Return half the widths of the mean-curve and new-run intervals, in ln output."""
    prediction = fit_.predict(level=fit_.selection["level"], **at)
    if prediction.mean is None or prediction.new_run is None:
        return float("inf"), float("inf")
    mean, new = (
        np.log(high[0] / low[0]) / 2 for low, high in (prediction.mean, prediction.new_run)
    )
    return float(mean), float(new)


def as_points(
    data: Any, law: type[Law], *, target: str | None, where: str | None, at: str
) -> tuple[Points, list[dict[str, str]]]:
    """Return the points to fit, reading and selecting as needed, and the files they come from."""
    if isinstance(data, Points):
        if where is not None or target is not None or at != "final":
            raise UsageError(
                "target, where and at select from runs; these points are already selected."
            )
        return data, []
    from scaling_cli import ingest, points  # reading costs pyarrow; points do not need it
    from scaling_cli.runs import Runs

    runs = data if isinstance(data, Runs) else ingest.read(data)
    columns = runs.sources.select(["uri", "sha256"]).to_pylist()
    sources = [{"path": row["uri"], "sha256": row["sha256"]} for row in columns]
    return points.select(runs, law, target=target, where=where, at=at), sources


def backtest_dict(cuts: Sequence[Cut], axis: str, drift: float) -> dict[str, Any]:
    """Return the backtest as the fit file holds it."""
    note = (
        f"largest runs hidden along {axis}, law refitted, misses scored; drift "
        f"{100 * drift:.2g} % per decade"
        if cuts
        else "no backtest is possible with these points: intervals are UNTESTED"
    )
    return {"axis": axis, "cuts": [c.to_dict() for c in cuts], "note": note}


def describe(points: Points) -> dict[str, Any]:
    """Return the data record of a fit file: digest, ranges, conventions, the points."""
    record: dict[str, Any] = {
        "sha256": points.sha256(),
        "ranges": points.ranges(),
        "conventions": dict(points.conventions),
        "notes": list(points.notes),
    }
    if len(points) <= EMBEDDED_POINTS:
        record["points"] = {
            "inputs": {s: np.asarray(v).tolist() for s, v in points.inputs.items()},
            "output": np.asarray(points.output).tolist(),
            "runs": list(points.runs),
        }
    return record


def derived(law: Law, points: Points) -> dict[str, Any]:
    """Return derived quantities of compute at 1x, 10x and 100x the largest run."""
    ranges = points.ranges()
    if "C" not in ranges:
        return {}
    found = {}
    for name, declared in law.derived_quantities().items():
        if list(declared.inputs) != ["C"]:
            continue
        found[name] = [
            {"C": factor * ranges["C"][1], declared.output.symbol:
             float(law.derive(name, C=factor * ranges["C"][1]))}
            for factor in COMPUTE_FACTORS
        ]  # fmt: skip
    return found


def versions() -> dict[str, str]:
    """Return what a repeat needs to know about the software."""
    packages = ("jax", "numpy", "scipy")
    return {
        "scaling-cli": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
