"""The dataset card: what the data are, whose, where the files lie, and how to read them.

`data/<name>/card.toml` is written by hand. This module is its schema: every key is checked, and
an unknown one is an error, so that a typo cannot silently change what is read.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from scaling_cli.datasets import layouts
from scaling_cli.vocabulary.errors import DataError
from scaling_cli.vocabulary.quantities import QUANTITIES

SCHEMA_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = ("from", "formula", "mean_error", "excess_of")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class DataFile:
    """One original file: path in its repository, SHA-256, size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Column:
    """One column of the normalised table and where it comes from.

    Parameters
    ----------
    name : str
        Column name; a canonical one (quantities.py) wherever there is one.
    unit : str or None
        Unit of a number; None for text.
    convention : str or None
        Way of counting, where the quantity has several.
    source : str or None
        Key of the original record (a CSV column, a dotted JSON path).
    formula : str or None
        Arithmetic over columns above this one, such as `flops / (6 * params)`.
    mean_error : sequence of str
        Keys of accuracies whose mean error 1 - accuracy this is; a trailing `*` takes all.
    excess_of : str or None
        Column whose excess x/min(x) - 1 over the least of its group this is.
    within : sequence of str
        Columns whose values name the group.
    """

    name: str
    unit: str | None = None
    convention: str | None = None
    source: str | None = None
    formula: str | None = None
    mean_error: Sequence[str] = ()
    excess_of: str | None = None
    within: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """Where the files are published, pinned to a commit; `owner` is empty for our own data."""

    owner: str = ""
    repo: str = ""
    commit: str = ""
    url: str = ""

    @property
    def folder(self) -> PurePosixPath:
        """Return `<owner>/<repo>/<commit>`, the layout of caches and mirrors."""
        return PurePosixPath(self.owner) / self.repo / self.commit

    def url_of(self, path: str) -> str:
        """Return where a file can be downloaded."""
        return self.url.format(**{**asdict(self), "path": quote(path)})


@dataclass(frozen=True)
class Card:
    """A data set: title, licence, citation, files and the rule that makes the table."""

    name: str
    title: str
    licence: str
    citation: str
    source: Source
    files: Sequence[DataFile]
    layout: str
    columns: Sequence[Column]
    notes: Sequence[str]
    path: Path

    @property
    def is_shipped(self) -> bool:
        """Return whether the files lie beside the card, ours to give away."""
        return not self.source.owner

    @property
    def conventions(self) -> dict[str, str]:
        """Return counting convention or unit by symbol, as fits carry them."""
        known = [(QUANTITIES.get(column.name), column) for column in self.columns]
        return {q.symbol: c.convention or c.unit or "" for q, c in known if q and q.conventions}

    def to_dict(self) -> dict[str, Any]:
        """Return the card as `scaling data --json` prints it."""
        return {
            **{key: getattr(self, key) for key in ("name", "title", "licence", "citation")},
            "shipped": self.is_shipped,
            "source": None if self.is_shipped else str(self.source.folder),
            "files": [asdict(file) for file in self.files],
            "columns": [
                {"name": c.name, "unit": c.unit, "convention": c.convention} for c in self.columns
            ],
            "notes": list(self.notes),
        }

    def digest(self) -> str:
        """Return a digest of files and rules: it changes when the table may."""
        text = repr((self.files, self.layout, self.columns))
        return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> Card:
    """Read and check a card.

    Raises
    ------
    DataError
        If the file is not TOML, or a key is missing, unknown or of the wrong kind.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf8"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"not TOML: {error}.", file=str(path)) from error
    return parse(record, path=path)


def parse(record: Mapping[str, Any], *, path: Path) -> Card:
    """Check a card's record and build the Card; the folder's name is the card's."""
    try:
        return _card(record, path)
    except DataError as error:
        raise DataError(error.message, file=str(path)) from None


def _card(record: Mapping[str, Any], path: Path) -> Card:
    text = ("title", "licence", "citation", "layout")
    _keys(record, (*text, "schema_version", "source", "file", "column"), ("notes",), "the card")
    if record["schema_version"] != SCHEMA_VERSION:
        raise DataError(f"schema_version must be {SCHEMA_VERSION}.")
    for key in text:
        _text(record[key], key)
    known, layout = layouts.names(), record["layout"]
    if layout not in known:
        raise DataError(f"layout must be one of {', '.join(known)}, not {layout!r}.")
    return Card(
        name=path.parent.name,
        source=_source(record["source"]),
        files=_unique([_file(entry) for entry in record["file"]], "path", "file"),
        columns=_unique([_column(entry) for entry in record["column"]], "name", "column"),
        notes=tuple(record.get("notes", ())),
        path=path,
        **{key: record[key].strip() for key in text},
    )


def _source(record: Mapping[str, Any]) -> Source:
    if record == {"shipped": True}:
        return Source()
    _keys(record, ("owner", "repo", "commit", "url"), (), "[source]")
    for key, value in record.items():
        _text(value, f"source.{key}")
    if not _COMMIT.fullmatch(record["commit"]):
        raise DataError("source.commit must be 40 hex digits: a branch can move.")
    if "{path}" not in record["url"]:
        raise DataError("source.url must contain {path}.")
    return Source(**record)


def _file(record: Mapping[str, Any]) -> DataFile:
    _keys(record, ("path", "sha256", "size"), (), "[[file]]")
    path = PurePosixPath(_text(record["path"], "file.path"))
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"file.path must stay inside the repository: {path}.")
    if not _SHA256.fullmatch(str(record["sha256"])):
        raise DataError(f"the sha256 of {path} must be 64 hex digits.")
    if type(record["size"]) is not int or record["size"] <= 0:
        raise DataError(f"the size of {path} must be a positive number of bytes.")
    return DataFile(str(path), record["sha256"], record["size"])


def _column(record: Mapping[str, Any]) -> Column:
    _keys(record, ("name",), ("unit", "convention", *_KINDS, "within"), "[[column]]")
    name = _text(record["name"], "column.name")
    if sum(key in record for key in _KINDS) != 1:
        raise DataError(f"column {name!r} needs exactly one of {', '.join(_KINDS)}.")
    if ("excess_of" in record) != ("within" in record):
        raise DataError(f"column {name!r} needs both excess_of and within.")
    _check_quantity(name, record.get("unit"), record.get("convention"))
    given: dict[str, Any] = {
        "source" if key == "from" else key: tuple(value) if isinstance(value, list) else value
        for key, value in record.items()
    }
    return Column(**given)


def _check_quantity(name: str, unit: str | None, convention: str | None) -> None:
    """Hold a canonical column to the unit and conventions of its quantity."""
    quantity = QUANTITIES.get(name)
    if quantity is None:
        return
    if unit != quantity.unit and unit not in quantity.conventions:
        asked = f"{quantity.meaning} in {quantity.unit}"
        raise DataError(f"column {name!r} is {asked}, not {unit!r}.")
    counted = unit if unit in quantity.conventions else convention
    if quantity.conventions and counted not in quantity.conventions:
        raise DataError(f"column {name!r} needs a convention: {', '.join(quantity.conventions)}.")


def _unique(items: list[Any], key: str, kind: str) -> tuple[Any, ...]:
    seen = [getattr(item, key) for item in items]
    if not seen:
        raise DataError(f"no [[{kind}]] is listed.")
    twice = next((x for x in seen if seen.count(x) > 1), None)
    if twice is not None:
        raise DataError(f"[[{kind}]] {twice} is listed twice.")
    return tuple(items)


def _keys(record: Any, required: Sequence[str], optional: Sequence[str], where: str) -> None:
    if not isinstance(record, Mapping):
        raise DataError(f"{where} must be a table.")
    missing = [key for key in required if key not in record]
    unknown = [key for key in record if key not in (*required, *optional)]
    if missing or unknown:
        wrong = [f"lacks {', '.join(missing)}"] if missing else []
        wrong += [f"has unknown {', '.join(unknown)}"] if unknown else []
        raise DataError(f"{where} {' and '.join(wrong)}.")


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{key} must be text.")
    return value
