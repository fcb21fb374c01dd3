"""JSON as this package writes and reads it: full precision, NaN as null, files replaced whole."""

import errno
import glob
import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli.vocabulary.errors import DataError, UsageError

SCHEMA_VERSION = 1
_PARTIAL = ".scaling-partial"
BROKEN_OFF = "The file breaks off or was changed: write it again with the command that wrote it."
NO_RESULT = (
    "A result that scaling wrote with -o or --json is wanted here. Logs and tables of runs are for "
    "'scaling runs', 'fit' and 'forecast'; points to predict at, for --points."
)


def nulls(value: Any) -> Any:
    """Replace NaN and infinity by None, NumPy scalars by Python's, all the way down."""
    if isinstance(value, Mapping):
        return {str(k): nulls(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [nulls(v) for v in value]
    if isinstance(value, np.ndarray):
        return nulls(value.tolist())
    if isinstance(value, np.generic):
        return nulls(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_json(record: Any) -> str:
    """Serialise a record for people and machines: full precision, NaN as null."""
    return json.dumps(nulls(record), indent=1, allow_nan=False, ensure_ascii=False)


def write_json(path: str | os.PathLike[str], record: Any) -> None:
    """Write a JSON file; see `write_whole`. What is no text in a file name becomes an escape."""
    write_whole(path, f"{to_json(record)}\n".encode("utf8", "backslashreplace"))


def write_whole(
    path: str | os.PathLike[str],
    content: bytes,
    *,
    partial: Path | None = None,
    mode: int | None = None,
) -> None:
    """Write a file so that it is there whole or not at all: a killed process leaves the old one.

    Of a symbolic link the file that it leads to is replaced. The umask says who may read it, and
    nobody may who could not before. A device or a pipe is written into, not replaced. What a
    killed process left half written is deleted by the next that writes the same file.

    Parameters
    ----------
    path : path
    content : bytes
    partial : path, optional
        What it is called until it is whole, on the same disk. Default: a hidden file beside it.
    mode : int, optional
        Who may read and write it.
    """
    given = Path(path)
    if given.exists() and not given.is_file():
        given.write_bytes(content)
        return
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    allowed = target.stat().st_mode if target.exists() else 0o777
    if partial is None:
        _sweep(target)
        partial = target.with_name(f".{target.name}.{os.getpid()}{_PARTIAL}")
    try:
        with partial.open("wb") as stream:
            own = stat.S_IMODE(partial.stat().st_mode & allowed)
            os.chmod(partial, own if mode is None else mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _sweep(target: Path) -> None:
    """Delete what processes that are dead left of a file."""
    head = f".{target.name}."
    for left in target.parent.glob(f"{glob.escape(head)}*{_PARTIAL}"):
        process = left.name.removeprefix(head).removesuffix(_PARTIAL)
        if process.isdecimal() and not _lives(int(process)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if sys.platform == "win32":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Refuse a place that cannot be written, in words.

    Raises
    ------
    UsageError
        With what the system says.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {os.fspath(path)}: {error.strerror}.") from error


def stamped(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record that says which version of the contract it follows."""
    return {"schema_version": SCHEMA_VERSION, **record}


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the JSON value that a file holds.

    Raises
    ------
    DataError
        If the file cannot be read or is not JSON, which has no NaN and no infinity.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf8"), parse_constant=_refuse)
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror}.", file=str(path)) from error
    except json.JSONDecodeError as error:
        told, begun = f"not JSON: {error.msg}.", error.doc.lstrip().startswith("{")
        hint = BROKEN_OFF if begun else NO_RESULT
        raise DataError(told, hint=hint, file=str(path), row=error.lineno) from error
    except UnicodeDecodeError as error:
        raise DataError("not JSON: not even text.", hint=NO_RESULT, file=str(path)) from error
    except RecursionError as error:
        raise DataError("not JSON that can be read: too deep.", file=str(path)) from error
    except ValueError as error:
        raise DataError(f"not JSON that can be read: {error}.", file=str(path)) from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
