"""Compiled executables outlive the process: JAX's persistent cache in the user's cache folder.

Only the command line turns it on, by environment variables set before JAX is imported: a library
must not change a process's configuration unasked. JAX keys the cache by program and machine and
writes it atomically, so processes share it; a folder that cannot be written costs compilation.
"""

import os
from pathlib import Path

SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def folder() -> Path:
    """Return where executables are kept: $SCALING_CACHE, else the user's cache folder."""
    base = os.environ.get("SCALING_CACHE")
    if base:
        return Path(base) / "jax"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "scaling-cli" / "jax"


def enable() -> None:
    """Keep compiled executables, unless the user has configured JAX's cache already."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # a read-only home: compile each time
    if os.access(place, os.W_OK):
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(place)
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
