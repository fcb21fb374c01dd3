"""Starting points by variable projection: search the exponents, solve for the amplitudes.

For every combination of the nonlinear parameters' declared starts, the parameters in which the
law is linear are solved for by least squares, non-negative where their domain says so.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scaling_cli.engine.problem import Problem
from scaling_cli.engine.units import Units
from scaling_cli.laws._law import Parameter

# A start needs every term alive: a term that least squares sets to zero begins at this share of
# the output instead. It is a start, not a bound.
FAINT = 1e-3
ENOUGH_POINTS = 128
MOST_COMBINATIONS = 4096  # of starts; beyond, as many at random


def starts(problem: Problem) -> np.ndarray:
    """Return starting points, best first, shape (m, k), in searched coordinates."""
    law, names, problem = problem.law, problem.frame.names, _thinned(problem)
    own = law.starts(problem.inputs, problem.output)
    if own is None:
        columns = _projected(problem)
    else:
        points = list(own)
        columns = {name: np.array([point[name] for point in points]) for name in names}
    rows = np.stack([law.parameters()[name].free(columns[name]) for name in names], axis=1)
    rows = rows[np.all(np.isfinite(rows), axis=1)]
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]


def _thinned(problem: Problem) -> Problem:
    """Return every so manieth point, in the order of the outputs: enough to begin from."""
    step = -(-len(problem.output) // ENOUGH_POINTS)
    if step == 1:
        return problem
    rows = np.argsort(problem.output, kind="stable")[::step]
    inputs = {s: np.asarray(v)[rows] for s, v in problem.inputs.items()}
    output, weight = problem.output[rows], problem.weight[rows]
    return replace(problem, inputs=inputs, output=output, weight=weight)


def _projected(problem: Problem) -> dict[str, np.ndarray]:
    """Return starts, one per grid point, sorted by weighted residual sum of squares."""
    declared, matrix = problem.law.parameters(), problem.frame.matrix
    values = problem.parameters(np.zeros((1, matrix.shape[1])))
    rows = zip(values.items(), matrix, strict=True)  # of what no searched coordinate moves
    fixed = {name: float(value[0]) for (name, value), row in rows if not row.any()}
    # A tied parameter is not searched; it takes the values of the one it follows in `_basis`.
    nonlinear = [n for n in problem.frame.names if not declared[n].linear]
    grid = _in_units(problem, _mesh([declared[n] for n in nonlinear]), fixed)
    linear = [n for n, p in declared.items() if p.linear and n not in fixed]
    basis, rest = _basis(problem, grid, linear, fixed)
    amplitudes, cost = _amplitudes(problem, linear, basis, rest)
    order = np.argsort(cost, kind="stable")
    columns = grid | dict(zip(linear, amplitudes.T, strict=True))
    return {name: values[order] for name, values in columns.items()}


def _mesh(nonlinear: Sequence[Parameter]) -> dict[str, np.ndarray]:
    """Return all combinations of declared starts; where they are too many, a random part of them.

    The random ones lie between the declared, so that no two share a value.
    """
    each = [np.array(p.starts, float) for p in nonlinear]
    if math.prod(map(len, each)) <= MOST_COMBINATIONS:
        mesh = np.array(list(itertools.product(*each)))
        return dict(zip((p.name for p in nonlinear), mesh.T, strict=True))
    generator = np.random.default_rng(0)
    places = (generator.uniform(0, len(own) - 1, MOST_COMBINATIONS) for own in each)
    return {
        p.name: p.at(np.interp(place, np.arange(len(own)), p.free(own)))
        for p, own, place in zip(nonlinear, each, places, strict=True)
    }


def _in_units(
    problem: Problem, grid: Mapping[str, np.ndarray], fixed: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Return starts in the units of the data: those declared are sizes at the middle of them.

    The start of a parameter that is raised to a power is that of its power.
    """
    declared, names = problem.law.parameters(), problem.frame.names
    leaders = {
        n: n if n in names else names[int(np.argmax(row))]
        for n, row in zip(declared, problem.frame.matrix, strict=True)
        if n not in fixed
    }
    columns = {s: v for s, v in problem.inputs.items() if np.all(np.asarray(v) > 0)}
    columns[problem.law.output().symbol] = problem.output
    middles = {s: float(np.median(np.log(v))) for s, v in columns.items()}

    def value(name: str) -> np.ndarray:
        return np.asarray(fixed[name] if name in fixed else grid[leaders[name]])

    found = {}
    for name, sizes in grid.items():
        own, logs = declared[name], declared[name].free(sizes)
        logs = logs / value(own.raised) if own.raised else logs
        for one in own.absorbs:
            power = value(one.exponent) if one.exponent else 1.0
            logs = logs + one.times * (1 / power if one.inverse else power) * middles[one.input]
        with np.errstate(over="ignore"):  # what no number holds is left out later
            found[name] = own.at(logs)
    return found


def _basis(
    problem: Problem, grid: Mapping[str, np.ndarray], linear: list[str], fixed: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns (g, q, n) of the linear parameters and the fixed remainder (g, n)."""
    g = len(next(iter(grid.values()))) if grid else 1
    inputs = {s: np.asarray(v, float)[None, :] for s, v in problem.inputs.items()}
    shape = (g, len(problem.output))

    def surface(values: Mapping[str, float]) -> np.ndarray:
        columns = {n: v[:, None] for n, v in grid.items()} | dict(values)
        rows = zip(problem.law.parameters(), problem.frame.matrix, strict=True)
        leaders = {n: n if n in columns else problem.frame.names[np.argmax(row)] for n, row in rows}
        law = problem.law(**{n: columns[leader] for n, leader in leaders.items()})
        with np.errstate(over="ignore", invalid="ignore"):  # what is no number is left out later
            return np.broadcast_to(np.asarray(law(**inputs), float), shape)

    none = dict.fromkeys(linear, 0.0) | dict(fixed)
    rest, law = surface(none), problem.law
    # Without the held amplitudes: a large one would swallow the digits of a small column.
    blank = {n: 0.0 if law.parameters()[n].linear else v for n, v in none.items()}
    nothing = surface(blank)
    columns = [surface(blank | {name: 1.0}) - nothing for name in linear]
    return np.stack(columns, axis=1) if columns else np.zeros((g, 0, shape[1])), rest


def _amplitudes(
    problem: Problem, linear: list[str], basis: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve for the linear parameters at every grid point: (g, q) and the cost (g,).

    Rows are divided by the output, so that least squares approximates log residuals. All active
    sets are tried (2^q small systems), which is exact non-negative least squares for q <= 4.
    """
    weight = np.sqrt(problem.weight) / problem.output
    rows = basis * weight
    with np.errstate(over="ignore", invalid="ignore"):  # a start that is none is left out later
        target = (problem.output - rest) * weight
        total = np.sum(target**2, axis=1)
    norm = np.sqrt(np.sum(rows**2, axis=2))
    norm = np.where(norm > 0, norm, 1.0)
    gram = (rows @ np.swapaxes(rows, 1, 2)) / (norm[:, :, None] * norm[:, None, :])
    moment = (rows @ target[:, :, None])[:, :, 0] / norm
    declared = problem.law.parameters()
    positive = np.array([declared[n].positive for n in linear], bool)
    best, cost = _active_sets(gram, moment, total, positive)
    best = best / norm
    needs = positive & (best <= 0)
    if np.any(needs):
        typical = np.median(np.abs(basis[needs]), axis=-1)
        # A term too steep for a double has no start of its own: it is left out as not a number.
        typical = np.where(typical > 0, typical, np.nan)
        best[needs] = FAINT * np.median(problem.output) / typical
    return best, cost


def _active_sets(
    gram: np.ndarray, moment: np.ndarray, total: np.ndarray, positive: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    g, q = moment.shape
    best, cost = np.zeros((g, q)), np.array(total)
    waiting = np.arange(g)  # where all amplitudes are allowed, no smaller set does better
    for on in map(np.flatnonzero, list(itertools.product((True, False), repeat=q))[:-1]):
        # The pseudo-inverse survives collinear columns.
        inverse = np.linalg.pinv(gram[waiting][:, on][:, :, on], hermitian=True)
        solution = np.einsum("gij,gj->gi", inverse, moment[waiting][:, on])
        residual = total[waiting] - np.sum(solution * moment[waiting][:, on], axis=1)
        allowed = np.all((solution > 0) | ~positive[on], axis=1) & np.isfinite(residual)
        better = allowed & (residual < cost[waiting])
        take = waiting[better]
        best[take] = 0.0
        best[np.ix_(take, on)] = solution[better]
        cost[take] = residual[better]
        if len(on) == q:
            waiting = waiting[~allowed]
    return best, cost


def around(
    problem: Problem, centres: np.ndarray, spreads: Sequence[float], seed: int
) -> np.ndarray:
    """Return one random point per centre (m, k) and spread, normal in the units of the search."""
    generator = np.random.default_rng(seed)
    repeated = np.repeat(centres, len(spreads), axis=0)
    sd = np.tile(spreads, len(centres))[:, None]
    return Units.of(problem).scattered(repeated, sd * generator.standard_normal(repeated.shape))


def exchanged(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return u, shape (m, k), with the parts of two terms exchanged; no rows where there are none.

    Where inputs move together the data hardly tell which term is which, and each choice has a
    minimum of its own. Two terms are those of an exponent and its `twin`.
    """
    units = Units.of(problem)
    z = units.inward(u)
    names, starts_exchanged = problem.frame.names, [u[:0]]
    for name, parameter in problem.law.parameters().items():
        pair = [_term(problem, n) for n in (name, parameter.twin) if n in names]
        terms = [term for term in pair if term is not None]
        if len(terms) == 2:
            spread = np.zeros(u.shape)
            for (size, exponent, sd), (other, source, its) in zip(terms, terms[::-1], strict=True):
                spread[:, size] = z[:, other] - z[:, size]
                # As steep over the spread of its own input.
                spread[:, exponent] = z[:, source] - z[:, exponent] + np.log(its / sd)
            starts_exchanged.append(units.scattered(u, spread))
    return np.concatenate(starts_exchanged)


def _term(problem: Problem, exponent: str) -> tuple[int, int, float] | None:
    """Return the columns of a term's coefficient and exponent, and the sd of its ln input."""
    names = problem.frame.names
    for name, parameter in problem.law.parameters().items():
        for one in parameter.absorbs:
            if one.exponent == exponent and name in names and not one.inverse and one.times == 1:
                sd = float(np.std(np.log(problem.inputs[one.input])))
                return names.index(name), names.index(exponent), sd
    return None
