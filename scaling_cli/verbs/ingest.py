"""`sc.ingest`: logs into the Parquet store."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_cli.runs.store import StoreReport
    from scaling_cli.runs.table import Runs


def ingest(data: Any, store: str | Path = "runs.store") -> "StoreReport":
    """Add runs to a store, or make it; doing it twice changes nothing.

    Parameters
    ----------
    data : whatever `read` understands
    store : path
    """
    from scaling_cli.ingest import are_several
    from scaling_cli.runs.store import append
    from scaling_cli.runs.table import Runs

    if not isinstance(data, Runs):
        return put(data if are_several(data) else [data], store)[1]
    report = append(store, data)
    return replace(report, notes=(*data.notes, *report.notes))


def put(sources: Sequence[Any], store: str | Path, **said: Any) -> "tuple[Runs, StoreReport]":
    """Return what was read of sources, with the options of `read`, and what the store made of it.

    Files that the store holds as they are are not read again.
    """
    from scaling_cli.ingest import read, read_beside
    from scaling_cli.runs.store import OutdatedError, append

    beside = read_beside(store, *sources, **said)
    runs = beside.runs
    try:
        report = append(store, runs, unread=beside.unread, later=beside.later)
    except OutdatedError:  # another process has changed it since
        runs = read(*sources, **said)
        report = append(store, runs)
    return runs, replace(report, notes=(*runs.notes, *report.notes))
