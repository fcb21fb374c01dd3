"""Where a data set's files come from: beside the card, the cache, a mirror, or the network.

The cache is the user's (`SCALING_CACHE` moves it) and is laid out like a mirror. pooch
downloads to a temporary name, checks the SHA-256 and renames; it is imported only then.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from scaling_cli.datasets.schema import Card, DataFile
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.jsonfile import write_whole


def cache_folder() -> Path:
    """Return the folder that holds fetched data: SCALING_CACHE, else the user's cache."""
    folder = os.environ.get("SCALING_CACHE")
    if folder:
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("scaling-cli"))


def locate(card: Card, *, mirror: str | Path | None = None) -> dict[str, Path]:
    """Return every file of a card by its path in the repository, each with the right hash.

    Parameters
    ----------
    card : Card
    mirror : path, optional
        Folder to copy from instead of the network; default SCALING_MIRROR.

    Raises
    ------
    DataError
        If a file is not what the card names, or cannot be had.
    """
    if card.is_shipped:
        return {f.path: _checked(card.path.parent / f.path, f) for f in card.files}
    folder = _mirror(mirror)
    return {file.path: _fetch(card, file, folder) for file in card.files}


def is_at_hand(card: Card, *, mirror: str | Path | None = None) -> bool:
    """Return whether `locate` needs no network: shipped, cached or in the mirror."""
    folders = [folder for folder in (cache_folder(), _mirror(mirror)) if folder is not None]
    places = [[folder / card.source.folder / f.path for folder in folders] for f in card.files]
    return card.is_shipped or all(any(map(Path.is_file, paths)) for paths in places)


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
        raise DataError(
            f"not the file that the card names: its SHA-256 differs ({size}).",
            hint="Remove it and fetch again, or correct the card if the data have changed.",
            file=str(path),
        )
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
        raise DataError(
            f"{url} is not the file that the card names: its SHA-256 differs.",
            hint="The file has changed at its source; do not use it.",
        ) from error
    return target


def _reason(error: Any) -> str:
    """Say why a request failed, and close the connection that a refused one leaves open."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        response.close()
        return f"HTTP status {response.status_code}"
    return "no connection" if "onnect" in type(error).__name__ else type(error).__name__
