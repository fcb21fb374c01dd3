"""Compiled executables outlive the process: kept in the user's cache folder.

Only the command line turns it on, by an environment variable that the engine reads: a library
must not write files unasked. Files are written atomically and carry a digest, so processes share
the folder; one that cannot be written costs compilation each time.
"""

import os
from contextlib import suppress
from pathlib import Path

VARIABLE = "SCALING_EXECUTABLES"  # read by engine.compiled, which must not be imported here


def folder() -> Path:
    """Return where executables are kept: $SCALING_CACHE, else the user's cache folder."""
    base = os.environ.get("SCALING_CACHE")
    if base:
        return Path(base) / "executables"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "scaling-cli" / "executables"


def enable() -> None:
    """Keep compiled executables, unless the user has chosen a folder already."""
    with suppress(RuntimeError):  # a user without a home has no cache
        os.environ.setdefault(VARIABLE, str(folder()))
