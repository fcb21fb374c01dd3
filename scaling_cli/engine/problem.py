"""A problem: a law, the points it is fitted to, its free parameters; and where its fits ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from scaling_cli.engine.priors import Penalty
from scaling_cli.laws._law import Domain, Law
from scaling_cli.vocabulary.objective import Objective


@dataclass(frozen=True)
class Frame:
    """How the vector that is searched maps to the law's parameters: fixed and tied ones.

    full free coordinates = offset + matrix @ u, u of shape (k,).
    """

    matrix: np.ndarray  # (p, k)
    offset: np.ndarray  # (p,)
    names: tuple[str, ...]  # of the k searched coordinates


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
    inputs: Mapping[str, np.ndarray]
    output: np.ndarray
    weight: np.ndarray
    objective: Objective
    frame: Frame
    penalty: Penalty | None = None


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


def frame(law: type[Law], fix: Mapping[str, float], tie: Mapping[str, str]) -> Frame:
    """Return the map from searched to full coordinates.

    `tie` maps a parameter to the one it follows; chains are not followed.
    """
    names = list(law.parameters())
    searched = tuple(n for n in names if n not in fix and n not in tie)
    matrix = np.zeros((len(names), len(searched)))
    offset = np.zeros(len(names))
    for row, name in enumerate(names):
        leader = tie.get(name, name)
        if leader in fix:
            offset[row] = to_free(law, leader, fix[leader])
        else:
            matrix[row, searched.index(leader)] = 1.0
    return Frame(matrix, offset, searched)


def to_free(law: type[Law], name: str, value: Any) -> Any:
    """Return the free coordinate of a parameter value: its logarithm where it is positive.

    A parameter held at zero has the coordinate -inf, which the exponential takes back exactly.
    """
    if law.parameters()[name].domain is Domain.POSITIVE:
        with np.errstate(divide="ignore"):
            return np.log(value)
    return np.asarray(value, float)


def parameters(problem: Problem, u: np.ndarray) -> dict[str, np.ndarray]:
    """Return parameter values, each of shape (m,), at searched coordinates u of shape (m, k).

    A coefficient that the data let run away is infinite where no number is as large.
    """
    full = u @ problem.frame.matrix.T + problem.frame.offset
    with np.errstate(over="ignore"):
        return {
            name: np.exp(full[:, i]) if p.domain is Domain.POSITIVE else full[:, i]
            for i, (name, p) in enumerate(problem.law.parameters().items())
        }


def predictions(
    problem: Problem,
    values: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Return the law at parameter values, each (m,), and inputs, each (n,): shape (m, n).

    The problem's own inputs by default. NaN where an infinite coefficient meets a power that has
    vanished: there is no prediction.
    """
    given = problem.inputs if inputs is None else inputs
    columns = {s: np.asarray(v, float)[None, :] for s, v in given.items()}
    law = problem.law(**{name: v[:, None] for name, v in values.items()})
    shape = len(next(iter(values.values()))), len(next(iter(given.values())))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.broadcast_to(np.asarray(law(**columns), float), shape)


def deviations(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return residuals in the objective's space, shape (m, n), at searched u of shape (m, k)."""
    return misses(problem, predictions(problem, parameters(problem, u)))


def misses(problem: Problem, prediction: np.ndarray) -> np.ndarray:
    """Return residuals in the objective's space of predictions, shape (..., n)."""
    if problem.objective.space == "log":
        return np.log(prediction) - np.log(problem.output)
    return prediction - problem.output


def corner_of(objective: Objective) -> float:
    """Return Huber's corner for the kernel: infinite for l2; lad is reached by continuation."""
    return np.inf if objective.name == "l2" else objective.delta
