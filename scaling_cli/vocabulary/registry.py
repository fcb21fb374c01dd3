"""A folder is a registry: its files are the members, and the file name is the member's name."""

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import Any, TypeVar

from scaling_cli.vocabulary.errors import UsageError, near

_T = TypeVar("_T")


class Asked(ModuleType):
    """A package that answers a call by the verb of its name: `sc.laws()` beside `sc.laws.names()`.

    Names in Python are those of the command line, and two of these are packages' too.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Ask the verb; it lies above the package, so it is found by its name."""
        root, _, name = self.__name__.rpartition(".")
        verb = importlib.import_module(f"{root}.verbs.{name}")
        return getattr(verb, name)(*arguments, **options)


def members(folder: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a package's modules that do not start with `_`, sorted."""
    found = (m.name for m in pkgutil.iter_modules(folder) if not m.name.startswith("_"))
    return tuple(sorted(found))


def load(package: str, name: str, base: type[_T], known: tuple[str, ...], what: str) -> type[_T]:
    """Return the one class derived from `base` that a member's file declares.

    Raises
    ------
    UsageError
        If there is no such member; near names are suggested.
    """
    if name not in known:
        raise UsageError(f"there is no {what} {name!r}.", hint=near(name, known, f"{what}s"))
    module = importlib.import_module(f"{package}.{name}")
    found = [
        v
        for v in vars(module).values()
        if isinstance(v, type) and issubclass(v, base) and v.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{package}.{name} must declare exactly one {base.__name__}")
    return found[0]
