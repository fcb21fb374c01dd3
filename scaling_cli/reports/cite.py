"""What to cite, as BibTeX, which passes over what stands between its entries."""

from collections.abc import Mapping
from typing import Any

from scaling_cli.reports._blocks import Block, Text


def blocks(record: Mapping[str, Any], *, full: bool = False) -> list[Block]:
    """Return the entries, each under a comment that says what it is for."""
    del full
    entries = [f"% what {record['name']} rests on"]
    if record["source"]:
        entries.append(f"% its numbers: {record['source']}")
    if (data := record["data"]) is not None:
        entries.append(f"% its data: {data['title']} ({data['licence']}). {data['citation']}")
    for law in record["laws"]:
        entries += [f"% the law {law['name']}: {law['reference']}", law["bibtex"]]
    every = [*filter(None, entries), record["software"]["bibtex"]]
    return [Text([line for entry in every for line in entry.splitlines()])]
