"""Checking a fit of a law of points: at anchor points, in its derived quantities, by a refit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.fit import FROM_POINTS, Fit
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.recompute import points_of, recompute
from scaling_cli.reference._result import (
    SAME_DERIVED,
    SAME_EQUATION,
    SAME_OBJECTIVE,
    SAME_PREDICTION,
    CheckResult,
    Verdict,
    difference,
    judge,
    without_data,
)
from scaling_cli.runs.points import Points


def check(fit: Fit, result: CheckResult, *, update: bool, mirror: str | Path | None) -> CheckResult:
    """Check a fit of a law of points; see `reference.check`."""
    stored = _stored(fit, result)
    points = None if stored.status is Verdict.FAIL else points_of(fit, mirror=mirror)
    return stored if points is None else _refitted(fit, points, stored, update=update)


def _stored(fit: Fit, result: CheckResult) -> CheckResult:
    """Check what needs no data: predictions at anchors and derived quantities."""
    anchors = fit.origin.get("anchors") or []
    error = max((difference(fit.law(**a["inputs"]), a["value"]) for a in anchors), default=None)
    of_law = {key: items for key, items in fit.derived.items() if key not in FROM_POINTS}
    wrong = [key for key, items in of_law.items() if not _derives(fit.law, key, items)]
    result = replace(result, max_relative_error=error)
    if error is not None and error > SAME_EQUATION:
        return replace(
            result,
            message=f"the law no longer gives the stored predictions: off by {error:.2g} of the "
            f"loss at an anchor point (allowed {SAME_EQUATION:g}).",
        )
    if wrong:
        return replace(result, message=f"stored derived quantities differ: {', '.join(wrong)}.")
    return without_data(fit.origin, result, len(anchors))


def _derives(law: Law, name: str, items: Sequence[Mapping[str, float]]) -> bool:
    """Return whether a derived quantity comes out as stored: [{"C": ..., "N": ...}, ...]."""
    declared = type(law).derived_quantities().get(name)
    if declared is None:
        return False
    return all(
        difference(
            law.derive(name, **{s: item[s] for s in declared.inputs}),
            item[declared.output.symbol],
        )
        <= SAME_DERIVED
        for item in items
    )


def _refitted(fit: Fit, points: Points, stored: CheckResult, *, update: bool) -> CheckResult:
    """Refit and compare the objective and the predictions with those stored."""
    from scaling_cli.point_fits import fitting  # JAX: only when something is refitted

    fix, tie = (fit.selection.get(key) or {} for key in ("fix", "tie"))
    name = laws.name_of(fit.law)
    prior = fit.selection.get("prior")
    new = fitting.refit_objective(points, name, fit.objective, fix, tie, prior=prior)
    allowed = {"objective": SAME_OBJECTIVE, "prediction": SAME_PREDICTION}
    allowed |= fit.origin.get("tolerance") or {}
    reference = fit.value if fit.value is not None else new.value
    error = max(difference(new.law(**a), fit.law(**a)) for a in _anchor_inputs(fit, points))
    result = replace(stored, objective=new.value, max_relative_error=error)
    verdict, message = judge(new.value, reference, error, allowed)
    if verdict is Verdict.BETTER and update and fit.origin.get("kind") != "published":
        recompute(fit, points).to_json(stored.file)
        verdict, message = Verdict.PASS, f"{message} Written."
    return replace(result, status=verdict, message=message)


def _anchor_inputs(fit: Fit, points: Points) -> Iterator[dict[str, float]]:
    """Yield where predictions are compared: the stored anchors, else the data's own corners."""
    anchors = fit.origin.get("anchors") or []
    for anchor in anchors:
        yield anchor["inputs"]
    if not anchors:
        for row in {
            0,
            *(int(np.argmin(v)) for v in points.inputs.values()),
            *(int(np.argmax(v)) for v in points.inputs.values()),
        }:
            yield {s: float(v[row]) for s, v in points.inputs.items()}
