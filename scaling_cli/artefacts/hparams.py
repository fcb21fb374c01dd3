"""A recipe: the learning-rate law and the batch law of one sweep, with joint draws.

Plain data like a Fit: it advises and is compared with NumPy alone. Draw i of one law belongs to
draw i of the other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import Prediction
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.quantities import B_TOKENS, LR

SEQUENCES = 64  # batches are shared out over devices: a multiple of this many sequences
AXES = ("lr", "batch_tokens")


@dataclass(frozen=True)
class Flatness:
    """How far from the optimum one may go: the mean curvature of the cells' valleys.

    Parameters
    ----------
    hessian : array, shape (k, k)
        Of ln loss over ln lr (and ln batch).
    per_compute : float or None
        d ln loss / d ln C of the cells' best losses, N and D growing alike; None where the cells
        do not tell.
    """

    hessian: np.ndarray
    per_compute: float | None

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Flatness":
        """Rebuild it; a valley that is no valley is refused."""
        hessian = np.array(record["hessian"], float)
        if hessian.shape not in ((1, 1), (2, 2)) or np.linalg.det(hessian) == 0:
            raise ValueError("valley.hessian is not one of a valley")
        return cls(hessian, record["per_compute"])

    def factors(self, excess: float) -> dict[str, float]:
        """Return by which factor each may be off, the others staying, for so much excess loss."""
        return _named(np.exp(np.sqrt(2 * excess / np.diag(self.hessian))))

    def retuned(self, excess: float) -> dict[str, float]:
        """Return the same factors where the other one is tuned again to it."""
        return _named(np.exp(np.sqrt(2 * excess * np.diag(np.linalg.inv(self.hessian)))))

    def rate_per_batch(self) -> float | None:
        """Return d ln lr / d ln batch along the valley's floor; None without a batch axis."""
        hessian = self.hessian
        return None if len(hessian) == 1 else float(-hessian[0, 1] / hessian[0, 0])

    def excess(self, offset: np.ndarray) -> float:
        """Return the share of loss that an offset in logarithms, shape (k,), costs."""
        return float(np.expm1(offset @ self.hessian @ offset / 2))

    def compute(self, excess: float) -> float | None:
        """Return the share of compute that so much excess loss is worth."""
        return None if self.per_compute is None else float(np.expm1(-excess / self.per_compute))


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(AXES, values.tolist(), strict=False))


@dataclass(frozen=True, repr=False)
class Recipe(Record):
    """Two laws and what the sweep behind them showed.

    Parameters
    ----------
    learning_rate : Fit
        Of a law whose output is a learning rate.
    batch : Fit or None
        Of a law whose output is a batch in tokens; None where the batch was not swept.
    flatness : Flatness or None
        The mean curvature of the valleys.
    cells : sequence of mapping
        The optimum of every usable cell, as JSON objects.
    notes : sequence of str
    """

    what = "a recipe for learning rate and batch"
    use = "scaling hparams --fit FILE --params N --tokens D"
    written_by = "scaling hparams SRC -o recipe.json"

    learning_rate: Fit
    batch: Fit | None = None
    flatness: Flatness | None = field(default=None, metadata={"key": "valley"})
    cells: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()

    def __repr__(self) -> str:
        """Return one line: what it is called, its laws, its cells."""
        told = " and ".join(laws.name_of(fit.law) for fit in self.fits().values())
        return f"<Recipe {self.name}: {told}; {len(self.cells)} cells>"

    def fits(self) -> dict[str, Fit]:
        """Return the fits by the symbol of their output: `lr`, and `B_tokens` if there is one."""
        both = {LR.symbol: self.learning_rate, B_TOKENS.symbol: self.batch}
        return {symbol: fit for symbol, fit in both.items() if fit is not None}

    @classmethod
    def of_fits(cls, fits: Sequence[Fit], *, name: str) -> "Recipe":
        """Pair a fit of a learning rate with one of a batch, where there is one."""
        by_output = {fit.law.output().symbol: fit for fit in fits}
        rate, batch = by_output[LR.symbol], by_output.get(B_TOKENS.symbol)
        valley = rate.origin.get("valley")
        flatness = None if valley is None else Flatness.of_record(valley)
        return cls(rate, batch, flatness, name=name)

    @classmethod
    def of(cls, other: Record, name: str) -> "Recipe | None":
        """Return the recipe without a batch that a fit of a learning rate is."""
        if isinstance(other, Fit) and other.law.output() is LR:
            return cls.of_fits([other], name=name)
        return None

    @classmethod
    def from_dict(cls, record: Any, *, file: str = "<recipe>") -> "Recipe":
        """Rebuild a recipe, called as its file is where it has no name; see `Record.from_dict`."""
        recipe = super().from_dict(record, file=file)
        return recipe if recipe.name else replace(recipe, name=file)


@dataclass(frozen=True)
class Advice:
    """What a recipe says for one model and one number of tokens.

    `learning_rate.new_run` and `batch.new_run` are where the optimum of such a run lies: the law's
    draws and the scatter of single optima about it.
    """

    N: float
    D: float
    level: float
    learning_rate: Prediction
    batch: Prediction | None
    correlation: float | None
    """Of ln lr and ln batch over the joint draws."""
    beyond: Mapping[str, float]
    """By which factor the request, or an answer, lies outside the sweep; 1 inside."""

    @property
    def steps(self) -> float | None:
        """Optimiser steps at this batch."""
        return None if self.batch is None else self.D / float(self.batch.value[0])

    def values(self) -> dict[str, float]:
        """Return the learning rate and the batch by symbol."""
        both = {LR.symbol: self.learning_rate, B_TOKENS.symbol: self.batch}
        return {s: float(made.value[0]) for s, made in both.items() if made is not None}

    def sequences(self, length: float | None) -> dict[str, Any] | None:
        """Return the batch in sequences of a length, and whole numbers of them near it."""
        if length is None or self.batch is None:
            return None
        told, batch = [], float(self.batch.value[0])
        for count in whole_batches(batch, length):
            tokens = count * length
            told.append({"sequences": count, "tokens": tokens, "steps": self.D / tokens})
        return {"length": length, "exact": batch / length, "whole": told}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "N": self.N,
            "D": self.D,
            "learning_rate": self.learning_rate.to_dicts()[0],
            "batch_tokens": None if self.batch is None else self.batch.to_dicts()[0],
            "correlation": self.correlation,
            "steps": self.steps,
            "beyond": dict(self.beyond),
        }


def advise(recipe: Recipe, N: float, D: float, *, level: float = 0.9) -> Advice:
    """Return the learning rate and batch of least loss for N parameters and D tokens.

    Raises
    ------
    UsageError
        If N or D is not positive and finite, or the level not between 0 and 1.
    """
    fits = recipe.fits()
    predicted = {s: fit.predict(level=level, **_inputs(fit, N, D)) for s, fit in fits.items()}
    beyond = {s: float(f[0]) for p in predicted.values() for s, f in p.extrapolation.items()}
    for symbol, fit in fits.items():
        swept = (fit.data.get("ranges") or {}).get(symbol)
        if swept:
            value, (low, high) = float(predicted[symbol].value[0]), swept
            beyond[symbol] = max(1.0, value / high, low / value)
    rate, batch = predicted[LR.symbol], predicted.get(B_TOKENS.symbol)
    return Advice(N, D, level, rate, batch, _correlation(recipe, N, D), beyond)


def _inputs(fit: Fit, N: float, D: float) -> dict[str, float]:
    return {s: v for s, v in (("N", N), ("D", D)) if s in fit.law.inputs()}


def log_draws(fit: Fit, N: float, D: float) -> np.ndarray | None:
    """Return draws of ln output at a point, shape (draws,); None for a fit without draws."""
    if fit.uncertainty is None:
        return None
    drawn = type(fit.law)(**{k: np.asarray(v) for k, v in fit.uncertainty.draws.items()})
    return np.log(np.asarray(drawn(**_inputs(fit, N, D)), float))


def _correlation(recipe: Recipe, N: float, D: float) -> float | None:
    each = [log_draws(fit, N, D) for fit in recipe.fits().values()]
    drawn = [draws for draws in each if draws is not None]
    if len(drawn) < 2 or len(drawn[0]) != len(drawn[1]):
        return None
    return float(np.corrcoef(drawn[0], drawn[1])[0, 1])


@dataclass(frozen=True)
class Difference:
    """How one recipe differs from another in one output at one point.

    Parameters
    ----------
    symbol : str
        `lr` or `B_tokens`.
    here, there : float
        What each says.
    sd : float or None
        Standard deviation of the difference of their logarithms over both sets of draws.
    """

    symbol: str
    here: float
    there: float
    sd: float | None

    @property
    def distance(self) -> float | None:
        """The difference of the logarithms in units of its standard deviation."""
        return None if not self.sd else abs(math.log(self.here / self.there)) / self.sd

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        head = {"output": self.symbol, "here": self.here, "there": self.there, "sd": self.sd}
        return {**head, "factor": self.here / self.there, "distance": self.distance}


def differences(recipe: Recipe, other: Recipe, N: float, D: float) -> list[Difference]:
    """Compare two recipes by what they say at a point, never by their coefficients."""
    pairs = {s: (fit, other.fits()[s]) for s, fit in recipe.fits().items() if s in other.fits()}
    result = []
    for symbol, pair in pairs.items():
        value, rival = (float(fit.law(**_inputs(fit, N, D))) for fit in pair)
        drawn = [float(np.std(d)) for d in (log_draws(f, N, D) for f in pair) if d is not None]
        sd = math.hypot(*drawn) if len(drawn) == 2 else None
        result.append(Difference(symbol, value, rival, sd))
    return result


def cost(recipe: Recipe, apart: Sequence[Difference]) -> float | None:
    """Return the excess loss that the other recipe would cost in the valley of the first.

    None where the valley is not known, or was measured along other axes.
    """
    if recipe.flatness is None or len(apart) != len(recipe.flatness.hessian):
        return None
    return recipe.flatness.excess(np.array([math.log(d.there / d.here) for d in apart]))


def whole_batches(batch_tokens: float, sequence: float) -> list[int]:
    """Return batches in sequences near one in tokens: a power of two, a multiple of 64.

    Where a multiple of 64 is less than half or more than twice as much, only the power of two.
    """
    wanted = batch_tokens / sequence
    power = 2 ** max(0, round(math.log2(wanted)))
    even = SEQUENCES * round(wanted / SEQUENCES)
    return sorted({power, even}) if even else [power]
