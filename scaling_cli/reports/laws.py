"""The catalogue of laws as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style


def catalogue(records: Sequence[Mapping[str, Any]], *, style: Style) -> str:
    """Return one entry per law: the equation, its inputs and parameters, its certified fits."""
    parts = [_entry(record, style) for record in records]
    return _layout.paragraphs([*parts, "'scaling laws NAME' tells the whole of one."])


def _entry(record: Mapping[str, Any], style: Style) -> str:
    units = [f"{s} ({q['unit']})" for s, q in record["inputs"].items()]
    lines = [
        style.paint(record["name"], "bold"),
        *_indented(record["formula"], style),
        *_indented(
            f"inputs {', '.join(units)}; parameters {', '.join(record['parameters'])}", style
        ),
        *_indented(f"certified fits: {', '.join(record['fits']) or 'none'}", style),
    ]
    return "\n".join(lines)


def _indented(text: str, style: Style) -> list[str]:
    return [f"  {line}" for line in _layout.wrap(text, style.width - 2)]


def law(record: Mapping[str, Any], *, style: Style) -> str:
    """Return everything about one law."""
    return _layout.paragraphs(
        [
            style.paint(record["name"], "bold")
            + "\n"
            + "\n".join(_indented(record["formula"], style)),
            "\n".join(_indented(record["notes"], style)) if record["notes"] else "",
            _layout.block("inputs", _inputs(record, style), style=style),
            _layout.block("parameters", _parameters(record, style), style=style),
            _layout.block("derived quantities", _derived(record, style), style=style),
            _conventions(record, style),
            _layout.block("certified fits", "\n".join(record["fits"]) or "none", style=style),
            _layout.block("source", f"{record['reference']}\n\n{record['bibtex']}", style=style),
        ]
    )


def _inputs(record: Mapping[str, Any], style: Style) -> str:
    quantities = {**record["inputs"], record["output"]["symbol"]: record["output"]}
    rows = [
        [s, q["column"], q["unit"], q["meaning"] + (" (the output)" if s in _out(record) else "")]
        for s, q in quantities.items()
    ]
    return _layout.table(["", "column", "unit", "meaning"], rows, align="<<<^", style=style)


def _out(record: Mapping[str, Any]) -> tuple[str]:
    return (record["output"]["symbol"],)


def _parameters(record: Mapping[str, Any], style: Style) -> str:
    rows = [
        [name, p["unit"], p["domain"], p["meaning"]] for name, p in record["parameters"].items()
    ]
    return _layout.table(["", "unit", "domain", "meaning"], rows, align="<<<^", style=style)


def _derived(record: Mapping[str, Any], style: Style) -> str:
    rows = [
        [f"{name}({', '.join(d['inputs'])})", d["unit"], d["meaning"]]
        for name, d in record["derived"].items()
    ]
    return _layout.table(["", "unit", "meaning"], rows, align="<<^", style=style)


def _conventions(record: Mapping[str, Any], style: Style) -> str:
    if not record["convention"]:
        return ""
    lines = [f"{symbol}: {how}" for symbol, how in record["convention"].items()]
    return _layout.block("conventions of the source", "\n".join(lines), style=style)
