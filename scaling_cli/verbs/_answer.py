"""What a verb answers where the answer is no stored thing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaling_cli.vocabulary.jsonfile import stamped
from scaling_cli.vocabulary.shown import Shown


@dataclass(frozen=True, repr=False)
class Answer(Shown, Mapping[str, Any]):
    """The object that the command prints with --json, as a mapping.

    Parameters
    ----------
    record : mapping
    report : str
        The file of `reports` that says it in words.
    made : object
        The stored thing behind it, if there is one: a fit, a recipe, results of checks.
    """

    record: Mapping[str, Any]
    report: str
    made: Any = None

    def __getitem__(self, key: str) -> Any:
        """Return an entry of the record."""
        return self.record[key]

    def __iter__(self) -> Iterator[str]:
        """Go through the keys."""
        return iter(self.record)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.record)

    def to_dict(self) -> dict[str, Any]:
        """Return what the command prints with --json."""
        return stamped(self.record)

    def __repr__(self) -> str:
        """Return what it is and its keys."""
        return f"<Answer of {self.report}: {', '.join(self.record)}>"
