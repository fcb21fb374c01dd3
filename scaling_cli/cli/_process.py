"""What a process that is ours alone may do: keep pandas out of it.

pyarrow asks at its first conversion whether pandas is there, and imports it to find out: a third
of a second, for a command line that has no DataFrame anywhere. Told once that there is none, it
does not ask again. A process that others share (a notebook, a test) is left as it is.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

from scaling_cli.vocabulary import workers

COLLECT_AFTER = 500_000  # containers: a short command ends with fewer
_ours: list[bool] = []


class _NoPandas(MetaPathFinder):
    """Answers the question for pandas with no."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("kept out of the command line", name=fullname)


def claim() -> None:
    """Say that this process runs one command, or a part of it, and ends."""
    _ours.append(True)
    workers.allow(begin)
    # Importing makes a million objects that stay: looking through them for garbage every 700
    # containers costs a tenth of the start.
    gc.set_threshold(COLLECT_AFTER, 10, 10)


def begin() -> None:
    """Be a process that another one of ours has started."""
    claim()
    keep_pandas_out()


def keep_to_reading() -> None:
    """Let NumPy start no threads that multiply matrices, in a process that has none; nor pandas."""
    if _ours and "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_pandas_out()


def keep_pandas_out() -> None:
    """Let pyarrow find no pandas, in a process of ours that has not imported it."""
    if not _ours or "pandas" in sys.modules:
        return
    import pyarrow

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pyarrow.array([0.0])  # asks
    finally:
        sys.meta_path.remove(finder)
