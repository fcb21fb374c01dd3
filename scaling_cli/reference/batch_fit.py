"""Checking a fit of the critical batch: each level again from its batches, the laws from all."""

from typing import Any

import numpy as np

from scaling_cli.artefacts.batch_fit import BatchFit, BatchLevel
from scaling_cli.reference._result import CheckResult, agreeing, disagreement


def check(fit: BatchFit, result: CheckResult, **_: Any) -> CheckResult:
    """Check a fit of the critical batch; see `reference.check`."""
    wrong = (told for i, level in enumerate(fit.levels) for told in [_wrong(level, i)] if told)
    told = f"{len(fit.levels)} levels computed again from their batches; the curves that the laws"
    return agreeing(result, next(wrong, None), f"{told} were fitted to are not in it")


def _wrong(level: BatchLevel, number: int) -> str | None:
    """Return what a level's own hyperbola says differently; None where it is the stored one."""
    from scaling_cli.batch_fits.fitting import alone  # late: SciPy, once there are levels

    B, S = (np.array([batch[key] for batch in level.batches], float) for key in ("B", "S"))
    again = alone(B, S)
    stored = {key: getattr(level, key) for key in again}
    return disagreement(again, stored, f"levels[{number}]")
