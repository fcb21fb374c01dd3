"""What refits, rivals and isoFLOP slices say, as text: other choices, the floor, other laws, N*."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import _layout
from scaling_cli.reports._style import Style

SHOWN = 3  # runs that move the forecast most, one by one
NAMED = 4  # runs of those that are left out at once
HEADLINE = 1  # of the computes at which isoFLOP optima are reported: that of the forecast


def text(fit: Fit, style: Style) -> str:
    """Return a table of choices and a line each for runs, the floor, rivals, isoFLOP slices."""
    return "\n".join(
        part
        for part in (
            sensitivity(fit.diagnostics.get("sensitivity") or (), style),
            _labelled("influence", _influence(fit), style),
            _labelled("floor", _floor(fit), style),
            _labelled("rivals", rivals(fit.diagnostics.get("rivals") or ()), style),
            _labelled("isoFLOP", isoflop(fit.diagnostics.get("isoflop")), style),
        )
        if part
    )


def _labelled(label: str, body: str, style: Style) -> str:
    return _layout.labelled(label, body, style=style) if body else ""


def sensitivity(choices: Sequence[Mapping[str, Any]], style: Style) -> str:
    """Return every other choice and what it moves, the forecast most first."""
    if not choices:
        return ""
    rows = [
        [
            c["name"],
            _layout.percent(float(np.expm1(c["headline_shift"])), sign=True),
            _multiple(c.get("optimum_factor")),
            ", ".join(f"{name} {value:.3f}" for name, value in c["exponents"].items()),
        ]
        for c in sorted(choices, key=lambda c: -abs(c["headline_shift"]))
    ]
    body = _layout.table(["", "prediction", "N*", "exponents"], rows, align="<>><", style=style)
    return _layout.block("other choices, and what each moves", body, style=style)


def _multiple(factor: float | None) -> str:
    return "-" if factor is None else f"x{factor:.3g}"


def _influence(fit: Fit) -> str:
    failed = fit.diagnostics.get("failed_refits") or ()
    return influence(fit.diagnostics.get("influence") or {}, len(failed))


def influence(found: Mapping[str, Any], failed: int = 0) -> str:
    """Return the runs without which the forecast moves most, one by one and a few at once.

    Where more runs are missing than refits failed, they were screened.
    """
    runs, groups = _by_shift(found.get("runs") or ()), _by_shift(found.get("groups") or ())
    if not runs:
        return ""
    alone = ", ".join(f"{_named(r)} ({_shift(r)})" for r in runs[:SHOWN])
    text = f"the forecast moves most without {alone}"
    if groups:
        few = len(groups[0]["removed"])
        text += f"; {_shift(groups[0])} without {few} at once ({_named(groups[0])})"
    screened = found["of"] - len(runs) > failed
    tried = f"{len(runs)} of {found['of']} runs" + ", by a screen" * screened
    return f"{text}; left out one by one: {tried}"


def _named(found: Mapping[str, Any]) -> str:
    return ", ".join(_layout.some(found["removed"], NAMED))


def _by_shift(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(found, key=lambda v: -abs(v["headline_shift"]))


def _shift(found: Mapping[str, Any]) -> str:
    return _layout.percent(float(np.expm1(found["headline_shift"])), sign=True)


def _floor(fit: Fit) -> str:
    """Return how far the forecast moves while the floor crosses its interval, or why it cannot."""
    profile = fit.diagnostics.get("profile")
    if not profile:
        return _without_profile(fit)
    low, high = profile["interval"]
    inside = [
        i
        for i, value in enumerate(profile["values"])
        if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    ]
    if not inside:
        return ""
    predictions = [p for i in inside if math.isfinite(p := profile["prediction"][i] or math.nan)]
    rise = max(profile["objective_rise"][i] for i in inside)
    text = (
        f"with {profile['parameter']} held from {low:.4g} to {high:.4g} the sum rises by up to "
        f"{_layout.percent(rise)}"
    )
    if not predictions:
        return text
    first, last = _layout.value(predictions[0]), _layout.value(predictions[-1])
    return f"{text}, the forecast goes from {first} to {last}"


def _without_profile(fit: Fit) -> str:
    """Say why a law with a floor has no profile over it: it ran to its bound, or was held."""
    declared = fit.law.parameters()
    name = next((n for n, p in declared.items() if p.prior and p.prior.of_output), None)
    if name is None:
        return ""
    if name in (fit.selection.get("fix") or {}):
        return f"{name} is held: there is no profile over it"
    if name not in fit.diagnostics.get("at_bound", ()):
        return ""
    high = (fit.intervals.get(name) or {}).get("high")
    reach = "" if high is None else f"; its interval reaches up to {_layout.parameter(high)}"
    return f"{name} ran to zero, the edge of its domain: there is no profile over it{reach}"


def rivals(found: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each other law: what it forecasts, and how well it did."""
    lines = []
    for rival in found:
        at = _layout.percent(float(np.expm1(rival["headline_shift"])), sign=True)
        line = f"{rival['law']} forecasts {at}"
        if rival.get("held_out_error") is not None:
            won = sum(cut["mare"] < cut["own"] for cut in rival["cuts"])
            line += (
                f"; it missed held-back runs by {_layout.percent(rival['held_out_error'])}, this "
                f"law by {_layout.percent(rival['own_held_out_error'])} (nearer at {won} of "
                f"{_layout.count(len(rival['cuts']), 'cut')})"
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
        f"{text}; N* at C = {one['C']:.4g}: {_layout.quantity(one['N'])} "
        f"{_sizes(one['interval'])} by their parabolas"
    ]
    if one.get("law"):
        own = f" {_sizes(one['law_interval'])}" if one.get("law_interval") else ""
        lines[0] += f", {_layout.quantity(one['law'])}{own} by the law"
        low, high = one["interval"]
        agree = low <= one["law"] <= high
        lines.append(
            f"they {'agree' if agree else 'disagree'}: trust the parabolas for N* and the law for "
            f"the loss, and plan within {_sizes(one['hull'])}"
        )
    return "\n".join(lines)


def _sizes(pair: Sequence[float]) -> str:
    return _layout.interval(pair, _layout.quantity)
