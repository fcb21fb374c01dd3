"""What a forecast says: values, intervals, the schedule it rests on, and every doubt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from scaling_cli.artefacts._record import SPARSE, Record, written_fields
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import nulls
from scaling_cli.vocabulary.outcomes import LeftOut
from scaling_cli.vocabulary.shown import Shown

Pair = tuple[float, float]


@dataclass(frozen=True)
class Seen:
    """How far a run has come.

    Parameters
    ----------
    step, tokens : float or None
        Where its last point lies; the one that is not its axis only where it is known.
    loss : float
        The mean of its last points, freed of spikes, nats/token.
    points : int
    """

    step: float | None
    tokens: float | None
    loss: float
    points: int


@dataclass(frozen=True)
class Known:
    """The schedule a forecast rests on, and how it is known.

    Parameters
    ----------
    text : str
    source : str
        `given`, `column`, `logged`, `siblings`, `assumed`, or `none` where the method sees none.
        `known` says the same in four words: a column is given, `none` is assumed.
    why : str
        The same in words.
    verdict : str or None
        On the logged rate, which is of the past: certain (one schedule alone explains it),
        ambiguous, unexplained, constant so far.
    length : float
        Where it ends, in the unit of the run's axis.
    """

    COMPUTED: ClassVar[Mapping[str, str]] = {"assumed": "assumed", "known": "known"}

    text: str
    source: str
    why: str
    verdict: str | None
    length: float

    @property
    def assumed(self) -> bool:
        """Whether nothing but an assumption says what the rate will be."""
        return self.source == "assumed"

    @property
    def known(self) -> str:
        """How the schedule is known: given, logged, siblings or assumed."""
        return {"column": "given", "none": "assumed"}.get(self.source, self.source)


@dataclass(frozen=True)
class Scenario:
    """The end of the run under one schedule that it may have, and how likely that is."""

    name: str
    schedule: str
    value: float
    interval: Pair
    weight: float = 1.0


@dataclass(frozen=True)
class Past:
    """The end of what is logged, forecast from an earlier part of it."""

    cut: float
    predicted: float
    measured: float
    error: float


@dataclass(frozen=True)
class Path:
    """The expected loss from now to the end, with its interval; arrays of shape (n,)."""

    x: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A place along a run, or a time; None where it lies beyond the end of the run."""

    value: float | None
    interval: tuple[float | None, float | None]


@dataclass(frozen=True)
class Way:
    """When a level is reached under one schedule that the run may have."""

    name: str
    value: float | None
    never: float


@dataclass(frozen=True)
class Reaching:
    """When the expected loss reaches a level.

    Parameters
    ----------
    loss : float
        The level.
    already : float or None
        Where along the log it was reached, in the unit of the run.
    step, tokens : Estimate or None
        Median and interval; None where that is not known.
    seconds : Estimate or None
        From the last row on, at the pace of what is logged.
    date : str or None
        When that is, where the log tells the time of day, in UTC.
    never : float
        How likely it is not reached before the end.
    ways : sequence of Way
        By schedule, where several may come.
    """

    loss: float
    already: float | None
    step: Estimate | None
    tokens: Estimate | None
    seconds: Estimate | None
    date: str | None
    never: float
    ways: Sequence[Way] = ()


@dataclass(frozen=True)
class Collapse:
    """How a run lies on its siblings, each matched to the earlier part of what is logged.

    Parameters
    ----------
    deviation : float
        In ln of what is forecast (of what is left to its limit, where it rises), at the end of what
        is logged; above zero: worse.
    band : float
        Within which siblings lie off one another, 99 %.
    siblings : int
        How many were laid over one another.
    left : bool
        Whether the run lies beyond the band.
    """

    deviation: float
    band: float
    siblings: int
    left: bool


@dataclass(frozen=True)
class Forecast(Shown):
    """Where a running job will end.

    Parameters
    ----------
    run : str
    unit : str
        Of its axis: steps or tokens.
    seen : Seen
    until : float
        The place that is forecast, in `unit`.
    value : float
        Expected (smoothed) loss there, nats/token.
    level : float
    interval : (low, high)
        Of the expected loss; what a mean over many rows would show.
    one_value : (low, high)
        Of a single logged value, noise included.
    valid : bool
        False where the interval cannot be trusted; `warnings` say why.
    method : str
    schedule : Known
    scenarios : sequence of Scenario
        Schedules the run may have where several may be, the likeliest first: `value` and
        `interval` are of all of them together, by weight.
    constant_rate : float or None
        Expected loss if the rate stayed as it is now.
    decay_share : float or None
        Share of the predicted drop that comes from the fall of the rate.
    parameters : mapping
        L0, A, B (nats/token) and alpha of the law.
    backtests : sequence of Past
    noise : float
        Of one row, as a share of the loss.
    epochs : float or None
        Passes over the data at the end.
    levels : mapping or None
        Of anticipation: threshold, working, prediction, convergence, forecast; see `anticipate`.
    siblings : sequence of str
        Finished runs that informed it.
    left_out : sequence of LeftOut
        Siblings that could not.
    warnings, notes : sequence of str
    path : Path
        From now to the end.
    target : str
        Column of the loss that is forecast; empty where it was not read from a log.
    reaches : Reaching, optional
        When a level that was asked for is reached.
    collapse : Collapse, optional
        How it lies on its siblings; with three finished ones of the same schedule or more.
    """

    report = "forecast"

    run: str
    unit: str
    seen: Seen
    until: float
    value: float
    level: float
    interval: Pair
    one_value: Pair
    valid: bool
    method: str
    schedule: Known
    scenarios: Sequence[Scenario] = ()
    constant_rate: float | None = None
    decay_share: float | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    backtests: Sequence[Past] = ()
    noise: float = 0.0
    epochs: float | None = None
    levels: Mapping[str, float | None] | None = None
    siblings: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    path: Path = field(default_factory=lambda: Path(*[np.empty(0)] * 4))
    target: str = ""
    reaches: Reaching | None = field(default=None, metadata=SPARSE)
    collapse: Collapse | None = field(default=None, metadata=SPARSE)

    def __post_init__(self) -> None:
        """Refuse a run that is not seen in its own unit."""
        if getattr(self.seen, "step" if self.unit == "steps" else "tokens") is None:
            raise ValueError(f"seen does not say at how many {self.unit}")

    @property
    def now(self) -> float:
        """How far the run had come, in `unit`."""
        place = self.seen.step if self.unit == "steps" else self.seen.tokens
        return 0.0 if place is None else place

    def to_dict(self) -> dict[str, Any]:
        """Return one of `runs` of what `scaling forecast --json` prints."""
        return nulls(written_fields(self))

    _held = to_dict

    def __repr__(self) -> str:
        low, high = self.interval
        assumed = f", schedule assumed ({self.schedule.text})" if self.schedule.assumed else ""
        doubt = "" if self.valid else ", interval not valid"
        return (
            f"<forecast of {self.run}: {self.value:.4f} [{low:.4f}, {high:.4f}] at "
            f"{self.unit[:-1]} {self.until:.6g}, from {self.seen.loss:.4f} at {self.now:.6g}"
            f"{assumed}{doubt}>"
        )


@dataclass(frozen=True)
class Candidate:
    """A run among those of which the best is wanted.

    Parameters
    ----------
    run : str
    p_best : float
        How likely it ends best.
    stop : bool
        Whether it can be stopped now.
    left : float
        What it has still to run, in the unit of its axis.
    share : float
        Of what all together have still to run, by compute where sizes are known, else by length.
    """

    run: str
    p_best: float
    stop: bool
    left: float
    share: float


@dataclass(frozen=True)
class Stopping:
    """Which of several runs to stop.

    Parameters
    ----------
    risk : float
        How likely it may be that the best is among those that are stopped, at most.
    p_stopped : float
        How likely it is.
    regret : float
        What the best of the runs that go on is expected to end worse by than the best of all.
    saved : float
        Share of what is left to run that stopping saves.
    by : str
        What shares are of: compute, tokens, or steps.
    candidates : tuple of Candidate
        The likeliest first.
    """

    risk: float
    p_stopped: float
    regret: float
    saved: float
    by: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, repr=False)
class Forecasts(Record):
    """The forecasts of several runs, by number or by name, and the runs that have none.

    Parameters
    ----------
    runs : tuple of Forecast
    notes : tuple of str
        On how the logs were read.
    stop : Stopping, optional
        Which of them to stop, where that was asked.
    """

    what = "a forecast of running jobs"
    use = "scaling forecast RUN --against FILE"
    written_by = "scaling forecast ... -o forecast.json"

    runs: tuple[Forecast, ...]
    notes: tuple[str, ...] = ()
    stop: Stopping | None = field(default=None, metadata=SPARSE)

    def __len__(self) -> int:
        """Return the number of forecasts."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Forecast]:
        """Go through the forecasts."""
        return iter(self.runs)

    def __getitem__(self, key: int | str) -> Forecast:
        """Return a forecast by its number or its run."""
        return self.runs[key] if isinstance(key, int) else {f.run: f for f in self.runs}[key]

    def about(self, run: str, *, file: str | None = None) -> Forecast:
        """Return the forecast of a run; where there is only one, it is of whatever run is asked.

        Raises
        ------
        DataError
            If there are several, none of them of this run.
        """
        named = {item.run: item for item in self.runs}
        if run not in named and len(named) != 1:
            hint = f"Runs: {', '.join(named)}."
            raise DataError(f"there is no forecast of {run!r}.", file=file, hint=hint)
        return named.get(run, self.runs[0])

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.runs))
