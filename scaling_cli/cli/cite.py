"""Print what to cite for a fit: its law, its numbers, its data, this tool."""

from scaling_cli.cli import _options as options
from scaling_cli.cli.show import Stored

EXAMPLE = """
scaling cite fit.json
scaling cite chinchilla/besiroglu-2024 >> paper.bib
"""
ORDER = 64


@options.command
def cite(which: Stored, asking: options.Asking) -> None:
    """Print what to cite for a fit: its law, its numbers, its data, this tool.

    What is printed can be appended to a .bib file: BibTeX passes over what stands between entries.
    """
    from scaling_cli.reports import cite as report
    from scaling_cli.verbs import cite as verb

    record = verb.cite(which.stored)
    asking.result(record.to_dict(), lambda: report.blocks(record))
