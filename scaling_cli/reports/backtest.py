"""A backtest as text: each cut, all forecasts by how far they reach, and what they say together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli import laws
from scaling_cli.artefacts.backtest import Backtest, Reach, ScoredCut
from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style
from scaling_cli.reports.fit import left_out, reading
from scaling_cli.vocabulary.quantities import factor

SHOWN = 10  # runs left out, and cuts not tested, that are listed one by one
SCORES = ["bias", "mean |error|", "half-width", "inside", "law alone"]


def report(
    found: Backtest, *, sources: Sequence[str] = (), written: str | None = None, style: Style
) -> str:
    """Return everything `scaling backtest` prints."""
    ending = _layout.labelled("written", written, style=style) if written else ""
    return _layout.paragraphs(
        [
            _asked(found, sources, style),
            _cuts(found, style),
            _reaches(found, style),
            _meaning(found, style),
            _skipped(found, style),
            _warning(found, style),
            ending,
        ]
    )


def _asked(found: Backtest, sources: Sequence[str], style: Style) -> str:
    """Return what was read, what was left out, and what was fitted."""
    origin = f" from {', '.join(_layout.some(sources, 3))}" if sources else ""
    notes = [str(note) for note in (*found.data.get("notes", ()), *found.notes)]
    notes += _layout.some(reading(found.data, style), SHOWN)
    data = "\n".join([f"{_layout.count(found.n_points, 'point')}{origin}", *notes])
    law = f"{found.law}: {laws.get(found.law).formula()}\nsum of {found.objective.describe()}"
    return "\n".join(
        [
            _layout.labelled("data", data, style=style),
            _layout.labelled("left out", left_out(found.left_out), style=style),
            _layout.labelled("law", law, style=style),
        ]
    )


def _cuts(found: Backtest, style: Style) -> str:
    headers = [f"fitted to {found.axis} <=", "fitted", "tested", "reach", *SCORES]
    rows = [_cut(cut, found.axis) for cut in found.cuts]
    body = _layout.table(headers, rows, align=">" * len(headers), style=style)
    return _layout.block("cuts (larger runs held back, law refitted)", body, style=style)


def _cut(cut: ScoredCut, axis: str) -> list[str]:
    return [
        _layout.quantity(cut.train_max, axis),
        str(cut.n_train),
        str(cut.n_test),
        factor(cut.factor),
        *_scores(vars(cut)),
    ]


def _scores(score: Mapping[str, Any]) -> list[str]:
    return [
        _layout.bias(score["bias"]),
        _layout.percent(score["mare"]),
        f"+/-{_layout.percent(score['half_width'])}",
        f"{100 * score['coverage']:.0f} %",
        f"{100 * score['coverage_law']:.0f} %",
    ]


def _reaches(found: Backtest, style: Style) -> str:
    headers = ["reach", "forecasts", *SCORES]
    rows = [[_bin(one), str(one.n), *_scores(vars(one))] for one in found.by_reach()]
    body = _layout.table(headers, rows, align="<" + ">" * (len(headers) - 1), style=style)
    title = "all cuts together, by reach beyond the largest fitted run"
    return _layout.block(title, body, style=style)


def _bin(one: Reach) -> str:
    if math.isinf(one.high):
        return f"beyond x{one.low:g}"
    return f"x{one.low:g} to x{one.high:g}"


def _meaning(found: Backtest, style: Style) -> str:
    """Return what the columns mean."""
    text = (
        f"inside: held-back points in the {100 * found.level:g} % new-run interval that "
        "scaling predict would have printed from the fitted part alone, drift learned inside that "
        "part included. law alone: inside the same interval without drift. bias: + is forecast "
        "too high."
    )
    return "\n".join(_layout.wrap(text, style.width))


def _skipped(found: Backtest, style: Style) -> str:
    """Return the cuts that were not tested, each with its reason."""
    if not found.skipped:
        return ""
    reasons = [f"{found.axis} <= {s.train_max:.4g}: {s.reason}" for s in found.skipped]
    lines = [_layout.count(len(reasons), "cut"), *_layout.some(reasons, SHOWN)]
    return _layout.labelled("untested", "\n".join(lines), style=style)


def _warning(found: Backtest, style: Style) -> str:
    warning = found.one_sided()
    if warning is None:
        return ""
    word = style.paint("WARN", "bold", "yellow")
    return "\n".join(_layout.wrap(f"{word} backtest.bias: {warning}", style.width))
