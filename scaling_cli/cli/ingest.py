"""Read logs into a Parquet store; doing it twice changes nothing."""

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


@options.command
def ingest(
    given: options.Sources, into: Store, reading: options.Reading, asking: options.Telling
) -> None:
    """Read logs into a Parquet store; doing it twice changes nothing.

    Every other command reads a store like a file: scaling fit runs.store
    """
    from scaling_cli.reports import runs as runs_report
    from scaling_cli.verbs import ingest as verb

    runs = reading.read(given.sources, asking)
    with asking.terminal.status(f"writing {into.store}"):
        record = verb.ingest(runs, into.store).to_dict()
    sized = runs.runs["params"].null_count < len(runs)
    asking.result(record, lambda: runs_report.ingested(record, sized=sized, full=asking.full))
