"""Hours, energy and money of a training run on accelerators, from a small dated table."""

import tomllib
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from scaling_cli.vocabulary.errors import UsageError

USUAL_MFU = 0.4  # share of the peak that a well-kept run of a large model reaches
HOUR = 3600.0


@dataclass(frozen=True)
class Accelerator:
    """What one accelerator does, takes and costs.

    Parameters
    ----------
    name, source : str
    peak : float
        FLOP/s in bfloat16, dense.
    watts : float, optional
        Of the accelerator alone, at full load.
    price : float, optional
        Dollars an hour; `priced` says whose and when.
    """

    name: str
    peak: float
    source: str
    watts: float | None = None
    price: float | None = None
    priced: str = ""

    @classmethod
    def get(cls, name: str, price: float | None = None) -> Self:
        """Return one of the table, at another price if one is given.

        Raises
        ------
        UsageError
            If the table has none of this name.
        """
        table = _table()
        if name.lower() not in table:
            raise UsageError(f"no accelerator {name!r}.", hint=f"Known: {', '.join(table)}.")
        told = cls(**table[name.lower()])
        return told if price is None else replace(told, price=price, priced="given")

    def cost(self, flop: float, mfu: float, count: int | None) -> dict[str, Any]:
        """Return hours, days on `count` of them, energy in kWh and dollars for so many FLOP."""
        hours = flop / (self.peak * mfu) / HOUR
        return {
            "hours": hours,
            "days": None if count is None else hours / count / 24,
            "energy_kwh": None if self.watts is None else hours * self.watts / 1000,
            "dollars": None if self.price is None else hours * self.price,
        }

    def to_record(self, mfu: float, count: int | None) -> dict[str, Any]:
        """Return what costs rest on."""
        return {**asdict(self), "mfu": mfu, "count": count}


def names() -> list[str]:
    """Return the accelerators of the table."""
    return list(_table())


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("accelerators.toml").read_text("utf8"))
