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

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_cli.engine.problem import Problem, Solution


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

    problem: Problem
    divisors: Mapping[str, float]
    shears: tuple[Shear, ...]
    raised: tuple[Raised, ...]

    @classmethod
    def of(
        cls, problem: Problem, frozen: np.ndarray | None = None, precision: np.ndarray | None = None
    ) -> "Units":
        """Return the coordinates in which a problem is solved."""
        declared, frame = problem.law.parameters(), problem.frame
        names, searched = list(declared), frame.names
        # What moves alone, in every lane, with nothing pulling at it.
        alone = np.count_nonzero(frame.matrix, axis=0) == 1
        alone &= ~np.any(np.atleast_2d(False if frozen is None else frozen), axis=0)
        moves = np.any(frame.matrix[:, alone] != 0, axis=1)
        pull = 0.0 if precision is None else precision
        moves &= ~np.any(np.atleast_2d(pull) > 0, axis=0)
        free = [name for name, moved in zip(names, moves, strict=True) if moved]
        divisors: dict[str, float] = {}
        shears: list[Shear] = []
        for symbol, unit in natural_units(problem).items():
            own = [(n, a) for n, p in declared.items() for a in p.absorbs if a.input == symbol]
            if not own or not all(name in free for name, _ in own):
                continue
            divisors[symbol] = unit
            for name, absorbed in own:
                row = names.index(absorbed.exponent) if absorbed.exponent else None
                rate = absorbed.times * float(np.log(unit))
                shears.append(Shear(searched.index(name), row, rate, -1 if absorbed.inverse else 1))
        divisors |= {s: divisors[of] for s, of in problem.law.together.items() if of in divisors}
        powers = [(searched.index(n), names.index(n), declared[n].raised) for n in free]
        raised = tuple(Raised(column, row, names.index(p)) for column, row, p in powers if p)
        return cls(problem, divisors, tuple(shears), raised)

    def flags(self) -> np.ndarray:
        """Return 1 for the parameters that are searched by size, else 0, shape (p,)."""
        rows = np.arange(len(self.problem.frame.offset))
        return np.isin(rows, [scale.row for scale in self.raised]).astype(float)

    def target(self, output: np.ndarray) -> np.ndarray:
        """Return outputs as the objective compares them, in these units."""
        if self.problem.objective.space == "linear":
            return output
        return np.log(output) - np.log(self.divisors.get(self.problem.law.output().symbol, 1.0))

    def inward(self, u: np.ndarray) -> np.ndarray:
        """Return searched coordinates (m, k) in these units."""
        out = np.array(u, float)
        for shear in self.shears:
            out[:, shear.column] -= shear.rate * self._exponent(shear, u)
        for scale in self.raised:
            out[:, scale.column] /= 1 + np.exp(-self._free(scale.power, u))
        return out

    def scattered(self, centres: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Return searched coordinates (m, k) moved by `spread` (m, k) in these units."""
        out = self.inward(centres) + spread
        for scale in self.raised:
            out[:, scale.column] *= 1 + np.exp(-self._free(scale.power, out))
        for shear in self.shears:
            out[:, shear.column] += shear.rate * self._exponent(shear, out)
        return out

    def outward(self, ended: Solution) -> Solution:
        """Return a solution in the units of the data: coordinates, gradient and both Hessians."""
        return self._sheared(self._lowered(ended))

    def _lowered(self, ended: Solution) -> Solution:
        """Return a solution with logarithms of scales in place of their sizes."""
        if not self.raised:
            return ended
        u, slope = _copied(ended)
        bends = []  # of each logarithm by the searched coordinates
        for scale in self.raised:
            moves = self.problem.frame.matrix[scale.power]
            own = np.eye(u.shape[1])[scale.column]
            share = np.exp(-self._free(scale.power, ended.u))
            bent = ended.u[:, scale.column] * share
            u[:, scale.column] += bent
            slope[:, scale.column] += share[:, None] * own - bent[:, None] * moves
            both = np.outer(own, moves) + np.outer(moves, own)
            bends.append(bent[:, None, None] * np.outer(moves, moves) - share[:, None, None] * both)
        back = np.linalg.inv(slope)
        gradient = np.einsum("mji,mj->mi", back, ended.gradient)
        hessian = np.array(ended.hessian)
        for scale, bend in zip(self.raised, bends, strict=True):
            hessian -= gradient[:, scale.column, None, None] * bend
        turned = np.swapaxes(back, 1, 2)
        return ended._replace(
            u=u, gradient=gradient, hessian=turned @ hessian @ back, irls=turned @ ended.irls @ back
        )

    def _sheared(self, ended: Solution) -> Solution:
        """Return a solution with inputs in their own units."""
        if not self.shears:
            return ended
        u, slope = _copied(ended)
        bend = np.zeros_like(slope)
        for shear in self.shears:
            exponent = self._exponent(shear, ended.u)
            u[:, shear.column] += shear.rate * exponent
            if shear.exponent is None:
                continue
            moves = self.problem.frame.matrix[shear.exponent]  # of the exponent
            positive = self._positive(shear.exponent)
            # exp(power * x) by x; a coordinate that is no logarithm moves as itself.
            own = shear.power * exponent if positive else np.ones_like(exponent)
            slope[:, shear.column] -= shear.rate * own[:, None] * moves
            if positive:  # power is 1 or -1, so that its square is 1
                pull = ended.gradient[:, shear.column] * shear.rate * exponent
                bend -= pull[:, None, None] * np.outer(moves, moves)
        back = np.swapaxes(slope, 1, 2)
        return ended._replace(
            u=u,
            gradient=np.einsum("mij,mj->mi", back, ended.gradient),
            hessian=back @ ended.hessian @ slope + bend,
            irls=back @ ended.irls @ slope,
        )

    def _exponent(self, shear: Shear, u: np.ndarray) -> np.ndarray:
        if shear.exponent is None:
            return np.ones(len(u))
        free = self._free(shear.exponent, u)
        return np.exp(shear.power * free) if self._positive(shear.exponent) else free

    def _free(self, row: int, u: np.ndarray) -> np.ndarray:
        return self.problem.frame.offset[row] + u @ self.problem.frame.matrix[row]

    def _positive(self, row: int) -> bool:
        return list(self.problem.law.parameters().values())[row].positive


def _copied(ended: Solution) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates to move, and for each lane the identity as their slopes so far."""
    m, k = ended.u.shape
    return np.array(ended.u), np.broadcast_to(np.eye(k), (m, k, k)).copy()


def natural_units(problem: Problem) -> dict[str, float]:
    """Return the unit of every input, its smallest, and in log space the output's, its middle."""
    found = {symbol: float(np.min(values)) for symbol, values in problem.inputs.items()}
    if problem.objective.space == "log":
        ends = np.log([np.min(problem.output), np.max(problem.output)])
        found[problem.law.output().symbol] = float(np.exp(np.mean(ends)))
    return found
