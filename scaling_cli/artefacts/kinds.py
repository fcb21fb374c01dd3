"""Everything that is stored, by path or by certified name: `load` reads whichever kind it is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

from scaling_cli import artefacts, curve_laws, laws
from scaling_cli.artefacts._record import Record
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary import registry
from scaling_cli.vocabulary.errors import DataError, UsageError, guess
from scaling_cli.vocabulary.jsonfile import read_json
from scaling_cli.vocabulary.quantities import LR
from scaling_cli.vocabulary.shipped import folder

_R = TypeVar("_R", bound=Record)
Named = str | os.PathLike[str] | Record


KINDS = registry.Classes(artefacts.__name__, "kind", Record, apart="kinds")


def fit_names(*, of_curves: bool | None = None) -> list[str]:
    """Return the names of the certified fits, such as `chinchilla/besiroglu-2024`.

    Parameters
    ----------
    of_curves : bool, optional
        Only those of loss curves, such as `multi_power/luo-2025-25m`, or only the others.
    """
    curves = {curve_laws.AVERAGE, *curve_laws.names()}
    return [
        f"{path.parent.name}/{path.stem}"
        for path in sorted(folder("fits").glob("*/*.json"))
        if of_curves is None or of_curves == (path.parent.name in curves)
    ]


def recipe_names() -> list[str]:
    """Return the certified recipes: names that fits of a learning rate and of a batch share."""
    parts = (name.split("/") for name in fit_names(of_curves=False))
    return sorted(stem for law, stem in parts if laws.get(law).output() is LR)


def recipe_parts(name: str) -> list[str]:
    """Return the names of the fits that a certified recipe is made of."""
    return [text for text in fit_names(of_curves=False) if text.split("/")[1] == name]


def name_of(source: Named) -> str:
    """Return how a stored thing was named; one in memory may have no name."""
    return source.name if isinstance(source, Record) else os.fspath(source)


@overload
def load(source: Named, wanted: None = None) -> Any: ...
@overload
def load(source: Named, wanted: type[_R]) -> _R: ...
def load(source: Named, wanted: type[Record] | None = None) -> Record:
    """Return the stored thing that a path or a certified name stands for, or that is given.

    Parameters
    ----------
    source : path, str or stored thing
        A file, the name of a certified fit, or that of a certified recipe.
    wanted : kind, optional
        What the caller can use, such as Fit; anything else is refused.

    Raises
    ------
    UsageError
        If it is none of these, no file and no such name (near names are suggested), or is of
        another kind than wanted: the message names the command that can use it.
    DataError
        If the file cannot be read or is broken.
    """
    if not isinstance(source, str | os.PathLike | Record):
        raise UsageError(
            f"an object of type {type(source).__name__} is neither a file, a name nor anything "
            "that is stored."
        )
    name = name_of(source)
    thing = source if isinstance(source, Record) else _named(name)
    if wanted is None or isinstance(thing, wanted):
        return thing
    other = wanted.of(thing, name)
    if other is None:
        told = f"{name or 'this'} is {thing.what}, not {wanted.what}: {thing.used(name)}."
        raise UsageError(told)
    return other


def _named(name: str) -> Record:
    if _is_file(name):
        return _read(name)
    whole, mark, group = name.rpartition("#")
    if mark and _is_file(whole):
        return _of_group(whole, group)
    certified = "/" not in name and name in recipe_names()
    return _recipe(name) if certified else _read(name)


def _of_group(file: str, group: str) -> Fit:
    """Return the fit of one group of a file of several."""
    from scaling_cli.artefacts.grouped_fit import GroupedFit

    thing = _read(file)
    if isinstance(thing, GroupedFit):
        return thing.group(group)
    told = f"{file} is {thing.what}, which has no groups: leave #{group} out."
    raise UsageError(told)


def _recipe(name: str) -> Record:
    from scaling_cli.artefacts.hparams import Recipe

    return Recipe.of_fits([load(text, Fit) for text in recipe_parts(name)], name=name)


def _read(name: str) -> Record:
    path = path_of(name)
    record = read_json(path)
    kind = _kind(record)
    if kind not in KINDS.names():
        raise DataError(
            f"there is no kind {kind!r}.",
            file=str(path),
            hint=f"Files of this program are of the kinds {', '.join(KINDS.names())}.",
        )
    return KINDS.get(kind).from_dict(record, file=str(path))


def _kind(record: Any) -> Any:
    """Return the kind of a JSON value; forecasts of version 0.1.0 do not say theirs."""
    if not isinstance(record, Mapping):
        return Fit.kind
    of_runs = "runs" in record and "law" not in record
    return record.get("kind", "forecast" if of_runs else Fit.kind)


def path_of(name: str) -> Path:
    """Return the file that a path or the name of a certified fit stands for.

    Raises
    ------
    UsageError
        If it is neither; near names are suggested.
    """
    if _is_file(name):
        return Path(name)
    if name in fit_names():
        return folder("fits") / f"{name}.json"
    known = [*fit_names(), *recipe_names()]
    raise UsageError(
        f"{name!r} is neither a file nor a certified fit or recipe.",
        hint=f"{guess(name, known)}'scaling laws --full' lists the certified fits.",
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a loop of links, or a null character
        return False
