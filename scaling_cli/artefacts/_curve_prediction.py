"""The loss curve that a schedule will give, with its bands: NumPy alone, from stored draws."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from scaling_cli.artefacts._record import MERGED, pair
from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.shown import Shown

MOST_PREDICTED = 500  # steps, where none are asked for
FAR = 1.5  # times the longest fitted run: beyond, every law here has been too low
FAR_BELOW = 0.05  # of the peak: a rate that ends lower by more than every fitted one
Band = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class FittedLaw:
    """One law, fitted: rates over the unit of the fit.

    Parameters
    ----------
    law : CurveLaw
    warmup : str
        Convention; see `schedules._path.CONVENTIONS`.
    value : float or None
        The minimised sum, penalty of the priors included; None for numbers of a paper.
    misfit : float or None
        Mean |prediction/loss - 1| over the fitted points.
    agree : tuple of (int, int), optional
        Starts that reached this minimum, and all of them.
    left : float
        Share of the sum that a whole step would still gain; 0 at a minimum.
    draws : mapping of parameter to array, shape (draws,)
        Joint draws by a bootstrap of blocks of the runs, or of runs.
    """

    law: CurveLaw = field(metadata=MERGED)
    warmup: str
    value: float | None
    misfit: float | None
    agree: tuple[int, int] | None = None
    left: float = 0.0
    draws: Mapping[str, np.ndarray] = field(default_factory=dict)

    def drawn(self) -> Iterator[CurveLaw]:
        """Yield the law at each draw."""
        for values in zip(*self.draws.values(), strict=True):
            yield type(self.law)(**dict(zip(self.draws, map(float, values), strict=True)))


@dataclass(frozen=True)
class CurveUncertainty:
    """What bands are made of beside the draws: noise, and errors on schedules left out.

    Parameters
    ----------
    noise : float
        Sd of one logged loss about the curve, in ln loss.
    schedule : float or None
        Root mean square error, in ln loss, on schedules that were left out of the fit; None where
        none could be: bands are then UNTESTED.
    folds : int
        Schedules that were left out, one at a time.
    method : str
        How the draws were made.
    """

    noise: float
    schedule: float | None
    folds: int
    method: str


@dataclass(frozen=True)
class CurvePrediction(Shown):
    """A predicted loss curve. Arrays have shape (n,).

    Parameters
    ----------
    schedule : Schedule
    step : int array
    rate : array
        The learning rate at these steps.
    value : array
        Nats/token.
    low, high : array
        The lowest and the highest of the laws that are averaged: how far they disagree, which is
        no interval.
    members : mapping of law to array
        What each of the averaged laws says.
    level : float
        Nominal coverage of the bands.
    mean, new_run : pair of array, or None
        Where the curve lies; where one logged value of a run lies. None without uncertainty.
    parts : mapping of str to array
        Half-widths in ln loss at this level: members, parameters, schedule, noise.
    draws : array, shape (draws,), or None
        Ln loss at the last step by each draw, for comparisons.
    tested : bool
        Whether a schedule was ever left out and predicted.
    extrapolation : mapping
        Factors beyond the fitted runs: S in steps, lr above the highest rate.
    notes : sequence of str
        Where the schedule leaves what was fitted.
    params : float, optional
        Model size, for laws of several.
    """

    report = "curve_prediction"

    schedule: Schedule
    step: np.ndarray
    rate: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    members: Mapping[str, np.ndarray]
    level: float
    mean: Band | None
    new_run: Band | None
    parts: Mapping[str, np.ndarray]
    draws: np.ndarray | None
    tested: bool
    extrapolation: Mapping[str, float]
    notes: tuple[str, ...]
    params: float | None = None

    def to_dict(self, i: int = -1) -> dict[str, Any]:
        """Return the JSON object of one step: by default the last."""
        size = {} if self.params is None else {"N": self.params}
        return {
            "inputs": {"schedule": self.schedule.text(), "S": int(self.step[i]), **size},
            "output": "L",
            "value": float(self.value[i]),
            "level": self.level,
            "mean": pair(self.mean, i),
            "new_run": pair(self.new_run, i),
            "extrapolation": dict(self.extrapolation),
            "members": {name: float(curve[i]) for name, curve in self.members.items()},
            "parts": {name: float(half[i]) for name, half in self.parts.items()},
            "tested": self.tested,
            "warnings": list(self.notes),
        }


@dataclass(frozen=True)
class CurveDifference:
    """How the end of one predicted curve differs from that of another.

    Parameters
    ----------
    value : float
        Nats/token; negative where the second ends lower.
    interval : pair of float, or None
        At the level of the predictions; None without uncertainty.
    probability : float or None
        That the sign is right.
    agree : tuple of (int, int)
        Laws that give this sign, and all of them.
    """

    value: float
    interval: tuple[float, float] | None
    probability: float | None
    agree: tuple[int, int]


def compare(
    first: CurvePrediction, other: CurvePrediction, uncertainty: CurveUncertainty | None
) -> CurveDifference:
    """Return the difference between the ends of two predictions of one fit.

    Errors that both share cancel: draws and laws are compared one by one. Errors on schedules are
    taken to be independent; benchmarks/curves.py says how often such intervals hold the difference.
    """
    value = float(other.value[-1] - first.value[-1])
    each = [float(other.members[n][-1] - first.members[n][-1]) for n in first.members]
    agree = (sum(bool(np.sign(d) == np.sign(value)) for d in each), len(each))
    if uncertainty is None:
        return CurveDifference(value, None, None, agree)
    level, scale = first.level, float(first.value[-1])
    z = quantile(level)
    halves = [p.parts["schedule"][-1] for p in (first, other) if "schedule" in p.parts]
    halves += [z * np.std(each, ddof=1) / scale] if len(each) > 1 else []
    if first.draws is not None and other.draws is not None:
        halves.append(z * float(np.std(other.draws - first.draws)))
    half = scale * float(np.sqrt(np.sum(np.square(halves))))
    sure = NormalDist().cdf(z * abs(value) / half) if half > 0 else 1.0
    return CurveDifference(value, (value - half, value + half), sure, agree)


def grid(schedule: Schedule) -> np.ndarray:
    """Return steps from the end of the warm-up to the end of the run."""
    warm = [phase.end for phase in schedule.phases() if phase.name == "warm-up"][:1]
    first, last = max(1.0, *warm, 0.0), max(1.0, np.ceil(schedule.length) - 1)
    return np.unique(np.round(np.linspace(min(first, last), last, MOST_PREDICTED)).astype(int))


def outside(schedule: Schedule, last: int, ranges: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a schedule leaves what was fitted."""
    longest, (lowest, highest) = float(ranges["S"][1]), ranges["lr"]
    if last > FAR * longest:
        yield (
            f"step {last} is {last / longest:.1f} times the longest fitted run: decays "
            "after long runs have taken off less than such fits say."
        )
    if schedule.highest > highest * (1 + 1e-9):
        yield (
            f"the peak {schedule.highest:g} lies above {highest:g}, the highest rate that "
            "was fitted."
        )
    ended = float(schedule.lr(last))
    if lowest - ended > FAR_BELOW * highest:
        yield f"the rate ends at {ended:g}, far below {lowest:g}, the lowest that was fitted."
    phases = schedule.phases()
    falls = next((i for i, p in enumerate(phases) if p.last < p.first), len(phases))
    if any(p.last > p.first or p.first > q.last for q, p in itertools.pairwise(phases[falls:])):
        yield "the rate rises again after it fell, which no fitted run need have shown."


def bands(
    value: np.ndarray,
    parts: Mapping[str, np.ndarray],
    uncertainty: CurveUncertainty | None,
    level: float,
) -> tuple[Band | None, Band | None, dict[str, np.ndarray]]:
    """Return where the curve lies, where a logged value lies, and half-widths of the parts.

    The parts are added in quadrature. Errors on few schedules left out say little about their
    size: theirs counts with Student's t of as many degrees of freedom as there were schedules.
    """
    if uncertainty is None:
        return None, None, {}
    z = quantile(level)
    t = quantile(level, uncertainty.folds) if uncertainty.folds else z
    halves = {name: (t if name == "schedule" else z) * sd for name, sd in parts.items()}
    curve = np.sqrt(sum((half**2 for half in halves.values()), np.zeros(len(value))))
    noise = np.full(len(value), z * uncertainty.noise)
    bands = [
        (value * np.exp(-half), value * np.exp(half)) for half in (curve, np.hypot(curve, noise))
    ]
    return bands[0], bands[1], {**halves, "noise": noise}
