"""Resampling: how far parameters move when the runs, or their errors, are drawn again.

What is drawn is a cluster: all rows of a run, because they are not independent. Runs at the same
inputs (seeds) are data like any others, each a cluster of its own; drawn together with
`cluster="config"`, they answer how the parameters would move with other configurations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from scaling_cli.engine import chunks
from scaling_cli.engine.problem import RESIDUAL_FLOOR, Problem
from scaling_cli.engine.solve import solve
from scaling_cli.engine.starts import starts
from scaling_cli.numerics.mestimate import left_out
from scaling_cli.point_fits.certainty.draws import redrawn
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.search import optimum as search
from scaling_cli.search.minimum import SAME_MINIMUM

CHECKED = 0.01  # share of the resamples that are started again elsewhere, beside all that stopped
FEWEST_CHECKED = 10
OTHER_STARTS = 2
# Resampled medians interpolate points; a corner far below the noise smooths the kinks.
SMOOTHED_MEDIAN = 1e-5
MANY = 100  # points; fewer have minima of their own on either side of a kink
DRAWN_AT_ONCE, POINTS_AT_ONCE = 1 << 16, 1 << 12
AT_EDGE = "it ran to the edge of its domain: the data do not show its term"
RUNS_AWAY = "the sum has no minimum: it falls on as this runs away"
Seed = int | np.random.SeedSequence


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


def resample(fitted: Fitted) -> Resamples:
    """Draw and refit as asked.

    All begin at the optimum. Those that stopped short, and a random share, also begin where the
    law has other starts; if one of the random share ends lower there, all are begun there.
    """
    asked, labels = fitted.resampling, fitted.clusters
    if not asked.count:
        return Resamples({name: np.zeros(0) for name in fitted.law.parameters()}, "none")
    problem = fitted.problem.smooth(SMOOTHED_MEDIAN)
    member = np.unique(labels, return_inverse=True)[1]
    floor = len(problem.output) * RESIDUAL_FLOOR**2  # noiseless data: every zero is the same zero
    if asked.kind == "pairs" and fitted.questioned is not fitted:
        whole = np.ones(asked.count, bool)
        steps = _stepped(fitted, _Begun(problem, fitted.u, member, asked, fitted.u[None], whole))
        if steps is not None:
            return steps

    def begun(at: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        batch = _Begun(problem, fitted.u, member, asked, at, rows)
        (ends,) = chunks.run([batch], fitted.executor)
        shape = (np.sum(rows), len(at))
        return ends.u.reshape(*shape, len(fitted.u)), ends.reached().reshape(shape)

    u, value = (first[:, 0] for first in begun(fitted.u[None], np.ones(asked.count, bool)))
    checked, better = np.zeros(asked.count, bool), np.zeros(asked.count, bool)
    wanted = _doubted(np.isinf(value), asked)
    for _ in range(2):
        todo = wanted & ~checked
        rows = np.flatnonzero(todo)
        if not len(rows):
            break
        other, reached = begun(starts(problem)[:OTHER_STARTS], todo)
        for which in range(other.shape[1]):
            lower = reached[:, which] < value[rows] * (1 - SAME_MINIMUM) - floor
            better[rows] |= lower & np.isfinite(value[rows])
            u[rows[lower]], value[rows[lower]] = other[lower, which], reached[lower, which]
        checked |= wanted
        wanted = np.full(asked.count, bool(np.any(better)))
    return Resamples(
        draws=problem.parameters(u[np.isfinite(value)]),
        method=_method(asked, member),
        asked=asked.count,
        restarted=int(np.sum(checked)),
        better=int(np.sum(better)),
    )


def _method(asked: Resampling, member: np.ndarray) -> str:
    what = "run" if asked.cluster == "run" else "configuration"
    kind = "bootstrap" if asked.kind == "pairs" else "wild bootstrap"
    return f"{kind} by {what}, {asked.count} resamples of {np.max(member) + 1}"


def _stepped(fitted: Fitted, batch: "_Begun") -> Resamples | None:
    """Resample a large table by Newton steps; None where refits end elsewhere.

    A few are refitted; whether resamples have lower minima elsewhere is asked of the thinned table.
    """
    asked, short = batch.asked, replace(batch.asked, count=min(batch.asked.count, chunks.FEW))
    few = replace(batch, asked=short, wanted=batch.wanted[: short.count])
    (refits,) = chunks.run([few], fitted.executor)
    elsewhere = resample(replace(fitted.questioned, resampling=short))
    around = _Around.of(batch)
    tried, *made = [around.ended(own, chunk) for own in (few, batch) for chunk in chunks.cut(own)]
    ends = chunks.standing(tried, refits, made)
    if elsewhere.better or ends is None:
        return None
    draws, method = batch.problem.parameters(ends.u), _method(asked, batch.member)
    told = f"{method}, Newton steps from the fit; {short.count} were refitted"
    return Resamples(draws, told, asked.count, elsewhere.restarted)


@dataclass(frozen=True)
class _Around:
    """The sum around the fit: of a resample its gradient and curvature are sums over clusters."""

    slopes: np.ndarray  # (n, k)
    residuals: np.ndarray  # (n,)
    gradients: np.ndarray  # (clusters, k)
    curvatures: np.ndarray  # (clusters, k * k) of Gauss and Newton
    rest: np.ndarray  # (k * k,) what else bends the fit's sum: priors, second derivatives

    @classmethod
    def of(cls, batch: "_Begun") -> Self:
        """Return it for the resamples of a batch."""
        problem, u, member = batch.problem, batch.u, batch.member
        weight, corner = problem.weight, problem.corner
        J, r = slopes(problem, u), problem.residuals(u)
        pull, inside = weight * np.clip(r, -corner, corner), weight * (np.abs(r) <= corner)
        gradients = [np.bincount(member, pull * a) for a in J.T]
        curvatures = np.stack([np.bincount(member, inside * a * b) for a in J.T for b in J.T], 1)
        bent = solve(problem, u[None], max_iterations=0).hessian[0].ravel()
        rest = bent - np.sum(curvatures, axis=0)
        return cls(J, r, np.stack(gradients, axis=1), curvatures, rest)

    def ended(self, batch: "_Begun", chunk: chunks.Chunk) -> np.ndarray | None:
        """Return where resamples end after two steps, (m, k); None where one has no minimum."""
        (clusters, k), u, frame = self.gradients.shape, batch.u, batch.problem.frame
        times = np.concatenate(list(_times(clusters, len(chunk), chunk.seed(batch.asked.seed))))
        gradient = times @ self.gradients
        if prior := batch.priors(chunk):
            precision, full = prior["prior_precision"], frame.matrix @ u + frame.offset
            away = np.where(precision > 0, full - prior["prior_mean"], 0.0)
            gradient += (precision * away) @ frame.matrix
        hessian = (self.rest + times @ self.curvatures).reshape(-1, k, k)
        first = chunks.stepped(u, gradient, hessian)
        if first is None:
            return None
        return chunks.stepped(first, self.kinks(batch, times, first - u), hessian)

    def kinks(self, batch: "_Begun", times: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Return what a step leaves of the gradients, (m, k): that of points that passed a kink.

        The others' part is as linear as the step took it to be.
        """
        corner, gradient = batch.problem.corner, np.zeros(moved.shape)
        drawn = np.ascontiguousarray(times.T, float)
        for start in range(0, len(self.residuals), POINTS_AT_ONCE):
            block = slice(start, start + POINTS_AT_ONCE)
            shift, away = (
                self.slopes[block] @ moved.T,
                np.abs(np.abs(self.residuals[block]) - corner),
            )
            rows = np.flatnonzero(np.max(np.abs(shift), axis=1) >= away)
            r, shift = self.residuals[block][rows, None], shift[rows]
            bent = np.clip(r + shift, -corner, corner) - np.clip(r, -corner, corner)
            bent -= np.where(np.abs(r) <= corner, shift, 0.0)
            bent *= np.take(drawn, batch.member[block][rows], axis=0)
            weight = batch.problem.weight[block][rows, None]
            gradient += bent.T @ (self.slopes[block][rows] * weight)
        return gradient


def _doubted(stopped: np.ndarray, asked: Resampling) -> np.ndarray:
    """Return which resamples are started elsewhere too: all that stopped, and a random share."""
    share = min(asked.count, max(FEWEST_CHECKED, int(np.ceil(CHECKED * asked.count))))
    random = np.random.default_rng(asked.seed).choice(asked.count, share, replace=False)
    return stopped | np.isin(np.arange(asked.count), random)


@dataclass(frozen=True)
class _Begun:
    """A batch: some of the resamples, each from every beginning in turn."""

    problem: Problem
    u: np.ndarray  # of the fit, (k,)
    member: np.ndarray  # cluster of each point, (n,)
    asked: Resampling
    begin: np.ndarray  # (b, k)
    wanted: np.ndarray  # (resamples,) bool

    def __len__(self) -> int:
        return len(self.wanted)

    def lanes(self, chunk: chunks.Chunk) -> dict[str, Any]:
        rows = np.flatnonzero(self.wanted[chunk.start : chunk.stop])
        near = self._many and np.array_equal(self.begin, self.u[None])
        given: dict[str, Any] = {"starts": np.tile(self.begin, (len(rows), 1)), "near": near}
        if not len(rows):
            return given
        drawn = self._drawn(len(chunk), chunk.seed(self.asked.seed)) | self.priors(chunk)
        if len(self.begin) > 1 or len(rows) < len(chunk):
            lanes = np.repeat(rows, len(self.begin))
            drawn = {name: values[lanes] for name, values in drawn.items()}
        return given | drawn

    @property
    def _many(self) -> bool:
        """Whether Huber's kinks are so many that steps on linear residuals find their way."""
        return len(self.member) >= MANY and SMOOTHED_MEDIAN < self.problem.corner < np.inf

    def priors(self, chunk: chunks.Chunk) -> dict[str, np.ndarray]:
        """Return the user's priors of these lanes, drawn anew; nothing without any."""
        penalty, count = self.problem.penalty, len(chunk)
        if penalty is None:
            return {}
        # From another stream than that which draws the clusters.
        generator = np.random.default_rng(chunk.seed([self.asked.seed, 1]))
        centre, precision = penalty.at(np.full(count, self.problem.smallest_corner))
        mean = redrawn(generator, centre, penalty.precision, count)
        return {"prior_mean": mean, "prior_precision": precision}

    def _drawn(self, count: int, seed: Seed) -> dict[str, np.ndarray]:
        """Return the weights or the outputs of resamples, shape (count, n)."""
        if self.asked.kind == "wild":
            return {"output": wild_outputs(self.problem, self.u, self.member, count, seed)}
        weight = resample_counts(self.member, count, seed)
        weight *= self.problem.weight
        return {"weight": weight}


def resample_counts(runs: Sequence[str] | np.ndarray, count: int, seed: Seed) -> np.ndarray:
    """Return bootstrap weights, shape (count, n): runs are drawn with replacement, not rows."""
    names, member = np.unique(np.asarray(runs), return_inverse=True)
    counts, end = np.empty((count, len(member))), 0
    for times in _times(len(names), count, seed):
        begin, end = end, end + len(times)
        counts[begin:end] = np.take(times, member, axis=1)
    return counts


def _times(clusters: int, count: int, seed: Seed) -> Iterator[np.ndarray]:
    """Yield how often each cluster is drawn, (some, clusters), of `count` resamples in all.

    Some rows at a time, which stay in the cache: the stream of numbers is the same.
    """
    generator, most = np.random.default_rng(seed), max(1, DRAWN_AT_ONCE // clusters)
    for start in range(0, count, most):
        rows = min(most, count - start)
        drawn = generator.integers(0, clusters, size=(rows, clusters))
        drawn += clusters * np.arange(rows)[:, None]  # a row's clusters apart: counted at once
        yield np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(-1, clusters)


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
    fitted = problem.log_predictions(u)[0]
    return np.exp(fitted + shaken) if problem.objective.space == "log" else np.exp(fitted) + shaken


def left_out_residuals(problem: Problem, u: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return measured minus fitted, shape (n,), as if the point's cluster had not been fitted."""
    root = np.sqrt(problem.weight)
    J, r = slopes(problem, u) * root[:, None], -problem.residuals(u) * root
    bread = np.linalg.pinv(J.T @ J, hermitian=True)
    return left_out(r, J, bread, J, member) / root


def slopes(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Return d residual / d u in the objective's space, shape (n, k)."""
    J = problem.sensitivity(u)
    if problem.objective.space == "log":
        return J
    return J * np.exp(problem.log_predictions(u)[0])[:, None]


def undetermined(problem: Problem, optimum: search.Optimum) -> dict[str, str]:
    """Return {parameter: reason} of those that the data leave open: no interval holds them.

    Refits begin at the optimum, where nothing moves such a parameter: all draws lie on one spot.
    One that the user's priors hold is determined, and a follower is no better known than its
    leader.
    """
    runaway = optimum.diagnostics.get("endless", ())
    reasons = dict.fromkeys(optimum.at_bound, AT_EDGE) | dict.fromkeys(runaway, RUNS_AWAY)
    frame, penalty = problem.frame, problem.penalty
    held = np.zeros(len(frame.names), bool)
    if penalty is not None:
        held = np.diagonal(penalty.information(frame.matrix)) > 0
    return {
        parameter: reasons[name]
        for name, own, column in zip(frame.names, held, frame.matrix.T, strict=True)
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
