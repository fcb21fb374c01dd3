"""What all stored things share: one head, one way to write a thing as JSON and to read it back.

A kind is a file of this folder whose name does not start with `_`: it declares one Record. A field
is a key, its annotation says how the key reads back, and the schema of the kind's name says what
may stand there; a kind adds a codec for nothing. Reading needs NumPy alone.
"""

import enum
import functools
import importlib
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from scaling_cli.artefacts import _schema
from scaling_cli.laws._law import Domain, Law
from scaling_cli.vocabulary.errors import DataError, ScalingError
from scaling_cli.vocabulary.jsonfile import SCHEMA_VERSION, nulls, stamped, write_json, writing
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Status
from scaling_cli.vocabulary.quantities import L
from scaling_cli.vocabulary.shown import Shown

# A number that JSON has no word for: written as null, read back as what it was.
Unbounded = Annotated[float, math.inf]
# What is neither on the way up nor on the way down lies between: what only this kind has.
FIRST = ("kind", "name", "law", "parameters", "objective", "status", "n_points")
LAST = (
    *("checks", "left_out", "data", "diagnostics", "selection", "origin"),
    *("uncertainty", "versions", "command"),
)
SPARSE = {"sparse": True}  # of a field that is not written where it is None
MERGED = {"merged": True}  # of a field whose keys lie among those of the thing that has it
BROKEN = (AttributeError, IndexError, KeyError, OverflowError, ScalingError, TypeError, ValueError)


@dataclass(frozen=True, kw_only=True, repr=False)
class Record(Shown):
    """The head of everything that is stored."""

    kind: ClassVar[str]
    """The name of the file that declares the kind."""
    what: ClassVar[str] = ""
    """What it is, with its article: `a fit of loss curves`."""
    use: ClassVar[str] = ""
    """The command that can use one; FILE stands for its name."""
    written_by: ClassVar[str] = ""
    """The command that writes one."""
    COMPUTED: ClassVar[Mapping[str, str]] = {}
    """Keys that are written for readers, and the attributes that say them: never read back."""

    name: str = ""
    left_out: Sequence[LeftOut] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """sha256, ranges {symbol: [low, high]}, conventions {symbol: name}, sources, target."""
    selection: Mapping[str, Any] = field(default_factory=dict)
    """Options that made this: where, at, target, fix, tie, bootstrap, seed, level."""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def __init_subclass__(cls) -> None:
        """Name the kind after its file."""
        super().__init_subclass__()
        cls.kind = cls.report = cls.__module__.rpartition(".")[2]

    def usage(self, name: str) -> str:
        """Return the command that can use it, under the name of its file."""
        return self.use.replace("FILE", shlex.quote(name))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract (NaN and infinity become null)."""
        written = {"kind": self.kind, **written_fields(self)}
        order = [*FIRST, *(key for key in written if key not in (*FIRST, *LAST)), *LAST]
        return nulls(stamped({key: written[key] for key in order if key in written}))

    to_record = _held = to_dict  # as any other part that has a form of its own

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically: a killed process leaves the old file or the new one."""
        with writing(path):
            write_json(path, self.to_dict())

    def used(self, name: str) -> str:
        """Return what to do with one of this name, or of none."""
        return f"use it with '{self.usage(name or 'FILE')}'"

    @classmethod
    def from_dict(cls, record: Any, *, file: str = "<record>") -> Self:
        """Rebuild the thing from its JSON object.

        Raises
        ------
        DataError
            If the object is none of this kind; the message says what is wrong with it.
        """
        hint = f"Write it again with '{cls.written_by}'."
        if not isinstance(record, Mapping) or record.get("schema_version") != SCHEMA_VERSION:
            told = f"not a file of schema version {SCHEMA_VERSION}."
            raise DataError(told, file=file, hint=hint)
        fault = _schema.fault(record, cls.kind)
        if fault is None:
            try:
                return read_back(cls, record)
            except BROKEN as error:
                fault = error.message if isinstance(error, ScalingError) else str(error)
        raise DataError(f"the file is broken: {fault.rstrip('.')}.", file=file, hint=hint)

    @classmethod
    def keys(cls, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a JSON object with a key for every field that is stored in another form."""
        return record

    @classmethod
    def of(cls, other: "Record", name: str) -> Self | None:
        """Return what a thing of another kind is as one of this kind; None where it is nothing."""
        del other, name


@dataclass(frozen=True, kw_only=True, repr=False)
class Fitted(Record):
    """The head of everything that was fitted."""

    objective: Objective = field(default_factory=Objective)
    value: float | None = field(default=None, metadata={"inside": "objective"})
    """The minimised sum; None for numbers typed in from a paper."""
    status: Status
    n_points: int
    checks: Sequence[Check] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    """Of the optimisation: starts, agreement, gradient norm, condition number, basins."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """For reference fits: kind (published or computed), source, certainty, card, anchors."""

    def __post_init__(self) -> None:
        """Refuse ranges that no positive data have: distances are counted in factors of them."""
        lifted = L.symbol if self.data.get("fitted_as") else None  # it may lie below zero
        for symbol, (low, high) in (self.data.get("ranges") or {}).items():
            if not (low <= high and (high > 0 or symbol == lifted)):
                raise ValueError(f"data.ranges.{symbol} cannot be {low:g} to {high:g}")

    def _line(self, *parts: str) -> str:
        """Return the one line that stands for the fit, with the checks that warn."""
        warned = [c.code for c in self.checks if c.level is not Level.PASS]
        told = [*parts, *([f"see {', '.join(warned)}"] if warned else [])]
        return f"<{type(self).__name__} {'; '.join(told)}>"


def pair(band: tuple[np.ndarray, np.ndarray] | None, i: int) -> list[float] | None:
    """Return the ends of an interval at a point."""
    return None if band is None else [float(band[0][i]), float(band[1][i])]


def written_fields(thing: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by their keys, and what it computes for readers."""
    result: dict[str, Any] = {}
    for item in fields(thing):
        if item.metadata.get("sparse") and getattr(thing, item.name) is None:
            continue
        value = written(getattr(thing, item.name))
        if item.metadata.get("merged"):
            result |= value
        elif "inside" in item.metadata:
            result[item.metadata["inside"]] |= {"reduction": "sum", "value": value}
        else:
            result[_key(item)] = value
    for key, name in getattr(thing, "COMPUTED", {}).items():
        value = getattr(thing, name)
        result[key] = written(value() if callable(value) else value)
    return result


def written(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Law):
        return {"law": value.called(), "parameters": value.values()}
    if hasattr(value, "to_record"):
        return value.to_record()
    if is_dataclass(value):
        return written_fields(value)
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return str(value) if isinstance(value, enum.Enum) else value


def read_back(cls: type, record: Any) -> Any:
    """Return an instance of a dataclass from its JSON object; keys that it does not know stay."""
    if hasattr(cls, "of_record"):
        return cls.of_record(record)
    known = cls.keys(record) if issubclass(cls, Record) else record
    given = {}
    for item, hint in _declared(cls):
        source = known[item.metadata["inside"]] if "inside" in item.metadata else known
        if item.metadata.get("merged"):
            given[item.name] = read(hint, source)
        elif _key(item) in source:
            given[item.name] = read(hint, source[_key(item)])
    return cls(**given)


def read(hint: Any, value: Any) -> Any:
    """Return a JSON value as what an annotation says."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return inner[1] if value is None else value
    if origin in (Union, UnionType):
        return None if value is None else read(inner[0], value)
    if origin is not None:
        return _read_many(origin, inner, value)
    return _read_class(hint, value) if isinstance(hint, type) else value


def _read_many(origin: type, inner: tuple[Any, ...], value: Any) -> Any:
    if issubclass(origin, Mapping):
        return {key: read(inner[1], item) for key, item in value.items()}
    items = (read(inner[0], item) for item in value)
    return tuple(items) if origin is tuple else list(items)


def _read_class(cls: type, value: Any) -> Any:
    if cls is np.ndarray:
        return np.asarray(value, float)
    if issubclass(cls, Law):
        return read_law(cls, value)
    if issubclass(cls, enum.Enum):
        return cls(value)
    return read_back(cls, value) if is_dataclass(cls) else value


def read_law(base: type[Law], record: Mapping[str, Any]) -> Any:
    """Return a law from its name and parameters, which must be its own and in their domains."""
    registry = importlib.import_module(base.__module__.rpartition(".")[0])
    law, values = registry.get(record["law"]), record["parameters"]
    declared = law.parameters()
    if set(values) != set(declared):
        raise ValueError(
            f"law {record['law']} has parameters {', '.join(declared)}, the file has "
            f"{', '.join(values)}"
        )
    refuse_outside(law, values)
    return law(**{name: float(value) for name, value in values.items()})


def refuse_outside(law: type[Law] | Law, values: Mapping[str, Any]) -> None:
    """Refuse parameters, or draws of them, outside their domains; a fit may end at the edge."""
    for name, parameter in law.parameters().items():
        given = np.asarray(values[name], float)
        inside = np.isfinite(given) & ((given >= 0) | (parameter.domain is not Domain.POSITIVE))
        if not inside.all():
            wrong = given[~inside].flat[0]
            raise ValueError(f"{name} must be {parameter.domain.value}, not {wrong:g}")


def refuse_draws(law: type[Law] | Law, draws: Mapping[str, np.ndarray], count: int) -> None:
    """Refuse draws that are not one of every parameter each, `count` times."""
    names = list(law.parameters())
    if sorted(draws) != sorted(names) or {v.shape for v in draws.values()} != {(count,)}:
        raise ValueError(f"draws must be {count} numbers of each of {', '.join(names)}")
    refuse_outside(law, draws)


def _key(item: Any) -> str:
    return item.metadata.get("key", item.name)


@functools.cache
def _declared(cls: type) -> list[tuple[Any, Any]]:
    hints = get_type_hints(cls, include_extras=True)
    return [(item, hints[item.name]) for item in fields(cls)]


def versions() -> dict[str, str]:
    """Return the versions of this package, Python and the numerical libraries."""
    import importlib.metadata  # late, as only what is fitted is stamped with them
    import platform

    from scaling_cli._version import __version__

    packages = ("jax", "numpy", "scipy")
    return {
        "scaling-cli": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
