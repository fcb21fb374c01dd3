"""Parquet files written by pandas, polars, DuckDB, W&B exports and the like."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from scaling_cli.ingest._raw import Raw, format_ending
from scaling_cli.vocabulary.errors import DataError

VERSION = "1"
NAMES = ("parquet",)
LOOKED_FOR = "*.parquet"
_MAGIC = b"PAR1"


def sniff(path: str, head: bytes) -> float:
    """Return how much this looks like Parquet: its first four bytes say so."""
    if head.startswith(_MAGIC):
        return 1.0
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
        table = pyarrow.parquet.read_table(pa.BufferReader(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            "not a whole Parquet file.", file=path, hint="Copy it again; was the writer closed?"
        ) from error
    return [raw_of(path, table)]


def raw_of(file: str, table: pa.Table) -> Raw:
    """Wrap an Arrow table; columns that are neither numbers nor text become text."""
    columns = {name: _plain(table[name].combine_chunks()) for name in table.column_names}
    lines = np.arange(1, table.num_rows + 1)
    return Raw(file, columns, lines, np.zeros(table.num_rows, np.int16))


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_boolean(kind):
        return pc.call_function("if_else", [column, pa.scalar("True"), pa.scalar("False")])
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind):
        return column
    if pa.types.is_decimal(kind):
        return pc.cast(column, pa.float64())
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    return pa.array(texts, pa.string())
