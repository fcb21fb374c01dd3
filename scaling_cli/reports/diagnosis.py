"""What refits, rivals and isoFLOP slices say: other choices, the floor, other laws, N*."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scaling_cli.artefacts.fit import Fit
from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Labelled, Table, Text
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.outcomes import TELLING

SHOWN = 3  # runs that move the forecast most, one by one
NAMED = 4  # runs of those that are left out at once
HEADLINE = 1  # of the computes at which isoFLOP optima are reported: that of the forecast


def blocks(fit: Fit) -> list[Block]:
    """Return a table of choices and a line each for runs, the floor, rivals, isoFLOP slices."""
    told, failed = fit.diagnostics, len(fit.diagnostics.get("failed_refits") or ())
    of = f" of {fit.turned}" if fit.turned else ""
    thinned = told.get("thinned_to")
    asked = f"what follows was asked of {thinned} of the {fit.n_points} points, as the backtest was"
    return [
        Text([asked] if thinned else []),
        sensitivity(told.get("sensitivity") or (), of),
        Labelled("influence", influence(told.get("influence") or {}, failed, of)),
        Labelled("floor", _floor(fit)),
        Labelled("rivals", rivals(told.get("rivals") or (), fit.turned)),
        Labelled("isoFLOP", isoflop(told.get("isoflop"))),
    ]


def sensitivity(choices: Sequence[Mapping[str, Any]], of: str = "") -> Table:
    """Return every other choice and what it moves, the forecast most first."""
    columns = [
        ("", "^", lambda c: c["name"]),
        ("prediction", ">", _shift),
        ("N*", ">", lambda c: f"x{f:.3g}" if (f := c.get("optimum_factor")) is not None else "-"),
        ("exponents", "^", lambda c: ", ".join(f"{n} {x:.3f}" for n, x in c["exponents"].items())),
    ]
    return Table.of(
        _by_shift(choices), columns, f"other choices, and how each moves the law's forecast{of}"
    )


def influence(found: Mapping[str, Any], failed: int = 0, of: str = "") -> list[str]:
    """Return the runs without which the forecast moves most, one by one and a few at once.

    Where more runs are missing than refits failed, they were screened.
    """
    runs, groups = _by_shift(found.get("runs") or ()), _by_shift(found.get("groups") or ())
    if not runs:
        return []
    alone = ", ".join(f"{_named(r)} ({_shift(r)})" for r in runs[:SHOWN])
    text = f"the law's forecast{of} moves most without {alone}"
    if groups:
        few = len(groups[0]["removed"])
        text += f"; {_shift(groups[0])} without {few} at once ({_named(groups[0])})"
    screened = found["of"] - len(runs) > failed
    tried = f"{len(runs)} of {found['of']} runs" + ", by a screen" * screened
    return [f"{text}; left out one by one: {tried}"]


def _named(found: Mapping[str, Any]) -> str:
    return ", ".join(_numbers.some(found["removed"], NAMED))


def _by_shift(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(found, key=lambda v: -abs(v["headline_shift"] or 0))


def _shift(found: Mapping[str, Any]) -> str:
    return _numbers.bias(found["headline_shift"])


def _floor(fit: Fit) -> list[str]:
    """Return how far the forecast moves while the floor crosses its interval, or why it cannot."""
    profile = fit.diagnostics.get("profile")
    if not profile:
        return list(_without_profile(fit))
    low, high = profile["interval"]
    inside = [
        i
        for i, value in enumerate(profile["values"])
        if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    ]
    if not inside:
        return []
    predictions = [p for i in inside if math.isfinite(p := profile["prediction"][i] or math.nan)]
    rise = max(profile["objective_rise"][i] for i in inside)
    text = (
        f"with {profile['parameter']} held from {low:.4g} to {high:.4g} the sum rises by up to "
        f"{_numbers.percent(rise)}"
    )
    if not predictions:
        return [text]
    ends = predictions[0], predictions[-1]
    first, last = (_numbers.value(fit.turned.back(p) if fit.turned else p) for p in ends)
    return [f"{text}, the law's forecast goes from {first} to {last}"]


def _without_profile(fit: Fit) -> Iterator[str]:
    """Say why a law with a floor has no profile over it: it ran to its bound, or was held."""
    declared = fit.law.parameters()
    name = next((n for n, p in declared.items() if p.prior and p.prior.of_output), None)
    if name in (fit.selection.get("fix") or {}):
        yield f"{name} is held: there is no profile over it"
    elif name is not None and name in fit.diagnostics.get("at_bound", ()):
        high = (fit.intervals.get(name) or {}).get("high")
        reach = "" if high is None else f"; its interval reaches up to {_numbers.parameter(high)}"
        yield f"{name} ran to zero, the edge of its domain: there is no profile over it{reach}"


def rivals(found: Sequence[Mapping[str, Any]], turned: Turned | None = None) -> list[str]:
    """Return a line for each other law: what it forecasts, and how well it did."""
    lines = []
    for rival in found:
        line = f"{rival['law']} forecasts {forecast_by(rival, turned)}"
        if rival.get("held_out_error") is not None:
            pairs = [(cut["mare"], cut["own"]) for cut in rival["cuts"]]
            won = sum(None not in pair and pair[0] < pair[1] for pair in pairs)
            line += (
                f"; it missed held-back runs by {_numbers.percent(rival['held_out_error'])}, this "
                f"law by {_numbers.percent(rival['own_held_out_error'])} (nearer at {won} of "
                f"{_numbers.count(len(rival['cuts']), 'cut')})"
            )
        else:
            line += "; no cut could test it"
        lines.append(line)
    return lines


def forecast_by(rival: Mapping[str, Any], turned: Turned | None) -> str:
    """Return what another law forecasts of the target, which may be turned."""
    value = float(rival["prediction"])
    return _numbers.value(turned.back(value) if turned else value)


def isoflop(found: Mapping[str, Any] | None) -> list[str]:
    """Return N* by isoFLOP parabolas beside the law's, and which to trust."""
    if not found:
        return []
    budgets = found["budgets"]
    used = sum(b["optimum"] is not None for b in budgets)
    of = " of logged compute" * (found.get("compute") == "logged")
    text = f"{len(budgets)} budgets{of}, {used} with a bracketed minimum"
    if not found["allocations"]:
        return [f"{text}: too few for a line"]
    at = found["allocations"][HEADLINE]
    lines = [
        f"{text}; N* at C = {at['C']:.4g}: {_numbers.quantity(at['N'])} "
        f"{_sizes(at['interval'])} by their parabolas"
    ]
    if at.get("law"):
        own = f" {_sizes(at['law_interval'])}" if at.get("law_interval") else ""
        lines[0] += f", {_numbers.quantity(at['law'])}{own} by the law"
        lines.append(
            f"{_verdict(at)}: trust the parabolas for N* and the law for the loss, and plan "
            f"within {_sizes(at['hull'])}"
        )
    return lines


def _verdict(at: Mapping[str, Any]) -> str:
    """Say whether the law's size lies in the parabolas' range, and whether that tells anything."""
    low, high = at["interval"]
    if not low <= at["law"] <= high:
        return "the law's N* lies outside the range of the parabolas"
    return "they agree" if high < TELLING * low else "the parabolas cannot tell the two apart"


def _sizes(pair: Sequence[float]) -> str:
    return _numbers.interval(pair, _numbers.quantity)
