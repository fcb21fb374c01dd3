"""How much is read, computed and waited for before one is asked: every bound can be raised.

The command line raises them with `--allow NAME=VALUE`, Python with `allowing(points=1e7)`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from scaling_cli.vocabulary.errors import DataError, UsageError, near

BOUNDS: Mapping[str, float] = {
    "expansion": 100,  # times that a file of more than ROOM may grow by unpacking
    "piped": 1e9,  # bytes of what is no file and need not end
    "points": 100_000,  # of a grid or a file of points: predicting each takes 4 kB
    "bootstrap": 100_000,  # resamples
    "steps": 20e6,  # of a schedule that is followed step by step: each takes 60 bytes
    "wait": 60,  # seconds until another process writes, or has written
}
ROOM = 2**26  # bytes that anything may unpack to
NOTICED = 1.0  # seconds of waiting before a word is said of it
POLL = 0.05  # seconds
_bounds: ContextVar[Mapping[str, float]] = ContextVar("bounds", default=BOUNDS)
_tell: ContextVar[Callable[[str], None] | None] = ContextVar("tell", default=None)


@contextmanager
def allowing(tell: Callable[[str], None] | None = None, /, **bounds: float) -> Iterator[None]:
    """Raise (or lower) bounds while the block runs.

    Parameters
    ----------
    tell : callable, optional
        Is told in a sentence what is waited for.
    **bounds : float
        By name.

    Raises
    ------
    UsageError
        If there is no such bound, or it is not positive.
    """
    for name, value in bounds.items():
        if name not in BOUNDS:
            raise UsageError(f"there is no limit {name!r}.", hint=near(name, [*BOUNDS], "limits"))
        if not value > 0:
            raise UsageError(f"the limit {name} must be positive, not {value:g}.")
    tokens = _bounds.set({**_bounds.get(), **bounds}), _tell.set(tell or _tell.get())
    try:
        yield
    finally:
        _bounds.reset(tokens[0])
        _tell.reset(tokens[1])


def bound(name: str) -> float:
    """Return a bound as it stands."""
    return _bounds.get()[name]


def require(name: str, amount: float, what: str) -> None:
    """Refuse an amount beyond its bound.

    Raises
    ------
    UsageError
        The message says how to raise the bound.
    """
    if amount > bound(name):
        message = f"{what}: the limit is {bound(name):.12g}."
        raise UsageError(message, hint=raising(name, f"{amount:.12g}"))


def require_room(name: str, packed: int, unpacked: int) -> None:
    """Refuse a file whose content is beyond all proportion to its size.

    Raises
    ------
    DataError
    """
    if unpacked > max(ROOM, bound("expansion") * packed):
        message = f"{packed} bytes unpack to {unpacked} or more: no log is as empty as that."
        raise DataError(message, file=name, hint=raising("expansion", "2000"))


def raising(name: str, value: str) -> str:
    """Return the hint that says how to raise a bound."""
    return f"If that is meant, raise the limit: --allow {name}={value}"


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait for another process, no longer than the bound; say so after a moment.

    Parameters
    ----------
    ready : callable
        Whether it has done its part.
    what : str
        What is waited for: `another process writes runs.store`.

    Raises
    ------
    DataError
        If it takes longer.
    """
    begun, told, limit = time.monotonic(), False, bound("wait")
    while not ready():
        waited, tell = time.monotonic() - begun, _tell.get()
        if waited > limit:
            hint = raising("wait", f"{10 * limit:g}")
            raise DataError(f"waited {limit:g} s: {what}.", hint=hint)
        if tell and not told and waited > NOTICED:
            tell(f"waiting up to {limit:g} s: {what}")
            told = True
        time.sleep(POLL)
