"""Resampling: how far parameters move when the runs, or their errors, are drawn again.

What is drawn is a cluster: all rows of a run, because they are not independent. Runs at the same
inputs (seeds) are data like any others, each a cluster of its own; drawn together with
`cluster="config"`, they answer how the parameters would move with other configurations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from scaling_cli.engine import chunks
from scaling_cli.engine.executors import SERIAL, Executor
from scaling_cli.engine.iteration import RESIDUAL_FLOOR
from scaling_cli.engine.problem import Problem, parameters
from scaling_cli.engine.starts import starts
from scaling_cli.numerics.mestimate import left_out
from scaling_cli.runs.points import Points
from scaling_cli.search.minimum import SAME_MINIMUM
from scaling_cli.search.optimum import (
    Optimum,
    log_predictions,
    residuals,
    sensitivity,
    smallest_corner,
)
from scaling_cli.vocabulary.arguments import check_count
from scaling_cli.vocabulary.errors import UsageError

KINDS = ("pairs", "wild")
CLUSTERS = ("run", "config")
CHECKED = 0.01  # share of the resamples that are started again elsewhere, beside all that stopped
FEWEST_CHECKED = 10
OTHER_STARTS = 2
# Resampled medians interpolate points; a corner far below the noise smooths the kinks.
LAD_CORNER = 1e-5
DRAWN_AT_ONCE = 1 << 16
AT_EDGE = "it ran to the edge of its domain: the data do not show its term"
RUNS_AWAY = "the sum has no minimum: it falls on as this runs away"
Seed = int | np.random.SeedSequence


@dataclass(frozen=True)
class Plan:
    """How resamples are drawn.

    Parameters
    ----------
    count : int
    kind : {"pairs", "wild"}
        Clusters drawn with replacement; or the inputs as they are and every cluster's residuals,
        made as large as those of points that were not fitted (HC3), added with a random sign.
    cluster : {"run", "config"}
        Rows of a run stay together; or also runs at the same inputs.
    seed : int
    """

    count: int
    kind: str = "pairs"
    cluster: str = "run"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        check_count("bootstrap", self.count)
        check_count("seed", self.seed)
        if self.kind not in KINDS:
            raise UsageError(f"the kind of bootstrap must be pairs or wild, not {self.kind!r}.")
        if self.cluster not in CLUSTERS:
            raise UsageError(f"what is resampled must be run or config, not {self.cluster!r}.")


@dataclass(frozen=True)
class Resamples:
    """The refits of resampled data.

    Parameters
    ----------
    draws : mapping of parameter to array, shape (converged,)
    method : str
        One line for people.
    asked : int
        Resamples drawn.
    restarted, better : int
        Resamples that were also started elsewhere, and those where that found a lower minimum
        (it is the one that counts).
    """

    draws: Mapping[str, np.ndarray]
    method: str
    asked: int = 0
    restarted: int = 0
    better: int = 0


def resample(
    points: Points,
    problem: Problem,
    optimum: Optimum,
    plan: Plan,
    *,
    executor: Executor = SERIAL,
) -> Resamples:
    """Draw and refit as planned; the executor is where, and does not change the draws."""
    labels = clusters(points, plan.cluster)
    if not plan.count:
        return Resamples({name: np.zeros(0) for name in optimum.law.parameters()}, "none")
    member = np.unique(labels, return_inverse=True)[1]
    drawn = _Pairs(member) if plan.kind == "pairs" else _Wild(optimum.u, member)
    u, restarted, better = _refitted(problem, optimum, drawn, plan, executor)
    what = "run" if plan.cluster == "run" else "configuration"
    kind = "bootstrap" if plan.kind == "pairs" else "wild bootstrap"
    method = f"{kind} by {what}, {plan.count} resamples of {len(set(labels))}"
    return Resamples(parameters(problem, u), method, plan.count, restarted, better)


def clusters(points: Points, cluster: str) -> list[str]:
    """Return the cluster of each point: its run, or the runs that share inputs with it."""
    runs = [str(run) for run in points.runs]
    if cluster == "run":
        return runs
    columns = np.stack([np.asarray(v, float) for v in points.inputs.values()], axis=1)
    config = np.unique(columns, axis=0, return_inverse=True)[1].ravel()
    run = np.unique(runs, return_inverse=True)[1]
    label = np.arange(len(runs))
    while True:  # the smallest row that can be reached through shared runs and configurations
        before = label.copy()
        for group in (run, config):
            least = np.full(len(runs), len(runs))
            np.minimum.at(least, group, label)
            label = least[group]
        if np.array_equal(label, before):
            return [runs[i] for i in label.tolist()]


class _Drawn(Protocol):
    """How the data of a chunk of resamples are drawn, wherever they are refitted."""

    def lanes(self, problem: Problem, chunk: chunks.Chunk, seed: int) -> dict[str, np.ndarray]:
        """Return the weights or the outputs of all resamples of the chunk, shape (lanes, n)."""
        ...


@dataclass(frozen=True)
class _Pairs:
    member: np.ndarray  # cluster of each point, shape (n,)

    def lanes(self, problem: Problem, chunk: chunks.Chunk, seed: int) -> dict[str, np.ndarray]:
        weight = resample_counts(self.member, len(chunk), chunk.seed(seed))
        weight *= problem.weight
        return {"weight": weight}


@dataclass(frozen=True)
class _Wild:
    u: np.ndarray  # of the fit whose residuals are drawn, shape (k,)
    member: np.ndarray

    def lanes(self, problem: Problem, chunk: chunks.Chunk, seed: int) -> dict[str, np.ndarray]:
        drawn = wild_outputs(problem, self.u, self.member, len(chunk), chunk.seed(seed))
        return {"output": drawn}


@dataclass(frozen=True)
class _Given:
    counts: np.ndarray  # (resamples, n)

    def lanes(self, problem: Problem, chunk: chunks.Chunk, seed: int) -> dict[str, np.ndarray]:
        del seed
        return {"weight": self.counts[chunk.start : chunk.stop] * problem.weight}


@dataclass(frozen=True)
class _Begun:
    """A batch: some of the resamples, each from every beginning in turn."""

    problem: Problem
    begin: np.ndarray  # (b, k)
    drawn: _Drawn
    seed: int
    chosen: np.ndarray  # (resamples,) bool

    def __len__(self) -> int:
        return len(self.chosen)

    def lanes(self, chunk: chunks.Chunk) -> dict[str, np.ndarray]:
        rows = np.flatnonzero(self.chosen[chunk.start : chunk.stop])
        given = {"starts": np.tile(self.begin, (len(rows), 1))}
        if not len(rows):
            return given
        drawn = self.drawn.lanes(self.problem, chunk, self.seed)
        apart = chunk.seed([self.seed, 1])  # from the stream that draws the clusters
        mean, precision = redrawn(self.problem, len(chunk), apart)
        if mean is not None and precision is not None:
            drawn |= {"prior_mean": mean, "prior_precision": precision}
        if len(self.begin) > 1 or len(rows) < len(chunk):
            lanes = np.repeat(rows, len(self.begin))
            drawn = {name: values[lanes] for name, values in drawn.items()}
        return given | drawn


def resample_counts(runs: Sequence[str] | np.ndarray, count: int, seed: Seed) -> np.ndarray:
    """Return bootstrap weights, shape (count, n): runs are drawn with replacement, not rows."""
    names, member = np.unique(np.asarray(runs), return_inverse=True)
    g, generator = len(names), np.random.default_rng(seed)
    counts = np.empty((count, len(member)))
    # Some rows at a time, which stay in the cache: the stream of numbers is the same.
    for start in range(0, count, max(1, DRAWN_AT_ONCE // g)):
        rows = counts[start : start + max(1, DRAWN_AT_ONCE // g)]
        drawn = generator.integers(0, g, size=(len(rows), g))
        drawn += g * np.arange(len(rows))[:, None]  # a row's names apart: counted at once
        found = np.bincount(drawn.ravel(), minlength=len(rows) * g).reshape(-1, g)
        rows[...] = np.take(found, member, axis=1)
    return counts


def wild_outputs(
    problem: Problem, u: np.ndarray, runs: Sequence[str] | np.ndarray, count: int, seed: Seed
) -> np.ndarray:
    """Return outputs of the wild bootstrap, shape (count, n): fitted values with signed residuals.

    All residuals of a run get the same sign (Rademacher). They are those that the run would have
    had if it had not been fitted, (I - H)^-1 r over its rows, so that the refits of a linear law
    by least squares have the covariance HC3 (CR3 for runs of several rows).
    """
    names, member = np.unique(np.asarray(runs), return_inverse=True)
    errors = left_out_residuals(problem, u, member)
    signs = np.random.default_rng(seed).integers(0, 2, size=(count, len(names)))
    shaken = errors * (2.0 * signs[:, member] - 1.0)
    fitted = log_predictions(problem, u, problem.inputs)[0]
    return np.exp(fitted + shaken) if problem.objective.space == "log" else np.exp(fitted) + shaken


def left_out_residuals(problem: Problem, u: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return measured minus fitted, shape (n,), as if the point's cluster had not been fitted."""
    root = np.sqrt(problem.weight)
    J, r = slopes(problem, u) * root[:, None], -residuals(problem, u) * root
    bread = np.linalg.pinv(J.T @ J, hermitian=True)
    return left_out(r, J, bread, J, member) / root


def slopes(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return d residual / d u in the objective's space, shape (n, k)."""
    J = sensitivity(problem, u, problem.inputs)
    if problem.objective.space == "log":
        return J
    return J * np.exp(log_predictions(problem, u, problem.inputs)[0])[:, None]


def bootstrap(
    problem: Problem, optimum: Optimum, weights: np.ndarray, *, executor: Executor = SERIAL
) -> dict[str, np.ndarray]:
    """Refit under each row of `weights`, from the optimum.

    Parameters
    ----------
    weights : array, shape (resamples, n)
        Counts of each point; see `resample_counts`. They multiply the points' own weights.

    Returns
    -------
    mapping of parameter to array, shape (converged resamples,)
    """
    if not len(weights):
        return {name: np.zeros(0) for name in optimum.law.parameters()}
    plan = Plan(len(weights))
    return parameters(problem, _refitted(problem, optimum, _Given(weights), plan, executor)[0])


def _refitted(
    problem: Problem, optimum: Optimum, drawn: _Drawn, plan: Plan, executor: Executor
) -> tuple[np.ndarray, int, int]:
    """Return the optima of converged resamples (m, k), how many were started elsewhere, better.

    All begin at the optimum. Those that stopped short, and a random share, also begin where the
    law has other starts; if one of the random share ends lower there, all are begun there.
    """
    if problem.objective.name == "lad":
        smooth = replace(problem.objective, name="huber", delta=LAD_CORNER)
        problem = replace(problem, objective=smooth)
    floor = len(problem.output) * RESIDUAL_FLOOR**2  # noiseless data: every zero is the same zero

    def begun(at: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (ends,) = chunks.run([_Begun(problem, at, drawn, plan.seed, chosen)], executor)
        shape = (np.sum(chosen), len(at))
        return ends.u.reshape(*shape, len(optimum.u)), ends.reached().reshape(shape)

    u, value = (found[:, 0] for found in begun(optimum.u[None], np.ones(plan.count, bool)))
    checked, better = np.zeros(plan.count, bool), np.zeros(plan.count, bool)
    chosen = _chosen(np.isinf(value), plan)
    for _ in range(2):
        todo = chosen & ~checked
        rows = np.flatnonzero(todo)
        if not len(rows):
            break
        other, reached = begun(starts(problem)[:OTHER_STARTS], todo)
        for which in range(other.shape[1]):
            lower = reached[:, which] < value[rows] * (1 - SAME_MINIMUM) - floor
            better[rows] |= lower & np.isfinite(value[rows])
            u[rows[lower]], value[rows[lower]] = other[lower, which], reached[lower, which]
        checked |= chosen
        chosen = np.full(plan.count, bool(np.any(better)))
    return u[np.isfinite(value)], int(np.sum(checked)), int(np.sum(better))


def redrawn(
    problem: Problem, count: int, seed: int | np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return centres and precisions of the user's priors for each resample, shape (count, p).

    A prior is one more observation: its centre is drawn anew, as the data are. With the centre
    held, a strong prior would leave intervals of no width.
    """
    if problem.penalty is None:
        return None, None
    center, precision = problem.penalty.at(np.full(count, smallest_corner(problem)))
    on = problem.penalty.precision > 0
    sd = np.where(on, 1 / np.sqrt(np.where(on, problem.penalty.precision, 1.0)), 0.0)
    generator = np.random.default_rng(seed)
    return center + sd * generator.standard_normal(precision.shape), precision


def _chosen(stopped: np.ndarray, plan: Plan) -> np.ndarray:
    """Return which resamples are started elsewhere too: all that stopped, and a random share."""
    share = min(plan.count, max(FEWEST_CHECKED, int(np.ceil(CHECKED * plan.count))))
    random = np.random.default_rng(plan.seed).choice(plan.count, share, replace=False)
    return stopped | np.isin(np.arange(plan.count), random)


def undetermined(problem: Problem, optimum: Optimum) -> dict[str, str]:
    """Return {parameter: reason} of those that the data leave open: no interval holds them.

    Refits begin at the optimum, where nothing moves such a parameter: all draws lie on one spot.
    One that the user's priors hold is determined, and a follower is no better known than its
    leader.
    """
    edge, runaway = optimum.at_bound, optimum.diagnostics.get("endless", ())
    reasons = dict.fromkeys(edge, AT_EDGE) | dict.fromkeys(runaway, RUNS_AWAY)
    matrix, names = problem.frame.matrix, problem.frame.names
    held = np.zeros(len(names), bool)
    if problem.penalty is not None:
        held = np.diagonal(problem.penalty.information(matrix)) > 0
    return {
        parameter: reasons[name]
        for name, own, column in zip(names, held, matrix.T, strict=True)
        if name in reasons and not own
        for parameter, moves in zip(problem.law.parameters(), column, strict=True)
        if moves
    }


def intervals(
    draws: Mapping[str, np.ndarray], level: float, method: str = "bootstrap"
) -> dict[str, dict[str, float | str]]:
    """Return {parameter: level, low, high, method}: percentiles of bootstrap draws."""
    if any(len(v) == 0 for v in draws.values()):
        return {}
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {
        name: {"level": level, "low": float(low), "high": float(high), "method": method}
        for name, values in draws.items()
        for low, high in [percentiles(values, ends)]
    }


def percentiles(values: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Return quantiles of draws, some of which may have left the doubles.

    Between those there is nothing to interpolate: an end is then one of the draws.
    """
    how = "linear" if np.all(np.isfinite(values)) else "inverted_cdf"
    return np.quantile(values, shares, method=how)
