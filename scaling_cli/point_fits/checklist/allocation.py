"""Checks of the compute-optimal size: R17 and R18."""

import numpy as np

from scaling_cli.point_fits.checklist.evidence import Evidence, factor, line
from scaling_cli.point_fits.fitted import REACH, optimal_size
from scaling_cli.vocabulary.outcomes import Check, Level
from scaling_cli.vocabulary.quantities import Role, short_number

BIASED = np.log(1.25)  # of ln N*, where the parabolas' own bias is said
LOPSIDED = 0.5  # mean distance of minima from the middle of their sizes, over half the range


def parabolas(e: Evidence) -> Check:
    """R17: bias of the parabolas on this grid, and whether they agree with the law."""
    found = e.diagnosis.isoflop
    if found is None:
        return Check("approach2.bias", Level.PASS, "no isoFLOP slices here: N* is the law's alone.")
    count = f"{len(found.budgets)} isoFLOP budgets"
    if found.line is None or not found.allocations:
        return Check(
            "approach2.bias",
            Level.WARN,
            f"{count}, of which too few bracket a minimum for a line: N* is the law's "
            "alone, and untested. Add sizes on both sides of each minimum.",
        )
    one = found.nearest(REACH * float(np.max(e.problem.law.along(e.points.inputs))))
    at = f"at C = {one.compute:.3g}"
    text = f"{count}, {found.line.n} with a bracketed minimum: N* {short_number(one.size)} {at}"
    text += f" (exponent {found.line.slope:.3f})"
    problems = _doubts(e)
    if one.law_size is not None:
        text += f", {short_number(one.law_size)} by the law"
    if one.agree is False:
        low, high = one.hull
        problems.append(
            f"the law's N* lies outside the parabolas' {short_number(one.interval[0])} to "
            f"{short_number(one.interval[1])}: trust the parabolas for N*, the law for the loss, "
            f"and plan for anything from {short_number(low)} to {short_number(high)}"
        )
    if found.bias is not None:
        text += f"; on the law's own losses this grid misses by a factor of {factor(found.bias)}"
    problem = f"{text}; {'; '.join(problems)}." if problems else None
    return line("approach2.bias", problem, f"{text}; they agree.")


def _doubts(e: Evidence) -> list[str]:
    """Say where the grid itself bends the parabolas."""
    found = e.diagnosis.isoflop
    if found is None:
        return []
    problems = []
    if found.bias is not None and abs(found.bias) > BIASED:
        problems.append(
            "the grid is too wide or too lopsided for parabolas: run sizes closer to each minimum"
        )
    centring = [b.centring for b in found.budgets if b.centring is not None]
    if centring and abs(float(np.mean(centring))) > LOPSIDED:
        side = "large" if np.mean(centring) > 0 else "small"
        problems.append(f"minima lie at the {side} end of the sizes: add {side[:5]}er ones")
    return problems


def flatness(e: Evidence) -> Check:
    """R18: which sizes are as good, and whether other choices stay among them."""
    flat, at = e.diagnosis.flat, e.diagnosis.target.compute
    if not flat or at is None:
        return Check("optimum.flatness", Level.PASS, "the law has no best size at a given compute.")
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
    return line("optimum.flatness", problem if outside else None, f"{text}: any of them will do.")
