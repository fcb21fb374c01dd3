"""Checks of the compute-optimal size: R17 and R18."""

from collections.abc import Iterator

import numpy as np

from scaling_cli.laws._optimum import optimal_size
from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, factor, item
from scaling_cli.point_fits.diagnosis.isoflop import DOWNWARDS, Allocation, IsoFlop
from scaling_cli.point_fits.fitted import REACH
from scaling_cli.vocabulary.outcomes import Touches
from scaling_cli.vocabulary.quantities import Role, short_number

BIASED = np.log(1.25)  # of ln N*, where the parabolas' own bias is said
LOPSIDED = 0.5  # mean distance of minima from the middle of their sizes, over half the range


@item("approach2.bias", "R17", "do isoFLOP parabolas agree with the law?", Touches.OPTIMUM)
def parabolas(e: Evidence) -> Verdict:
    """R17: bias of the parabolas on this grid, and whether they agree with the law."""
    slices = e.diagnosis.isoflop
    if slices is None:
        return Verdict.passed("no isoFLOP slices here: N* is the law's alone.")
    count = f"{len(slices.budgets)} isoFLOP budgets{' of logged compute' * slices.logged}"
    unused = _unused(slices)
    if slices.line is None or not slices.allocations:
        return Verdict.passed(
            f"{count}, of which too few bracket a minimum for a line"
            f"{f' ({unused})' if unused else ''}: N* is the law's alone, and untested. Add sizes "
            "on both sides of each minimum.",
            Touches.OPTIMUM,
        )
    at = slices.nearest(REACH * float(np.max(e.problem.law.along(e.points.inputs))))
    text = (
        f"{count}, {slices.line.n} with a bracketed minimum{f' ({unused})' if unused else ''}: "
        f"N* {short_number(at.size)} at "
        f"C = {at.compute:.3g} (exponent {slices.line.slope:.3f})"
    )
    if at.law_size is not None:
        text += f", {short_number(at.law_size)} by the law"
    if slices.bias is not None:
        text += f"; on the law's own losses this grid misses by a factor of {factor(slices.bias)}"
    problem = "; ".join([text, *_doubts(slices, at)])
    fine = text if at.law_size is None else f"{text}; the parabolas cannot tell the two apart"
    fine = f"{text}; they agree" if at.agree else fine
    return Verdict.judged(f"{problem}." if problem != text else None, f"{fine}.")


def _unused(slices: IsoFlop) -> str:
    """Say which budgets give no minimum, and why."""
    reasons: dict[str, list[str]] = {}
    for budget in slices.budgets:
        if budget.optimum is None:
            reasons.setdefault(budget.reason, []).append(f"{budget.compute:.3g}")
    opens = {DOWNWARDS: "open downwards"}
    told = [f"{', '.join(C)}: {opens.get(reason, reason)}" for reason, C in reasons.items()]
    return f"not used, C = {'; '.join(told)}" if told else ""


def _doubts(slices: IsoFlop, at: Allocation) -> Iterator[str]:
    """Say where the grid itself bends the parabolas, and where they contradict the law."""
    if slices.bias is not None and abs(slices.bias) > BIASED:
        yield "the grid is too wide or too lopsided for parabolas: run sizes closer to each minimum"
    centring = [b.centring for b in slices.budgets if b.centring is not None]
    if centring and abs(float(np.mean(centring))) > LOPSIDED:
        side = "large" if np.mean(centring) > 0 else "small"
        yield f"minima lie at the {side} end of the sizes: add {side[:5]}er ones"
    if at.agree is False:
        least, most, low, high = (short_number(v) for v in (*at.interval, *at.hull))
        yield (
            f"the law's N* lies outside the parabolas' {least} to {most}: trust the parabolas for "
            f"N*, the law for the loss, and plan for anything from {low} to {high}"
        )


@item("optimum.flatness", "R18", "how much does the model size matter?", Touches.OPTIMUM)
def flatness(e: Evidence) -> Verdict:
    """R18: which sizes are as good, and whether other choices stay among them."""
    flat, at = e.diagnosis.flat, e.diagnosis.target.compute
    if not flat or at is None:
        return Verdict.passed("the law has no best size at a given compute.")
    size = e.problem.law.symbol_of(Role.SIZE)
    text = f"at C = {at:.3g} " + ", ".join(
        f"{size} from {short_number(low)} to {short_number(high)} is within {100 * share:g} % of "
        "the least loss"
        for share, (low, high) in flat.items()
    )
    low, high = flat[max(flat)]
    best = optimal_size(e.optimum.law, at, e.diagnosis.target.inputs) or np.nan
    outside = [
        v.name
        for v in e.diagnosis.choices
        if v.optimum_shift is not None and not low <= best * np.exp(v.optimum_shift) <= high
    ]
    problem = (
        f"{text}; N* leaves that under {', '.join(outside)}: the choice of size costs more than "
        f"{100 * max(flat):g} % of loss if it is wrong. Run a few sizes around it before "
        "committing."
    )
    if outside:
        return Verdict.passed(problem, Touches.OPTIMUM)
    return Verdict.passed(f"{text}: any of them will do.")
