"""How many processes may work side by side here, and what each of them begins with.

One, in a program of others: what they have in memory and in their main module is theirs. The
command line says that a process is its own.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar

_BEGIN: ContextVar[Callable[[], None] | None] = ContextVar("begin", default=None)


def allow(begin: Callable[[], None]) -> None:
    """Let processes be started from here on; each calls this function of a module first."""
    _BEGIN.set(begin)


def beginning() -> Callable[[], None] | None:
    """Return what a process calls first; None where none may be started."""
    return _BEGIN.get()


def processors() -> int:
    """Return how many processors this process may use: a job's share, where that is known."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
