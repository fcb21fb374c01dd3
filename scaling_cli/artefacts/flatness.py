"""How flat the valley of the loss over learning rate and batch is, as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

AXES = ("lr", "batch_tokens")


@dataclass(frozen=True)
class Flatness:
    """How far from the optimum one may go: the mean curvature of the cells' valleys.

    Parameters
    ----------
    hessian : array, shape (k, k)
        Of ln loss over ln lr (and ln batch).
    per_compute : float or None
        d ln loss / d ln C of the cells' best losses, N and D growing alike; None where the cells
        do not tell.
    """

    hessian: np.ndarray
    per_compute: float | None

    def factors(self, excess: float) -> dict[str, float]:
        """Return by which factor each may be off, the others staying, for so much excess loss."""
        curvature = np.diag(self.hessian)
        return _named(np.exp(np.sqrt(2 * excess / curvature)))

    def retuned(self, excess: float) -> dict[str, float]:
        """Return the same factors where the other one is tuned again to it."""
        return _named(np.exp(np.sqrt(2 * excess * np.diag(np.linalg.inv(self.hessian)))))

    def rate_per_batch(self) -> float | None:
        """Return d ln lr / d ln batch along the valley's floor; None without a batch axis."""
        if len(self.hessian) == 1:
            return None
        return float(-self.hessian[0, 1] / self.hessian[0, 0])

    def excess(self, offset: np.ndarray) -> float:
        """Return the share of loss that an offset in logarithms, shape (k,), costs."""
        return float(np.expm1(offset @ self.hessian @ offset / 2))

    def compute(self, excess: float) -> float | None:
        """Return the share of compute that so much excess loss is worth."""
        return None if self.per_compute is None else float(np.expm1(-excess / self.per_compute))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, which `of_record` reads."""
        return {"hessian": self.hessian.tolist(), "per_compute": self.per_compute}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Flatness":
        """Rebuild it from its JSON object."""
        return cls(np.asarray(record["hessian"], float), record["per_compute"])


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(AXES, values.tolist(), strict=False))
