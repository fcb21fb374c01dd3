"""The families of learning curves: one per file; the file name is the family's name."""

from scaling_cli.learning_curves._family import LearningCurve
from scaling_cli.vocabulary.registry import Classes

_FAMILIES = Classes(__name__, "family of learning curves", LearningCurve)
names, get, name_of = _FAMILIES.names, _FAMILIES.get, _FAMILIES.name_of


def distinct() -> tuple[str, ...]:
    """Return the families of which no two draw the same curves: what is averaged by default."""
    return tuple(name for name in names() if not get(name).same_as)
