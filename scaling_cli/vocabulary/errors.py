"""Every way this package can refuse: one base class, one family per exit code.

A message says what is wrong; `hint` says what to do; `file`, `row` and `column` say where.
"""

import difflib
from collections.abc import Sequence
from typing import ClassVar


class ScalingError(Exception):
    """Base of all errors a user can cause or mend.

    Parameters
    ----------
    message : str
        What is wrong, in one sentence.
    hint : str, optional
        What to do about it.
    file, row, column : optional
        Where: a path, the 1-based line of that file (the header is line 1), a column name.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.row = row
        self.column = column

    def placed(self) -> str:
        """Return the message with its place in front."""
        place = ", ".join(
            text
            for text in (
                self.file,
                f"row {self.row}" if self.row is not None else None,
                f"column {self.column!r}" if self.column is not None else None,
            )
            if text
        )
        return f"{place}: {self.message}" if place else self.message

    def __str__(self) -> str:
        return f"{self.placed()} {self.hint}" if self.hint else self.placed()

    def to_dict(self) -> dict[str, str | int | None]:
        """Return the `error` object of the JSON contract."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "file": self.file,
            "row": self.row,
            "column": self.column,
        }


class CheckFailed(ScalingError):
    """A stored reference no longer reproduces."""

    code = "check"
    exit_code = 1


class UsageError(ScalingError):
    """The request itself is wrong: an unknown name, a quantity that cannot be read."""

    code = "usage"
    exit_code = 2


class DataError(ScalingError):
    """The data are wrong: unreadable, missing, contradictory."""

    code = "data"
    exit_code = 3


class MismatchError(DataError):
    """Two things that must share a convention or unit do not."""

    code = "mismatch"


class FitError(ScalingError):
    """No usable fit: too few points, not identified, not converged."""

    code = "fit"
    exit_code = 4


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def near(name: str, known: Sequence[str], what: str) -> str:
    """Return a hint that suggests the nearest of the known names and lists them all."""
    return f"{guess(name, known)}Known {what}: {', '.join(known) or 'none'}."


def near_column(name: str, known: Sequence[str], what: str = "Columns") -> str:
    """Return a hint that suggests the nearest columns and lists them all."""
    return f"{guess(name, known, most=3, cutoff=0.5)}{what}: {', '.join(known)}."


def guess(name: str, known: Sequence[str], *, most: int = 2, cutoff: float = 0.4) -> str:
    """Return `Did you mean ...? ` with the nearest of the known names, or nothing."""
    matches = difflib.get_close_matches(name, known, n=most, cutoff=cutoff)
    return f"Did you mean {' or '.join(matches)}? " if matches else ""
