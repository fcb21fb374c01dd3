"""Show what was understood: runs, ranges, columns with unit and convention, problems."""

from scaling_cli.cli import _options as options

EXAMPLE = """
scaling runs runs/*.csv
scaling runs logs/ --name '{params}_{tokens}' --map loss=eval/c4
"""
ORDER = 20


@options.command
def runs(given: options.Sources, reading: options.Reading, asking: options.Telling) -> None:
    """Show what was understood: runs, ranges, columns with unit and convention, problems.

    Nothing is fitted and nothing is written: look here before you fit.
    """
    from dataclasses import replace

    from scaling_cli.runs.change import missing

    read = reading.read(given.sources, asking)
    asking.tell(replace(read, notes=[*read.notes, *missing(read.sources)]))
