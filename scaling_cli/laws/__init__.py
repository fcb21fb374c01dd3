"""The catalogue: one law per file; the file name is the law's name; this module discovers them."""

import sys

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError, guess
from scaling_cli.vocabulary.registry import Asked, Classes, files_of

sys.modules[__name__].__class__ = Asked

_LAWS = Classes(__name__, "law", Law)
names, name_of = _LAWS.names, _LAWS.name_of


def get(name: str) -> type[Law]:
    """Return a law of points by its name.

    Raises
    ------
    UsageError
        If there is none; names of other kinds of laws are told apart, and near ones suggested.
    """
    if name in names():
        return _LAWS.get(name)
    root = __name__.rpartition(".")[0]  # both lie above: they are found by their names
    along = ("average", *files_of(f"{root}.curve_laws"))
    families = files_of(f"{root}.learning_curves")
    if name in along:
        hint = "'scaling fit' fits it, and tests it by leaving schedules out."
        raise UsageError(f"{name} is a law of loss curves, not of points.", hint=hint)
    if name in families:
        hint = "'scaling forecast --method families' fits it."
        raise UsageError(f"{name} is a family of learning curves, not a law of points.", hint=hint)
    near = guess(name, [*names(), *along, *families])
    raise UsageError(f"there is no law {name!r}.", hint=f"{near}'scaling laws' lists them.")
