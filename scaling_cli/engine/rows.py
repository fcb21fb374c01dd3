"""Tasks and their ends as rows of one array: one copy hands out a task, one takes its end.

Compiling and running cost by the number of arrays that are gathered and scattered, hardly by size.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from scaling_cli.engine.iteration import STUCK, Lane, Work

MIN_POINTS_PADDED = 8


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


def padded_size(n: int) -> int:
    """Return the power of two that n points are padded to, so that other data reuse code."""
    return max(MIN_POINTS_PADDED, 1 << (n - 1).bit_length())


def padded(rows: np.ndarray, fill: float) -> np.ndarray:
    """Return rows with the last axis filled up to its padded size."""
    n = rows.shape[-1]
    out = np.full((*rows.shape[:-1], padded_size(n)), fill)
    out[..., :n] = rows
    return out


def chunk(pool: Work, first: int, count: int, tasks: int) -> np.ndarray:
    """Return `count` tasks as the rows of one array, so that a lane takes up a task by one copy.

    Targets and weights are filled up with zeros to their padded size.
    """
    columns = {name: c.reshape(len(c), -1) for name, c in pool._asdict().items()}
    width = {name: c.shape[1] for name, c in columns.items()}
    width |= {name: padded_size(width[name]) for name in ("target", "weight")}
    out = np.zeros((tasks, sum(width.values())))
    begin = 0
    for name, column in columns.items():
        row = out[:count, begin : begin + column.shape[1]]
        row[...] = column[first : first + count] if len(column) > 1 else column
        begin += width[name]
    out[count:] = out[count - 1]
    return out


def unpacked(rows: Any, p: int) -> Work:
    """Return the work in rows of shape (lanes, 2n + 4p + 2); see `chunk`."""
    n = (rows.shape[1] - 4 * p - 2) // 2
    ends = np.cumsum([p, p, n, n, 1, p, p, 1])
    start, moves, target, weight, corner, mean, precision, total = (
        rows[:, begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    return Work(start, moves, target, weight, corner[:, 0], mean, precision, total[:, 0])


def report(lane: Lane) -> Any:
    """Return where lanes stand as rows; see `read`."""
    # A lane is also done where its start is not a number, or where no step helps any more
    # although the gradient asks for one: neither is a minimum.
    good = lane.done & jnp.isfinite(lane.local.value) & (lane.damping <= STUCK)
    # The last step is taken unseen: it promises less than the value can resolve, yet squares the
    # distance to the minimum.
    last = lane.u + jnp.where(good[:, None], lane.step, 0.0)
    value, gradient, irls, exact = lane.local
    columns = (last, value, gradient, irls, exact, good, lane.iterations)
    return jnp.concatenate([c.reshape(len(c), -1).astype(float) for c in columns], axis=1)


def read(parts: list[np.ndarray], p: int, k: int) -> Solution:
    """Read the rows that `report` wrote: of p coordinates, the k that were searched."""
    rows = np.concatenate(parts)
    ends = np.cumsum([p, 1, p, p * p, p * p, 1, 1])
    u, value, gradient, irls, exact, converged, iterations = (
        rows[:, begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    square = (len(rows), p, p)
    return Solution(
        u=u[:, :k].copy(),
        value=value[:, 0].copy(),
        gradient=gradient[:, :k].copy(),
        hessian=exact.reshape(square)[:, :k, :k].copy(),
        irls=irls.reshape(square)[:, :k, :k].copy(),
        converged=converged[:, 0] > 0,
        iterations=iterations[:, 0].astype(int),
    )
