"""Lines by a regular expression of the user's: its named groups are the columns.

It is searched in every line by RE2, whose time grows with the length of the line and no faster,
whatever the expression.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import canonical_of
from scaling_cli.ingest._sources import NULLS, Raw
from scaling_cli.ingest._trainers import pieces
from scaling_cli.vocabulary.errors import DataError, UsageError

READER, VERSION = "pattern", "1"
_SUCH_AS = r"Such as --pattern 'step=(?P<step>\d+) loss=(?P<loss>\S+)'."


def check_pattern(pattern: str) -> str:
    """Return the expression, if it is one and has a group for a step, tokens or a loss.

    Raises
    ------
    UsageError
    """
    try:
        kind = _extracted(pa.array([""], pa.string()), pattern).type
    except pa.ArrowInvalid as error:
        told = " ".join(str(error).split())
        hint = f"Every group has a name (or is (?:...)), and nothing looks ahead. {_SUCH_AS}"
        raise UsageError(f"--pattern {pattern!r}: {told}.", hint=hint) from error
    names = [kind.field(i).name for i in range(kind.num_fields)]
    if not any(canonical_of(name) in ("loss", "val_loss") for name in names):
        told = f"its groups are {', '.join(names)}" if names else "it has no named group"
        raise UsageError(f"--pattern {pattern!r}: {told}; one must be a loss.", hint=_SUCH_AS)
    return pattern


def _extracted(lines: pa.Array, pattern: str) -> pa.StructArray:
    options = pc.ExtractRegexOptions(pattern)
    return pc.call_function("extract_regex", [lines], options)


def read(path: str, content: bytes, pattern: str) -> Raw:
    """Read the lines that a pattern fits.

    Raises
    ------
    DataError
        If it fits none.
    """
    every = list(pieces(content))
    lines = pa.array([piece.text for piece in every], pa.string())
    cells = _extracted(lines, pattern)
    fits = np.asarray(cells.is_valid().to_numpy(zero_copy_only=False), bool)
    if not fits.any():
        message = f"none of the {len(every)} line(s) fits --pattern {pattern!r}."
        raise DataError(
            message, file=path, hint="It is searched anywhere in a line; ^ is its start."
        )
    rows = np.flatnonzero(fits)
    names = [cells.type.field(i).name for i in range(cells.type.num_fields)]
    columns = {name: _column(cells.field(name).take(pa.array(rows))) for name in names}
    numbers = np.array([piece.number for piece in every])
    cut = bool(fits[-1]) and not content.endswith((b"\n", b"\r"))
    raw = Raw(path, columns, numbers[rows], np.zeros(len(rows), np.int16), cut=cut)
    if len(rows) == len(every):
        return raw
    told = f"{len(every) - len(rows)} of {len(every)} line(s) do not fit --pattern"
    return replace(raw, notes=(raw.note("other-lines", "info", f"{told} and were passed over."),))


def _column(cells: pa.Array) -> pa.Array:
    """Return what a group took; nothing where it took none, or what stands for no value."""
    text = pc.call_function("utf8_trim_whitespace", [cells])
    none = pc.call_function("is_in", [text], pc.SetLookupOptions(pa.array(NULLS)))
    return pc.call_function("if_else", [none, pa.scalar(None, pa.string()), text])
