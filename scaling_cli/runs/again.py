"""What an ingest said, kept beside the store, and said again where nothing has changed since.

A file is as it was if its name, its size, its inode and both of its times are: nobody can set back
the time at which an inode was changed. What changed a moment ago may change again within one tick
of the clock, so of such files nothing is kept. Windows does not tell that time.
"""

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from scaling_cli._version import __version__
from scaling_cli.architectures._written import CONFIGS

NAME = "again.json"
TICK = 2 * 10**9  # ns in which a clock that times are taken from surely moves on
_MOST = 8  # answers that are kept
BEGUN = time.time_ns()  # before this nothing was read
_PACKAGE = Path(__file__).parents[1]
_READING = ("ingest", "runs", "architectures")
_Entry = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Asked:
    """What is to be put into a store and how it is read, with all files as they are now."""

    root: Path
    digest: str
    settled: bool
    """Whether no file changed so lately that it could change again unseen."""


def asked(store: str | Path, sources: Sequence[Any], said: Mapping[str, Any]) -> Asked | None:
    """Return what is asked; None if it cannot be asked twice, or a file cannot be told."""
    if sys.platform == "win32" or not all(isinstance(s, str | Path) for s in sources):
        return None
    root = Path(store)
    places = [str(place) for place in (*sources, said.get("meta")) if place is not None]
    try:
        entries = [entry for place in places for entry in _given(place, root)]
    except OSError:
        return None
    if not entries:
        return None
    question = (program(), str(Path.cwd()), str(root), places, dict(said), entries)
    newest = max(max(modified, changed) for _, _, _, modified, changed in entries)
    digest = sha256(json.dumps(question, default=str).encode()).hexdigest()
    return Asked(root, digest, newest + TICK < BEGUN)


@cache
def program() -> str:
    """Return which program this is: another one may recognise files in another way."""
    files = [_all_of(str(_PACKAGE / name), _PACKAGE, ".py") for name in _READING]
    return sha256(json.dumps((__version__, files)).encode()).hexdigest()[:16]


def settled(status: os.stat_result) -> tuple[int, int] | None:
    """Return by what a file is told from others of its size and time; None if it is too new.

    It is the inode, and when that was changed.
    """
    late = max(status.st_mtime_ns, status.st_ctime_ns) + TICK >= BEGUN
    return None if late or sys.platform == "win32" else (status.st_ino, status.st_ctime_ns)


def answer(question: Asked) -> dict[str, Any] | None:
    """Return what was kept of the same question to the same store; None if nothing was."""
    kept = _kept(question.root)
    record = kept["answers"].get(question.digest)
    return record if isinstance(record, dict) and kept["state"] == _state(question.root) else None


def keep(question: Asked, record: Mapping[str, Any]) -> None:
    """Keep what is to be said if the same is asked again; whoever calls holds the store's lock."""
    if not question.settled:
        return
    state, kept = _state(question.root), _kept(question.root)
    if state is None:
        return
    before = list(kept["answers"].items()) if kept["state"] == state else []
    answers = dict(before[1 - _MOST :]) | {question.digest: dict(record)}
    partial = question.root / "tmp" / f"{os.getpid()}-{NAME}"
    with contextlib.suppress(OSError):  # it is asked in full then
        partial.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps({"state": state, "answers": answers}))
        os.replace(partial, question.root / NAME)
    with contextlib.suppress(OSError):
        partial.parent.rmdir()


def _kept(root: Path) -> dict[str, Any]:
    try:
        kept = json.loads((root / NAME).read_bytes())
        if isinstance(kept, dict) and isinstance(kept.get("answers"), dict):
            return {"state": kept.get("state"), "answers": kept["answers"]}
    except (OSError, ValueError, RecursionError):
        pass
    return {"state": None, "answers": {}}


def _state(root: Path) -> str | None:
    """Return what a store is now: its manifest, and its files as they are."""
    try:
        manifest = (root / "manifest.json").read_bytes()
        files = [_all_of(str(root / name), root) for name in ("points", "tables")]
    except OSError:
        return None
    return sha256(manifest + json.dumps(files).encode()).hexdigest()


def _given(place: str, store: Path) -> list[_Entry]:
    """Return the files that a path stands for, as they are."""
    status = Path(place).stat()
    if stat.S_ISDIR(status.st_mode):
        table = Path(place).parent / "runs.csv"  # what may be known of the logs of this folder
        beside = [_entry(str(table), table.stat())] if table.is_file() else []
        own = (os.path.realpath(place), status.st_ino, 0, 0, 0)
        return [own, *beside, *_all_of(place, store)]
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{place} can be read once")
    ahead = Path(f"{place}-wal")  # what a database's writer has written beside it
    beside = [_entry(str(ahead), ahead.stat())] if ahead.exists() else []
    folder = Path(place).parent
    configs = [file for name in CONFIGS if (file := folder / name).is_file()]
    # A configuration counts for the log that lies alone with it.
    beside += [
        _entry(str(path), path.stat()) for path in (*configs, *([folder] if configs else []))
    ]
    return [_entry(place, status), _entry(os.path.realpath(place), status), *beside]


def _all_of(folder: str, store: Path, ending: str = "") -> list[_Entry]:
    """Return the files in a folder but those that are hidden or the store's own."""
    own = store.stat() if store.is_dir() else None
    found = []
    for entry in _listed(folder, own):
        with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere
            found += [_entry(entry.path, entry.stat())] if entry.name.endswith(ending) else []
    return sorted(found)


def _listed(folder: str, own: os.stat_result | None) -> Iterator[os.DirEntry[str]]:
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        pending += [e.path for e in folders if own is None or not _is_own(e, own)]
        yield from (entry for entry in entries if entry not in folders)


def _is_own(folder: os.DirEntry[str], own: os.stat_result) -> bool:
    return os.path.samestat(Path(folder.path).stat(), own)


def _entry(path: str, status: os.stat_result) -> _Entry:
    return (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
