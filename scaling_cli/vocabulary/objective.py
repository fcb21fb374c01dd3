"""What a fit minimises."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

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

    def without_corner(self) -> UsageError:
        """Return the refusal of a corner that was given."""
        told = f"--delta is the corner of the Huber loss; --objective {self.name} has none."
        return UsageError(told, hint="Leave one of the two out.")

    def describe(self, output: str) -> str:
        """Return what is summed, in words: `Huber(delta 0.001) of the residuals of ln loss`."""
        what = {
            "huber": f"Huber(delta {self.delta:g})",
            "l2": "squares / 2",
            "lad": "absolute values",
        }
        logarithm = "ln " if self.space == "log" else ""
        return f"{what[self.name]} of the residuals of {logarithm}{output}"


@dataclass(frozen=True)
class Turned:
    """What a law is fitted to where that is not the target itself: sign x target + offset.

    A target that rises towards a limit is turned into its distance from it, one that reaches
    below zero is lifted.
    """

    target: str
    sign: float
    offset: float

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Turned | None":
        """Return it as the data record of a fit holds it, None where the target itself is fitted.

        Raises
        ------
        ValueError
            If it is none.
        """
        stored = record.get("fitted_as")
        if stored is None:
            return None
        turned = cls(str(stored["target"]), float(stored["sign"]), float(stored["offset"]))
        if abs(turned.sign) != 1 or not math.isfinite(turned.offset):
            raise ValueError("data.fitted_as must have a sign of 1 or -1 and a finite offset")
        return turned

    def to_dict(self) -> dict[str, Any]:
        """Return it as the data record of a fit holds it."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it in words: `1 - accuracy`."""
        offset = f"{self.offset:.12g}"
        if self.sign < 0 and not self.offset:
            return f"-{self.target}"
        return f"{offset} - {self.target}" if self.sign < 0 else f"{self.target} + {offset}"

    def forth(self, target: Any) -> Any:
        """Return what is fitted."""
        return self.sign * target + self.offset

    def back(self, fitted: Any) -> Any:
        """Return the target."""
        return self.sign * (fitted - self.offset)

    def ends(self, interval: tuple[Any, Any]) -> tuple[Any, Any]:
        """Return the ends of an interval of the target: a sign that is turned swaps them."""
        low, high = (self.back(end) for end in interval)
        return (low, high) if self.sign > 0 else (high, low)
