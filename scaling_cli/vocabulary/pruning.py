"""Pruning while a model trains: how many parameters are in force on average, and at any share.

Sparsity is 0 before a window, final after it and final (1 - (1 - u)^3) in between, u the share of
the window in tokens (Zhu & Gupta 2017, arXiv:1710.01878, eq. 1).
"""

from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import N, parse_number

CUBIC_MEAN = 0.75  # mean of 1 - (1 - u)^3 on [0, 1]: a cubic ramp is 3/4 pruned on average
UNITS = ("compute", "tokens", "steps")
FORM = "final=.8,start=25%,end=75%"
_HINT = f"Write {FORM}; unit=tokens (or steps, compute) says of what, prunable=N of how many."


@dataclass(frozen=True)
class Pruning:
    """A cubic gradual-pruning schedule.

    Parameters
    ----------
    final : float
        Final share pruned, in [0, 1).
    start, end : float
        The window, as shares of the whole run in `unit`; above 1 in steps or tokens themselves.
    unit : {"compute", "tokens", "steps"}
        The paper's 25 % and 75 % are of training *compute*. Steps equal tokens at a constant
        batch size.
    prunable : float, optional
        How many of the parameters `final` is a share of. Default: all that are counted.

    Raises
    ------
    UsageError
        If it is no such schedule.
    """

    final: float
    start: float = 0.25
    end: float = 0.75
    unit: str = UNITS[0]
    prunable: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        if not (0 <= self.final < 1 and 0 <= self.start <= self.end):
            raise UsageError(
                "a pruning schedule needs 0 <= final < 1 and 0 <= start <= end, got "
                f"final {self.final:g}, start {self.start:g}, end {self.end:g}."
            )
        if self.unit not in UNITS:
            raise UsageError(f"unit must be {', '.join(UNITS)}, not {self.unit!r}.")
        if self.unit == UNITS[0] and self.end > 1:
            raise UsageError("a window of compute is in shares: start and end are at most 1.")

    def of(self, dense: float, total: float | None = None) -> "Pruning":
        """Return the same as shares of all parameters and of a run of this many tokens or steps.

        Raises
        ------
        UsageError
            If more is prunable than there is, or the run ends before its window.
        """
        if self.prunable is not None and self.prunable > dense:
            raise UsageError(f"prunable={self.prunable:g} of {dense:g} parameters.")
        part = 1.0 if self.prunable is None else self.prunable / dense
        scale = 1.0
        if self.end > 1:
            if total is None or self.end > total:
                of = "is not known" if total is None else f"is {total:g}"
                raise UsageError(
                    f"the window ends at {self.end:g} {self.unit}, and the run's length {of}."
                )
            scale = 1 / total
        return Pruning(self.final * part, self.start * scale, self.end * scale, self.unit)

    def average(self, dense: float, total: float | None = None) -> float:
        """Return the mean over tokens of the parameters in force, of a run that is complete."""
        return float(self.average_at(dense, np.ones(1), total)[0])

    def average_at(self, dense: float, share: np.ndarray, total: float | None = None) -> np.ndarray:
        """Return the mean so far after shares of the run's tokens, in (0, 1]; shape (n,)."""
        window = self.of(dense, total)._in_tokens()
        width = window.end - window.start
        inside = np.clip(share - window.start, 0.0, width)
        after = np.maximum(share - window.end, 0.0)
        left = width / 4 * (1 - (1 - inside / width) ** 4) if width else 0.0
        return dense * (1 - window.final * (inside - left + after) / share)

    def _in_tokens(self) -> "Pruning":
        """Return the window in shares of tokens.

        Spending is proportional to the parameters in force, so with m the mean share of them,
        start_tokens = start m and the window lasts (end - start) m / (1 - 3/4 final), which is
        linear in m.
        """
        if self.unit != UNITS[0]:
            return self
        s = self.final
        ended = self.start + (self.end - self.start) / (1 - CUBIC_MEAN * s)
        m = (1 - s) / (1 - s * (ended / 4 + CUBIC_MEAN * self.start))
        return replace(self, start=self.start * m, end=ended * m, unit="tokens")


def parse_pruning(text: str) -> Pruning:
    """Read `final=.8,start=25%,end=75%`, with `unit=` and `prunable=` if need be.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    given: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and value) or name in given or name not in Pruning.__dataclass_fields__:
            raise UsageError(f"cannot read {part.strip()!r} of a pruning schedule.", hint=_HINT)
        given[name] = value
    if "final" not in given:
        raise UsageError(f"the final sparsity is missing in {text!r}.", hint=_HINT)
    unit = given.pop("unit", UNITS[0])
    prunable = given.pop("prunable", "")
    shares = {name: _share(value) for name, value in given.items()}
    return Pruning(**shares, unit=unit, prunable=parse_number(prunable, N) if prunable else None)


def _share(text: str) -> float:
    """Read `25%`, `.25` or a number of steps or tokens."""
    percent = text.endswith("%")
    return parse_number(text.removesuffix("%")) / (100 if percent else 1)
