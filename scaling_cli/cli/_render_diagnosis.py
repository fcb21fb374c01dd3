"""What refits, rivals and isoFLOP slices say, as text: other choices, the floor, other laws, N*."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli.artefact import Fit
from scaling_cli.cli import _render
from scaling_cli.cli._terminal import Style

SHOWN = 3  # choices that move the prediction most
HEADLINE = 1  # of the computes at which isoFLOP optima are reported: that of the forecast


def text(fit: Fit, style: Style) -> str:
    """Return a table of choices and a line each for the floor, rivals and isoFLOP slices."""
    return "\n".join(
        part
        for part in (
            sensitivity(fit.diagnostics.get("sensitivity") or (), style),
            _labelled("floor", _floor(fit.diagnostics.get("profile")), style),
            _labelled("rivals", rivals(fit.diagnostics.get("rivals") or ()), style),
            _labelled("isoFLOP", isoflop(fit.diagnostics.get("isoflop")), style),
        )
        if part
    )


def _labelled(label: str, body: str, style: Style) -> str:
    return _render.labelled(label, body, style=style) if body else ""


def sensitivity(choices: Sequence[Mapping[str, Any]], style: Style) -> str:
    """Return the choices that move the answer most: the prediction, and N*."""
    if not choices:
        return ""
    order = sorted(choices, key=lambda c: -abs(c["headline_shift"]))
    shown = order[:SHOWN]
    sized = [c for c in choices if c.get("optimum_factor")]
    farthest = max(sized, key=lambda c: abs(np.log(c["optimum_factor"])), default=None)
    if farthest is not None and farthest not in shown:
        shown.append(farthest)
    rows = [
        [
            c["name"],
            _render.percent(float(np.expm1(c["headline_shift"])), sign=True),
            _multiple(c.get("optimum_factor")),
            ", ".join(f"{name} {value:.3f}" for name, value in c["exponents"].items()),
        ]
        for c in shown
    ]
    body = _render.table(["", "prediction", "N*", "exponents"], rows, align="<>><", style=style)
    title = f"other choices (the {len(rows)} of {len(choices)} that move the forecast most)"
    return _render.block(title, body, style=style)


def _multiple(factor: float | None) -> str:
    return "-" if factor is None else f"x{factor:.3g}"


def _floor(profile: Mapping[str, Any] | None) -> str:
    """Return how far the forecast moves while the floor crosses its interval."""
    if not profile:
        return ""
    low, high = profile["interval"]
    inside = [
        i
        for i, value in enumerate(profile["values"])
        if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    ]
    if not inside:
        return ""
    predictions = [profile["prediction"][i] for i in inside]
    rise = max(profile["objective_rise"][i] for i in inside)
    return (
        f"with {profile['parameter']} held from {low:.4g} to {high:.4g} the sum rises by up to "
        f"{_render.percent(rise)}, the forecast goes from {_render.value(predictions[0])} to "
        f"{_render.value(predictions[-1])}"
    )


def rivals(found: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each other law: what it forecasts, and how well it did."""
    lines = []
    for rival in found:
        at = _render.percent(float(np.expm1(rival["headline_shift"])), sign=True)
        line = f"{rival['law']} forecasts {at}"
        if rival.get("held_out_error") is not None:
            won = sum(cut["mare"] < cut["own"] for cut in rival["cuts"])
            line += (
                f"; it missed held-back runs by {_render.percent(rival['held_out_error'])}, this "
                f"law by {_render.percent(rival['own_held_out_error'])} (nearer at {won} of "
                f"{_render.count(len(rival['cuts']), 'cut')})"
            )
        else:
            line += "; no cut could test it"
        lines.append(line)
    return "\n".join(lines)


def isoflop(found: Mapping[str, Any] | None) -> str:
    """Return N* by isoFLOP parabolas beside the law's, and which to trust."""
    if not found:
        return ""
    budgets = found["budgets"]
    used = sum(b["optimum"] is not None for b in budgets)
    text = f"{len(budgets)} budgets, {used} with a bracketed minimum"
    if not found["allocations"]:
        return f"{text}: too few for a line"
    one = found["allocations"][HEADLINE]
    lines = [
        f"{text}; N* at C = {one['C']:.4g}: {_render.quantity(one['N'])} "
        f"{_sizes(one['interval'])} by their parabolas"
    ]
    if one.get("law"):
        own = f" {_sizes(one['law_interval'])}" if one.get("law_interval") else ""
        lines[0] += f", {_render.quantity(one['law'])}{own} by the law"
        low, high = one["interval"]
        agree = low <= one["law"] <= high
        lines.append(
            f"they {'agree' if agree else 'disagree'}: trust the parabolas for N* and the law for "
            f"the loss, and plan within {_sizes(one['hull'])}"
        )
    return "\n".join(lines)


def _sizes(pair: Sequence[float]) -> str:
    return _render.interval(pair, _render.quantity)
