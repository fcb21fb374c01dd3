"""Architectures: which configuration describes which, and how its parameters are counted.

One family of architectures is one file of this folder: it has `NAMES`, a reader for each value of
`model_type` that it knows, or `KEYS`, a reader for each set of settings that tells one without.
A reader takes the settings and returns the architecture. Files that begin with `_` are no members.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

from scaling_cli.architectures._architecture import Architecture
from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import Transformer
from scaling_cli.vocabulary.errors import DataError, guess
from scaling_cli.vocabulary.registry import Modules

Reader = Callable[[Config], Architecture | Transformer]
_FAMILIES = Modules(__name__, "family of architectures")
_DEEPEST = 4  # mappings in mappings that are looked through
_OTHER_PARTS = ("vision_config", "audio_config", "speech_config")
__all__ = ["Architecture", "architecture", "describes", "families", "known"]


@cache
def families() -> dict[str, ModuleType]:
    """Return the families by name."""
    return {name: _FAMILIES.module(name) for name in _FAMILIES.names()}


@cache
def known() -> dict[str, Reader]:
    """Return the reader of every model_type."""
    every = [getattr(family, "NAMES", {}) for family in families().values()]
    return {name: reader for readers in every for name, reader in readers.items()}


@cache
def unnamed() -> dict[frozenset[str], tuple[str, Reader]]:
    """Return what is told by its settings, the most first: what it is called, and its reader."""
    every = {
        keys: (name, reader)
        for name, family in families().items()
        for keys, reader in getattr(family, "KEYS", {}).items()
    }
    return dict(sorted(every.items(), key=lambda pair: -len(pair[0])))


def describes(settings: Mapping[str, Any]) -> bool:
    """Say whether some of these settings describe an architecture that can be counted."""
    return next(_described(settings), None) is not None


def architecture(
    settings: Mapping[str, Any], file: str = "", *, vocabulary: int | None = None
) -> Architecture:
    """Return the architecture that a configuration describes.

    Parameters
    ----------
    settings : mapping
        As the file states them; they may lie in each other.
    file : str
        As shown in messages.
    vocabulary : int, optional
        Entries of the embedding, where the configuration does not state them.

    Raises
    ------
    DataError
        If it describes none that can be counted, or lacks a number without which it cannot.
    """
    described = next(_described(settings), None)
    if described is None:
        raise _unknown(settings, file)
    reader, values, kind = described
    stated = values.get("vocab_size") or vocabulary
    counted = reader(Config({**values, "vocab_size": stated}, file, kind))
    counted = counted if isinstance(counted, Architecture) else counted.counted(kind)
    left = [name for name in _OTHER_PARTS if name in settings]
    alone = [f"the text model alone is counted, not {' and '.join(left)}."] if left else []
    return replace(counted, notes=(*counted.notes, *alone))


def _described(settings: Mapping[str, Any]) -> Iterator[tuple[Reader, Mapping[str, Any], str]]:
    """Yield what describes an architecture: its reader, its settings, what it is called."""
    every = list(_within(settings, _DEEPEST))
    for values in every:
        name = _type(values)
        if name in known():
            yield known()[name], values, name
    if any(_type(values) for values in every):
        return  # it is called something that is not known
    for values in every:
        for keys, (name, reader) in unnamed().items():
            if all(values.get(key) is not None for key in keys):
                yield reader, values, name


def _type(values: Mapping[str, Any]) -> str:
    kind = values.get("model_type")
    return kind if isinstance(kind, str) and ("hidden_size" in values or kind in known()) else ""


def _within(settings: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield settings and those that lie in them, the outer first; of W&B the values alone."""
    values = {
        key: value["value"] if isinstance(value, Mapping) and "value" in value else value
        for key, value in settings.items()
    }
    yield values
    for name, value in values.items():
        if isinstance(value, Mapping) and depth and name not in _OTHER_PARTS:
            yield from _within(value, depth - 1)


def _unknown(settings: Mapping[str, Any], file: str) -> DataError:
    """Return why nothing is counted, and what can be."""
    kind = next((k for v in _within(settings, _DEEPEST) if (k := v.get("model_type"))), None)
    names = ", ".join(known())
    least = {name: sorted(keys) for keys, (name, _) in unnamed().items()}
    keys = "; ".join(f"{name}: {', '.join(told)}" for name, told in least.items())
    if isinstance(kind, str):
        told = f"model_type {kind!r} is none that can be counted here."
        hint = (
            f"{guess(kind, list(known()), cutoff=0.6)}Known: {names}. Without a model_type: {keys}."
        )
    else:
        told = "no architecture is described here that can be counted."
        hint = f"Give a config.json with a model_type ({names}), or settings of {keys}."
    return DataError(told, file=file or None, hint=hint)
