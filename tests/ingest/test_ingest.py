"""Reading: formats, sources, what a row is, names, conventions, numbers."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from log_files import CURVE, TABLE, as_jsonl, as_parquet, codes, column, write, zstd
from refusals import refusal, refused

from scaling_cli import ingest
from scaling_cli.runs.table import Flag
from scaling_cli.vocabulary.errors import DataError, UsageError

# --- formats -----------------------------------------------------------------------------------


FORMS = {
    "t.csv": TABLE.encode(),
    "t.tsv": TABLE.replace(",", "\t").encode(),
    "semicolon.csv": TABLE.replace(",", ";").encode(),
    "bom.csv": b"\xef\xbb\xbf" + TABLE.encode(),
    "utf16.csv": TABLE.encode("utf-16"),
    "crlf.csv": TABLE.replace("\n", "\r\n").encode(),
    "blank_lines.csv": TABLE.replace("\n", "\n\n").encode(),
    "quoted.csv": TABLE.replace("3.5", '"3.5"').encode(),
    "spaces.csv": TABLE.replace(",", " , ").encode(),
    "t.csv.gz": gzip.compress(TABLE.encode()),
    "t.csv.zst": zstd(TABLE.encode()),
    "t.jsonl": as_jsonl(TABLE),
    "t.jsonl.gz": gzip.compress(as_jsonl(TABLE)),
    "t.json": json.dumps(pd.read_csv(io.StringIO(TABLE)).to_dict("records")).encode(),
    "t.parquet": as_parquet(TABLE),
    "no_ending": TABLE.encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_gives_the_same_runs(tmp_path: Path, name: str) -> None:
    runs = ingest.read(write(tmp_path, name, FORMS[name]))
    assert runs.runs["run_id"].to_pylist() == ["a", "b", "c"]
    assert runs.runs["params"].to_pylist() == [1e6, 4e6, 1.6e7]
    assert column(runs, "tokens") == [2e7, 8e7, 3.2e8]
    assert column(runs, "loss") == [3.5, 3.0, 2.75]
    assert runs.runs["rows"].to_pylist() == ["run"] * 3


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    assert column(ingest.read(write(tmp_path, "t.csv", TABLE)), "line") == [2, 3, 4]
    blank = FORMS["blank_lines.csv"]
    assert column(ingest.read(write(tmp_path, "b.csv", blank)), "line") == [3, 5, 7]
    quoted = TABLE.replace("a,1e6", '"a\nx",1e6')
    assert column(ingest.read(write(tmp_path, "q.csv", quoted)), "line") == [2, 4, 5]


def test_a_dataframe_is_a_source() -> None:
    frame = pd.read_csv(io.StringIO(TABLE))
    runs = ingest.read(frame)
    assert column(runs, "loss") == [3.5, 3.0, 2.75]
    assert runs.sources["uri"].to_pylist() == ["<DataFrame>"]
    assert runs.to_frame()["params"].tolist() == [1e6, 4e6, 1.6e7]


def test_standard_input_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(TABLE.encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert column(ingest.read("-"), "loss") == [3.5, 3.0, 2.75]


@pytest.fixture
def piped() -> Iterator[Callable[[bytes], str]]:
    """Return a function that gives the path of a pipe with some content, as `<(...)` does."""
    ends: list[int] = []

    def give(content: bytes) -> str:
        reading, writing = os.pipe()
        ends.append(reading)
        threading.Thread(target=_fill, args=(writing, content), daemon=True).start()
        return f"/dev/fd/{reading}"

    yield give
    for end in ends:
        os.close(end)


def _fill(end: int, content: bytes) -> None:
    with os.fdopen(end, "wb") as stream:
        stream.write(content)


# More than is read to recognise a format, and more than a pipe holds.
LONG = "step,tokens,loss\n" + "".join(f"{s},{s * 1000},{2 + 1 / s!r}\n" for s in range(1, 9001))
PIPED = {
    "csv": LONG.encode(),
    "gz": gzip.compress(LONG.encode()),
    "zst": zstd(LONG.encode()),
    "jsonl": as_jsonl(LONG),
    "parquet": as_parquet(LONG),
}


@pytest.mark.parametrize("form", PIPED)
def test_a_pipe_is_read_whole(piped: Callable[[bytes], str], form: str) -> None:
    runs = ingest.read(piped(PIPED[form]))
    assert column(runs, "step") == list(range(1, 9001))
    assert column(runs, "loss") == [2 + 1 / s for s in range(1, 9001)]


def test_a_pipe_that_is_named_twice_is_read_once(piped: Callable[[bytes], str]) -> None:
    path = piped(LONG.encode())
    assert len(column(ingest.read(path, path), "step")) == 9000


def test_a_table_of_metadata_from_a_pipe(piped: Callable[[bytes], str], tmp_path: Path) -> None:
    rows = "".join(f"run{i},{i}e6\n" for i in range(1, 9001))
    log = write(tmp_path, "run9000.csv", CURVE)
    runs = ingest.read(log, meta=piped(f"run_id,params\n{rows}".encode()))
    assert runs.runs["params"].to_pylist() == [9e9]


def test_a_table_of_metadata_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Stdin:
        buffer = io.BytesIO(b"run_id,params\nlog,7e6\n")

    monkeypatch.setattr("sys.stdin", Stdin)
    runs = ingest.read(write(tmp_path, "log.csv", CURVE), meta="-")
    assert runs.runs["params"].to_pylist() == [7e6]


def test_a_folder_is_searched_and_what_is_passed_over_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "deep/one.csv", CURVE)
    write(tmp_path, "two.jsonl", as_jsonl(CURVE))
    write(tmp_path, ".hidden/three.csv", CURVE)
    picture = write(tmp_path, "loss.png", b"\x89PNG")
    runs = ingest.read(tmp_path)
    assert runs.runs["run_id"].to_pylist() == ["one", "two"]
    assert codes(runs)["ignored-file"] == (
        f"1 file(s) are of no known format and were passed over: {picture}."
    )


def test_a_glob_that_the_shell_did_not_expand(tmp_path: Path) -> None:
    for name in ("run10.csv", "run9.csv", "other.txt"):
        write(tmp_path, name, CURVE)
    runs = ingest.read(str(tmp_path / "run*.csv"))
    assert runs.runs["run_id"].to_pylist() == ["run9", "run10"]


def test_equal_stems_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("small/seed1/log.csv", "large/seed1/log.csv", "other.csv"):
        write(tmp_path, name, CURVE)
    names = ingest.read(tmp_path).runs["run_id"].to_pylist()
    assert names == ["large/seed1/log", "other", "small/seed1/log"]


def test_a_thousand_small_files(tmp_path: Path) -> None:
    for i in range(1000):
        write(tmp_path, f"{i}.csv", CURVE)
    runs = ingest.read(tmp_path, set={"params": "1M"})
    assert len(runs) == 1000
    assert runs.points.num_rows == 3000


# --- what a row is -----------------------------------------------------------------------------

LAYOUTS = {
    "own ids": (TABLE, ["run"] * 3, ["a", "b", "c"]),
    "no ids, other params": (
        "params,tokens,loss\n1e6,1e7,3\n2e6,1e7,2.9\n",
        ["run"] * 2,
        ["f:2", "f:3"],
    ),
    "step": (CURVE, ["curve"], ["f"]),
    "tokens only": ("tokens,loss\n1000,5\n2000,4\n", ["curve"], ["f"]),
    "tokens not in order": ("tokens,loss\n2000,4\n1000,5\n", ["run"] * 2, ["f:2", "f:3"]),
    "one params, tokens go up": ("tokens,loss,params\n1000,5,7\n2000,4,7\n", ["curve"], ["f"]),
    "totals": ("steps,loss,params\n10,5,7\n20,4,7\n", ["run"] * 2, ["f:2", "f:3"]),
    "repeated ids": (
        "run,step,params,loss\na,1,7,5\na,2,7,4\nb,1,9,3\n",
        ["checkpoint"] * 2,
        ["a", "b"],
    ),
    "one id, steps": ("run_id,step,loss\nz,1,5\nz,2,4\n", ["curve"], ["z"]),
    "constant step": ("step,params,loss\n9,7,5\n9,8,4\n", ["run"] * 2, ["f:2", "f:3"]),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_what_a_row_is(tmp_path: Path, case: str) -> None:
    text, rows, names = LAYOUTS[case]
    runs = ingest.read(write(tmp_path, "f.csv", text))
    assert runs.runs["rows"].to_pylist() == rows
    assert runs.runs["run_id"].to_pylist() == names


def test_the_reader_is_told_what_a_row_is_and_can_say_otherwise(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "tokens,loss\n1000,5\n2000,4\n")
    why = next(c for c in ingest.read(file).columns if c.column == "(rows)")
    assert (why.canonical, why.why) == (
        "one row per step of one run",
        "one run: tokens goes up along the file",
    )
    runs = ingest.read(file, set={"rows": "run"})
    assert runs.runs["run_id"].to_pylist() == ["f:2", "f:3"]
    said = refusal(UsageError, ingest.read, file, set={"rows": "steps"})
    assert said == "--set rows=steps: must be one of run, curve, checkpoint."


def test_a_long_table_is_spread(tmp_path: Path) -> None:
    rows = ["a,1,loss,5", "a,1,val_loss,5.5", "a,2,loss,4", "b,1,loss,3", "b,2,loss,nan"]
    text = "\n".join(["run,step,metric,value", *rows, ""])
    runs = ingest.read(write(tmp_path, "long.csv", text))
    assert column(runs, "run_id") == ["a", "a", "b", "b"]
    assert column(runs, "val_loss") == [5.5, None, None, None]
    np.testing.assert_array_equal(column(runs, "loss"), [5, 4, 3, np.nan])
    assert codes(runs)["long-table"].endswith(
        "long table: 5 rows of 'metric' and 'value' became 4 rows with the columns loss, val_loss."
    )


def test_a_long_table_with_two_values_of_one_metric(tmp_path: Path) -> None:
    file = write(tmp_path, "long.csv", "step,metric,value\n1,loss,5\n1,loss,6\n")
    assert refusal(DataError, ingest.read, file) == (
        f"{file}, row 3, column 'value': metric 'loss' has the values 5 and 6 at the same step. "
        "Give each run its own run_id column, or its own file."
    )


# --- names, conventions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "canonical", "convention"),
    [
        ("Model Size", "params", None),
        ("N", "params", None),
        ("params_non_embedding", "params", "non_embedding"),
        ("n_params_nonembed", "params", "non_embedding"),
        ("params_total", "params", "total"),
        ("params_active", "params", "active"),
    ],
)
def test_names_of_the_parameter_count(
    tmp_path: Path, header: str, canonical: str, convention: str | None
) -> None:
    runs = ingest.read(write(tmp_path, "f.csv", f"{header},tokens,loss\n7B,1T,2\n8B,1T,1.9\n"))
    assert runs.runs["params"].to_pylist() == [7e9, 8e9]
    assert runs.runs["params_convention"].to_pylist() == [convention] * 2
    reading = next(c for c in runs.columns if c.column == header)
    assert (reading.canonical, reading.convention) == (canonical, convention)
    assert ("convention-assumed" in codes(runs)) == (convention is None)


def test_several_counts_are_all_kept(tmp_path: Path) -> None:
    text = "params_active,params_total,tokens,loss\n1e6,8e6,1e8,3\n2e6,9e6,1e8,2.9\n"
    file = write(tmp_path, "f.csv", text)
    runs = ingest.read(file)
    assert runs.runs["params"].to_pylist() == [8e6, 9e6]
    assert runs.runs["params_active"].to_pylist() == [1e6, 2e6]
    assert codes(runs)["second-choice"] == (
        f"{file}: column 'params_active' could be params too; 'params_total' was taken "
        "(--map params=params_active takes the other)."
    )
    mapped = ingest.read(file, map={"N": "params_active"})
    assert mapped.runs["params"].to_pylist() == [1e6, 2e6]
    assert mapped.runs["params_convention"].to_pylist() == ["active"] * 2


SHAPES = "N,tokens,L,d,train_loss\n3e6,2e8,4,256,6.1\n1.4e7,2e8,8,384,5.1\n3.8e7,2e8,12,512,4.7\n"


def test_full_names_go_before_letters(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", SHAPES)
    runs = ingest.read(file)
    assert runs.runs["params"].to_pylist() == [3e6, 1.4e7, 3.8e7]
    assert column(runs, "tokens") == [2e8] * 3
    assert column(runs, "loss") == [6.1, 5.1, 4.7]
    assert runs.runs["L"].to_pylist() == [4, 8, 12]
    assert runs.runs["d"].to_pylist() == [256, 384, 512]
    assert [str(note) for note in runs.notes if note.code == "letter"] == [
        f"{file}: column 'L' is not taken for loss: all its values are whole numbers "
        "(--map loss=L takes it).",
        f"{file}: column 'd' is not taken for tokens: its largest value is 512 "
        "(--map tokens=d takes it).",
    ]
    mapped = ingest.read(file, map={"loss": "L"})
    assert column(mapped, "loss") == [4, 8, 12]


ALL_FOUR = {"flops", "params", "tokens", "loss"}
LETTERS = {
    "capitals": ("C,N,D,L\n6e17,1e8,1e9,3.5\n4e18,3e8,2.2e9,3\n", ALL_FOUR),
    "small": ("c,n,d,l\n6e17,1e8,1e9,3.5\n4e18,3e8,2.2e9,3\n", ALL_FOUR),
    "suffixes": ("N,D,U\n100M,1B,1B\n300M,2B,1B\n", {"params", "tokens", "unique_tokens"}),
    "a small letter beside full names": ("params,d\n1e8,1e9\n3e8,2e9\n", {"params", "tokens"}),
    "a small letter beside a capital": ("N,d\n1e8,1e9\n3e8,2e9\n", {"params"}),
    "both cases": ("n,N,D\n12000,1e8,1e9\n64000,3e8,2e9\n", {"params", "tokens"}),
    "L counts layers and says nothing of n": ("n,L\n1e8,12\n3e8,16\n", {"params"}),
    "small values": ("n,d,c,l,u\n12,512,10,24,512\n16,1024,10,48,512\n", set()),
    "text": ("params,c\n1e8,cosine\n3e8,constant\n", {"params"}),
    "a full name": ("n,n_params\n1e8,1e6\n3e8,2e6\n", {"params"}),
    "nothing in it": ("params,D\n1e8,\n3e8,\n", {"params", "tokens"}),
}


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_is_taken_only_where_it_can_be_the_quantity(tmp_path: Path, name: str) -> None:
    text, quantities = LETTERS[name]
    runs = ingest.read(write(tmp_path, "f.csv", text), set={"rows": "run"})
    read_as = {c.canonical for c in runs.columns if not c.column.startswith(("(", "--"))}
    assert read_as == quantities
    letters = [c for c in text.splitlines()[0].split(",") if len(c) == 1]
    taken = {reading.column for reading in runs.columns}
    noted = {n.column for n in runs.notes if n.code in ("letter", "second-choice")}
    assert set(letters) - taken == noted


def test_a_letter_reads_in_the_unit_that_was_said(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "N,D,loss\n10,0.2,4\n30,0.6,3.5\n")
    bare = ingest.read(file)
    assert bare.runs["params"].to_pylist() == [None, None]
    scaled = ingest.read(file, set={"params_scale": "1e6", "tokens_scale": "1e9"})
    assert scaled.runs["params"].to_pylist() == [1e7, 3e7]
    assert column(scaled, "tokens") == pytest.approx([2e8, 6e8])


def test_one_bad_cell_in_a_letter_is_still_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "N,loss\n7B,3\n8Bx,2.9\n")
    assert refusal(DataError, ingest.read, file) == (
        f"{file}, row 3, column 'N': '8Bx' is not a number. "
        "Mend the cell, or leave it empty if there is no value."
    )


def test_a_step_of_the_training_goes_before_the_counter_of_the_logger(tmp_path: Path) -> None:
    text = "_step,train/loss,train/learning_rate,train/global_step\n0,4,3e-4,100\n1,3.5,2e-4,200\n"
    file = write(tmp_path, "f.csv", text)
    runs = ingest.read(file)
    assert column(runs, "step") == [100, 200]
    assert column(runs, "lr") == [3e-4, 2e-4]
    assert codes(runs)["second-choice"] == (
        f"{file}: column '_step' could be step too; 'train/global_step' was taken "
        "(--map step=_step takes the other)."
    )
    alone = ingest.read(write(tmp_path, "g.csv", "_step,train/loss\n0,4\n1,3.5\n"))
    assert column(alone, "step") == [0, 1]


def test_units_of_losses_come_from_names(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "run_id,val/bpb\na,1.1\nb,1.0\n")
    runs = ingest.read(file, map={"loss": "val/bpb"})
    assert runs.runs["loss_convention"].to_pylist() == ["bits/byte"] * 2
    assert [c.unit for c in runs.columns if c.canonical == "loss"] == ["bits/byte"]


def test_nothing_is_lost(tmp_path: Path) -> None:
    text = "run_id,loss,role,seed,code,share\na,3,fit,1,007,0.5\nb,2,held out,2,008,\n"
    runs = ingest.read(write(tmp_path, "f.csv", text))
    facts = runs.runs.to_pydict()
    assert facts["role"] == ["fit", "held out"]
    assert facts["seed"] == [1, 2]
    assert facts["share"] == [0.5, None]
    assert codes(runs)["other-columns"] == (
        "kept as they are, for --where and --target: role, seed, code, share."
    )
    curve = "step,loss,grad_norm,host\n1,5,2.5,n1\n2,4,2.25,n1\n"
    runs = ingest.read(write(tmp_path, "c.csv", curve))
    assert column(runs, "grad_norm") == [2.5, 2.25]
    assert runs.runs["host"].to_pylist() == ["n1"]


def test_map_to_a_column_that_is_not_there(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,eval/c4\n1,5\n2,4\n")
    assert refusal(UsageError, ingest.read, file, map={"loss": "eval/c5"}) == (
        "--map loss=eval/c5: no file has a column 'eval/c5'. Did you mean eval/c4? "
        "Columns: step, eval/c4."
    )


def test_units_are_in_the_field_metadata(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "f.csv", TABLE))
    assert runs.points.schema.field("tokens").metadata[b"unit"] == b"tokens"
    assert runs.points.schema.field("loss").metadata[b"unit"] == b"nats/token"
    assert runs.runs.schema.field("params").metadata[b"unit"] == b"parameters"


# --- numbers -----------------------------------------------------------------------------------


def test_nan_and_infinity_are_kept_and_flagged(tmp_path: Path) -> None:
    text = "step,loss,val_loss\n1,5,\n2,nan,\n3,inf,4\n4,NaN,\n"
    file = write(tmp_path, "f.csv", text)
    runs = ingest.read(file)
    np.testing.assert_array_equal(column(runs, "loss"), [5, np.nan, np.inf, np.nan])
    assert runs.points["loss"].null_count == 0
    assert column(runs, "val_loss") == [None, None, 4, None]
    assert column(runs, "flags") == [0, *[int(Flag.NONFINITE)] * 3]
    assert codes(runs)["nonfinite"] == (
        f"{file}, row 3: loss is not finite in 3 of 4 row(s); the run diverged."
    )
    assert runs.summary()[0]["state"] == "diverged"


def test_thousands_separators_and_suffixes(tmp_path: Path) -> None:
    quoted = 'params,tokens,loss\n"1,234,567",1.5B,3\n2M,"2,000,000,000.0",2.9\n'
    runs = ingest.read(write(tmp_path, "q.csv", quoted))
    assert runs.runs["params"].to_pylist() == [1234567.0, 2e6]
    assert column(runs, "tokens") == [1.5e9, 2e9]
    bare = "params\ttokens\tloss\n1,234,567\t1e9\t3\n2,000,000\t1e9\t2.9\n"
    runs = ingest.read(write(tmp_path, "b.tsv", bare))
    assert runs.runs["params"].to_pylist() == [1234567.0, 2e6]


DECIMALS = {
    "some can be nothing else": ("5,5;4,345", "'5,5' has a decimal comma"),
    "below one": ("0,345;1,345", "'0,345' has a decimal comma"),
    "long before the comma": ("1,345;1234,567", "'1,345' could be 1.345 or 1345"),
    "with an exponent": ("2,345e-1;1,345", "'2,345e-1' has a decimal comma"),
    "beside whole numbers": ("7;2,25", "'2,25' has a decimal comma"),
    "beside what is not finite": ("2,25;nan;inf", "'2,25' has a decimal comma"),
    "no digit before it": (",5;2,345", "',5' has a decimal comma"),
}
THOUSANDS = {"1,234,567;2,345": [1234567, 2345], "1,234.5;2,345": [1234.5, 2345]}


def _separated(cells: str, quote: str, delimiter: str) -> str:
    rows = [f"{i}{delimiter}{quote}{c}{quote}" for i, c in enumerate(cells.split(";"))]
    return "\n".join([f"step{delimiter}loss", *rows, ""])


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("case", DECIMALS)
def test_decimal_commas_are_refused_by_row(
    tmp_path: Path, case: str, quote: str, delimiter: str
) -> None:
    cells, message = DECIMALS[case]
    file = write(tmp_path, "f.csv", _separated(cells, quote, delimiter))
    error = refused(DataError, ingest.read, file)
    first = next(i for i, cell in enumerate(cells.split(";")) if "," in cell)
    assert (error.message, error.row) == (f"{message}.", first + 2)
    assert error.column == "loss"


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("cells", THOUSANDS)
def test_thousands_are_read(tmp_path: Path, cells: str, delimiter: str) -> None:
    runs = ingest.read(write(tmp_path, "f.csv", _separated(cells, "", delimiter)))
    assert column(runs, "loss") == THOUSANDS[cells]


def test_commas_in_ids_and_other_columns_stay(tmp_path: Path) -> None:
    text = "run_id;params;tokens;loss;gpus\na,1;1.5M;2e7;3.5;0,1,2\n1,5;2M;4e7;3.25;\n"
    runs = ingest.read(write(tmp_path, "f.csv", text))
    assert runs.runs["run_id"].to_pylist() == ["a,1", "1,5"]
    assert runs.runs["gpus"].to_pylist() == ["0,1,2", None]


def test_decimal_commas_in_a_table_of_metadata_are_refused(tmp_path: Path) -> None:
    meta = write(tmp_path, "meta.csv", "run_id;params;dropout\nlog;1,5M;0,25\n")
    with pytest.raises(DataError, match="'1,5M' has a decimal comma"):
        ingest.read(write(tmp_path, "log.csv", CURVE), meta=meta)
