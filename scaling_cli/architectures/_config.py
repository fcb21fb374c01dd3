"""Settings of a model as its configuration states them: numbers and switches by any of their names.

A number without which nothing can be counted is asked for; a switch that is left out is what the
trainer takes it for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaling_cli.vocabulary.errors import DataError

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off", "none", "null", "")
_MOST = 1e15  # no size of a model is as large


@dataclass(frozen=True)
class Config:
    """The settings of a model: those of its kind, and those around them.

    Parameters
    ----------
    values : mapping
    file : str
        As shown in messages.
    kind : str
        What it is called in messages.
    """

    values: Mapping[str, Any]
    file: str = ""
    kind: str = ""

    def has(self, *names: str) -> bool:
        """Say whether all of these have a value."""
        return all(self.values.get(name) is not None for name in names)

    def word(self, name: str, otherwise: str = "") -> str:
        """Return a setting as a word in small letters."""
        value = self.values.get(name)
        return otherwise if value is None else str(value).strip().lower()

    def listed(self, name: str) -> list[Any]:
        """Return a setting that is a list; an empty one where it is none."""
        value = self.values.get(name)
        return list(value) if isinstance(value, list | tuple) else []

    def size(self, *names: str) -> int:
        """Return a number that must be there: the first of these names that has one.

        Raises
        ------
        DataError
            If none has, or it is no whole number above zero.
        """
        number = self.optional(*names)
        if number is None:
            told = f"{self.kind or 'the architecture'} cannot be counted without {names[0]}."
            others = f" It may be called {' or '.join(names[1:])}, too." if len(names) > 1 else ""
            raise DataError(told, file=self.file or None, hint=f"Add it to the file.{others}")
        return number

    def optional(self, *names: str) -> int | None:
        """Return the number under the first of these names that has one; None if none has."""
        for name in names:
            value = self.values.get(name)
            if value is not None and value != "" and str(value).lower() not in _FALSE:
                return self._whole(name, value)
        return None

    def _whole(self, name: str, value: Any) -> int:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if number != math.floor(number) if math.isfinite(number) else True:
            raise DataError(f"{name} must be a whole number, not {value!r}.", file=self.file)
        if not 0 < number < _MOST:
            raise DataError(f"{name} must be above zero, not {value!r}.", file=self.file)
        return int(number)

    def count(self, name: str, otherwise: int = 0) -> int:
        """Return a number that may be zero."""
        value = self.values.get(name)
        if value is None or value is False or value == 0 or str(value).lower() in _FALSE:
            return otherwise if value is None else 0
        return self._whole(name, value)

    def ratio(self, name: str, otherwise: float) -> float:
        """Return a number that need not be whole."""
        value = self.values.get(name)
        try:
            number = otherwise if value is None else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise DataError(f"{name} must be a number above zero, not {value!r}.", file=self.file)
        return number

    def flag(self, name: str, otherwise: bool) -> bool:
        """Return a switch, however it is written; what it is taken for where it is left out.

        Raises
        ------
        DataError
            If it is no switch.
        """
        value = self.values.get(name)
        if value is None:
            return otherwise
        said = str(value).strip().lower()
        if isinstance(value, bool) or said in ("0", "1", "0.0", "1.0"):
            return bool(float(value))
        if said not in (*_TRUE, *_FALSE):
            raise DataError(f"{name} must be true or false, not {value!r}.", file=self.file)
        return said in _TRUE
