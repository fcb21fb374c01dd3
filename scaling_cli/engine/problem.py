"""A problem: a law, the points it is fitted to, its free parameters; and where its fits ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from scaling_cli.engine.priors import Penalty
from scaling_cli.laws._law import Law
from scaling_cli.numerics.mestimate import huber, tau
from scaling_cli.vocabulary.objective import Objective

Columns = Mapping[str, np.ndarray]  # by symbol, or by parameter
# The largest corner of Huber's at which a sum counts as that of least absolute deviations.
LAD_LOOSEST = 3e-6
RESIDUAL_FLOOR = 1e-15  # of rounding: noiseless data have residuals of this size


@dataclass(frozen=True)
class Frame:
    """How the vector that is searched maps to the law's parameters: fixed and tied ones.

    full free coordinates = offset + matrix @ u, u of shape (k,).
    """

    matrix: np.ndarray  # (p, k)
    offset: np.ndarray  # (p,)
    names: tuple[str, ...]  # of the k searched coordinates

    @classmethod
    def of(cls, law: type[Law], fix: Mapping[str, float], tie: Mapping[str, str]) -> Self:
        """Return the map from searched to full coordinates.

        `tie` maps a parameter to the one it follows; chains are not followed.
        """
        declared = law.parameters()
        searched = tuple(n for n in declared if n not in fix and n not in tie)
        matrix, offset = np.zeros((len(declared), len(searched))), np.zeros(len(declared))
        for row, name in enumerate(declared):
            leader = tie.get(name, name)
            if leader in fix:
                offset[row] = declared[leader].free(fix[leader])
            else:
                matrix[row, searched.index(leader)] = 1.0
        return cls(matrix, offset, searched)

    def without(self, column: int, free: float) -> "Frame":
        """Return the frame with one searched coordinate held at a value of it."""
        offset = np.where(self.matrix[:, column] != 0, free, self.offset)
        names = tuple(n for i, n in enumerate(self.names) if i != column)
        return Frame(np.delete(self.matrix, column, axis=1), offset, names)


@dataclass(frozen=True)
class Problem:
    """A law, the inputs it is evaluated at, and what is minimised.

    Parameters
    ----------
    law : type[Law]
    inputs : mapping of symbol to array, shape (n,)
    output : array, shape (n,)
    weight : array, shape (n,)
    objective : Objective
    frame : Frame
    penalty : Penalty, optional
        Of the user's priors; part of the objective wherever `solve` is not given another.
    """

    law: type[Law]
    inputs: Columns
    output: np.ndarray
    weight: np.ndarray
    objective: Objective
    frame: Frame
    penalty: Penalty | None = None

    @property
    def corner(self) -> float:
        """Huber's corner for the kernel: infinite for l2; lad is reached by continuation."""
        return np.inf if self.objective.name == "l2" else self.objective.delta

    @property
    def smallest_corner(self) -> float:
        """Huber's corner; for least absolute deviations, one that stands for their limit."""
        return LAD_LOOSEST if self.objective.name == "lad" else self.corner

    def smooth(self, corner: float | None = None) -> "Problem":
        """Return a problem without least absolute deviations, which have kinks: Huber's limit.

        The corner is how near to the limit; by default that of the objective, near enough for laws
        that are only compared.
        """
        if self.objective.name != "lad":
            return self
        delta = self.objective.delta if corner is None else corner
        return replace(self, objective=replace(self.objective, name="huber", delta=delta))

    def parameters(self, u: np.ndarray) -> dict[str, np.ndarray]:
        """Return parameter values, each of shape (m,), at searched coordinates u of shape (m, k).

        A coefficient that the data let run away is infinite where no number is as large.
        """
        full = u @ self.frame.matrix.T + self.frame.offset
        declared = self.law.parameters().items()
        with np.errstate(over="ignore"):
            return {name: p.at(column) for (name, p), column in zip(declared, full.T, strict=True)}

    def laws(self, u: np.ndarray) -> list[Law]:
        """Return the law at each row of searched coordinates, of shape (m, k)."""
        columns = self.parameters(u)
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [self.law(**dict(zip(columns, row, strict=True))) for row in rows]

    def predictions(self, values: Columns, inputs: Columns | None = None) -> np.ndarray:
        """Return the law at parameter values, each (m,), and inputs, each (n,): shape (m, n).

        The problem's own inputs by default. NaN where an infinite coefficient meets a power that
        has vanished: there is no prediction.
        """
        given = self.inputs if inputs is None else inputs
        columns = {s: np.asarray(given[s], float)[None, :] for s in self.law.inputs()}
        law = self.law(**{name: v[:, None] for name, v in values.items()})
        shape = len(next(iter(values.values()))), len(next(iter(given.values())))
        with np.errstate(over="ignore", invalid="ignore"):
            return np.broadcast_to(np.asarray(law(**columns), float), shape)

    def log_predictions(self, u: np.ndarray, inputs: Columns | None = None) -> np.ndarray:
        """Return ln prediction, shape (m, points), at searched coordinates u of shape (m, k)."""
        predicted = self.predictions(self.parameters(np.atleast_2d(u)), inputs)
        with np.errstate(invalid="ignore", divide="ignore"):  # a law may leave what its output is
            return np.log(predicted)

    def log_misses(self, u: np.ndarray) -> np.ndarray:
        """Return ln prediction - ln measured, shape (n,), at searched coordinates u (k,)."""
        return self.log_predictions(u)[0] - np.log(self.output)

    def misses(self, prediction: np.ndarray) -> np.ndarray:
        """Return residuals in the objective's space of predictions, shape (..., n)."""
        if self.objective.space == "log":
            return np.log(prediction) - np.log(self.output)
        return prediction - self.output

    def deviations(self, u: np.ndarray) -> np.ndarray:
        """Return residuals in the objective's space, shape (m, n), at searched u (m, k)."""
        return self.misses(self.predictions(self.parameters(u)))

    def residuals(self, u: np.ndarray) -> np.ndarray:
        """Return residuals in the objective's space, shape (n,), at searched coordinates u (k,)."""
        return self.deviations(u[None])[0]

    def sensitivity(self, u: np.ndarray, inputs: Columns | None = None) -> np.ndarray:
        """Return d ln prediction / d u, shape (points, k), by fourth-order central differences.

        Its relative error is below 1e-10, and it costs no compilation.
        """
        k, step = len(u), 1e-4
        offsets = step * np.concatenate([np.eye(k) * c for c in (-2, -1, 1, 2)])
        values = self.log_predictions(u + offsets, inputs).reshape(4, k, -1)
        with np.errstate(invalid="ignore"):  # a step out of the doubles has no slope
            return ((values[0] - values[3]) + 8 * (values[2] - values[1])).T / (12 * step)

    def in_range(self, u: np.ndarray) -> np.ndarray:
        """Say which lanes of u (m, k) have parameters that doubles can hold: slides may not."""
        return np.all(np.isfinite(np.stack([*self.parameters(u).values()])), axis=0)

    def noise_scale(self, u: np.ndarray) -> float:
        """Return tau, which turns the objective into ln likelihood: that of the priors, if any."""
        if self.penalty is not None:
            return self.penalty.tau(self.smallest_corner)
        return tau(self.residuals(u), self.weight, len(u), self.smallest_corner)

    def value(self, law: Law) -> float:
        """Return the objective's sum at a law, in NumPy: an independent evaluation of the kernel's.

        The penalty of the user's priors is a part of it.
        """
        r, corner = self.misses(np.asarray(law(**self.inputs), float)), self.smallest_corner
        declared = self.law.parameters()
        full = [float(declared[name].free(value)) for name, value in law.values().items()]
        penalty = self.penalty.value(np.array(full), corner) if self.penalty else 0.0
        if self.objective.name == "lad":
            return float(np.sum(self.weight * np.abs(r))) + penalty / LAD_LOOSEST
        return float(np.sum(self.weight * huber(r, corner))) + penalty


class Solution(NamedTuple):
    """Where each lane ended; leading axis: lane."""

    u: np.ndarray  # (m, k)
    value: np.ndarray  # (m,)
    gradient: np.ndarray  # (m, k)
    hessian: np.ndarray  # (m, k, k) exact
    irls: np.ndarray  # (m, k, k)
    converged: np.ndarray  # (m,)
    iterations: np.ndarray  # (m,)

    def take(self, rows: Sequence[int]) -> "Solution":
        """Return some lanes."""
        return Solution(*(column[rows] for column in self))

    def joined(self, other: "Solution") -> "Solution":
        """Return these lanes, then the other's."""
        return Solution(*map(np.concatenate, zip(self, other, strict=True)))

    def sums(self) -> np.ndarray:
        """Return the objective of each lane, shape (m,): infinite where it is not a number."""
        return np.where(np.isfinite(self.value), self.value, np.inf)
