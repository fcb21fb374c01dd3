"""Certified fits: find them by name, and check that what is stored still comes out.

A fit file is checked in three ways, each where it can be: its law reproduces the predictions
stored at anchor points (to 1e-12); its derived quantities come out again; and, where the data are
at hand, a refit reaches the stored objective and predictions. Coefficients are never compared:
A and B of one and the same surface differ by percents.
"""

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli import artefact, laws
from scaling_cli.artefact import FROM_POINTS, Fit
from scaling_cli.errors import ScalingError, UsageError, near
from scaling_cli.law import Law
from scaling_cli.points import Points
from scaling_cli.recompute import points_of, recompute
from scaling_cli.shipped import folder

__all__ = ["CheckResult", "Verdict", "check", "fit_names", "folder", "resolve"]

# The same float64 arithmetic in another order: a few units in the last place.
SAME_EQUATION = 1e-12
# A derived optimum is a power of ratios of powers: rounding is amplified by the exponents.
SAME_DERIVED = 1e-10
# What two converged optimisers may differ by, unless the file says otherwise.
SAME_OBJECTIVE = 1e-9
SAME_PREDICTION = 1e-6
# An objective below this is zero: noiseless data fitted to rounding.
ZERO_OBJECTIVE = 1e-18


class Verdict(enum.StrEnum):
    """Outcome of checking one fit file."""

    PASS = "pass"
    FAIL = "fail"
    BETTER = "better"
    """A refit reached a lower objective than the file: not a failure, but not certified."""
    SKIPPED = "skipped"
    """The data are not at hand; what could be checked without them was right."""


@dataclass(frozen=True)
class CheckResult:
    """What came of checking one fit file.

    Parameters
    ----------
    name : str
        The certified name, or the path.
    status : Verdict
    max_relative_error : float or None
        Largest |dL/L| over the anchor points: of the refit if there was one, else of the law.
    objective, reference_objective : float or None
        The minimised sum: refitted, stored.
    message : str
        One sentence for people: what was checked, or what is wrong and what to do.
    file : str
    """

    name: str
    status: Verdict
    max_relative_error: float | None
    objective: float | None
    reference_objective: float | None
    message: str
    file: str

    def to_dict(self) -> dict[str, Any]:
        """Return one object of `fits` in the JSON contract."""
        return {
            "name": self.name,
            "status": str(self.status),
            "max_relative_error": self.max_relative_error,
            "objective": self.objective,
            "reference_objective": self.reference_objective,
            "message": self.message,
            "file": self.file,
        }


def fit_names() -> list[str]:
    """Return the names of the certified fits, such as `chinchilla/besiroglu-2024`."""
    return sorted(f"{p.parent.name}/{p.stem}" for p in folder("fits").glob("*/*.json"))


def resolve(text: str) -> Fit:
    """Return the fit that a path or a certified name stands for.

    Raises
    ------
    UsageError
        If it is neither; near names are suggested.
    DataError
        If the file is not a fit.
    """
    if Path(text).is_file():
        return artefact.load(text)
    if text in fit_names():
        return artefact.load(folder("fits") / f"{text}.json")
    raise UsageError(
        f"{text!r} is neither a file nor a certified fit.",
        hint=near(text, fit_names(), "certified fits"),
    )


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
    """
    return [_check(path, update=update, mirror=mirror) for path in _files(paths)]


def _files(paths: Sequence[str | Path] | None) -> list[Path]:
    if paths is None:
        return [folder("fits") / f"{name}.json" for name in fit_names()]
    return [file for path in paths for file in _expand(path)]


def _expand(path: str | Path) -> list[Path]:
    given = Path(path)
    if given.is_file():
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
        fit = artefact.load(path)
        name = _name(fit, path)
        stored = _stored(fit, name, path)
        if stored.status is Verdict.FAIL:
            return stored
        points = points_of(fit, mirror=mirror)
        if points is None:
            return stored
        return _refitted(fit, points, stored, update=update)
    except ScalingError as error:
        return CheckResult(_name(None, path), Verdict.FAIL, None, None, None, str(error), str(path))


def _name(fit: Fit | None, path: Path) -> str:
    """Return the certified name of a shipped file, the path of any other."""
    if fit is not None and fit.name and path == folder("fits") / f"{fit.name}.json":
        return fit.name
    shipped = folder("fits")
    return str(path.relative_to(shipped).with_suffix("")) if shipped in path.parents else str(path)


def _stored(fit: Fit, name: str, path: Path) -> CheckResult:
    """Check what needs no data: predictions at anchors and derived quantities."""
    anchors = fit.origin.get("anchors") or []
    error = max((_difference(fit.law(**a["inputs"]), a["value"]) for a in anchors), default=None)
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
    return _without_data(fit, result, len(anchors))


def _without_data(fit: Fit, result: CheckResult, anchors: int) -> CheckResult:
    """Return the result for a fit whose data are not at hand."""
    card = fit.origin.get("card")
    if card:
        return replace(
            result,
            status=Verdict.SKIPPED,
            message=f"right at {anchors} anchor points, not refitted: get the data with "
            f"'scaling data fetch {card}'.",
        )
    if anchors:
        return replace(
            result,
            status=Verdict.PASS,
            message=f"right at {anchors} anchor points; it carries no data to refit.",
        )
    return replace(
        result,
        status=Verdict.SKIPPED,
        message="nothing to check: no anchor points, no data, and its sources are gone.",
    )


def _derives(law: Law, name: str, items: Sequence[Mapping[str, float]]) -> bool:
    """Return whether a derived quantity comes out as stored: [{"C": ..., "N": ...}, ...]."""
    declared = type(law).derived_quantities().get(name)
    if declared is None:
        return False
    return all(
        _difference(
            law.derive(name, **{s: item[s] for s in declared.inputs}),
            item[declared.output.symbol],
        )
        <= SAME_DERIVED
        for item in items
    )


def _difference(value: Any, reference: float) -> float:
    """Return |value/reference - 1|; infinite where either is not a number."""
    error = abs(float(value) / reference - 1)
    return error if math.isfinite(error) else math.inf


def _refitted(fit: Fit, points: Points, stored: CheckResult, *, update: bool) -> CheckResult:
    """Refit and compare the objective and the predictions with those stored."""
    from scaling_cli import fitting  # JAX: only when something is refitted

    fix, tie = (fit.selection.get(key) or {} for key in ("fix", "tie"))
    name = laws.name_of(fit.law)
    prior = fit.selection.get("prior")
    new = fitting.refit_objective(points, name, fit.objective, fix, tie, prior=prior)
    allowed = {"objective": SAME_OBJECTIVE, "prediction": SAME_PREDICTION}
    allowed |= fit.origin.get("tolerance") or {}
    reference = fit.value if fit.value is not None else new.value
    error = max(_difference(new.law(**a), fit.law(**a)) for a in _anchor_inputs(fit, points))
    result = replace(stored, objective=new.value, max_relative_error=error)
    verdict, message = _judge(new.value, reference, error, allowed)
    if verdict is Verdict.BETTER and update and fit.origin.get("kind") != "published":
        recompute(fit, points).to_json(stored.file)
        verdict, message = Verdict.PASS, f"{message} Written."
    return replace(result, status=verdict, message=message)


def _judge(
    value: float, reference: float, error: float, allowed: Mapping[str, float]
) -> tuple[Verdict, str]:
    """Return the verdict on a refit and the sentence that explains it."""
    excess = (value - reference) / max(abs(reference), ZERO_OBJECTIVE)
    if excess > allowed["objective"]:
        return Verdict.FAIL, (
            f"a refit stops at objective {value:.12g}, above the stored {reference:.12g} "
            f"(by {excess:.2g} of it, allowed {allowed['objective']:g})."
        )
    if excess < -allowed["objective"]:
        return Verdict.BETTER, (
            f"a refit reaches objective {value:.12g}, below the stored {reference:.12g} "
            f"(by {-excess:.2g} of it); predictions move by at most {error:.2g}."
        )
    if error > allowed["prediction"]:
        return Verdict.FAIL, (
            f"a refit predicts losses that differ by up to {error:.2g} "
            f"(allowed {allowed['prediction']:g}) at the same objective."
        )
    return Verdict.PASS, f"refitted: predictions within {error:.2g}."


def _anchor_inputs(fit: Fit, points: Points) -> Iterator[dict[str, float]]:
    """Yield where predictions are compared: the stored anchors, else the data's own corners."""
    anchors = fit.origin.get("anchors") or []
    for anchor in anchors:
        yield anchor["inputs"]
    if not anchors:
        for row in {0, *(int(np.argmin(v)) for v in points.inputs.values()),
                    *(int(np.argmax(v)) for v in points.inputs.values())}:  # fmt: skip
            yield {s: float(v[row]) for s, v in points.inputs.items()}
