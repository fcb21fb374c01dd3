"""Checking a forecast: its value, its intervals and its path must agree."""

from typing import Any

from scaling_cli.artefacts.forecast import Forecast, Forecasts
from scaling_cli.reference._result import CheckResult, agreeing, disagreement


def check(forecasts: Forecasts, result: CheckResult, **_: Any) -> CheckResult:
    """Check the forecasts of a file; see `reference.check`."""
    wrong = (told for item in forecasts for told in [_wrong(item)] if told is not None)
    return agreeing(result, next(wrong, None))


def _wrong(forecast: Forecast) -> str | None:
    """Return what a forecast says in two ways; None where it does not."""
    low, high = forecast.interval
    if not low <= forecast.value <= high:
        return f"{forecast.run}: {forecast.value:.6g} lies outside its interval"
    path = forecast.path
    ends = {"x": forecast.until, "loss": forecast.value, "low": low, "high": high}
    again = {name: float(getattr(path, name)[-1]) for name in ends} if len(path.x) else ends
    return disagreement(again, ends, forecast.run)
