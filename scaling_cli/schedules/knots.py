"""Any learning rate at all: straight lines between given points."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.schedules._schedule import UNITS, Rates, Schedule, _number, write
from scaling_cli.vocabulary.errors import UsageError


class Knots(Schedule):
    """Straight lines between points: `knots:0=0,2160=3e-4,24000=3e-5,steps=24000`.

    A logged learning rate becomes this schedule where no family explains it. Before the first
    point the rate is the first one.
    """

    at: tuple[float, ...]
    rates: tuple[float, ...]

    @classmethod
    def of(cls, at: ArrayLike, rates: ArrayLike, *, unit: str = "steps") -> Self:
        """Return the schedule through points, which ends one step after the last of them."""
        places = np.asarray(at, float)
        return cls(
            length=float(places[-1]) + (1.0 if unit == "steps" else 0.0),
            unit=unit,
            at=tuple(places.tolist()),
            rates=tuple(np.asarray(rates, float).tolist()),
        )

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """Return the schedule through the points of a text."""
        units = [unit for unit in UNITS if unit in given]
        points = sorted(
            (_number("place", k), _number(k, v)) for k, v in given.items() if k not in UNITS
        )
        if not points or len(units) > 1:
            raise UsageError("knots needs points, and steps or tokens.", hint=cls.usage())
        unit = units[0] if units else "steps"
        length = _number(unit, given[unit]) if units else points[-1][0]
        at, rates = zip(*points, strict=True)
        return cls(length=length, unit=unit, at=at, rates=rates)

    @classmethod
    def usage(cls) -> str:
        """Return how a text of this family is written."""
        return "Write knots:STEP=RATE,STEP=RATE,...,steps=...."

    def _check(self) -> None:
        if len(self.at) != len(self.rates) or not self.at:
            raise UsageError("knots: there must be a rate for every place.")
        if any(b <= a for a, b in zip(self.at, self.at[1:], strict=False)) or self.at[0] < 0:
            raise UsageError("knots: places must increase, from 0 on.")
        for place, rate in zip(self.at, self.rates, strict=True):
            self._rate_given(f"the rate at {write(place)}", rate)

    def text(self) -> str:
        """Return every point."""
        points = [f"{write(a)}={write(r)}" for a, r in zip(self.at, self.rates, strict=True)]
        return f"knots:{','.join([*points, f'{self.unit}={write(self.length)}'])}"

    def _rate(self, at: np.ndarray) -> Rates:
        return np.interp(at, self.at, self.rates)

    def _edges(self) -> list[tuple[str, float]]:
        return [("as given", self.length)]

    @property
    def highest(self) -> float:
        """The highest learning rate."""
        return max(self.rates)

    def _stretched(self, factor: float) -> Schedule:
        at = tuple(place * factor for place in self.at)
        return Knots(length=self.length * factor, at=at, rates=self.rates)
