"""Runs as tables for other tools: the points that count, and a row for each run, in files."""

from os import PathLike
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from scaling_cli.runs.table import Runs, with_units
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.jsonfile import write_whole, writing
from scaling_cli.vocabulary.quantities import L

SUFFIXES = (".parquet", ".csv")
_SUMMARY = ("n_points", "first_step", "last_step", "state")


def export(runs: Runs, path: str | PathLike[str]) -> tuple[Path, Path]:
    """Write the points that count, each with the facts of its run, and beside them the runs.

    Parameters
    ----------
    runs : Runs
    path : path
        Its suffix says how: `.parquet`, with unit and meaning of every column in the metadata of
        its field, or `.csv`. The runs go into `NAME-runs` beside it.

    Returns
    -------
    points, runs : Path

    Raises
    ------
    UsageError
        If the suffix is another, a file cannot be written, or was read.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        hint = f"Use a name that ends in {', '.join(SUFFIXES)}."
        raise UsageError(f"cannot write points as {target.name!r}.", hint=hint)
    beside = target.with_stem(f"{target.stem}-runs")
    read = {Path(uri).resolve() for uri in runs.sources["uri"].to_pylist()}
    for file, table in ((target, points_of(runs)), (beside, runs_of(runs))):
        if file.resolve() in read:
            raise UsageError(f"cannot write {file}: it was read.", hint="Give another name.")
        with writing(file):
            write_whole(file, _content(table, file.suffix.lower()))
    return target, beside


def points_of(runs: Runs) -> pa.Table:
    """Return the points that count, by run and step, with the facts of their run."""
    rows, owner = runs.order
    points, facts = runs.points.take(pa.array(rows)), runs.runs
    columns = {name: points[name] for name in points.column_names}
    for name in [name for name in facts.column_names if name not in columns]:
        columns[name] = facts[name].take(pa.array(owner))
    return _with_units(runs, pa.table(columns), "points")


def runs_of(runs: Runs) -> pa.Table:
    """Return a row for each run: its facts, how far it came, and its last loss."""
    table, summary = runs.runs, runs.summary()
    columns = {name: [run[name] for run in summary] for name in _SUMMARY}
    for target in dict.fromkeys(run["target"] for run in summary):
        of_it = [run["loss"] if run["target"] == target else None for run in summary]
        columns[f"last_{target}"] = of_it
    for name, values in columns.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array(values))
    return _with_units(runs, table, "runs")


def _with_units(runs: Runs, table: pa.Table, kind: str) -> pa.Table:
    """Return the table with units; a loss has the one that all runs state, else that assumed."""
    table = with_units(table, kind)
    fields = [*table.schema]
    for i, field in enumerate(fields):
        loss = field.name.removeprefix("last_")
        if loss in ("loss", "val_loss"):
            stated = set(runs.runs[f"{loss}_convention"].to_pylist()) or {None}
            unit = str(*stated) if len(stated) == 1 else "see its convention"
            about = {b"unit": (L.unit if stated == {None} else unit).encode()}
            fields[i] = field.with_metadata({**(field.metadata or {}), **about})
    return pa.table(table.columns, schema=pa.schema(fields, table.schema.metadata))


def _content(table: pa.Table, suffix: str) -> bytes:
    """Return a table as the content of a file."""
    sink = pa.BufferOutputStream()
    if suffix == ".parquet":
        parquet.write_table(table, sink, compression="zstd")
    else:
        csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()
