"""Checking a fit of a law of points: at anchor points, in its derived quantities, by a refit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.fit import FROM_POINTS, Fit
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.recompute import points_of, recompute
from scaling_cli.reference import _result
from scaling_cli.reference._result import CheckResult, difference
from scaling_cli.runs.points import Points


def check(fit: Fit, result: CheckResult, *, update: bool, mirror: str | Path | None) -> CheckResult:
    """Check a fit of a law of points; see `reference.check`."""
    whose = "the law no longer gives"
    result = _result.at_anchors(fit, result, lambda at: fit.law(**at), whose)
    of_law = {key: items for key, items in fit.derived.items() if key not in FROM_POINTS}
    wrong = [key for key, items in of_law.items() if not _derives(fit.law, key, items)]
    if result.message:
        return result
    if wrong:
        return replace(result, message=f"stored derived quantities differ: {', '.join(wrong)}.")
    points = points_of(fit, mirror=mirror)
    if points is None:
        return _result.without_data(fit.origin, result)
    return _refitted(fit, points, result, update=update)


def _derives(law: Law, name: str, items: Sequence[Mapping[str, float]]) -> bool:
    """Return whether a derived quantity comes out as stored: [{"C": ..., "N": ...}, ...]."""
    declared = type(law).derived_quantities().get(name)
    if declared is None:
        return False
    again = [law.derive(name, **{s: item[s] for s in declared.inputs}) for item in items]
    stored = [item[declared.output.symbol] for item in items]
    return all(difference(*two) <= _result.SAME_DERIVED for two in zip(again, stored, strict=True))


def _refitted(fit: Fit, points: Points, stored: CheckResult, *, update: bool) -> CheckResult:
    """Refit and compare the objective and the predictions with those stored."""
    from scaling_cli.point_fits import fitting  # JAX: only when something is refitted

    fix, tie = (fit.selection.get(key) or {} for key in ("fix", "tie"))
    law, prior = laws.name_of(fit.law), fit.selection.get("prior")
    new = fitting.refit_objective(points, law, fit.objective, fix, tie, prior=prior)
    reference = fit.value if fit.value is not None else new.value
    errors = (difference(new.law(**a), fit.law(**a)) for a in _anchor_inputs(fit, points))
    ours = update and fit.origin.get("kind") != "published"
    write = (lambda: recompute(fit, points)) if ours else None
    result = replace(stored, objective=new.value)
    return _result.refitted(fit, (new.value, reference), errors, result, write)


def _anchor_inputs(fit: Fit, points: Points) -> list[dict[str, float]]:
    """Return where predictions are compared: the stored anchors, else the data's own corners."""
    anchors = fit.origin.get("anchors") or []
    if anchors:
        return [anchor["inputs"] for anchor in anchors]
    ends = (int(end(v)) for v in points.inputs.values() for end in (np.argmin, np.argmax))
    return [{s: float(v[row]) for s, v in points.inputs.items()} for row in {0, *ends}]
