"""Which way the law goes: more parameters or more data should not make a loss worse."""

from collections.abc import Mapping

import numpy as np

from scaling_cli.laws._law import Law, Role
from scaling_cli.point_fits.checklist.evidence import Evidence, Verdict, item
from scaling_cli.point_fits.fitted import REACH
from scaling_cli.vocabulary.outcomes import Touches
from scaling_cli.vocabulary.quantities import L, short_number

STEPS = 200  # from the smallest run to REACH times the largest
RISE = 1e-5  # of ln loss, over all of a climb, below which it is none


@item("law.direction", "", "does the law fall with size and data?", Touches.FORECAST)
def direction(e: Evidence) -> Verdict:
    """Say where the law rises with size or data, within the data and as far as the headline."""
    law = e.optimum.law
    grown = [s for s, q in law.inputs().items() if q.role in (Role.SIZE, Role.DATA)]
    if law.output() != L or not grown:
        return Verdict.passed("no loss of a size or of data: it may go either way.")
    asked = [s for s in grown if s not in law.rises]
    at = e.diagnosis.target.inputs
    climbs = {s: rise for s in asked if (rise := climb(law, s, at, e.problem.inputs[s]))}
    if not climbs:
        said = " and ".join(asked)
        fine = f"the law falls with {said} from the smallest run to {REACH:.0f}x the largest."
        return Verdict.passed(fine if asked else "the formula says that the loss may rise.")
    told = " and ".join(
        f"{symbol} from {short_number(low)} to {short_number(high)}"
        for symbol, (low, high) in climbs.items()
    )
    marked = ", ".join(f"+{symbol}" for symbol in climbs)
    return Verdict.warned(
        f"the law's loss rises with {told}: more of it makes no model worse, unless data repeat. "
        "Add runs there or use a law that cannot rise; a formula in which that is meant says so "
        f"on its left, L({marked}, ...)."
    )


def climb(
    law: Law, symbol: str, at: Mapping[str, float], values: np.ndarray
) -> tuple[float, float] | None:
    """Return between which values of one input the law rises, others held; None where it falls."""
    places = np.geomspace(np.min(values), REACH * np.max(values), STEPS)
    logs = np.log(np.asarray(law(**{**at, symbol: places}), float))
    up = np.flatnonzero(np.diff(logs) > 0)
    if not len(up) or np.sum(np.diff(logs)[up]) < RISE:
        return None
    return float(places[up[0]]), float(places[up[-1] + 1])
