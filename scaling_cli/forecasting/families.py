"""`extrapolate`: where a loss curve goes if it goes on as it went, by families of learning curves.

Blind to the learning rate: a decay that is still to come, or one that is under way, is not in the
points. Before a cool-down such a forecast is 2 to 4 % too high, and its interval does not hold it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli import learning_curves
from scaling_cli.forecasting import despiking
from scaling_cli.forecasting.direction import Turn, directed
from scaling_cli.forecasting.family_fits import Batch, FamilyFits, fit_family
from scaling_cli.forecasting.job import Job
from scaling_cli.learning_curves._family import SEEN, LearningCurve
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.vocabulary.arguments import check_level
from scaling_cli.vocabulary.errors import FitError, UsageError, near

CURVE = "curve"  # the name of what has none
COMBINED = ("average", "stack", "equal")
# Towards equal weights, in mean squared errors of the members: strong, since a few cuts of one
# curve say little about which family will be right beyond it.
RIDGE = 1.0
FEWEST = 5  # points that can be extrapolated
FEWEST_AT_CUT = 6  # rows that a backtest needs
# Of residuals of ln loss: laws are not better, noise is not worse.
LEAST_SCALE, MOST_SCALE = 1e-3, 1e-2
TAIL = 0.05  # of the curve, at its end: where it is now
SKIPPED = 0.3  # of the curve: the start says little about the end
RECENCY = 1.0
CUTS = (0.3, 0.4, 0.5, 0.65, 0.8)  # of the curve, where it is forecast from its own past
BEFORE_JUMP = 0.1  # of the curve, where no jump is looked for
FEW = 12  # points: fewer are warned about
FAR = 4.0  # times what was seen: further was never tried
# What the standard deviation of ln loss is made of: a share of the spread of the families, of the
# backtests' error per unit of ln x, and a drift per root of ln x. Round numbers for about 90 % of
# the curves of benchmarks/families.py with constant and cosine rates, chosen while seeing them.
SPREAD, OWN, DRIFT = 0.5, 1.0, 0.009
UNTESTED = 0.02  # error per unit of ln x where nothing could be backtested


@dataclass(frozen=True)
class Member:
    """One family's forecast.

    Parameters
    ----------
    family : str
    law : LearningCurve
        Fitted; its x counts hundredths of what was seen.
    value : float
        Its forecast, nats/token.
    weight : float
        Its share of the combined forecast.
    misfit : float
        Root mean square residual of ln loss, weighted as in the fit.
    """

    family: str
    law: LearningCurve
    value: float
    weight: float
    misfit: float


@dataclass(frozen=True)
class Prefixes:
    """A curve cut at several places, as points to fit.

    Parameters
    ----------
    ends : array, shape (p,)
        Last x of each; the whole curve comes first.
    batch : Batch
        The points of each, x in hundredths of its end.
    whole : despiking.Averaged
        The points of the whole curve, x as given.
    now : tuple of float
        Mean x, and loss, over the last 5 % of the curve.
    noise : float
        Of single rows, in ln loss.
    """

    ends: np.ndarray
    batch: Batch
    whole: despiking.Averaged
    now: tuple[float, float]
    noise: float

    def clock(self, x: np.ndarray) -> np.ndarray:
        """Return places in hundredths of each end, shape (p, n)."""
        return SEEN * x / self.ends[:, None]


Fits = Mapping[str, FamilyFits]


@dataclass(frozen=True)
class Extrapolation:
    """A forecast of a loss curve, blind to its learning rate.

    Parameters
    ----------
    until : float
        Where; in the unit of x.
    value : float
        The expected (smoothed) loss there, nats/token.
    level : float
    interval : tuple of float
        Of the expected loss.
    one_row : tuple of float
        Of a single logged value: the interval and the noise of rows.
    members : sequence of Member
        Forecasts of the families, the heaviest first.
    seen : tuple of float
        Last x, and the mean loss over the last 5 % of the curve.
    noise : float
        Of single rows, in ln loss.
    backtest : float or None
        Root mean square error of forecasts from the curve's own past, in ln loss per unit of ln x.
    spikes : int
        Rows left out as spikes.
    jump : Jump or None
        A lasting change of level; what came before it was not fitted.
    notes : sequence of str
    turn : Turn
        How what rises was made to fall: the members are of what is left to its limit.
    """

    until: float
    value: float
    level: float
    interval: tuple[float, float]
    one_row: tuple[float, float]
    members: tuple[Member, ...]
    seen: tuple[float, float]
    noise: float
    backtest: float | None
    spikes: int
    jump: despiking.Jump | None
    notes: tuple[str, ...]
    turn: Turn

    def curve(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the expected loss and the ends of its interval at each x, shape (n,) each.

        Before the end of what was seen this is the fit, with no interval but the spread of the
        families.
        """
        at = np.atleast_1d(np.asarray(x, float))
        each = np.array([m.law(SEEN * at / self.seen[0]) for m in self.members])
        weight = np.array([m.weight for m in self.members])
        ahead = np.log(np.maximum(at / self.seen[0], 1.0))
        middle, sd = _combined(np.log(each), weight, self.backtest, ahead)
        half = quantile(self.level) * sd
        ends = [self.turn.values(np.exp(middle + sign * half)) for sign in (-1, 1)]
        low, high = np.sort(ends, axis=0)
        return self.turn.values(np.exp(middle)), low, high


def extrapolate(
    x: ArrayLike,
    loss: ArrayLike,
    until: float,
    *,
    families: Sequence[str] | None = None,
    combine: str = "stack",
    level: float = 0.9,
    skip: float = SKIPPED,
    recency: float = RECENCY,
    rising: bool = False,
    limit: float | None = None,
) -> Extrapolation:
    """Forecast a loss curve from its own shape, without its learning rate.

    Spikes are left out, and so is what lies before a lasting jump and the first 30 % of the
    curve. Every family is fitted to averaged points, late ones weighing more, and again to five
    prefixes of the curve; how these did decides the weights of `stack`, and the width of the
    interval together with the spread of the families and a drift that grows with ln x.

    Parameters
    ----------
    x, loss : array-like, shape (n,)
        Steps or tokens, increasing, and the loss there in nats/token, positive; 5 points or more.
    until : float
        Where to forecast, beyond the last x.
    families : sequence of str, optional
        Default: all of `scaling_cli.learning_curves` of which no two draw the same curves.
    combine : str
        `stack`, weights from forecasts of the curve's own past, drawn to equal ones; `average`,
        Bayesian model averaging by BIC; `equal`. Members are averaged in ln loss.
    level : float
        Of the interval.
    skip, recency : float
        Share left out at the start; a point at x weighs x to the power `recency`.
    rising, limit
        As in `forecast`: what rises is forecast as what is left to its limit.

    Raises
    ------
    DataError
        If this is no curve.
    FitError
        If no family has a loss at `until`, or it rises and nothing says that it should.
    UsageError
        If an option makes no sense.
    """
    names = tuple(families) if families is not None else learning_curves.distinct()
    turn, told = Turn(), []
    if rising or limit is not None:
        turned, turn, told = directed(Job(CURVE, np.asarray(x), np.asarray(loss)), rising, limit)
        x, loss = turned.x, turned.loss
    place, losses = despiking.checked(x, loss, FEWEST)
    directed(Job(CURVE, place, losses))
    if not (np.isfinite(until) and until > place[-1]):
        raise UsageError(f"{until:g} is not beyond the last point at {place[-1]:g}.")
    _refuse(names, combine, level, skip)
    moved, spiked = _cleaned(place, losses)
    kept = ~spiked
    start = moved.x if moved else 0.0
    past = _prefixes(place[kept], losses[kept], start, skip=skip, recency=recency)
    fits = {name: fit_family(learning_curves.get(name), past.batch) for name in names}
    usable = {name: f for name, f in fits.items() if _has_losses(f, past, until)}
    if not usable:
        raise FitError(f"no family of learning curves has a loss up to {until:g}.")
    weight, why = _weights(combine, usable, past)
    backtest, members = _backtest(usable, weight, past), []
    for (name, each), share in zip(usable.items(), weight.tolist(), strict=True):
        law, misfit = each.law(0), float(np.sqrt(each.misfit[0]))
        members.append(Member(name, law, float(law(SEEN * until / past.ends[0])), share, misfit))
    members = tuple(sorted(members, key=lambda m: -m.weight))
    each, weight = np.log([[m.value] for m in members]), np.array([m.weight for m in members])
    middle, sd = _combined(each, weight, backtest, np.log(until / past.ends[:1]))
    left_out = "left out: it has no fit with positive losses up to"
    left = [f"{name} {left_out} {until:g}." for name in fits if name not in usable]
    return Extrapolation(
        until=float(until),
        value=turn.value(float(np.exp(middle[0]))),
        level=level,
        interval=turn.pair(_around(middle[0], quantile(level) * sd[0])),
        one_row=turn.pair(_around(middle[0], quantile(level) * np.hypot(sd[0], past.noise))),
        members=members,
        seen=(float(past.ends[0]), turn.value(past.now[1])),
        noise=past.noise,
        backtest=backtest,
        spikes=int(spiked.sum()),
        jump=moved,
        notes=(*told, *_notes(place, past, until, moved, int(spiked.sum())), *left, *why),
        turn=turn,
    )


def check_combination(combine: str) -> None:
    """Refuse a way of combining families that there is not."""
    if combine not in COMBINED:
        raise UsageError(
            f"there is no combination {combine!r}.", hint=near(combine, COMBINED, "combinations")
        )


def _refuse(families: Sequence[str], combine: str, level: float, skip: float) -> None:
    if not families or len(set(families)) < len(families):
        raise UsageError("name each family once, and one at least.")
    check_combination(combine)
    check_level(level)
    if not 0 <= skip < 1:
        raise UsageError(f"the share skipped must lie between 0 and 1, not {skip:g}.")


def _cleaned(x: np.ndarray, loss: np.ndarray) -> tuple[despiking.Jump | None, np.ndarray]:
    """Return the jump after which to fit, and which rows are spikes."""
    first = int(np.searchsorted(x, BEFORE_JUMP * x[-1]))
    moved = despiking.jump(x, loss, first, FEWEST)
    begin = moved.row if moved else first
    spiked = np.zeros(len(x), bool)
    spiked[begin:] = despiking.spikes(x[begin:], loss[begin:])
    return moved, spiked


def _has_losses(fits: FamilyFits, past: Prefixes, until: float) -> bool:
    """Say whether a family has positive losses at the end, and at every place of its backtests."""
    if not np.isfinite(fits.value).all():
        return False
    own = fits.predict(past.clock(past.whole.x))
    return bool(np.isfinite(own).all() and fits.law(0)(SEEN * until / past.ends[0]) > 0)


def _around(middle: float, half: float) -> tuple[float, float]:
    return float(np.exp(middle - half)), float(np.exp(middle + half))


def _notes(
    x: np.ndarray, past: Prefixes, until: float, moved: despiking.Jump | None, spiked: int
) -> Iterator[str]:
    if spiked:
        yield f"{spiked} of {len(x)} rows left out as spikes."
    if moved:
        yield (
            f"the loss jumps by {100 * np.expm1(moved.size):+.1f} % at {moved.x:g} and stays "
            "there: fitted to what came after."
        )
    if len(past.whole.x) < FEW:
        yield f"only {len(past.whole.x)} points were fitted: the interval is a guess."
    if until > FAR * x[-1]:
        yield f"{until:g} is {until / x[-1]:.3g} times what was seen; beyond {FAR:g} was not tried."
    late = past.whole.loss[-max(3, len(past.whole.x) // 4) :]
    scale = past.batch.scale[0]
    if np.log(late[-1] / late.min()) > 3 * scale and np.log(late[-1] / late[0]) > 0:
        yield "the loss rises at the end: no family here can follow it."


def _weights(combine: str, fits: Fits, past: Prefixes) -> tuple[np.ndarray, list[str]]:
    """Return the weight of each family, and what is to be said about them."""
    equal = np.full(len(fits), 1.0 / len(fits))
    if combine == "average":
        misfit = np.array([f.misfit[0] for f in fits.values()])
        count = np.array([len(f.family.parameters()) for f in fits.values()])
        points = past.batch.weight[0].sum() ** 2 / (past.batch.weight[0] ** 2).sum()
        return bayes_weights(misfit, count, float(points)), []
    if combine == "equal" or len(fits) == 1:
        return equal, []
    predicted, actual, span = _own_past(fits, past)
    if len(actual) < 2:
        return equal, ["too few points to forecast its own past: the families weigh the same."]
    return stacked_weights(predicted, actual, span), []


def _own_past(fits: Fits, past: Prefixes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return forecasts of ln loss beyond each cut, what came, and the span of x each stands for."""
    x = past.whole.x
    each = np.stack([np.log(f.predict(past.clock(x))) for f in fits.values()], -1)
    ahead = (x > past.ends[:, None]) & (np.arange(len(past.ends)) > 0)[:, None]
    cut, point = np.nonzero(ahead)
    return each[cut, point], np.log(past.whole.loss)[point], np.gradient(x)[point]


def _backtest(fits: Fits, weight: np.ndarray, past: Prefixes) -> float | None:
    """Return the error of the combination at the cuts, per unit of ln x; None without cuts."""
    if len(past.ends) < 2:
        return None
    at = past.clock(np.array(past.now[:1]))
    each = np.stack([np.log(f.predict(at)[1:, 0]) for f in fits.values()])
    ahead = np.log(past.now[0] / past.ends[1:])
    return float(np.sqrt(np.mean(((weight @ each - np.log(past.now[1])) / ahead) ** 2)))


def _combined(
    each: np.ndarray, weight: np.ndarray, backtest: float | None, ahead: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of ln loss by members, (k, n), at places `ahead` in ln x, (n,)."""
    middle = weight @ each
    spread = np.sqrt(weight @ (each - middle) ** 2)
    own = UNTESTED if backtest is None else backtest
    return middle, np.sqrt((SPREAD * spread) ** 2 + (OWN * own * ahead) ** 2 + DRIFT**2 * ahead)


def bayes_weights(misfit: np.ndarray, parameters: np.ndarray, points: float) -> np.ndarray:
    """Return posterior probabilities of models with equal prior ones, by BIC; shape (..., k).

    -2 ln evidence is n ln(mean squared residual) + p ln n, up to what all models share and to
    O(1) (Schwarz 1978); models with an infinite misfit have probability zero.

    Parameters
    ----------
    misfit : array, shape (..., k)
        Mean squared residual of each model.
    parameters : array, shape (k,)
        How many parameters each has.
    points : float
        n, the same for all.
    """
    with np.errstate(divide="ignore"):
        criterion = points * np.log(misfit) + parameters * np.log(points)
    lowest = np.min(criterion, axis=-1, keepdims=True)
    # Two models that fit exactly are both at minus infinity; they share the probability.
    exact = np.isneginf(criterion)
    behind = np.where(exact, 0.0, criterion - np.where(np.isfinite(lowest), lowest, 0.0))
    behind = np.where(np.isneginf(lowest) & ~exact, np.inf, behind)
    weight = np.exp(-0.5 * behind)
    return weight / weight.sum(axis=-1, keepdims=True)


def stacked_weights(
    predicted: np.ndarray, actual: np.ndarray, weight: np.ndarray, *, ridge: float = RIDGE
) -> np.ndarray:
    """Return the weights, none negative, summing to one, of the least squared error; shape (k,).

    Minimised is the weighted mean of (predicted @ w - actual)^2 plus the ridge times the mean
    squared error of the members times k |w - 1/k|^2. On the simplex the residual is
    (predicted - actual) @ w, homogeneous in w, so the minimum is that of non-negative least
    squares with one more row that asks for a sum of one, scaled to that sum: exact.

    Parameters
    ----------
    predicted : array, shape (n, k)
        Forecasts of ln loss of k members, made without the points they are compared with.
    actual, weight : array, shape (n,)
    ridge : float
    """
    from scipy.optimize import nnls

    k = predicted.shape[1]
    root = np.sqrt(weight / weight.sum())
    errors = (predicted - actual[:, None]) * root[:, None]
    if not errors.any():
        return np.full(k, 1.0 / k)
    pull = np.sqrt(ridge * float(np.sum(errors**2)))
    towards = pull * (np.eye(k) - 1.0 / k)
    size = float(np.sqrt(np.sum(errors**2)))
    rows = np.concatenate([errors / size, towards / size, np.ones((1, k))])
    weights = nnls(rows, np.append(np.zeros(len(rows) - 1), 1.0))[0]
    return weights / weights.sum()


def _prefixes(
    x: np.ndarray, loss: np.ndarray, start: float, *, skip: float, recency: float
) -> Prefixes:
    """Return the points of a curve, checked and without spikes, and of its prefixes at the cuts.

    Cuts with too few rows are left out, and so is the share `skip` at the start of each prefix, and
    what lies before `start`. A point has the weight x to the power `recency`, times the root of its
    rows (20 at most).
    """
    noise, last = despiking.noise_of(loss[x >= start]), float(x[-1])
    taken, ends, left = [], [], x[:0]
    for share in (1.0, *CUTS):
        seen = (x <= share * last) & (x >= start)
        rows = np.flatnonzero(seen & (x >= skip * share * last))
        if len(rows) < FEWEST:
            rows = np.flatnonzero(seen)[-FEWEST:]
        if len(rows) < (FEWEST if share == 1.0 else FEWEST_AT_CUT) or x[rows[-1]] in left:
            continue
        taken.append(despiking.averaged(x[rows], loss[rows]))
        ends.append(x[rows[-1]])
        left = np.array(ends)
    longest = max(len(points.x) for points in taken)
    at, level, weight = (np.zeros((len(taken), longest)) for _ in range(3))
    scale = np.empty(len(taken))
    for i, points in enumerate(taken):
        n = len(points.x)
        at[i], level[i] = SEEN, points.loss[-1]  # where nothing is, at weight zero
        at[i, :n], level[i, :n] = SEEN * points.x / ends[i], points.loss
        heavy = points.weight * (points.x / ends[i]) ** recency
        weight[i, :n] = heavy * n / heavy.sum()
        scale[i] = np.clip(noise / np.sqrt(np.median(points.rows)), LEAST_SCALE, MOST_SCALE)
    batch = Batch(at, level, weight, scale)
    late = x >= (1 - TAIL) * last
    now = (np.exp(np.log(x[late]).mean()), np.exp(np.log(loss[late]).mean()))
    return Prefixes(left, batch, taken[0], (float(now[0]), float(now[1])), noise)
