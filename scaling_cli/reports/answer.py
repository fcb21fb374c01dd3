"""What a verb answers where the answer is no stored thing: its entries, a line each."""

from collections.abc import Mapping
from typing import Any

from scaling_cli.reports._blocks import Block, Table

SHOWN = 60  # characters of a value, in one line


def blocks(answer: Mapping[str, Any], *, full: bool = False) -> list[Block]:
    """Return the entries, each cut where a line ends unless everything is asked for."""
    rows = [(key, f"{value}") for key, value in answer.items()]
    cut = [(k, v if full or len(v) <= SHOWN else f"{v[:SHOWN]}...") for k, v in rows]
    return [Table(["", ""], cut, "<<")]
