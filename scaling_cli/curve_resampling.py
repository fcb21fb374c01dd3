"""Draws of curve laws: blocks of runs (or runs) drawn with replacement, all laws refitted.

Losses along a run are not independent, so what is drawn is stretches as long as their residuals
remember, by the rule of Carlstein (1986, doi:10.1214/aos/1176350057) for a first-order
autoregression. A draw minimises the same objective, weak priors kept, with the curve replaced by
its tangent at the fit: draws move so little that the refit itself differs from it by less than
their own noise, and hundreds cost less than one.
"""

from collections.abc import Sequence

import numpy as np

from scaling_cli.curve_search import DELTA
from scaling_cli.engine.curves import CurveProblem, Linearised, law_at

MANY_RUNS = 10  # from here on whole runs are drawn: that also draws their schedules
ROUNDS = 40  # of reweighting; each gains a digit or more
SMALLEST = 1e-12  # of a residual, in ln loss: where Huber's weight is one whatever it is


def autocorrelation(residuals: Sequence[np.ndarray]) -> float:
    """Return the correlation of successive residuals, runs pooled, about each run's zero."""
    products = sum(float(r[1:] @ r[:-1]) for r in residuals)
    squares = sum(float(r[1:] @ r[1:] + r[:-1] @ r[:-1]) / 2 for r in residuals)
    return products / squares if squares > 0 else 0.0


def effective(points: int, correlation: float) -> float:
    """Return how many independent residuals say as much about a mean."""
    rho = min(max(correlation, 0.0), 1 - 1e-6)
    return max(1.0, points * (1 - rho) / (1 + rho))


def block_length(points: int, correlation: float) -> int:
    """Return the length of blocks for a run of so many points."""
    rho = min(max(correlation, 0.0), 0.99)
    best = (np.sqrt(6) * rho / (1 - rho**2)) ** (2 / 3) * points ** (1 / 3)
    return int(min(max(1, np.ceil(best)), max(1, points // 2)))


def weights(
    sizes: Sequence[int], correlation: float, count: int, seed: int
) -> tuple[np.ndarray, str]:
    """Return how often each point is drawn, shape (count, points), and how, in words."""
    generator = np.random.default_rng(seed)
    if len(sizes) >= MANY_RUNS:
        share = np.full(len(sizes), 1 / len(sizes))
        drawn = generator.multinomial(len(sizes), share, size=count).astype(float)
        return np.repeat(drawn, sizes, axis=1), f"bootstrap of {len(sizes)} runs"
    lengths = [block_length(n, correlation) for n in sizes]
    parts = [_blocks(n, b, count, generator) for n, b in zip(sizes, lengths, strict=True)]
    span = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)}-{max(lengths)}"
    return np.concatenate(parts, axis=1), f"bootstrap of blocks of {span} points within runs"


def _blocks(points: int, length: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return how often each point of a run is drawn by blocks that wrap around its end."""
    blocks = -(-points // length)
    starts = generator.integers(points, size=(count, blocks))
    index = (starts[:, :, None] + np.arange(length)) % points
    index = index.reshape(count, -1)[:, :points]
    drawn = np.zeros((count, points))
    np.add.at(drawn, (np.arange(count)[:, None], index), 1.0)
    return drawn


def draws(problem: CurveProblem, line: Linearised, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return a law's parameters refitted to each resample, each of shape (count,)."""
    places = line.at + _moves(problem, line, drawn)
    laws = [law_at(problem.law, u, problem.area).values() for u in places]
    return {name: np.array([law[name] for law in laws]) for name in laws[0]}


def _moves(problem: CurveProblem, line: Linearised, drawn: np.ndarray) -> np.ndarray:
    """Return where each resample's minimum lies from the fit, shape (count, k)."""
    free = problem.free
    J = line.jacobian[:, free]
    mean, precision = (column[free] for column in problem.prior.T)
    squares = (J[:, :, None] * J[:, None, :]).reshape(len(J), -1)
    k = J.shape[1]
    move = np.zeros((len(drawn), k))
    for _ in range(ROUNDS):
        residuals = line.residuals + move @ J.T
        weight = drawn * np.minimum(1.0, DELTA / np.maximum(np.abs(residuals), SMALLEST))
        hessian = (weight @ squares).reshape(-1, k, k) + np.diag(precision)
        pull = precision * (line.at[free] - mean)
        right = -(weight * line.residuals) @ J - pull
        move = np.linalg.solve(hessian, right[:, :, None])[:, :, 0]
    moves = np.zeros((len(drawn), len(free)))
    moves[:, free] = move
    return moves
