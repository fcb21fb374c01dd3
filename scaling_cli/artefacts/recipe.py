"""A recipe: the learning-rate law and the batch law of one sweep, with joint draws.

Plain data like a Fit: it advises and is compared with NumPy alone. Draw i of one law belongs to
draw i of the other.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli.artefacts.fit import SCHEMA_VERSION, Fit
from scaling_cli.artefacts.flatness import Flatness
from scaling_cli.artefacts.prediction import Prediction
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import nulls, write_json
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.quantities import B_TOKENS, LR

KIND = "hparams"
SEQUENCES = 64  # batches are shared out over devices: a multiple of this many sequences


@dataclass(frozen=True)
class Recipe:
    """Two laws and what the sweep behind them showed.

    Parameters
    ----------
    learning_rate : Fit
        Of a law whose output is a learning rate.
    batch : Fit or None
        Of a law whose output is a batch in tokens; None where the batch was not swept.
    flatness : Flatness or None
        The mean curvature of the valleys.
    name : str
    cells : sequence of mapping
        The optimum of every usable cell, as JSON objects.
    left_out : sequence of LeftOut
        Runs and cells that say nothing, and why.
    notes : sequence of str
    """

    learning_rate: Fit
    batch: Fit | None = None
    flatness: Flatness | None = None
    name: str = ""
    cells: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[LeftOut] = ()
    notes: Sequence[str] = ()

    def fits(self) -> dict[str, Fit]:
        """Return the fits by the symbol of their output: `lr`, and `B_tokens` if there is one."""
        both = {LR.symbol: self.learning_rate, B_TOKENS.symbol: self.batch}
        return {symbol: fit for symbol, fit in both.items() if fit is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return nulls(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": KIND,
                "name": self.name,
                "learning_rate": self.learning_rate.to_dict(),
                "batch": None if self.batch is None else self.batch.to_dict(),
                "valley": None if self.flatness is None else self.flatness.to_dict(),
                "cells": [dict(cell) for cell in self.cells],
                "left_out": [{"run": x.run, "reason": x.reason} for x in self.left_out],
                "notes": list(self.notes),
            }
        )

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def of_fits(cls, fits: Sequence[Fit], *, name: str) -> "Recipe":
        """Pair a fit of a learning rate with one of a batch.

        Raises
        ------
        DataError
            If there is no learning rate among them.
        """
        by_output = {fit.law.output().symbol: fit for fit in fits}
        if LR.symbol not in by_output:
            raise DataError(
                f"{name} gives no learning rate.", hint="Write one with 'scaling hparams SRC -o'."
            )
        rate = by_output[LR.symbol]
        valley = rate.origin.get("valley")
        return cls(
            rate,
            by_output.get(B_TOKENS.symbol),
            None if valley is None else Flatness.of_record(valley),
            name,
        )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, file: str) -> "Recipe":
        """Rebuild a recipe from its JSON object, or from that of a fit of a learning-rate law.

        Raises
        ------
        DataError
            If it is neither.
        """
        if record.get("kind") != KIND:
            return cls.of_fits([Fit.from_dict(record, file=file)], name=file)
        try:
            batch, valley = record["batch"], record["valley"]
            return cls(
                Fit.from_dict(record["learning_rate"], file=file),
                None if batch is None else Fit.from_dict(batch, file=file),
                None if valley is None else Flatness.of_record(valley),
                record["name"] or file,
                record["cells"],
                [LeftOut(x["run"], x["reason"]) for x in record["left_out"]],
                record["notes"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the file is broken: {error!r}.",
                file=file,
                hint="Write it again with 'scaling hparams SRC -o FILE'.",
            ) from error


def load(path: str | os.PathLike[str]) -> Recipe:
    """Read what `scaling hparams -o` wrote, or a fit of a learning-rate law.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or is neither.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror}.", file=str(path)) from error
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error.msg}.", file=str(path), row=error.lineno) from error
    if not isinstance(record, Mapping):
        raise DataError("not a file of 'scaling hparams -o'.", file=str(path))
    return Recipe.from_dict(record, file=str(path))


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
        found = {LR.symbol: float(self.learning_rate.value[0])}
        return found if self.batch is None else found | {B_TOKENS.symbol: self._batch()}

    def _batch(self) -> float:
        return math.nan if self.batch is None else float(self.batch.value[0])

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
    predicted = {
        symbol: fit.predict(level=level, **_inputs(fit, N, D))
        for symbol, fit in recipe.fits().items()
    }
    beyond = {
        symbol: float(factor[0])
        for prediction in predicted.values()
        for symbol, factor in prediction.extrapolation.items()
    }
    for symbol, fit in recipe.fits().items():
        swept = (fit.data.get("ranges") or {}).get(symbol)
        if swept:
            beyond[symbol] = _outside(float(predicted[symbol].value[0]), swept)
    rate, batch = predicted[LR.symbol], predicted.get(B_TOKENS.symbol)
    return Advice(N, D, level, rate, batch, _correlation(recipe, N, D), beyond)


def _inputs(fit: Fit, N: float, D: float) -> dict[str, float]:
    return {s: v for s, v in (("N", N), ("D", D)) if s in fit.law.inputs()}


def _outside(value: float, swept: Sequence[float]) -> float:
    low, high = swept
    return max(1.0, value / high, low / value)


def log_draws(fit: Fit, N: float, D: float) -> np.ndarray | None:
    """Return draws of ln output at a point, shape (draws,); None for a fit without draws."""
    if fit.uncertainty is None:
        return None
    drawn = type(fit.law)(**{k: np.asarray(v) for k, v in fit.uncertainty.draws.items()})
    return np.log(np.asarray(drawn(**_inputs(fit, N, D)), float))


def _correlation(recipe: Recipe, N: float, D: float) -> float | None:
    found = [log_draws(fit, N, D) for fit in recipe.fits().values()]
    drawn = [draws for draws in found if draws is not None]
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


def differences(one: Recipe, other: Recipe, N: float, D: float) -> list[Difference]:
    """Compare two recipes by what they say at a point, never by their coefficients."""
    found = []
    here, there = one.fits(), other.fits()
    for symbol in (s for s in here if s in there):
        value, rival = (float(f.law(**_inputs(f, N, D))) for f in (here[symbol], there[symbol]))
        draws = [log_draws(f, N, D) for f in (here[symbol], there[symbol])]
        drawn = [float(np.std(d)) for d in draws if d is not None]
        sd = math.hypot(*drawn) if len(drawn) == 2 else None
        found.append(Difference(symbol, value, rival, sd))
    return found


def cost(one: Recipe, found: Sequence[Difference]) -> float | None:
    """Return the excess loss that the other recipe would cost in the valley of the first.

    None where the valley is not known, or was measured along other axes.
    """
    if one.flatness is None or len(found) != len(one.flatness.hessian):
        return None
    return one.flatness.excess(np.array([math.log(d.there / d.here) for d in found]))


def whole_batches(batch_tokens: float, sequence: float) -> list[int]:
    """Return batches in sequences near one in tokens: a power of two, a multiple of 64.

    Where a multiple of 64 is less than half or more than twice as much, only the power of two.
    """
    wanted = batch_tokens / sequence
    power = 2 ** max(0, round(math.log2(wanted)))
    even = SEQUENCES * round(wanted / SEQUENCES)
    return sorted({power, even}) if even else [power]
