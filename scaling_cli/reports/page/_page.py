"""What a page is made of: the answer, pictures, blocks under headings, numbers and origins."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaling_cli.reports import _numbers
from scaling_cli.reports._blocks import Block, Table
from scaling_cli.reports.page._model import Model


class Origin(enum.StrEnum):
    """Where a number comes from."""

    DECLARED = "declared"
    """Somebody said so: an option that was typed."""
    READ = "read"
    """It stands in the logs."""
    ASSUMED = "assumed"
    """Nobody said so and no data show it: a default, a convention, a belief."""
    COMPUTED = "computed"
    """It follows from the others."""


@dataclass(frozen=True)
class Number:
    """A number of a page.

    Parameters
    ----------
    name : str
    value : float or None
    origin : Origin
    why : str
        From what it was computed, where it was read, by what it was declared, why it is assumed.
    unit : str
    ends : (low, high), optional
        Of its interval; None where an end is open.
    level : float, optional
        Of the interval.
    """

    name: str
    value: float | None
    origin: Origin
    why: str
    unit: str = ""
    ends: Sequence[float | None] | None = None
    level: float | None = None

    @property
    def written(self) -> str:
        """The value as people read it."""
        return "-" if self.value is None else _numbers.parameter(self.value)

    @property
    def range(self) -> str:
        """Its interval as people read it."""
        if self.ends is None or all(end is None for end in self.ends):
            return ""
        low, high = ("no bound" if e is None else _numbers.parameter(e) for e in self.ends)
        return f"{low} .. {high}" + (
            "" if self.level is None else f" ({100 * self.level:g}\u00a0%)"
        )


@dataclass(frozen=True)
class Picture:
    """A figure: its title and what it shows in words, for those who do not see it."""

    kind: str
    title: str
    text: str
    table: Any


@dataclass(frozen=True)
class Page:
    """Everything that a page says of a thing.

    Parameters
    ----------
    title, what, name : str
        What it is about; what kind of thing that is; the file or name that was given.
    answer : sequence of str
        The first sentence is for whoever reads no other.
    careful : sequence of Block
        What warns. `checked` is what passed.
    backtest, assumed, exact, left_out : sequence of Block
    numbers : sequence of Number
    command : sequence of str
        What makes the thing and this page again.
    pictures : sequence of Picture
    model : Model, optional
        What one can move.
    """

    title: str
    what: str
    name: str
    answer: Sequence[str]
    careful: Sequence[Block]
    exact: Sequence[Block]
    left_out: Sequence[Block]
    numbers: Sequence[Number]
    command: Sequence[str]
    checked: Sequence[Block] = ()
    backtest: Sequence[Block] = ()
    assumed: Sequence[Block] = ()
    pictures: Sequence[Picture] = ()
    without_pictures: str = ""
    model: Model | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What `--json` says beside the numbers, such as the warnings and the backtest."""

    def table(self) -> Table:
        """Return the numbers as a table."""
        columns = [
            ("number", "<", lambda n: n.name),
            ("value", ">", lambda n: n.written),
            ("interval", "<", lambda n: n.range),
            ("unit", "<", lambda n: n.unit),
            ("is", "<", lambda n: str(n.origin)),
            ("from", "^", lambda n: n.why),
        ]
        return Table.of(self.numbers, columns)
