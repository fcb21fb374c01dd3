"""The checklist of a fit of loss curves: what is missing in the runs, and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scaling_cli.artefacts._curve_prediction import FAR
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.engine.curves import CurveProblem, Linearised
from scaling_cli.runs.curve import Curve
from scaling_cli.vocabulary.outcomes import Check, Level

DEAD = 1e-6  # of the loss: a parameter whose e-fold moves it by less has run out of its domain
FAR_FROM_PRIOR = 3.0  # sds
WORSE = 3.0  # times the misfit of the best law: a law that does not describe these runs
POINTS_PER_PARAMETER = 3.0  # independent ones
DIFFER = 0.005  # of the loss: laws that differ by more at the end of a fitted run
FEWEST_SIZES = 2


def dead(problem: CurveProblem, line: Linearised) -> list[str]:
    """Return the parameters that have run to the edge of their domain: the data see none of them.

    The scale of the power law dies with its exponent, so the exponent stands for both.
    """
    size = np.abs(line.jacobian).max(0)
    names = list(problem.law.parameters())
    return [n for n, s, free in zip(names, size, problem.free, strict=True) if free and s < DEAD]


def checklist(
    fit: CurveFit,
    curves: Sequence[Curve],
    problems: Mapping[str, CurveProblem],
    lines: Mapping[str, Linearised],
) -> list[Check]:
    """Return the checks, in the order in which they matter."""
    return [
        _decay(fit, curves),
        _schedules(fit),
        _known(fit),
        _model(fit, curves),
        _horizon(curves),
        _convergence(fit),
        _bound(fit, problems, lines),
        _members(fit, curves),
        _points(fit),
    ]


def _judge(code: str, warnings: Sequence[str], passed: str) -> Check:
    """Return a warning with its reasons, or that the check passed."""
    if warnings:
        return Check(f"curve.{code}", Level.WARN, " ".join(warnings))
    return Check(f"curve.{code}", Level.PASS, passed)


def falls(curve: Curve) -> bool:
    """Return whether the rate falls along the fitted steps."""
    rates = curve.schedule.lr(curve.step)
    return bool((np.diff(rates) < 0).any())


def _decay(fit: CurveFit, curves: Sequence[Curve]) -> Check:
    falling = [c.run for c in curves if falls(c)]
    warnings = []
    if not falling:
        warnings.append(
            f"the learning rate never falls in these runs, and {fit.name_of_law} says nothing of "
            "what a fall does: predict constant rates only, or add a run with a decay."
        )
    return _judge("decay", warnings, f"the rate falls in {len(falling)} of {len(curves)} runs.")


def _schedules(fit: CurveFit) -> Check:
    distinct = len({run.schedule for run in fit.runs})
    impossible = [fold for fold in fit.held_out if fold.error is None]
    warnings = []
    if distinct < 2:
        warnings.append(
            "all runs follow one schedule: nothing shows how the laws do on another, and bands "
            "are UNTESTED. Add a run with another schedule."
        )
    elif impossible:
        runs = ", ".join(run for fold in impossible for run in fold.runs)
        warnings.append(
            f"without {runs} the others cannot be fitted ({impossible[0].note.rstrip('.')}): "
            f"{len(fit.held_out) - len(impossible)} of {distinct} schedules could be left out. "
            "Add a second run with a decay."
        )
    elif distinct == 2:
        warnings.append(
            "two schedules: each is predicted from the other alone, which says little. Add a third."
        )
    return _judge("schedules", warnings, f"{distinct} schedules, each left out in turn.")


def _known(fit: CurveFit) -> Check:
    doubtful = [
        f"{run.run} ({run.known.rstrip('.')})"
        for run in fit.runs
        if "ambiguous" in run.known or "no family explains it" in run.known
    ]
    warnings = [
        f"the schedule is not certain of {', '.join(doubtful)}. State it: --schedule RUN=TEXT."
    ]
    return _judge("known", warnings if doubtful else [], "every schedule is known.")


def _model(fit: CurveFit, curves: Sequence[Curve]) -> Check:
    warnings = []
    for what, name in (("params", "size"), ("batch_tokens", "batch size")):
        found = sorted({v for c in curves if (v := getattr(c, what)) is not None})
        if what == "params" and fit.sized:
            if len(found) == FEWEST_SIZES:
                warnings.append(
                    "two model sizes do not tell B N^-beta from L0: beta is its prior's. A third "
                    "size ends one or two percent off, of unknown sign. Add runs of a third size."
                )
        elif len(found) > 1:
            warnings.append(
                f"the runs are of {len(found)} {name}s ({', '.join(f'{v:.4g}' for v in found)}): "
                f"one curve cannot fit them all. Choose one: --where '{what} == {found[-1]:g}'."
            )
    return _judge("model", warnings, "nothing says that the runs are of several models.")


def _horizon(curves: Sequence[Curve]) -> Check:
    decayed = [int(c.step[-1]) for c in curves if falls(c)]
    longest, seen = max(int(c.step[-1]) for c in curves), max(decayed, default=0)
    warnings = []
    if decayed and longest > FAR * seen:
        warnings.append(
            f"runs go on to step {longest}, but no rate falls after step {seen}: decays after long "
            "runs take off less than shorter ones say. Do not forecast a decay far beyond it."
        )
    return _judge("horizon", warnings, f"decays are seen up to step {seen or longest}.")


def _convergence(fit: CurveFit) -> Check:
    alone = [n for n, f in fit.laws.items() if f.agree and f.agree[1] > 1 and f.agree[0] < 2]
    warnings = (
        [f"only one start of {', '.join(alone)} reached its minimum: another may be lower."]
        if alone
        else []
    )
    warnings += [
        f"{name} would still gain {f.left:.1g} of its objective: the runs leave a valley open. Its "
        "parameters mean little; add a run with another schedule."
        for name, f in fit.laws.items()
        if f.left
    ]
    agree = ", ".join(f"{n} {f.agree[0]} of {f.agree[1]}" for n, f in fit.laws.items() if f.agree)
    return _judge("convergence", warnings, f"starts that agree: {agree}.")


def _bound(
    fit: CurveFit, problems: Mapping[str, CurveProblem], lines: Mapping[str, Linearised]
) -> Check:
    warnings = []
    for name, problem in problems.items():
        gone = dead(problem, lines[name])
        if gone:
            warnings.append(f"{name}: {', '.join(gone)} ran to the edge: the runs see none of it.")
        far = [f"{p} ({sds:+.1f} sd)" for p, sds in _from_prior(problem, lines[name])]
        if far:
            warnings.append(f"{name}: {', '.join(far)} lies far from where other models' fits lie.")
    if warnings:
        warnings.append("Predict near the fitted schedules only, or hold a parameter (--fix).")
    return _judge("bound", warnings, f"no parameter of {fit.name_of_law} is at an edge.")


def _from_prior(problem: CurveProblem, line: Linearised) -> Iterator[tuple[str, float]]:
    """Yield parameters far from their prior's centre, in its sds."""
    for i, (name, declared) in enumerate(problem.law.parameters().items()):
        if declared.prior is None or not problem.free[i]:
            continue
        sds = (line.at[i] - np.log(declared.prior.center)) / declared.prior.log_sd
        if abs(sds) > FAR_FROM_PRIOR:
            yield name, float(sds)


def _members(fit: CurveFit, curves: Sequence[Curve]) -> Check:
    if len(fit.laws) < 2:
        return _judge("members", [], "one law: nothing to differ from.")
    misfits = {name: fitted.misfit or 0.0 for name, fitted in fit.laws.items()}
    best = min(misfits.values())
    warnings = [
        f"{name} misses the fitted points by {100 * off:.2g} %, the best law by "
        f"{100 * best:.2g} %: it does not describe these runs. See --law for one law alone."
        for name, off in misfits.items()
        if off > WORSE * best
    ]
    apart = 0.0
    for curve in curves:
        there = fit.along(curve, curve.step[-1:])
        apart = max(apart, float(there.high[0] / there.low[0] - 1))
    if apart > DIFFER:
        warnings.append(
            f"at the end of a fitted run the laws differ by {100 * apart:.2g} %: the average hides "
            "that they disagree."
        )
    return _judge("members", warnings, f"the laws differ by {100 * apart:.2g} % at most.")


def _points(fit: CurveFit) -> Check:
    independent = sum(run.effective or 0.0 for run in fit.runs)
    most = max(len(fitted.law.values()) for fitted in fit.laws.values())
    warnings = []
    if independent < POINTS_PER_PARAMETER * most:
        warnings.append(
            f"{fit.n_points} points say as much as {independent:.0f} independent ones, for "
            f"{most} parameters: priors decide part of them. Log more often, or add runs."
        )
    return _judge("points", warnings, f"as good as {independent:.0f} independent points.")
