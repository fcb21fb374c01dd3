"""Two recipes beside each other: who is ahead where, by how much compute, and until where."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np

from scaling_cli.artefacts._prediction import SPREAD, Prediction
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws import name_of
from scaling_cli.laws._law import Law
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.numerics.quantiles import central, central_about, quantile
from scaling_cli.planning.reaching import reached
from scaling_cli.point_fits.together import factors
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.outcomes import Level

REACH = 1e6  # beyond the largest run, up to which a crossing is looked for
PLACES = 401  # of it, evenly in ln
BEYOND = 10.0  # past the largest run: the last scale that is told where none is asked
SAME = 1e-6  # of inputs of two runs that are a pair
FEWEST_PAIRS = 3
ALONG_RUNS = "assumptions"  # the check that tells rows along runs from their ends
Ends = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """Two fits of the same inputs.

    Parameters
    ----------
    first, second : Fit
    held : mapping of symbol to float
        Inputs that do not grow.
    level : float
        Nominal coverage of the intervals.
    shared : collection of str
        Parameters that both have in common, fitted together: their draws belong together.
    """

    first: Fit
    second: Fit
    held: Mapping[str, float]
    level: float
    shared: Collection[str] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be compared.

        Raises
        ------
        UsageError
            If the laws differ, or what is counted or fitted does.
        FitError
            If a fit is of rows along runs.
        """
        names = [name_of(law) for law in self.laws]
        if names[0] != names[1]:
            raise UsageError(
                f"{names[0]} and {names[1]} differ on the same runs too: a difference of recipes "
                "is told by one law.",
                hint="Fit both recipes with one law.",
            )
        self._refuse_other_counts()
        for fit in (self.first, self.second):
            along = [c for c in fit.checks if c.code == ALONG_RUNS and c.level is not Level.PASS]
            if along:
                raise FitError(
                    f"{fit.name or 'a fit'} is of rows along runs, before their rate has decayed: "
                    "who is ahead there may not be at the end.",
                    hint="Fit the ends of runs: --at final.",
                )

    def _refuse_other_counts(self) -> None:
        fits, law = (self.first, self.second), self.first.law
        counts = [fit.data.get("conventions") or {} for fit in fits]
        told = {s: [own.get(s) for own in counts] for s in (*law.inputs(), law.output().symbol)}
        if self.first.turned or self.second.turned:
            told["the target"] = [
                f"{fit.target}, which {'rises' if fit.turned and fit.turned.sign < 0 else 'falls'},"
                for fit in fits
            ]
        for what, (one, other) in told.items():
            if one and other and one != other:
                raise UsageError(
                    f"the fits are not of the same numbers: {what} is {one} in the first and "
                    f"{other} in the second.",
                    hint="Fit both recipes to columns that are counted alike.",
                )

    @property
    def laws(self) -> tuple[Law, Law]:
        """Both fitted laws."""
        return self.first.law, self.second.law

    @cached_property
    def drawn(self) -> tuple[Law, Law] | None:
        """Both laws with as many draws, put together at random if they were fitted apart.

        None where a fit has none.
        """
        sure = [fit.uncertainty for fit in (self.first, self.second)]
        if sure[0] is None or sure[1] is None:
            return None
        n = min(len(s.sigma) for s in sure if s is not None)
        # Two fits of one seed share random numbers: as they stand, their draws go together.
        apart = np.random.default_rng(0).permutation(n)
        orders = np.arange(n), np.arange(n) if self.shared else apart
        one, other = (
            type(fit.law)(**{name: np.asarray(v)[order] for name, v in s.draws.items()})
            for fit, s, order in zip((self.first, self.second), sure, orders, strict=True)
            if s is not None
        )
        return one, other

    @property
    def axis(self) -> str:
        """Along which scales are told: compute, each recipe at its own best split; or the input."""
        law = self.first.law
        if law.size_and_data():
            return law.axis()
        (only,) = law.growing() if len(law.growing()) == 1 else ("",)
        return only

    def frontiers(self, laws: tuple[Law, Law], x: np.ndarray) -> list[np.ndarray]:
        """Return what both reach at places of the axis; NaN without a best split.

        In what is less the better: the target, or less it where more is.
        """
        with np.errstate(all="ignore"):
            return [self._less(i, self._best(law, x)) for i, law in enumerate(laws)]

    def _best(self, law: Law, x: np.ndarray) -> np.ndarray:
        if law.size_and_data():
            best = law.optimum(x, **self.held)
            return np.full(np.shape(x), np.nan) if best is None else np.asarray(law(**best))
        return np.asarray(law(**{**self.held, self.axis: x}), float)

    def _less(self, which: int, fitted: np.ndarray) -> np.ndarray:
        """Return values of a law without what its fit lifted the target by, or took it from."""
        turned = (self.first, self.second)[which].turned
        return fitted if turned is None else fitted - turned.offset

    # ---- at a point

    def at(self, point: Mapping[str, float]) -> dict[str, Any]:
        """Return what both forecast at a point, and the difference: second minus first."""
        one, other = (fit.predict(level=self.level, **point) for fit in self._alike())
        self._refuse_nothing(one, other)
        told, sides = float(other.forecast[0] - one.forecast[0]), self._sides(point, one, other)
        interval = None if sides is None else [told - sides[0], told + sides[1]]
        return {
            "inputs": {s: float(v[0]) for s, v in one.inputs.items()},
            "first": float(one.forecast[0]),
            "second": float(other.forecast[0]),
            "difference": told,
            "interval": interval,
            "p_better": None if sides is None else self._probability(told, sides),
            "extrapolation": {
                s: max(float(v[0]), float(other.extrapolation.get(s, v)[0]))
                for s, v in one.extrapolation.items()
            },
        }

    def _refuse_nothing(self, *told: Prediction) -> None:
        """Refuse a point at which a fit forecasts no number, such as a loss below nought."""
        for fit, one in zip((self.first, self.second), told, strict=True):
            if not np.isfinite(one.forecast[0]):
                at = ", ".join(f"{s} = {v[0]:g}" for s, v in one.inputs.items())
                raise UsageError(
                    f"{name_of(fit.law)} forecasts no {fit.target} at {at}, far beyond its runs.",
                    hint="Compare nearer to the runs.",
                )

    def _alike(self) -> tuple[Fit, Fit]:
        """Return fits that forecast with the same laws: where they do not, each with its own."""
        beside = [
            {type(b.law): b.weight for b in getattr(fit.uncertainty, "beside", ())}
            for fit in (self.first, self.second)
        ]
        if beside[0] == beside[1]:
            return self.first, self.second
        return self.first.alone(), self.second.alone()

    def _sides(self, point: Mapping[str, float], one: Prediction, other: Prediction) -> Ends | None:
        """Return how far the difference may lie below and above.

        Draws of both laws, and a share of how far the laws of a forecast part in the difference:
        where all laws err alike, it stays.
        """
        if self.drawn is None:
            return None
        own, drawn = (self._difference(laws, point) for laws in (self.laws, self.drawn))
        low, high = central(np.ravel(drawn), self.level)
        shared = [
            other.members[name][0][0] - values[0]
            for name, (values, weights) in one.members.items()
            if name in other.members and weights[0] > 0 and other.members[name][1][0] > 0
        ]
        apart = np.ptp(shared) * SPREAD * quantile(self.level) / NORMAL_90 if shared else 0.0
        below, above = max(0.0, float(own) - low), max(0.0, high - float(own))
        return float(np.hypot(below, apart)), float(np.hypot(above, apart))

    def _difference(self, laws: tuple[Law, Law], point: Mapping[str, float]) -> np.ndarray:
        return self._gap(*(np.asarray(law(**point), float) for law in laws))

    def _gap(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the second's target less the first's, from what was fitted of each."""
        gap = self._less(1, other) - self._less(0, one)
        return -gap if self.rises else gap

    @property
    def rises(self) -> bool:
        """Whether more is better."""
        return self.first.turned is not None and self.first.turned.sign < 0

    def _probability(self, difference: float, sides: Ends) -> float:
        """Return how likely the second is the better one, by the side on which zero lies."""
        gain = difference if self.rises else -difference
        sd = sides[int(difference < 0)] / quantile(self.level)
        return NormalDist().cdf(gain / sd) if sd > 0 else (1 + float(np.sign(gain))) / 2

    # ---- by how much

    def multiplier(self, x: float) -> dict[str, Any]:
        """Return how many times as much of the axis the first needs to be where the second is."""
        return {"axis": self.axis, "at": x, **self._told(lambda laws: self._saved(laws, x))}

    def _saved(self, laws: tuple[Law, Law], x: float) -> np.ndarray:
        goal = self.frontiers(laws, np.array(x))[1]
        return reached(lambda moved: self.frontiers(laws, x * np.exp(moved))[0], goal)

    def data_multiplier(self, point: Mapping[str, float]) -> dict[str, Any]:
        """Return how many times the data the first needs at the second's size and loss."""
        data = self._size_and_data[1]
        told = self._told(lambda laws: self._saved_data(laws, point))
        return {"axis": data, "at": point[data], **told}

    @property
    def _size_and_data(self) -> tuple[str, str]:
        return self.first.law.size_and_data() or ("", "")

    def _saved_data(self, laws: tuple[Law, Law], point: Mapping[str, float]) -> np.ndarray:
        data = self._size_and_data[1]
        goal = self._less(1, np.asarray(laws[1](**point), float))

        def first(moved: np.ndarray) -> np.ndarray:
            more = {**point, data: point[data] * np.exp(moved)}
            return self._less(0, np.asarray(laws[0](**more)))

        return reached(first, goal)

    def _told(self, of: Callable[[tuple[Law, Law]], np.ndarray]) -> dict[str, Any]:
        """Return a multiplier with its range, from its logarithms; infinite: never."""
        own, ends = float(of(self.laws)), None
        if self.drawn is not None:
            ends = [_finite(np.exp(end)) for end in central_about(own, of(self.drawn), self.level)]
        return {"value": _finite(np.exp(own)), "interval": ends}

    def trend(self, low: float, high: float) -> dict[str, Any] | None:
        """Return the exponent with which the multiplier goes between two places of the axis."""
        return self._trend(self.axis, low, high, self._saved, (low, high))

    def data_trend(self, points: Sequence[Mapping[str, float]]) -> dict[str, Any] | None:
        """Return the same of the multiplier of data with size, between two points.

        None where no two sizes are asked for.
        """
        size = self._size_and_data[0]
        ends = [extreme(points, key=lambda point: point[size]) for extreme in (min, max)]
        low, high = (point[size] for point in ends)
        return self._trend(size, low, high, self._saved_data, ends) if low < high else None

    def _trend(
        self,
        symbol: str,
        low: float,
        high: float,
        saved: Callable[[tuple[Law, Law], Any], np.ndarray],
        places: Sequence[Any],
    ) -> dict[str, Any] | None:
        def slope(laws: tuple[Law, Law]) -> np.ndarray:
            ends = [saved(laws, place) for place in places]
            with np.errstate(invalid="ignore"):
                return (ends[1] - ends[0]) / np.log(high / low)

        own = float(slope(self.laws))
        if not np.isfinite(own):
            return None
        drawn = None if self.drawn is None else slope(self.drawn)
        ends = None if drawn is None else central_about(own, drawn[np.isfinite(drawn)], self.level)
        between = [low, high]
        return {
            "exponent": own,
            "interval": ends and list(ends),
            "between": between,
            "with": symbol,
        }

    # ---- until where

    def crossing(self) -> dict[str, Any] | None:
        """Return where the one ahead is overtaken, up to a million times beyond the data.

        None where nothing is said of the data.
        """
        span = self.span()
        if span is None:
            return None
        low, high = span
        x = np.exp(np.linspace(np.log(low), np.log(REACH * high), PLACES))
        own, after, again = self._crossed(self.laws, x)
        told = {
            "axis": self.axis,
            "value": _finite(float(own)),
            "ahead_after": _ahead(float(after)),
            "again": _finite(float(again)),
        }
        if self.drawn is None:
            return {**told, "interval": None, "share": None}
        every, _, _ = self._crossed(self.drawn, x)
        ends = central_about(float(np.log(own)), np.log(every), self.level)
        return {
            **told,
            "interval": [_finite(np.exp(end)) for end in ends],
            "share": float(np.mean(np.isfinite(every))),
        }

    def _crossed(self, laws: tuple[Law, Law], x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return where the difference first changes sign, what it is then, where it does again.

        Infinite where it does not; what it is: at the end, if it never changes.
        """
        places = x.reshape(-1, *[1] * np.ndim(next(iter(laws[0].values().values()))))
        one, other = self.frontiers(laws, places)
        gap = other - one
        changes = np.sign(gap[1:]) * np.sign(gap[:-1]) < 0
        which = np.cumsum(changes, axis=0)
        first, again = (_zero(x, gap, changes & (which == i)) for i in (1, 2))
        behind = np.take_along_axis(gap, np.argmax(changes, axis=0)[None] + 1, axis=0)[0]
        return first, np.where(changes.any(axis=0), behind, gap[-1]), again

    def span(self) -> Ends | None:
        """Return from where on both fits have runs, and the largest of either; None if unsaid."""
        known = (fit.data.get("ranges", {}).get(self.axis) for fit in (self.first, self.second))
        ranges = [r for r in known if r]
        return (max(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None

    def scales(self) -> list[float]:
        """Return where multipliers are told: within the runs, at the largest, beyond it.

        Raises
        ------
        UsageError
            If neither fit says where its runs are.
        """
        span = self.span()
        if span is None:
            raise UsageError(
                "these fits do not say where their runs are.", hint="Give --compute or a point."
            )
        low, high = span
        return [float(np.sqrt(low * high)), float(high), float(BEYOND * high)]

    # ---- what moved, and the runs themselves

    def moved(self) -> list[dict[str, Any]]:
        """Return the parameters of both, amplitudes as the term that they make amid the runs.

        Empty where what was fitted is not the same of both: their floors are not of one scale.
        """
        if self.first.turned != self.second.turned:
            return []
        own = [name for name in self.first.law.parameters() if name not in self.shared]
        return [self._moved(name) for name in own]

    def factors(self) -> list[dict[str, Any]]:
        """Return what one parameter, or token, of the second counts for in the first.

        Empty where their exponents are not in common.
        """
        declared = self.first.law.parameters().values()
        powers = {a.exponent for p in declared for a in p.absorbs if a.exponent}
        if not powers or not powers <= set(self.shared):
            return []
        own, drawn = factors(*self.laws), {}
        if self.drawn is not None:
            drawn = {s: list(central(v, self.level)) for s, v in factors(*self.drawn).items()}
        return [{"input": s, "value": float(v), "interval": drawn.get(s)} for s, v in own.items()]

    def _moved(self, name: str) -> dict[str, Any]:
        absorbed = self.first.law.parameters()[name].absorbs
        ranges = self.first.data.get("ranges", {})
        powers = [
            (a.input, a.exponent, a.times)
            for a in absorbed
            if a.exponent and not a.inverse and a.input in ranges
        ]

        def of(law: Law) -> np.ndarray:
            value = np.asarray(getattr(law, name), float)
            for symbol, exponent, times in powers:
                low, high = ranges[symbol]
                value = value * np.sqrt(low * high) ** (-times * np.asarray(getattr(law, exponent)))
            return value

        one, other = (float(of(law)) for law in self.laws)
        ends = None
        if self.drawn is not None:
            ends = central_about(other - one, of(self.drawn[1]) - of(self.drawn[0]), self.level)
        return {
            "parameter": name,
            "as": "term amid the runs" if powers else "value",
            "first": one,
            "second": other,
            "interval": ends and list(ends),
            "moved": None if ends is None else not ends[0] <= 0 <= ends[1],
        }

    def paired(self) -> dict[str, Any] | None:
        """Return the mean difference of runs of equal inputs; None below three such pairs."""
        if not all(fit.data.get("points") for fit in (self.first, self.second)):
            return None
        one, other = self.first.points(), self.second.points()
        symbols = list(self.first.law.inputs())
        places = [np.stack([np.log(p.inputs[s]) for s in symbols], axis=1) for p in (one, other)]
        pairs = _pairs(*places)
        if len(pairs) < FEWEST_PAIRS:
            return None
        first, second = np.array(pairs).T
        gaps = self._gap(one.output[first], other.output[second])
        mean, half = float(gaps.mean()), quantile(self.level, len(gaps) - 1)
        half *= float(gaps.std(ddof=1)) / np.sqrt(len(gaps))
        return {"n": len(gaps), "difference": mean, "interval": [mean - half, mean + half]}


def _pairs(one: np.ndarray, other: np.ndarray) -> list[tuple[int, int]]:
    """Return rows of two tables that are equal, each used once."""
    free, pairs = set(range(len(other))), []
    for i, row in enumerate(one):
        j = next((j for j in sorted(free) if np.allclose(other[j], row, rtol=0, atol=SAME)), None)
        if j is not None:
            free.discard(j)
            pairs.append((i, j))
    return pairs


def _zero(x: np.ndarray, gap: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return where a gap is nought between the places of a change; infinite without one."""
    ever, i = change.any(axis=0), np.argmax(change, axis=0)
    before, behind = (np.take_along_axis(gap, j[None], axis=0)[0] for j in (i, i + 1))
    share = np.divide(before, before - behind, out=np.ones_like(before), where=ever)
    return np.where(ever, np.exp(np.log(x)[i] + share * np.log(x[1] / x[0])), np.inf)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _ahead(gap: float) -> str | None:
    """Return who is ahead where the second's loss is so far above the first's."""
    return None if np.isnan(gap) or not gap else "second" if gap < 0 else "first"
