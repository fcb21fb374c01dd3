"""Curves of a family laid over one another: whether a running job leaves the way of its siblings.

Tuned runs of one schedule fall upon one curve when each is normalised (arXiv 2509.25087), so that a
run that leaves it is told before its loss rises. What a running job ends at is not known: siblings
are matched to it over the earlier part of what is logged and held against it at the end. How far
they lie off one another so is the band (benchmarks/collapse.py: 2 of 123 sound prefixes lie outside
it, 84 of them with a drift of 1 % over the last fifth, and 21 of 48 of runs beyond four epochs).
"""

from collections.abc import Sequence

import numpy as np

from scaling_cli.artefacts.forecast import Collapse
from scaling_cli.forecasting.despiking import noise_of
from scaling_cli.forecasting.direction import Turn
from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.siblings import Sibling, affine, shape_of
from scaling_cli.numerics.quantiles import quantile

FEWEST = 3  # finished siblings of one schedule: two have one distance between them
FROM = 0.3  # of what is logged: before it losses fall too fast to be matched
MATCHED, HELD = 0.7, 0.9  # of what is logged: matched up to the first, held against from the second
SHARES = np.linspace(FROM, 1.0, 40)
SURE = 0.99  # level of the band
USUAL, BELIEVED = 0.001, 3  # prior sd of a distance in ln loss beside noise; how many it counts as


def collapse(job: Job, length: float, members: Sequence[Sibling]) -> Collapse | None:
    """Return how far a run lies off its siblings, and within what these lie off each other.

    Parameters
    ----------
    job : Job
    length : float
        Where its schedule ends.
    members : sequence of Sibling
        Finished runs of the same schedule.

    Returns
    -------
    Collapse or None
        None below three siblings that were logged as early as the run is now.
    """
    share = job.now / length
    cuts = [(cut, s.plan.length) for s in members for cut in [s.cut(share)] if cut is not None]
    if len(cuts) < FEWEST:
        return None
    shapes = [shape_of(cut, end, share * SHARES) for cut, end in cuts]
    own = shape_of(job, length, share * SHARES)
    apart = [_off(one, shapes[:i] + shapes[i + 1 :]) for i, one in enumerate(shapes)]
    noise = noise_of(job.loss) / np.sqrt(np.sum(job.x > HELD * job.now))
    squares = BELIEVED * (USUAL**2 + noise**2) + float(np.sum(np.square(apart)))
    freedom = BELIEVED + len(apart)
    sd = np.sqrt(squares / freedom * (1 + 1 / len(apart)))
    off, band = _off(own, shapes), float(sd * quantile(SURE, freedom))
    return Collapse(off, band, len(apart), abs(off) > band)


def _off(own: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Return how far the end of ln losses lies above what the others say, their median."""
    early, late = SHARES <= MATCHED, SHARES > HELD
    weight = SHARES[early] ** 2
    told = []
    for other in others:
        first, slope = affine(own[early], other[early], weight / weight.sum())
        told.append(float(np.mean(own[late] - first - slope * other[late])))
    return float(np.median(told))


def of_collapse(job: Job, told: Collapse | None, turn: Turn) -> list[str]:
    """Say that a run has left the way of its siblings."""
    if told is None or not told.left:
        return []
    level = job.level()
    off, band = (turn.relative(level, level * np.exp(-by)) for by in (told.deviation, told.band))
    return [
        f"the {job.noun} has left the way of its {told.siblings} siblings: laid over them up to "
        f"{job.place(MATCHED * job.now)}, it lies {off:+.1%} off since "
        f"{job.place(HELD * job.now)}, "
        f"where they keep within {abs(band):.1%} of one another. Look at the run before it goes on."
    ]
