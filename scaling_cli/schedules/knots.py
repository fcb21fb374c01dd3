"""Any learning rate at all: straight lines between given points, or the rows of a table."""

import csv
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.schedules._schedule import UNITS, Rates, Schedule, number_of, write
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.quantities import parse_number

SUFFIXES = (".csv", ".tsv", ".txt")
UNIT_OF = {"step": "steps", "steps": "steps", "tokens": "tokens"}
RATES = ("lr", "learning_rate", "rate")
FEWEST = 2


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
        length = float(places[-1]) + (unit == "steps")
        known = tuple(np.asarray(rates, float).tolist())
        return cls(length=length, unit=unit, at=tuple(places.tolist()), rates=known)

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """Return the schedule through the points of a text."""
        units = [unit for unit in UNITS if unit in given]
        pairs = [(place, rate) for place, rate in given.items() if place not in UNITS]
        points = sorted((number_of("place", a), number_of(a, rate)) for a, rate in pairs)
        if not points or len(units) > 1:
            raise UsageError("knots needs points, and steps or tokens.", hint=cls.usage())
        unit = units[0] if units else "steps"
        length = number_of(unit, given[unit]) if units else points[-1][0]
        at, rates = zip(*points, strict=True)
        return cls(length=length, unit=unit, at=at, rates=rates)

    @classmethod
    def usage(cls) -> str:
        """Return how a text of this family is written."""
        return "Write knots:STEP=RATE,STEP=RATE,...,steps=...."

    def _check(self) -> None:
        if len(self.at) != len(self.rates) or not self.at:
            raise self.refused("there must be a rate for every place.")
        if any(b <= a for a, b in zip(self.at, self.at[1:], strict=False)) or self.at[0] < 0:
            raise self.refused("places must increase, from 0 on.")
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


def is_table(text: str) -> bool:
    """Say whether a text is the name of a table rather than a schedule."""
    return Path(text.strip()).suffix.lower() in SUFFIXES


def read_table(path: str) -> Schedule:
    """Return the schedule of straight lines between the rows of a table.

    A table with a row for every step ends after its last row, another one at it.

    Parameters
    ----------
    path : str
        A file with a header, a column `step` or `tokens` and a column `lr`; others are ignored.

    Raises
    ------
    DataError
        If it cannot be read, or rows do not make a schedule; file, row and column are named.
    """
    rows = _rows(path) or [[]]
    header = [name.strip().lower() for name in rows[0]]
    place = next((i for i, name in enumerate(header) if name in UNIT_OF), None)
    rate = next((i for i, name in enumerate(header) if name in RATES), None)
    if place is None or rate is None:
        message = "a table of a learning rate needs the columns step (or tokens) and lr."
        hint = f"Found: {', '.join(rows[0]) or 'nothing'}."
        raise DataError(message, file=path, row=1, hint=hint)
    body = [(i, row) for i, row in enumerate(rows[1:], start=2) if any(c.strip() for c in row)]
    at, rates = ([_cell(path, i, row, c, header) for i, row in body] for c in (place, rate))
    if len(at) < FEWEST:
        raise DataError(f"{len(at)} row(s) do not make a schedule.", file=path)
    unit = UNIT_OF[header[place]]
    every = unit == "steps" and all(b == a + 1 for a, b in itertools.pairwise(at))
    try:
        return Knots(length=at[-1] + every, unit=unit, at=tuple(at), rates=tuple(rates))
    except UsageError as error:
        raise DataError(error.message, file=path, hint=error.hint) from error


def _rows(path: str) -> list[list[str]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise DataError(f"cannot read the schedule: {reason}.", file=path) from error
    first = text.partition("\n")[0]
    return list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in first else ","))


def _cell(path: str, row: int, cells: list[str], column: int, header: list[str]) -> float:
    text = cells[column].strip() if column < len(cells) else ""
    try:
        return parse_number(text)
    except UsageError as error:
        message = f"{text!r} is not a number."
        raise DataError(message, file=path, row=row, column=header[column]) from error
