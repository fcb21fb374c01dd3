"""Dataset cards as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style

SHOWN = 12  # columns named in the list


def cards(records: Sequence[Mapping[str, Any]], *, style: Style) -> str:
    """Return one entry per data set."""
    parts = [_card(record, style) for record in records]
    return _layout.paragraphs([*parts, "'scaling data fetch NAME' brings one to this machine."])


def _card(record: Mapping[str, Any], style: Style) -> str:
    size = sum(file["size"] for file in record["files"])
    origin = "shipped" if record["shipped"] else f"from {record['source']}"
    files = _layout.count(len(record["files"]), "file")
    names = ", ".join(_layout.some([column["name"] for column in record["columns"]], SHOWN))
    lines = [
        record["title"],
        f"licence: {record['licence']}",
        f"columns: {names}",
        f"{files}, {_bytes(size)}, {origin}",
    ]
    below = [f"  {part}" for line in lines for part in _layout.wrap(line, style.width - 2)]
    return "\n".join([style.paint(record["name"], "bold"), *below])


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def fetched(record: Mapping[str, Any], *, style: Style) -> str:
    """Return where the table of a data set is and what it holds."""
    rows = [[c["name"], c["unit"] or "text", c["convention"] or ""] for c in record["columns"]]
    table = _layout.table(["column", "unit", "convention"], rows, align="<<<", style=style)
    lines = [
        f"{record['name']}: {record['title']}",
        f"{_layout.count(record['rows'], 'row')}, SHA-256 of "
        f"{_layout.count(len(record['files']), 'file')} as the card says",
        f"licence: {record['licence']}",
        *record["notes"],
    ]
    return _layout.paragraphs(
        [
            "\n".join(part for line in lines for part in _layout.wrap(line, style.width)),
            table,
            _layout.labelled("table", record["table"], style=style)
            + "\n"
            + _layout.labelled("next", f"scaling fit {record['table']}", style=style),
        ]
    )
