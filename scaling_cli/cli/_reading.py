"""Reading sources under the options that `ingest`, `runs` and `fit` share."""

from typing import TYPE_CHECKING

from scaling_cli.cli import _process
from scaling_cli.cli._options import pairs
from scaling_cli.cli._terminal import Terminal

if TYPE_CHECKING:
    from scaling_cli.runs.table import Runs


def read(
    sources: list[str],
    terminal: Terminal,
    *,
    mapped: list[str] | None,
    constants: list[str] | None,
    meta: str | None,
    name: str | None,
    format: str | None,
) -> "Runs":
    """Read sources; the names of the options are those of `scaling_cli.ingest.read`."""
    columns, values = pairs(mapped, "map"), pairs(constants, "set")
    with terminal.status("reading"):
        _process.keep_pandas_out()
        from scaling_cli import ingest

        return ingest.read(*sources, map=columns, set=values, meta=meta, name=name, format=format)
