"""What came of checking a fit file: the verdict, its tolerances, the sentence that explains it."""

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from scaling_cli.artefacts._record import Fitted

# The same float64 arithmetic in another order: a few units in the last place.
SAME_EQUATION = 1e-12
# A derived optimum is a power of ratios of powers: rounding is amplified by the exponents.
SAME_DERIVED = 1e-10
# What two converged optimisers may differ by, unless the file says otherwise.
SAME_OBJECTIVE = 1e-9
SAME: Mapping[str, float] = {"objective": SAME_OBJECTIVE, "prediction": 1e-6}
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
        return asdict(self)


def at_anchors(
    fit: Fitted, result: CheckResult, at: Callable[[Mapping[str, Any]], Any], whose: str
) -> CheckResult:
    """Return the result with the largest error at anchor points, and a message if it is one.

    `at` gives the output at the inputs of an anchor.
    """
    errors = (difference(at(a["inputs"]), a["value"]) for a in fit.origin.get("anchors") or [])
    error = max(errors, default=None)
    result = replace(result, max_relative_error=error)
    if error is None or error <= SAME_EQUATION:
        return result
    told = f"{whose} the stored predictions: off by {error:.2g} of the loss at an anchor point "
    return replace(result, message=f"{told}(allowed {SAME_EQUATION:g}).")


def without_data(origin: Mapping[str, Any], result: CheckResult) -> CheckResult:
    """Return the result for a fit whose data are not at hand."""
    card, anchors = origin.get("card"), len(origin.get("anchors") or [])
    right = f"right at {anchors} anchor points"
    status = Verdict.PASS if anchors and not card else Verdict.SKIPPED
    told = f"{right}; it carries no data to refit."
    if card:
        told = f"{right}, not refitted: get the data with 'scaling data fetch {card}'."
    elif not anchors:
        told = "nothing to check: no anchor points, no data, and its sources are gone."
    return replace(result, status=status, message=told)


def difference(value: Any, reference: float) -> float:
    """Return |value/reference - 1|; infinite where either is not a number."""
    error = abs(float(value) / reference - 1)
    return error if math.isfinite(error) else math.inf


def refitted(
    fit: Fitted,
    new: tuple[float, float],
    errors: Iterable[float],
    result: CheckResult,
    write: Callable[[], Fitted] | None,
    *,
    same: Mapping[str, float] = SAME,
) -> CheckResult:
    """Return the verdict on a refit, and the sentence that explains it.

    Parameters
    ----------
    new : tuple of float
        The sum that the refit reached, and the one that it is compared with.
    errors : iterable of float
        Of its predictions, against those of the fit.
    result : CheckResult
    write : callable or None
        Returns what is written in place of a fit that is not the best.
    same : mapping of str to float
        What objectives and predictions may differ by, unless the file says otherwise.
    """
    (value, reference), error = new, max(errors)
    allowed = {**same, **(fit.origin.get("tolerance") or {})}
    excess = (value - reference) / max(abs(reference), ZERO_OBJECTIVE)
    verdict, told = Verdict.PASS, f"refitted: predictions within {error:.2g}."
    if excess > allowed["objective"]:
        verdict = Verdict.FAIL
        told = f"a refit stops at objective {value:.12g}, above the stored {reference:.12g} "
        told += f"(by {excess:.2g} of it, allowed {allowed['objective']:g})."
    elif excess < -allowed["objective"]:
        verdict = Verdict.BETTER
        told = f"a refit reaches objective {value:.12g}, below the stored {reference:.12g} "
        told += f"(by {-excess:.2g} of it); predictions move by at most {error:.2g}."
        if write is not None:
            write().to_json(result.file)
            verdict, told = Verdict.PASS, f"{told} Written."
    elif error > allowed["prediction"]:
        verdict = Verdict.FAIL
        told = f"a refit predicts losses that differ by up to {error:.2g} "
        told += f"(allowed {allowed['prediction']:g}) at the same objective."
    return replace(result, status=verdict, message=told, max_relative_error=error)


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
