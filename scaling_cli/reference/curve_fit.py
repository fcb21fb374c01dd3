"""Checking stored fits of loss curves: at anchor points, on their data, by a refit.

A published fit was stopped early or fitted elsewhere, so it is not refitted: where its data are at
hand, its objective and its errors on held-out runs must come out as stored.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli import datasets
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.numerics.mestimate import huber
from scaling_cli.reference import _result
from scaling_cli.reference._result import CheckResult, Verdict, difference
from scaling_cli.runs.curve import Curve, digest
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import DataError

# Drops are summed along stretches, which releases may cut otherwise.
SAME = {"objective": 1e-4, "prediction": 1e-5}


def check(
    fit: CurveFit, result: CheckResult, *, update: bool, mirror: str | Path | None
) -> CheckResult:
    """Check one fit file; see `reference.check`.

    Raises
    ------
    DataError
        If the data are at hand but are not those that were fitted.
    """
    whose = "the laws no longer give"
    result = _result.at_anchors(fit, result, lambda at: _at(fit, at), whose)
    if result.message:
        return result
    held = fit.origin.get("held_out") or {}
    curves = _curves(fit, held.get("schedules") or {}, mirror)
    if curves is None:
        return _result.without_data(fit.origin, result)
    if fit.origin.get("kind") == "published":
        return _evaluated(fit, curves, held, result)
    return _refitted(fit, curves, result, update=update)


def _at(fit: CurveFit, inputs: Mapping[str, Any]) -> float:
    return float(fit.predict(inputs["schedule"], [inputs["S"]], N=inputs.get("N")).value[0])


def _curves(
    fit: CurveFit, held_out: Mapping[str, str], mirror: str | Path | None
) -> dict[str, Curve] | None:
    """Return the curves of a fit, fitted and held out, if they are at hand and unchanged.

    Raises
    ------
    DataError
        If a run is missing, or the fitted points are others.
    """
    if fit.data.get("points"):
        curves = {curve.run: curve for curve in fit.curves()}
    else:
        if (fetched := datasets.at_hand(fit.origin.get("card"), mirror=mirror)) is None:
            return None
        texts = {run.run: run.schedule for run in fit.runs} | dict(held_out)
        curves = {run: _of_table(fetched, run, text) for run, text in texts.items()}
    fitted = [curves[run.run].thinned() for run in fit.runs]
    if digest(fitted) != fit.data["sha256"]:
        raise DataError(
            f"the curves have changed since this fit: SHA-256 {digest(fitted)[:12]}, the file was "
            f"fitted to SHA-256 {fit.data['sha256'][:12]}.",
            hint="Fit again, or bring back the data that were fitted.",
        )
    return curves


def _of_table(fetched: datasets.Fetched, run: str, schedule: str) -> Curve:
    table = fetched.table
    rows = [i for i, name in enumerate(table["run_id"].to_pylist()) if name == run]
    if not rows:
        told = f"data set {fetched.card.name} has no run {run!r}."
        raise DataError(told, file=str(fetched.card.path))
    step, loss = (table[c].to_numpy()[rows] for c in ("step", "loss"))
    return Curve(run, parse_schedule(schedule), step, loss)


def _evaluated(
    fit: CurveFit, curves: Mapping[str, Curve], held: Mapping[str, Any], result: CheckResult
) -> CheckResult:
    """Evaluate the fit on its data: its objective, and its errors on held-out runs."""
    fitted = [curves[run.run].thinned() for run in fit.runs]
    residuals = np.concatenate([_residuals(fit, curve) for curve in fitted])
    value = float(huber(residuals, fit.objective.delta).sum())
    off = [np.abs(np.expm1(_residuals(fit, curves[run]))) for run in held.get("schedules") or {}]
    stored, digits = held.get("mean_relative_error"), held.get("digits", 5)
    error = round(float(np.mean([o.mean() for o in off])), digits) if off else None
    status = Verdict.FAIL
    told = f"the error on {len(off)} held-out runs is {error}, stored {stored}."
    if fit.value is not None and difference(value, fit.value) > _result.SAME_OBJECTIVE:
        told = f"on its data the objective is {value:.12g}, stored {fit.value:.12g}."
    elif error == stored:
        beside = f"; mean relative error {stored} on {len(off)} held-out runs" if off else ""
        status, told = Verdict.PASS, f"evaluated on its data{beside}."
    return replace(result, objective=value, status=status, message=told)


def _residuals(fit: CurveFit, curve: Curve) -> np.ndarray:
    return np.log(fit.along(curve).value) - np.log(curve.loss)


def _refitted(
    fit: CurveFit, curves: Mapping[str, Curve], result: CheckResult, *, update: bool
) -> CheckResult:
    """Refit and compare the objectives of the laws and the predictions."""
    from scaling_cli.curve_fits.fitting import fit_curves

    asked = fit.selection
    options: dict[str, Any] = {
        "law": fit.name_of_law,
        "warmup": asked.get("warmup"),
        "fix": asked.get("fix") or None,
        "prior": asked.get("prior_strength", 1.0),
    }
    fitted = [curves[run.run] for run in fit.runs]
    new = fit_curves(fitted, **options, bootstrap=0, hold_out=False)
    value, reference = (sum(f.value or 0.0 for f in of.laws.values()) for of in (new, fit))
    ends = [{"schedule": c.schedule.text(), "S": int(c.step[-1])} for c in fitted]
    asked_at = [a["inputs"] for a in fit.origin.get("anchors") or []] or ends
    errors = (difference(_at(new, at), _at(fit, at)) for at in asked_at)

    def written() -> CurveFit:
        again = fit_curves(fitted, **options, bootstrap=asked.get("bootstrap", 0))
        return _as_before(again, fit)

    write, result = written if update else None, replace(result, objective=new.value)
    return _result.refitted(fit, (value, reference), errors, result, write, same=SAME)


def _as_before(again: CurveFit, fit: CurveFit) -> CurveFit:
    """Return a refit with what a file says of itself and of its curves, which are the same.

    Curves of others are not in the file, and must not come into it by a refit.
    """
    known = {run.run: run.known for run in fit.runs}
    runs = [replace(run, known=known[run.run]) for run in again.runs]
    anchors = [a | {"value": _at(again, a["inputs"])} for a in fit.origin.get("anchors") or []]
    origin = {**fit.origin, "anchors": anchors} if anchors else fit.origin
    about = {"name": fit.name, "origin": origin, "command": fit.command, "data": fit.data}
    return replace(again, runs=runs, **about)
