"""Many refits of one problem, in chunks: bounded memory, and the same numbers on every executor.

Where chunks begin and end depends on the problem alone, never on who computes them, so a cluster
does the very sums that one process does. What a chunk needs is made where it is computed; random
numbers come from its own stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from scaling_cli.engine.executors import SERIAL, Executor
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.solve import solve

# Of one chunk: enough lanes that those which finish last are a small share; few enough that
# its arrays of (lanes, points) take 16 MB each (more beyond 32,768 points).
MOST_LANES, FEWEST_LANES = 4096, 64
VALUES = 1 << 21
# One Newton step stands for a refit where in a few tries, each with all its noise, it ends within
# this many sds of one.
FEW, ALIKE = 10, 0.1


@dataclass(frozen=True)
class Chunk:
    """Lanes start to stop of a batch."""

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of lanes."""
        return self.stop - self.start

    def seed(self, seed: int | Sequence[int]) -> np.random.SeedSequence:
        """Return the seed of this chunk's own stream; the first chunk's is the seed's."""
        return np.random.SeedSequence(seed, spawn_key=(self.index,) if self.index else ())


class Batch(Protocol):
    """Refits of one problem, of which any chunk can be made without the others.

    A batch is sent to other processes: it holds what lanes are made of, not the lanes.
    """

    @property
    def problem(self) -> Problem:
        """What is fitted in every lane."""
        ...

    def __len__(self) -> int:
        """Return the number of lanes."""
        ...

    def lanes(self, chunk: Chunk) -> dict[str, Any]:
        """Return the arguments of `solve` for these lanes: starts, and what differs by lane.

        A batch may leave lanes out: it then has fewer starts than the chunk has lanes.
        """
        ...


@dataclass(frozen=True)
class Variations:
    """A batch of refits with other weights or corners, each from every beginning in turn.

    Parameters
    ----------
    problem : Problem
    begin : array, shape (b, k)
    weights : array, shape (v, n)
        They multiply the problem's own.
    corners : array, shape (v,), optional
    """

    problem: Problem
    begin: np.ndarray
    weights: np.ndarray
    corners: np.ndarray | None

    def __len__(self) -> int:
        """Return the number of lanes."""
        return len(self.begin) * len(self.weights)

    def lanes(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Return starts, weights and corners of these lanes."""
        which, first = np.divmod(np.arange(chunk.start, chunk.stop), len(self.begin))
        given = {"starts": self.begin[first], "weight": self.weights[which] * self.problem.weight}
        return given if self.corners is None else given | {"corner": self.corners[which]}


class Ends(NamedTuple):
    """Where each lane ended; leading axis: lane. What is kept of many lanes."""

    u: np.ndarray  # (m, k)
    value: np.ndarray  # (m,)
    converged: np.ndarray  # (m,)

    def reached(self) -> np.ndarray:
        """Return the objective of each lane, shape (m,): infinite where it did not converge."""
        return np.where(self.converged, self.value, np.inf)


def stepped(u: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray | None:
    """Return where one Newton step from u (k,) ends, (m, k); None where a sum is no bowl there.

    Parameters
    ----------
    u : array, shape (k,)
    gradient : array, shape (m, k)
    hessian : array, shape (m, k, k)
    """
    try:
        np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return None
    return u - np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]


def standing(
    tried: np.ndarray | None, refits: Ends, made: Sequence[np.ndarray | None]
) -> Ends | None:
    """Return the ends of the steps that were made, if those tried end where their refits do.

    None if they do not, beside the sds of all that were made, or if there is no step to one.
    """
    steps = [own for own in made if own is not None]
    if tried is None or len(steps) < len(made) or not np.all(refits.converged):
        return None
    u = np.concatenate(steps)
    if np.any(np.abs(tried - refits.u) > ALIKE * np.std(u, axis=0)):
        return None
    return Ends(u, np.zeros(len(u)), np.ones(len(u), bool))


def cut(batch: Batch) -> Iterator[Chunk]:
    """Cut a batch into chunks of a size that depends on its problem alone."""
    points = len(batch.problem.output)
    size = max(FEWEST_LANES, min(MOST_LANES, VALUES >> (points - 1).bit_length()))
    for index, start in enumerate(range(0, len(batch), size)):
        yield Chunk(index, start, min(start + size, len(batch)))


def run(batches: Sequence[Batch], executor: Executor = SERIAL) -> list[Ends]:
    """Refit every lane of every batch; return where the lanes of each batch ended."""
    pieces = [(which, chunk) for which, batch in enumerate(batches) for chunk in cut(batch)]
    parts: list[list[Ends]] = [[_nothing(batch)] for batch in batches]
    ended = executor.map(_refit, tuple(batches), pieces)
    for (which, _), ends in zip(pieces, ended, strict=True):
        parts[which].append(ends)
    return [Ends(*map(np.concatenate, zip(*own, strict=True))) for own in parts]


def _refit(batches: Sequence[Batch], piece: tuple[int, Chunk]) -> Ends:
    which, chunk = piece
    batch = batches[which]
    lanes = batch.lanes(chunk)
    if not len(lanes["starts"]):
        return _nothing(batch)
    solution = solve(batch.problem, **lanes)
    return Ends(solution.u, solution.value, solution.converged)


def _nothing(batch: Batch) -> Ends:
    return Ends(np.zeros((0, len(batch.problem.frame.names))), np.zeros(0), np.zeros(0, bool))
