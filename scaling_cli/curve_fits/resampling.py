"""Draws of curve laws: blocks of runs (or runs) drawn with replacement, all laws refitted.

Losses along a run are not independent, so what is drawn is stretches as long as their residuals
remember, by the rule of Carlstein (1986, doi:10.1214/aos/1176350057) for a first-order
autoregression. A draw minimises the same objective, weak priors kept, from the fit to all. (Its
tangent there would do for lone minima; along a ridge it overstates the spread by two.)
"""

from collections.abc import Sequence

import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.curves import CurveProblem, solve_curves

MANY_RUNS = 10  # from here on whole runs are drawn: that also draws their schedules
STILL = 1e-3  # of the objective: draws differ by far more


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


def draws(problem: CurveProblem, fitted: CurveLaw, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return a law's parameters refitted to each resample, each of shape (count,)."""
    laws = [solve_curves(problem, fitted, times=times, still=STILL).law for times in drawn]
    return {name: np.array([getattr(law, name) for law in laws]) for name in fitted.values()}
