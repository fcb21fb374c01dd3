"""Both laws at once: the loss of every step and batch, solved for, against the one measured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling_cli.artefacts.batch_fit import BatchTrajectory
from scaling_cli.vocabulary.outcomes import Status

TOLERANCE = 1e-12
ABSENT = 1e-4  # of the lowest loss: a floor below is at its bound
MOST_EVALUATIONS = 400


@dataclass(frozen=True)
class Measured:
    """Smoothed points of curves, each (n,): steps, tokens per step, parameters, nats/token."""

    S: np.ndarray
    B: np.ndarray
    N: np.ndarray
    L: np.ndarray


@dataclass(frozen=True)
class Joint:
    """Where the search ended: the sum of Huber of the residuals of ln loss, and these."""

    trajectory: BatchTrajectory
    value: float
    residuals: np.ndarray
    status: Status


def predicted(t: BatchTrajectory, at: Measured) -> np.ndarray:
    """Return the loss at every point, nats/token."""
    found = np.empty(len(at.L))
    for N in np.unique(at.N):
        here = at.N == N
        found[here] = t.loss(at.S[here], at.B[here], N=float(N) if t.Nc is not None else None)
    return found


def fit_jointly(start: BatchTrajectory, points: Measured, delta: float) -> Joint:
    """Minimise Huber of ln predicted - ln loss, summed, from a fit in stages.

    The coordinates are what the points determine: the loss above the floor, the critical batch and
    the floor in the middle of the data, and logarithms of the exponents.
    """
    from scipy.optimize import least_squares

    trajectory_at, u = _coordinates(start, points)
    logs = np.log(points.L)

    def residuals(u: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # a step of the search that has no loss is not taken
            return np.log(predicted(trajectory_at(u), points)) - logs

    ended = least_squares(
        residuals,
        u,
        loss="huber",
        f_scale=delta,
        x_scale="jac",
        xtol=TOLERANCE,
        ftol=TOLERANCE,
        gtol=TOLERANCE,
        max_nfev=MOST_EVALUATIONS,
    )
    found = trajectory_at(ended.x)
    status = Status.CONVERGED if ended.success else Status.NOT_CONVERGED
    if found.floor is not None and found.floor < ABSENT * points.L.min():
        status = Status.AT_BOUND
    return Joint(found, float(ended.cost), residuals(ended.x), status)


def _coordinates(
    start: BatchTrajectory, points: Measured
) -> tuple[Callable[[np.ndarray], BatchTrajectory], np.ndarray]:
    """Return the map from coordinates to a trajectory, and the start's coordinates."""
    loss = float(np.exp(np.mean(np.log(points.L))))
    least = points.S / (1 + start.critical_batch(points.L) / points.B)
    step, size = (float(np.exp(np.mean(np.log(x)))) for x in (least, points.N))
    lowest = float(points.L.min())
    sized = start.Nc is not None

    def trajectory_at(u: np.ndarray) -> BatchTrajectory:
        above, alpha_S, critical, steep = np.exp(u[:4])
        laws = {
            "Sc": float(step * above ** (1 / alpha_S)),
            "alpha_S": float(alpha_S),
            "B_star": float(critical * loss**steep),
            "alpha_B": float(1 / steep),
        }
        if sized:
            capacity, alpha_N = np.exp(u[4:])
            Nc = float(size * capacity ** (1 / alpha_N))
            return BatchTrajectory(**laws, Nc=Nc, alpha_N=float(alpha_N))
        floor = float(lowest / (1 + np.exp(-u[4])))  # between nothing and the lowest loss
        return BatchTrajectory(**laws, floor=floor, N=start.N)

    u = [
        start.alpha_S * np.log(start.Sc / step),
        np.log(start.alpha_S),
        np.log(float(start.critical_batch(loss))),
        -np.log(start.alpha_B),
    ]
    if sized:
        u += [np.log(start.min_loss(size)), np.log(start.alpha_N or np.nan)]
    else:
        share = np.clip((start.floor or 0.0) / lowest, 0.01, 0.99)
        u += [np.log(share / (1 - share))]
    return trajectory_at, np.array(u)
