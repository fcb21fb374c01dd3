"""Bytes of files and pipes that people name, without waiting or reading on without end."""

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from scaling_cli.vocabulary.bounds import bound, raising, wait_until
from scaling_cli.vocabulary.errors import DataError

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)


def read_file(path: Path, name: str, size: int = -1) -> tuple[bytes, os.stat_result]:
    """Return the first bytes of a file or a pipe, all of them by default, and what it was then.

    Parameters
    ----------
    path : Path
    name : str
        What it is called in messages.
    size : int

    Raises
    ------
    DataError
        If it cannot be read, nobody writes into the pipe, or it never ends.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_WAITING | _BINARY)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if stat.S_ISFIFO(status.st_mode):
                wait_until(lambda: _written(descriptor), f"nothing is written into {name} yet")
            if sys.platform != "win32":
                os.set_blocking(descriptor, True)
            if size >= 0 or stat.S_ISREG(status.st_mode):
                return stream.read(size), status
            return read_stream(stream, name), status
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror}.", file=name) from error


def read_stream(stream: BinaryIO, name: str) -> bytes:
    """Return the bytes of what need not end.

    Raises
    ------
    DataError
        If it gives more than the bound.
    """
    most = int(bound("piped"))
    content = stream.read(most + 1)
    if len(content) > most:
        message = f"it gives more than {most} bytes, the limit of what is no file."
        hint = f"Write it into a file. {raising('piped', '10e9')}"
        raise DataError(message, file=name, hint=hint)
    return content


def as_text(name: str) -> str:
    """Return a name with what is no text in it as escapes, so that tables and JSON can hold it."""
    return name.encode("utf8", "backslashreplace").decode()


def _written(pipe: int) -> bool:
    """Say whether a pipe has been written into; one that nobody has opened yet is silent."""
    import select

    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(0))
