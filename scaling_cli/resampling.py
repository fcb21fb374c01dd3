"""Resampling: how far parameters move when the runs are drawn again.

The bootstrap draws whole runs, because rows of one run are not independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scaling_cli.engine.solve import Problem, parameters, solve
from scaling_cli.optimum import Optimum


def resample_counts(runs: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Return bootstrap weights, shape (count, n): runs are drawn with replacement, not rows."""
    names, member = np.unique(np.asarray(runs), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=count
    )
    return draws[:, member].astype(float)


def bootstrap(problem: Problem, optimum: Optimum, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Refit under each row of `weights`, from the optimum.

    Parameters
    ----------
    weights : array, shape (resamples, n)
        Counts of each point; see `resample_counts`.

    Returns
    -------
    mapping of parameter to array, shape (converged resamples,)
    """
    if not len(weights):
        return {name: np.zeros(0) for name in optimum.law.parameters()}
    resampled = problem
    if problem.objective.name == "lad":
        # Resampled medians interpolate points; a corner far below the noise smooths the kinks.
        resampled = replace(problem, objective=replace(problem.objective, name="huber", delta=1e-5))
    solution = solve(resampled, np.repeat(optimum.u[None], len(weights), axis=0), weight=weights)
    return parameters(problem, solution.u[solution.converged])


def intervals(draws: Mapping[str, np.ndarray], level: float) -> dict[str, dict[str, float]]:
    """Return {parameter: level, low, high}: percentiles of bootstrap draws."""
    if any(len(v) == 0 for v in draws.values()):
        return {}
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {
        name: {"level": level, "low": float(low), "high": float(high)}
        for name, values in draws.items()
        for low, high in [np.quantile(values, ends)]
    }
