"""Certified fits: find them by name, and check that what is stored still comes out.

A fit file is checked in three ways, each where it can be: its law reproduces the predictions
stored at anchor points (to 1e-12); its derived quantities come out again; and, where the data are
at hand, a refit reaches the stored objective and predictions. Coefficients are never compared:
A and B of one and the same surface differ by percents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.certified import fit_names
from scaling_cli.artefacts.check_result import (
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
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import FROM_POINTS, Fit
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.recompute import points_of, recompute
from scaling_cli.reference import curve_fit
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import DataError, ScalingError, UsageError, near
from scaling_cli.vocabulary.shipped import folder


def check(
    paths: Sequence[str | Path] | None = None,
    *,
    update: bool = False,
    mirror: str | Path | None = None,
) -> list[CheckResult]:
    """Check fit files: the certified ones, or those given.

    Parameters
    ----------
    paths : sequence of paths or certified names, optional
        Fit files, folders of them (searched through), names such as `kaplan_n/kaplan-2020`.
    update : bool
        Whether a computed fit is rewritten where a refit is better.
    mirror : path, optional
        Where card data may be copied from (see datasets.fetch); nothing is downloaded here.

    Raises
    ------
    UsageError
        If a path does not exist or a folder holds no fit file.
    DataError
        If a file is named that is none (*.json).
    """
    return [_check(path, update=update, mirror=mirror) for path in _files(paths)]


def _files(paths: Sequence[str | Path] | None) -> list[Path]:
    if paths is None:
        return [folder("fits") / f"{name}.json" for name in fit_names()]
    return [file for path in paths for file in _expand(path)]


def _expand(path: str | Path) -> list[Path]:
    given = Path(path)
    if given.is_file():
        if given.suffix != ".json":
            raise DataError(
                "not a fit file.",
                hint="Name fit files (*.json) or folders of them.",
                file=str(path),
            )
        return [given]
    if given.is_dir():
        found = sorted(given.rglob("*.json"))
        if not found:
            raise UsageError(f"no fit file (*.json) in the folder {given}.")
        return found
    if str(path) in fit_names():
        return [folder("fits") / f"{path}.json"]
    raise UsageError(
        f"{str(path)!r} is neither a file, a folder nor a certified fit.",
        hint=near(str(path), fit_names(), "certified fits"),
    )


def _check(path: Path, *, update: bool, mirror: str | Path | None) -> CheckResult:
    """Check one file; whatever is wrong with it is a failed result, not an exception."""
    try:
        fit = kinds.load(path)
        name = _name(fit, path)
        if isinstance(fit, CurveFit):
            return curve_fit.check(fit, name, path, update=update, mirror=mirror)
        stored = _stored(fit, name, path)
        if stored.status is Verdict.FAIL:
            return stored
        points = points_of(fit, mirror=mirror)
        if points is None:
            return stored
        return _refitted(fit, points, stored, update=update)
    except ScalingError as error:
        return CheckResult(_name(None, path), Verdict.FAIL, None, None, None, str(error), str(path))


def _name(fit: Fit | CurveFit | None, path: Path) -> str:
    """Return the certified name of a shipped file, the path of any other."""
    if fit is not None and fit.name and path == folder("fits") / f"{fit.name}.json":
        return fit.name
    shipped = folder("fits")
    return str(path.relative_to(shipped).with_suffix("")) if shipped in path.parents else str(path)


def _stored(fit: Fit, name: str, path: Path) -> CheckResult:
    """Check what needs no data: predictions at anchors and derived quantities."""
    anchors = fit.origin.get("anchors") or []
    error = max((difference(fit.law(**a["inputs"]), a["value"]) for a in anchors), default=None)
    of_law = {key: items for key, items in fit.derived.items() if key not in FROM_POINTS}
    wrong = [key for key, items in of_law.items() if not _derives(fit.law, key, items)]
    result = CheckResult(name, Verdict.FAIL, error, None, fit.value, "", str(path))
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
