"""`sc.ingest`: logs into the Parquet store."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling_cli.runs.store import StoreReport


def ingest(data: Any, store: str | Path = "runs.store") -> "StoreReport":
    """Add runs to a store, or make it; doing it twice changes nothing.

    Parameters
    ----------
    data : whatever `read` understands
    store : path
    """
    from scaling_cli.ingest import as_runs
    from scaling_cli.runs.store import append

    runs = as_runs(data)
    report = append(store, runs)
    return replace(report, notes=(*runs.notes, *report.notes))
