"""What a backtest found: forecasts of runs that were held back, scored by cut and by reach."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_cli.artefacts._record import Record
from scaling_cli.vocabulary.objective import Objective, Turned

if TYPE_CHECKING:
    import pandas as pd

# Reach in factors beyond the largest fitted run, as benchmarks/coverage.py bins it.
REACHES = (1.0, 1.5, 5.0, 20.0, 100.0, np.inf)
# Runs outside their range: how many there must be, and how many of them on one side, before they
# say that the laws bend. A right range misses a tenth of the runs, on both sides.
FEWEST_MISSES = 3
MISSED = 0.2
ONE_SIDED = 0.9
# The arrays of forecasts, in their order.
COLUMNS = ("reach", "measured", "predicted", "low", "high", "value", "law_low", "law_high")


@dataclass(frozen=True)
class Forecasts:
    """Runs that were held back and what was forecast for each; arrays of shape (forecasts,).

    Parameters
    ----------
    runs : sequence of str
    reach : array
        Factor beyond the largest fitted run on the axis of the backtest.
    measured, predicted : array
        The law's output, in its unit: measured, and the number that a prediction from the fitted
        part alone would print.
    low, high : array
        The interval for a new run that it would carry.
    value, law_low, law_high : array
        What the law alone forecasts, and the interval of its draws and a run's noise about that.
    """

    runs: Sequence[str]
    reach: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    law_low: np.ndarray
    law_high: np.ndarray

    def __len__(self) -> int:
        """Return how many forecasts there are."""
        return len(self.reach)

    @property
    def error(self) -> np.ndarray:
        """Logarithm of prediction / measured: positive where the prediction was too high."""
        return np.log(self.predicted) - np.log(self.measured)

    @property
    def inside(self) -> np.ndarray:
        """Whether each measured value lies in its interval."""
        return (self.low <= self.measured) & (self.measured <= self.high)

    @property
    def inside_law(self) -> np.ndarray:
        """Whether each measured value lies in the interval of the law alone."""
        return (self.law_low <= self.measured) & (self.measured <= self.law_high)

    def take(self, rows: np.ndarray) -> "Forecasts":
        """Return the forecasts at these rows (boolean mask)."""
        columns = (getattr(self, name)[rows] for name in COLUMNS)
        return Forecasts([self.runs[i] for i in np.flatnonzero(rows).tolist()], *columns)

    def score(self) -> dict[str, float]:
        """Return bias, mare, half_width, coverage, allowed and coverage_law."""
        return {
            "bias": float(np.mean(self.error)),
            "mare": float(np.mean(np.abs(np.expm1(self.error)))),
            "half_width": float(np.mean(np.log(self.high / self.low)) / 2),
            "coverage": float(np.mean(self.inside)),
            "allowed": float(np.mean(np.log(self.law_high / self.law_low)) / 2),
            "coverage_law": float(np.mean(self.inside_law)),
        }

    def to_record(self) -> list[dict[str, Any]]:
        """Return one JSON object per forecast."""
        names = (*COLUMNS, "error", "inside", "inside_law")
        columns = {name: getattr(self, name) for name in names}
        return [
            {"run": run, **{name: values[i].item() for name, values in columns.items()}}
            for i, run in enumerate(self.runs)
        ]

    @classmethod
    def of_record(cls, record: Sequence[Mapping[str, Any]]) -> "Forecasts":
        """Rebuild them from one JSON object per forecast."""
        first = [{"value": row["predicted"], **row} for row in record]  # 0.1.0 knew the law alone
        columns = (np.array([row[name] for row in first], float) for name in COLUMNS)
        return cls([row["run"] for row in record], *columns)


def joined(parts: Iterable[Forecasts]) -> Forecasts:
    """Return all forecasts of several cuts, one after another."""
    several = list(parts)
    columns = (np.concatenate([getattr(part, name) for part in several]) for name in COLUMNS)
    return Forecasts([run for part in several for run in part.runs], *columns)


def one_sided(forecasts: Forecasts, output: str, *, sign: float = 1.0) -> str | None:
    """Return the sentence that misses lie on one side; None where they do not.

    A miss is a run outside the interval that a prediction would have carried.

    Parameters
    ----------
    forecasts : Forecasts
        Of all cuts.
    output : str
        What is then to be expected, in words.
    sign : float
        Below zero where that falls as what was fitted rises.
    """
    missed = forecasts.error[~forecasts.inside]
    if len(missed) < FEWEST_MISSES or len(missed) < MISSED * len(forecasts):
        return None
    below = int(np.sum(missed > 0))
    most = max(below, len(missed) - below)
    if most < ONE_SIDED * len(missed):
        return None
    side = "below" if (most == below) == (sign > 0) else "above"
    return (
        f"{most} of {len(missed)} runs outside their range lie on one side of it: expect "
        f"{output} {side} the forecast."
    )


@dataclass(frozen=True)
class ScoredCut:
    """One cut: the law fitted up to `train_max` on the axis, runs beyond it forecast."""

    train_max: float
    """Largest fitted value on the axis."""
    n_train: int
    n_test: int
    factor: float
    """Largest held-out value over `train_max`."""
    bias: float
    """Mean of ln prediction - ln measured."""
    mare: float
    """Mean absolute relative error."""
    half_width: float
    """Mean half-width of the intervals, in ln output."""
    coverage: float
    """Share of held-out points in the interval that a prediction from this part would carry."""
    allowed: float
    """Mean half-width of the law alone, in ln output."""
    coverage_law: float
    """Share of held-out points in the interval of the law alone."""
    parameters: Mapping[str, float]
    held_out: tuple[str, ...]
    forecasts: Forecasts

    @property
    def own_error(self) -> float:
        """Mean absolute relative error of the law alone."""
        return float(np.mean(np.abs(self.forecasts.value / self.forecasts.measured - 1)))

    def summary(self) -> dict[str, Any]:
        """Return the JSON object without its parameters and forecasts."""
        kept = {k: v for k, v in vars(self).items() if k not in ("parameters", "forecasts")}
        return kept | {"held_out": list(self.held_out)}


@dataclass(frozen=True)
class Skipped:
    """A cut that was asked for and is not scored, and why."""

    train_max: float
    """Where it would have cut."""
    reason: str


@dataclass(frozen=True)
class Reach:
    """All forecasts that reach between two factors beyond their fitted part, of all cuts."""

    low: float
    high: float
    n: int
    bias: float
    mare: float
    half_width: float
    coverage: float
    allowed: float
    coverage_law: float


@dataclass(frozen=True, repr=False)
class Backtest(Record):
    """Forecasts of held-back runs, made as `scaling predict` would have made them."""

    what = "a backtest"
    use = "scaling show FILE"
    written_by = "scaling backtest ... -o backtest.json"
    COMPUTED = {"by_reach": "by_reach", "warning": "one_sided"}

    law: str
    on: str
    """compute, params or tokens."""
    axis: str
    """Its symbol."""
    level: float
    objective: Objective
    n_points: int
    cuts: tuple[ScoredCut, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return one line: law, axis, cuts, worst error, coverage."""
        score = self.forecasts().score()
        return (
            f"<Backtest {self.law} on {self.axis}; {len(self.cuts)} cuts, "
            f"{len(self.forecasts())} forecasts; bias {100 * np.expm1(score['bias']):+.2f} %; "
            f"{100 * score['coverage']:.0f} % inside>"
        )

    def forecasts(self) -> Forecasts:
        """Return the forecasts of all cuts."""
        return joined(cut.forecasts for cut in self.cuts)

    def by_reach(self) -> tuple[Reach, ...]:
        """Return the scores of all forecasts by how far they reach; empty bins are left out."""
        everything = self.forecasts()
        bins = [
            (low, high, everything.take((everything.reach >= low) & (everything.reach < high)))
            for low, high in itertools.pairwise(REACHES)
        ]
        return tuple(Reach(a, b, len(some), **some.score()) for a, b, some in bins if len(some))

    def one_sided(self) -> str | None:
        """Return the warning that misses lie on one side, or None."""
        return one_sided(self.forecasts(), str(Turned.of(self.data) or "the loss"))

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with one row per forecast."""
        import pandas as pd  # late: scoring alone does not need it

        records = [(cut.train_max, each) for cut in self.cuts for each in cut.forecasts.to_record()]
        return pd.DataFrame([{"train_max": most, **each} for most, each in records])
