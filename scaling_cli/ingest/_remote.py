"""Logs in object stores (`s3://`, `gs://`), by fsspec: copied to a folder of this process.

What is read is the copy; what is said of it, and what a store knows it by, is the address.
"""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from scaling_cli.ingest._sources import Source
from scaling_cli.vocabulary.errors import DataError

# What an address begins with -> the package that fsspec reads it with, and the extra that has it.
_PACKAGES = {
    "s3": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "gcs": ("gcsfs", "gs"),
    "memory": ("fsspec", "s3"),
}
_PATTERN = "*?["
_MAY_NOT = (
    "Is the address right, and may you read it? Credentials are taken from the environment, as the "
    "tools of the store take them."
)


def is_address(given: Any) -> bool:
    """Say whether this is the address of what lies in an object store."""
    return isinstance(given, str) and given.partition("://")[0] in _PACKAGES and "://" in given


def fetched(address: str) -> list[Source]:
    """Return the files at an address: an object, all below a prefix, or those of a glob.

    Raises
    ------
    DataError
        If the package is not installed, nothing is there, or it may not be read.
    """
    kind = address.partition("://")[0]
    package, extra = _PACKAGES[kind]
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
        if any(sign in path for sign in _PATTERN):
            names, asked = sorted(system.glob(path)), True
        elif system.isfile(path):
            names, asked = [path], True
        else:
            names, asked = sorted(system.find(path)), False
        return _copies(system, path, names, asked=asked)
    except ImportError as error:
        message = f"reading {kind}:// needs the package {package}, which is not installed."
        hint = f"pip install 'scaling-cli[{extra}]'"
        raise DataError(message, file=address, hint=hint) from error
    except DataError:
        raise
    except Exception as error:  # each store has exceptions of its own
        told = f"it cannot be read ({type(error).__name__}: {str(error).rstrip('.')})."
        raise DataError(told, file=address, hint=_MAY_NOT) from error


def _copies(system: Any, path: str, names: Sequence[str], *, asked: bool) -> list[Source]:
    """Return copies of objects, which lie to each other as the objects do."""
    here = [name for name in names if not _is_hidden(name, path)]
    if not here:
        raise DataError("nothing is there.", file=system.unstrip_protocol(path), hint=_MAY_NOT)
    sources = []
    for name in here:
        address = system.unstrip_protocol(name)
        copy = _folder() / PurePosixPath(address.replace("://", "/", 1))
        if ".." in copy.parts:
            raise DataError("its name has '..' in it.", file=address, hint="Copy it elsewhere.")
        copy.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(name, str(copy))
        source = replace(Source(address, copy), asked=asked)
        vars(source)["uri"] = address
        sources.append(source)
    return sources


def _is_hidden(name: str, below: str) -> bool:
    """Say whether a part of a name below an address begins with a dot."""
    parts = PurePosixPath(name).parts[len(PurePosixPath(below).parts) :]
    return any(part.startswith(".") for part in parts)


@cache
def _folder() -> Path:
    """Return the folder of the copies, which goes when this process does."""
    folder = tempfile.mkdtemp(prefix="scaling-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
