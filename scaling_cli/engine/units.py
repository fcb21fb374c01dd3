"""Coordinates in which a law is easy to fit: relative units, and sizes in place of scales.

A coefficient and its exponent lie along a curved valley (ln A = ln a + alpha ln N), which Newton
follows in short steps. In units of the smallest N, A is the size of the term at that N and the
valley is nearly straight: resamples then take a third fewer iterations, starts half as many.
A law says which coefficient absorbs the unit of which input (`law.Absorbs`), and which that of
the output: what is raised to a small power leaves the doubles in any other unit.

A scale that the law raises to a power (Nc in (Nc/N)^alpha, `Parameter.raised`) runs to infinity
as the power goes to zero, while its term stays what it is. It is searched as
z = ln Nc / (1 + 1/alpha): for small powers the logarithm of the term, alpha ln Nc, and ln Nc for
large ones, where that is what stays.

A coefficient that is held, tied, frozen or under a prior is searched as it is, in its input's own
unit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaling_cli.laws._law import Absorbs, Domain, Law

if TYPE_CHECKING:
    from scaling_cli.engine.problem import Problem
    from scaling_cli.engine.rows import Solution


@dataclass(frozen=True)
class Shear:
    """One coefficient: ln A = (its searched coordinate) + rate * (its exponent's power, or 1)."""

    column: int  # of the coefficient among the searched coordinates
    exponent: int | None  # row of the exponent among the law's parameters
    rate: float
    power: int = 1  # -1 where the law has the exponent's inverse


@dataclass(frozen=True)
class Raised:
    """One scale: ln Nc = (its searched coordinate) * (1 + 1 / its power)."""

    column: int  # of the scale among the searched coordinates
    row: int  # of the scale among the law's parameters
    power: int  # row of its power


@dataclass(frozen=True)
class Units:
    """By how much inputs and output are divided, what is searched by size, and what that does."""

    divisors: Mapping[str, float]
    shears: tuple[Shear, ...]
    raised: tuple[Raised, ...]

    def flags(self, count: int) -> np.ndarray:
        """Return 1 for the parameters that are searched by size, else 0, shape (count,)."""
        return np.isin(np.arange(count), [one.row for one in self.raised]).astype(float)


def units(
    problem: "Problem", frozen: np.ndarray | None, prior_precision: np.ndarray | None
) -> Units:
    """Return the coordinates in which a problem is solved."""
    names, searched = list(problem.law.parameters()), problem.frame.names
    free = [n for n in names if _is_free(problem, n, frozen, prior_precision)]
    divisors: dict[str, float] = {}
    shears: list[Shear] = []
    for symbol, unit in natural_units(problem).items():
        absorbing = list(_absorbing(problem.law, symbol))
        if not absorbing or not all(name in free for name, _ in absorbing):
            continue
        divisors[symbol] = unit
        shears += [
            Shear(
                column=searched.index(name),
                exponent=names.index(one.exponent) if one.exponent else None,
                rate=one.times * float(np.log(divisors[symbol])),
                power=-1 if one.inverse else 1,
            )
            for name, one in absorbing
        ]
    raised = [(n, p.raised) for n, p in problem.law.parameters().items() if p.raised and n in free]
    return Units(
        divisors,
        tuple(shears),
        tuple(Raised(searched.index(n), names.index(n), names.index(q)) for n, q in raised),
    )


def natural_units(problem: "Problem") -> dict[str, float]:
    """Return the unit of every input, its smallest, and in log space the output's, its middle."""
    found = {symbol: float(np.min(values)) for symbol, values in problem.inputs.items()}
    if problem.objective.space == "log":
        ends = np.log([np.min(problem.output), np.max(problem.output)])
        found[problem.law.output().symbol] = float(np.exp(np.mean(ends)))
    return found


def _absorbing(law: type[Law], symbol: str) -> Iterator[tuple[str, Absorbs]]:
    for name, parameter in law.parameters().items():
        for absorbed in parameter.absorbs:
            if absorbed.input == symbol:
                yield name, absorbed


def _is_free(
    problem: "Problem",
    name: str,
    frozen: np.ndarray | None,
    prior_precision: np.ndarray | None,
) -> bool:
    """Return whether a coefficient moves alone, in every lane, with nothing pulling at it."""
    frame, row = problem.frame, list(problem.law.parameters()).index(name)
    if name not in frame.names:
        return False
    column = frame.names.index(name)
    alone = np.count_nonzero(frame.matrix[:, column]) == 1
    held = frozen is not None and np.any(np.atleast_2d(frozen)[:, column])
    pulled = prior_precision is not None and np.any(np.atleast_2d(prior_precision)[:, row] > 0)
    return bool(alone and not held and not pulled)


def inward(problem: "Problem", chosen: Units, u: np.ndarray) -> np.ndarray:
    """Return searched coordinates (m, k) in the chosen units."""
    out = np.array(u, float)
    for shear in chosen.shears:
        out[:, shear.column] -= shear.rate * _exponent(problem, shear, u)
    for one in chosen.raised:
        out[:, one.column] /= 1 + np.exp(-_free(problem, one.power, u))
    return out


def scattered(problem: "Problem", centres: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return searched coordinates (m, k) moved by `spread` (m, k) in the problem's own units."""
    chosen = units(problem, None, None)
    out = inward(problem, chosen, centres) + spread
    for one in chosen.raised:
        out[:, one.column] *= 1 + np.exp(-_free(problem, one.power, out))
    for shear in chosen.shears:
        out[:, shear.column] += shear.rate * _exponent(problem, shear, out)
    return out


def outward(problem: "Problem", chosen: Units, found: "Solution") -> "Solution":
    """Return a solution in the units of the data: coordinates, gradient and both Hessians."""
    return _sheared(problem, chosen, _lowered(problem, chosen, found))


def _lowered(problem: "Problem", chosen: Units, found: "Solution") -> "Solution":
    """Return a solution with logarithms of scales in place of their sizes."""
    if not chosen.raised:
        return found
    k = found.u.shape[1]
    u, slope = np.array(found.u), np.broadcast_to(np.eye(k), (len(found.u), k, k)).copy()
    bends = []  # of each logarithm by the searched coordinates
    for one in chosen.raised:
        moves, own = problem.frame.matrix[one.power], np.eye(k)[one.column]
        share = np.exp(-_free(problem, one.power, found.u))
        bent = found.u[:, one.column] * share
        u[:, one.column] += bent
        slope[:, one.column] += share[:, None] * own - bent[:, None] * moves
        both = np.outer(own, moves) + np.outer(moves, own)
        bends.append(bent[:, None, None] * np.outer(moves, moves) - share[:, None, None] * both)
    back = np.linalg.inv(slope)
    gradient = np.einsum("mji,mj->mi", back, found.gradient)
    hessian = np.array(found.hessian)
    for one, bend in zip(chosen.raised, bends, strict=True):
        hessian -= gradient[:, one.column, None, None] * bend
    turned = np.swapaxes(back, 1, 2)
    return found._replace(
        u=u, gradient=gradient, hessian=turned @ hessian @ back, irls=turned @ found.irls @ back
    )


def _sheared(problem: "Problem", chosen: Units, found: "Solution") -> "Solution":
    """Return a solution with inputs in their own units."""
    if not chosen.shears:
        return found
    k = found.u.shape[1]
    u, slope = np.array(found.u), np.broadcast_to(np.eye(k), (len(found.u), k, k)).copy()
    bend = np.zeros_like(slope)
    for shear in chosen.shears:
        exponent = _exponent(problem, shear, found.u)
        u[:, shear.column] += shear.rate * exponent
        if shear.exponent is None:
            continue
        moves = problem.frame.matrix[shear.exponent]  # of the exponent by searched coordinates
        positive = _positive(problem, shear.exponent)
        # exp(power * x) by x; a coordinate that is no logarithm moves as itself.
        own = shear.power * exponent if positive else np.ones_like(exponent)
        slope[:, shear.column] -= shear.rate * own[:, None] * moves
        if positive:  # power is 1 or -1, so that its square is 1
            pull = found.gradient[:, shear.column] * shear.rate * exponent
            bend -= pull[:, None, None] * np.outer(moves, moves)
    back = np.swapaxes(slope, 1, 2)
    return found._replace(
        u=u,
        gradient=np.einsum("mij,mj->mi", back, found.gradient),
        hessian=back @ found.hessian @ slope + bend,
        irls=back @ found.irls @ slope,
    )


def _exponent(problem: "Problem", shear: Shear, u: np.ndarray) -> np.ndarray:
    if shear.exponent is None:
        return np.ones(len(u))
    free = _free(problem, shear.exponent, u)
    return np.exp(shear.power * free) if _positive(problem, shear.exponent) else free


def _free(problem: "Problem", row: int, u: np.ndarray) -> np.ndarray:
    return problem.frame.offset[row] + u @ problem.frame.matrix[row]


def _positive(problem: "Problem", row: int) -> bool:
    return list(problem.law.parameters().values())[row].domain is Domain.POSITIVE
