"""How sure: bootstrap by run for parameters; draws, noise and drift for predictions.

Resampling alone measures noise, while the error of an extrapolation is mostly bias of the law:
on held-out real runs, intervals of one resampled law cover about half of what they promise. So a
prediction's interval is made of three parts: joint draws of the parameters under weak priors,
the noise of one run, and a drift per decade of compute learned by hiding the largest runs of the
user's own table and looking how far the refitted law misses them. Where a law has a companion, the
interval is centred between the forecasts of the two, and so are the misses that drift is
learned from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import Uncertainty, centred
from scaling_cli.engine.problem import Problem
from scaling_cli.engine.starts import starts
from scaling_cli.laws import name_of
from scaling_cli.laws._law import Law
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.point_fits.certainty.companion import Companion, companion
from scaling_cli.point_fits.certainty.draws import noise, noise_at, parameter_draws, relative
from scaling_cli.point_fits.fitted import Fitted
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import refits

CUT_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # of the range of ln C that a cut hides
# A cut keeps at least 2k + 2 points for k parameters: below that the refit's miss is its own noise.
# In benchmarks/coverage.py k + 3 covered as much with intervals a third wider far out.
SMALLEST_TRAINING = 8
ENOUGH_CUTS = 3  # with fewer the drift is mostly assumed
FEWEST_HIDDEN = 3  # one odd run is noise, not drift; dropping such cuts costs no coverage
SHORTEST_REACH = 0.3  # decades; below it a miss says nothing about growth per decade
OTHER_STARTS = 3  # beside the optimum of all points: a cut may lie in another basin
# Of the drift, chosen in benchmarks/coverage.py with whole families of tables held out: half of
# all tables drift by less than the median (sd of ln loss per decade), one in six by more than
# e^0.5 times it.
PRIOR_MEDIAN = 0.025
PRIOR_LOG_SD = 0.5
# Cuts nest: each hides what the one before hid. Seven of them say about as much as three or four.
WEIGHT = 0.5
_STEPS = np.linspace(-8.0, 8.0, 1601)  # sds of the prior


@dataclass(frozen=True)
class Cut:
    """One backtest: fit below `train_max` on the scale axis, predict everything above."""

    train_max: float
    n_train: int
    n_test: int
    factor: float
    """Largest held-out value over `train_max`."""
    bias: float
    """Mean of ln prediction - ln measured over the held-out points."""
    mare: float
    """Mean absolute relative error."""
    allowed: float
    """Half-width that the law without drift allowed, root mean square, at 90 %."""
    coverage: float
    """Share of held-out points inside that half-width."""
    rms: float
    """Root mean square of ln centre - ln measured; the centre is the mean of ln prediction and ln
    prediction of the companion law, if there is one."""
    decades: float
    """Root mean square of the decades between `train_max` and the held-out points."""
    held_out: tuple[str, ...]

    @property
    def own(self) -> float:
        """Sd of ln loss that the law without drift allowed."""
        return self.allowed / NORMAL_90

    @property
    def drift(self) -> float:
        """Extra sd per decade that the misses of the centre ask for."""
        return float(np.sqrt(max(0.0, self.rms**2 - self.own**2)) / self.decades)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract."""
        return vars(self) | {"drift": self.drift, "held_out": list(self.held_out)}


@dataclass(frozen=True)
class Backtests:
    """What was hidden from a law, and how it forecast that.

    Parameters
    ----------
    masks : sequence of bool array, shape (n,)
        Training points of the cuts.
    cuts : sequence of Cut
        Those of them at which the law could be refitted.
    companion : Companion, optional
        Fitted to all points, and at every mask.
    """

    masks: Sequence[np.ndarray]
    cuts: Sequence[Cut]
    companion: Companion | None = None

    @property
    def law(self) -> Law | None:
        """The law that shares the centre of intervals."""
        return self.companion and self.companion.law


def prediction_variance(
    problem: Problem, u: np.ndarray, rows: np.ndarray, at: Mapping[str, np.ndarray], sigma: float
) -> np.ndarray:
    """Return the variance of ln prediction at `at`, shape (points,): the larger of two.

    The HC3 sandwich and the classic formula of M-estimation, with Huber's slope smoothed over a
    bandwidth, because at small corners nearly every residual lies on a linear arm.
    """
    # `delta.curvature` estimates the same for intervals that are shown, with the kernel and the
    # clusters of `mestimate`. Here it only says what drift need not explain, and the prior of the
    # drift was chosen with this one: another slope moves the drift of every table.
    J, r = problem.sensitivity(u)[rows], problem.log_misses(u)[rows]
    n = len(r)
    root = np.sqrt(relative(problem.weight[rows]))  # points of equal noise after multiplication
    J, r = J * root[:, None], r * root
    if problem.objective.name == "l2":
        psi, slope = r, np.ones(n)
    else:
        corner = problem.objective.delta if problem.objective.name == "huber" else 1e-3
        band = max(corner, 1.2 * sigma * n**-0.2)
        psi, slope = np.clip(r, -corner, corner), (np.abs(r) <= band) * corner / band
    freedom, mean_slope = max(1, n - J.shape[1]), max(np.mean(slope), 1 / n)
    tau = np.sum(psi**2) / freedom / mean_slope
    matrix = problem.frame.matrix
    believed = 0.0 if problem.penalty is None else tau * problem.penalty.information(matrix)
    information = np.linalg.pinv((J * slope[:, None]).T @ J + believed, hermitian=True)
    leverage = slope * np.einsum("ij,jk,ik->i", J, information, J)
    spread = psi / np.maximum(1 - leverage, 1 / n)
    meat = (J * spread[:, None] ** 2).T @ J + tau * believed
    sandwich = information @ meat @ information
    classic = tau * np.linalg.pinv(mean_slope * J.T @ J + believed, hermitian=True)
    G = problem.sensitivity(u, at)
    both = [np.einsum("ij,jk,ik->i", G, covariance, G) for covariance in (sandwich, classic)]
    return np.maximum(*both)


def fewest_training(searched: int) -> int:
    """Return how many points a backtest must leave to a law of so many searched parameters."""
    return max(2 * searched + 2, SMALLEST_TRAINING)


def cuts_by_share(problem: Problem) -> list[np.ndarray]:
    """Return masks of training points: the largest runs hidden, at up to seven distances."""
    log_values, searched = np.log(problem.law.along(problem.inputs)), len(problem.frame.names)
    top, span = np.max(log_values), np.ptp(log_values)
    masks: list[np.ndarray] = []
    for share in CUT_SHARES:
        below = log_values <= top - share * span
        enough = np.sum(below) >= fewest_training(searched)
        known = any(np.array_equal(below, m) for m in masks)
        if enough and np.sum(~below) >= FEWEST_HIDDEN and not known:
            masks.append(below)
    return masks


def backtests(fitted: Fitted) -> Backtests:
    """Hide the largest runs at several distances, and refit the law and its companion."""
    masks = cuts_by_share(fitted.problem)
    other = companion(fitted.problem, masks)
    return Backtests(masks, backtest(fitted, masks, other), other)


def backtest(
    fitted: Fitted, masks: Sequence[np.ndarray], companion: Companion | None = None
) -> list[Cut]:
    """Refit on each mask and score the points it hides."""
    if not masks:
        return []
    points, problem = fitted.points, fitted.problem
    begin = np.stack([fitted.u, *starts(problem)[:OTHER_STARTS]])
    weights = [mask.astype(float) for mask in masks]
    u, value = refits(problem, begin, weights, executor=fitted.executor)
    return [
        score(points, problem, u[i], mask, ~mask, companion=companion and companion.at_cuts[i])
        for i, mask in enumerate(masks)
        if np.isfinite(value[i])
    ]


def score(
    points: Points,
    problem: Problem,
    u: np.ndarray,
    mask: np.ndarray,
    test: np.ndarray,
    *,
    companion: Law | None = None,
) -> Cut:
    """Score the points at `test` under a refit u to the points at `mask`: rows, shape (n,).

    The companion is a law fitted to the same points, whose forecast shares the centre.
    """
    values = problem.law.along(problem.inputs)
    train_max = float(np.max(values[mask]))
    hidden = {s: v[test] for s, v in problem.inputs.items()}
    root = np.sqrt(relative(problem.weight[mask]))
    sigma = noise(problem.log_misses(u)[mask] * root, len(u), problem.objective.name)
    forecast = problem.log_predictions(u, hidden)[0]
    error = forecast - np.log(problem.output[test])
    miss = centred(forecast, companion, hidden) - np.log(problem.output[test])
    variance = prediction_variance(problem, u, mask, hidden, sigma) + sigma**2
    decades = np.maximum(np.log10(values[test] / train_max), SHORTEST_REACH)
    return Cut(
        train_max=train_max,
        n_train=int(np.sum(mask)),
        n_test=int(np.sum(test)),
        factor=float(np.max(values[test]) / train_max),
        bias=float(np.mean(error)),
        mare=float(np.mean(np.abs(np.expm1(error)))),
        allowed=float(NORMAL_90 * np.sqrt(np.mean(variance))),
        coverage=float(np.mean(np.abs(error) <= NORMAL_90 * np.sqrt(variance))),
        rms=float(np.sqrt(np.mean(miss**2))),
        decades=float(np.sqrt(np.mean(decades**2))),
        held_out=tuple(dict.fromkeys(str(points.runs[i]) for i in np.flatnonzero(test).tolist())),
    )


def assemble(fitted: Fitted, cuts: Sequence[Cut], companion: Law | None = None) -> Uncertainty:
    """Return what intervals are made of."""
    sigma = noise_at(fitted.problem, fitted.u)
    draws, sigmas = parameter_draws(fitted, sigma)
    return combine(fitted.problem, cuts, draws, sigmas, sigma, companion=companion)


def combine(
    problem: Problem,
    cuts: Sequence[Cut],
    draws: Mapping[str, np.ndarray],
    sigmas: np.ndarray,
    sigma: float,
    *,
    companion: Law | None = None,
) -> Uncertainty:
    """Add the drift that the cuts teach, and the law that shares the centre, to draws and noise."""
    drift = learned(cuts)
    centre = "" if companion is None else f"; centred between this law and {name_of(companion)}"
    return Uncertainty(
        draws=draws,
        sigma=sigmas,
        drift=drift,
        axis=problem.law.axis(),
        axis_max=float(np.max(problem.law.along(problem.inputs))),
        tested=bool(cuts),
        method=f"weak-prior parametric bootstrap, {len(sigmas)} draws; noise "
        f"{100 * sigma:.2g} %; drift {100 * drift:.2g} % per decade ({source(cuts)})"
        f"{centre}",
        companion=companion,
    )


def prior() -> float:
    """Return the drift of a table without backtests: the prior's root mean square."""
    return float(PRIOR_MEDIAN * np.exp(PRIOR_LOG_SD**2))


def learned(
    cuts: Sequence[Cut], *, median: float = PRIOR_MEDIAN, log_sd: float = PRIOR_LOG_SD
) -> float:
    """Return the sd of ln loss per decade, from backtests: posterior root mean square.

    Each backtest says how far the law missed the runs it did not see, and how far its own variance
    allowed; what is left is taken to grow in proportion to the decades of compute. A miss is
    normal with variance own^2 + (drift x decades)^2; the prior of the drift is what other
    people's tables showed, log-normal. Without backtests it is `prior()`.
    """
    drift = median * np.exp(_STEPS * log_sd)
    log_density = -0.5 * _STEPS**2
    for cut in cuts:
        variance = cut.own**2 + (drift * cut.decades) ** 2
        log_density -= 0.5 * WEIGHT * (np.log(variance) + cut.rms**2 / variance)
    density = np.exp(log_density - np.max(log_density))
    return float(np.sqrt(np.sum(density * drift**2) / np.sum(density)))


def source(cuts: Sequence[Cut]) -> str:
    """Say where the drift comes from."""
    count = len(cuts)
    if not count:
        return "that of other tables: no backtest was possible"
    backtests = "1 backtest" if count == 1 else f"{count} backtests"
    return f"{100 * prior():.2g} % in other tables, updated by {backtests} of this one"
