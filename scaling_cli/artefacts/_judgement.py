"""What a fit's backtests and a measured value say of a prediction: NumPy alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Prediction
from scaling_cli.vocabulary.outcomes import Check, Level
from scaling_cli.vocabulary.quantities import factor

FAR = 100.0  # and the square of the farthest backtest: beyond both nothing like it was tried
BENDING = "backtest.bias"


def doubts(
    checks: Sequence[Check], backtest: Mapping[str, Any] | None, prediction: Prediction
) -> list[str]:
    """Return what the backtests of a fit say against this prediction; nothing without intervals."""
    if prediction.new_run is None:
        return []
    told = [c.message for c in checks if c.code == BENDING and c.level is Level.WARN]
    cuts = (backtest or {}).get("cuts") or []
    reached = [float(cut["factor"]) for cut in cuts if cut["factor"] is not None]
    axis = (backtest or {}).get("axis", "C")
    along = prediction.extrapolation.get(axis)
    if along is None or not reached:
        return told
    tested, farthest = max(reached), float(np.max(along))
    if farthest > max(FAR, tested**2):
        told.append(
            f"{axis} {factor(farthest)} is further beyond the data than any backtest of this fit "
            f"went ({factor(tested)}): that drift goes on as it did is assumed."
        )
    return told
