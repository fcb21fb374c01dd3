"""The search for the best minimum: few starts where they agree, many where they do not.

A minimum may lie at infinity: a term that only the smallest size shows wants an ever steeper
exponent, a floor that the data deny wants to vanish. Such slides end at a bound, and say so.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.iteration import RESIDUAL_FLOOR
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.solve import LANES, MAX_ITERATIONS, Solution, solve
from scaling_cli.engine.starts import around, exchanged, starts
from scaling_cli.search.edges import ABSENT, starts_without, vanishing
from scaling_cli.search.nested import nested_ends
from scaling_cli.search.reach import (
    at_the_edge,
    held_in_range,
    powers,
    representable,
    resolved,
    running,
)
from scaling_cli.search.vertex import absolute, on_vertex, programmed
from scaling_cli.vocabulary.errors import FitError

FIRST_STARTS = 8  # the best projected ones; where most of them agree, the search ends
AGREED = 0.5
FEW_POINTS = 64  # up to which all starts are tried at once: few points make many basins
PROJECTED_STARTS = 48
RANDOM_STARTS = 16
RANDOM_SPREAD = 0.5  # sd of random starts around the best projected one, in free coordinates
FIRST_ITERATIONS = 60  # of starts where there are many: the best go on
# Each of the best ends that lie apart is left again by these standard deviations of a random step:
# outliers and kinks make basins beside basins. Where all starts end in one place that is cheap. So
# long as the lowest sum falls by this share, that is done again.
HOPS, HOP_SPREADS = 16, (0.1, 0.2, 0.4, 0.7, 1.0, 1.5)
HOPPINGS, DISTINCT = 3, 1e-6
APART = 0.1  # in any free coordinate
PROMISING = 0.05  # A lane that has not ended may yet fall by this share.
MISSED = 1e-6
SEARCH_ITERATIONS = 150  # enough for nearly all starts; the best one is polished afterwards
ROUNDS = 16  # of bringing a lane back into the range of floats
POLISH_ITERATIONS = 3000  # a term that slides to zero may take thousands
SLID = 0.1  # change of a free coordinate during a polish without end that counts as sliding
FAR_POWER = 4.0  # logarithm of a power, from where on it is asked whether it has an end
VERTICES = 4  # lanes that are followed to least absolute deviations besides the lowest
BEYOND = 4  # lanes beyond the doubles, lower than those within, that are brought back
SAME_MINIMUM = 1e-8  # relative difference of objectives that counts as the same minimum
# Least absolute deviations as the limit of Huber's: the corner shrinks until Newton no longer
# resolves it. At corner c the sum of |r| is within (points on the arms' edge) x c / 2 of its
# minimum, about 1e-6 relative at the loosest corner that is accepted.
LAD_CORNERS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
LAD_LOOSEST = 3e-6


class Searched(NamedTuple):
    """What a search found."""

    lanes: Solution
    """Where each start ended."""
    best: Solution
    """The best of them, finished: one lane."""
    sliding: tuple[str, ...]
    """Parameters that it follows towards the edge of their domain."""
    beyond: float = 0.0
    """Share by which the sum falls on where parameters leave the floats."""


class Follow(Protocol):
    """Goes on from one point, shape (1, k), with parameters held; or only evaluates it."""

    def __call__(self, inside: np.ndarray, held: Sequence[str], *, move: bool) -> Solution:
        """Return where that ends."""
        ...


def search(problem: Problem, seed: int) -> Searched:
    """Return the best minimum that can be found.

    Raises
    ------
    FitError
        If no start can be made, none is finite, or the best does not end.
    """
    projected = starts(problem)[:PROJECTED_STARTS]
    if not len(projected):
        raise FitError(
            f"no starting point of {laws.name_of(problem.law)} can be made from these data.",
            hint="Look at 'scaling runs': are the losses falling with size and tokens?",
        )
    lad = problem.objective.name == "lad"
    smooth = replace(problem, objective=replace(problem.objective, name="huber"))
    found = _searched(smooth if lad else problem, projected, seed)
    if not np.any(np.isfinite(found.value)):
        raise FitError("the law is not finite at any starting point.")
    lanes = _leading(problem, found) + (_least_sums(problem, found) if lad else [])
    ends = _ends(problem, found, list(dict.fromkeys(lanes)))
    exact = lad and problem.penalty is None
    sums = [absolute(problem, e.u[0]) if exact else float(e.value[0]) for e, _ in ends]
    best, names = ends[int(np.nanargmin(sums))]
    known = zip(_known(found).tolist(), found.u, strict=True)
    lowest = min((value for value, u in known if resolved(problem, u)), default=np.inf)
    excess = 0.0 if lad else float(best.value[0]) - lowest  # and if positive, so is the value
    beyond = excess / float(best.value[0]) if excess > 0 else 0.0
    if beyond > MISSED:  # the lowest lane has left the doubles: what it followed is open
        names = tuple(dict.fromkeys((*names, *ends[0][1])))
    return Searched(found, best, names, beyond)


def _ends(
    problem: Problem, found: Solution, lanes: Sequence[int]
) -> list[tuple[Solution, tuple[str, ...]]]:
    """Return where lanes end; one that does not is passed over while another does.

    Raises
    ------
    FitError
        If none ends.
    """
    follow = _least_absolute if problem.objective.name == "lad" else finished
    ends, errors = [], []
    for lane in lanes:
        try:
            ends.append(follow(problem, found, lane))
        except FitError as error:
            errors.append(error)
    if not ends:
        raise errors[0]
    return ends


def _leading(problem: Problem, found: Solution) -> list[int]:
    """Return the best lane; where coefficients leave the doubles, the best, and one that stays."""
    known = _known(found)
    inside = np.array([representable(problem, u) for u in found.u]) & np.isfinite(known)
    if not np.any(inside):
        return [int(np.argmin(known)), *_apart(found, np.isfinite(known))[1:BEYOND]]
    best = int(np.argmin(np.where(inside, known, np.inf)))
    return [*_apart(found, known < known[best])[:BEYOND], best]


def _least_sums(problem: Problem, found: Solution) -> list[int]:
    """Return the lanes of least |residuals|: from Huber's lowest the way may lead elsewhere."""
    with np.errstate(all="ignore"):
        sums = found._replace(value=np.array([absolute(problem, u) for u in found.u]))
    inside = np.array([representable(problem, u) for u in found.u])
    return _apart(sums, inside & np.isfinite(sums.value))[:VERTICES]


def _searched(problem: Problem, projected: np.ndarray, seed: int) -> Solution:
    """Descend from a few starts, and from all of them where those do not agree."""
    more = around(problem, projected[:1], [RANDOM_SPREAD] * RANDOM_STARTS, seed)
    projected = np.concatenate([nested_ends(problem), projected])
    if len(problem.output) <= FEW_POINTS:
        first = solve(problem, np.concatenate([projected, more]), max_iterations=FIRST_ITERATIONS)
        return _hopped_on(problem, first, seed)
    found = solve(problem, projected[:FIRST_STARTS], max_iterations=SEARCH_ITERATIONS)
    if np.sum(agreeing(problem, found)) >= AGREED * FIRST_STARTS:
        return found
    rest = np.concatenate([projected[FIRST_STARTS:], more])
    return _gone_on(problem, _joined(found, solve(problem, rest, max_iterations=SEARCH_ITERATIONS)))


def _joined(*found: Solution) -> Solution:
    return Solution(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def _hopped_on(problem: Problem, found: Solution, seed: int) -> Solution:
    """Leave the best ends again, and once more where that led lower."""
    for again in range(HOPPINGS):
        lowest = np.min(_known(found))
        found = _gone_on(problem, _joined(found, _hopped(problem, found, seed + again)))
        if not np.min(_known(found)) < lowest * (1 - DISTINCT):
            break
    return found


def _gone_on(problem: Problem, found: Solution) -> Solution:
    """Go on from lanes that have not ended and may yet end lowest; the lowest is followed later."""
    known = _known(found)
    unended = ~found.converged & (known <= np.min(known) * (1 + PROMISING))
    unended[np.argmin(known)] = False
    begin = found.u[_apart(found, unended)[:LANES]]  # as many as cost no more than one
    if not len(begin):
        return found
    return _joined(found, solve(problem, begin, max_iterations=POLISH_ITERATIONS))


def _known(found: Solution) -> np.ndarray:
    return np.where(np.isfinite(found.value), found.value, np.inf)


def _apart(found: Solution, usable: np.ndarray) -> list[int]:
    """Return usable lanes, lowest first, that differ in value and in place."""
    known, chosen = _known(found), []
    order = np.argsort(known, kind="stable")
    for lane in order[usable[order]].tolist():
        away = np.max(np.abs(found.u[chosen] - found.u[lane]), axis=1, initial=0.0)
        higher = not chosen or known[lane] > known[chosen[-1]] * (1 + DISTINCT)
        if higher and np.all(away > APART):
            chosen.append(lane)
    return chosen


def _hopped(problem: Problem, found: Solution, seed: int) -> Solution:
    """Go on from the best ends that lie apart, and from places around each of them."""
    ends = found.u[_apart(found, np.isfinite(found.value))[:HOPS]]
    others = around(problem, ends, HOP_SPREADS, seed), exchanged(problem, ends)
    begin = np.concatenate([ends, *others])
    return solve(problem, begin, max_iterations=SEARCH_ITERATIONS)


def agreeing(problem: Problem, found: Solution) -> np.ndarray:
    """Return which lanes converged to the best value found by any lane, shape (m,)."""
    known = _known(found)
    # Noiseless data: every zero is the same zero.
    floor = len(problem.output) * RESIDUAL_FLOOR**2
    return found.converged & (known <= np.min(known) * (1 + SAME_MINIMUM) + floor)


def finished(problem: Problem, found: Solution, best: int) -> tuple[Solution, tuple[str, ...]]:
    """Follow the best lane to its end; also name what slides towards a bound without end.

    Raises
    ------
    FitError
        If the end is not a minimum.
    """
    ended, names = _followed(problem, found, best)
    return ended, tuple(dict.fromkeys(names + _falling(problem, ended)))


def _followed(problem: Problem, found: Solution, best: int) -> tuple[Solution, tuple[str, ...]]:
    u = found.u[best : best + 1]
    if found.converged[best] and representable(problem, u[0]):
        return found.take([best]), ()
    ended, names = _at_an_edge(problem, u, SEARCH_ITERATIONS)
    if ended is not None and ended.value[0] <= found.value[best] * (1 + SAME_MINIMUM):
        return ended, names
    ended, held = _polished(problem, u)
    names = running(problem, held)
    if ended.converged[0]:
        return ended, names
    if not np.isfinite(ended.value[0]):
        raise FitError(
            f"the optimiser did not converge on {laws.name_of(problem.law)}.",
            hint="The data do not fit this law; look at the residuals, or hold E with --fix.",
        )
    edge, absent = _at_an_edge(problem, ended.u, POLISH_ITERATIONS)
    if edge is not None and edge.value[0] <= ended.value[0] * (1 + SAME_MINIMUM):
        return edge, absent
    return ended, tuple(dict.fromkeys(names + _slid(problem, u, ended.u)))


def _falling(problem: Problem, ended: Solution) -> tuple[str, ...]:
    """Return the powers, far from 1, beyond which the sum goes on falling: a very flat slide."""
    names = []
    for power in powers(problem):
        held, place = _columns(problem, [power]), problem.frame.names.index(power)
        side = np.sign(ended.u[0, place])
        if abs(ended.u[0, place]) > FAR_POWER:
            beyond = solve(problem, ended.u + side * held, frozen=held)
            names += [power] if beyond.value[0] < ended.value[0] else []
    return tuple(names)


def _polished(problem: Problem, u: np.ndarray) -> tuple[Solution, tuple[str, ...]]:
    """Follow a lane to its end, within what floats can hold; also say what is held there."""

    def follow(inside: np.ndarray, held: Sequence[str], *, move: bool) -> Solution:
        limit = POLISH_ITERATIONS if move else 0
        return solve(problem, inside, frozen=_columns(problem, held), max_iterations=limit)

    return _inside(problem, u, (), follow)


def _inside(
    problem: Problem, u: np.ndarray, held: tuple[str, ...], follow: Follow
) -> tuple[Solution, tuple[str, ...]]:
    """Return the best end of a lane within the floats, and what is held there."""
    found = _within(problem, u, held, follow, steep=False)
    if found[-1][1] != held:  # it left the floats: by a power, or by an exponent in it
        found += _within(problem, u, held, follow, steep=True)
    kept = [end for end in found if representable(problem, end[0].u[0])]
    return min(kept or found, key=lambda end: np.nan_to_num(end[0].value[0], nan=np.inf))


def _within(
    problem: Problem, u: np.ndarray, held: tuple[str, ...], follow: Follow, *, steep: bool
) -> list[tuple[Solution, tuple[str, ...]]]:
    """Return where a lane began and ended each time that it was brought back into the floats."""
    inside, held = held_in_range(problem, u, held, steep=steep)
    found = []
    for _ in range(ROUNDS):
        ended = follow(inside, held, move=True)
        stays = representable(problem, ended.u[0])
        found += [] if stays else [(follow(inside, held, move=False), held)]
        found.append((ended, held))
        if stays and at_the_edge(problem, ended.u[0], held):
            break
        inside, held = held_in_range(problem, ended.u, held, steep=steep)
    return found


def _slid(problem: Problem, begin: np.ndarray, end: np.ndarray) -> tuple[str, ...]:
    """Return the parameters that still moved while the objective hardly fell."""
    far = np.abs(end[0] - begin[0]) > SLID
    return tuple(n for n, moved in zip(problem.frame.names, far, strict=True) if moved)


def _at_an_edge(
    problem: Problem, u: np.ndarray, limit: int
) -> tuple[Solution | None, tuple[str, ...]]:
    """Return the best minimum in which one amplitude is absent, and its name, if there is one.

    On the way to such a minimum an exponent goes to zero with the amplitude: without the
    amplitude it takes a few steps, with it thousands.
    """
    best: tuple[Solution | None, tuple[str, ...]] = (None, ())
    for name in vanishing(problem):
        frozen = _columns(problem, [name])
        begin = np.concatenate([u - ABSENT * frozen, starts_without(problem, name)])
        ended = solve(problem, begin, frozen=frozen, max_iterations=limit)
        inside = np.array([representable(problem, row) for row in ended.u])
        usable = np.where(inside & ended.converged, ended.value, np.inf)
        chosen = int(np.argmin(usable))
        if usable[chosen] < (np.inf if best[0] is None else best[0].value[0]):
            best = ended.take([chosen]), (name,)
    return best


def _columns(problem: Problem, names: Sequence[str]) -> np.ndarray:
    """Return which searched coordinates these are, boolean of shape (1, k)."""
    return np.isin(np.array(problem.frame.names), np.array(names, str))[None]


def _least_absolute(
    problem: Problem, found: Solution, best: int
) -> tuple[Solution, tuple[str, ...]]:
    """Reach least absolute deviations by continuation of Huber's corner, then on the vertex.

    Raises
    ------
    FitError
        If the end is not a number.
    """
    u, held = found.u[best : best + 1], ()
    begin = u
    reached: Solution | None = None
    for corner in LAD_CORNERS:
        now, held = _at_corner(problem, u, corner, held)
        if reached is not None and not now.converged[0] and corner < LAD_LOOSEST:
            break
        u, reached = now.u, now
    if reached is None or not np.isfinite(reached.value[0]):
        raise FitError(
            f"least absolute deviations did not converge on {laws.name_of(problem.law)}.",
            hint="Fit with --objective huber, or hold E with --fix.",
        )
    if problem.penalty is None:  # priors pull the minimum off the vertex
        moves = ~_columns(problem, held)[0]
        near = programmed(problem, reached.u[0], moves, lambda u: representable(problem, u))
        reached = reached._replace(u=on_vertex(problem, near, moves)[None])
    names = running(problem, held)
    slid = () if reached.converged[0] else _slid(problem, begin, u)
    return reached, tuple(dict.fromkeys(names + slid))


def _at_corner(
    problem: Problem, u: np.ndarray, corner: float, held: tuple[str, ...]
) -> tuple[Solution, tuple[str, ...]]:
    def follow(inside: np.ndarray, held: Sequence[str], *, move: bool) -> Solution:
        limit = MAX_ITERATIONS if move else 0
        frozen = _columns(problem, held)
        return solve(
            problem, inside, corner=np.full(1, corner), frozen=frozen, max_iterations=limit
        )

    return _inside(problem, u, held, follow)
