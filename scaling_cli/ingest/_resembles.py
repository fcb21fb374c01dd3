"""What a table looks like that is no table of finished runs, and losses that are none per token."""

import re
from collections.abc import Collection

import numpy as np
import pyarrow as pa

from scaling_cli.ingest._columns import LOSSES
from scaling_cli.ingest._shape import coded
from scaling_cli.ingest._sources import Raw
from scaling_cli.runs.table import Layout, Note, floats
from scaling_cli.vocabulary.errors import some
from scaling_cli.vocabulary.quantities import (
    NOT_PER_TOKEN,
    QUANTITIES,
    convention_of,
    plain_name,
    short_number,
)

# A language model starts at the logarithm of its vocabulary, and text is never this certain.
_LEAST, _MOST = 0.02, 30.0
_EXPONENTS = {"alpha", "beta", "gamma", "delta"}
_COEFFICIENTS = {
    "e",
    "a",
    "b",
    "irreducible",
    "floor",
    "coefficient",
    "exponent",
    "r2",
    "r_squared",
}
_TASKS = re.compile(
    r"(?:^|[_/.])(mmlu\w*|arc([_/.]?[ce]\w*)?|hella_?swag|x?wino(grad|grande)\w*|truthful_?qa"
    r"|gsm_?8k|human_?eval|mbpp|piqa|boolq|lambada|sciq|open_?book_?qa|bbh|commonsense_?qa|squad|triviaqa)"
    r"(?:[_/. ]|$)"
)
_HELD = re.compile(r"(^|[_/.])(val|valid|validation|eval|test)([_/.]|$)")
_FEWEST = 3  # columns of a kind that make a table one of it
# Rows in which something goes up evenly while the model stays; a grid of runs has fewer, too.
_STRETCH, _LONG_STRETCH = 5, 10
_EVEN = 0.02  # by which steps between checkpoints differ
_SUMMED = 0.01  # by which a sum of printed numbers is off


def unlike_entropy(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Say which losses, given by the least and the largest, are no cross-entropies per token."""
    return (high < _LEAST) | (low > _MOST)


def units_of(named: Raw, given: Collection[str]) -> tuple[dict[str, str], list[Note]]:
    """Return which losses are not per token, as facts, and why, where no name or user says."""
    facts, notes = {}, []
    for name in LOSSES:
        fact = f"{name}_convention"
        known = {*given, *named.facts, *(f"{c}_convention" for c in named.conventions)}
        if name not in named.columns or fact in known:
            continue
        why = _no_entropy(named, name)
        if why:
            facts[fact] = NOT_PER_TOKEN
            remedy = f"so it is not called nats/token (--set {fact}=nats/token says that it is)."
            notes.append(named.note("loss-unit", "warn", f"{name} {why}, {remedy}", column=name))
    return facts, notes


def _no_entropy(named: Raw, name: str) -> str | None:
    """Return why a loss is no cross-entropy per token; None if nothing speaks against it."""
    values = floats(named.columns[name])
    there = values[np.isfinite(values)]
    if not len(there):
        return None
    if unlike_entropy(there.min(), there.max()):
        size = "small" if there.max() < _LEAST else "large"
        span = f"{short_number(float(there.min()))} to {short_number(float(there.max()))}"
        return f"is {span}, which no cross-entropy per token is as {size} as"
    parts = _parts(named, name)
    return f"is the sum of {some(parts, 4)}" if parts else None


def is_other_loss(name: str) -> bool:
    """Say whether a column is called a loss of another kind, of which a loss may be the sum."""
    quantity = QUANTITIES["loss"]
    return _is_loss(name) and convention_of(name, quantity) == NOT_PER_TOKEN


def _is_loss(name: str) -> bool:
    return re.search(r"(^|[_/.])loss(es)?([_/.]|$)", plain_name(name)) is not None


def _parts(named: Raw, name: str) -> list[str]:
    """Return the columns whose sum a loss is, if they are several, some of another kind."""
    parts = [
        other
        for other, column in named.columns.items()
        if _is_loss(other) and other not in QUANTITIES
        if not pa.types.is_string(column.type) and _of_set(other) == (name == "val_loss")
    ]
    if len(parts) < 2 or not any(map(is_other_loss, parts)):
        return []
    cells = np.stack([floats(named.columns[part]) for part in parts])
    total, sums = floats(named.columns[name]), cells.sum(axis=0)
    there = np.isfinite(total) & np.isfinite(sums)
    alike = there.any() and np.allclose(total[there], sums[there], rtol=_SUMMED)
    return parts if alike else []


def _of_set(name: str) -> bool:
    return (
        re.search(r"(^|[_/.])(val|valid|validation|eval|test)([_/.]|$)", plain_name(name))
        is not None
    )


def resembles(named: Raw, layout: Layout) -> list[Note]:
    """Say what rows look like that are taken for finished runs and may be none."""
    if layout is not Layout.RUN:
        return []
    if {*LOSSES} & named.columns.keys():
        what = _checkpoints(named, _LONG_STRETCH)
    else:
        what = _laws(named) or _evaluations(named) or _checkpoints(named, _STRETCH)
    return [named.note("no-runs", "warn", what)] if what else []


def _laws(named: Raw) -> str | None:
    plain = {plain_name(name) for name in named.columns}
    exponents, others = plain & _EXPONENTS, plain & _COEFFICIENTS
    if not exponents or len(exponents | others) < _FEWEST:
        return None
    names = [name for name in named.columns if plain_name(name) in exponents | others]
    return f"its rows look like fitted laws, not like runs: they have {some(names, 5)}."


def _evaluations(named: Raw) -> str | None:
    tasks = [name for name in named.columns if _TASKS.search(plain_name(name))]
    if len(tasks) < _FEWEST:
        return None
    told = f"its rows look like evaluations of models ({some(tasks, 4)}), not like losses of runs"
    return f"{told}: --target {tasks[0]!r} fits one of them."


def _checkpoints(named: Raw, fewest: int) -> str | None:
    """Return which column goes up evenly while the model stays, stretch after stretch."""
    numbers = {n: floats(c) for n, c in named.columns.items() if not pa.types.is_string(c.type)}
    called = {reading.canonical: reading.column for reading in named.readings}
    for name in sorted(numbers, key=lambda name: name in QUANTITIES):
        values = numbers[name]
        steps = np.diff(values)
        begins = np.append(0, 1 + np.flatnonzero(~(steps > 0)))
        sizes = np.diff(np.append(begins, len(values)))
        if sizes.min(initial=len(values)) < fewest or not np.isfinite(values).all():
            continue
        inside = np.delete(steps, begins[1:] - 1)
        first = np.repeat(steps[begins], sizes - 1)
        stays = [n for n in numbers if n != name and _stays(named.columns[n], begins, sizes)]
        if stays and np.all(np.abs(inside - first) <= _EVEN * first):
            told = f"its rows look like checkpoints of {len(begins)} runs, not like finished runs"
            names = [called.get(n, n) for n in (name, *stays)]
            alike = f"{names[0]!r} goes up evenly while {some(names[1:], 4)} stay"
            return f"{told}: {alike}."
    return None


def _stays(column: pa.Array, begins: np.ndarray, sizes: np.ndarray) -> bool:
    """Say whether a column has one value in each stretch, and several in all."""
    codes = coded(column)
    return bool(np.array_equal(codes, np.repeat(codes[begins], sizes)) and len(set(codes)) > 1)
