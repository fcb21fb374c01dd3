"""Tasks and their ends as rows of one array: one copy hands out a task, one takes its end.

Compiling and running cost by the number of arrays gathered and scattered, hardly by size. Nothing
here needs JAX: a command that finds its executables on disk does without.
"""

from typing import Any, NamedTuple

import numpy as np

from scaling_cli.engine.problem import Solution
from scaling_cli.laws._law import Value

# In the metric of the IRLS Hessian. Huber's kinks ask for more than least squares.
FIRST_DAMPING, FIRST_DAMPING_SMOOTH = 0.3, 1e-4
MIN_POINTS_PADDED = 8
WHOLE_POWERS, PARTS = 1024, 16  # of padding
# A lane stops when the model promises less than this share of the objective: far below any use of
# the number, above the rounding of a sum of 1e5 terms.
STOP = 1e-14


class Shared(NamedTuple):
    """What all lanes of a call have in common."""

    inputs: dict[str, Value]  # each (n,)
    matrix: Value  # (p, p): full free coordinates = offset + matrix @ u
    offset: Value  # (p,)
    sized: Value  # (p,) 1 for parameters searched by their size, else 0; see `units`


class Work(NamedTuple):
    """What differs from lane to lane; a leading axis is added by the caller."""

    start: Value  # (p,)
    moves: Value  # (p,) 1 for the coordinates that are searched, else 0
    target: Value  # (n,) ln output, or output in linear space
    weight: Value  # (n,) >= 0; 0 pads
    corner: Value  # Huber's delta; infinite for least squares
    prior_mean: Value  # (p,) in full free coordinates
    prior_precision: Value  # (p,)
    total: Value  # sum of weight
    damping: Value  # that the lane begins with
    stop: Value  # share of the objective, below which what is promised is left


def first_damping(corner: np.ndarray) -> np.ndarray:
    """Return the damping that lanes with these corners begin with."""
    return np.where(np.isinf(corner), FIRST_DAMPING_SMOOTH, FIRST_DAMPING)


def padded(n: int) -> int:
    """Return what n points are padded to, so that other data reuse code.

    A power of two where compiling costs more than the points; beyond, a sixteenth of one.
    """
    whole = max(MIN_POINTS_PADDED, 1 << (n - 1).bit_length())
    step = whole if whole <= WHOLE_POWERS else whole // PARTS
    return -(-n // step) * step


def taken(pool: Work, lanes: slice | np.ndarray) -> Work:
    """Return some lanes of a pool; a single row stands for all."""
    return Work(*(column[lanes] if len(column) > 1 else column for column in pool))


def blank(pool: Work, tasks: int) -> np.ndarray:
    """Return what `chunk` fills."""
    widths = {name: column[0].size for name, column in pool._asdict().items()}
    widths |= {name: padded(widths[name]) for name in ("target", "weight")}
    return np.zeros((tasks, sum(widths.values())))


def chunk(pool: Work, count: int, tasks: int) -> np.ndarray:
    """Return `count` tasks as the rows of one array, so that a lane takes up a task by one copy.

    Targets and weights are filled up with zeros to their padded size.
    """
    out, begin = blank(pool, tasks), 0
    for name, column in pool._asdict().items():
        width = column[0].size
        out[:count, begin : begin + width] = column.reshape(len(column), -1)
        begin += padded(width) if name in ("target", "weight") else width
    out[count:] = out[count - 1]
    return out


def unpacked(rows: Any, p: int) -> Work:
    """Return the work in rows of shape (lanes, 2n + 4p + 4); see `chunk`."""
    n = (rows.shape[1] - 4 * p - 4) // 2
    ends = np.cumsum([p, p, n, n, 1, p, p, 1, 1, 1])
    start, moves, target, weight, corner, mean, precision, *last = (
        rows[:, begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    numbers = (column[:, 0] for column in last)
    return Work(start, moves, target, weight, corner[:, 0], mean, precision, *numbers)


def read(parts: list[np.ndarray], p: int, k: int) -> Solution:
    """Read the rows that `lanes.report` wrote: of p coordinates, the k that were searched."""
    rows = np.concatenate(parts)
    columns = np.split(rows, np.cumsum([p, 1, p, p * p, p * p, 1]), axis=1)
    u, value, gradient, irls, exact, converged, iterations = (column.copy() for column in columns)
    exact, irls = (matrix.reshape(-1, p, p)[:, :k, :k] for matrix in (exact, irls))
    ended, count = converged[:, 0] > 0, iterations[:, 0].astype(int)
    return Solution(u[:, :k], value[:, 0], gradient[:, :k], exact, irls, ended, count)
