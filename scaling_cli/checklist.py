"""The checklist that every fit prints: stable codes, pass/warn/fail, and what to do.

Codes follow the rigour list that practitioners ask for (what was counted, what was left out,
whether the optimum is one, whether a hold-out supports the interval). A warning ends with advice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli import laws
from scaling_cli.artefact import Check, Level, Status, Uncertainty
from scaling_cli.engine.solve import Problem
from scaling_cli.optimum import Optimum, collinearity, log_predictions
from scaling_cli.plausible import small_tokens
from scaling_cli.points import Points, scale
from scaling_cli.quantities import short_number
from scaling_cli.stability import REACH, Variation, largest_move
from scaling_cli.uncertainty import ENOUGH_CUTS, NORMAL_90, Cut

FEW_LEVELS = 4
ENTANGLED = 0.1  # unexplained share of a log input below which exponents blur into each other
AGREEING_STARTS = 0.5
MOVED_EXPONENT = 0.1  # share by which a few runs may move an exponent before it is said
MIXED_REGIMES = 0.02  # sd of residuals beyond which a table mixes regimes
TOO_WIDE = 0.1  # half-width of ln loss beyond which a forecast is of no use
FLOPS_TOLERANCE = 0.1


@dataclass(frozen=True)
class Evidence:
    """Everything the checks look at."""

    points: Points
    problem: Problem
    optimum: Optimum
    draws: Mapping[str, np.ndarray]
    cuts: Sequence[Cut]
    variations: Sequence[Variation]
    uncertainty: Uncertainty
    headline: Mapping[str, float]
    headline_half_width: float
    resamples: int


def checklist(evidence: Evidence) -> list[Check]:
    """Return every line of the checklist, in order."""
    checks = (
        _range, _convention, _compute, _filters, _collinear, _convergence, _identified,
        _residuals, _influence, _sensitivity, _resampled, _backtested, _bending, _width,
    )  # fmt: skip
    return [check(evidence) for check in checks]


def _line(code: str, problem: str | None, fine: str, level: Level = Level.WARN) -> Check:
    return Check(code, level, problem) if problem else Check(code, Level.PASS, fine)


def _range(e: Evidence) -> Check:
    parts, thin = [], []
    for symbol, values in e.problem.inputs.items():
        levels = len(np.unique(np.round(np.log(values), 6)))
        low, high = np.min(values), np.max(values)
        parts.append(f"{symbol} {short_number(low)} to {short_number(high)} ({levels} levels)")
        if levels < FEW_LEVELS:
            thin.append(f"{symbol} takes only {levels} values")
    spare = len(e.points) - len(e.optimum.u)
    if spare < 3:
        thin.append(
            f"{len(e.points)} points leave {spare} to spare for {len(e.optimum.u)} parameters"
        )
    text = "; ".join(parts)
    problem = f"{'; '.join(thin)} ({text}). Add runs before trusting exponents." if thin else None
    return _line("data.range", problem, f"{len(e.points)} points: {text}.")


def _convention(e: Evidence) -> Check:
    theirs = type(e.optimum.law).convention
    ours = e.points.conventions
    assumed = next((n for n in e.points.notes if n.startswith("convention assumed")), None)
    name = laws.name_of(e.optimum.law)
    wrong = [
        f"{s} is counted as {ours[s]} here and as {theirs[s]} by the authors of {name}"
        for s in theirs
        if s in ours and s in e.problem.inputs and ours[s] != theirs[s]
    ]
    known = ", ".join(f"{s} {c}" for s, c in ours.items()) or "none stated"
    problem = (
        f"{'; '.join(wrong)}{' (assumed)' if assumed else ''}. Exponents are not comparable with "
        "the published ones; predict with the same count that was fitted."
    )
    return _line("data.params_convention", problem if wrong else None,
                 f"conventions: {known}{' (N assumed)' if assumed else ''}.")  # fmt: skip


def _compute(e: Evidence) -> Check:
    axis, values = scale(e.points.inputs)
    if "D" in e.problem.inputs:
        doubt = small_tokens(e.problem.inputs.get("N"), e.problem.inputs["D"])
        if doubt:
            return Check("data.units", Level.WARN, doubt)
    if e.points.compute is None or axis != "C":
        return Check("data.units", Level.PASS, "no logged compute to compare with 6ND.")
    ratio = e.points.compute / values
    low, high = float(np.min(ratio)), float(np.max(ratio))
    off = max(abs(low - 1), abs(high - 1)) > FLOPS_TOLERANCE
    problem = (
        f"logged compute is {low:.3g} to {high:.3g} times 6ND: another way of counting, or "
        "tokens or parameters in other units. Decades beyond the data are counted in 6ND."
    )
    return _line("data.units", problem if off else None, "logged compute agrees with 6ND.")


def _filters(e: Evidence) -> Check:
    left = e.points.left_out
    if not left:
        return Check("data.filters", Level.PASS, "nothing was left out.")
    names = ", ".join(x.run for x in left[:5]) + ("" if len(left) <= 5 else ", ...")
    return Check("data.filters", Level.PASS, f"{len(left)} left out, listed with reasons: {names}.")


def _collinear(e: Evidence) -> Check:
    if len(e.problem.inputs) < 2:
        return Check("data.collinearity", Level.PASS, "one input.")
    columns = np.stack([np.log(v) for v in e.problem.inputs.values()], axis=1)
    share = collinearity(columns)
    symbols = " and ".join(e.problem.inputs)
    problem = (
        f"only {100 * share:.1f} % of the spread of one of {symbols} is independent of the "
        "other. Add runs at other ratios of tokens to parameters."
    )
    return _line("data.collinearity", problem if share < ENTANGLED else None,
                 f"{symbols} vary independently ({100 * share:.0f} % unexplained).")  # fmt: skip


def _convergence(e: Evidence) -> Check:
    d = e.optimum.diagnostics
    if not d["converged"]:
        problem = (
            f"none of {d['starts']} starts came to rest by itself; the best was followed to a "
            f"gradient of {d['gradient_norm']:.1g}. The surface is nearly flat in some direction: "
            "hold a parameter with --fix before extrapolating."
        )
        return Check("fit.convergence", Level.WARN, problem)
    text = (
        f"{100 * d['agree']:.0f} % of {d['converged']} converged starts (of {d['starts']}) agree "
        f"on the minimum; gradient {d['gradient_norm']:.1g}"
    )
    problem = (
        f"{text}; the surface has {len(d['basins'])} minima. The best is reported; compare "
        "objectives before comparing parameters."
    )
    return _line("fit.convergence", problem if d["agree"] < AGREEING_STARTS else None, f"{text}.")


def _identified(e: Evidence) -> Check:
    condition = e.optimum.diagnostics["condition"]
    if e.optimum.at_bound:
        names = ", ".join(e.optimum.at_bound)
        return Check("fit.identifiability", Level.WARN,
                     f"{names} ran to the edge of its domain: the data do not show that term. "
                     "Hold it with --fix, or use a law without it.")  # fmt: skip
    problem = (
        f"condition number {condition:.1g}: some parameters are not determined. Predictions "
        "inside the data are; hold E with --fix or tie exponents to extrapolate."
    )
    ill = e.optimum.status is Status.ILL_CONDITIONED
    return _line("fit.identifiability", problem if ill else None,
                 f"condition number {condition:.1g} (coefficients drift together; exponents and "
                 "predictions are what to compare).")  # fmt: skip


def _residuals(e: Evidence) -> Check:
    r = log_predictions(e.problem, e.optimum.u, e.problem.inputs)[0] - np.log(e.problem.output)
    spread = float(np.quantile(np.abs(r), 0.9) / NORMAL_90)
    worst = [f"{e.points.runs[i]} ({100 * np.expm1(-r[i]):+.1f} %)" for i in
             np.argsort(-np.abs(r))[:3]]  # fmt: skip
    text = f"robust sd {100 * spread:.2g} %; farthest from the law: {', '.join(worst)}"
    problem = (
        f"{text}. Above 2 % the table mixes regimes (under-trained, unfinished or badly tuned "
        "runs); leave them out with --where."
    )
    return _line("fit.residuals", problem if spread > MIXED_REGIMES else None, f"{text}.")


def _influence(e: Evidence) -> Check:
    move = largest_move(e.variations, e.optimum.law, "influence")
    if move is None:
        return Check("fit.influence", Level.PASS, "too few points to leave any out.")
    variation, name = move
    before, after = e.optimum.law.values()[name], variation.exponents[name]
    runs = ", ".join(variation.removed)
    text = (
        f"leaving out {runs} moves {name} from {before:.3f} to {after:.3f} and the prediction at "
        f"{REACH:.0f}x by {100 * np.expm1(variation.shift):+.2f} %"
    )
    moved = abs(after / before - 1) > MOVED_EXPONENT
    problem = (
        f"{text}: a few runs decide. Look at them; leave them out with --where if they are not "
        "of the regime you forecast."
    )
    return _line("fit.influence", problem if moved else None, f"at most: {text}.")


def _sensitivity(e: Evidence) -> Check:
    others = [v for v in e.variations if v.kind != "influence"]
    if not others:
        return Check("fit.sensitivity", Level.PASS, "no other choice could be tried.")
    worst = max(others, key=lambda v: abs(v.shift))
    text = (
        f"the prediction at {REACH:.0f}x moves by at most {100 * np.expm1(worst.shift):+.2f} % "
        f"({worst.name})"
    )
    beyond = abs(worst.shift) > e.headline_half_width
    problem = f"{text}, more than its interval. Decide the choice before looking at the answer."
    return _line("fit.sensitivity", problem if beyond else None, f"{text}.")


def _resampled(e: Evidence) -> Check:
    kept = len(next(iter(e.draws.values()), np.zeros(0)))
    clusters = len(set(e.points.runs))
    if not e.resamples:
        return Check("ci.method", Level.PASS, "no bootstrap: parameter intervals by delta method.")
    text = f"{kept} of {e.resamples} bootstrap refits by run ({clusters} runs) converged"
    problem = f"{text}; parameter intervals rest on the rest. Too few runs, or a flat direction."
    short = e.resamples > 0 and kept < 0.98 * e.resamples
    return _line("ci.method", problem if short else None, f"{text}.")


def _backtested(e: Evidence) -> Check:
    if not e.cuts:
        return Check("backtest", Level.WARN,
                     "no backtest is possible: intervals are UNTESTED. Add smaller runs so that "
                     "the largest can be hidden and predicted.")  # fmt: skip
    best = max(e.cuts, key=lambda c: c.factor)
    coverage = float(np.mean([c.coverage for c in e.cuts]))
    text = (
        f"{len(e.cuts)} cuts, the farthest {best.factor:.1f}x: mean absolute error "
        f"{100 * max(c.mare for c in e.cuts):.2f} % at worst; the law alone covers "
        f"{100 * coverage:.0f} % of hidden runs at 90 %, so predict adds drift"
    )
    few = len(e.cuts) < ENOUGH_CUTS
    problem = f"{text}. Fewer than {ENOUGH_CUTS} cuts: the drift is partly assumed."
    return _line("backtest", problem if few else None, f"{text}.")


def _bending(e: Evidence) -> Check:
    telling = [c for c in e.cuts if abs(c.bias) > c.allowed / 2]
    signs = {np.sign(c.bias) for c in e.cuts}
    same = len(e.cuts) >= ENOUGH_CUTS and len(signs) == 1 and len(telling) >= 2
    if not same:
        return Check("backtest.bias", Level.PASS, "backtests do not all miss on one side.")
    side = "below" if signs == {1.0} else "above"
    return Check("backtest.bias", Level.WARN,
                 f"every backtest missed on one side: the law is bending. Expect the loss {side} "
                 "the forecast.")  # fmt: skip


def _width(e: Evidence) -> Check:
    at = ", ".join(f"{s} = {short_number(v)}" for s, v in e.headline.items())
    text = f"half-width {100 * e.headline_half_width:.1f} % at {REACH:.0f}x ({at})"
    problem = f"{text}: no useful prediction there. Add larger runs, or forecast less far."
    return _line("extrap.width", problem if e.headline_half_width > TOO_WIDE else None, f"{text}.")
