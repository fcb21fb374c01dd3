"""What a forecast says: values, intervals, the schedule it rests on, and every doubt."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from scaling_cli.artefacts._record import Record, written_fields
from scaling_cli.vocabulary.jsonfile import nulls
from scaling_cli.vocabulary.outcomes import LeftOut

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
    why : str
        The same in words.
    verdict : str or None
        Of the identification of a logged rate: certain, ambiguous, unexplained.
    length : float
        Where it ends, in the unit of the run's axis.
    """

    COMPUTED: ClassVar[Mapping[str, str]] = {"assumed": "assumed"}

    text: str
    source: str
    why: str
    verdict: str | None
    length: float

    @property
    def assumed(self) -> bool:
        """Whether nothing but an assumption says what the rate will be."""
        return self.source == "assumed"


@dataclass(frozen=True)
class Scenario:
    """The end of the run under one schedule that it may have."""

    name: str
    schedule: str
    value: float
    interval: Pair
    headline: bool = False


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
class Forecast:
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
        Other schedules the run may have, the headline's first.
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
    """

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

    def __repr__(self) -> str:
        low, high = self.interval
        assumed = f", schedule assumed ({self.schedule.text})" if self.schedule.assumed else ""
        doubt = "" if self.valid else ", interval not valid"
        return (
            f"<forecast of {self.run}: {self.value:.4f} [{low:.4f}, {high:.4f}] at "
            f"{self.unit[:-1]} {self.until:.6g}, from {self.seen.loss:.4f} at {self.now:.6g}"
            f"{assumed}{doubt}>"
        )

    def _repr_html_(self) -> str:
        """Return the forecast as a table, for a notebook."""
        share = "-" if self.decay_share is None else f"{100 * self.decay_share:.0f} %"
        rows = {
            "run": self.run,
            "seen": f"{self.seen.loss:.4f} at {self.unit[:-1]} {self.now:.6g}",
            f"expected at {self.until:.6g}": f"{self.value:.4f}",
            f"{100 * self.level:g} % interval": _pair(self.interval),
            "of one logged value": _pair(self.one_value),
            "schedule": f"{self.schedule.text} ({self.schedule.why})",
            "from the decay": share,
            "warnings": " ".join(self.warnings) or "none",
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(k)}</th>"
            f"<td style='text-align:left'>{html.escape(v)}</td></tr>"
            for k, v in rows.items()
        )
        return f"<table>{cells}</table>"


def _pair(pair: Pair) -> str:
    return f"[{pair[0]:.4f}, {pair[1]:.4f}]"


@dataclass(frozen=True, repr=False)
class Forecasts(Record):
    """The forecasts of several runs, by number or by name, and the runs that have none.

    Parameters
    ----------
    runs : tuple of Forecast
    notes : tuple of str
        On how the logs were read.
    """

    what = "a forecast of running jobs"
    use = "scaling forecast RUN --against FILE"
    written_by = "scaling forecast ... -o forecast.json"

    runs: tuple[Forecast, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of forecasts."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Forecast]:
        """Go through the forecasts."""
        return iter(self.runs)

    def __getitem__(self, key: int | str) -> Forecast:
        """Return a forecast by its number or its run."""
        if isinstance(key, int):
            return self.runs[key]
        return next(f for f in self.runs if f.run == key)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.runs))

    def _repr_html_(self) -> str:
        """Return one table per run, for a notebook."""
        return "".join(f._repr_html_() for f in self.runs)
