"""What has a report is shown by it; reports lie above, so they are found by their name."""

import importlib
from dataclasses import fields
from typing import Any

from scaling_cli.vocabulary.jsonfile import nulls


class Shown:
    """What has a report, and is shown by it; two that hold the same are equal, arrays too."""

    def __init_subclass__(cls) -> None:
        """Compare by what is held: tuples of arrays, as a dataclass has it, have no truth."""
        super().__init_subclass__()
        if "__eq__" not in vars(cls):
            cls.__eq__ = Shown.__eq__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._held() == other._held()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _held(self: Any) -> Any:
        return nulls({f.name: getattr(self, f.name) for f in fields(self)})

    def __str__(self) -> str:
        """Return the first screen of the report: what `print(fit)` shows."""
        return importlib.import_module("scaling_cli.reports").short(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return importlib.import_module("scaling_cli.reports").short_html(self)
