"""Tables in memory: one answer whatever holds the columns, and one refusal for what is no table."""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from log_files import column
from refusals import refusal

import scaling_cli as sc
from scaling_cli import ingest, laws
from scaling_cli.runs import selection
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.errors import DataError, UsageError

NAN = math.nan
Columns = Mapping[str, list[Any]]
POINTS = {
    "run_id": ["a", "b", "c", "d"],
    "params": [1e7, 1e8, 1e9, 1e10],
    "tokens": [1e9, 1e10, 1e11, 1e12],
    "loss": [3.9, 3.0, NAN, 2.2],
    "val_loss": [4.0, NAN, NAN, 2.25],
    "lr": [1e-3, NAN, 1e-3, 1e-3],
    "seed": [1, 2, 3, 4],
}
STEPS = np.arange(8, 2001, 8)
DIVERGED = {
    "step": STEPS.tolist(),
    "loss": [2 + 30 / step if step <= 1496 else NAN for step in STEPS.tolist()],
}


class Interchanged:
    """A frame that offers the interchange protocol and nothing else."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __dataframe__(self, **options: Any) -> Any:
        return self._frame.__dataframe__(**options)


def _polars(columns: Columns) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def _polars_series(columns: Columns) -> Any:
    polars = pytest.importorskip("polars")
    return {name: polars.Series(cells) for name, cells in columns.items()}


def _records(columns: Columns) -> Any:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


HOLDERS: dict[str, Callable[[Columns], Any]] = {
    "pandas": pd.DataFrame,
    "pandas object": lambda columns: pd.DataFrame(columns, dtype=object),
    "polars": _polars,
    "arrow": pa.table,
    "arrow batch": pa.RecordBatch.from_pydict,
    "arrow stream": lambda columns: pa.table(columns).to_reader(),
    "dict": dict,
    "dict of numpy": lambda columns: {n: np.array(cells) for n, cells in columns.items()},
    "dict of pandas": lambda columns: {n: pd.Series(cells) for n, cells in columns.items()},
    "dict of polars": _polars_series,
    "dict of arrow": lambda columns: {n: pa.array(cells) for n, cells in columns.items()},
    "records": _records,
    "interchange of arrow": lambda columns: Interchanged(pa.table(columns)),
    "interchange of pandas": lambda columns: Interchanged(pd.DataFrame(columns)),
}
holders = pytest.mark.parametrize("holder", HOLDERS)


def _known(runs: Runs) -> str:
    """Return all that was understood, in words, but for what the source is called."""
    (source,) = runs.sources.to_pylist()
    text = repr([runs.runs.to_pylist(), runs.points.to_pylist(), runs.notes])
    return text.replace(source["file"], "<table>").replace(source["source_id"], "<id>")


@pytest.mark.filterwarnings("ignore:The Dataframe Interchange Protocol")
@holders
def test_the_same_columns_are_the_same_runs(holder: str) -> None:
    runs = ingest.read(HOLDERS[holder](POINTS))
    assert column(runs, "val_loss") == [4.0, None, None, 2.25]
    assert column(runs, "lr") == [1e-3, None, 1e-3, 1e-3]
    assert repr(column(runs, "loss")) == "[3.9, 3.0, nan, 2.2]"
    assert runs.runs["seed"].to_pylist() == [1, 2, 3, 4]
    assert _known(runs) == _known(ingest.read(pd.DataFrame(POINTS)))
    left = selection.select(runs, laws.get("chinchilla"), target="loss").left_out
    assert [(gone.run, gone.reason) for gone in left] == [("c", "loss is NaN; the run diverged")]


@pytest.mark.filterwarnings("ignore:The Dataframe Interchange Protocol")
@holders
def test_a_diverged_run_is_not_forecast(holder: str) -> None:
    table = HOLDERS[holder](DIVERGED)
    error = refusal(DataError, sc.forecast, table, schedule="constant:peak=3e-4,steps=4000")
    called = error.split("'")[1]
    assert error == (
        f"run '{called}' diverged: its loss is not finite after step 1496. Resume it from a "
        "checkpoint before that; the rows of the resumed part then replace these."
    )
    assert called in ("<DataFrame>", "<columns>", "<records>", "<table>")


def test_a_name_of_the_loss_with_nan_is_read_with_a_warning() -> None:
    """Exports of loggers hold NaN wherever a row is an evaluation."""
    for holder in ("pandas", "polars", "dict"):
        runs = ingest.read(HOLDERS[holder]({"step": [1, 2, 3], "train/loss": [5.0, NAN, 4.0]}))
        assert column(runs, "loss") == [5.0, None, 4.0]
        (note,) = runs.notes
        assert (note.code, note.level, note.row, note.column) == (
            "nan-missing",
            "warn",
            2,
            "train/loss",
        )
        assert note.message == (
            "NaN in 1 row(s) is read as missing; in a column 'loss' it would mean that the run "
            "diverged."
        )


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("names", [["run_id"], ["run_id", "params"]])
def test_a_named_index_is_columns(names: list[str], kept: bool) -> None:
    frame = pd.DataFrame(POINTS)
    runs = ingest.read(frame.set_index(names, drop=kept))
    assert runs.runs["run_id"].to_pylist() == ["a", "b", "c", "d"]
    assert repr(runs.runs.to_pylist()) == repr(ingest.read(frame).runs.to_pylist())


def test_numbers_of_any_type_are_read() -> None:
    """Decimals are the nearest floats of their digits; integers may be beyond 64 bits."""
    digits = ["3.9", "2.2", "0.1", "1E-12"]
    for losses in ([Decimal(d) for d in digits], [Decimal("3.9"), 2.2, 0.1, 1e-12]):
        table = {"params": [1, 2, 3, 4], "tokens": [2**70, 1, 2, 3], "loss": losses}
        for held in (table, pd.DataFrame(table), _records(table)):
            runs = ingest.read(held)
            assert column(runs, "loss") == [3.9, 2.2, 0.1, 1e-12]
            assert column(runs, "tokens")[0] == 2.0**70
    mixed = {"params": [1, 2, 3], "loss": [1.5, 2.5, 3.5], "val_loss": [Decimal("3.9"), NAN, None]}
    assert column(ingest.read(mixed), "val_loss") == [3.9, None, None]


def test_records_may_lack_cells() -> None:
    records = [
        {"step": 10, "loss": 5.0},
        {"step": 20, "val_loss": 4.5},
        {"step": 30, "loss": None, "val_loss": 4.25},
        {"step": 40, "loss": NAN, "val_loss": NAN},
    ]
    runs = ingest.as_runs(records)
    assert repr(column(runs, "loss")) == "[5.0, None, None, nan]"
    assert column(runs, "val_loss") == [None, 4.5, 4.25, None]
    assert runs.sources["uri"].to_pylist() == ["<records>"]


def test_two_tables_are_two_sources() -> None:
    one, other = ({"run_id": [run], "params": [1e6], "loss": [3.0]} for run in "ab")
    for held in (dict, pa.table, pd.DataFrame):
        runs = ingest.as_runs([held(one), held(other)])
        assert runs.runs["run_id"].to_pylist() == ["a", "b"]


GOOD = {"params": [1e7, 1e8], "loss": [3.9, 3.0]}
TABLES = (
    "Give files, DataFrames, dicts of columns or lists of dicts (one per row), each as an "
    "argument of its own."
)
ROWS = "Give each column a list, or the rows as a list of dicts."
NO_NUMBER = "Mend the cell, or leave it empty if there is no value."
REFUSED: dict[str, tuple[type[sc.ScalingError], Any, str]] = {
    "unequal": (
        DataError,
        {**GOOD, "loss": [3.9]},
        "<columns>, column 'loss': it has 1 value(s), column 'params' has 2. Give every column "
        "one value per row: None where there is none.",
    ),
    "doubled": (
        DataError,
        pd.DataFrame([[1e7, 3, 3]], columns=["params", "loss", "loss"]),
        "<DataFrame>: 2 columns are named 'loss'. Rename or leave out all but one.",
    ),
    "doubled in Arrow": (
        DataError,
        pa.table([pa.array([1.0])] * 3, names=["loss", "loss", "loss"]),
        "<table>: 3 columns are named 'loss'. Rename or leave out all but one.",
    ),
    "text in a dict": (
        DataError,
        {**GOOD, "loss": [3.9, "oops"]},
        f"<columns>, row 2, column 'loss': 'oops' is not a number. {NO_NUMBER}",
    ),
    "text in pandas": (
        DataError,
        pd.DataFrame({**GOOD, "loss": [3.9, "oops"]}),
        f"<DataFrame>, row 2, column 'loss': 'oops' is not a number. {NO_NUMBER}",
    ),
    "text in records": (
        DataError,
        _records({**GOOD, "loss": ["oops", 3.9]}),
        f"<records>, row 1, column 'loss': 'oops' is not a number. {NO_NUMBER}",
    ),
    "a number": (
        DataError,
        {"params": 1e9, "loss": 3.0},
        f"<columns>, column 'params': a float stands where a list of values should. {ROWS}",
    ),
    "a word": (
        DataError,
        {**GOOD, "run_id": "ab"},
        f"<columns>, column 'run_id': a str stands where a list of values should. {ROWS}",
    ),
    "columns by row": (
        DataError,
        pd.DataFrame(GOOD).to_dict(),
        f"<columns>, column 'params': a dict stands where a list of values should. {ROWS}",
    ),
    "spent once": (
        DataError,
        {**GOOD, "loss": iter([3.9, "oops"])},
        f"<columns>, column 'loss': a list_iterator stands where a list of values should. {ROWS}",
    ),
    "no rows": (
        DataError,
        pd.DataFrame({"params": [], "loss": []}),
        "<DataFrame>: the table has no rows (columns: params, loss). Was it filtered to nothing?",
    ),
    "no columns": (
        DataError,
        pd.DataFrame(),
        "<DataFrame>: the table has no rows (columns: none). Was it filtered to nothing?",
    ),
    "no records": (
        DataError,
        [],
        "<records>: the table has no rows (columns: none). Was it filtered to nothing?",
    ),
    "a Series": (UsageError, pd.Series([3.9]), f"cannot read runs from a Series. {TABLES}"),
    "an array": (UsageError, pa.array([3.9]), f"cannot read runs from a DoubleArray. {TABLES}"),
    "a list of tables": (UsageError, [GOOD, GOOD], f"cannot read runs from a list. {TABLES}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused(case: str) -> None:
    kind, given, message = REFUSED[case]
    assert refusal(kind, ingest.read, given) == message
