"""Compiled executables outlive the process: XLA's persistent cache in the user's cache folder.

Only the command line turns it on: a library must not change a process's configuration unasked.
The cache is keyed by program and machine, written atomically by JAX and shared by processes; a
folder that cannot be written only costs compilation.
"""

import os
from pathlib import Path

import jax


def folder() -> Path:
    """Return where executables are kept: $SCALING_CACHE, else the user's cache folder."""
    base = os.environ.get("SCALING_CACHE")
    if base:
        return Path(base) / "jax"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "scaling-cli" / "jax"


def enable() -> None:
    """Keep compiled executables, unless the user has configured a cache already."""
    if getattr(jax.config, "jax_compilation_cache_dir", None):  # set by JAX_COMPILATION_CACHE_DIR
        return
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # a read-only home: compile each time
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
