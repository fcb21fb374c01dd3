"""From the names and cells in a file to the vocabulary: what each column is, and why."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._sources import NULLS, Raw
from scaling_cli.runs.likeness import stands_for_none
from scaling_cli.runs.table import POINT_CORE, ColumnReading, Runs, floats, places, with_units
from scaling_cli.runs.view import View
from scaling_cli.vocabulary import quantities
from scaling_cli.vocabulary.errors import DataError, UsageError, near_column
from scaling_cli.vocabulary.quantities import (
    QUANTITIES,
    N,
    Quantity,
    plain_name,
    recognise,
)

# What the largest value of a column named by one letter must reach: a D of 512 is a width.
_LEAST = {"params": 1e3, "tokens": 1e5, "unique_tokens": 1e5, "flops": 1e9}
_WORDS = "it holds no numbers"
_WEAK = ("size", "compute")
LOSSES = ("loss", "val_loss")
COUNTS = ("params", "average_params", "tokens", "flops", "batch_tokens", "unique_tokens")
# Thousands never begin with a zero: 0,345 is a decimal.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_ONE_COMMA = re.compile(r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*[A-Za-z]*\s*)$")
_TWO_READINGS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}\s*[A-Za-z]*")
_SUFFIXED = re.compile(r"\d\s*[kmbgtp]\w*\s*$", re.IGNORECASE)
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COUNT = re.compile(
    r"[^/+*^()-]+|\d+ *(\*\*|\^) *\d+|[\d.,]+ *[x×*] *10 *(\*\*|\^) *\d+|.*pf-days?", re.IGNORECASE
)
# Ids that a number would merge: 007 is not 7, and 20 digits are more than a float has.
_ID = r"^\s*[+-]?(0\d+|\d{16,})\s*$"
_BEGINS = r"(?i)^\s*[+-]?(\.?\d|nan|inf)"
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


def name_columns(
    raw: Raw, mapping: Mapping[str, str], scales: Mapping[str, float], keep: Collection[str] = ()
) -> Raw:
    """Return the table with canonical names and types, how columns were read, and more notes.

    Canonical quantities are float64, `run_id` is text, everything else as inferred.

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
    doubts = _doubted_names(raw, scales)
    taken = _choose(raw, mapping, keep, doubts)
    sizes = {name for name in raw.columns if recognise(name) is N}
    numeric = sizes | {r.column for canonical, r in taken.items() if canonical != "run_id"}
    _refuse_decimal_commas(raw, [name for name in raw.columns if name in numeric])
    columns = {c: _typed(raw, r.column, c, scales) for c, r in taken.items()}
    columns |= _counts(raw, scales)
    originals = {reading.column for reading in taken.values()}
    notes = list(raw.notes)
    for name in [name for name in raw.columns if name not in originals]:
        # --map gave its name away, or it is not what its name says.
        away = name in taken or (name in doubts and name in QUANTITIES)
        kept = f"{name}_in_file" if away else name
        columns.setdefault(kept, inferred(raw.columns[name]))
        canonical = canonical_of(name)
        if canonical is None or canonical in keep:
            continue
        remedy = f"--map {canonical}={name} takes"
        if name in doubts:
            take = "" if doubts[name] == _WORDS else f" ({remedy} it)"
            told = f"column {name!r} is not taken for {canonical}: {doubts[name]}{take}."
            notes.append(raw.note("letter", "info", told, column=name))
        elif canonical in taken:
            other = f"{taken[canonical].column!r} was taken ({remedy} the other)."
            told = f"column {name!r} could be {canonical} too; {other}"
            notes.append(raw.note("second-choice", "info", told, column=name))
    kept = [r for c, r in taken.items() if c in QUANTITIES or c == "run_id"]
    readings = tuple(_as_stated(reading, raw.facts) for reading in kept)
    return replace(raw, columns=columns, readings=readings, notes=tuple(notes))


def _choose(
    raw: Raw, mapping: Mapping[str, str], keep: Collection[str], doubts: Mapping[str, str]
) -> dict[str, ColumnReading]:
    """Return the reading of each canonical name: map, exact names, aliases, letters."""
    taken = {
        canonical: _reading(raw.file, original, canonical, f"--map {canonical}={original}")
        for canonical, original in mapping.items()
        if original in raw.columns
    }
    given = {
        reading.column for canonical, reading in taken.items() if canonical != quantities.X.column
    }
    free = [name for name in raw.columns if name not in given and name not in doubts]
    for name in sorted(free, key=_preference):
        canonical = canonical_of(name)
        if canonical is not None and canonical not in taken and canonical not in keep:
            why = "its name" if name == canonical else f"{name!r} is a name of {canonical}"
            why += _stated_unit(name)
            taken[canonical] = _reading(raw.file, name, canonical, why)
    return taken


def _stated_unit(name: str) -> str:
    """Return what the name of a column says of its unit, to go behind why it was taken."""
    factor = quantities.header(name)[1]
    if quantities.is_perplexity(name):
        return ", as a logarithm"
    return f", counted in {factor:.6g}" if factor != 1 else ""


def _reading(file: str, original: str, canonical: str, why: str) -> ColumnReading:
    quantity = QUANTITIES.get(canonical)
    if quantity is None:
        return ColumnReading(file, original, canonical, "", None, why)
    convention = quantities.convention_of(original, quantity)
    unit = convention if convention and quantity.unit == quantities.L.unit else quantity.unit
    return ColumnReading(file, original, canonical, unit, convention, why)


def _as_stated(reading: ColumnReading, facts: Mapping[str, Any]) -> ColumnReading:
    """Return the reading of a loss in the unit that its file states, where its name states none."""
    unit = facts.get(f"{reading.canonical}_convention")
    if reading.canonical not in LOSSES or unit is None or reading.convention is not None:
        return reading
    return replace(reading, unit=unit, convention=unit)


def canonical_of(name: str) -> str | None:
    """Return the canonical column that a name means, or None."""
    if plain_name(name) in quantities.RUN_ID_NAMES:
        return "run_id"
    quantity = recognise(name)
    return quantity.column if quantity is not None else None


def canonical_name(name: str) -> str:
    """Return the canonical name a `--map` key means: `N` and `n_params` are `params`."""
    quantity = recognise(name)
    if quantity is None or (quantity is N and quantities.convention_of(name, N) is not None):
        return name
    return quantity.column


def _preference(name: str) -> tuple[int, int]:
    """Sort canonical names first, then aliases in the order they are declared, then letters."""
    plain = plain_name(name)
    if plain in quantities.RUN_ID_NAMES:
        return (0, quantities.RUN_ID_NAMES.index(plain))
    quantity, plain = recognise(name), plain_name(quantities.header(name)[0])
    if quantity is None or plain == quantity.column:
        return (0, 0)
    if len(plain) == 1:
        return (2, 0)
    return (1, [plain_name(alias) for alias in quantity.aliases].index(plain))


def _of_letter(name: str) -> Quantity | None:
    """Return the quantity whose letter is the whole name of a column (`N`, `d`), or None."""
    quantity = recognise(name) if len(quantities.header(name)[0].strip()) == 1 else None
    return None if quantity is None or quantity is quantities.X else quantity


def is_weak(name: str) -> bool:
    """Say whether a name is a quantity's only if the values of the column are such."""
    return _of_letter(name) is not None or plain_name(name) in _WEAK


def _doubted_names(raw: Raw, scales: Mapping[str, float]) -> dict[str, str]:
    """Return the columns that are not the quantity that their name can mean, and why.

    People name layers, widths and classes by one letter or `size` too: the values must be such as
    the quantity has, and beside an N a `d` is no D. Nothing is measured by a column of words.
    """
    known = {name: q for name in raw.columns if (q := recognise(name)) not in (None, quantities.X)}
    judged = {name: _doubt(raw, name, quantity, scales) for name, quantity in known.items()}
    doubts = {name: doubt for name, doubt in judged.items() if doubt is not None}
    letters = [name for name in known if _of_letter(name) is not None]
    capitals = [name for name in letters if name.strip().isupper() and name not in doubts]
    if capitals:
        case = f"it is a small letter beside {' and '.join(capitals)}"
        doubts = {n: case for n in letters if n.strip().islower()} | doubts
    return doubts


def _doubt(raw: Raw, name: str, quantity: Quantity, scales: Mapping[str, float]) -> str | None:
    """Return why the values of a column cannot be those of a quantity, or None."""
    column, weak = raw.columns[name], is_weak(name)
    if pa.types.is_string(column.type) and not _has_number(column, quantity if weak else None):
        return _WORDS
    if not weak:
        return None
    try:
        values = floats(_typed(raw, name, quantity.column, scales))
    except DataError:
        return None  # one bad cell among numbers: refused where the column is read
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    if quantity is quantities.L:
        whole = np.array_equal(finite, np.floor(finite))
        return "all its values are whole numbers" if whole else None
    most = float(finite.max())
    small = f"its largest value is {quantities.format_number(most)}"
    return small if most < _LEAST.get(quantity.column, 0) else None


def _has_number(column: pa.Array, quantity: Quantity | None) -> bool:
    """Say whether any cell of a text column is a number, or begins as one; an empty one may be."""
    if column.null_count == len(column):
        return True
    if quantity is None:
        options = pc.MatchSubstringOptions(_BEGINS)
        return bool(pc.call_function("match_substring_regex", [column], options).true_count)
    return any(_is_number(cell, quantity) for cell in column.to_pylist() if cell is not None)


def _is_number(cell: str, quantity: Quantity) -> bool:
    try:
        return number(cell, quantity) is not None
    except ValueError:
        return False


def _typed(raw: Raw, original: str, canonical: str, scales: Mapping[str, float]) -> pa.Array:
    column = raw.columns[original]
    if canonical == "run_id":
        return pc.cast(column, pa.string())
    if canonical not in QUANTITIES:
        return inferred(column)
    values = _numbers(raw, original, QUANTITIES[canonical])
    if canonical in LOSSES and quantities.is_perplexity(original):
        return _logarithm(raw, original, values)
    factor = scales.get(canonical, _header(raw.columns[original], original, canonical))
    if factor == 1:
        return values
    return pc.call_function("multiply", [values, pa.scalar(factor)])


def _header(column: pa.Array, original: str, canonical: str) -> float:
    """Return the unit that a header states of a count; 1 where cells have their own (`7B`)."""
    factor = quantities.header(original)[1] if canonical in COUNTS else 1.0
    cells = column.unique().to_pylist() if factor != 1 and pa.types.is_string(column.type) else ()
    return 1.0 if any(_SUFFIXED.search(cell or "") for cell in cells) else factor


def _logarithm(raw: Raw, name: str, values: pa.Array) -> pa.Array:
    """Return the losses behind a column of perplexities.

    Raises
    ------
    DataError
        If one is below 1.
    """
    below = np.flatnonzero(floats(values) < 1)
    if len(below):
        row = int(below[0])
        told = f"{values[row].as_py():g} is no perplexity, which is 1 or more."
        raise raw.refused(
            told, row, name, hint="If it is the loss: --map loss=COLUMN under a name that says so."
        )
    return pc.call_function("ln", [values])


def _counts(raw: Raw, scales: Mapping[str, float]) -> dict[str, pa.Array]:
    """Return every parameter count whose name states how it counts, as `params_<convention>`."""
    columns: dict[str, pa.Array] = {}
    for name in raw.columns:
        if recognise(name) is N and (convention := quantities.convention_of(name, N)) is not None:
            columns.setdefault(f"params_{convention}", _typed(raw, name, "params", scales))
    return columns


def without_zeros(named: Raw) -> Raw:
    """Return the table without tokens and compute that are zero throughout: nobody counted them."""
    zeros = [name for name in ("tokens", "flops") if name in named.columns]
    zeros = [name for name in zeros if np.all(floats(named.columns[name]) == 0)]
    notes = [named.note("zeros", "info", f"{n} are 0 in every row: not counted.") for n in zeros]
    columns = {name: column for name, column in named.columns.items() if name not in zeros}
    return replace(named, columns=columns, notes=(*named.notes, *notes)) if zeros else named


def check_mapping(mapping: Mapping[str, str], tables: Iterable[Iterable[str]]) -> None:
    """Refuse a `--map` whose column is in none of the files.

    Raises
    ------
    UsageError
        With near names.
    """
    there = list(dict.fromkeys(name for columns in tables for name in columns))
    for canonical, original in mapping.items():
        if original not in there:
            message = f"--map {canonical}={original}: no file has a column {original!r}."
            raise UsageError(message, hint=near_column(original, there))


def check_values(named: Raw, *, zero_allowed: bool) -> None:
    """Refuse what cannot be: negative or zero losses and counts, infinite counts.

    A loss that is NaN or infinite is a measurement (the run diverged) and stays; a curve may
    start at zero tokens.

    Raises
    ------
    DataError
        At the first bad value; names file, row and column.
    """
    for canonical in (*COUNTS, *LOSSES, "step"):
        if canonical not in named.columns:
            continue
        column = pc.cast(named.columns[canonical], pa.float64())
        values = np.asarray(pc.fill_null(column, 1.0).to_numpy(zero_copy_only=False))
        may_be_zero = canonical == "step" or (zero_allowed and canonical in ("tokens", "flops"))
        bad, rule = (values < 0, "zero or positive") if may_be_zero else (values <= 0, "positive")
        if canonical not in LOSSES:
            bad, rule = bad | np.isinf(values), f"{rule} and finite"
        if canonical in LOSSES and not zero_allowed and bad.sum() <= len(bad) / 2:
            bad &= ~stands_for_none(values)  # the selection names these and leaves them out
        if bad.any():
            row = int(np.argmax(bad))
            turned = canonical in LOSSES and values[row] < 0
            told = _another_loss(named, canonical) or (_TURNED if turned else _DELETE)
            what = f"{canonical} ({QUANTITIES[canonical].meaning})"
            raise named.refused(
                f"{what} must be {rule}, found {values[row]:g}.",
                row,
                next((r.column for r in named.readings if r.canonical == canonical), canonical),
                hint=told,
            )


def _another_loss(named: Raw, canonical: str) -> str | None:
    """Name another column that can be a loss, where the one that was read is never above zero."""
    if canonical not in LOSSES or not (floats(named.columns[canonical]) <= 0).all():
        return None
    others = [name for name in named.columns if "loss" in name.lower() and name not in QUANTITIES]
    others = [name for name in others if not pa.types.is_string(named.columns[name].type)]
    other = next((name for name in others if (floats(named.columns[name]) > 0).any()), None)
    return other and f"Another column may be it: --map {canonical}={other}."


def _numbers(raw: Raw, name: str, quantity: Quantity) -> pa.Array:
    """Return a column as float64: `nan` and `inf` kept, missing values null.

    Thousands separators (`1,234,567`) are read anywhere, suffixes (`7B`) in counts: a loss or a
    learning rate is never written so.

    Raises
    ------
    DataError
        At the first cell that is not a number; names file, row, column and the text.
    """
    try:
        return pc.cast(raw.columns[name], pa.float64(), safe=False)
    except pa.ArrowInvalid:
        cells = raw.columns[name].to_pylist()
    suffixed = quantity if quantity.column in COUNTS else None
    values: list[float | None] = []
    for row, cell in enumerate(cells):
        try:
            values.append(None if cell is None else number(cell, suffixed))
        except ValueError as error:
            comma = re.fullmatch(r"[+-]?\d+,\d+", str(cell).strip())
            hint = "Decimal commas are not guessed: write a point." if comma else _MEND
            raise raw.refused(f"{cell!r} is not a number.", row, name, hint=hint) from error
    return pa.array(values, pa.float64())


_DELETE = "Mend or delete the row."
_TURNED = "A log-likelihood is not a loss: change its sign."
_MEND = "Mend the cell, or leave it empty if there is no value."


def number(text: str, quantity: Quantity | None = None) -> float | None:
    """Read one cell: a plain number, nan or inf, thousands separators, or a suffixed count.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    cell = text.strip()
    if cell in NULLS:
        return None
    if _PLAIN.fullmatch(cell) or _NOT_FINITE.fullmatch(cell):
        return float(cell)
    if _THOUSANDS.fullmatch(cell):
        return float(cell.replace(",", ""))
    if quantity is None or not _COUNT.fullmatch(cell):  # dates and fractions are no sums
        raise ValueError(cell)
    try:
        return quantities.parse_number(cell, quantity)
    except UsageError as error:
        raise ValueError(cell) from error


def _refuse_decimal_commas(raw: Raw, wanted: Collection[str]) -> None:
    """Refuse `2,345` in a column of numbers where commas do not separate the fields.

    It may be 2.345 or 2345, and what is clear in one cell (`2,3`) is a guess for its neighbours.
    Groups that only thousands have (`1,234,567`) are read.

    Raises
    ------
    DataError
        If a wanted column has such a cell, and none with two groups.
    """
    hint = "Write the numbers of the column with decimal points and without other commas."
    for name in wanted if raw.decimal_commas else ():
        column = raw.columns[name]
        if not pa.types.is_string(column.type):
            continue
        held = pc.call_function("match_substring", [column], pc.MatchSubstringOptions(","))
        cells = column.filter(held).unique().to_pylist()
        if cells and all(map(_ONE_COMMA.match, cells)):
            row, cell = column.to_pylist().index(cells[0]), cells[0].strip()
            could = f"could be {cell.replace(',', '.')} or {cell.replace(',', '')}"
            wrong = could if _TWO_READINGS.fullmatch(cell) else "has a decimal comma"
            raise raw.refused(f"{cell!r} {wrong}.", row, name, hint=hint)


def inferred(column: pa.Array) -> pa.Array:
    """Return a column without a canonical name as int64, float64 or text, whichever holds it."""
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.float64())
    ids = pc.call_function("match_substring_regex", [column], pc.MatchSubstringOptions(_ID))
    for kind in () if ids.true_count else (pa.int64(), pa.float64()):
        try:
            return pc.cast(column, kind)
        except pa.ArrowInvalid:
            continue
    return pc.cast(pc.call_function("utf8_trim_whitespace", [column]), pa.string())


def remap(runs: Runs, mapping: Mapping[str, str]) -> Runs:
    """Return runs that were read before, such as a store's, with `--map`'s columns in place.

    Raises
    ------
    UsageError
        If there is no such column.
    DataError
        If a column that should be a quantity holds text.
    """
    for key, name in mapping.items():
        runs = _remapped(runs, canonical_name(key), name)
    return runs


def _remapped(runs: Runs, canonical: str, name: str) -> Runs:
    view, said = View.of(runs), f"--map {canonical}={name}"
    resolved = view.resolve(name)
    if resolved is None:
        hint = near_column(name, view.original_names())
        raise UsageError(f"{said}: the store has no column {name!r}.", hint=hint)
    reading = _reading("", name, canonical, said)
    points, facts = runs.points, runs.runs
    if canonical in POINT_CORE:
        owner = places(points["run_id"], facts["run_id"])  # of superseded points too
        cells = View(runs, np.arange(points.num_rows), owner).cells(resolved)
        points = _with(points, reading, cells, "points")
    else:
        if resolved in points.column_names:
            points = _with(points, reading, points[resolved], "points")
        if resolved in facts.column_names:
            facts = _with(facts, reading, facts[resolved], "runs")
    if (stated := f"{canonical}_convention") in facts.column_names:
        cells = pa.array([reading.convention] * facts.num_rows, pa.string())
        place = facts.column_names.index(stated)
        facts = with_units(facts.set_column(place, stated, cells), "runs")
    return replace(runs, runs=facts, points=points, columns=[reading, *runs.columns])


def _with(
    table: pa.Table, reading: ColumnReading, column: pa.Array | pa.ChunkedArray, kind: str
) -> pa.Table:
    """Return the table with this column under its canonical name."""
    name = reading.canonical
    try:
        column = pc.cast(column, pa.float64()) if name in QUANTITIES else column
    except pa.ArrowInvalid as error:
        raise DataError(f"{reading.why}: the column holds text.", column=reading.column) from error
    column = pc.cast(column, POINT_CORE.get(name, column.type))
    if name not in table.column_names:
        return with_units(table.append_column(name, column), kind)
    return with_units(table.set_column(table.column_names.index(name), name, column), kind)
