"""Data of others, by name: a card says what and where; `fetch` downloads it and checks its hash.

Nothing is vendored. A card pins a commit and a SHA-256 per file; the cache (and a mirror) hold
the files at `<owner>/<repo>/<commit>/<path>`, so either can stand in for the network. The cache is
the user's (`SCALING_CACHE` moves it). pooch downloads to a temporary name, checks the SHA-256 and
renames; it is imported only then.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_cli.datasets import schema
from scaling_cli.datasets.schema import Card, DataFile
from scaling_cli.vocabulary import shipped
from scaling_cli.vocabulary.errors import DataError, UsageError, near
from scaling_cli.vocabulary.jsonfile import stamped, write_whole

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

    known, folder = card(name), _mirror(mirror)
    beside = known.path.parent
    if known.is_shipped:
        files = {file.path: _checked(beside / file.path, file) for file in known.files}
    else:
        files = {file.path: _fetch(known, file, folder) for file in known.files}
    normalised = tables.normalise(known, files)
    target = cache_folder() / "tables" / f"{name}-{known.digest()[:12]}.csv"
    tables.write(normalised, target)
    return Fetched(known, files, normalised, target)


def at_hand(name: str | None, *, mirror: str | Path | None = None) -> Fetched | None:
    """Return the data set if it is shipped, cached or in the mirror; None without a download.

    None also where there is no name.
    """
    if name is None:
        return None
    known, folders = card(name), [cache_folder(), _mirror(mirror)]
    roots = [folder / known.source.folder for folder in folders if folder is not None]
    there = [any((root / file.path).is_file() for root in roots) for file in known.files]
    return fetch(name, mirror=mirror) if known.is_shipped or all(there) else None


def cache_folder() -> Path:
    """Return the folder that holds fetched data: SCALING_CACHE, else the user's cache."""
    folder = os.environ.get("SCALING_CACHE")
    if folder:
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("scaling-cli"))


def _mirror(given: str | Path | None) -> Path | None:
    folder = given or os.environ.get("SCALING_MIRROR")
    return Path(folder).expanduser() if folder else None


def _checked(path: Path, file: DataFile) -> Path:
    """Return `path` if it is the file the card names."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read it: {error.strerror}.", file=str(path)) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        size = f"{len(content)} bytes instead of {file.size}"
        message = f"not the file that the card names: its SHA-256 differs ({size})."
        hint = "Remove it and fetch again, or correct the card if the data have changed."
        raise DataError(message, hint=hint, file=str(path))
    return path


def _fetch(card: Card, file: DataFile, mirror: Path | None) -> Path:
    """Return the cached file, first copied from the mirror or downloaded if need be."""
    place = card.source.folder / file.path
    target = cache_folder() / place
    if target.is_file():
        return _checked(target, file)
    if mirror is None:
        return _download(card.source.url_of(file.path), file, target)
    source = mirror / place
    if not source.is_file():
        hint = "A mirror holds files at <owner>/<repo>/<commit>/<path>."
        raise DataError(f"the mirror {mirror} has no {place}.", hint=hint)
    _checked(source, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, source.read_bytes())
    return target


def _download(url: str, file: DataFile, target: Path) -> Path:
    import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(url, f"sha256:{file.sha256}", fname=target.name, path=target.parent)
    except RequestException as error:
        raise DataError(
            f"cannot download {url}: {_reason(error)}.",
            hint="Without a network give a folder with --mirror or SCALING_MIRROR that holds "
            "the files at <owner>/<repo>/<commit>/<path>.",
        ) from error
    except ValueError as error:
        message = f"{url} is not the file that the card names: its SHA-256 differs."
        hint = "The file has changed at its source; do not use it."
        raise DataError(message, hint=hint) from error
    return target


def _reason(error: Any) -> str:
    """Say why a request failed, and close the connection that a refused one leaves open."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        response.close()
        return f"HTTP status {response.status_code}"
    return "no connection" if "onnect" in type(error).__name__ else type(error).__name__
