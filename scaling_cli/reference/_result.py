"""What came of checking a fit file: the verdict, its tolerances, the sentence that explains it."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# The same float64 arithmetic in another order: a few units in the last place.
SAME_EQUATION = 1e-12
# A derived optimum is a power of ratios of powers: rounding is amplified by the exponents.
SAME_DERIVED = 1e-10
# What two converged optimisers may differ by, unless the file says otherwise.
SAME_OBJECTIVE = 1e-9
SAME_PREDICTION = 1e-6
# What is stored twice, or computed again from what is stored beside it.
SAME_STORED = 1e-6
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


def without_data(origin: Mapping[str, Any], result: CheckResult, anchors: int) -> CheckResult:
    """Return the result for a fit whose data are not at hand."""
    card = origin.get("card")
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


def difference(value: Any, reference: float) -> float:
    """Return |value/reference - 1|; infinite where either is not a number."""
    error = abs(float(value) / reference - 1)
    return error if math.isfinite(error) else math.inf


def judge(
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


def disagreement(value: Any, stored: Any, at: str) -> str | None:
    """Return the place where two JSON values differ by more than rounding; None if nowhere."""
    if isinstance(value, Mapping) and isinstance(stored, Mapping):
        pairs = [(value[k], stored.get(k), f"{at}.{k}") for k in value]
    elif isinstance(value, list) and isinstance(stored, list) and len(value) == len(stored):
        items = enumerate(zip(value, stored, strict=True))
        pairs = [(v, s, f"{at}[{i}]") for i, (v, s) in items]
    elif isinstance(value, float | int) and isinstance(stored, float | int):
        same = math.isclose(value, stored, rel_tol=SAME_STORED, abs_tol=SAME_STORED)
        return None if same else f"{at} is {stored:.6g}, by the rest of the file {value:.6g}"
    else:
        return None if value == stored else f"{at} is {stored!r}, by the rest of the file {value!r}"
    return next((wrong for pair in pairs if (wrong := disagreement(*pair)) is not None), None)


def agreeing(result: CheckResult, wrong: str | None, computed: str = "") -> CheckResult:
    """Return the result for a thing without data: its numbers agree with each other, or do not."""
    if wrong is not None:
        return replace(result, message=f"{wrong}.")
    told = computed or "it carries no data to compute them again"
    message = f"the file is valid and its numbers agree with each other; {told}."
    return replace(result, status=Verdict.PASS, message=message)
