"""What a computation says of itself: how it ended, what was checked, what was left out."""

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from scaling_cli.vocabulary.errors import some

REASONS = 4  # told where nothing is left; more are counted
TELLING = 10.0  # ends of a range further apart than this factor agree with anything


@dataclass(frozen=True)
class LeftOut:
    """A run (or one row of it) that is not fitted, and why."""

    run: str
    reason: str


def why(left: Iterable[LeftOut]) -> str:
    """Return why runs were left out: each reason once with some of its runs, most frequent first.

    A reason says what is wrong, not with which run: `run 'a': ` before it is dropped.
    """
    by_reason: dict[str, list[str]] = {}
    for item in left:
        reason = item.reason.removeprefix(f"run {item.run!r}: ")
        by_reason.setdefault(reason, []).append(item.run)
    told = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    reasons = "; ".join(f"{some(runs, 3)}: {reason.rstrip('.')}" for reason, runs in told[:REASONS])
    more = len(told) - REASONS
    return f"{reasons}; and {more} more reasons" if more > 0 else reasons


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


class Touches(enum.StrEnum):
    """What a question to a fit may be about."""

    FORECAST = "forecast"
    OPTIMUM = "optimum"
    PARAMETERS = "parameters"
    DATA = "data"


@dataclass(frozen=True)
class Check:
    """One line of the checklist: a stable code, a severity, a sentence that says what to do."""

    code: str
    level: Level
    message: str
    touches: tuple[Touches, ...] | None = field(
        default=None, compare=False, metadata={"sparse": True}
    )
    """The questions that it belongs beside, of a note too; None where none were declared."""

    def belongs_to(self, asked: Collection[Touches]) -> bool:
        """Say whether an answer to a question about these must repeat it.

        Where nothing was declared, a warning belongs to every answer.
        """
        if self.touches is None:
            return self.level is not Level.PASS
        return any(what in asked for what in self.touches)

    @classmethod
    def warned(cls, code: str, warnings: Iterable[str], passed: str) -> "Check":
        """Return a warning that gives its reasons, or, where there are none, what has passed."""
        reasons = " ".join(warnings)
        return cls(code, Level.WARN if reasons else Level.PASS, reasons or passed)
