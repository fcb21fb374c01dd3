"""`--map` on runs that were read before, such as those of a store."""

import difflib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaling_cli.ingest._columns import canonical_name
from scaling_cli.runs.table import POINT_CORE, ColumnReading, Runs, places, with_units
from scaling_cli.runs.view import View
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.quantities import QUANTITIES, convention_of


def remap(runs: Runs, mapping: Mapping[str, str]) -> Runs:
    """Return the runs with other columns in the place of canonical ones.

    Raises
    ------
    UsageError
        If there is no such column.
    DataError
        If a column that should be a quantity holds text.
    """
    for key, name in mapping.items():
        runs = _one(runs, canonical_name(key), name)
    return runs


def _one(runs: Runs, canonical: str, name: str) -> Runs:
    resolved = View.of(runs).resolve(name)
    if resolved is None:
        raise _unknown(runs, canonical, name)
    points, facts = runs.points, runs.runs
    if canonical in POINT_CORE:
        cells = _numeric(_at_points(runs, resolved), canonical, name)
        points = _with(points, canonical, pc.cast(cells, POINT_CORE[canonical]), "points")
    elif resolved in points.column_names:
        points = _with(points, canonical, _numeric(points[resolved], canonical, name), "points")
    if resolved in facts.column_names and canonical not in POINT_CORE:
        facts = _with(facts, canonical, _numeric(facts[resolved], canonical, name), "runs")
    quantity = QUANTITIES.get(canonical)
    convention = None if quantity is None else convention_of(name, quantity)
    if f"{canonical}_convention" in facts.column_names:
        stated = pa.array([convention] * facts.num_rows, pa.string())
        facts = _with(facts, f"{canonical}_convention", stated, "runs")
    unit = convention or ("" if quantity is None else quantity.unit)
    said = f"--map {canonical}={name}"
    reading = ColumnReading("", name, canonical, unit, convention, said)
    return replace(runs, runs=facts, points=points, columns=[reading, *runs.columns])


def _at_points(runs: Runs, name: str) -> pa.Array:
    """Return a column at every point, superseded ones too, in the order of the table."""
    owner = places(runs.points["run_id"], runs.runs["run_id"])
    return View(runs, np.arange(runs.points.num_rows), owner).cells(name)


def _unknown(runs: Runs, canonical: str, name: str) -> UsageError:
    names = View.of(runs).original_names()
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    return UsageError(
        f"--map {canonical}={name}: the store has no column {name!r}.",
        hint=f"{guess}Columns: {', '.join(names)}.",
    )


def _numeric(
    column: pa.Array | pa.ChunkedArray, canonical: str, name: str
) -> pa.Array | pa.ChunkedArray:
    if canonical not in QUANTITIES:
        return column
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid as error:
        raise DataError(f"--map {canonical}={name}: the column holds text.", column=name) from error


def _with(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray, kind: str) -> pa.Table:
    place = table.schema.get_field_index(name)
    if place < 0:
        return with_units(table.append_column(name, column), kind)
    return with_units(table.set_column(place, name, column), kind)
