"""Checks of intervals and forecasts: R13 to R16, one-sided misses, and the width."""

import math

import numpy as np

from scaling_cli.artefacts.backtest import joined, one_sided
from scaling_cli.laws._optimum import optimal_sizes
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.certainty.resampling import percentiles, undetermined
from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, item
from scaling_cli.point_fits.fitted import REACH
from scaling_cli.vocabulary.outcomes import Touches
from scaling_cli.vocabulary.quantities import short_number

FEWEST_RESAMPLES = 100
ENOUGH_CUTS = 3  # fewer backtests show little of how forecasts do
BEYOND = 5  # resamples past each end of an interval, which fewer of them cannot place
LOST = 0.02  # share of resamples that may fail
TOO_NARROW = 3.0  # times narrower than as many runs of that noise allow
TOO_WIDE = 0.1  # half-width of ln output beyond which a forecast is of no use
NEARBY = 1.25  # times the headline's own reach: an input that lies no farther than this follows it
BARELY = 0.5  # share of hidden runs that their ranges must hold, of the nominal 0.9


@item("ci.method", "R13", "what do parameter intervals rest on?", Touches.PARAMETERS)
def method(e: Evidence) -> Verdict:
    """R13: the bootstrap, and whether its intervals are wider than so few runs allow."""
    asked = e.resampled.asked
    if not asked:
        return Verdict.passed(
            "no bootstrap was asked for: parameter intervals are by the delta method, "
            f"predictions' by {e.uncertainty.method}."
        )
    kept = len(next(iter(e.resampled.draws.values()), np.zeros(0)))
    text = f"{e.resampled.method}: {kept} refits converged"
    if e.resampled.restarted:
        text += f"; {e.resampled.better} of {e.resampled.restarted} started elsewhere came lower"
    problems = []
    # The percentiles of a level take so many.
    enough = max(FEWEST_RESAMPLES, math.ceil(round(2 * BEYOND / (1 - e.level), 6)))
    if asked < enough:
        problems.append(
            f"--bootstrap {asked} is too few for {100 * e.level:g} % intervals: "
            f"{asked * (1 - e.level) / 2:.3g} resamples lie beyond each end. Use --bootstrap "
            f"{enough} or more, or --bootstrap 0 for the delta method."
        )
    if kept < (1 - LOST) * asked:
        problems.append(
            f"{text}. Parameter intervals rest on the rest: too few runs, or a flat direction. "
            "Hold a parameter with --fix or --tie."
        )
    problems += _too_narrow(e) if asked >= enough and kept > 1 else []
    if problems:  # no forecast rests on them
        return Verdict.passed(" ".join(problems), Touches.PARAMETERS)
    return Verdict.passed(f"{text}; no interval is narrower than {len(e.points)} points allow.")


def _too_narrow(e: Evidence) -> list[str]:
    """Name the parameter whose interval would need many times the runs there are.

    Least squares with the noise that predictions take for granted bounds what n runs can tell;
    a prior may tell more.
    """
    if e.problem.penalty is not None:
        return []
    J = e.problem.sensitivity(e.optimum.u)
    J = J * np.sqrt(e.problem.weight / np.mean(e.problem.weight))[:, None]
    sigma = float(np.sqrt(np.mean(np.asarray(e.uncertainty.sigma) ** 2)))
    bound = sigma * np.sqrt(np.diag(np.linalg.pinv(J.T @ J, hermitian=True)))
    open_, ratios = undetermined(e.problem, e.optimum), {}
    for name, least in zip(e.problem.frame.names, bound.tolist(), strict=True):
        if name in open_:
            continue
        draws = np.asarray(e.resampled.draws[name], float)
        positive = e.problem.law.parameters()[name].positive
        low, high = percentiles(np.log(draws) if positive else draws, [0.05, 0.95])
        own = float(high - low) / 2 if np.isfinite([low, high]).all() else np.inf
        ratios[name] = NORMAL_90 * least / own if own > 0 else 0.0
    name = max(ratios, key=lambda n: ratios[n], default="")
    if ratios.get(name, 0.0) < TOO_NARROW:
        return []
    return [
        f"the interval of {name} is as narrow as {len(e.points) * ratios[name] ** 2:.0f} points of "
        f"this noise would make it, and there are {len(e.points)}: do not quote it. Look for "
        "repeated rows, or fit one point per run."
    ]


@item("ci.kind", "R14", "which intervals are there?", Touches.OPTIMUM)
def kind(e: Evidence) -> Verdict:
    """R14: mean curve, new run, and N* by re-optimising every draw."""
    mean, new = e.half_widths
    text = (
        f"at {e.place} the mean curve is known to +/-{100 * mean:.2f} %, a new run to "
        f"+/-{100 * new:.2f} %"
    )
    at = e.diagnosis.target
    if at.compute is None:
        return Verdict.passed(f"{text}; the law has no N* at a compute.")
    interval = e.size_interval()
    if interval is None:
        drawn = optimal_sizes(type(e.optimum.law)(**e.uncertainty.draws), at.compute, at.inputs)
        solved = 0.0 if drawn is None else float(np.mean(np.isfinite(drawn)))
        return Verdict.passed(
            f"{text}; only {math.floor(100 * solved)} % of the draws have an N* at all: quote no "
            "interval of it, and forecast at sizes that were run.",
            Touches.OPTIMUM,
        )
    return Verdict.passed(
        f"{text}; N* there lies between {short_number(interval[0])} and "
        f"{short_number(interval[1])}, by the law's draws."
    )


@item("backtest", "R15", "were larger runs forecast from smaller ones?", Touches.FORECAST)
def backtest(e: Evidence) -> Verdict:
    """R15: how forecasts of larger runs from smaller ones came out."""
    if not e.cuts and e.problem.law.growing():
        return Verdict.passed(
            "no backtest is possible: intervals are UNTESTED. Add smaller runs so that the largest "
            "can be hidden and predicted."
        )
    if not e.cuts:
        return Verdict.passed(
            "no backtest is possible, as no input grows from small runs to large ones: intervals "
            "are UNTESTED. Keep some runs out of the fit, and compare them with 'scaling predict "
            "--points'."
        )
    best = max(e.cuts, key=lambda c: c.factor)
    hidden = [c.n_test for c in e.cuts]
    coverage = float(np.average([c.coverage for c in e.cuts], weights=hidden))
    alone = float(np.average([c.coverage_law for c in e.cuts], weights=hidden))
    text = (
        f"{len(e.cuts)} cuts, the farthest {best.factor:.1f}x: mean absolute error "
        f"{100 * max(c.mare for c in e.cuts):.2f} % at worst; the range that predict prints holds "
        f"{100 * coverage:.0f} % of hidden runs at {100 * e.level:g} %, that of the law alone "
        f"{100 * alone:.0f} %"
    )
    if len(e.cuts) >= ENOUGH_CUTS and coverage < BARELY:
        return Verdict.failed(
            f"{text}. The laws do not forecast these runs: use no forecast that reaches farther "
            "than these cuts did. Fit another law, or one regime with --where."
        )
    few = len(e.cuts) < ENOUGH_CUTS
    problem = f"{text}. Fewer than {ENOUGH_CUTS} cuts show little. Add smaller runs."
    return Verdict.passed(problem if few else f"{text}.")


@item("backtest.bias", "", "do the forecasts miss on one side?", Touches.FORECAST)
def bending(e: Evidence) -> Verdict:
    """Whether the forecasts miss on one side."""
    if not e.problem.law.growing():
        fine = "no input grows: there are no larger runs that a forecast could miss on one side."
        return Verdict.passed(fine)
    turned, hidden = e.points.turned, joined(c.forecasts for c in e.cuts) if e.cuts else ()
    output = e.problem.law.output().column if turned is None else turned.target
    sign = 1.0 if turned is None else turned.sign
    if hidden and (told := one_sided(hidden, f"the {output}", sign=sign)):
        return Verdict.passed(told)
    if len(e.cuts) < ENOUGH_CUTS:
        there = f"only {len(e.cuts)} cuts" if e.cuts else "no backtest"
        return Verdict.passed(
            f"{there}: whether forecasts miss on one side was not shown. Add smaller runs."
        )
    return Verdict.passed("runs outside their range are few, or lie on both sides of it.")


@item("extrap.distance", "R16", "how far beyond the data and the backtests?")
def distance(e: Evidence) -> Verdict:
    """R16: reach of the headline in every input, against what backtests reached in it."""
    law, at = e.problem.law, e.diagnosis.target.inputs
    axis, own = law.axis(), law.along(e.points.inputs)
    if not axis:
        fine = "no input grows, so no forecast lies beyond the largest run: the headline is a run."
        return Verdict.passed(fine)
    there = {axis: law.along(at)} | {s: at[s] for s in law.growing()}
    ours = {axis: own} | dict(e.points.inputs)
    reach = {s: float(v / np.max(ours[s])) for s, v in there.items()}
    tested = {s: max([1.0, *_reaches(e, own, ours[s])]) for s in reach}
    tested[axis] = max((c.factor for c in e.cuts), default=1.0)
    text = "the headline lies " + ", ".join(
        f"{max(r, 1.0):.3g}x beyond the largest {s}" for s, r in reach.items()
    )
    text += f" ({np.log10(max(reach[axis], 1.0)):.1f} decades of {axis}); backtests reached "
    told = ", ".join(f"{tested[s]:.3g}x in {s}" for s in reach)
    text += told if e.cuts else "nowhere"
    beyond = [s for s, r in reach.items() if r > max(tested[s], NEARBY * REACH)]
    problem = (
        f"{text}: nothing here shows how the law does so far out in {' and '.join(beyond)}. "
        "Forecast less far, or add smaller runs so that a backtest can reach as far."
    )
    return Verdict.passed(problem if beyond else f"{text}.")


def _reaches(e: Evidence, along: np.ndarray, values: np.ndarray) -> list[float]:
    """Return how far each cut's hidden runs lay beyond its fitted ones, in one input."""
    fitted = [along <= cut.train_max for cut in e.cuts]
    parted = [rows for rows in fitted if rows.any() and not rows.all()]
    return [float(np.max(values[~rows]) / np.max(values[rows])) for rows in parted]


@item("extrap.width", "", "is the forecast narrow enough to use?")
def width(e: Evidence) -> Verdict:
    """Whether the forecast is narrow enough to use."""
    at = ", ".join(f"{s} = {short_number(v)}" for s, v in e.diagnosis.target.inputs.items())
    text = f"half-width {100 * e.half_widths[1]:.1f} % at {e.place} ({at})"
    problem = f"{text}: no useful prediction there. Add larger runs, or forecast less far."
    return Verdict.passed(problem if e.half_widths[1] > TOO_WIDE else f"{text}.")
