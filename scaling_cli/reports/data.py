"""Dataset cards."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Command, Labelled, Table, Text, section

SHOWN = 12  # columns named in the list


def blocks(records: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return one entry per data set."""
    entries: list[Block] = [section(record["name"], _card(record)) for record in records]
    return [*entries, Text(["'scaling data fetch NAME' brings one to this machine."])]


def _card(record: Mapping[str, Any]) -> list[str]:
    size = sum(file["size"] for file in record["files"])
    origin = "shipped" if record["shipped"] else f"from {record['source']}"
    files = _numbers.count(len(record["files"]), "file")
    names = ", ".join(_numbers.some([column["name"] for column in record["columns"]], SHOWN))
    return [
        record["title"],
        f"licence: {record['licence']}",
        f"columns: {names}",
        f"{files}, {_bytes(size)}, {origin}",
    ]


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def fetched(record: Mapping[str, Any]) -> list[Block]:
    """Return where the table of a data set is and what it holds."""
    rows = [[c["name"], c["unit"] or "text", c["convention"] or ""] for c in record["columns"]]
    lines = [
        f"{record['name']}: {record['title']}",
        f"{_numbers.count(record['rows'], 'row')}, SHA-256 of "
        f"{_numbers.count(len(record['files']), 'file')} as the card says",
        f"licence: {record['licence']}",
        *record["notes"],
    ]
    return [
        Text(lines),
        Table(["column", "unit", "convention"], rows, "<^^"),
        Labelled("table", [record["table"]]),
        Command.of("next", "scaling", "fit", record["table"]),
    ]
