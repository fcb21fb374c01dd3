"""Files that commands write: refused before the work, not after it, where they could not be."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scaling_cli.vocabulary.errors import UsageError


def writable(path: str | None, what: str = "", known: Sequence[str] = ()) -> str | None:
    """Return the path as it is, if a file can be written there.

    Parameters
    ----------
    path : str, optional
    what : str
        What is written, for the message.
    known : sequence of str
        Suffixes that say how; any without.

    Raises
    ------
    UsageError
        If its suffix is none of these, its folder is not there or cannot be written, or it is a
        folder itself.
    """
    if path is None:
        return None
    file = Path(path)
    if known and file.suffix.lower() not in known:
        raise UsageError(
            f"cannot write {what} as {file.name!r}.",
            hint=f"Use a name that ends in {', '.join(known)}.",
        )
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {file.parent}.")
    if file.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder.", hint="Give a file name with -o.")
    replaced = file.is_file() or not file.exists()  # a device or a pipe is written into
    if replaced and not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"cannot write {path}: the folder {file.parent} is not writable.",
            hint="Give another place with -o.",
        )
    return path


def write(to_file: Callable[[Any], Any], path: str | None) -> str | None:
    """Write a file and return the sentence that says so.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    if path is None:
        return None
    from scaling_cli.reports._checks import REPLACED  # late: --help needs none
    from scaling_cli.vocabulary.jsonfile import writing

    replaced = Path(path).is_file()
    with writing(path):
        to_file(path)
    return f"{path}{REPLACED}" if replaced else path


def drawable(*, json: bool) -> None:
    """Refuse a plot in the terminal where it cannot be, before anything is computed.

    Raises
    ------
    UsageError
        With --json, or without plotext.
    """
    from scaling_cli.plots._term import plotext

    if json:
        raise UsageError("--draw draws for people: leave --json out.")
    plotext()
