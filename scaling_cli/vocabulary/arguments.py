"""Numbers that a caller asks with: refused before any work, in the words of the caller."""

from numbers import Integral, Real

from scaling_cli.vocabulary.bounds import BOUNDS, require
from scaling_cli.vocabulary.errors import UsageError


def check_level(level: float) -> None:
    """Refuse a nominal coverage that is none.

    Raises
    ------
    UsageError
        If it is not a number between 0 and 1.
    """
    if not isinstance(level, Real) or not 0 < level < 1:
        percent = isinstance(level, Real) and 1 < level < 100
        hint = f"Write {float(level) / 100:g} for {float(level):g} %." if percent else None
        raise UsageError(f"level must lie between 0 and 1, not {level!r}.", hint=hint)


def check_count(name: str, number: int) -> None:
    """Refuse what cannot be counted or begin a stream of random numbers: `bootstrap`, `seed`.

    Raises
    ------
    UsageError
        If it is not a whole number, negative, or beyond the bound of its name.
    """
    if not isinstance(number, Integral) or isinstance(number, bool):
        raise UsageError(f"{name} must be a whole number, not {number!r}.")
    if number < 0:
        raise UsageError(f"{name} must not be negative, got {number}.")
    if name in BOUNDS:
        require(name, float(number), f"{name} {number}")
