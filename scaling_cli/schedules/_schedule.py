"""The Schedule, and what families share: a learning rate by step (or token), declared like a law.

A family of schedules lives alone in `scaling_cli/schedules/<name>.py`. An instance is frozen, is
evaluated with NumPy, and is written as text that reads back as itself:
`wsd:peak=0.0003,warmup=2160,stable=19200,decay=linear,min=3e-05,steps=24000`.
"""

import dataclasses
import enum
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, cast, dataclass_transform

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.vocabulary.bounds import require
from scaling_cli.vocabulary.errors import UsageError, near
from scaling_cli.vocabulary.quantities import parse_number

UNITS = ("steps", "tokens")
Rates = np.ndarray


class Kind(enum.Enum):
    """What an option of a schedule is, and so how it is read and written."""

    RATE = "a learning rate"
    PLACE = "a place along the run, or a share of it (below 1, or with %)"
    NUMBER = "a number"
    NAME = "a name"
    RATES = "learning rates, with / between them"
    PLACES = "places along the run, with / between them"


_SINGLE = {Kind.RATES: Kind.RATE, Kind.PLACES: Kind.PLACE}


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of a schedule: its name, where it starts and ends, the rates there."""

    name: str
    start: float
    end: float
    first: float
    last: float


def option(meaning: str, kind: Kind, *, default: Any = dataclasses.MISSING) -> Any:
    """Declare an option of a schedule (a field specifier: use as a dataclass default)."""
    declared = {"meaning": meaning, "kind": kind, "default": default}
    return dataclasses.field(default=default, metadata=declared)


@dataclass_transform(frozen_default=True, field_specifiers=(option,), kw_only_default=True)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """Base of all schedules: a length in steps or tokens, and the learning rate along it.

    A subclass declares its options with `option`, computes rates in `_rate`, and lists its
    stretches in `_edges`. Beyond its length a schedule keeps its last rate.
    """

    title: ClassVar[str] = ""
    """The name of the family: the name of its file."""

    length: float
    unit: str = "steps"

    def __init_subclass__(cls) -> None:
        """Make the subclass a frozen, keyword-only dataclass named after its file."""
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        cls.title = cls.__module__.rpartition(".")[2]

    def __post_init__(self) -> None:
        """Turn shares into places and refuse what cannot be a schedule.

        Raises
        ------
        UsageError
            If a number is not finite, negative, or lies outside the run.
        """
        if self.unit not in UNITS:
            raise UsageError(f"a schedule runs over steps or tokens, not {self.unit!r}.")
        self._settle("length", self.length)
        if not self.length > 0:
            raise self.refused(f"{self.unit} must be positive, not {self.length:g}.")
        for name, declared in self.options().items():
            self._settle(name, self._checked(name, declared["kind"], getattr(self, name)))
        self._check()

    def _checked(self, name: str, kind: Kind, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._checked(name, _SINGLE[kind], v) for v in value)
        check = {Kind.PLACE: self._place, Kind.RATE: self._rate_given}.get(kind)
        return value if check is None or value is None else check(name, value)

    def _check(self) -> None:
        """Refuse options that contradict each other."""

    def _settle(self, name: str, value: Any) -> None:
        if isinstance(value, int | float) and not math.isfinite(value):
            raise self.refused(f"{name} must be finite, not {value}.")
        object.__setattr__(self, name, float(value) if isinstance(value, int | float) else value)

    @classmethod
    def refused(cls, message: str, hint: str | None = None) -> UsageError:
        """Return the refusal of a schedule of this family."""
        return UsageError(f"{cls.title}: {message}", hint=hint)

    def _place(self, name: str, value: float) -> float:
        """Return a place along the run; a number below 1 is a share of it."""
        if 0 < value < 1:
            value = _tidy(value * self.length)
        if not 0 <= value <= self.length:
            outside = f"lies outside the run of {write(self.length)} {self.unit}."
            hint = "A number below 1 is a share of the run."
            raise self.refused(f"{name}={write(value)} {outside}", hint)
        return float(value)

    def _rate_given(self, name: str, value: float) -> float:
        if not (math.isfinite(value) and value >= 0):
            raise self.refused(f"{name} must be zero or positive, not {value:g}.")
        return float(value)

    @classmethod
    def options(cls) -> dict[str, Mapping[str, Any]]:
        """Return the meaning, kind and default of each option, by name."""
        return {f.name: f.metadata for f in dataclasses.fields(cast(Any, cls)) if f.metadata}

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring: the shape and its source."""
        return (inspect.getdoc(cls) or "").split("\n")[0]

    @classmethod
    def spelled(cls, given: dict[str, str]) -> dict[str, str]:
        """Return the options of a text under their declared names; a family may accept others."""
        return given

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """Return the schedule that the options of a text describe.

        Raises
        ------
        UsageError
            If an option is unknown, missing or cannot be read.
        """
        texts, declared = cls.spelled(dict(given)), cls.options()
        units = [unit for unit in UNITS if unit in texts]
        for name in texts:
            if name not in declared and name not in UNITS:
                hint = near(name, [*declared, *UNITS], f"options of {cls.title}")
                raise UsageError(f"{cls.title} has no option {name!r}.", hint=hint)
        missing = [n for n, d in declared.items() if _needed(d) and n not in texts]
        missing += [] if units else ["steps (or tokens)"]
        if missing:
            raise UsageError(f"{cls.title} needs {' and '.join(missing)}.", hint=cls.usage())
        if len(units) == 2:
            raise cls.refused("give steps or tokens, not both.")
        length = number_of(units[0], texts[units[0]])
        kinds = {n: declared[n]["kind"] for n in texts if n in declared}
        values = {n: _value(n, texts[n], kind, length) for n, kind in kinds.items()}
        return cls(length=length, unit=units[0], **values)

    @classmethod
    def usage(cls) -> str:
        """Return how a text of this family is written."""
        parts = [f"{n}=..." if _needed(d) else f"[{n}=...]" for n, d in cls.options().items()]
        return f"Write {cls.title}:{','.join([*parts, 'steps=...'])}."

    def text(self) -> str:
        """Return the schedule as text, which `parse_schedule` reads back as the same schedule."""
        values = {n: getattr(self, n) for n, d in self.options().items()}
        said = [n for n, d in self.options().items() if values[n] not in (None, d["default"])]
        said.sort(key=lambda name: name == "min")  # read best from the start to the end
        parts = [f"{name}={write(values[name])}" for name in said]
        return f"{self.title}:{','.join([*parts, f'{self.unit}={write(self.length)}'])}"

    def __str__(self) -> str:
        return self.text()

    def lr(self, step: ArrayLike) -> Rates:
        """Return the learning rate at steps (or at tokens, in a schedule over tokens).

        Parameters
        ----------
        step : array-like, any shape
            Steps done before the update, from 0; need not be whole.

        Raises
        ------
        UsageError
            If one is negative or not finite.
        """
        at = np.asarray(step, float)
        if at.size and not (np.isfinite(at).all() and at.min() >= 0):
            bad = at[~(np.isfinite(at) & (at >= 0))].flat[0]
            raise UsageError(f"a learning rate is asked for at {self.unit} {bad:g}.")
        return self._rate(np.minimum(at, self.length))

    def _rate(self, at: np.ndarray) -> Rates:
        raise NotImplementedError

    def _edges(self) -> list[tuple[str, float]]:
        """Return the stretches: the name of each and where it ends."""
        raise NotImplementedError

    def phases(self) -> list[Phase]:
        """Return the stretches of the schedule; empty ones are left out."""
        stretches, start = [], 0.0
        for name, end in self._edges():
            if end > start:
                # The rate at the end of a stretch is the limit from its side: it may jump there.
                inside = np.nextafter(end, start) if end < self.length else end
                first, last = self.lr([start, inside]).tolist()
                stretches.append(Phase(name, start, end, _tidy(first), _tidy(last)))
                start = end
        return stretches

    @property
    def highest(self) -> float:
        """The highest learning rate."""
        return max(max(phase.first, phase.last) for phase in self.phases())

    def per_step(self) -> Rates:
        """Return the learning rate of every step of the run, shape (steps,).

        Raises
        ------
        UsageError
            If the schedule runs over tokens: see `in_steps`.
        """
        if self.unit != "steps":
            hint = "Say how many tokens a step takes (in_steps, --batch-tokens)."
            raise UsageError(f"the schedule runs over tokens: {self.text()}.", hint=hint)
        return self.over(math.ceil(self.length))

    def over(self, steps: int) -> Rates:
        """Return the learning rate of the first so many steps, shape (steps,).

        Raises
        ------
        UsageError
            If they are more than the limit `steps`.
        """
        require("steps", steps, f"{self.text()}: {steps} steps are asked for")
        return self.lr(np.arange(steps))

    def in_steps(self, batch_tokens: float) -> "Schedule":
        """Return the same schedule over steps of so many tokens each."""
        if not (math.isfinite(batch_tokens) and batch_tokens > 0):
            raise UsageError(f"batch_tokens must be positive, not {batch_tokens:g}.")
        return self if self.unit == "steps" else self._stretched(1 / batch_tokens)

    def _stretched(self, factor: float) -> "Schedule":
        """Return the schedule over the other unit; places and lengths are multiplied."""
        changed: dict[str, Any] = {"length": self.length * factor, "unit": "steps"}
        for name, declared in self.options().items():
            value: Any = getattr(self, name)
            if declared["kind"] is Kind.PLACES:
                changed[name] = tuple(_beyond_first(v * factor, name) for v in value)
            elif declared["kind"] is Kind.PLACE and value is not None:
                changed[name] = _beyond_first(value * factor, name)
        return dataclasses.replace(cast(Any, self), **changed)


class Joined(Schedule):
    """Schedules one after another, each on its own clock: `A + B`."""

    parts: tuple[Schedule, ...]

    @classmethod
    def of(cls, parts: tuple[Schedule, ...]) -> "Joined":
        """Join schedules of one unit.

        Raises
        ------
        UsageError
            If some run over steps and others over tokens.
        """
        units = sorted({part.unit for part in parts})
        if len(units) > 1:
            raise UsageError("parts of a schedule run over steps and over tokens; give one unit.")
        return cls(length=sum(p.length for p in parts), unit=units[0], parts=parts)

    def text(self) -> str:
        """Return the texts of the parts with ` + ` between them."""
        return " + ".join(part.text() for part in self.parts)

    def _starts(self) -> np.ndarray:
        return np.cumsum([0.0, *(part.length for part in self.parts)])

    def _rate(self, at: np.ndarray) -> Rates:
        starts = self._starts()
        which = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(self.parts) - 1)
        rates = np.zeros_like(at)
        for i, part in enumerate(self.parts):
            rates[which == i] = part.lr(at[which == i] - starts[i])
        return rates

    def _edges(self) -> list[tuple[str, float]]:
        return [
            (phase.name, float(start) + phase.end)
            for start, part in zip(self._starts(), self.parts, strict=False)
            for phase in part.phases()
        ]

    def _stretched(self, factor: float) -> Schedule:
        return Joined.of(tuple(part._stretched(factor) for part in self.parts))


def write(value: Any) -> str:
    """Write a value of an option so that it reads back exactly: `24000`, `0.0003`, `8000/12000`."""
    if isinstance(value, tuple):
        return "/".join(write(v) for v in value)
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _tidy(value: float) -> float:
    """Return a computed number without the noise of its last digits: 550, not 550.0000000000001."""
    return float(f"{value:.12g}")


def _needed(declared: Mapping[str, Any]) -> bool:
    return declared["default"] is dataclasses.MISSING


def _value(name: str, text: str, kind: Kind, length: float) -> Any:
    if kind is Kind.NAME:
        return text
    if kind in _SINGLE:
        return tuple(_value(name, part, _SINGLE[kind], length) for part in text.split("/"))
    if kind is Kind.PLACE and text.endswith("%"):
        return _beyond_first(_tidy(number_of(name, text[:-1]) / 100 * length), name)
    return number_of(name, text)


def number_of(name: str, text: str) -> float:
    try:
        return parse_number(text)
    except UsageError as error:
        raise UsageError(f"{name}={text} is not a number.", hint=error.hint) from error


def _beyond_first(value: float, name: str) -> float:
    """Return a place that was computed: one within the first step would be taken for a share."""
    if 0 < value < 1:
        hint = "Leave it out, or give a schedule over whole steps."
        raise UsageError(f"{name} lies within the first step, at {value:g} of it.", hint=hint)
    return value


def _cosine(way: np.ndarray) -> np.ndarray:
    return (1 + np.cos(np.pi * way)) / 2


# The share of (peak - min) that is left after a share of the way down. Names and forms as
# compared by Haegele et al. 2024 (arXiv:2405.18392).
SHARES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda way: 1 - way,
    "cosine": _cosine,
    "mirror_cosine": lambda way: 2 * (1 - way) - _cosine(way),
    "sqrt": lambda way: 1 - np.sqrt(way),
    "square": lambda way: 1 - way**2,
}
SHAPES = (*SHARES, "polynomial", "exponential")


class Warmed(Schedule):
    """A linear warm-up to a peak, then what the family does from there."""

    peak: float = option("highest learning rate", Kind.RATE)
    warmup: float = option("end of the linear rise to the peak", Kind.PLACE, default=0.0)
    init: float = option("rate from which the rise starts", Kind.RATE, default=0.0)
    first: float = option(
        "count of the first step in the rise: 0 for step/warmup, 1 for (step + 1)/warmup",
        Kind.NUMBER,
        default=0.0,
    )

    def _check(self) -> None:
        if not self.peak > 0:
            raise self.refused(f"peak must be positive, not {self.peak:g}.")
        if self.first not in (0, 1):
            raise self.refused(f"first is 0 or 1, not {self.first:g}.")
        if self.init > self.peak:
            raise self.refused(f"init={write(self.init)} lies above peak={write(self.peak)}.")

    def _check_way(self, shape: str, low: float) -> None:
        """Refuse an unknown shape, a lowest rate above the peak, a geometric decay to zero."""
        if shape not in SHAPES:
            raise self.refused(f"there is no decay {shape!r}.", near(shape, SHAPES, "decays"))
        if low > self.peak:
            raise self.refused(f"min={write(low)} lies above peak={write(self.peak)}.")
        if shape == "exponential" and low == 0:
            hint = "Give min=..., the rate at the end."
            raise self.refused("an exponential decay never reaches 0.", hint)

    def _rate(self, at: np.ndarray) -> Rates:
        after = self._after(np.maximum(at, self.warmup))
        if self.warmup == 0:
            return after
        risen = np.minimum(1.0, (at + self.first) / self.warmup)
        return np.where(at < self.warmup, self.init + (self.peak - self.init) * risen, after)

    def _after(self, at: np.ndarray) -> Rates:
        """Return the rates from the end of the warm-up on."""
        raise NotImplementedError

    def _edges(self) -> list[tuple[str, float]]:
        return [("warm-up", self.warmup), *self._stretches()]

    def _stretches(self) -> list[tuple[str, float]]:
        return [(f"{self.title} decay", self.length)]


class Falling(Warmed):
    """A warm-up, then one way down from the peak to `min` at the end of the run."""

    min: float = option("rate at the end", Kind.RATE, default=0.0)

    def _check(self) -> None:
        super()._check()
        self._check_way(self._shape(), self.min)

    def _shape(self) -> str:
        return self.title

    def _after(self, at: np.ndarray) -> Rates:
        return falling(self._shape(), self._way(at, self.warmup), self.peak, self.min)

    def _way(self, at: np.ndarray, start: float) -> np.ndarray:
        """Return the share of the way from `start` to the end of the run."""
        if start >= self.length:
            return np.zeros_like(at)  # the way down would start where the run is over
        return np.clip((at - start) / (self.length - start), 0, 1)


def falling(
    shape: str, way: np.ndarray, peak: np.ndarray | float, low: float, power: float = 1.0
) -> np.ndarray:
    """Return the rate after a share of the way from `peak` down to `low`."""
    if shape == "exponential":
        return np.asarray(peak ** (1 - way) * low**way)
    share = (1 - way) ** power if shape == "polynomial" else SHARES[shape](way)
    return np.asarray(peak * share + low * (1 - share))
