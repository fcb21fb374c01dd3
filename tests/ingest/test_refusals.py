"""What reading refuses, word for word, with file, row and column."""

import gzip
from pathlib import Path

import log_files
import pytest
from log_files import CURVE, TABLE, as_parquet, column, write, zstd
from refusals import refusal, refused

from scaling_cli import ingest
from scaling_cli.vocabulary.errors import DataError, UsageError

REFUSED = {
    "text": (
        "step,loss\n1,5\n2,4\n3,oops\n",
        4,
        "loss",
        "'oops' is not a number. Mend the cell, or leave it empty if there is no value.",
    ),
    "quoted decimal comma": (
        'step,loss\n1,"5,25"\n2,"4,5"\n',
        2,
        "loss",
        "'5,25' is not a number. Decimal commas are not guessed: write a point.",
    ),
    "no thousands": (
        'step,loss\n1,"0,345"\n2,0.25\n',
        2,
        "loss",
        "'0,345' is not a number. Decimal commas are not guessed: write a point.",
    ),
    "decimals or thousands": (
        "step;loss\n1;7\n2;2,345\n3;1,999\n",
        3,
        "loss",
        "'2,345' could be 2.345 or 2345. Write the numbers of the column with decimal points and "
        "without other commas.",
    ),
    "steps or decimals": (
        "step\tloss\n500\t5.5\n1,000\t4.5\n",
        3,
        "step",
        "'1,000' could be 1.000 or 1000. Write the numbers of the column with decimal points and "
        "without other commas.",
    ),
    "commas and points": (
        "step|loss\n1|5.5\n2|4,25\n",
        3,
        "loss",
        "'4,25' has a decimal comma. Write the numbers of the column with decimal points and "
        "without other commas.",
    ),
    "two sizes of a comma": (
        "params_total;params_active;tokens;loss\n2e9;1,234;2e9;3\n",
        2,
        "params_active",
        "'1,234' could be 1.234 or 1234. Write the numbers "
        "of the column with decimal points and without other commas.",
    ),
    "decimals and thousands": (
        "step;loss\n1;1,234,567\n2;4,5\n",
        3,
        "loss",
        "'4,5' is not a number. Decimal commas are not guessed: write a point.",
    ),
    "mixture": (
        "params,tokens,loss\n8x7B,1T,2\n7B,1T,2\n",
        2,
        "params",
        "'8x7B' is not a number. Mend the cell, or leave it empty if there is no value.",
    ),
    "negative loss": (
        "step,loss\n1,5\n2,-4\n",
        3,
        "loss",
        "loss (cross-entropy loss) must be "
        "positive, found -4. A log-likelihood is not a loss: change its sign.",
    ),
    "zero params": (
        "params,tokens,loss\n0,1e9,2\n1,1e9,2\n",
        2,
        "params",
        "params (model parameters) must be positive and finite, found 0. Mend or delete the row.",
    ),
    "negative tokens": (
        "step,tokens,loss\n1,-5,5\n2,9,4\n",
        2,
        "tokens",
        "tokens (training tokens) must be zero or positive and finite, found -5. Mend or delete "
        "the row.",
    ),
    "half a step": (
        "step,loss\n1,5\n1.5,4\n",
        3,
        "step",
        "step must be a whole number, found 1.5.",
    ),
    "two sizes": (
        "run,step,params,loss\na,1,7,5\na,2,8,4\nb,1,9,3\n",
        3,
        "params",
        "run 'a' has 7 params and here 8. If its name is that of a group of runs, map the column "
        "of run ids (--map run_id=...), or say --set rows=run if each row is a finished run.",
    ),
    "no id": ("run_id,params,loss\na,1,3\n,2,3\n", 3, "run_id", "the run id is missing."),
    "same run twice": (
        "run_id,params,loss\na,7,3\na,7,2.5\nb,8,2\n",
        3,
        "loss",
        "run 'a' has another loss here than in row 2, with nothing to tell the two apart. Give "
        "them different run ids, or a step or tokens column if they are checkpoints; --set "
        "rows=run makes each row a run.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_cells_are_refused_with_their_place(tmp_path: Path, case: str) -> None:
    text, row, name, message = REFUSED[case]
    file = write(tmp_path, "f.csv", text)
    error = refused(DataError, ingest.read, file)
    assert str(error) == f"{file}, row {row}, column {name!r}: {message}"
    assert error.exit_code == 3


BROKEN = {
    "empty": ("f.csv", b"", "{}: the file is empty. Was the log written at all?"),
    "blank": ("f.jsonl", b"\n\n", "{}: the file is empty. Was the log written at all?"),
    "header only": (
        "f.csv",
        b"step,loss\n",
        "{}: there is a header and no whole row (columns: "
        "step, loss). Was the log cut, or has the run not started?",
    ),
    "no header": (
        "f.csv",
        b"1,5.5\n2,5.0\n",
        "{}, row 1: there is no header: the first line holds "
        "numbers. Put the column names in the first line, such as 'step,tokens,loss'.",
    ),
    "twice": (
        "f.csv",
        b"step,loss,loss\n1,2,3\n",
        "{}, row 1: the header names 'loss' twice. Rename one of them.",
    ),
    "too long": (
        "f.csv",
        b"step,loss\n1,5\n2,4,000\n",
        "{}, row 3: the line has 3 fields, the header 2. Put numbers with thousands separators in "
        "quotes, close every quote, and give two lines that were glued together a line each.",
    ),
    "not utf-8": (
        "f.csv",
        b"step,loss\n1,\xff5\n2,4\n",
        "{}, row 2: not UTF-8 text. Save it as UTF-8.",
    ),
    "not json": (
        "f.jsonl",
        b'{"step": 1}\n{oops}\n{"step": 2}\n',
        "{}, row 2: the line is not JSON. Mend or delete it.",
    ),
    "not an object": (
        "f.jsonl",
        b'{"step": 1}\n[2]\n',
        "{}, row 2: expected a JSON object, found list.",
    ),
    "cut gzip": (
        "f.csv.gz",
        gzip.compress(TABLE.encode())[:-9],
        "{}: the gzip stream is cut or "
        "damaged. Copy the file again, or unpack what there is and give that.",
    ),
    "cut zstd": (
        "f.csv.zst",
        zstd(TABLE.encode())[:-9],
        "{}: the zstd stream is cut or damaged. "
        "Copy the file again, or unpack what there is and give that.",
    ),
    "cut parquet": (
        "f.parquet",
        as_parquet(TABLE)[:-9],
        "{}: not a whole Parquet file. Copy it again; was the writer closed?",
    ),
    "unknown": (
        "f.png",
        b"\x89PNG",
        f"{{}}: the format is not known. Looked for {log_files.looked_for()}. "
        "If it is one of these, say which with --format.",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path: Path, case: str) -> None:
    name, content, message = BROKEN[case]
    file = write(tmp_path, name, content)
    assert refusal(DataError, ingest.read, file) == message.format(file)


def test_standard_input_is_one_thing() -> None:
    assert refusal(UsageError, ingest.read, "-", meta="-") == (
        "standard input cannot be both the log and --meta. Give one of them as a file."
    )


def test_a_folder_without_logs(tmp_path: Path) -> None:
    write(tmp_path, "notes.md", "nothing")
    assert refusal(DataError, ingest.read, tmp_path) == (
        f"{tmp_path}: no logs found (1 file(s) of other kinds). "
        f"Looked for {log_files.looked_for()}."
    )
    said = refusal(DataError, ingest.read, tmp_path / "nowhere")
    assert said == f"{tmp_path / 'nowhere'}: there is no such file or folder."


def test_a_named_format(tmp_path: Path) -> None:
    file = write(tmp_path, "f.log", CURVE)
    assert column(ingest.read(file, format="csv"), "step") == [10, 20, 30]
    known = ", ".join(name for reader in ingest.formats().values() for name in reader.NAMES)
    assert refusal(UsageError, ingest.read, file, format="xml") == (
        f"there is no log format 'xml'. Known formats: {known}."
    )


def test_a_group_of_rows_without_a_step_is_no_run(tmp_path: Path) -> None:
    """Its first step was sought among none, and NumPy warned."""
    stepped = [
        f"{g},{step},{loss - step / 100}" for g, loss in ((3, 3), (5, 3.2)) for step in range(10)
    ]
    without = [f"4,,{2.9 - row / 100}" for row in range(10)]
    table = "\n".join(["group,step,loss", *stepped[:10], *without, *stepped[10:], ""])
    file = write(tmp_path, "t.csv", table)
    assert refusal(DataError, ingest.read, file) == (
        f"{file}, row 22, column 'loss': the same steps come 2 times, with other losses. If they "
        "are several runs, add a column that names them (--map run_id=COLUMN); if one was started "
        "anew, delete what does not count."
    )


# --- what the bytes of a file say --------------------------------------------------------------

CONSOLE = "".join(f"step {i}/100 loss {4 - i / 10:.2f} lr 1e-3\n" for i in range(1, 6))
ROWS = {"run.log": CONSOLE, "run.csv": CURVE, "run.jsonl": '{"step":1,"loss":3}\n' * 3}


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ROWS)
def test_text_in_utf_16_is_text(tmp_path: Path, name: str, order: str) -> None:
    plain, wide = tmp_path / "plain" / name, tmp_path / "wide" / name
    for path, text, code in ((plain, "", "utf-8"), (wide, "\ufeff", order)):
        path.parent.mkdir()
        path.write_bytes((text + ROWS[name]).encode(code))
    assert ingest.read(wide).summary() == ingest.read(plain).summary()
    wide.write_bytes(ROWS[name].encode(order))  # nothing says that it is
    why = "the format is not known: it looks like UTF-16 without its mark, so save it as UTF-8. "
    why = "the line is not JSON. Mend or delete it." if name == "run.jsonl" else why
    assert why in refusal(DataError, ingest.read, wide)


@pytest.mark.parametrize("at", [0, len(CONSOLE) // 2, len(CONSOLE)])
def test_zero_bytes_are_named(tmp_path: Path, at: int) -> None:
    file = tmp_path / "run.log"
    file.write_bytes(CONSOLE[:at].encode() + bytes(600) + CONSOLE[at:].encode())
    assert refusal(DataError, ingest.read, file).startswith(
        f"{file}: the format is not known: zero bytes stand in it, as a crash leaves them, so "
        "delete them (tr -d '\\000'). Looked for "
    )


@pytest.mark.parametrize("name", ["run.log", "run.csv", "run.jsonl", "run", "run.log.gz"])
@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_an_empty_log_is_called_empty(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    said = f"{file}: the file is empty. Was the log written at all?"
    assert refusal(DataError, ingest.read, file) == said
    write(tmp_path, "other.csv", CURVE)
    assert any("empty" in note.message for note in ingest.read(tmp_path).notes)
