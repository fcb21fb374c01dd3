"""Checks of the fit: R7 to R12, and the influence of single runs."""

import sys
from collections.abc import Iterator

import numpy as np

from scaling_cli import laws
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, factor, item, percent
from scaling_cli.point_fits.diagnosis.choices import Variation, exponent_names
from scaling_cli.point_fits.diagnosis.floor import Profile
from scaling_cli.point_fits.diagnosis.influence import MOST_RUNS, largest_move
from scaling_cli.point_fits.diagnosis.rivals import Rival, candidates
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.outcomes import Status, Touches

AGREEING_STARTS = 0.5
LOWER = 1e-6  # relative: a held fit this far below the free one means a missed minimum
EXACT = 1e-9  # rms residual below which a sum is zero but for rounding
DECIDED = 2.0  # half-widths of the printed range: its whole width
MOVED_EXPONENT = 0.1  # share by which a few runs may move an exponent before it is said
LOOSE_EXPONENT = 0.5  # half-width of an exponent's interval over its value
MIXED_REGIMES = 0.03  # sd of residuals beyond which a table mixes regimes
TREND = 3.5  # |t| of a slope, or |z| of the number of runs: one table in 2,000 by chance
# Robust sds and ln loss beyond which a run is no noise: on real tables without an error in them
# the farthest run lies 3 to 5 sds away.
OUTLYING, ASTRAY = 10.0, float(np.log(1.015))
CLIPPED = 3.0  # robust sds at which residuals are clipped before trends are sought
BETTER = 0.8  # a rival's held-out error over the law's own


@item(
    "fit.spec",
    "R7",
    "what exactly was minimised?",
    Touches.FORECAST,
    Touches.OPTIMUM,
    Touches.PARAMETERS,
)
def spec(e: Evidence) -> Verdict:
    """R7: formula, objective, what was held, how it was searched, which data."""
    law, names = type(e.optimum.law), e.problem.frame.names
    held = dict(e.selection.get("fix") or {})
    minimised = e.problem.objective.describe(law.output().column)
    tied = [f"{a} = {b}" for a, b in (e.selection.get("tie") or {}).items()]
    text = (
        f"{law.formula().split(' (')[0]}; {len(names)} of {len(law.parameters())} parameters "
        f"free; sum of {minimised}; {e.optimum.diagnostics['starts']} starts by variable "
        "projection and at random, damped Newton in float64; seed "
        f"{e.selection.get('seed', 0)}; data sha256 {e.points.sha256()[:12]}"
    )
    text += f"; tied: {', '.join(tied)}" if tied else ""
    prior, weight = e.selection.get("prior") or {}, e.selection.get("weight")
    text += f"; priors: {', '.join(f'{n} = {v}' for n, v in prior.items())}" if prior else ""
    text += f"; terms weighted by {weight}" if weight else ""
    problem = (
        f"{text}; held: {', '.join(f'{n} = {v:g}' for n, v in held.items())}. Intervals take what "
        "is held as exact: fit again with the smallest and the largest value you believe."
    )
    return Verdict.judged(problem if held else None, f"{text}.")


@item(
    "fit.convergence",
    "R8",
    "is it the global minimum?",
    Touches.FORECAST,
    Touches.OPTIMUM,
    Touches.PARAMETERS,
)
def convergence(e: Evidence) -> Verdict:
    """R8: whether starts agree, whether any other fit came lower."""
    d = e.optimum.diagnostics
    if above := _floor_above(e):
        return Verdict.failed(above)
    if not d["converged"]:
        return Verdict.warned(
            f"none of {d['starts']} starts came to rest by itself; the best was followed to a "
            f"gradient of {d['gradient_norm']:.1g}. The surface is nearly flat in some direction: "
            "hold a parameter with --fix before extrapolating."
        )
    text = (
        f"{100 * d['agree']:.0f} % of {d['converged']} converged starts (of {d['starts']}) agree "
        f"on the minimum; gradient {d['gradient_norm']:.1g}"
    )
    profile = e.diagnosis.profile
    if profile is not None and _missed(e, float(np.min(profile.rise))):
        best = int(np.argmin(profile.rise))
        return Verdict.failed(
            f"{text}; yet with {profile.parameter} held at {profile.values[best]:.4g} the sum is "
            f"{-100 * profile.rise[best]:.2g} % lower: a minimum was missed. Fit again with "
            "another --seed and report this."
        )
    problem = (
        f"{text}; the surface has {len(d['basins'])} minima. The best is reported; compare "
        "objectives before comparing parameters."
    )
    return Verdict.judged(problem if d["agree"] < AGREEING_STARTS else None, f"{text}.")


def _floor_above(e: Evidence) -> str | None:
    """Say that a floor is held above every measured output: no law with it reaches any point."""
    declared, output = e.optimum.law.parameters(), e.points.output
    least, most = float(np.min(output)), float(np.max(output))
    for name, value in (e.selection.get("fix") or {}).items():
        prior = declared[name].prior
        if prior is not None and prior.of_output and value >= most:
            return (
                f"{name} is held at {value:g}, above every point ({least:.4g} to {most:.4g}): the "
                f"law can reach none of them. Hold {name} below {least:.4g}."
            )
    return None


def _missed(e: Evidence, rise: float) -> bool:
    """Return whether a held fit lies below the free one by more than rounding."""
    return rise < -LOWER and -rise * e.optimum.value > len(e.points) * EXACT**2


@item(
    "fit.sensitivity", "R9", "do other choices move the answer?", Touches.FORECAST, Touches.OPTIMUM
)
def sensitivity(e: Evidence) -> Verdict:
    """R9: other objectives, filters, tied exponents, another count."""
    others, failed = e.diagnosis.choices, e.diagnosis.failed
    if not others:
        return Verdict.passed("no other choice could be tried.")
    worst = max(others, key=lambda v: abs(v.shift))
    text = (
        f"of {len(others)} other choices the prediction at {e.place} moves by at most "
        f"{percent(worst.shift)} ({worst.name})"
    )
    beyond, sizes = ["the prediction"] if abs(worst.shift) > e.half_widths[1] else [], []
    sized = [(abs(v.optimum_shift), v) for v in others if v.optimum_shift is not None]
    if sized:
        size, farthest = max(sized, key=lambda pair: pair[0])
        text += f", N* by a factor of {factor(farthest.optimum_shift or 0.0)} ({farthest.name})"
        room = _size_room(e)
        sizes = ["N*"] if room is not None and size > room else []
    text += f"; {len(failed)} refits did not converge ({some(failed, 3)})" if failed else ""
    problem = (
        f"{text}; {' and '.join([*beyond, *sizes])} by more than the interval. Decide the choice "
        "before looking at the answer, or quote the range."
    )
    if sizes and not beyond:
        return Verdict.passed(problem, Touches.OPTIMUM)
    return Verdict.judged(problem if beyond else None, f"{text}.")


def _size_room(e: Evidence) -> float | None:
    """Return the half-width of ln N* at the headline that the law's own draws allow."""
    interval = e.size_interval()
    return None if interval is None else float(np.log(interval[1] / interval[0]) / 2)


@item("fit.influence", "", "do a few runs decide?", Touches.FORECAST)
def influence(e: Evidence) -> Verdict:
    """Whether single runs, or a few, decide an exponent or the forecast."""
    found = e.diagnosis.influence
    move = largest_move(found, e.optimum.law)
    if move is None:
        return Verdict.passed("too few points to leave any out.")
    variation, name = move
    text = _left_out(e, variation, name)
    farthest = max(found, key=lambda v: abs(v.shift))
    moved = abs(variation.exponents[name] / e.optimum.law.values()[name] - 1) > MOVED_EXPONENT
    far = abs(farthest.shift) / e.half_widths[1]
    if far > 1:
        moved, text = True, _left_out(e, farthest, name)
    single, of = len(e.diagnosis.runs), e.diagnosis.run_count
    tried = f"each of {of} runs" if single == of else f"{single} of {of} runs"
    tried += ", by a screen" * (of > MOST_RUNS)
    problem = (
        f"{text}: a few runs decide. Look at them; leave them out with --where if they are not of "
        "the regime you forecast."
    )
    fine = f"at most (leaving out {tried}, and a few at once): {text}."
    if far > DECIDED:
        return Verdict.warned(problem)
    return Verdict.passed(problem, Touches.PARAMETERS) if moved else Verdict.passed(fine)


def _left_out(e: Evidence, variation: Variation, name: str) -> str:
    before, after = e.optimum.law.values()[name], variation.exponents[name]
    return (
        f"without {some(variation.removed)} {name} moves from {before:.3f} to {after:.3f} and the "
        f"prediction at {e.place} by {percent(variation.shift)}"
    )


@item(
    "fit.identifiability",
    "R10",
    "do the data determine the parameters?",
    Touches.FORECAST,
    Touches.OPTIMUM,
    Touches.PARAMETERS,
)
def identifiability(e: Evidence) -> Verdict:
    """R10: bounds, condition number, exponents against their intervals, the profile over E."""
    if e.optimum.diagnostics.get("endless"):
        return Verdict.warned(_endless(e))
    if e.optimum.at_bound:
        return Verdict.warned(
            f"{', '.join(e.optimum.at_bound)} ran to the edge of its domain: the data do not show "
            "that term. Hold it with --fix, or use a law without it."
        )
    profiled = _along_floor(e.diagnosis.profile, e.place, e.points.turned)
    text = f"condition number {e.optimum.diagnostics['condition']:.1g}{profiled}"
    if e.optimum.status is Status.ILL_CONDITIONED:
        return Verdict.passed(
            f"{text}: some parameters are not determined. Predictions inside the data are; hold E "
            "with --fix or tie exponents to extrapolate.",
            Touches.PARAMETERS,
        )
    loose = list(_loose(e))
    problem = (
        f"{text}; {', '.join(loose)}. The exponents are not known: quote predictions, hold E with "
        "--fix, or add runs that span more decades."
    )
    fine = f"{text} (coefficients drift together; exponents and predictions are what to compare)."
    return Verdict.passed(problem, Touches.PARAMETERS) if loose else Verdict.passed(fine)


def _along_floor(profile: Profile | None, place: str, turned: Turned | None) -> str:
    """Say how the sum and the forecast move while the floor crosses its interval."""
    if profile is None or not profile.inside().any():
        return ""
    rows = profile.inside()
    text = (
        f"; with {profile.parameter} anywhere from {profile.low:.4g} to {profile.high:.4g} the "
        f"sum rises by at most {_share(float(np.max(profile.rise[rows])))}"
    )
    there = profile.prediction[rows]
    known = there[np.isfinite(there)]  # a held fit may be so steep that it has no forecast
    if not len(known):
        return text
    low, high = np.min(known), np.max(known)
    low, high = turned.ends((low, high)) if turned else (low, high)
    return f"{text} and the prediction at {place} lies between {low:.4f} and {high:.4f}"


def _share(fraction: float) -> str:
    """Write a share with two digits, or all of them beyond 100 %: `2.3 %`, `132 %`."""
    number = 100 * fraction
    return f"{number:.0f} %" if abs(number) >= 100 else f"{number:.2g} %"


def _endless(e: Evidence) -> str:
    """Say that the least sum is approached and never reached, and what to do."""
    names, beyond = e.optimum.diagnostics["endless"], e.optimum.diagnostics["beyond"]
    further = f", by {_share(beyond)} beyond the largest numbers" if beyond > LOWER else ""
    return (
        f"the sum has no minimum: it falls on as {', '.join(names)} run away{further}. The fit is "
        "as far as they were followed. Predictions inside the data hold, parameters mean nothing: "
        f"hold {names[0]} with --fix, or use a law without it."
    )


def _loose(e: Evidence) -> Iterator[str]:
    """Name the exponents whose interval is as wide as their value."""
    for name in exponent_names(type(e.optimum.law)):
        draws = np.asarray(e.resampled.draws.get(name, ()))
        if len(draws) > 1:
            low, high = np.quantile(draws, [(1 - e.level) / 2, (1 + e.level) / 2])
            if (high - low) / 2 > LOOSE_EXPONENT * abs(e.optimum.law.values()[name]):
                yield f"{name} lies anywhere from {low:.3f} to {high:.3f}"


@item("fit.residuals", "R11", "is what is left over noise?", Touches.FORECAST)
def residuals(e: Evidence) -> Verdict:
    """R11: size, worst runs, trends and runs of one sign, noise that changes with size."""
    r = e.residuals()
    spread = float(np.quantile(np.abs(r), 0.9) / NORMAL_90)
    far = np.argsort(-np.abs(r))[:3].tolist()
    worst = [f"{e.points.runs[i]} ({percent(float(-r[i]))})" for i in far]
    text = f"robust sd {100 * spread:.2g} %; farthest from the law: {', '.join(worst)}"
    astray = int(np.sum(np.abs(r) > max(OUTLYING * spread, ASTRAY)))
    if spread > MIXED_REGIMES:
        return Verdict.warned(
            f"{text}. Above {100 * MIXED_REGIMES:g} % the table mixes regimes (under-trained, "
            "unfinished or badly tuned runs); leave them out with --where."
        )
    if astray:
        points = "1 point lies" if astray == 1 else f"{astray} points lie"
        return Verdict.warned(
            f"{text}. {points} more than {100 * np.expm1(ASTRAY):.2g} % and {OUTLYING:.0f} "
            "sd away: a typing error, or a run that diverged or stopped? Leave out with --where "
            "what is not of the regime you forecast."
        )
    clipped = np.clip(r, -CLIPPED * spread, CLIPPED * spread)
    trends = list(_trends(e, clipped)) if spread > 0 else []
    problem = (
        f"{text}. What is left over is not noise: {'; '.join(trends)}. The law bends: compare "
        "laws (fit.alternatives), or fit only the runs nearest to the forecast."
    )
    return Verdict.passed(problem if trends else f"{text}; no trend is left.")


def _trends(e: Evidence, r: np.ndarray) -> Iterator[str]:
    """Name trends of clipped residuals along each axis, and signs that come in runs along it."""
    law = e.problem.law
    spreads = {s: q.domain.spread(e.problem.inputs[s]) for s, q in law.inputs().items()}
    spreads |= {law.axis(): np.log(law.along(e.points.inputs))} if law.axis() else {}
    for symbol, values in spreads.items():
        t, z = slope_t(values, r), runs_z(values, r)
        if abs(t) > TREND:
            yield f"it {'falls' if t > 0 else 'rises'} with {symbol} (t = {-t:.1f})"
        elif z < -TREND:
            yield f"its signs come in runs along {symbol} (z = {z:.1f})"
    if spent := law.size_and_data():
        size, data = (spreads[symbol] - np.mean(spreads[symbol]) for symbol in spent)
        t = slope_t(size * data, r)
        if abs(t) > TREND:
            yield f"it goes with {' and '.join(spent)} together, not with each alone (t = {-t:.1f})"


def slope_t(x: np.ndarray, r: np.ndarray) -> float:
    """Return Student's t of the slope of r on x; 0 where x does not vary or too few points."""
    dx, dr = x - np.mean(x), r - np.mean(r)
    spread = float(np.sum(dx**2))
    if len(x) < 4 or spread == 0:
        return 0.0
    slope = float(np.sum(dx * dr)) / spread
    left = float(np.sum((dr - slope * dx) ** 2))
    if left == 0:
        return 0.0 if slope == 0 else float(np.copysign(np.inf, slope))
    return slope / np.sqrt(left / (len(x) - 2) / spread)


def runs_z(x: np.ndarray, r: np.ndarray) -> float:
    """Return the runs test's z of the signs of r in the order of x: negative if they cluster."""
    signs = np.sign(r[np.argsort(x, kind="stable")])
    signs = signs[signs != 0]
    above, below = int(np.sum(signs > 0)), int(np.sum(signs < 0))
    n = above + below
    if min(above, below) < 2:
        return 0.0
    runs = 1 + int(np.sum(signs[1:] != signs[:-1]))
    mean = 1 + 2 * above * below / n
    variance = (mean - 1) * (mean - 2) / (n - 1)
    return float((runs - mean) / np.sqrt(variance)) if variance > 0 else 0.0


@item("fit.alternatives", "R12", "does another law forecast better?", Touches.FORECAST)
def alternatives(e: Evidence) -> Verdict:
    """R12: rival laws by what they forecast of the runs that were held back."""
    rivals = e.diagnosis.rivals
    own = laws.name_of(e.optimum.law)
    if not rivals and candidates(type(e.optimum.law), len(e.optimum.u), sys.maxsize):
        return Verdict.passed(
            f"{len(e.points)} points are too few to fit another law beside {own}: whether one "
            "forecasts better was not shown. Add runs."
        )
    if not rivals:
        return Verdict.passed(f"no other law here is about the same inputs and output as {own}.")
    text = "; ".join(_rival(r, e.place) for r in rivals)
    better = [r for r in rivals if _beats(r)]
    if better:
        best = min(better, key=lambda r: (r.errors() or (np.inf, 0.0))[0])
        problem = (
            f"{best.law} forecasts better than {own}: {text}. Fit it as well "
            f"({_option(best.law)}) and quote both forecasts."
        )
        averaged = any(beside.weight for beside in e.uncertainty.beside)
        return Verdict.passed(problem) if averaged else Verdict.warned(problem)
    apart = [r for r in rivals if not r.cuts and abs(r.shift) > e.half_widths[1]]
    if apart:
        return Verdict.passed(
            f"no cut can choose between {own} and {', '.join(r.law for r in apart)}, whose "
            f"predictions differ by more than the interval: {text}. Quote both, or add runs."
        )
    untested = not any(r.cuts for r in rivals)
    problem = f"no cut could test whether another law forecasts better: {text}. Add smaller runs."
    fine = f"no law that could be tested forecasts clearly better than {own}: {text}."
    return Verdict.passed(problem if untested else fine)


def _option(rival: str) -> str:
    """Return the option that fits a rival: another law, or the law itself with a tie."""
    name, _, tie = rival.partition(" with ")
    return f"--tie {tie.replace(' = ', '=')}" if tie else f"--law {name}"


def _beats(rival: Rival) -> bool:
    errors = rival.errors()
    if errors is None or 2 * rival.wins() <= len(rival.cuts):
        return False
    return errors[0] < BETTER * errors[1]


def _rival(rival: Rival, place: str) -> str:
    """Say what a rival forecasts, and how well."""
    errors, at = rival.errors(), f"{percent(rival.shift)} at {place}"
    if errors is None:
        return f"{rival.law} was not tested, and predicts {at}"
    return (
        f"{rival.law} missed held-back runs by {100 * errors[0]:.2f} % where the fit missed by "
        f"{100 * errors[1]:.2f} % ({rival.wins()} of {len(rival.cuts)} cuts), and predicts {at}"
    )
