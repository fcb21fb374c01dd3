"""A configuration that lies beside a log: what it says of the run where the log says nothing.

It counts for the one log of its kind in its folder: beside several, whose it is, is not known. Its
digest is part of how a log was read, so that another configuration makes a log read anew.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from scaling_cli.architectures._written import CONFIGS, settings
from scaling_cli.ingest import _settings
from scaling_cli.ingest._sources import Source, format_ending
from scaling_cli.runs.table import Note
from scaling_cli.vocabulary.errors import DataError, some
from scaling_cli.vocabulary.quantities import short_number
from scaling_cli.vocabulary.reading import read_file

_RUNS = "runs"
_LARGEST = 1 << 20  # bytes of a configuration
_PARTIAL = ("params_non_embedding", "params_active")
_NEAR = 0.05  # a count that is this near to one that was computed is that one, rounded


@dataclass(frozen=True)
class Beside:
    """What lies beside a log.

    Parameters
    ----------
    file : str
        The configuration.
    sha256 : str
    facts : mapping
        What it says; nothing where the log is one of several.
    several : tuple of str
        The logs, where there are several.
    """

    file: str
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    several: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """The configuration of a folder, if it has one; the table of metadata there is no log."""

    path: Path
    meta: str = ""

    @cached_property
    def config(self) -> tuple[Path, bytes] | None:
        """Return the file and its content: the first of the usual names that describes a run."""
        for name in CONFIGS:
            file = self.path / name
            if file.is_file() and file.stat().st_size <= _LARGEST:
                content, _ = read_file(file, str(file))
                if _facts(content, str(file)):
                    return file, content
        return None

    def beside(self, source: Source) -> Beside | None:
        """Return what lies beside a log of this folder."""
        if self.config is None:
            return None
        ending = format_ending(source.name)
        # What lies in several files is one run, and of JSON logs there is one.
        logs = () if source.parts or ending == ".json" else self._by_ending.get(ending, ())
        return self._beside_several[ending] if len(logs) > 1 else self._beside_one

    @cached_property
    def _beside_one(self) -> Beside:
        file, content = self.config or (self.path, b"")
        return Beside(str(file), sha256(content).hexdigest(), _facts(content, str(file)))

    @cached_property
    def _beside_several(self) -> dict[str, Beside]:
        one = self._beside_one
        return {e: Beside(one.file, one.sha256, {}, (*n,)) for e, n in self._by_ending.items()}

    @cached_property
    def _by_ending(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for name in sorted({file.name for file in os.scandir(self.path)} - {*CONFIGS, self.meta}):
            names.setdefault(format_ending(name), []).append(name)
        return names


def _facts(content: bytes, name: str) -> dict[str, Any]:
    """Return what a configuration says of its run, but for settings without a meaning here."""
    try:
        said = _settings.facts(settings(content.decode("utf-8", errors="replace"), name))
    except DataError:
        return {}
    return {k: v for k, v in said.items() if not k.startswith(_settings.PREFIX)}


def table_of_runs(given: Sequence[Any]) -> tuple[Path, Path] | None:
    """Return the table `runs.csv` beside the folder `runs` that all sources are in, and the folder.

    Only where folders are given: then both were meant, or could have been.
    """
    pairs = {_pair(item) for item in given}
    return pairs.pop() if len(pairs) == 1 else None


def _pair(item: Any) -> tuple[Path, Path] | None:
    if not isinstance(item, str | Path) or not Path(item).is_dir():
        return None
    path = Path(item)
    for folder in (path / _RUNS, path):
        table = folder.parent / f"{_RUNS}.csv"
        if folder.name == _RUNS and folder.is_dir() and table.is_file():
            return table, folder
    return None


def is_configuration(name: str, head: bytes) -> bool:
    """Say whether a file is a configuration of a run and no log."""
    return Path(name).name in CONFIGS and bool(_facts(head, name))


def folder_of(source: Source) -> Path | None:
    """Return where a configuration of a log would lie; None for what is no file."""
    if source.path is None or (source.frame is not None and not source.parts):
        return None
    return source.path if source.parts else source.path.parent


def digest(as_json: str, beside: Beside | None) -> str:
    """Return what a store compares: how a log is read, and what lay beside it."""
    if beside is None:
        return as_json
    lies = {"beside": beside.sha256, "alone": not beside.several}
    return json.dumps({**json.loads(as_json), **lies}, sort_keys=True)


def filled(facts: Mapping[str, Any], *soft: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with those that nothing stated; a count goes with how it counts."""
    whole = dict(facts)
    for more in soft:
        stated, counts = _settings.apart(more)
        if "params" in stated:
            counts = {n: stated.pop(n) for n in ("params", "params_convention") if n in stated}
        if whole.get("params") is None:
            whole = {k: v for k, v in whole.items() if k != "params_convention"} | counts
        elif _near(whole["params"], counts.get("params")):
            stated |= {name: counts[name] for name in _PARTIAL if name in counts}
        whole |= {name: value for name, value in stated.items() if whole.get(name) is None}
    return whole


def unknown(every: Iterable[Beside | None]) -> list[Note]:
    """Return a note on each configuration that lies beside several logs."""
    several = {each.file: each.several for each in every if each is not None and each.several}
    return [
        Note(
            "config-beside",
            "info",
            f"it lies beside {len(logs)} logs ({some(logs, 3)}): whose it is, is not known. --set "
            "params=... or --meta states N.",
            file,
        )
        for file, logs in several.items()
    ]


def _near(count: Any, other: Any) -> bool:
    numbers = isinstance(count, int | float) and isinstance(other, int | float)
    return numbers and abs(count / other - 1) < _NEAR


def notes(
    file: str, facts: Mapping[str, Any], own: Mapping[str, Any], beside: Beside | None
) -> list[Note]:
    """Return what is to be said of facts that were computed, or come from beside the log.

    Parameters
    ----------
    file : str
        The log.
    facts : mapping
        Of the run, as they were settled.
    own : mapping
        What was computed of the log's own configuration.
    beside : Beside, optional
    """
    told = []
    whence = "the configuration of the run" if own else (beside and beside.file) or ""
    soft = {**(beside.facts if beside else {}), **own}
    known = facts.get(_settings.KNOWN)
    if known and known == soft.get(_settings.KNOWN):
        way = str(facts.get("params_convention")).replace("_", "-")
        text = f"params = {facts['params']:,.0f} ({way}), computed from {whence}"
        model = str(known).removeprefix(_settings.COMPUTED)
        told.append(Note("params-computed", "info", f"{text} ({model}).", file))
    elif _settings.KNOWN in soft and (contradiction := _contradicts(facts, soft)):
        remedy = "--set params=... settles it."
        message = f"{contradiction} {whence}: {remedy}"
        told.append(Note("params-contradict", "warn", message, file))
    taken = [n for n in (beside.facts if beside else {}) if n in _SAID and n not in own]
    taken = [n for n in taken if beside and facts.get(n) == beside.facts[n]]
    if beside and taken:
        text = f"{', '.join(taken)} from {beside.file}, where the log does not state them"
        told.append(Note("config-beside", "info", f"{text}.", file))
    return told


_SAID = ("step", "seq_len", "batch_tokens", "vocab_size", "unique_tokens", "peak_lr")


def _contradicts(facts: Mapping[str, Any], soft: Mapping[str, Any]) -> str | None:
    """Say that a stated count is less or more than an architecture has by any way of counting."""
    stated = facts.get("params")
    counts = [soft[n] for n in ("params", "params_non_embedding", "params_active") if n in soft]
    if not isinstance(stated, int | float) or not stated > 0:
        return None
    open_ended = soft.get("params_convention") != "total"  # its vocabulary is not stated
    if stated >= min(counts) * (1 - _NEAR) and (open_ended or stated <= max(counts) * (1 + _NEAR)):
        return None
    each = " to ".join(map(short_number, dict.fromkeys((min(counts), max(counts)))))
    return f"params are {short_number(stated)}, but the architecture has {each} by"
