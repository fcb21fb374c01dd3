"""The schedule that a fit of loss curves says ends lowest, inside the regime that it was fitted in.

Shapes of decay are searched exhaustively in their share of the run and the rate at the end; what
ends at an edge of the regime is said to be at the edge.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from scaling_cli.artefacts._curve_prediction import CurveDifference, CurvePrediction, compare
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.curve_fits.regime import LEAST_SHARE, Regime, regime_of
from scaling_cli.numerics.descent import descend
from scaling_cli.schedules._path import Path
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.schedules._warmed import SHAPES
from scaling_cli.schedules.constant import Constant
from scaling_cli.schedules.cosine import Cosine
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.linear import Linear
from scaling_cli.vocabulary.errors import FitError, UsageError

DECAYS = tuple(shape for shape in SHAPES if shape != "polynomial")
SHARES, LOWS = 16, 3  # the grid that Brent starts from
FLAT = 1e-3  # of the loss: schedules that end closer are as good
NEAR_EDGE = 1e-3  # of the allowed range
ROUNDS = 2
FEWEST_KNOTS = 2
LEAST_INSIDE = 0.01  # of the peak: what a free rate stays above before the last step
# Steps before the last that bound stretches of drops: the last drops count one by one.
_TAIL = np.append(0, 2 ** np.arange(0, 14, 2))


@dataclass(frozen=True)
class BestOfFamily:
    """The best schedule of one family.

    Parameters
    ----------
    family : str
        `wsd linear`, `cosine`, `constant`, `knots`.
    prediction : CurvePrediction
        Along the best schedule; the loss at the last step is what was minimised.
    decay : float or None
        Share of the run that the decay takes; None where the family has none to choose.
    flat : pair of float, or None
        Shares between which the predicted loss stays within a thousandth of the best.
    members : mapping of law to float
        The share at which each averaged law alone is lowest.
    edges : sequence of str
        What lies at the edge of what is allowed.
    difference : CurveDifference or None
        How the end differs from that of the best schedule; None for the best itself.
    """

    family: str
    prediction: CurvePrediction
    decay: float | None
    flat: tuple[float, float] | None
    members: Mapping[str, float]
    edges: tuple[str, ...]
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
        best, *_ = found = [family.to_dict() for family in self.families]
        return {"regime": asdict(self.regime), "best": best, "families": found}


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
        raise UsageError(
            f"a free schedule has {FEWEST_KNOTS} stretches or more, not {knots}.",
        )
    regime = regime_of(fit, steps, peak=peak, low=low, warmup=warmup, params=params)
    ends = _Ends(fit, regime)
    found = [_family(ends, f"wsd {shape}", shape) for shape in _decays(regime)]
    found += [_whole(ends, family) for family in (Cosine, Linear)]
    flat = Constant(peak=regime.peak, warmup=regime.warmup, length=float(steps))
    found.append(_Found("constant", flat, None, None, {}, ()))
    if knots:
        start = min(found, key=lambda f: ends.mean(f.schedule))
        found.append(_free(ends, knots, start.schedule))
    return _ordered(fit, regime, found, level)


@dataclass(frozen=True)
class _Found:
    family: str
    schedule: Schedule
    decay: float | None
    flat: tuple[float, float] | None
    members: Mapping[str, float]
    edges: tuple[str, ...]


def _ordered(
    fit: CurveFit, regime: Regime, found: Sequence[_Found], level: float
) -> ScheduleOptimum:
    at = regime.steps - 1
    ended = [
        BestOfFamily(
            f.family,
            fit.predict(f.schedule, [at], N=regime.params, level=level),
            f.decay,
            f.flat,
            f.members,
            f.edges,
        )
        for f in found
    ]
    first, *others = sorted(ended, key=lambda f: f.loss)
    beside = [
        replace(f, difference=compare(first.prediction, f.prediction, fit.uncertainty))
        for f in others
    ]
    return ScheduleOptimum(regime, [first, *beside])


@dataclass(frozen=True)
class _Ends:
    """The loss that each law predicts for the last step of a schedule."""

    fit: CurveFit
    regime: Regime

    def __call__(self, schedule: Schedule) -> np.ndarray:
        """Return the loss by each law, shape (laws,)."""
        at = np.unique(np.maximum(1, self.regime.steps - 1 - _TAIL))
        found: list[float] = []
        seen: dict[str, tuple[Path, Path]] = {}
        for fitted in self.fit.laws.values():
            if fitted.warmup not in seen:
                whole = Path.of(
                    schedule,
                    at,
                    warmup=fitted.warmup,
                    unit=self.fit.unit,
                    params=self.regime.params,
                )
                seen[fitted.warmup] = whole, whole.compressed()
            whole, few = seen[fitted.warmup]
            prepared = fitted.law.prepared(whole)
            path = few if prepared is whole else prepared.compressed()
            found.append(float(fitted.law(path)[-1]))
        return np.array(found)

    def mean(self, schedule: Schedule) -> float:
        """Return the loss that is predicted: the mean of the laws."""
        return float(self(schedule).mean())


def _decays(regime: Regime) -> Iterator[str]:
    yield from (d for d in DECAYS if d != "exponential" or regime.low > 0)


def _whole(ends: _Ends, family: type[Cosine] | type[Linear]) -> _Found:
    """Return the best schedule that decays from the warm-up to the end of the run."""
    regime = ends.regime

    def falling(low: float) -> Schedule:
        return family(peak=regime.peak, warmup=regime.warmup, min=low, length=float(regime.steps))

    places = np.linspace(regime.low, regime.peak, LOWS + 1)
    losses = [ends.mean(falling(low)) for low in places]
    low = _brent(lambda m: ends.mean(falling(m)), places, float(places[np.argmin(losses)]))
    edges = tuple(_edges(regime, None, low))
    return _Found(family.title, falling(low), None, None, {}, edges)


def _family(ends: _Ends, title: str, shape: str) -> _Found:
    """Return the best share and lowest rate of one shape of decay."""
    regime = ends.regime
    shares = np.linspace(LEAST_SHARE, regime.longest_decay, SHARES)
    lows = np.linspace(regime.low, regime.peak, LOWS + 1)[:-1]
    table = np.array(
        [[ends(regime.decaying(shape, share, low)) for low in lows] for share in shares]
    )
    i, j = np.unravel_index(np.argmin(table.mean(2)), table.shape[:2])
    share, low = float(shares[i]), float(lows[j])
    for _ in range(ROUNDS):
        share = _brent(lambda s, low=low: ends.mean(regime.decaying(shape, s, low)), shares, share)
        low = _brent(
            lambda m, s=share: ends.mean(regime.decaying(shape, s, m)),
            np.append(lows, regime.peak),
            low,
        )
    column = np.array([ends(regime.decaying(shape, s, low)) for s in shares])
    own = {
        name: _brent(
            lambda s, k=k: float(ends(regime.decaying(shape, s, low))[k]),
            shares,
            float(shares[np.argmin(column[:, k])]),
        )
        for k, name in enumerate(ends.fit.laws)
    }
    best = regime.decaying(shape, share, low)
    flat = _flat(shares, column.mean(1), share, ends.mean(best))
    return _Found(title, best, share, flat, own, tuple(_edges(regime, share, low)))


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
    i = j = int(np.flatnonzero(at == best)[0])
    while i > 0 and loss[i - 1] <= most:
        i -= 1
    while j < len(at) - 1 and loss[j + 1] <= most:
        j += 1
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


def _free(ends: _Ends, knots: int, start: Schedule) -> _Found:
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
        rates = regime.peak * np.concatenate([[1.0], z])
        at, first = (
            (places, rates)
            if not regime.warmup
            else (np.append(0.0, places), np.append(0.0, rates))
        )
        return Knots(length=float(regime.steps), at=tuple(at.tolist()), rates=tuple(first.tolist()))

    z = descend(
        lambda z: ends.mean(schedule(z)),
        lambda z: np.maximum(_falling(z), least),
        start.lr(places[1:]) / regime.peak,
    )
    return _Found(
        "knots",
        schedule(z),
        None,
        None,
        {},
        tuple(_edges(regime, None, regime.peak * float(z[-1]))),
    )


def _falling(z: np.ndarray) -> np.ndarray:
    """Return the nearest values that never rise and do not exceed one."""
    from scipy.optimize import isotonic_regression

    return np.minimum(np.asarray(isotonic_regression(z, increasing=False).x), 1.0)
