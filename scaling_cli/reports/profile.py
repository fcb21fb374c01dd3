"""Intervals by several methods as text: one table per number, then what each method rests on."""

import math
from collections.abc import Sequence
from itertools import groupby

from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits.intervals import Comparison, Interval
from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style


def text(fit: Fit, compared: Comparison, *, style: Style) -> str:
    """Return everything `scaling profile` prints."""
    groups = groupby(compared.intervals, key=lambda one: (one.of, tuple(one.inputs.items())))
    blocks = [_block(fit, list(found), style) for _, found in groups]
    notes = "\n".join(part for note in compared.notes for part in _layout.wrap(note, style.width))
    return _layout.paragraphs([*blocks, notes])


def _block(fit: Fit, found: Sequence[Interval], style: Style) -> str:
    first = found[0]
    headers = ["method", "of", f"{100 * first.level:g} % interval", "half-width"]
    rows = [[one.method, one.kind, _ends(one), _half_width(one)] for one in found]
    table = _layout.table(headers, rows, align="<<<>", style=style)
    return _layout.block(f"{_named(fit, first)} = {first.value:.6g}", table, style=style)


def _named(fit: Fit, one: Interval) -> str:
    if not one.inputs:
        return one.of
    at = ", ".join(f"{s} = {_layout.quantity(v, s)}" for s, v in one.inputs.items())
    name = "loss" if one.of == fit.law.output().symbol else one.of
    return f"{name} at {at}"


def _ends(one: Interval) -> str:
    if one.low is None or one.high is None:
        return "-"
    return _layout.interval((one.low, one.high), _layout.parameter)


def _half_width(one: Interval) -> str:
    """Return half the width over the value; `-` where an end is open."""
    if one.low is None or one.high is None or not math.isfinite(one.high):
        return "-"
    return f"+/-{_layout.percent((one.high - one.low) / (2 * abs(one.value)))}"
