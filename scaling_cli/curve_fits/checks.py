"""The checklist of a fit of loss curves: what is missing in the runs, and what to do about it."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scaling_cli.artefacts._curve_prediction import FAR
from scaling_cli.artefacts.curve_fit import BY_CURVES, CurveFit
from scaling_cli.engine.curves import Linearised
from scaling_cli.runs.curve import Curve
from scaling_cli.vocabulary.outcomes import Check

DEAD = 1e-6  # of the loss: a parameter whose e-fold moves it by less has run out of its domain
FAR_FROM_PRIOR = 3.0  # sds
WORSE = 3.0  # times the misfit of the best law: a law that does not describe these runs
POINTS_PER_PARAMETER = 3.0  # independent ones
ALIKE = 0.02  # of the peak: rates that are the same
FEWEST_ALIKE = 5  # points
UNLIKE = 0.03  # seeds of one model differ by less
DIFFER = 0.005  # of the loss: laws that differ by more at the end of a fitted run
FEWEST_SIZES = 2


def dead(line: Linearised) -> list[str]:
    """Return the parameters that have run to the edge of their domain: the data see none of them.

    The scale of the power law dies with its exponent, so the exponent stands for both.
    """
    size = np.abs(line.jacobian).max(0)
    each = zip(line.problem.law.parameters(), size, line.problem.free, strict=True)
    return [name for name, moved, free in each if free and moved < DEAD]


def checklist(
    fit: CurveFit, curves: Sequence[Curve], lines: Mapping[str, Linearised]
) -> list[Check]:
    """Return the checks, in the order in which they matter."""
    falling = [c for c in curves if falls(c)]
    seen = max(int(c.step[-1]) for c in falling or curves)
    distinct = len({run.schedule for run in fit.runs})
    agree = ", ".join(f"{n} {f.agree[0]} of {f.agree[1]}" for n, f in fit.laws.items() if f.agree)
    apart = _apart(fit, curves)
    independent = sum(run.effective or 0.0 for run in fit.runs)
    differ = f"the laws differ by {100 * apart:.2g} % at most."
    if len(fit.laws) < 2:
        differ = "one law: nothing to differ from."
    questions = (
        ("decay", _decay(fit, falling), f"the rate falls in {len(falling)} of {len(curves)} runs."),
        ("schedules", _schedules(fit, distinct), f"{distinct} schedules, each left out in turn."),
        ("known", _known(fit), "every schedule is known."),
        ("warmup", _warmup(fit), _warmup_known(fit)),
        ("model", _model(fit, curves), "nothing says that the runs are of several models."),
        ("horizon", _horizon(curves, falling), f"decays are seen up to step {seen}."),
        ("convergence", _convergence(fit), f"starts that agree: {agree}."),
        ("bound", _bound(lines), f"no parameter of {fit.name_of_law} is at an edge."),
        ("members", _members(fit, apart), differ),
        ("points", _points(fit, independent), f"as good as {independent:.0f} independent points."),
    )
    return [Check.warned(f"curve.{code}", said, passed) for code, said, passed in questions]


def falls(curve: Curve) -> bool:
    """Return whether the rate falls along the fitted steps."""
    rates = curve.schedule.lr(curve.step)
    return bool((np.diff(rates) < 0).any())


def _decay(fit: CurveFit, falling: Sequence[Curve]) -> Iterator[str]:
    if not falling:
        yield (
            f"the learning rate never falls in these runs, and {fit.name_of_law} says nothing of "
            "what a fall does: predict constant rates only, or add a run with a decay."
        )


def _schedules(fit: CurveFit, distinct: int) -> Iterator[str]:
    impossible = [fold for fold in fit.held_out if fold.error is None]
    if len(fit.runs) == 1:
        yield (
            "one curve cannot tell what a fall of the rate takes off from what more steps do: "
            "priors decide, and bands on other schedules are UNTESTED. Add a run with another "
            "schedule."
        )
    elif distinct < 2:
        yield (
            "all runs follow one schedule: nothing shows how the laws do on another, and bands "
            "are UNTESTED. Add a run with another schedule."
        )
    elif impossible:
        runs = ", ".join(run for fold in impossible for run in fold.runs)
        yield (
            f"without {runs} the others cannot be fitted ({impossible[0].note.rstrip('.')}): "
            f"{len(fit.held_out) - len(impossible)} of {distinct} schedules could be left out. "
            "Add a second run with a decay."
        )
    elif distinct == 2:
        yield (
            "two schedules: each is predicted from the other alone, which says little. Add a third."
        )


def _known(fit: CurveFit) -> Iterator[str]:
    doubtful = [
        f"{run.run} ({run.known.rstrip('.')})"
        for run in fit.runs
        if "ambiguous" in run.known or "no family explains it" in run.known
    ]
    if doubtful:
        names = ", ".join(doubtful)
        yield f"the schedule is not certain of {names}. State it: --schedule RUN=TEXT."


def _warmup_known(fit: CurveFit) -> str:
    hidden = fit.hidden_warmup
    if hidden is None:
        return "every log shows its warm-up."
    misfits = ", ".join(f"{name} {100 * off:.2g} %" for name, off in hidden.misfits.items())
    return f"one warm-up for all logs, {hidden.source}; misfit {misfits or 'the same'}."


def _warmup(fit: CurveFit) -> Iterator[str]:
    hidden = fit.hidden_warmup
    if hidden is not None and hidden.contradicted:
        taken, best = hidden.misfits[hidden.source], hidden.misfits[BY_CURVES]
        yield (
            f"with a warm-up to step {hidden.warmup:g}, {hidden.source}, the curves are missed by "
            f"{100 * taken:.2g} %; with one to step {hidden.curves:g} by {100 * best:.2g} %. "
            f"Check it, or give --warmup {hidden.curves:g}."
        )


def _model(fit: CurveFit, curves: Sequence[Curve]) -> Iterator[str]:
    for what, name in (("params", "size"), ("batch_tokens", "batch size")):
        values = sorted({v for c in curves if (v := getattr(c, what)) is not None})
        if what == "params" and fit.sized:
            if len(values) == FEWEST_SIZES:
                yield (
                    "two model sizes do not tell B N^-beta from L0: beta is its prior's. A third "
                    "size ends one or two percent off, of unknown sign. Add runs of a third size."
                )
        elif len(values) > 1:
            yield (
                f"the runs are of {len(values)} {name}s ({', '.join(f'{v:.4g}' for v in values)}): "
                f"one curve cannot fit them all. Choose one: --where '{what} == {values[-1]:g}'."
            )
    yield from () if fit.sized else _unlike(curves)


def _unlike(curves: Sequence[Curve]) -> Iterator[str]:
    """Yield which curves differ while their rates are the same: they are not of one model."""
    for a, b in itertools.combinations(curves, 2):
        step = a.step[(a.step >= b.step[0]) & (a.step <= b.step[-1])]
        rates = a.schedule.lr(step), b.schedule.lr(step)
        apart = np.flatnonzero(np.abs(rates[0] - rates[1]) > ALIKE * a.schedule.highest)
        step = step[: apart[0]] if len(apart) else step
        if len(step) < FEWEST_ALIKE:
            continue
        losses = (np.interp(step, c.step, np.log(c.loss)) for c in (a, b))
        off = float(np.median(np.subtract(*losses)))
        if abs(off) > UNLIKE:
            yield (
                f"{a.run} and {b.run} have the same rates up to step {step[-1]}, and losses that "
                f"differ by {100 * abs(off):.2g} %: they are not of one model. Fit them apart."
            )


def _horizon(curves: Sequence[Curve], falling: Sequence[Curve]) -> Iterator[str]:
    longest = max(int(c.step[-1]) for c in curves)
    seen = max((int(c.step[-1]) for c in falling), default=longest)
    if longest > FAR * seen:
        yield (
            f"runs go on to step {longest}, but no rate falls after step {seen}: decays after long "
            "runs take off less than shorter ones say. Do not forecast a decay far beyond it."
        )


def _convergence(fit: CurveFit) -> Iterator[str]:
    alone = [n for n, f in fit.laws.items() if f.agree and f.agree[1] > 1 and f.agree[0] < 2]
    if alone:
        yield f"only one start of {', '.join(alone)} reached its minimum: another may be lower."
    for name, fitted in fit.laws.items():
        if fitted.left:
            yield (
                f"{name} would still gain {fitted.left:.1g} of its objective: the runs leave a "
                "valley open. Its parameters mean little; add a run with another schedule."
            )


def _bound(lines: Mapping[str, Linearised]) -> Iterator[str]:
    edges = []
    for name, line in lines.items():
        gone = dead(line)
        if gone:
            edges.append(f"{name}: {', '.join(gone)} ran to the edge: the runs see none of it.")
        far = [f"{p} ({sds:+.1f} sd)" for p, sds in _from_prior(line)]
        if far:
            edges.append(f"{name}: {', '.join(far)} lies far from where other models' fits lie.")
    yield from edges
    if edges:
        yield "Predict near the fitted schedules only, or hold a parameter (--fix)."


def _from_prior(line: Linearised) -> Iterator[tuple[str, float]]:
    """Yield parameters far from their prior's centre, in its sds."""
    for i, (name, declared) in enumerate(line.problem.law.parameters().items()):
        if declared.prior is None or not line.problem.free[i]:
            continue
        sds = (line.at[i] - np.log(declared.prior.center)) / declared.prior.log_sd
        if abs(sds) > FAR_FROM_PRIOR:
            yield name, float(sds)


def _apart(fit: CurveFit, curves: Sequence[Curve]) -> float:
    """Return the largest share by which the laws differ at the end of a fitted run."""
    if len(fit.laws) < 2:
        return 0.0
    ends = [fit.along(curve, curve.step[-1:]) for curve in curves]
    return max(0.0, *(float(there.high[0] / there.low[0] - 1) for there in ends))


def _members(fit: CurveFit, apart: float) -> Iterator[str]:
    misfits = {name: fitted.misfit or 0.0 for name, fitted in fit.laws.items()}
    best = min(misfits.values())
    for name, off in misfits.items():
        if off > WORSE * best:
            yield (
                f"{name} misses the fitted points by {100 * off:.2g} %, the best law by "
                f"{100 * best:.2g} %: it does not describe these runs. See --law for one law alone."
            )
    if apart > DIFFER:
        yield (
            f"at the end of a fitted run the laws differ by {100 * apart:.2g} %: the average hides "
            "that they disagree."
        )


def _points(fit: CurveFit, independent: float) -> Iterator[str]:
    most = max(len(fitted.law.values()) for fitted in fit.laws.values())
    if independent < POINTS_PER_PARAMETER * most:
        yield (
            f"{fit.n_points} points say as much as {independent:.0f} independent ones, for "
            f"{most} parameters: priors decide part of them. Log more often, or add runs."
        )
