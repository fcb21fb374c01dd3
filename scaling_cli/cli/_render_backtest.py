"""A backtest as text: each cut, all forecasts by how far they reach, and what they say together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scaling_cli import laws
from scaling_cli.cli import _render
from scaling_cli.cli._render_fit import left_out, reading
from scaling_cli.cli._terminal import Style
from scaling_cli.scores import Backtest, Reach, ScoredCut

SHOWN = 10  # runs left out, and cuts not tested, that are listed one by one
SCORES = ["bias", "mean |error|", "half-width", "inside", "law alone"]


def report(
    found: Backtest, *, sources: Sequence[str] = (), written: str | None = None, style: Style
) -> str:
    """Return everything `scaling backtest` prints."""
    ending = _render.labelled("written", written, style=style) if written else ""
    return _render.paragraphs(
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
    origin = f" from {', '.join(_render.some(sources, 3))}" if sources else ""
    notes = [str(note) for note in (*found.data.get("notes", ()), *found.notes)]
    notes += _render.some(reading(found.data, style), SHOWN)
    data = "\n".join([f"{_render.count(found.n_points, 'point')}{origin}", *notes])
    law = f"{found.law}: {laws.get(found.law).formula()}\nsum of {found.objective.describe()}"
    return "\n".join(
        [
            _render.labelled("data", data, style=style),
            _render.labelled("left out", left_out(found.left_out), style=style),
            _render.labelled("law", law, style=style),
        ]
    )


def _cuts(found: Backtest, style: Style) -> str:
    headers = [f"fitted to {found.axis} <=", "fitted", "tested", "reach", *SCORES]
    rows = [_cut(cut, found.axis) for cut in found.cuts]
    body = _render.table(headers, rows, align=">" * len(headers), style=style)
    return _render.block("cuts (larger runs held back, law refitted)", body, style=style)


def _cut(cut: ScoredCut, axis: str) -> list[str]:
    return [
        _render.quantity(cut.train_max, axis),
        str(cut.n_train),
        str(cut.n_test),
        _render.factor(cut.factor),
        *_scores(vars(cut)),
    ]


def _scores(score: Mapping[str, Any]) -> list[str]:
    return [
        _render.bias(score["bias"]),
        _render.percent(score["mare"]),
        f"+/-{_render.percent(score['half_width'])}",
        f"{100 * score['coverage']:.0f} %",
        f"{100 * score['coverage_law']:.0f} %",
    ]


def _reaches(found: Backtest, style: Style) -> str:
    headers = ["reach", "forecasts", *SCORES]
    rows = [[_bin(one), str(one.n), *_scores(vars(one))] for one in found.by_reach()]
    body = _render.table(headers, rows, align="<" + ">" * (len(headers) - 1), style=style)
    title = "all cuts together, by reach beyond the largest fitted run"
    return _render.block(title, body, style=style)


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
    return "\n".join(_render.wrap(text, style.width))


def _skipped(found: Backtest, style: Style) -> str:
    """Return the cuts that were not tested, each with its reason."""
    if not found.skipped:
        return ""
    reasons = [f"{found.axis} <= {s.train_max:.4g}: {s.reason}" for s in found.skipped]
    lines = [_render.count(len(reasons), "cut"), *_render.some(reasons, SHOWN)]
    return _render.labelled("untested", "\n".join(lines), style=style)


def _warning(found: Backtest, style: Style) -> str:
    warning = found.one_sided()
    if warning is None:
        return ""
    word = style.paint("WARN", "bold", "yellow")
    return "\n".join(_render.wrap(f"{word} backtest.bias: {warning}", style.width))
