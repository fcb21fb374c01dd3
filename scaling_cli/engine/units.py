"""Units in which a law is easy to fit: inputs divided by their smallest value.

A coefficient and its exponent lie along a curved valley (ln A = ln a + alpha ln N), which Newton
follows in short steps. In units of the smallest N, A is the size of the term at that N and the
valley is nearly straight: resamples then take a third fewer iterations, starts half as many.
A law says which coefficient absorbs the unit of which input (`law.Absorbs`); a coefficient that
is held, tied, frozen or under a prior keeps its input's own unit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaling_cli.law import Domain, Law

if TYPE_CHECKING:
    from scaling_cli.engine.solve import Problem, Solution


@dataclass(frozen=True)
class Shear:
    """One coefficient: ln A = (its searched coordinate) + rate * (its exponent)."""

    column: int  # of the coefficient among the searched coordinates
    exponent: int  # row of the exponent among the law's parameters
    rate: float


@dataclass(frozen=True)
class Units:
    """By how much each input is divided, and what that does to the searched coordinates."""

    divisors: Mapping[str, float]
    shears: tuple[Shear, ...]


def units(
    problem: "Problem", frozen: np.ndarray | None, prior_precision: np.ndarray | None
) -> Units:
    """Return the units in which a problem is solved."""
    names = list(problem.law.parameters())
    divisors: dict[str, float] = {}
    shears: list[Shear] = []
    for symbol, values in problem.inputs.items():
        absorbing = list(_absorbing(problem.law, symbol))
        free = all(_is_free(problem, name, frozen, prior_precision) for name, *_ in absorbing)
        if not absorbing or not free:
            continue
        divisors[symbol] = float(np.min(values))
        shears += [
            Shear(problem.frame.names.index(name), names.index(exponent),
                  times * float(np.log(divisors[symbol])))
            for name, exponent, times in absorbing
        ]  # fmt: skip
    return Units(divisors, tuple(shears))


def _absorbing(law: type[Law], symbol: str) -> Iterator[tuple[str, str, float]]:
    for name, parameter in law.parameters().items():
        for absorbed in parameter.absorbs:
            if absorbed.input == symbol:
                yield name, absorbed.exponent, absorbed.times


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
    return out


def outward(problem: "Problem", chosen: Units, found: "Solution") -> "Solution":
    """Return a solution in the units of the data: coordinates, gradient and both Hessians."""
    if not chosen.shears:
        return found
    k = found.u.shape[1]
    u, slope = np.array(found.u), np.broadcast_to(np.eye(k), (len(found.u), k, k)).copy()
    bend = np.zeros_like(slope)
    for shear in chosen.shears:
        exponent = _exponent(problem, shear, found.u)
        u[:, shear.column] += shear.rate * exponent
        moves = problem.frame.matrix[shear.exponent]  # of the exponent by searched coordinates
        own = exponent if _positive(problem, shear) else np.ones_like(exponent)
        slope[:, shear.column] -= shear.rate * own[:, None] * moves
        if _positive(problem, shear):
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
    free = problem.frame.offset[shear.exponent] + u @ problem.frame.matrix[shear.exponent]
    return np.exp(free) if _positive(problem, shear) else free


def _positive(problem: "Problem", shear: Shear) -> bool:
    declared = list(problem.law.parameters().values())[shear.exponent]
    return declared.domain is Domain.POSITIVE
