"""A prediction and its two intervals, from stored draws, with NumPy alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._record import pair
from scaling_cli.artefacts._split import Split
from scaling_cli.laws._law import WHOLE, Law
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
AGREE = 0.01  # size, data and compute may differ from the law's count by rounding, not by more
USEFUL = 0.10  # a half-width above this decides nothing


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What intervals are made of: draws, noise, and the drift learned from backtests.

    Parameters
    ----------
    draws : mapping of parameter to array, shape (draws,)
        Joint draws of the parameters (weak-prior parametric bootstrap).
    sigma : array, shape (draws,)
        Noise of a single run belonging to each draw, in ln loss.
    drift : float
        Extra sd of ln loss per decade beyond the data, learned from backtests.
    axis : str
        Symbol of the scale axis that decades are counted on.
    axis_max : float
        Largest value of that axis in the data.
    tested : bool
        False where no backtest was possible: intervals are then labelled UNTESTED.
    method : str
        One line for people.
    companion : Law, optional
        A second law fitted to the same points: intervals are centred between the forecasts of
        the two. None where there is no such law, or too few points for it.
    """

    method: str
    tested: bool
    drift: float
    axis: str
    axis_max: float
    companion: Law | None = None
    sigma: np.ndarray
    draws: Mapping[str, np.ndarray]


@dataclass(frozen=True, repr=False)
class Prediction(Shown):
    """The law's value at points, with two kinds of interval. Arrays have shape (points,).

    `mean` is where the law's curve lies; `new_run` is where one more run would land.
    """

    inputs: Mapping[str, np.ndarray]
    output: str
    value: np.ndarray
    level: float
    mean: tuple[np.ndarray, np.ndarray] | None
    new_run: tuple[np.ndarray, np.ndarray] | None
    extrapolation: Mapping[str, np.ndarray]
    parts: Mapping[str, np.ndarray]
    """Half-widths in ln loss at this level: parameters, noise, drift."""
    companion: tuple[str, np.ndarray] | None = None
    """Name of the law that shares the centre of the intervals, and its values."""
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
    turned: Turned | None = None
    """What was fitted of the output, where it is not the output itself."""
    splits: tuple[Split, ...] = ()
    """Of each point where compute alone was given: how sure its best split is."""

    def __repr__(self) -> str:
        """Return one line: the first point and how many follow."""
        at = ", ".join(f"{symbol}={values[0]:g}" for symbol, values in self.inputs.items())
        at += f", by {self.made_by['fit']}" if self.made_by.get("fit") else ""
        more = f"; and {len(self.value) - 1} more" if len(self.value) > 1 else ""
        if self.new_run is None:
            return f"<Prediction {self.output} = {self.value[0]:.4f} at {at}, no interval{more}>"
        low, high = (float(end[0]) for end in self.new_run)
        return (
            f"<Prediction {self.output} = {self.value[0]:.4f} [{low:.4f}, {high:.4f}] at {at}, "
            f"{100 * self.level:g} % of new runs{more}>"
        )

    def error(self, i: int, measured: float) -> float:
        """Return predicted over measured, minus one, at a point."""
        return float(self.value[i]) / measured - 1

    def is_inside(self, i: int, measured: float) -> bool | None:
        """Say whether a measured value lies in the new-run interval; None without intervals."""
        if self.new_run is None:
            return None
        low, high = self.new_run
        return bool(low[i] <= measured <= high[i])

    def to_dict(self) -> dict[str, Any]:
        """Return what `scaling predict --json` prints."""
        points = [point | self._judgement(i) for i, point in enumerate(self.to_dicts())]
        return stamped({**self.made_by, "predictions": points})

    def half_widths(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return half the widths of `mean` and `new_run` in ln output; None without intervals.

        As the parts, whose quadrature they are. It does not depend on where in it the value lies.
        Of a target that something else was fitted of: as shares of the value.
        """
        if self.mean is None or self.new_run is None:
            return None
        if self.turned is not None:
            size = 2 * np.abs(self.value)
            mean, new_run = ((high - low) / size for low, high in (self.mean, self.new_run))
            return mean, new_run
        mean, new_run = (np.log(high / low) / 2 for low, high in (self.mean, self.new_run))
        return mean, new_run

    def turned_back(self, turned: Turned) -> "Prediction":
        """Return the prediction of a target of which something else was fitted."""
        value, beside = turned.back(self.value), self.companion
        share = np.abs(self.value / value)  # of what was fitted, in the target
        return replace(
            self,
            value=value,
            mean=self.mean and turned.ends(self.mean),
            new_run=self.new_run and turned.ends(self.new_run),
            parts={name: part * share for name, part in self.parts.items()},
            companion=beside and (beside[0], turned.back(beside[1])),
            turned=turned,
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one JSON object per point."""
        return [self._point(i) for i in range(len(self.value))]

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with one row per point: inputs, value and both intervals."""
        import pandas as pd  # late: predicting alone does not need it

        columns = {**self.inputs, self.output: self.value}
        for name, interval in (("mean", self.mean), ("new_run", self.new_run)):
            if interval is not None:
                columns |= {f"{name}_low": interval[0], f"{name}_high": interval[1]}
        return pd.DataFrame(columns)

    def _point(self, i: int) -> dict[str, Any]:
        beside = self.companion
        return {
            "inputs": {s: float(v[i]) for s, v in self.inputs.items()},
            "output": self.output,
            "value": float(self.value[i]),
            "level": self.level,
            "mean": pair(self.mean, i),
            "new_run": pair(self.new_run, i),
            "extrapolation": {s: float(v[i]) for s, v in self.extrapolation.items()},
            "parts": {s: float(v[i]) for s, v in self.parts.items()},
            "companion": beside and {"law": beside[0], "value": float(beside[1][i])},
            **({"optimum": self.splits[i].to_record()} if self.splits else {}),
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


def centred(
    log_value: np.ndarray, companion: Law | None, inputs: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return the mean of ln prediction and the companion's, shape (points,)."""
    if companion is None:
        return log_value
    return (log_value + np.log(np.asarray(companion(**inputs), float))) / 2


def noise(sigma: np.ndarray) -> np.ndarray:
    """Return stratified normal noise of sd `sigma` (draws,), shape (draws * NOISE_STRATA,)."""
    offset = (np.arange(1, len(sigma) + 1) * _GOLDEN) % 1.0
    shares = (np.arange(NOISE_STRATA) + offset[:, None]) / NOISE_STRATA
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf(p) for p in shares.ravel().tolist()])
    return np.repeat(sigma, NOISE_STRATA) * quantiles


def scatter(sigma: np.ndarray, level: float) -> tuple[float, float]:
    """Return how far a run's noise reaches below and above the curve, in ln loss."""
    low, high = central(noise(sigma), level)
    return -low, high


def intervals(
    law: Law,
    uncertainty: Uncertainty,
    inputs: Mapping[str, np.ndarray],
    value: np.ndarray,
    level: float,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    """Return the mean and new-run intervals and their parts, each of shape (points,).

    In ln loss: quantiles of the draws about the point give each side; the drift, normal with sd
    `drift` x decades beyond the data, is added in quadrature; both sides are laid about the
    centre of this law's forecast and the companion's, and stretched to hold the point where draws
    or centre lie to one side of it. A new run's sides are the mean's with the quantiles of its
    noise in quadrature: wherever the draws lie, a run scatters to both sides of the curve.
    """
    columns = {s: v[:, None] for s, v in inputs.items()}
    drawn = type(law)(**{k: np.asarray(v)[None, :] for k, v in uncertainty.draws.items()})
    log_value = np.log(value)
    log_draws = np.log(np.asarray(drawn(**columns), dtype=float))
    if log_draws.shape != (len(value), len(uncertainty.sigma)):
        log_draws = np.broadcast_to(log_draws, (len(value), len(uncertainty.sigma)))
    share = [(1 - level) / 2, (1 + level) / 2]
    decades = np.maximum(0.0, np.log10(law.along(inputs) / uncertainty.axis_max))
    z = quantile(level)
    drift = z * uncertainty.drift * decades
    centre = centred(log_value, uncertainty.companion, inputs)
    spread = np.quantile(log_draws, share, axis=1)
    below = np.maximum(np.hypot(np.maximum(0.0, log_value - spread[0]), drift), centre - log_value)
    above = np.maximum(np.hypot(np.maximum(0.0, spread[1] - log_value), drift), log_value - centre)
    parts = {
        "parameters": (spread[1] - spread[0]) / 2,
        "noise": np.full(len(value), z * float(np.sqrt(np.mean(uncertainty.sigma**2)))),
        "drift": drift,
    }
    lower, upper = scatter(uncertainty.sigma, level)
    mean = np.exp(centre - below), np.exp(centre + above)
    new_run = np.exp(centre - np.hypot(below, lower)), np.exp(centre + np.hypot(above, upper))
    return mean, new_run, parts
