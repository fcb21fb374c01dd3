"""What laws of a task share: their input is a loss, which falls as runs grow."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law

# By how much a loss is taken to fall with ten times the compute, for want of the law of the loss:
# those of text models lose 5 to 10 %.
PER_DECADE = 0.07


class Downstream(Law):
    """Base of the laws of tasks: runs are the larger the lower their loss is."""

    @classmethod
    def axis(cls) -> str:
        """Return the axis along which a forecast reaches out: the inverse of the loss."""
        return "1/L"

    @classmethod
    def along(cls, inputs: Mapping[str, Any]) -> np.ndarray:
        """Return the values of the axis."""
        return 1.0 / np.asarray(inputs["L"], float)

    @classmethod
    def placed(cls, along: np.ndarray) -> dict[str, np.ndarray]:
        """Return the loss at places of the axis."""
        return {"L": 1.0 / along}

    @classmethod
    def reached(cls, inputs: Mapping[str, float], factor: float) -> dict[str, float]:
        """Return the loss of a run `factor` times as large, as such losses are wont to fall."""
        return {"L": float(inputs["L"] * (1 - PER_DECADE) ** np.log10(factor))}
