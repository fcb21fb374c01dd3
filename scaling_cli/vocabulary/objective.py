"""What a fit minimises."""

import math
from dataclasses import dataclass
from typing import Self

from scaling_cli.vocabulary.errors import UsageError


@dataclass(frozen=True)
class Objective:
    """What was minimised: the sum over points of rho(residual).

    Parameters
    ----------
    name : {"huber", "l2", "lad"}
        rho(r) = r^2/2 inside delta and delta(|r| - delta/2) outside; r^2/2; |r|.
    delta : float
        Huber's corner, in units of the residual.
    space : {"log", "linear"}
        Residual ln prediction - ln measured, or prediction - measured.
    """

    name: str = "huber"
    delta: float = 1e-3
    space: str = "log"

    def __post_init__(self) -> None:
        """Refuse what cannot be minimised."""
        if self.name not in ("huber", "l2", "lad"):
            raise UsageError(f"objective must be huber, l2 or lad, not {self.name!r}.")
        if self.space not in ("log", "linear"):
            raise UsageError(f"space must be log or linear, not {self.space!r}.")
        if not (math.isfinite(self.delta) and self.delta > 0):
            raise UsageError(f"delta must be positive, not {self.delta!r}.")

    @classmethod
    def of(cls, given: Self | str | None) -> Self:
        """Return an objective that may be given by its name alone; the default where none is."""
        return cls(given or cls.name) if given is None or isinstance(given, str) else given

    def describe(self, output: str) -> str:
        """Return what is summed, in words: `Huber(delta 0.001) of the residuals of ln loss`."""
        what = {
            "huber": f"Huber(delta {self.delta:g})",
            "l2": "squares / 2",
            "lad": "absolute values",
        }
        logarithm = "ln " if self.space == "log" else ""
        return f"{what[self.name]} of the residuals of {logarithm}{output}"
