"""The schedule that a fit of loss curves says ends lowest, inside the regime that it was fitted in.

Laws of loss curves are wrong outside it in known ways, and a free optimisation walks into every
one of them: a higher peak always ends lower, so does a rate of zero that lasts (S2 goes on
growing), and a longer warm-up counts as training at the peak under some conventions. So the peak,
the warm-up, the lowest rate and the length are those of the fitted runs (arXiv:2408.11029 and its
reviews).

Shapes of decay are searched exhaustively in their share of the run and the rate at the end; what
ends at an edge of the regime is said to be at the edge.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from scaling_cli.artefacts._curve_prediction import (
    FAR,
    FAR_BELOW,
    CurveDifference,
    CurvePrediction,
    compare,
)
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.numerics.descent import descend
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._path import Path
from scaling_cli.schedules._schedule import SHAPES, Schedule
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.cosine import Cosine
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.linear import Linear
from scaling_cli.schedules.wsd import Wsd
from scaling_cli.vocabulary.errors import FitError, UsageError

DECAYS = tuple(shape for shape in SHAPES if shape != "polynomial")
SHARES, LOWS = 16, 3  # the grid that Brent starts from
FLAT = 1e-3  # of the loss: schedules that end closer are as good
NEAR_EDGE = 1e-3  # of the allowed range
ROUNDS = 2
FEWEST_KNOTS = 2
LEAST_INSIDE = 0.01  # of the peak: what a free rate stays above before the last step
LEAST_SHARE = 0.02  # of the run: a shorter decay is a jump
ENDS = 0.01  # of a run: logs seldom have its very last step
# Steps before the last that bound stretches of drops: the last drops count one by one.
_TAIL = np.append(0, 2 ** np.arange(0, 14, 2))

Asked = float | None  # what may be asked for


@dataclass(frozen=True)
class Regime:
    """What the fitted runs allow: the rates, the warm-up, the length.

    Parameters
    ----------
    steps : int
    peak, low : float
        The highest rate, and the lowest that a schedule may end at.
    warmup : float
        Steps.
    params : float, optional
        Model size, for laws of several.
    """

    steps: int
    peak: float
    low: float
    warmup: float
    params: float | None = None

    @property
    def longest_decay(self) -> float:
        """The share of the run that a decay from the end of the warm-up takes."""
        return (self.steps - self.warmup) / self.steps

    @property
    def given(self) -> dict[str, Any]:
        """What every schedule in it has in common."""
        return {"peak": self.peak, "warmup": self.warmup, "length": float(self.steps)}

    def decaying(self, shape: str, share: float, low: float) -> Schedule:
        """Return the schedule that stays at the peak, then decays over a share of the run."""
        stable = max(self.warmup, round(self.steps * (1 - share)))
        return Wsd(**self.given, stable=float(stable), decay=shape, min=low)


@dataclass(frozen=True)
class BestOfFamily:
    """The best schedule of one family.

    Parameters
    ----------
    family : str
        `wsd linear`, `cosine`, `constant`, `knots`.
    prediction : CurvePrediction
        Along the best schedule; the loss at the last step is what was minimised.
    edges : sequence of str
        What lies at the edge of what is allowed.
    decay : float or None
        Share of the run that the decay takes; None where the family has none to choose.
    flat : pair of float, or None
        Shares between which the predicted loss stays within a thousandth of the best.
    members : mapping of law to float
        The share at which each averaged law alone is lowest.
    difference : CurveDifference or None
        How the end differs from that of the best schedule; None for the best itself.
    """

    family: str
    prediction: CurvePrediction
    edges: tuple[str, ...] = ()
    decay: float | None = None
    flat: tuple[float, float] | None = None
    members: Mapping[str, float] = field(default_factory=dict)
    difference: CurveDifference | None = None

    @property
    def loss(self) -> float:
        """Predicted loss at the last step, nats/token."""
        return float(self.prediction.value[-1])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "family": self.family,
            **self.prediction.to_dict(),
            "disagreement": [float(self.prediction.low[-1]), float(self.prediction.high[-1])],
            "decay": self.decay,
            "flat": None if self.flat is None else list(self.flat),
            "decay_by_law": dict(self.members),
            "edges": list(self.edges),
            "difference": None if self.difference is None else asdict(self.difference),
        }


@dataclass(frozen=True)
class ScheduleOptimum:
    """The best schedules, lowest predicted loss first, and the regime that was searched."""

    regime: Regime
    families: Sequence[BestOfFamily]

    @property
    def best(self) -> BestOfFamily:
        """The best schedule of all."""
        return self.families[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        families = [family.to_dict() for family in self.families]
        return {"regime": asdict(self.regime), "best": families[0], "families": families}


def best_schedule(
    fit: CurveFit,
    steps: int,
    *,
    peak: float | None = None,
    low: float | None = None,
    warmup: float | None = None,
    params: float | None = None,
    knots: int = 0,
    level: float = 0.9,
) -> ScheduleOptimum:
    """Return the schedules whose loss after so many steps is predicted to be lowest.

    Every shape of decay with its share of the run and the rate at the end (a grid, then Brent),
    cosine and linear over the whole run, the constant rate; with `knots`, any rate that does not
    rise, by projected gradients.

    Parameters
    ----------
    fit : CurveFit
    steps : int
        Length of the run; at most 1.5 times the longest fitted one.
    peak, low : float, optional
        Highest and lowest rate. Default, and farthest: those of the fitted runs.
    warmup : float, optional
        Steps; one of the fitted runs'. Default: that of most of them.
    params : float, optional
        Model size, for a law of several sizes.
    knots : int
        Straight stretches of the free schedule; 0 for none.
    level : float
        Nominal coverage of the bands.

    Raises
    ------
    UsageError
        If what is asked for lies outside the regime of the fit; the message says why that matters.
    FitError
        If the law sees no drops: nothing is lower than a constant rate.
    """
    if not all(fitted.law.decays for fitted in fit.laws.values()):
        raise FitError(
            "the law sees no decay: by it a constant rate at the peak is best.",
            hint="Fit the average, or a law with drops: scaling laws lists them.",
        )
    if knots and knots < FEWEST_KNOTS:
        raise UsageError(f"a free schedule has {FEWEST_KNOTS} stretches or more, not {knots}.")
    regime = _regime_of(fit, steps, peak=peak, low=low, warmup=warmup, params=params)
    ends = _Ends(fit, regime, level)
    shapes = [shape for shape in DECAYS if shape != "exponential" or regime.low > 0]
    families = [_family(ends, shape) for shape in shapes]
    families += [_whole(ends, family) for family in (Cosine, Linear)]
    families.append(BestOfFamily("constant", ends.along(Constant(**regime.given))))
    if knots:
        start = min((f.prediction.schedule for f in families), key=ends.mean)
        families.append(_free(ends, knots, start))
    first, *others = sorted(families, key=lambda f: f.loss)
    apart = [compare(first.prediction, f.prediction, fit.uncertainty) for f in others]
    beside = [replace(f, difference=d) for f, d in zip(others, apart, strict=True)]
    return ScheduleOptimum(regime, [first, *beside])


@dataclass(frozen=True)
class _Ends:
    """The loss that each law predicts for the last step of a schedule."""

    fit: CurveFit
    regime: Regime
    level: float

    def __call__(self, schedule: Schedule) -> np.ndarray:
        """Return the loss by each law, shape (laws,)."""
        at = np.unique(np.maximum(1, self.regime.steps - 1 - _TAIL))

        @cache
        def paths(warmup: str) -> tuple[Path, Path]:
            unit, params = self.fit.unit, self.regime.params
            whole = Path.of(schedule, at, warmup=warmup, unit=unit, params=params)
            return whole, whole.compressed()

        losses: list[float] = []
        for fitted in self.fit.laws.values():
            whole, few = paths(fitted.warmup)
            prepared = fitted.law.prepared(whole)
            path = few if prepared is whole else prepared.compressed()
            losses.append(float(fitted.law(path)[-1]))
        return np.array(losses)

    def mean(self, schedule: Schedule) -> float:
        """Return the loss that is predicted: the mean of the laws."""
        return float(self(schedule).mean())

    def along(self, schedule: Schedule) -> CurvePrediction:
        """Return what the fit predicts for the last step of a schedule."""
        at, N = [self.regime.steps - 1], self.regime.params
        return self.fit.predict(schedule, at, N=N, level=self.level)


def _whole(ends: _Ends, family: type[Cosine] | type[Linear]) -> BestOfFamily:
    """Return the best schedule that decays from the warm-up to the end of the run."""
    regime = ends.regime

    def loss(low: float) -> float:
        return ends.mean(family(**regime.given, min=low))

    places = np.linspace(regime.low, regime.peak, LOWS + 1)
    low = _brent(loss, places, float(places[np.argmin([*map(loss, places)])]))
    prediction = ends.along(family(**regime.given, min=low))
    return BestOfFamily(family.title, prediction, tuple(_edges(regime, None, low)))


def _family(ends: _Ends, shape: str) -> BestOfFamily:
    """Return the best share and lowest rate of one shape of decay."""
    regime = ends.regime

    def losses(share: float, low: float) -> np.ndarray:
        return ends(regime.decaying(shape, share, low))

    shares = np.linspace(LEAST_SHARE, regime.longest_decay, SHARES)
    lows = np.linspace(regime.low, regime.peak, LOWS + 1)
    table = np.array([[losses(share, low) for low in lows[:-1]] for share in shares])
    i, j = np.unravel_index(np.argmin(table.mean(2)), table.shape[:2])
    share, low = float(shares[i]), float(lows[j])
    for _ in range(ROUNDS):
        share = _brent(lambda s, low=low: float(losses(s, low).mean()), shares, share)
        low = _brent(lambda m, s=share: float(losses(s, m).mean()), lows, low)
    column = np.array([losses(s, low) for s in shares])
    nearest = shares[np.argmin(column, axis=0)].tolist()
    own = {
        name: _brent(lambda s, k=k: float(losses(s, low)[k]), shares, nearest[k])
        for k, name in enumerate(ends.fit.laws)
    }
    best = regime.decaying(shape, share, low)
    flat = _flat(shares, column.mean(1), share, ends.mean(best))
    edges = tuple(_edges(regime, share, low))
    return BestOfFamily(f"wsd {shape}", ends.along(best), edges, share, flat, own)


def _brent(loss: Callable[[float], float], places: np.ndarray, near: float) -> float:
    """Return the minimum between the neighbours of a place of a grid, the edges included."""
    from scipy.optimize import minimize_scalar

    low = float(places[places < near].max(initial=places[0]))
    high = float(places[places > near].min(initial=places[-1]))
    if not low < high:
        return near
    options = {"xatol": 1e-3 * (high - low)}
    ended: Any = minimize_scalar(loss, bounds=(low, high), method="bounded", options=options)
    # To the digits that the search has, so that a schedule can be read and typed.
    found = min(max(float(f"{ended.x:.4g}"), low), high)
    return min([near, found, *{low, high} & {places[0], places[-1]}], key=loss)


def _flat(
    shares: np.ndarray, losses: np.ndarray, best: float, lowest: float
) -> tuple[float, float]:
    """Return the shares around the best between which the loss is as good as lowest."""
    most = lowest * (1 + FLAT)
    at = np.append(shares, best)
    order = np.argsort(at)
    at, loss = at[order], np.append(losses, lowest)[order]
    here, over = np.flatnonzero(at == best)[0], np.flatnonzero(~(loss <= most))
    i = over[over < here].max(initial=-1) + 1
    j = over[over > here].min(initial=len(at)) - 1
    low = at[0] if i == 0 else np.interp(most, [loss[i], loss[i - 1]], [at[i], at[i - 1]])
    high = at[-1] if j == len(at) - 1 else np.interp(most, loss[j : j + 2], at[j : j + 2])
    return float(low), float(high)


def _edges(regime: Regime, share: float | None, low: float) -> Iterator[str]:
    """Yield what lies at the edge of the regime, where the data do not say what is beyond."""
    near = NEAR_EDGE * (regime.peak - regime.low)
    if low - regime.low <= near:
        yield f"it ends at {low:g}, the lowest rate allowed"
    if regime.peak - low <= near:
        yield "it ends at the peak: no decay at all"
    if share is not None and share - LEAST_SHARE <= NEAR_EDGE:
        yield f"its decay takes {LEAST_SHARE:.0%} of the run, the shortest that is looked at"
    if share is not None and regime.longest_decay - share <= NEAR_EDGE:
        yield "its decay takes the whole run after the warm-up"


def _free(ends: _Ends, knots: int, start: Schedule) -> BestOfFamily:
    """Return the best schedule of straight stretches that never rise, denser towards the end.

    Projected gradient descent; rates may come near zero at the last step only, for at zero the
    laws go on lowering the loss.
    """
    regime = ends.regime
    way = 1 - (1 - np.arange(knots + 1) / knots) ** 2
    places = regime.warmup + (regime.steps - regime.warmup) * way
    least = np.full(knots, max(regime.low / regime.peak, LEAST_INSIDE))
    least[-1] = regime.low / regime.peak

    def schedule(z: np.ndarray) -> Schedule:
        at, rates = places, regime.peak * np.concatenate([[1.0], z])
        if regime.warmup:
            at, rates = np.append(0.0, at), np.append(0.0, rates)
        return Knots(length=float(regime.steps), at=tuple(at.tolist()), rates=tuple(rates.tolist()))

    z = descend(
        lambda z: ends.mean(schedule(z)),
        lambda z: np.maximum(_falling(z), least),
        start.lr(places[1:]) / regime.peak,
    )
    edges = tuple(_edges(regime, None, regime.peak * float(z[-1])))
    return BestOfFamily("knots", ends.along(schedule(z)), edges)


def _falling(z: np.ndarray) -> np.ndarray:
    """Return the nearest values that never rise and do not exceed one."""
    from scipy.optimize import isotonic_regression

    return np.minimum(np.asarray(isotonic_regression(z, increasing=False).x), 1.0)


def _regime_of(
    fit: CurveFit, steps: int, *, peak: Asked, low: Asked, warmup: Asked, params: Asked
) -> Regime:
    """Return the regime of a fit, or the part of it that is asked for.

    Raises
    ------
    UsageError
        If what is asked for lies outside; the message says why that matters.
    """
    highest, lowest = _highest(fit, params), _lowest(fit)
    longest = fit.longest + 1
    if not steps <= FAR * longest * (1 + ENDS):
        raise UsageError(
            f"{steps} steps are {steps / longest:.1f} times the longest fitted run, of {longest}.",
            hint=f"Decays after long runs take off less than such fits say: at most {FAR:g} times.",
        )
    top, bottom = highest if peak is None else peak, lowest if low is None else low
    if not 0 < top <= highest * (1 + 1e-9):
        raise UsageError(
            f"the peak {top:g} lies above {highest:g}, the highest rate that was fitted.",
            hint="By these laws a higher rate always ends lower, which is not true: fit runs with "
            "the higher peak, or keep to this one.",
        )
    if not lowest * (1 - 1e-9) <= bottom <= top:
        raise UsageError(
            f"the lowest rate {bottom:g} does not lie between {lowest:g}, the lowest at which a "
            f"fitted run ends, and the peak {top:g}.",
            hint="By these laws steps at ever lower rates, even at zero, go on lowering the loss, "
            "which is not true: fit a run that ends lower.",
        )
    return Regime(steps, top, bottom, _warmup(fit, warmup, steps), params)


def _highest(fit: CurveFit, params: Asked) -> float:
    """Return the highest fitted rate; of several models, that of the one nearest in size.

    Sizes have their own best rates: that of a smaller model is a higher peak to a larger one.
    """
    sized = [run for run in fit.runs if run.params is not None]
    if params is None or not fit.sized or not sized:
        return float(fit.data["ranges"]["lr"][1])
    far = [abs(math.log(run.params / params)) for run in sized if run.params is not None]
    near = [run for run, d in zip(sized, far, strict=True) if d <= min(far) + 1e-9]
    return max(parse_schedule(run.schedule).highest for run in near)


def _lowest(fit: CurveFit) -> float:
    """Return the lowest rate at which a fitted run ends; zero if that is next to nothing."""
    lowest, highest = (float(rate) for rate in fit.data["ranges"]["lr"])
    for run in fit.runs:
        schedule = parse_schedule(run.schedule)
        if run.last is not None and run.last >= schedule.length * (1 - ENDS):
            lowest = min(lowest, float(schedule.lr(schedule.length)))
    return lowest if lowest > FAR_BELOW * highest else 0.0


def _warmup(fit: CurveFit, asked: Asked, steps: int) -> float:
    """Return the warm-up of most fitted runs, or the one asked for if it is one of theirs."""
    seen = fit.warmups
    found = next(iter(seen), 0.0) if asked is None else asked
    if found not in seen and seen:
        raise UsageError(
            f"no fitted run has a warm-up of {found:g} steps.",
            hint="How the warm-up counts is a convention of each law, not something that it was "
            f"fitted to. Fitted: {', '.join(f'{w:g}' for w in sorted(seen))}.",
        )
    if not found < steps * (1 - LEAST_SHARE):
        raise UsageError(f"{steps} steps leave no run after a warm-up of {found:g}.")
    return found
