"""Intervals by several methods: one table per number, then what each method rests on."""

import math
from collections.abc import Sequence
from itertools import groupby

from scaling_cli import laws
from scaling_cli.point_fits.intervals import Comparison, Interval
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Table, Text

SHOWN = 3  # notes on the first screen


def blocks(compared: Comparison, *, full: bool = False) -> list[Block]:
    """Return what `scaling profile` prints: a table per number, and what each method rests on."""
    groups = groupby(compared.intervals, key=lambda i: (i.of, tuple(i.inputs.items())))
    tables: list[Block] = [_table(compared, list(of_one)) for _, of_one in groups]
    notes = compared.notes if full else _numbers.listed(compared.notes, SHOWN, full=False)
    return [*tables, Text(list(notes))]


def _table(compared: Comparison, intervals: Sequence[Interval]) -> Table:
    first, output = intervals[0], laws.get(compared.law).output()
    called = {output.symbol: compared.target} if compared.target else {}
    columns = [
        ("method", "^", lambda i: i.method),
        ("of", "^", lambda i: i.kind),
        (f"{_numbers.level(first.level)} interval", "<", _ends),
        ("half-width", ">", _half_width),
    ]
    at = ", ".join(
        f"{called.get(s, s)} = {_numbers.quantity(v, s)}" for s, v in first.inputs.items()
    )
    own = compared.target or output.column
    name = own if at and first.of == output.symbol else first.of
    title = f"{name} at {at}" if at else name
    return Table.of(intervals, columns, f"{title} = {first.value:.6g}")


def _ends(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "-"
    return _numbers.interval((interval.low, interval.high), _numbers.parameter)


def _half_width(interval: Interval) -> str:
    """Return half the width over the value; `-` where an end is open."""
    if interval.low is None or interval.high is None:
        return "-"
    width = interval.high - interval.low
    return (
        f"+/-{_numbers.percent(width / (2 * abs(interval.value)))}" if math.isfinite(width) else "-"
    )
