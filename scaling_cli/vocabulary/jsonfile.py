"""JSON as this package writes and reads it: full precision, NaN as null, files replaced whole."""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli.vocabulary.errors import DataError


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
    """Write a JSON file atomically (temporary file in the same folder, fsync, replace)."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf8") as stream:
            stream.write(to_json(record) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_fit_record(path: str | os.PathLike[str]) -> Any:
    """Return the JSON value that a fit file holds.

    Raises
    ------
    DataError
        If the file is missing or is not JSON.
    """
    try:
        text = Path(path).read_text(encoding="utf8")
    except OSError as error:
        raise DataError(f"cannot read the fit file: {error.strerror}.", file=str(path)) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg}.",
            file=str(path),
            row=error.lineno,
            hint="Write it again with 'scaling fit ... -o fit.json'.",
        ) from error
