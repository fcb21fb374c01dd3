"""The catalogue: one law per file; the file name is the law's name; this module discovers them."""

import re
import sys
from collections.abc import Collection

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError, guess
from scaling_cli.vocabulary.registry import Asked, Classes, files_of

sys.modules[__name__].__class__ = Asked

_LAWS = Classes(__name__, "law", Law)
names = _LAWS.names
_FORMULA = re.compile(r"[^\w-]")  # what no name holds
# Ways of choosing or combining laws, and where they are.
_WAYS = {
    "auto": "'scaling fit --law auto' tries laws on runs held back.",
    "ensemble": "'scaling forecast --method ensemble' takes a curve of one variable further.",
}


def name_of(law: type[Law] | Law) -> str:
    """Return the name of a law: of its file, or its formula."""
    return law.called()


def get(name: str | type[Law], columns: Collection[str] = ()) -> type[Law]:
    """Return a law of points by its name, or the law that a formula is.

    Parameters
    ----------
    name : str or type[Law]
        `chinchilla`, or `E + A/N**alpha`; a law is returned as it is.
    columns : collection of str
        Of the table at hand, any of which a formula may name.

    Raises
    ------
    UsageError
        If there is none; names of other kinds of laws are told apart, and near ones suggested.
    """
    if not isinstance(name, str):
        return name
    if _FORMULA.search(name.strip()):
        from scaling_cli.laws._formula import law_of  # late: a built-in law needs no reader

        return law_of(name, columns)
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
    if name in _WAYS:
        raise UsageError(f"{name} is several laws, not one.", hint=_WAYS[name])
    near = guess(name, [*names(), *along, *families])
    raise UsageError(f"there is no law {name!r}.", hint=f"{near}'scaling laws' lists them.")
