"""Read logs into a Parquet store; doing it twice changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling_cli.cli import _options as options
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.runs.store import StoreReport
    from scaling_cli.runs.table import Runs

EXAMPLE = """
scaling ingest runs/*.csv --store runs.store
scaling ingest logs/ --store runs.store --name '{params}_{tokens}'
"""
ORDER = 10


def ingest(
    *,
    sources: options.Sources,
    store: Annotated[
        Path, typer.Option(metavar="DIR", help="The store; made if it is not there.")
    ] = Path("runs.store"),
    mapped: options.Map = None,
    constants: options.Set = None,
    meta: options.Meta = None,
    name: options.Name = None,
    format: options.Format = None,
    full: options.Full = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Read logs into a Parquet store; doing it twice changes nothing.

    Every other command reads a store like a file: scaling fit runs.store
    """
    del debug
    from scaling_cli.reports import runs as runs_report
    from scaling_cli.runs import store as stores

    terminal = Terminal(json=json, quiet=quiet)
    found = read(
        sources, terminal, mapped=mapped, constants=constants, meta=meta, name=name, format=format
    )
    with terminal.status(f"writing {store}"):
        report = stores.append(store, found)
    record = describe(report, found)
    terminal.result(lambda: runs_report.ingested(record, full=full), record)


def describe(report: "StoreReport", found: "Runs") -> dict[str, Any]:
    """Return what `scaling ingest --json` prints."""
    from dataclasses import asdict

    return {
        "store": report.path,
        "added": list(report.added),
        "replaced": list(report.replaced),
        "unchanged": list(report.unchanged),
        "removed": list(report.removed),
        "points": report.points,
        "notes": [asdict(note) for note in found.notes],
    }
