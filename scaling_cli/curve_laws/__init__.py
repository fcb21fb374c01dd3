"""The laws of loss curves: one per file; the file name is the law's name."""

from functools import cache

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.vocabulary.registry import load, members


@cache
def names() -> tuple[str, ...]:
    """Return the names of all laws of loss curves, sorted."""
    return members(__path__)


@cache
def get(name: str) -> type[CurveLaw]:
    """Return the law declared in `curve_laws/<name>.py`.

    Raises
    ------
    UsageError
        If there is no such law; near names are suggested.
    """
    return load(__name__, name, CurveLaw, names(), "curve law")


def name_of(law: type[CurveLaw] | CurveLaw) -> str:
    """Return the registry name of a law: the name of its file."""
    cls = law if isinstance(law, type) else type(law)
    return cls.__module__.rpartition(".")[2]
