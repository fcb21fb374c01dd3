"""Small logs for the tests of reading, and ways to write and look at them."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scaling_cli import ingest
from scaling_cli.runs.table import Runs

TABLE = "run_id,params,tokens,loss\na,1e6,2e7,3.5\nb,4e6,8e7,3.0\nc,1.6e7,3.2e8,2.75\n"
CURVE = "step,tokens,loss\n10,1000,5.5\n20,2000,4.25\n30,3000,4\n"


def write(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def column(runs: Runs, name: str) -> list[object]:
    return runs.points[name].to_pylist()


def counting(runs: Runs, name: str) -> list[object]:
    """Return a column of the points that count, in order."""
    return runs.points[name].take(pa.array(runs.order[0])).to_pylist()


def curve(runs: Runs, name: str = "loss") -> dict[object, object]:
    """Return the values of a column by step, where the points that count have one."""
    pairs = zip(counting(runs, "step"), counting(runs, name), strict=True)
    return {step: value for step, value in pairs if value is not None}


def looked_for() -> str:
    """Return what a folder without logs was searched for: every format says it in its file."""
    return "; ".join(reader.LOOKED_FOR for reader in ingest.formats().values())


def codes(runs: Runs) -> dict[str, str]:
    return {note.code: str(note) for note in runs.notes}


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def as_parquet(text: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(pd.read_csv(io.StringIO(text))), sink)
    return sink.getvalue()


def as_jsonl(text: str) -> bytes:
    frame = pd.read_csv(io.StringIO(text))
    return "".join(json.dumps(row) + "\n" for row in frame.to_dict("records")).encode()


def sheets(**tables: Sequence[Sequence[Any]]) -> bytes:
    """Return a spreadsheet with these sheets."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()
