"""The families of learning curves: one per file; the file name is the family's name."""

from functools import cache

from scaling_cli.learning_curves._family import LearningCurve
from scaling_cli.vocabulary.registry import load, members


@cache
def names() -> tuple[str, ...]:
    """Return the names of all families, sorted."""
    return members(__path__)


@cache
def distinct() -> tuple[str, ...]:
    """Return the families of which no two draw the same curves: what is averaged by default."""
    return tuple(name for name in names() if not get(name).same_as)


@cache
def get(name: str) -> type[LearningCurve]:
    """Return the family declared in `learning_curves/<name>.py`.

    Raises
    ------
    UsageError
        If there is no such family; near names are suggested.
    """
    return load(__name__, name, LearningCurve, names(), "family of learning curves")
