"""The companion of a law: a second law fitted to the same points, to centre intervals with.

Held-out errors of real tables are a quarter smaller for the mean of two laws' forecasts than for
the better one's (benchmarks/coverage.py), and where the two laws part, the interval shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.engine.solve import LANES, solve
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Law
from scaling_cli.search.minimum import nested_ends

FEWEST_POINTS = 16  # below that the richer law's forecasts are no better
SEARCH_ITERATIONS = 60  # enough to tell which start leads; the best is followed afterwards
ITERATIONS = 150


@dataclass(frozen=True)
class Companion:
    """A companion law fitted to all points and to those that each cut leaves."""

    law: Law
    at_cuts: Sequence[Law | None]


def problem_of(problem: Problem) -> Problem | None:
    """Return the companion's problem on the same points; None where there is none to be had.

    There is none for a law without a companion, for few points, and where a parameter is held,
    tied or has a prior of the user's: that is the user's own law.
    """
    own = problem.law.parameters()
    changed = len(problem.frame.names) < len(own) or problem.penalty is not None
    if not problem.law.companion or changed or len(problem.output) < FEWEST_POINTS:
        return None
    law = laws.get(problem.law.companion)
    return replace(problem.smooth(), law=law, frame=Frame.of(law, {}, {}))


def fitted(problem: Problem, weights: Sequence[np.ndarray]) -> list[Law | None]:
    """Return the law of a problem fitted under each row of weights; None where that fails.

    Rows multiply the points' own weights, as in `optimum.refits`. All points are fitted first, from
    the best starts and the laws contained; everything else begins there. A lane that still creeps,
    along a ridge or towards a bound, is taken where it is: its forecast hardly moves any more.
    """
    # As many as cost no more than one.
    begin = np.concatenate([nested_ends(problem), starts(problem)])[:LANES]
    if not len(begin):
        return [None] * len(weights)
    first = solve(problem, begin, max_iterations=SEARCH_ITERATIONS)
    begin = first.u[int(np.argmin(np.where(np.isfinite(first.value), first.value, np.inf)))]
    lanes, weight = np.repeat(begin[None], len(weights), axis=0), np.stack(weights)
    ends = solve(problem, lanes, weight=weight * problem.weight, max_iterations=ITERATIONS)
    usable = np.isfinite(ends.value) & problem.in_range(ends.u)
    pairs = zip(problem.laws(ends.u), usable, strict=True)
    return [law if good else None for law, good in pairs]


def companion(problem: Problem, masks: Sequence[np.ndarray]) -> Companion | None:
    """Fit the companion of a problem's law to all points and to each mask of training points."""
    other = problem_of(problem)
    if other is None:
        return None
    everything = np.ones(len(problem.output))
    law, *at_cuts = fitted(other, [everything, *(mask.astype(float) for mask in masks)])
    return None if law is None else Companion(law, at_cuts)


def of_parts(
    problem: Problem, parts: Sequence[Problem], weights: Sequence[Sequence[np.ndarray]]
) -> list[Law | None]:
    """Fit the companion under each row of each part's weights, where the part itself has one.

    Parameters
    ----------
    problem : Problem
        Of the whole table, which rows of weights, shape (n,), are over.
    parts : sequence of Problem
        Of the points that each part fits.
    weights : sequence of sequence of array
        Of each part: its own row, then those of the cuts inside it.

    Returns
    -------
    list
        In the order of all rows; None for the parts without a companion.
    """
    other = problem_of(problem)
    has_one = [problem_of(part) is not None for part in parts]
    wanted = [row for own, has in zip(weights, has_one, strict=True) if has for row in own]
    companions = iter(fitted(other, wanted) if other is not None and wanted else ())
    pairs = zip(weights, has_one, strict=True)
    return [next(companions, None) if has else None for own, has in pairs for _ in own]
