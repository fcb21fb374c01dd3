"""A prediction and its two intervals, from stored draws, with NumPy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._record import pair
from scaling_cli.artefacts._split import Split
from scaling_cli.laws._law import WHOLE, Law
from scaling_cli.numerics.mestimate import NORMAL_90
from scaling_cli.numerics.quantiles import central, quantile
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import stamped
from scaling_cli.vocabulary.objective import Turned
from scaling_cli.vocabulary.quantities import C, Quantity, parse_number, recognised
from scaling_cli.vocabulary.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

# Quantiles of the normal that stand for a new run's noise in each draw. Every draw takes its own
# offset (golden-ratio steps), so that all draws together fill the distribution evenly, and
# predict needs no random generator.
NOISE_STRATA = 16
_GOLDEN = 0.6180339887498949
# Sd of ln output per decade, and share of the distance between laws: of a mean of laws, of one law
# beside another, of one law by itself.
DRIFT, SPREAD = 0.018, 0.36
DRIFT_ALONE, SPREAD_ALONE = 0.0234, 0.53
DRIFT_BARE = 0.037
TOKENS = 1.5  # a decade of data costs as much as so many of compute
APART = 0.5  # in ln output: a law further from the median of three or more says nothing there
AGREE = 0.01  # size, data and compute may differ from the law's count by rounding, not by more
USEFUL = 0.10  # a half-width above this decides nothing


@dataclass(frozen=True)
class Beside:
    """Another law fitted to the same runs."""

    law: Law
    weight: float
    """Its share of the centre, where the fitted law has 1; 0: it counts in the width alone."""


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What intervals are made of: draws, noise, other laws, and a drift beyond the data.

    Parameters
    ----------
    method : str
        One line for people.
    tested : bool
        False where no backtest was possible: intervals are then labelled UNTESTED.
    drift : float
        Sd of ln output per decade beyond the data.
    spread : float
        Share of the distance between the laws that a side of 90 % holds.
    widening : float
        Factor of every side: above 1 where no floor of the output could be fitted.
    largest : mapping of str to float
        Largest values in the data that decades are counted from: of the law's axis and, where it
        has a size and data, of the data and of their ratio (`C`, `D`, `D/N`); and of the inverse
        of each (`1/(C)`), for what lies below.
    beside : sequence of Beside
    sigma : array, shape (draws,)
        Noise of a single run belonging to each draw, in ln output.
    draws : mapping of parameter to array, shape (draws,)
        Joint draws of the parameters (weak-prior parametric bootstrap).
    """

    method: str
    tested: bool
    drift: float
    spread: float = 0.0
    widening: float = 1.0
    largest: Mapping[str, float]
    beside: Sequence[Beside] = ()
    sigma: np.ndarray
    draws: Mapping[str, np.ndarray]

    def alone(self, law: type[Law]) -> "Uncertainty":
        """Return the same about the fitted law alone: one other law says how wide it is."""
        others = [Beside(b.law, 0.0) for b in self.beside if has_floor(b.law) != has_floor(law)]
        drift, spread = recipe(others[:1])
        return replace(self, drift=drift, spread=spread, beside=others[:1])


def has_floor(law: Law | type[Law]) -> bool:
    """Say whether a law declares a floor of its output."""
    return law.floor() is not None


def recipe(beside: Sequence[Beside]) -> tuple[float, float]:
    """Return drift and spread of a law with others beside it (benchmarks/coverage.py).

    Chosen on real tables for a mean of several laws, for one law with another to measure its
    distance from, and for one law without any.
    """
    if not beside:
        return DRIFT_BARE, 0.0
    return (DRIFT, SPREAD) if any(b.weight for b in beside) else (DRIFT_ALONE, SPREAD_ALONE)


@dataclass(frozen=True, repr=False)
class Prediction(Shown):
    """The law's value at points, with two kinds of interval. Arrays have shape (points,).

    `mean` is where the law's curve lies; `new_run` is where one more run would land.
    """

    report = "prediction"

    inputs: Mapping[str, np.ndarray]
    output: str
    value: np.ndarray
    """Of the fitted law alone."""
    forecast: np.ndarray
    """The number to plan with, in the middle of intervals: the mean of several laws."""
    level: float
    mean: tuple[np.ndarray, np.ndarray] | None
    new_run: tuple[np.ndarray, np.ndarray] | None
    extrapolation: Mapping[str, np.ndarray]
    parts: Mapping[str, np.ndarray]
    """Half-widths in ln output at this level: parameters, noise, drift, laws."""
    members: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Of every law that centre or width rest on, by name: its values, and their weights in the
    centre."""
    notes: tuple[str, ...] = ()
    measured: tuple[float | None, ...] = ()
    """What was measured at the points, for comparison; empty where nothing was."""
    made_by: Mapping[str, Any] = field(default_factory=dict)
    """Of the fit: its name and law, how its intervals were tested, and what warns of them here."""
    spent: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Compute, of a law that has a size and data, by symbol."""
    linear: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Fitted ranges of inputs that may be zero: no factor says how far beyond one lies."""
    column: str = "loss"
    """Name of the output in tables."""
    unasked: str = ""
    """Which fit answered, where none was named, in words."""
    turned: Turned | None = None
    """What was fitted of the output, where it is not the output itself."""
    shares: str = ""
    """What errors and half-widths are shares of where the output has no zero that means nothing:
    what was fitted of it."""
    splits: tuple[Split, ...] = ()
    """Of each point where compute alone was given: how sure its best split is."""
    through: "Prediction | None" = None
    """Of the loss that this was made of, where a law of tasks was chained after a law of it."""

    def __repr__(self) -> str:
        """Return one line: the first point and how many follow."""
        at = ", ".join(f"{symbol}={values[0]:g}" for symbol, values in self.inputs.items())
        at += f", by {self.made_by['fit']}" if self.made_by.get("fit") else ""
        more = f"; and {len(self.value) - 1} more" if len(self.value) > 1 else ""
        if self.new_run is None:
            return f"<Prediction {self.output} = {self.forecast[0]:.4f} at {at}, no interval{more}>"
        low, high = (float(end[0]) for end in self.new_run)
        return (
            f"<Prediction {self.output} = {self.forecast[0]:.4f} [{low:.4f}, {high:.4f}] at {at}, "
            f"{100 * self.level:g} % of new runs{more}>"
        )

    def error(self, i: int, measured: float) -> float:
        """Return forecast over measured, minus one, at a point."""
        forecast = float(self.forecast[i])
        if self.turned is not None and self.shares:
            forecast, measured = self.turned.forth(forecast), self.turned.forth(measured)
        return forecast / measured - 1

    def is_inside(self, i: int, measured: float) -> bool | None:
        """Say whether a measured value lies in the new-run interval; None without intervals."""
        if self.new_run is None:
            return None
        low, high = self.new_run
        return bool(low[i] <= measured <= high[i])

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling predict --json` prints."""
        points = [point | self._judgement(i) for i, point in enumerate(self.to_dicts())]
        return stamped({**self.made_by, "notes": list(self.notes), "predictions": points})

    def half_widths(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return half the widths of `mean` and `new_run` in ln output; None without intervals.

        As the parts, whose quadrature they are. Of a target that something else was fitted of: as
        shares of the forecast, or of what `shares` says.
        """
        if self.mean is None or self.new_run is None:
            return None
        if self.turned is not None:
            size = 2 * np.abs(self.turned.forth(self.forecast) if self.shares else self.forecast)
            mean, new_run = ((high - low) / size for low, high in (self.mean, self.new_run))
            return mean, new_run
        with np.errstate(divide="ignore"):  # a range that goes down to nought is endless in ln
            mean, new_run = (np.log(high / low) / 2 for low, high in (self.mean, self.new_run))
        return mean, new_run

    def turned_back(self, turned: Turned, known: Sequence[float]) -> "Prediction":
        """Return the prediction of a target of which something else was fitted.

        A target that lies on both sides of zero, here or where it is known, has no zero that
        shares could be told from.
        """
        forecast = turned.back(self.forecast)
        every = np.sign([*known, *forecast])
        has_zero = bool(every[0] and np.all(every == every[0]))
        share = np.abs(self.forecast / forecast) if has_zero else 1.0  # of what was fitted, in it
        return replace(
            self,
            value=turned.back(self.value),
            forecast=forecast,
            mean=self.mean and turned.ends(self.mean),
            new_run=self.new_run and turned.ends(self.new_run),
            parts={name: part * share for name, part in self.parts.items()},
            members={name: (turned.back(v), w) for name, (v, w) in self.members.items()},
            turned=turned,
            shares="" if has_zero else str(turned),
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one JSON object per point."""
        return [self._point(i) for i in range(len(self.value))]

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with one row per point: inputs, value, forecast and intervals."""
        import pandas as pd  # late: predicting alone does not need it

        columns = {**self.inputs, self.output: self.value, "forecast": self.forecast}
        for name, interval in (("mean", self.mean), ("new_run", self.new_run)):
            if interval is not None:
                columns |= {f"{name}_low": interval[0], f"{name}_high": interval[1]}
        return pd.DataFrame(columns)

    def _point(self, i: int) -> dict[str, Any]:
        return {
            "inputs": {s: float(v[i]) for s, v in self.inputs.items()},
            "output": self.output,
            "value": float(self.value[i]),
            "forecast": float(self.forecast[i]),
            "level": self.level,
            "mean": pair(self.mean, i),
            "new_run": pair(self.new_run, i),
            "extrapolation": {s: float(v[i]) for s, v in self.extrapolation.items()},
            "parts": {s: float(v[i]) for s, v in self.parts.items()},
            "laws": [
                {"law": name, "value": float(values[i]), "weight": float(weights[i])}
                for name, (values, weights) in self.members.items()
            ],
            **({"optimum": self.splits[i].to_record()} if self.splits else {}),
            **({} if self.through is None else {"through": _told(self.through, i)}),
        }

    def _judgement(self, i: int) -> dict[str, Any]:
        """Return whether a point's interval is of use, and how far off what was measured is."""
        widths, measured = self.half_widths(), self.measured[i] if self.measured else None
        width = None if widths is None else float(widths[1][i])
        judged = {"half_width": width, "useful": None if width is None else width <= USEFUL}
        if measured is None:
            return judged
        error, inside = self.error(i, measured), self.is_inside(i, measured)
        return judged | {"measured": measured, "error": error, "inside": inside}


def _told(through: Prediction, i: int) -> dict[str, Any]:
    """Return what a prediction was made of, at a point."""
    return {
        "output": through.output,
        "value": float(through.value[i]),
        "forecast": float(through.forecast[i]),
        "mean": pair(through.mean, i),
        "new_run": pair(through.new_run, i),
    }


def completed(law: Law, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a law's inputs by symbol, what is missing worked out from the compute.

    With size or data, C gives the other by the law's count of compute; alone, its own optimum.

    Raises
    ------
    UsageError
        If a quantity is given twice, or what is given contradicts itself or says too little.
    """
    given, spent = by_symbol(taken(law), inputs), law.size_and_data() or ()
    if C.symbol not in given or C.symbol in law.inputs():
        return given
    known = {s: _floats(v) for s, v in given.items()}
    compute = known.pop(C.symbol)
    there = [s for s in spent if s in known]
    if len(there) == 1:
        return law.spending(compute, **known)
    if there:
        _refuse_contradiction(law, known, compute)
        return known
    best = law.optimum(compute, **known) if set(known) <= set(law.inputs()) else None
    if best is None and (spent or not known):
        raise UsageError(
            f"this law has no compute-optimal point, so {C.symbol} alone says too little.",
            hint=f"Give its inputs: {', '.join(law.inputs())}.",
        )
    return best or given


def _floats(value: Any) -> Any:
    """Return numbers; one alone as Python's, whose powers are those of every other caller."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value, float)


def taken(law: Law) -> dict[str, Quantity]:
    """Return what a law can be asked with: its inputs, and compute."""
    return {C.symbol: C, **law.inputs()}


def _refuse_contradiction(law: Law, known: Mapping[str, Any], spent: Any) -> None:
    """Refuse size, data and compute of which two say something else of the third."""
    counted, compute = np.broadcast_arrays(np.asarray(law.compute(**known), float), spent)
    apart = ~np.isclose(counted, compute, rtol=AGREE, atol=0.0)
    if not np.any(apart):
        return
    both, first = law.size_and_data() or (), np.flatnonzero(apart)[0]
    values = (np.broadcast_to(known[s], counted.shape).flat[first] for s in both)
    typed = ", ".join(f"{s} = {value:g}" for s, value in zip(both, values, strict=True))
    raise UsageError(
        f"{typed} and {C.symbol} = {compute.flat[first]:g} contradict "
        f"{law.compute_in_words()} = {counted.flat[first]:g}.",
        hint=f"Give two of {', '.join(both)} and {C.symbol}.",
    )


def by_symbol(known: Mapping[str, Quantity], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given by the symbols of known quantities, texts as numbers.

    Raises
    ------
    UsageError
        If a quantity is given twice, or a text cannot be read.
    """
    given: dict[str, Any] = {}
    for name, value in inputs.items():
        # A letter is the symbol that it is: n is no N.
        quantity = known.get(name) if len(name) == 1 else recognised(name, known.values())
        symbol = quantity.symbol if quantity else name
        if symbol in given:
            raise UsageError(f"{symbol} is given twice.")
        given[symbol] = _number(value, quantity)
    _refuse_lengths(given)
    return given


def _refuse_lengths(given: Mapping[str, Any]) -> None:
    """Refuse as many of one quantity as do not fit those of another."""
    try:
        np.broadcast_shapes(*map(np.shape, given.values()))
    except ValueError:
        told = ", ".join(f"{symbol} has {np.size(values)}" for symbol, values in given.items())
        raise UsageError(
            f"these cannot be points together: {told}.", hint="Give as many of each, or one."
        ) from None


def _number(value: Any, quantity: Quantity | None) -> Any:
    if isinstance(value, list | tuple):
        return [_number(item, quantity) for item in value]
    return parse_number(value, quantity) if isinstance(value, str) else value


def read_inputs(law: Law | type[Law], inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the law's inputs as float64 arrays of one common shape (points,).

    Raises
    ------
    UsageError
        If an input is missing, unknown or outside its domain, or shares do not sum to one.
    """
    declared = law.inputs()
    missing = [s for s in declared if s not in inputs]
    unknown = [s for s in inputs if s not in declared]
    if missing or unknown:
        wrong = [f"missing {', '.join(missing)}"] if missing else []
        wrong += [f"unknown {', '.join(unknown)}"] if unknown else []
        raise UsageError(
            f"law {laws.name_of(law)} takes {', '.join(declared)}: {'; '.join(wrong)}."
        )
    columns = {}
    for symbol, quantity in declared.items():
        given = inputs[symbol]
        value = parse_number(given, quantity) if isinstance(given, str) else given
        column = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if not np.all(quantity.domain.holds(column)):
            raise UsageError(
                f"{symbol} ({quantity.meaning}) must be {quantity.domain.rule}, got {given!r}."
            )
        columns[symbol] = column
    total = law.total(columns)
    if np.any(np.abs(total - 1) > WHOLE):
        worst = float(total[np.argmax(np.abs(total - 1))])
        raise UsageError(f"{', '.join(law.shares())} must sum to one, not to {worst:.4g}.")
    _refuse_lengths(columns)
    shaped = np.broadcast_arrays(*columns.values())
    return {s: np.array(v).ravel() for s, v in zip(columns, shaped, strict=True)}


def strata(draws: int) -> np.ndarray:
    """Return quantiles of the standard normal, NOISE_STRATA for each of some draws, as rows."""
    return _strata(draws).reshape(draws, NOISE_STRATA)


def noise(sigma: np.ndarray) -> np.ndarray:
    """Return stratified normal noise of sd `sigma` (draws,), shape (draws * NOISE_STRATA,)."""
    return np.repeat(sigma, NOISE_STRATA) * _strata(len(sigma))


@lru_cache(maxsize=4)
def _strata(draws: int) -> np.ndarray:
    """Return quantiles of the standard normal, NOISE_STRATA for each of some draws."""
    offset = (np.arange(1, draws + 1) * _GOLDEN) % 1.0
    shares = (np.arange(NOISE_STRATA) + offset[:, None]) / NOISE_STRATA
    normal = NormalDist()
    return np.array([normal.inv_cdf(p) for p in shares.ravel().tolist()])


def scatter(sigma: np.ndarray, level: float) -> tuple[float, float]:
    """Return how far a run's noise reaches below and above the curve, in ln output."""
    low, high = central(noise(sigma), level)
    return -low, high


def decades(
    law: Law | type[Law], inputs: Mapping[str, np.ndarray], largest: Mapping[str, float]
) -> np.ndarray:
    """Return how many decades points lie beyond the data, shape (points,): the farthest counts.

    Along the law's axis, in data, each of whose decades counts for more, and in the ratio of data
    to size; below the smallest values as above the largest.
    """
    spent = law.size_and_data()
    worth = {spent[1]: TOKENS} if spent else {}
    with np.errstate(divide="ignore"):  # inputs so small that their product is zero
        away = [
            worth.get(symbol, 1.0) * np.log10(values / largest[symbol])
            for symbol, values in _reached(law, inputs).items()
            if symbol in largest
        ]
    return np.max([np.zeros(len(next(iter(inputs.values())))), *away], axis=0)


def ratio(law: Law | type[Law]) -> str:
    """Return what the ratio of a law's data to its size is called: `D/N`."""
    return "/".join(reversed(law.size_and_data() or ()))


def edges(law: type[Law], inputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the largest values of fitted points that decades are counted from."""
    return {symbol: float(np.max(values)) for symbol, values in _reached(law, inputs).items()}


def _reached(law: Law | type[Law], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what distance is counted in, by name; `1/C` and so on grow towards small runs."""
    upwards = {law.axis(): law.along(inputs)} if law.axis() else {}
    if spent := law.size_and_data():
        size, data = (np.asarray(inputs[s], float) for s in spent)
        upwards |= {spent[1]: data, ratio(law): data / size}
    with np.errstate(divide="ignore"):
        return upwards | {f"1/({symbol})": 1 / values for symbol, values in upwards.items()}


@dataclass(frozen=True)
class Middle:
    """What several laws forecast together at points; arrays of shape (points,), in ln output."""

    centre: np.ndarray
    spread: np.ndarray
    """Distance between the lowest and the highest of the laws."""
    weights: np.ndarray
    """Of each law, shape (laws, points): they sum to one; zero for what was left out."""


def middle(logs: np.ndarray, weights: np.ndarray) -> Middle:
    """Return the mean of laws' forecasts, and how far they part.

    A law that has no finite forecast, or one far from the median of three or more, is left out.

    Parameters
    ----------
    logs : array, shape (laws, points)
        Ln of what each forecasts, the fitted law first.
    weights : array, shape (laws,)
    """
    finite = np.isfinite(logs)
    some, median = finite.any(axis=0), np.full(logs.shape[1], np.nan)
    median[some] = np.nanmedian(np.where(finite, logs, np.nan)[:, some], axis=0)
    with np.errstate(invalid="ignore"):
        away = np.abs(logs - median)
    crowd = np.sum(finite, axis=0) > 2
    kept = finite & ((away <= APART) | ~crowd)
    shares = np.where(kept, weights[:, None], 0.0)
    with np.errstate(invalid="ignore"):  # where no law has a forecast
        shares = shares / np.sum(shares, axis=0)
    inside = np.where(kept, logs, 0.0)
    centre = np.sum(shares * inside, axis=0)
    highest, lowest = (np.where(kept, logs, end) for end in (-np.inf, np.inf))
    apart = np.max(highest, axis=0) - np.min(lowest, axis=0)
    return Middle(centre, np.where(np.any(kept, axis=0), apart, np.nan), shares)


@dataclass(frozen=True)
class Band:
    """The number to plan with at points, its intervals, and what they are made of."""

    forecast: np.ndarray
    mean: tuple[np.ndarray, np.ndarray]
    new_run: tuple[np.ndarray, np.ndarray]
    parts: Mapping[str, np.ndarray]
    members: Mapping[str, tuple[np.ndarray, np.ndarray]]


def band(law: Law, sure: Uncertainty, inputs: Mapping[str, np.ndarray], level: float) -> Band:
    """Return forecast and intervals at points, inputs of shape (points,).

    In ln output, each side is the quadrature of how far the draws reach from the law to that side,
    of the drift over the decades beyond the data, and of a share of the distance between the laws;
    both are laid about the middle of the laws. A new run's sides hold its own noise as well.
    """
    every = [law, *(b.law for b in sure.beside)]
    with np.errstate(all="ignore"):  # a law may leave the doubles far out: it is then left out
        values = np.stack([np.broadcast_to(_told_by(one, inputs), _shape(inputs)) for one in every])
        logs = np.log(np.asarray(values, float))
    about = middle(logs, np.array([1.0, *(b.weight for b in sure.beside)]))
    drawn = _sides(law, sure.draws, inputs, logs[0], level)
    z = quantile(level)
    drift = z * sure.drift * decades(law, inputs, sure.largest)
    apart = z / NORMAL_90 * sure.spread * about.spread
    wide, far = sure.widening, np.hypot(drift, apart)
    below, above = (np.hypot(side, far) for side in drawn)
    scattered = scatter(sure.sigma, level)
    rms = float(np.sqrt(np.mean(sure.sigma**2)))
    names = [laws.name_of(one) for one in every]
    return Band(
        forecast=np.exp(about.centre),
        mean=_about(about.centre, wide * below, wide * above),
        new_run=_about(
            about.centre,
            wide * np.hypot(below, scattered[0]),
            wide * np.hypot(above, scattered[1]),
        ),
        parts={
            "parameters": wide * (drawn[0] + drawn[1]) / 2,
            "noise": np.full(len(drift), wide * z * rms),
            "drift": wide * drift,
            "laws": wide * apart,
        },
        members=dict(zip(names, zip(values, about.weights, strict=True), strict=True)),
    )


def _told_by(law: Law, inputs: Mapping[str, np.ndarray]) -> Any:
    """Return a law's output: one beside another may take fewer inputs."""
    return law(**{symbol: inputs[symbol] for symbol in law.inputs()})


def _shape(inputs: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    return np.shape(next(iter(inputs.values())))


def _about(
    centre: np.ndarray, below: np.ndarray, above: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return np.exp(centre - below), np.exp(centre + above)


def _sides(
    law: Law,
    draws: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
    log_value: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the draws reach below and above the law, at least zero, shape (points,)."""
    columns = {s: v[:, None] for s, v in inputs.items()}
    drawn = type(law)(**{k: np.asarray(v)[None, :] for k, v in draws.items()})
    count = len(next(iter(draws.values())))
    with np.errstate(divide="ignore", invalid="ignore"):  # what no output can be is the lowest
        log_draws = np.log(np.maximum(np.asarray(drawn(**columns), dtype=float), 0.0))
    log_draws = np.broadcast_to(log_draws, (len(log_value), count))
    with np.errstate(invalid="ignore"):  # between draws of minus infinity lies no other
        ends = np.quantile(log_draws, [(1 - level) / 2, (1 + level) / 2], axis=1)
    none = np.isneginf(log_draws).any(axis=1) & np.isnan(ends)
    low, high = np.where(none, -np.inf, ends)
    return np.maximum(0.0, log_value - low), np.maximum(0.0, high - log_value)
