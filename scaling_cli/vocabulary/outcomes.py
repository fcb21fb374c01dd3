"""What a computation says of itself: how it ended, what was checked, what was left out."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

TELLING = 10.0  # ends of a range further apart than this factor agree with anything


@dataclass(frozen=True)
class LeftOut:
    """A run (or one row of it) that is not fitted, and why."""

    run: str
    reason: str


class Status(enum.StrEnum):
    """How an optimisation ended."""

    CONVERGED = "converged"
    """A minimum was reached, and several starts agree on it."""
    AT_BOUND = "at_bound"
    """A parameter ran to the edge of its domain (a floor E of zero, a dead term)."""
    ILL_CONDITIONED = "ill_conditioned"
    """A minimum was reached, but the data do not determine every parameter."""
    NOT_CONVERGED = "not_converged"
    """No start reached a stationary point."""
    PUBLISHED = "published"
    """Numbers typed in from a paper; nothing was optimised here."""


class Level(enum.StrEnum):
    """Severity of a line of the checklist."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One line of the checklist: a stable code, a severity, a sentence that says what to do."""

    code: str
    level: Level
    message: str

    @classmethod
    def warned(cls, code: str, warnings: Iterable[str], passed: str) -> "Check":
        """Return a warning that gives its reasons, or, where there are none, what has passed."""
        reasons = " ".join(warnings)
        return cls(code, Level.WARN if reasons else Level.PASS, reasons or passed)
