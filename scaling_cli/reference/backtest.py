"""Checking a backtest: its scores must be those of its forecasts."""

from typing import Any

from scaling_cli.artefacts.backtest import Backtest
from scaling_cli.reference._result import CheckResult, agreeing, disagreement


def check(backtest: Backtest, result: CheckResult, **_: Any) -> CheckResult:
    """Check a backtest; see `reference.check`."""
    for i, cut in enumerate(backtest.cuts):
        stored = {key: getattr(cut, key) for key in ("n_test", *cut.forecasts.score())}
        again = {"n_test": len(cut.forecasts), **cut.forecasts.score()}
        wrong = disagreement(again, stored, f"cuts[{i}]")
        if wrong is not None:
            return agreeing(result, wrong)
    told = "scores are those of its forecasts; 'scaling backtest' on the runs makes them again"
    return agreeing(result, None, told)
