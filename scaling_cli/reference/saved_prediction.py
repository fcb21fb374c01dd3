"""Checking a saved prediction: its values must be its law's, its numbers inside their ranges."""

from typing import Any

from scaling_cli.artefacts.saved_prediction import SavedPrediction
from scaling_cli.reference._result import CheckResult, agreeing, disagreement


def check(saved: SavedPrediction, result: CheckResult, **_: Any) -> CheckResult:
    """Check a saved prediction; see `reference.check`."""
    for i, promise in enumerate(saved.predictions):
        at = f"predictions[{i}]"
        again = {"value": saved.told(promise.inputs)}
        wrong = disagreement(again, {"value": promise.value}, at)
        for ends in (promise.mean, promise.new_run):
            if wrong is None and ends is not None and not ends[0] <= promise.forecast <= ends[1]:
                wrong = f"{at}: forecast {promise.forecast:g} is outside its own range"
        if wrong is not None:
            return agreeing(result, wrong)
    return agreeing(result, None, "values are those of its law")
