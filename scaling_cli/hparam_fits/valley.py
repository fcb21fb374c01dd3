"""The valley of the loss over learning rate and batch: one optimum and its curvature per cell.

A cell is one model size on one number of tokens, trained several times. Near its optimum ln loss is
a quadratic of ln lr and ln batch; a cell whose optimum its runs do not enclose has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts.hparams import AXES, Flatness

# Runs within 1 % of a cell's best place its optimum. In benchmarks/learning_rates.py optima of 2 to
# 5 % lie off, as the valley is steeper towards high rates, and those of 0.25 % follow the noise
# when few cells are left. Its width is what 3 % show.
NEAR = 0.01
WIDE = 0.03
ENOUGH_RUNS = 12  # a quadratic through eight runs follows their noise
NEAR_BEST = 0.0025  # the rule of Step Law's authors: every run within it counts as an optimum
FEWEST_LEVELS = 3  # of an axis: two say which way is down, not where the bottom is
FEWEST_RUNS = 8  # for the six coefficients of a quadratic in two variables


@dataclass(frozen=True)
class Cell:
    """Runs of one model size on one number of tokens.

    Parameters
    ----------
    N, D : float
        Parameters, tokens.
    axes : array, shape (n, k)
        ln lr, and ln batch where it was swept (k is 1 or 2).
    log_loss : array, shape (n,)
    batch : float or None
        Tokens per step, where all runs share it.
    """

    N: float
    D: float
    axes: np.ndarray
    log_loss: np.ndarray
    batch: float | None

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.log_loss)

    @property
    def place(self) -> tuple[float, float]:
        """The logarithms of N and D."""
        return float(np.log(self.N)), float(np.log(self.D))


@dataclass(frozen=True)
class Optimum:
    """The bottom of one cell's valley: place, depth and curvature in logarithms.

    Parameters
    ----------
    cell : Cell
    at : array, shape (k,)
        ln lr and, where it was swept, ln batch of least loss.
    log_loss : float
    hessian : array, shape (k, k)
        Of ln loss, from the runs within 3 %.
    runs : int
        How many runs placed it.
    """

    cell: Cell
    at: np.ndarray
    log_loss: float
    hessian: np.ndarray
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        place = dict(zip(AXES, np.exp(self.at).tolist(), strict=False))
        head = {"N": self.cell.N, "D": self.cell.D, "runs": len(self.cell), "near": self.runs}
        return {**head, **place, "loss": float(np.exp(self.log_loss))}


def cells(
    N: np.ndarray, D: np.ndarray, lr: np.ndarray, batch: np.ndarray | None, loss: np.ndarray
) -> list[Cell]:
    """Group runs, arrays of shape (n,), into cells, by N, then D, then a batch that was not swept.

    The batch is an axis where at least half of the (N, D) were trained at three or more.
    """
    swept = batch is not None and _swept(N, D, batch)
    keys, columns = [N, D], [lr]
    if batch is not None:
        (columns if swept else keys).append(batch)
    groups, owner = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    axes = np.log(np.stack(columns, axis=1))
    result = []
    for i, (size, tokens, *shared) in enumerate(groups.tolist()):
        rows = np.flatnonzero(owner.ravel() == i)
        own = shared[0] if shared else None
        result.append(Cell(size, tokens, axes[rows], np.log(loss[rows]), own))
    return result


def _swept(N: np.ndarray, D: np.ndarray, batch: np.ndarray) -> bool:
    levels: dict[tuple[float, float], set[float]] = {}
    for size, tokens, B in zip(N.tolist(), D.tolist(), batch.tolist(), strict=True):
        levels.setdefault((size, tokens), set()).add(B)
    return 2 * sum(len(tried) >= FEWEST_LEVELS for tried in levels.values()) >= len(levels)


def optimum(cell: Cell, *, near: float = NEAR) -> Optimum | str:
    """Return the bottom of a cell's valley, or why it has none, in words.

    Parameters
    ----------
    cell : Cell
    near : float
        Excess loss up to which runs make the quadratic; the runs next to the best always do.
    """
    reason = _too_few(cell) or _at_the_edge(cell)
    if reason:
        return reason
    rows = _near(cell, near)
    height, slope, hessian = _fitted(cell, rows)
    width = _fitted(cell, _near(cell, max(near, WIDE)))[2]
    if min(np.min(np.linalg.eigvalsh(h)) for h in (hessian, width)) <= 0:
        return "its losses do not curve upwards: more runs around the best are needed"
    step = np.linalg.solve(hessian, -slope)
    at = cell.axes[np.argmin(cell.log_loss)] + step
    depth = float(height + slope @ step / 2)
    return _outside(cell, at) or Optimum(cell, at, depth, width, len(rows))


def near_best(cell: Cell, *, near: float = NEAR_BEST) -> np.ndarray:
    """Return the places, shape (m, k), of all runs within `near` of the best of a cell."""
    return cell.axes[np.expm1(cell.log_loss - np.min(cell.log_loss)) <= near]


def _too_few(cell: Cell) -> str:
    for name, values in zip(AXES, cell.axes.T, strict=False):
        levels = len(np.unique(values))
        if levels < FEWEST_LEVELS:
            return f"too few points: {levels} values of {name}, {FEWEST_LEVELS} are needed"
    if cell.axes.shape[1] == 2 and len(cell) < FEWEST_RUNS:
        return f"too few points: {len(cell)} runs, {FEWEST_RUNS} are needed"
    return ""


def _at_the_edge(cell: Cell) -> str:
    best = cell.axes[np.argmin(cell.log_loss)]
    for name, value, values in zip(AXES, best, cell.axes.T, strict=False):
        which = {float(np.min(values)): "smallest", float(np.max(values)): "largest"}
        if float(value) in which:
            return (
                f"edge: its best {name}, {np.exp(value):.4g}, is the {which[float(value)]} tried; "
                "the optimum may lie beyond"
            )
    return ""


def _outside(cell: Cell, at: np.ndarray) -> str:
    for name, value, values in zip(AXES, at, cell.axes.T, strict=False):
        if not np.min(values) <= value <= np.max(values):
            return (
                f"edge: the bottom of its quadratic, {name} {np.exp(value):.4g}, lies outside what "
                f"was tried ({np.exp(np.min(values)):.4g} to {np.exp(np.max(values)):.4g})"
            )
    return ""


def _near(cell: Cell, near: float) -> np.ndarray:
    """Return the runs of the quadratic: all near the best, and never too few to enclose it."""
    excess = np.expm1(cell.log_loss - np.min(cell.log_loss))
    keep = excess <= near
    if cell.axes.shape[1] == 1:
        levels = np.unique(cell.axes)
        place = int(np.searchsorted(levels, cell.axes[np.argmin(excess), 0]))
        keep |= np.isin(cell.axes[:, 0], levels[place - 1 : place + 2])
    else:
        keep |= excess <= np.sort(excess)[:ENOUGH_RUNS][-1]
    return np.flatnonzero(keep)


def _fitted(cell: Cell, rows: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return value, slope and Hessian of ln loss at the best run, by least squares over rows."""
    x = cell.axes[rows] - cell.axes[np.argmin(cell.log_loss)]
    k = x.shape[1]
    columns = [np.ones(len(x)), *x.T, *(x.T**2 / 2)]
    columns += [x[:, 0] * x[:, 1]] if k == 2 else []
    solved = np.linalg.lstsq(np.stack(columns, axis=1), cell.log_loss[rows], rcond=None)[0]
    hessian = np.diag(solved[1 + k : 1 + 2 * k])
    if k == 2:
        hessian = hessian + solved[5] * np.array([[0.0, 1.0], [1.0, 0.0]])
    return float(solved[0]), solved[1 : 1 + k], hessian


def flatness(optima: Sequence[Optimum]) -> Flatness:
    """Return the mean curvature of the cells and what a share of their loss is worth."""
    return Flatness(np.mean([o.hessian for o in optima], axis=0), _per_compute(optima))


def _per_compute(optima: Sequence[Optimum]) -> float | None:
    """Return half the sum of the exponents of N and D in the best losses, if they fall in both."""
    design = np.array([[1.0, *o.cell.place] for o in optima])
    if np.linalg.matrix_rank(design - design.mean(axis=0)) < 2:
        return None
    slopes = np.linalg.lstsq(design, np.array([o.log_loss for o in optima]), rcond=None)[0]
    return float(slopes[1:].sum() / 2) if np.all(slopes[1:] < 0) else None
