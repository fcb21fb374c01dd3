"""Show what was understood: runs, ranges, columns with unit and convention, problems."""

from typing import TYPE_CHECKING, Any

from scaling_cli.cli import _options as options
from scaling_cli.cli._reading import read
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.runs.table import Runs

EXAMPLE = """
scaling runs runs/*.csv
scaling runs logs/ --name '{params}_{tokens}' --map loss=eval/c4
"""
ORDER = 20


def runs(
    *,
    sources: options.Sources,
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
    """Show what was understood: runs, ranges, columns with unit and convention, problems.

    Nothing is fitted and nothing is written: look here before you fit.
    """
    del debug
    from scaling_cli.reports import runs as runs_report

    terminal = Terminal(json=json, quiet=quiet)
    found = read(
        sources, terminal, mapped=mapped, constants=constants, meta=meta, name=name, format=format
    )
    record = describe(found)
    terminal.result(lambda: runs_report.blocks(record, full=full), record)


def describe(found: "Runs") -> dict[str, Any]:
    """Return what `scaling runs --json` prints."""
    from dataclasses import asdict

    summary = found.summary()
    return {
        "runs": summary,
        "ranges": ranges(summary),
        "columns": [asdict(reading) for reading in found.columns],
        "notes": [asdict(note) for note in found.notes],
    }


def ranges(summary: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return [smallest, largest] of N, D, C and L over the runs that state them."""
    import math

    from scaling_cli.vocabulary.quantities import C, D, L, N

    found = {}
    for quantity in (N, D, C, L):
        values = [run.get(quantity.column) for run in summary]
        known = [float(v) for v in values if v is not None and math.isfinite(v)]
        if known:
            found[quantity.symbol] = [min(known), max(known)]
    return found
