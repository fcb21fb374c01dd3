"""Coefficients as large as a float holds: where a fit would follow its exponent beyond, it stops.

A term that only the smallest size shows wants an infinite exponent; a sum of two terms that is a
kink wants its power to vanish. Either way a coefficient leaves the doubles, although the law's
values stay what they are. The fit that can be written down stops where the coefficient is as large
as it may be, and says so.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from scaling_cli.engine.problem import Problem, Solution
from scaling_cli.engine.solve import solve
from scaling_cli.engine.units import natural_units

Names = tuple[str, ...]  # of parameters
End = tuple[Solution, Names]  # one lane, and what is held or slides there
LARGEST = 600.0  # logarithm of a coefficient: doubles end at 709, and predictions need room
LARGEST_TERM = 350.0  # of what is raised to a power: its square is a double
SMALLEST_POWER = 690.0  # of an input, the negative logarithm: smaller ones are rounded to zero
# Of a power, the logarithm: a sum near 1 raised to a larger one is mostly its rounding.
LARGEST_POWER = float(np.log(1e6))
NEARLY = 1e-4  # of the largest
ROUNDS = 16  # of bringing a lane back into the range of floats
OVER = 1.5  # With a power held, its terms grow back by about half: ask for more than is missing.


def representable(problem: Problem, u: np.ndarray) -> bool:
    """Return whether searched coordinates (k,) are parameters with which floats can calculate."""
    return bool(
        np.all(np.isfinite(u))
        and np.max(u) <= LARGEST
        and all(_load(problem, u, power) <= 1 + NEARLY for power in powers(problem))
        and resolved(problem, u)
    )


def resolved(problem: Problem, u: np.ndarray) -> bool:
    """Return whether the sum at u (k,) is more than the rounding of what is raised to a power."""
    places = [problem.frame.names.index(power) for power in powers(problem)]
    return bool(np.all(u[places] <= LARGEST_POWER))


def followed(
    problem: Problem, u: np.ndarray, limit: int, *, held: Names = (), corner: float | None = None
) -> End:
    """Follow a lane, u of shape (1, k), to its best end within the floats; say what is held there.

    Parameters
    ----------
    problem : Problem
    u : array, shape (1, k)
    limit : int
        Iterations of each round.
    held : sequence of str
        Coordinates that are held from the beginning.
    corner : float, optional
        Huber's. Default: the objective's.
    """
    corners = None if corner is None else np.full(1, corner)

    def ends(steep: bool) -> list[End]:
        """Return where the lane began and ended each time it was brought back into the floats."""
        begin, kept, result = u, held, []
        for _ in range(ROUNDS):
            begin, kept = _held_in_range(problem, begin, kept, steep=steep)
            given = {"corner": corners, "frozen": columns(problem, kept)}
            ended = solve(problem, begin, **given, max_iterations=limit)
            stays = representable(problem, ended.u[0])
            if not stays:
                result.append((solve(problem, begin, **given, max_iterations=0), kept))
            result.append((ended, kept))
            if stays and _at_the_edge(problem, ended.u[0], kept):
                break
            begin = ended.u
        return result

    all_ends = ends(steep=False)
    if all_ends[-1][1] != held:  # it left the floats: by a power, or by an exponent in it
        all_ends += ends(steep=True)
    usable = [end for end in all_ends if representable(problem, end[0].u[0])]
    return min(usable or all_ends, key=lambda end: end[0].sums()[0])


def columns(problem: Problem, names: Sequence[str]) -> np.ndarray:
    """Return which searched coordinates these are, boolean of shape (1, k)."""
    return np.isin(np.array(problem.frame.names), np.array(names, str))[None]


def _held_in_range(
    problem: Problem, u: np.ndarray, held: Sequence[str], *, steep: bool
) -> tuple[np.ndarray, Names]:
    """Return u, shape (1, k), brought into range, and what must be held so that it stays there.

    A coefficient is lowered to the largest with its exponent, so that the term keeps its value at
    the smallest size. A power is raised with the terms in it kept; one that is `held` already is
    moved to where its terms are as large as they may be. With `steep`, the exponents inside a
    power are lowered first, and held: it may be one of them that runs, not the power.
    """
    out, more = u.copy(), list(held)
    for power in powers(problem):
        for name in _raised(problem, power) if steep else ():
            more += _lower_exponents(problem, out[0], name, power, more)
        place = problem.frame.names.index(power)
        stays = power in held and out[0, place] < LARGEST_POWER
        if stays or _load(problem, out[0], power) > 1:
            again = OVER if power in held else 1.0
            _rescale(problem, out[0], power, _load(problem, out[0], power) ** again)
            more.append(power)
        if out[0, place] > LARGEST_POWER:
            out[0, place] = LARGEST_POWER
            more.append(power)
    for column, name in enumerate(problem.frame.names):
        if out[0, column] > LARGEST and _lower_exponent(problem, out[0], name):
            more.append(name)
    return out, tuple(dict.fromkeys(more))


def _at_the_edge(problem: Problem, u: np.ndarray, held: Sequence[str]) -> bool:
    """Return whether every power that is held is as small as it may be."""
    own = [power for power in powers(problem) if power in held]
    loads = [(u[problem.frame.names.index(power)], _load(problem, u, power)) for power in own]
    return all(at >= LARGEST_POWER or abs(load - 1) < NEARLY for at, load in loads)


def running(problem: Problem, held: Sequence[str]) -> Names:
    """Return the exponents and powers that would run away if what is held were not."""
    declared = problem.law.parameters()
    runs = [[a.exponent for a in declared[n].absorbs if a.exponent] or [n] for n in held]
    return tuple(dict.fromkeys(name for names in runs for name in names))


def powers(problem: Problem) -> list[str]:
    """Return the searched powers of searched coefficients."""
    names, declared = problem.frame.names, problem.law.parameters()
    return list(dict.fromkeys(p for n in names if (p := declared[n].raised) in names))


def _raised(problem: Problem, power: str) -> list[str]:
    declared = problem.law.parameters()
    return [n for n in problem.frame.names if declared[n].raised == power]


def _load(problem: Problem, u: np.ndarray, power: str) -> float:
    """Return by which factor a power is too small for what is raised to it."""
    return max([0.0, *(_load_of(problem, u, name) for name in _raised(problem, power))])


def _load_of(problem: Problem, u: np.ndarray, name: str) -> float:
    """Return by which factor one coefficient that is raised to a power is too large."""
    unit = _unit(problem, name)
    term = float(u[problem.frame.names.index(name)]) - unit
    loads = [term / (LARGEST - unit)]
    for column, rate, largest in _exponents(problem, name):
        term -= rate * np.exp(u[column])
        loads.append(largest * np.exp(u[column]) / SMALLEST_POWER)
    term -= _output_unit(problem, u, name)
    return float(max(*loads, term / LARGEST_TERM))


def _rescale(problem: Problem, u: np.ndarray, power: str, factor: float) -> None:
    """Multiply a power, in place, and divide what is raised to it by as much, exponents too."""
    names = problem.frame.names
    if not factor > 0:
        return
    u[names.index(power)] += np.log(factor)
    columns = set()
    for name in _raised(problem, power):
        unit, place = _unit(problem, name), names.index(name)
        u[place] = unit + (u[place] - unit) / factor
        columns |= {column for column, *_ in _exponents(problem, name)}
    u[list(columns)] -= np.log(factor)


def _lower_exponents(
    problem: Problem, u: np.ndarray, name: str, power: str, held: Sequence[str]
) -> list[str]:
    """Divide the exponents of a coefficient by its load, in place; return what was lowered.

    The term keeps its value at the smallest input. A power that is held, or exponents that are,
    stay what they are.
    """
    load, lowered = _load_of(problem, u, name), []
    if not load > 1 or power in held:
        return []
    for column, rate, _ in _exponents(problem, name):
        exponent = problem.frame.names[column]
        if exponent not in held:
            u[problem.frame.names.index(name)] -= rate * np.exp(u[column]) * (1 - 1 / load)
            u[column] -= np.log(load)
            lowered.append(exponent)
    return lowered


def _lower_exponent(problem: Problem, u: np.ndarray, name: str) -> bool:
    """Lower a coefficient to the largest, with its exponent, in place; say if that was possible."""
    place = problem.frame.names.index(name)
    excess = u[place] - LARGEST
    for column, rate, _ in _exponents(problem, name):
        if np.exp(u[column]) > excess / rate > 0:
            u[place] = LARGEST
            u[column] = np.log(np.exp(u[column]) - excess / rate)
            return True
    return False


def _exponents(problem: Problem, name: str) -> Iterator[tuple[int, float, float]]:
    """Yield the searched exponents of a coefficient, with ln of their smallest and largest input.

    Times how often the exponent counts. An exponent's inverse is not among them.
    """
    for absorbed in problem.law.parameters()[name].absorbs:
        column = _column(problem, absorbed.exponent)
        if column is not None and not absorbed.inverse:
            values = problem.inputs[absorbed.input]
            low, high = float(np.log(np.min(values))), float(np.log(np.max(values)))
            yield column, absorbed.times * low, absorbed.times * high


def _unit(problem: Problem, name: str) -> float:
    """Return the logarithm of the unit that a coefficient carries whatever its power."""
    absorbs = problem.law.parameters()[name].absorbs
    own = [a for a in absorbs if a.exponent is None]
    return sum(a.times * float(np.log(np.min(problem.inputs[a.input]))) for a in own)


def _output_unit(problem: Problem, u: np.ndarray, name: str) -> float:
    """Return the logarithm of the output's unit that a coefficient carries at its power."""
    unit = natural_units(problem).get(problem.law.output().symbol, 1.0)
    for absorbed in problem.law.parameters()[name].absorbs:
        column = _column(problem, absorbed.exponent)
        if absorbed.inverse and column is not None:
            return absorbed.times * float(np.log(unit) / np.exp(u[column]))
    return 0.0


def _column(problem: Problem, name: str | None) -> int | None:
    """Return the searched coordinate that moves a parameter, if one does."""
    if name is None:
        return None
    row = problem.frame.matrix[list(problem.law.parameters()).index(name)]
    return int(np.argmax(row)) if np.any(row) else None
