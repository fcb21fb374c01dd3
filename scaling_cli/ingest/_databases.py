"""SQLite databases that tools keep their runs in: opened to be read, whatever state they are in.

Only tables are asked, never views, which can compute without end. What a running job has written
beside the file (`-wal`) is read with it, from a copy: nothing here writes where the logs are.
"""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scaling_cli.ingest._sources import SQLITE
from scaling_cli.vocabulary.errors import DataError

READERS = ("mlflow", "swanlab", "trackio")
_AHEAD = slice(18, 20)  # where the header says that new pages are written beside the file
_MADE = re.compile(rb'CREATE TABLE (?:IF NOT EXISTS )?["`\[]?(\w+)')
_ROWS = 65536  # that are held as Python objects at a time


def tables(path: str, head: bytes) -> set[str]:
    """Return the tables of a database; none if this is no database."""
    if not head.startswith(SQLITE):
        return set()
    try:
        if Path(path).is_file():
            with opened(path, None) as database:
                return set(tables_of(database))
    except DataError:
        return set()
    return {name.decode() for name in _MADE.findall(head)}


def tables_of(database: sqlite3.Connection) -> dict[str, set[str]]:
    """Return the tables that a database has, each with its columns."""
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    columns = "SELECT name FROM pragma_table_info(?)"
    return {name: {row[0] for row in database.execute(columns, (name,))} for (name,) in names}


@contextmanager
def opened(path: str, content: bytes | None) -> Iterator[sqlite3.Connection]:
    """Open a database.

    Parameters
    ----------
    path : str
    content : bytes, optional
        What was read of it.

    Raises
    ------
    DataError
        If it is damaged, now or when it is asked.
    """
    with tempfile.TemporaryDirectory(prefix="scaling-") as scratch:
        try:
            database = _connected(path, content, Path(scratch))
            try:
                database.execute("PRAGMA trusted_schema = OFF")
                yield database
            finally:
                database.close()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            hint = "Copy it again while nobody writes it, with what lies beside it (-wal)."
            message = f"the SQLite database is damaged: {error}."
            raise DataError(message, file=path, hint=hint) from error


def _connected(path: str, content: bytes | None, scratch: Path) -> sqlite3.Connection:
    file, ahead = Path(path), Path(f"{path}-wal")
    if file.is_file() and ahead.is_file() and ahead.stat().st_size:
        for part, name in ((file, "copy"), (ahead, "copy-wal")):
            shutil.copyfile(part, scratch / name)
        return sqlite3.connect(scratch / "copy")
    if content is None:
        return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    database = sqlite3.connect(":memory:")
    whole = bytearray(content)
    whole[_AHEAD] = b"\x01\x01"  # a copy in memory has nothing beside it
    database.deserialize(bytes(whole))
    return database


def rows(database: sqlite3.Connection, query: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a query in blocks."""
    cursor = database.execute(query, values)
    while block := cursor.fetchmany(_ROWS):
        yield block
