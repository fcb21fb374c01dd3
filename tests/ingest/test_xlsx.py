"""Spreadsheets, written by openpyxl and read by calamine."""

import io
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
from log_files import counting, sheets, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.vocabulary.errors import DataError

LADDER = [("N", "D", "loss"), (1e7, 2e8, 4.1), (3e7, 6e8, 3.6), (1e8, 2e9, 3.1)]
CURVE = [("step", "tokens", "loss"), (1, 1000, 5.5), (2, 2000, 5.25), (3, 3000, None)]


def test_a_table_of_runs(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "ladder.xlsx", sheets(Runs=LADDER)))
    assert runs.runs["params"].to_pylist() == [1e7, 3e7, 1e8]
    assert counting(runs, "loss") == [4.1, 3.6, 3.1]
    assert [note.row for note in runs.notes] == [None] * len(runs.notes)


def test_what_a_csv_says_a_sheet_says(tmp_path: Path) -> None:
    """Titles above, empty rows, other sheets without a table, dates, words for nothing."""
    head, *rows = CURVE
    dated = [(*row, date(2026, 1, 2), "N/A") for row in rows]
    table = [("My run", None, None), (None,), (*head, "day", "note"), dated[0], (), *dated[1:]]
    file = write(tmp_path, "run.xlsx", sheets(Notes=[("todo",)], Data=table, Empty=[]))
    text = "".join(",".join("" if c is None else str(c) for c in row) + "\n" for row in CURVE)
    found, wanted = ingest.read(file), ingest.read(write(tmp_path, "same/run.csv", text))
    columns = ["run_id", "step", "tokens", "loss", "val_loss"]
    assert found.points.select(columns).to_pylist() == wanted.points.select(columns).to_pylist()
    assert found.points["line"].to_pylist() == [4, 6, 7]
    told = {note.code: note.message for note in found.notes}
    assert told["rows-above"] == "2 row(s) above the header (row 3) are passed over."


def test_each_sheet_is_a_run(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "two.xlsx", sheets(small=CURVE, large=CURVE)))
    assert runs.runs["run_id"].to_pylist() == ["two:large", "two:small"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (sheets(Notes=[("a",), (1,)]), "no sheet has a header and a row under it."),
        (sheets(A=[("loss", "loss"), (1, 2)]), "the header names 'loss' twice."),
        (sheets(A=LADDER)[:-30], "not a whole spreadsheet."),
        (sheets(A=LADDER).replace(b"xl/", b"yl/"), "not a whole spreadsheet"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refusal(DataError, ingest.read, write(tmp_path, "a.xlsx", content))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", bytes(2**27))
    told = refusal(DataError, ingest.read, write(tmp_path, "a.xlsx", sink.getvalue()))
    assert "bytes unpack to 134217728 or more: no log is as empty as that." in told


def test_other_archives_are_called_archives(tmp_path: Path) -> None:
    told = refusal(DataError, ingest.read, write(tmp_path, "a.csv", sheets(A=LADDER)))
    assert told.endswith("it is a zip archive. Unpack it.")


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    file = write(tmp_path, "a.xlsx", sheets(A=LADDER))
    assert refusal(DataError, ingest.read, file) == (
        f"{file}: a spreadsheet needs the package python-calamine, which is not installed. "
        "pip install 'scaling-cli[xlsx]', or save the sheet as CSV."
    )


def test_cut_and_changed_bytes(tmp_path: Path) -> None:
    content = sheets(A=CURVE)
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        for given in (content[:place], bytes(changed)):
            try:
                ingest.read(write(tmp_path, "a.xlsx", given))
            except DataError as error:
                assert error.message
