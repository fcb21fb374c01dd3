"""Data of others, by name: a card says what and where; `fetch` downloads it and checks its hash.

Nothing is vendored. A card pins a commit and a SHA-256 per file; the cache (and a mirror) hold
the files at `<owner>/<repo>/<commit>/<path>`, so either can stand in for the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_cli.datasets import schema
from scaling_cli.datasets.download import cache_folder, is_at_hand, locate
from scaling_cli.datasets.schema import Card
from scaling_cli.vocabulary import shipped
from scaling_cli.vocabulary.errors import UsageError, near
from scaling_cli.vocabulary.jsonfile import stamped

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Card", "Fetched", "at_hand", "card", "cards", "fetch", "names"]


@dataclass(frozen=True)
class Fetched:
    """A data set on this machine.

    Parameters
    ----------
    card : Card
        What it is.
    files : mapping of str to Path
        The original files by their path in the source repository.
    table : pyarrow.Table
        The normalised table: canonical columns, unit and convention in each field's metadata.
    path : Path
        The same table as CSV.
    """

    card: Card
    files: Mapping[str, Path]
    table: "pyarrow.Table"
    path: Path

    def to_dict(self, place: Path | None = None) -> dict[str, Any]:
        """Return what `scaling data fetch --json` prints; `place` is where the table was copied."""
        record = {
            **self.card.to_dict(),
            "rows": self.table.num_rows,
            "table": str(place or self.path),
            "local_files": {name: str(path) for name, path in self.files.items()},
        }
        return stamped(record)


def names() -> list[str]:
    """Return the names of all data sets that have a card."""
    root = shipped.folder("data")
    return sorted(p.parent.name for p in root.glob("*/card.toml"))


def cards() -> list[Card]:
    """Return all cards, by name."""
    return [card(name) for name in names()]


def card(name: str) -> Card:
    """Return the card of a data set.

    Raises
    ------
    UsageError
        If there is none of this name; near names are suggested.
    DataError
        If the card is not valid; the message names the file and the key.
    """
    if name not in names():
        raise UsageError(f"there is no data set {name!r}.", hint=near(name, names(), "data sets"))
    return schema.read(shipped.folder("data") / name / "card.toml")


def fetch(name: str, *, mirror: str | Path | None = None) -> Fetched:
    """Bring a data set to this machine and normalise it.

    Parameters
    ----------
    name : str
        A card's name.
    mirror : path, optional
        A folder with the files at `<owner>/<repo>/<commit>/<path>`, used instead of the network;
        default is the environment variable SCALING_MIRROR. Hashes are checked all the same.

    Raises
    ------
    UsageError
        If there is no such data set.
    DataError
        If a file is not in the mirror, cannot be downloaded, or is not the one the card names.
    """
    from scaling_cli.datasets import table as tables  # pyarrow: only when data are read

    known = card(name)
    files = locate(known, mirror=mirror)
    normalised = tables.normalise(known, files)
    target = cache_folder() / "tables" / f"{name}-{known.digest()[:12]}.csv"
    tables.write(normalised, target)
    return Fetched(known, files, normalised, target)


def at_hand(name: str, *, mirror: str | Path | None = None) -> Fetched | None:
    """Return the data set if it is shipped, cached or in the mirror; None without a download."""
    return fetch(name, mirror=mirror) if is_at_hand(card(name), mirror=mirror) else None
