"""The search for the best minimum: few starts where they agree, many where they do not.

A minimum may lie at infinity: a term that only the smallest size shows wants an ever steeper
exponent, a floor that the data deny wants to vanish. Such slides end at a bound, and say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from scaling_cli import laws
from scaling_cli.engine.problem import LAD_LOOSEST, RESIDUAL_FLOOR, Frame, Problem, Solution
from scaling_cli.engine.solve import LANES, MAX_ITERATIONS, solve
from scaling_cli.engine.starts import around, exchanged, starts
from scaling_cli.search import reach
from scaling_cli.search.reach import End, Names, columns, powers, representable, running
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
POLISH_ITERATIONS = 3000  # a term that slides to zero may take thousands
FAR_POWER = 4.0  # logarithm of a power, from where on it is asked whether it has an end
VERTICES = 4  # lanes that are followed to least absolute deviations besides the lowest
BEYOND = 4  # lanes beyond the doubles, lower than those within, that are brought back
SAME_MINIMUM = 1e-8  # relative difference of objectives that counts as the same minimum
ABSENT = 45.0  # of a term, below the smallest output in ln: a share of 3e-20
EDGE_STARTS = 4
SAME_CURVE = 9  # decimals of ln prediction in which two starts are one
SLID = 0.1  # change of a free coordinate during a polish without end that counts as sliding
NEWTON_STEPS = 20
LONGEST_STEP = 0.5  # in any free coordinate: the vertex is near, or it is another one
DIFFERENCE = 1e-6  # step of central differences; Newton corrects what they miss
ZERO = 1e-15  # a residual that counts as none
PROGRAMMES, FIRST_BOX, SMALLEST_BOX = 60, 0.1, 1e-9  # of linear programmes, in free coordinates
GAINED = 1e-12  # of the sum: a programme that gains less is the last in its box
MOST_POINTS = 1024  # of a programme: among more points a vertex next to the lowest is as low
# Least absolute deviations as the limit of Huber's: the corner shrinks until Newton no longer
# resolves it. At corner c the sum of |r| is within (points on the arms' edge) x c / 2 of its
# minimum, about 1e-6 relative at LAD_LOOSEST, the loosest corner that is accepted.
LAD_CORNERS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
IDLE = 1e-7  # change of a residual per unit below which a coordinate's term is absent


class Searched(NamedTuple):
    """What a search found."""

    lanes: Solution
    """Where each start ended."""
    best: Solution
    """The best of them, finished: one lane."""
    sliding: Names
    """Parameters that it follows towards the edge of their domain."""
    beyond: float = 0.0
    """Share by which the sum falls on where parameters leave the floats."""


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
    lanes = _searched(problem.smooth(), projected, seed)
    if not np.any(np.isfinite(lanes.value)):
        raise FitError("the law is not finite at any starting point.")
    rows = _leading(problem, lanes) + (_least_sums(problem, lanes) if lad else [])
    ends = _ends(problem, lanes, list(dict.fromkeys(rows)))
    exact = lad and problem.penalty is None
    sums = [absolute(problem, e.u[0]) if exact else float(e.value[0]) for e, _ in ends]
    best, names = ends[int(np.nanargmin(sums))]
    known = zip(lanes.sums().tolist(), lanes.u, strict=True)
    lowest = min((value for value, u in known if reach.resolved(problem, u)), default=np.inf)
    excess = 0.0 if lad else float(best.value[0]) - lowest  # and if positive, so is the value
    beyond = excess / float(best.value[0]) if excess > 0 else 0.0
    if beyond > MISSED:  # the lowest lane has left the doubles: what it followed is open
        names = tuple(dict.fromkeys((*names, *ends[0][1])))
    return Searched(lanes, best, names, beyond)


def _ends(problem: Problem, lanes: Solution, rows: Sequence[int]) -> list[End]:
    """Return where lanes end; one that does not is passed over while another does.

    Raises
    ------
    FitError
        If none ends.
    """
    lad = problem.objective.name == "lad"
    ends, errors = [], []
    for row in rows:
        try:
            end = least_absolute(problem, lanes.u[[row]]) if lad else finished(problem, lanes, row)
            ends.append(end)
        except FitError as error:
            errors.append(error)
    if not ends:
        raise errors[0]
    return ends


def _leading(problem: Problem, lanes: Solution) -> list[int]:
    """Return the best lane; where coefficients leave the doubles, the best, and one that stays."""
    known = lanes.sums()
    inside = np.array([representable(problem, u) for u in lanes.u]) & np.isfinite(known)
    if not np.any(inside):
        return [int(np.argmin(known)), *_apart(lanes, np.isfinite(known))[1:BEYOND]]
    best = int(np.argmin(np.where(inside, known, np.inf)))
    return [*_apart(lanes, known < known[best])[:BEYOND], best]


def _least_sums(problem: Problem, lanes: Solution) -> list[int]:
    """Return the lanes of least |residuals|: from Huber's lowest the way may lead elsewhere."""
    with np.errstate(all="ignore"):
        sums = lanes._replace(value=np.array([absolute(problem, u) for u in lanes.u]))
    inside = np.array([representable(problem, u) for u in lanes.u])
    return _apart(sums, inside & np.isfinite(sums.value))[:VERTICES]


def _searched(problem: Problem, projected: np.ndarray, seed: int) -> Solution:
    """Descend from a few starts, and from all of them where those do not agree."""
    more = around(problem, projected[:1], [RANDOM_SPREAD] * RANDOM_STARTS, seed)
    projected = np.concatenate([nested_ends(problem), projected])
    if len(problem.output) <= FEW_POINTS:
        first = solve(problem, np.concatenate([projected, more]), max_iterations=FIRST_ITERATIONS)
        return _hopped_on(problem, first, seed)
    lanes = solve(problem, projected[:FIRST_STARTS], max_iterations=SEARCH_ITERATIONS)
    if np.sum(agreeing(problem, lanes)) >= AGREED * FIRST_STARTS:
        return lanes
    rest = np.concatenate([projected[FIRST_STARTS:], more])
    return _gone_on(problem, lanes.joined(solve(problem, rest, max_iterations=SEARCH_ITERATIONS)))


def _hopped_on(problem: Problem, lanes: Solution, seed: int) -> Solution:
    """Leave the best ends again, and once more where that led lower."""
    for again in range(HOPPINGS):
        lowest = np.min(lanes.sums())
        # On from the best ends that lie apart, and from places around each of them.
        ends = lanes.u[_apart(lanes, np.isfinite(lanes.value))[:HOPS]]
        others = around(problem, ends, HOP_SPREADS, seed + again), exchanged(problem, ends)
        begin = np.concatenate([ends, *others])
        hopped = solve(problem, begin, max_iterations=SEARCH_ITERATIONS)
        lanes = _gone_on(problem, lanes.joined(hopped))
        if not np.min(lanes.sums()) < lowest * (1 - DISTINCT):
            break
    return lanes


def _gone_on(problem: Problem, lanes: Solution) -> Solution:
    """Go on from lanes that have not ended and may yet end lowest; the lowest is followed later."""
    known = lanes.sums()
    unended = ~lanes.converged & (known <= np.min(known) * (1 + PROMISING))
    unended[np.argmin(known)] = False
    begin = lanes.u[_apart(lanes, unended)[:LANES]]  # as many as cost no more than one
    if not len(begin):
        return lanes
    return lanes.joined(solve(problem, begin, max_iterations=POLISH_ITERATIONS))


def _apart(lanes: Solution, usable: np.ndarray) -> list[int]:
    """Return usable lanes, lowest first, that differ in value and in place."""
    known, chosen = lanes.sums(), []
    order = np.argsort(known, kind="stable")
    for lane in order[usable[order]].tolist():
        away = np.max(np.abs(lanes.u[chosen] - lanes.u[lane]), axis=1, initial=0.0)
        higher = not chosen or known[lane] > known[chosen[-1]] * (1 + DISTINCT)
        if higher and np.all(away > APART):
            chosen.append(lane)
    return chosen


def agreeing(problem: Problem, lanes: Solution) -> np.ndarray:
    """Return which lanes converged to the best value found by any lane, shape (m,)."""
    known = lanes.sums()
    # Noiseless data: every zero is the same zero.
    floor = len(problem.output) * RESIDUAL_FLOOR**2
    return lanes.converged & (known <= np.min(known) * (1 + SAME_MINIMUM) + floor)


def finished(problem: Problem, lanes: Solution, best: int) -> End:
    """Follow the best lane to its end; also name what slides towards a bound without end.

    Raises
    ------
    FitError
        If the end is not a minimum.
    """
    ended, names = _followed(problem, lanes, best)
    return ended, tuple(dict.fromkeys(names + _falling(problem, ended)))


def _followed(problem: Problem, lanes: Solution, best: int) -> End:
    u = lanes.u[best : best + 1]
    if lanes.converged[best] and representable(problem, u[0]):
        return lanes.take([best]), ()
    ended, names = _at_an_edge(problem, u, SEARCH_ITERATIONS)
    if ended is not None and ended.value[0] <= lanes.value[best] * (1 + SAME_MINIMUM):
        return ended, names
    ended, held = reach.followed(problem, u, POLISH_ITERATIONS)
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
    return ended, tuple(dict.fromkeys(names + slid(problem, u, ended.u)))


def _falling(problem: Problem, ended: Solution) -> Names:
    """Return the powers, far from 1, beyond which the sum goes on falling: a very flat slide."""
    names = []
    for power in powers(problem):
        held = columns(problem, [power])
        (place,) = ended.u[held]
        if abs(place) > FAR_POWER:
            beyond = solve(problem, ended.u + np.sign(place) * held, frozen=held)
            names += [power] if beyond.value[0] < ended.value[0] else []
    return tuple(names)


def _at_an_edge(problem: Problem, u: np.ndarray, limit: int) -> tuple[Solution | None, Names]:
    """Return the best minimum in which one amplitude is absent, and its name, if there is one.

    On the way to such a minimum an exponent goes to zero with the amplitude: without the
    amplitude it takes a few steps, with it thousands.
    """
    best, lowest = (None, ()), np.inf
    for name in vanishing(problem):
        frozen = columns(problem, [name])
        begin = np.concatenate([u - ABSENT * frozen, starts_without(problem, name)])
        ended = solve(problem, begin, frozen=frozen, max_iterations=limit)
        inside = np.array([representable(problem, row) for row in ended.u])
        usable = np.where(inside & ended.converged, ended.value, np.inf)
        if np.min(usable) < lowest:
            best, lowest = (ended.take([int(np.argmin(usable))]), (name,)), np.min(usable)
    return best


# --- Minima at the edge of the domain. A floor that the data deny, or a term that they do not show,
# goes to zero while an exponent follows it. From where both are alive that slide takes thousands of
# iterations; without the term, and with the other coefficients solved for again, it takes a few.


def vanishing(problem: Problem) -> list[str]:
    """Return the searched coefficients whose term can vanish."""
    alone = np.count_nonzero(problem.frame.matrix, axis=0) == 1
    each = zip(problem.frame.names, alone, strict=True)
    terms = [(name, problem.law.parameters()[name]) for name, moves_alone in each if moves_alone]
    return [name for name, p in terms if p.linear and p.positive]


def starts_without(problem: Problem, name: str) -> np.ndarray:
    """Return the best starts, shape (m, k), in which one coefficient's term is absent."""
    column = problem.frame.names.index(name)
    reduced = replace(problem, frame=problem.frame.without(column, -np.inf))
    if problem.penalty is None and reduced.frame.names and len(begin := starts(reduced)):
        # Those that predict differently, in order: a lost term's exponent is idle.
        curves = np.round(reduced.log_predictions(begin), SAME_CURVE)
        first = np.sort(np.unique(curves, axis=0, return_index=True)[1])
        begin = begin[first[:EDGE_STARTS]]
        return np.insert(begin, column, _nothing(reduced, begin, name), axis=1)
    return np.zeros((0, len(problem.frame.names)))


def _nothing(problem: Problem, u: np.ndarray, name: str) -> np.ndarray:
    """Return the coefficient's logarithm at which its term is a share of exp(-ABSENT)."""
    declared = problem.law.parameters()
    blank = {n: 0 * v if declared[n].linear else v for n, v in problem.parameters(u).items()}
    one = problem.predictions(blank | {name: np.ones(len(u))}) - problem.predictions(blank)
    with np.errstate(divide="ignore"):
        largest = np.log(np.max(np.abs(one), axis=1))
    return np.log(np.min(problem.output)) - largest - ABSENT


def nested_ends(problem: Problem) -> np.ndarray:
    """Return the best minimum of each law contained, shape (laws, k), in searched coordinates.

    None where parameters are held or tied: that is the user's own law.
    """
    names = problem.frame.names
    ends = [np.zeros((0, len(names)))]
    if len(names) == len(problem.law.parameters()):
        ends += [_nested_end(problem, name, held) for name, held in problem.law.nested.items()]
    return np.concatenate(ends)


def _nested_end(problem: Problem, name: str, held: Mapping[str, float]) -> np.ndarray:
    inner, names = laws.get(name), problem.frame.names
    own = replace(problem, law=inner, frame=Frame.of(inner, {}, {}), penalty=None)
    inside = starts(own)[:LANES]
    inside_by_name = dict(zip(own.frame.names, inside.T, strict=True))
    fixed = {n: np.full(len(inside), problem.law.parameters()[n].free(v)) for n, v in held.items()}
    begin = np.stack([(inside_by_name | fixed)[n] for n in names], axis=1)
    frozen = np.broadcast_to([n in held for n in names], begin.shape)
    # Solved as the outer law with parameters held: that is compiled already.
    ends = solve(problem, begin, frozen=frozen, max_iterations=SEARCH_ITERATIONS)
    return ends.u[[int(np.argmin(ends.sums()))]] if len(ends.u) else ends.u


# --- Least absolute deviations end on a vertex: as many residuals are zero as coordinates move.
# Huber's corners lead to one that is near, not always to the lowest: linear programmes in a box
# that shrinks go on from there, and Newton's method ends on the vertex itself.


def absolute(problem: Problem, u: np.ndarray) -> float:
    """Return the weighted sum of absolute residuals at u, shape (k,)."""
    return float(np.sum(problem.weight * np.abs(problem.deviations(u[None])[0])))


def least_absolute(problem: Problem, u: np.ndarray) -> End:
    """Reach least absolute deviations by continuation of Huber's corner, then on the vertex.

    Also say what is held, and what slid on, on the way from u, shape (1, k).

    Raises
    ------
    FitError
        If the end is not a number.
    """
    begin, (reached, held) = u, reach.followed(problem, u, MAX_ITERATIONS, corner=LAD_CORNERS[0])
    for corner in LAD_CORNERS[1:]:
        now, held = reach.followed(problem, reached.u, MAX_ITERATIONS, held=held, corner=corner)
        if not now.converged[0] and corner < LAD_LOOSEST:
            break
        reached = now
    u = reached.u
    if not np.isfinite(reached.value[0]):
        raise FitError(
            f"least absolute deviations did not converge on {laws.name_of(problem.law)}.",
            hint="Fit with --objective huber, or hold E with --fix.",
        )
    if problem.penalty is None:  # priors pull the minimum off the vertex
        moves = ~columns(problem, held)[0]
        near = _programmed(problem, reached.u[0], moves)
        reached = reached._replace(u=_on_vertex(problem, near, moves)[None])
    names = running(problem, held) + (() if reached.converged[0] else slid(problem, begin, u))
    return reached, tuple(dict.fromkeys(names))


def slid(problem: Problem, begin: np.ndarray, end: np.ndarray) -> Names:
    """Return the parameters that still moved while the objective hardly fell."""
    far = np.abs(end[0] - begin[0]) > SLID
    return tuple(n for n, moved in zip(problem.frame.names, far, strict=True) if moved)


def _around(
    problem: Problem, u: np.ndarray, free: np.ndarray, rows: np.ndarray | slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals of some points at u (k,), and their slopes by coordinates, (n, free)."""
    offsets = DIFFERENCE * np.eye(len(u))[free]
    around = problem.deviations(np.concatenate([u[None], u + offsets, u - offsets]))[:, rows]
    plus, minus = around[1 : 1 + len(free)], around[1 + len(free) :]
    return around[0], ((plus - minus) / (2 * DIFFERENCE)).T


def _programmed(problem: Problem, u: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return where linear programmes lead from u, shape (k,): each in a box around the last end.

    `moves`, boolean of shape (k,), says which coordinates are searched.
    """
    used = np.flatnonzero(problem.weight > 0)
    if len(used) > MOST_POINTS:
        return u
    at, box, lowest = np.array(u), FIRST_BOX, absolute(problem, u)
    for _ in range(PROGRAMMES):
        there = at + _programme(problem, at, np.flatnonzero(moves), used, box)
        value = absolute(problem, there) if representable(problem, there) else np.inf
        if value < lowest:
            box = 2 * box if value < lowest * (1 - GAINED) else box / 4
            at, lowest = there, value
        else:
            box /= 4
        if box < SMALLEST_BOX:
            break
    return at


def _programme(
    problem: Problem, u: np.ndarray, free: np.ndarray, used: np.ndarray, box: float
) -> np.ndarray:
    """Return the step within a box that minimises the sum of |residual|, made linear at u."""
    from scipy.optimize import linprog

    r, slopes = _around(problem, u, free, used)
    one, step = np.eye(len(used)), np.zeros(len(u))
    if not np.all(np.isfinite(np.c_[r, slopes])):
        return step
    cost, above = np.r_[np.zeros(len(free)), problem.weight[used]], np.r_[-r, r]
    bounds = [(-box, box)] * len(free) + [(0, None)] * len(used)
    solved = linprog(cost, np.block([[slopes, -one], [-slopes, -one]]), above, bounds=bounds)
    if solved.x is not None:
        step[free] = solved.x[: len(free)]
    return step


def _on_vertex(problem: Problem, u: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the vertex next to u, shape (k,), or u where there is none that is lower."""
    residuals, slopes = _around(problem, u, np.arange(len(u)))
    free = np.flatnonzero(moves & (np.max(np.abs(slopes), axis=0) > IDLE))
    size = np.where(problem.weight > 0, np.abs(residuals), np.inf)
    zero = np.argsort(size)[: len(free)]
    at = np.array(u)
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            r, slopes = _around(problem, at, free, zero)
            if not len(free) or not np.all(np.isfinite(slopes)) or np.max(np.abs(r)) < ZERO:
                break
            step = np.linalg.lstsq(slopes, -r, rcond=None)[0]
            at[free] += step * min(1.0, LONGEST_STEP / np.max(np.abs(step)))
        lower = absolute(problem, at) < absolute(problem, u)
    return at if lower else u
