"""How far something slow has come, for whoever watches."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

_T = TypeVar("_T")
Watcher = Callable[[int, int], None]  # of how many are done, and of how many there are
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(by: Watcher) -> Iterator[None]:
    """Tell a watcher how far what is done in this context has come."""
    token = _WATCHER.set(by)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def counted(items: Collection[_T]) -> Iterator[_T]:
    """Yield items one by one, and tell whoever watches how many are done."""
    watcher, size = _WATCHER.get(), len(items)
    for done, item in enumerate(items):
        if watcher is not None:
            watcher(done, size)
        yield item
