"""The catalogue: one law per file; the file name is the law's name; this module discovers them."""

import difflib
import importlib
import pkgutil
import sys
from functools import cache

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.registry import Asked

sys.modules[__name__].__class__ = Asked


@cache
def names() -> tuple[str, ...]:
    """Return the names of all laws, sorted."""
    found = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return tuple(sorted(found))


@cache
def get(name: str) -> type[Law]:
    """Return the law declared in `laws/<name>.py`.

    Raises
    ------
    UsageError
        If there is no such law; near names are suggested.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=2, cutoff=0.4)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"there is no law {name!r}.", hint=f"{guess}Known laws: {', '.join(names())}."
        )
    module = importlib.import_module(f"{__name__}.{name}")
    found = [
        v
        for v in vars(module).values()
        if isinstance(v, type) and issubclass(v, Law) and v.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"laws/{name}.py must declare exactly one Law, found {len(found)}")
    return found[0]


def name_of(law: type[Law] | Law) -> str:
    """Return the registry name of a law: the name of its file."""
    cls = law if isinstance(law, type) else type(law)
    return cls.__module__.rpartition(".")[2]
