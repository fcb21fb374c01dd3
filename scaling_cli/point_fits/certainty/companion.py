"""Laws beside a law, fitted to the same points: their mean is the forecast, their distance a width.

Held-out errors of real tables are a sixth smaller for the mean of three laws' forecasts than for
the best known one's (benchmarks/coverage.py), and where laws with and without a floor part, the
interval shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Beside, has_floor
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.engine.solve import LANES, solve
from scaling_cli.engine.starts import starts
from scaling_cli.laws._law import Law
from scaling_cli.point_fits.fitted import LAWS_OWN, Company
from scaling_cli.search.minimum import nested_ends

FEWEST_POINTS = 7  # with fewer, a mean of laws forecasts no better than one
SEARCH_ITERATIONS = 60  # enough to tell which start leads; the best is followed afterwards
ITERATIONS = 150


@dataclass(frozen=True)
class Companion:
    """Another law on the same points, fitted under several rows of weights.

    Parameters
    ----------
    problem : Problem
    weight : float
        Its share of the centre.
    laws : sequence of Law or None
        One for each row; None where the fit failed.
    """

    problem: Problem
    weight: float
    laws: Sequence[Law | None]


def weights_beside(problem: Problem, company: Company = LAWS_OWN) -> Mapping[str, float]:
    """Return the laws beside a problem's, and their weights in the centre.

    Where laws were chosen: those. A law that is asked for alone, and the user's own, in which a
    parameter is held, tied or has a prior, or which names no laws beside it, is the centre; a law
    that has a floor where it has none, or none where it has one, says how wide the interval is.
    """
    law, alone = problem.law, company.alone
    if company.laws is not None:
        return company.laws
    if len(problem.output) < FEWEST_POINTS:
        return {}
    changed = len(problem.frame.names) < len(law.parameters()) or problem.penalty is not None
    if law.beside and not (changed or alone):
        return law.beside
    names = (name for name in (*law.beside, *laws.names()) if _contrasts(law, laws.get(name)))
    return dict.fromkeys(list(names)[:1], 0.0)


def _contrasts(law: type[Law], other: type[Law]) -> bool:
    same = other.inputs() == law.inputs() and other.output() == law.output()
    return same and law.measured_by(other) and has_floor(other) != has_floor(law)


def problem_of(problem: Problem, law: type[Law]) -> Problem:
    """Return the problem of fitting another law, of as many inputs or fewer, to the same points."""
    inputs = {symbol: problem.inputs[symbol] for symbol in law.inputs()}
    own = replace(problem.smooth(), penalty=None)
    return replace(own, law=law, inputs=inputs, frame=Frame.of(law, {}, {}))


def problems(problem: Problem, company: Company = LAWS_OWN) -> list[tuple[Problem, float]]:
    """Return the problems of fitting the laws beside to the same points, with their weights."""
    return [
        (problem_of(problem, laws.get(name)), weight)
        for name, weight in weights_beside(problem, company).items()
    ]


def companions(
    problem: Problem, weights: Sequence[np.ndarray], company: Company = LAWS_OWN
) -> list[Companion]:
    """Fit every law beside a problem's under each row of weights, shape (n,)."""
    return [
        Companion(other, weight, fitted(other, weights))
        for other, weight in problems(problem, company)
    ]


def beside(every: Sequence[Companion], row: int) -> list[Beside]:
    """Return the laws beside under one row of weights, without those whose fit failed."""
    at_row = ((companion.laws[row], companion.weight) for companion in every)
    return [Beside(law, weight) for law, weight in at_row if law is not None]


def of_all(
    problem: Problem, every: Sequence[Companion], company: Company = LAWS_OWN
) -> list[Beside]:
    """Return the laws beside under all points: those fitted to a part are followed on the whole."""
    whole = {own.law: own for own, _ in problems(problem, company)}
    thinned = any(len(c.problem.output) < len(problem.output) for c in every)
    return [
        Beside(_followed(whole[type(own.law)], own.law), own.weight) if thinned else own
        for own in beside(every, 0)
    ]


def _followed(problem: Problem, law: Law) -> Law:
    """Return the law that a fit of another table leads to; that law if it leads nowhere."""
    declared, values = problem.law.parameters(), law.values()
    begin = np.array([[float(declared[n].free(values[n])) for n in problem.frame.names]])
    ends = solve(problem, begin, near=True, max_iterations=ITERATIONS)
    usable = np.isfinite(ends.value) & problem.in_range(ends.u)
    return problem.laws(ends.u)[0] if usable[0] else law


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
