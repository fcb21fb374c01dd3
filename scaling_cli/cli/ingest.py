"""Read logs into a Parquet store; doing it twice changes nothing."""

import os
from dataclasses import dataclass
from pathlib import Path

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling ingest runs/*.csv --store runs.store
scaling ingest logs/ --store runs.store --name '{params}_{tokens}'
"""
ORDER = 10


@dataclass(frozen=True)
class Store:
    """Where runs are kept."""

    store: Path = options.option(
        "DIR", "The store; made if it is not there.", default=Path("runs.store")
    )
    executor: str = options.option(
        "WHERE",
        "What reads the files: serial (this machine), or dask:tcp://HOST:PORT, whose workers see "
        "them under the same paths. The store is the same.",
        default="serial",
    )


@options.command
def ingest(
    given: options.Sources, into: Store, reading: options.Logs, asking: options.Telling
) -> None:
    """Read logs into a Parquet store; doing it twice changes nothing.

    Every other command reads a store like a file: scaling fit runs.store
    """
    from scaling_cli.cli import _process
    from scaling_cli.reports import runs as runs_report
    from scaling_cli.verbs import ingest as verb
    from scaling_cli.vocabulary.errors import UsageError

    sources = [text for text in given.sources if not _same(text, into.store)]
    if not sources:
        raise UsageError(
            f"{into.store} is the store itself: there is nothing to read into it.",
            hint="Give the logs; --store DIR names another store.",
        )
    with asking.terminal.status(f"reading into {into.store}"):
        record, sized = verb.filled(
            sources, into.store, reading.said, _process.keep_to_reading, into.executor
        )
    asking.result(record, lambda: runs_report.ingested(record, sized=sized, full=asking.full))


def _same(source: str, store: Path) -> bool:
    """Say whether a source is the store itself: `scaling ingest *` names it too."""
    return source != "-" and os.path.realpath(source) == os.path.realpath(store)
