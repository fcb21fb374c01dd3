"""From the names in a file to the vocabulary: what each column is, in which unit, and why."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._numbers import inferred, is_numeric, number, numbers, refuse_decimal_commas
from scaling_cli.ingest._raw import Raw
from scaling_cli.runs.table import ColumnReading, Note, floats
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.quantities import (
    QUANTITIES,
    RUN_ID_NAMES,
    L,
    N,
    Quantity,
    X,
    convention_of,
    format_number,
    plain_name,
    recognise,
)

# What the largest value of a column named by one letter must reach: a D of 512 is a width.
_LEAST = {"params": 1e3, "tokens": 1e5, "unique_tokens": 1e5, "flops": 1e9}


@dataclass(frozen=True)
class Named:
    """A table whose columns have canonical names and types.

    `columns` holds canonical quantities as float64, `run_id` as text, everything else as
    inferred; `conventions` what the names said ({"params": "non_embedding"}).
    """

    raw: Raw
    columns: Mapping[str, pa.Array]
    conventions: Mapping[str, str | None]
    readings: list[ColumnReading] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def name_columns(
    raw: Raw,
    mapping: Mapping[str, str],
    scales: Mapping[str, float],
    *,
    keep: frozenset[str] = frozenset(),
) -> Named:
    """Give the columns of a table their canonical names and types.

    Parameters
    ----------
    raw : Raw
        The table.
    mapping : mapping of canonical name to column
        What the user said (`--map`); goes before every alias.
    scales : mapping of canonical name to factor
        What the user said a column is counted in (`--set tokens_scale=1e9`).
    keep : set of str
        Canonical names not to be given by alias here (a table of metadata keeps its
        `final_loss` under that name).
    """
    doubts = _doubted_letters(raw, scales)
    chosen, why = _choose(raw, mapping, keep, doubts)
    sizes = {name for name in raw.columns if recognise(name) is N}
    named = {v for k, v in chosen.items() if k != "run_id"}
    refuse_decimal_commas(raw, [name for name in raw.columns if name in named | sizes])
    columns: dict[str, pa.Array] = {}
    readings, notes = [], []
    for canonical, original in chosen.items():
        quantity = QUANTITIES.get(canonical)
        columns[canonical] = _typed(raw, original, canonical, quantity, scales.get(canonical))
        if quantity is not None or canonical == "run_id":
            readings.append(_reading(raw.file, original, canonical, quantity, why[canonical]))
    columns |= _counts(raw, scales.get("params"))
    taken = set(chosen.values())
    for name in raw.columns:
        if name not in taken:
            kept = f"{name}_in_file" if name in chosen else name  # --map gave its name away
            columns.setdefault(kept, inferred(raw.columns[name]))
            notes += _not_taken(raw.file, name, chosen, keep, doubts)
    conventions = {r.canonical: r.convention for r in readings if r.convention is not None}
    return Named(raw, columns, conventions, readings, [*raw.notes, *notes])


def _choose(
    raw: Raw, mapping: Mapping[str, str], keep: frozenset[str], doubts: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return {canonical: original} and {canonical: why}: map, exact names, aliases, letters."""
    chosen, why = {}, {}
    for canonical, original in mapping.items():
        if original in raw.columns:
            chosen[canonical], why[canonical] = original, f"--map {canonical}={original}"
    taken = {original for canonical, original in chosen.items() if canonical != X.column}
    free = [name for name in raw.columns if name not in taken and name not in doubts]
    for name in sorted(free, key=_preference):
        canonical = _canonical(name)
        if canonical is None or canonical in chosen or canonical in keep:
            continue
        chosen[canonical] = name
        why[canonical] = "its name" if name == canonical else f"{name!r} is a name of {canonical}"
    return chosen, why


def _canonical(name: str) -> str | None:
    if plain_name(name) in RUN_ID_NAMES:
        return "run_id"
    quantity = recognise(name)
    return quantity.column if quantity is not None else None


def _preference(name: str) -> tuple[int, int]:
    """Sort canonical names first, then aliases in the order they are declared, then letters."""
    plain = plain_name(name)
    if plain in RUN_ID_NAMES:
        return (0, RUN_ID_NAMES.index(plain))
    quantity = recognise(name)
    if quantity is None or plain == quantity.column:
        return (0, 0)
    if _of_letter(name) is not None:
        return (2, 0)
    names = [plain_name(alias) for alias in quantity.aliases]
    return (1, names.index(plain))


def _of_letter(name: str) -> Quantity | None:
    """Return the quantity whose letter is the whole name of a column (`N`, `d`), or None."""
    quantity = recognise(name) if len(name.strip()) == 1 else None
    return None if quantity is None or quantity is X else quantity


def _doubted_letters(raw: Raw, scales: Mapping[str, float]) -> dict[str, str]:
    """Return the columns that are not the quantity of the letter they are named by, and why.

    People name layers, widths and classes by one letter too: the values must be such as the
    quantity has, and beside an N a `d` is no D.
    """
    letters = {name: q for name in raw.columns if (q := _of_letter(name)) is not None}
    doubts = {
        name: doubt
        for name, quantity in letters.items()
        if (doubt := _doubt(raw, name, quantity, scales.get(quantity.column))) is not None
    }
    capitals = [name for name in letters if name.strip().isupper() and name not in doubts]
    if capitals:
        case = f"it is a small letter beside {' and '.join(capitals)}"
        doubts = {n: case for n in letters if n.strip().islower()} | doubts
    return doubts


def _doubt(raw: Raw, name: str, quantity: Quantity, scale: float | None) -> str | None:
    """Return why the values of a column cannot be those of a quantity, or None."""
    column = raw.columns[name]
    if not (is_numeric(column) or pa.types.is_null(column.type) or _has_number(column, quantity)):
        return "it holds no numbers"
    try:
        values = floats(_typed(raw, name, quantity.column, quantity, scale))
    except DataError:
        return None  # one bad cell among numbers: refused where the column is read
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    if quantity is L:
        whole = np.array_equal(finite, np.floor(finite))
        return "all its values are whole numbers" if whole else None
    most = float(finite.max())
    return f"its largest value is {format_number(most)}" if most < _LEAST[quantity.column] else None


def _has_number(column: pa.Array, quantity: Quantity) -> bool:
    """Say whether any cell of a text column can be read as a number; an empty one may be."""
    cells = column.to_pylist()
    return all(cell is None for cell in cells) or any(_is_number(cell, quantity) for cell in cells)


def _is_number(cell: object, quantity: Quantity) -> bool:
    try:
        return isinstance(cell, str) and number(cell, quantity) is not None
    except ValueError:
        return False


def _typed(
    raw: Raw, original: str, canonical: str, quantity: Quantity | None, scale: float | None
) -> pa.Array:
    column = raw.columns[original]
    if canonical == "run_id":
        return pc.cast(column, pa.string())
    if quantity is None:
        return inferred(column)
    values = numbers(column, file=raw.file, name=original, lines=raw.lines, quantity=quantity)
    return values if scale is None else pc.call_function("multiply", [values, pa.scalar(scale)])


def _counts(raw: Raw, scale: float | None) -> dict[str, pa.Array]:
    """Return every parameter count whose name states how it counts, as `params_<convention>`."""
    found = {}
    for name in raw.columns:
        if recognise(name) is N and (convention := convention_of(name, N)) is not None:
            found.setdefault(f"params_{convention}", _typed(raw, name, "params", N, scale))
    return found


def _reading(
    file: str, original: str, canonical: str, quantity: Quantity | None, why: str
) -> ColumnReading:
    if quantity is None:
        return ColumnReading(file, original, canonical, "", None, why)
    convention = convention_of(original, quantity)
    unit = convention if convention and quantity.unit == L.unit else quantity.unit
    return ColumnReading(file, original, canonical, unit, convention, why)


def _not_taken(
    file: str,
    name: str,
    chosen: Mapping[str, str],
    keep: frozenset[str],
    doubts: Mapping[str, str],
) -> list[Note]:
    """Say when a column has a name of a quantity and was not taken for it."""
    canonical = _canonical(name)
    if canonical is None or canonical in keep:
        return []
    remedy = f"--map {canonical}={name}"
    if name in doubts:
        message = (
            f"column {name!r} is not taken for {canonical}: {doubts[name]} ({remedy} takes it)."
        )
        return [Note("letter", "info", message, file, column=name)]
    if canonical not in chosen:
        return []
    message = (
        f"column {name!r} could be {canonical} too; {chosen[canonical]!r} was taken "
        f"({remedy} takes the other)."
    )
    return [Note("second-choice", "info", message, file, column=name)]


def canonical_name(name: str) -> str:
    """Return the canonical name a `--map` key means: `N` and `n_params` are `params`."""
    quantity = recognise(name)
    if quantity is None or (quantity is N and convention_of(name, N) is not None):
        return name
    return quantity.column


def check_mapping(mapping: Mapping[str, str], tables: list[Raw]) -> None:
    """Refuse a `--map` whose column is in none of the files.

    Raises
    ------
    UsageError
        With near names.
    """
    there = dict.fromkeys(name for raw in tables for name in raw.columns)
    for canonical, original in mapping.items():
        if original not in there:
            near = difflib.get_close_matches(original, list(there), n=3, cutoff=0.5)
            guess = f"Did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(
                f"--map {canonical}={original}: no file has a column {original!r}.",
                hint=f"{guess}Columns: {', '.join(there)}.",
            )


_POSITIVE = ("params", "average_params", "tokens", "flops", "batch_tokens", "unique_tokens")
_LOSSES = ("loss", "val_loss")


def check_values(named: Named, *, zero_allowed: bool) -> None:
    """Refuse what cannot be: negative or zero losses and counts, infinite counts.

    A loss that is NaN or infinite is a measurement (the run diverged) and stays; a curve may
    start at zero tokens.

    Raises
    ------
    DataError
        At the first bad value; names file, row and column.
    """
    for canonical in (*_POSITIVE, *_LOSSES, "step"):
        if canonical not in named.columns:
            continue
        column = pc.cast(named.columns[canonical], pa.float64())
        values = np.asarray(pc.fill_null(column, 1.0).to_numpy(zero_copy_only=False))
        may_be_zero = canonical == "step" or (zero_allowed and canonical in ("tokens", "flops"))
        bad = values < 0 if may_be_zero else values <= 0
        if canonical not in _LOSSES:
            bad |= np.isinf(values)
        if bad.any():
            raise _bad_value(named, canonical, int(np.flatnonzero(bad)[0]), values, may_be_zero)


def _bad_value(
    named: Named, canonical: str, row: int, values: np.ndarray, may_be_zero: bool
) -> DataError:
    original = next((r.column for r in named.readings if r.canonical == canonical), canonical)
    rule = "zero or positive" if may_be_zero else "positive"
    rule += "" if canonical in _LOSSES else " and finite"
    hint = (
        "A log-likelihood is not a loss: change its sign."
        if canonical in _LOSSES and values[row] < 0
        else "Mend or delete the row."
    )
    return DataError(
        f"{canonical} ({QUANTITIES[canonical].meaning}) must be {rule}, found {values[row]:g}.",
        hint=hint,
        file=named.raw.file,
        row=int(named.raw.lines[row]),
        column=original,
    )
