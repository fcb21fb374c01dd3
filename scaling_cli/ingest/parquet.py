"""Parquet files written by pandas, polars, DuckDB, W&B exports and the like."""

import pyarrow as pa
import pyarrow.parquet

from scaling_cli.ingest._sources import Raw, format_ending, raw_of
from scaling_cli.vocabulary.bounds import require_room
from scaling_cli.vocabulary.errors import DataError

VERSION = "1"
NAMES = ("parquet",)
LOOKED_FOR = "*.parquet"
CELL = 8  # bytes
_MAGIC = b"PAR1"


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like Parquet: its first four bytes say so."""
    if head.startswith(_MAGIC):
        return 0.95  # an export of a known tool is known better
    return 0.5 if format_ending(path) in (".parquet", ".pq") else 0.0


def read(path: str, content: bytes) -> list[Raw]:
    """Read a Parquet file; rows are counted from 1.

    Raises
    ------
    DataError
        If it is empty, cut or not Parquet.
    """
    if not content:
        raise DataError("the file is empty.", file=path, hint="Was it written at all?")
    try:
        file = pyarrow.parquet.ParquetFile(pa.BufferReader(content))
        cells = file.metadata.num_rows * file.metadata.num_columns
        require_room(path, len(content), CELL * cells)
        table = file.read()
        table.validate(full=True)  # texts in UTF-8, too
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise DataError(
            "not a whole Parquet file.", file=path, hint="Copy it again; was the writer closed?"
        ) from error
    return [raw_of(path, table)]
