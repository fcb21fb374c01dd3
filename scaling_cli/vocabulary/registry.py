"""A folder is a registry: its files are the members, and the file name is the member's name."""

import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, Generic, TypeVar

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


@cache
def files_of(package: str) -> tuple[str, ...]:
    """Return the names of a package's modules that do not start with `_`, sorted."""
    folder = importlib.import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    return tuple(name for name in names if not name.startswith("_"))


@cache
def _declared(module: ModuleType, base: type[_T]) -> type[_T]:
    """Return the one class derived from `base` that a module declares."""
    declared = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base)
        if value.__module__ == module.__name__
    ]
    if len(declared) != 1:
        raise TypeError(f"{module.__name__} must declare exactly one {base.__name__}")
    return declared[0]


@dataclass(frozen=True)
class Modules:
    """A package whose members are modules.

    Parameters
    ----------
    package : str
        Its dotted name; files that start with `_` are no members.
    what : str
        What a member is called in messages, such as `figure`.
    apart : str
        A file of the package that is no member.
    """

    package: str
    what: str
    apart: str = field(default="", kw_only=True)

    def names(self) -> tuple[str, ...]:
        """Return the names of all members, sorted. None is imported."""
        return tuple(name for name in files_of(self.package) if name != self.apart)

    def module(self, name: str) -> ModuleType:
        """Return the file of a member.

        Raises
        ------
        UsageError
            If there is no such member; near names are suggested.
        """
        if name not in self.names():
            first, *of = self.what.partition(" of ")
            plural = f"{first.removesuffix('y')}ies" if first.endswith("y") else f"{first}s"
            hint = near(name, self.names(), "".join([plural, *of]))
            raise UsageError(f"there is no {self.what} {name!r}.", hint=hint)
        return importlib.import_module(f"{self.package}.{name}")


@dataclass(frozen=True)
class Classes(Modules, Generic[_T]):
    """A package of which every member declares one class derived from `base`."""

    base: type[_T]

    def get(self, name: str) -> type[_T]:
        """Return the class that a member's file declares.

        Raises
        ------
        UsageError
            If there is no such member; near names are suggested.
        """
        return _declared(self.module(name), self.base)

    def name_of(self, member: type[_T] | _T) -> str:
        """Return the name of a member, given its class or an instance: that of its file."""
        cls = member if isinstance(member, type) else type(member)
        return cls.__module__.rpartition(".")[2]
