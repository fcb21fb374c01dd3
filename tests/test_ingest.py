"""Reading: formats, what a row is, names, conventions, resumes; whole messages where it refuses."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling_cli import ingest
from scaling_cli.errors import DataError, ScalingError, UsageError
from scaling_cli.ingest._numbers import number
from scaling_cli.quantities import N
from scaling_cli.runs import Flag, Runs

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


def codes(runs: Runs) -> dict[str, str]:
    return {note.code: str(note) for note in runs.notes}


# --- formats -----------------------------------------------------------------------------------


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
    "one params, tokens go up": (
        "tokens,loss,params\n1000,5,7\n2000,4,7\n",
        ["curve"],
        ["f"],
    ),
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
    why = [c for c in ingest.read(file).columns if c.column == "(rows)"][0]
    assert (why.canonical, why.why) == (
        "one row per step of one run",
        "one run: tokens goes up along the file",
    )
    runs = ingest.read(file, set={"rows": "run"})
    assert runs.runs["run_id"].to_pylist() == ["f:2", "f:3"]
    with pytest.raises(UsageError) as error:
        ingest.read(file, set={"rows": "steps"})
    assert str(error.value) == "--set rows=steps: must be one of run, curve, checkpoint."


def test_a_long_table_is_spread(tmp_path: Path) -> None:
    text = "run,step,metric,value\na,1,loss,5\na,1,val_loss,5.5\na,2,loss,4\nb,1,loss,3\nb,2,loss,nan\n"
    runs = ingest.read(write(tmp_path, "long.csv", text))
    assert column(runs, "run_id") == ["a", "a", "b", "b"]
    assert column(runs, "val_loss") == [5.5, None, None, None]
    np.testing.assert_array_equal(column(runs, "loss"), [5, 4, 3, np.nan])
    assert codes(runs)["long-table"].endswith(
        "long table: 5 rows of 'metric' and 'value' became 4 rows with the columns loss, val_loss."
    )


def test_a_long_table_with_two_values_of_one_metric(tmp_path: Path) -> None:
    file = write(tmp_path, "long.csv", "step,metric,value\n1,loss,5\n1,loss,6\n")
    with pytest.raises(DataError) as error:
        ingest.read(file)
    assert str(error.value) == (
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
    curve = "step,loss,grad_norm,host\n1,5,2.5,n1\n2,4,2.25,n1\n"
    runs = ingest.read(write(tmp_path, "c.csv", curve))
    assert column(runs, "grad_norm") == [2.5, 2.25]
    assert runs.runs["host"].to_pylist() == ["n1"]


def test_map_to_a_column_that_is_not_there(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,eval/c4\n1,5\n2,4\n")
    with pytest.raises(UsageError) as error:
        ingest.read(file, map={"loss": "eval/c5"})
    assert str(error.value) == (
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


REFUSED = {
    "text": ("step,loss\n1,5\n2,4\n3,oops\n", 4, "loss", "'oops' is not a number. Mend the cell, "
             "or leave it empty if there is no value."),
    "decimal comma": ("step;loss\n1;5,25\n2;4,5\n", 2, "loss", "'5,25' is not a number. Decimal "
                      "commas are not guessed: write a point."),
    "mixture": ("params,tokens,loss\n8x7B,1T,2\n7B,1T,2\n", 2, "params", "'8x7B' is not a number. "
                "Mend the cell, or leave it empty if there is no value."),
    "negative loss": ("step,loss\n1,5\n2,-4\n", 3, "loss", "loss (cross-entropy loss) must be "
                      "positive, found -4. A log-likelihood is not a loss: change its sign."),
    "zero params": ("params,tokens,loss\n0,1e9,2\n1,1e9,2\n", 2, "params", "params (model "
                    "parameters) must be positive and finite, found 0. Mend or delete the row."),
    "negative tokens": ("step,tokens,loss\n1,-5,5\n2,9,4\n", 2, "tokens", "tokens (training "
                        "tokens) must be zero or positive and finite, found -5. Mend or delete "
                        "the row."),
    "half a step": ("step,loss\n1,5\n1.5,4\n", 3, "step", "step must be a whole number, found "
                    "1.5."),
    "two sizes": ("run,step,params,loss\na,1,7,5\na,2,8,4\nb,1,9,3\n", 3, "params", "run 'a' has "
                  "7 params and here 8. If its name is that of a group of runs, map the column of "
                  "run ids (--map run_id=...), or say --set rows=run if each row is a finished "
                  "run."),
    "no id": ("run_id,params,loss\na,1,3\n,2,3\n", 3, "run_id", "the run id is missing."),
    "same run twice": ("run_id,params,loss\na,7,3\na,7,2.5\nb,8,2\n", 3, "loss", "run 'a' has "
                       "another loss here than in row 2, with nothing to tell the two apart. Give "
                       "them different run ids, or a step or tokens column if they are "
                       "checkpoints; --set rows=run makes each row a run."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_cells_are_refused_with_their_place(tmp_path: Path, case: str) -> None:
    text, row, name, message = REFUSED[case]
    file = write(tmp_path, "f.csv", text)
    with pytest.raises(DataError) as error:
        ingest.read(file)
    assert str(error.value) == f"{file}, row {row}, column {name!r}: {message}"
    assert error.value.exit_code == 3


BROKEN = {
    "empty": ("f.csv", b"", "{}: the file is empty. Was the log written at all?"),
    "blank": ("f.jsonl", b"\n\n", "{}: the file is empty. Was the log written at all?"),
    "header only": ("f.csv", b"step,loss\n", "{}: there is a header and no whole row (columns: "
                    "step, loss). Was the log cut, or has the run not started?"),
    "no header": ("f.csv", b"1,5.5\n2,5.0\n", "{}, row 1: there is no header: the first line holds "
                  "numbers. Put the column names in the first line, such as 'step,tokens,loss'."),
    "twice": ("f.csv", b"step,loss,loss\n1,2,3\n", "{}, row 1: the header names 'loss' twice. "
              "Rename one of them."),
    "too long": ("f.csv", b"step,loss\n1,5\n2,4,000\n", "{}, row 3: the line has 3 fields, the "
                 "header 2. Put numbers with thousands separators in quotes, close every quote, "
                 "and give two lines that were glued together a line each."),
    "not utf-8": ("f.csv", b"step,loss\n1,\xff5\n2,4\n", "{}, row 2: not UTF-8 text. Save it as "
                  "UTF-8."),
    "not json": ("f.jsonl", b'{"step": 1}\n{oops}\n{"step": 2}\n', "{}, row 2: the line is not "
                 "JSON. Mend or delete it."),
    "not an object": ("f.jsonl", b'{"step": 1}\n[2]\n', "{}, row 2: expected a JSON object, found "
                      "list."),
    "cut gzip": ("f.csv.gz", gzip.compress(TABLE.encode())[:-9], "{}: the gzip stream is cut or "
                 "damaged. Copy the file again, or unpack what there is and give that."),
    "cut zstd": ("f.csv.zst", zstd(TABLE.encode())[:-9], "{}: the zstd stream is cut or damaged. "
                 "Copy the file again, or unpack what there is and give that."),
    "cut parquet": ("f.parquet", as_parquet(TABLE)[:-9], "{}: not a whole Parquet file. Copy it "
                    "again; was the writer closed?"),
    "unknown": ("f.png", b"\x89PNG", "{}: the format is not known. Looked for *.csv, *.tsv (also "
                ".gz, .zst); *.jsonl, *.ndjson, *.json (also .gz, .zst); *.parquet. If it is one "
                "of these, say which with --format."),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path: Path, case: str) -> None:
    name, content, message = BROKEN[case]
    file = write(tmp_path, name, content)
    with pytest.raises(DataError) as error:
        ingest.read(file)
    assert str(error.value) == message.format(file)


def test_a_folder_without_logs(tmp_path: Path) -> None:
    write(tmp_path, "notes.md", "nothing")
    with pytest.raises(DataError) as error:
        ingest.read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: no logs found (1 file(s) of other kinds). Looked for *.csv, *.tsv (also "
        ".gz, .zst); *.jsonl, *.ndjson, *.json (also .gz, .zst); *.parquet."
    )
    with pytest.raises(DataError) as error:
        ingest.read(tmp_path / "nowhere")
    assert str(error.value) == f"{tmp_path / 'nowhere'}: there is no such file or folder."


def test_a_named_format(tmp_path: Path) -> None:
    file = write(tmp_path, "f.log", CURVE)
    assert column(ingest.read(file, format="csv"), "step") == [10, 20, 30]
    with pytest.raises(UsageError) as error:
        ingest.read(file, format="xml")
    assert str(error.value) == (
        "there is no log format 'xml'. Known formats: csv, tsv, jsonl, json, parquet."
    )


# --- logs that were resumed, repeated, cut -----------------------------------------------------


@pytest.mark.parametrize("header", ["", "step,loss\n"])
def test_a_resumed_log(tmp_path: Path, header: str) -> None:
    """0..149, then 100..199, then 180..219: the later part wins from its first step on."""
    parts = [range(150), range(100, 200), range(180, 220)]
    rows = ["".join(f"{s},{9 - s / 100 + k}\n" for s in part) for k, part in enumerate(parts)]
    file = write(tmp_path, "f.csv", "step,loss\n" + header.join(rows))
    runs = ingest.read(file)
    steps, losses = counting(runs, "step"), counting(runs, "loss")
    assert steps == list(range(220))
    part = [0] * 100 + [1] * 80 + [2] * 40
    assert losses == [9 - s / 100 + k for s, k in zip(range(220), part, strict=True)]
    assert runs.points.num_rows == 290
    place = 152 + (header != "")
    assert codes(runs)["resumed"] == (
        f"{file}, row {place}: the log was resumed 2 time(s); 70 row(s) that a later part rewrote "
        "are superseded."
    )


def test_a_stale_row_between_the_new_ones_is_superseded_too(tmp_path: Path) -> None:
    text = "step,loss\n10,5\n15,4.5\n20,4\nstep,loss\n10,6\n20,3\n"
    runs = ingest.read(write(tmp_path, "f.csv", text))
    assert (counting(runs, "step"), counting(runs, "loss")) == ([10, 20], [6, 3])


def test_a_wider_header_after_a_resume(tmp_path: Path) -> None:
    text = "step,loss\n1,5\n2,4\nstep,loss,lr\n3,3,0.1\n4,2,0.2\n"
    runs = ingest.read(write(tmp_path, "f.csv", text))
    assert column(runs, "lr") == [None, None, 0.1, 0.2]
    assert column(runs, "segment") == [0, 0, 1, 1]


def test_repeated_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n1,5\n1,5\n2,4\n2,4\n3,nan\n3,nan\n")
    runs = ingest.read(file)
    assert column(runs, "step") == [1, 2, 3]
    assert codes(runs)["duplicate-rows"] == (
        f"{file}: 3 row(s) repeat another row exactly; dropped."
    )


def test_a_step_that_is_logged_again_with_another_value(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n1,5\n2,4\n2,4.5\n3,3\n")
    runs = ingest.read(file)
    assert counting(runs, "loss") == [5, 4.5, 3]
    assert codes(runs)["repeated-step"] == (
        f"{file}, row 4: 1 step(s) have several values (here of loss); the last one counts."
    )


def test_training_and_evaluation_in_rows_of_their_own(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss,val_loss\n1,5,\n2,4,\n2,,4.5\n3,3,\n")
    runs = ingest.read(file)
    assert counting(runs, "loss") == [5, 4, 3]
    assert counting(runs, "val_loss") == [None, 4.5, None]
    assert codes(runs)["merged-steps"] == (
        f"{file}: 1 step(s) had several rows that complete each other; merged."
    )


def test_rows_in_descending_order_are_no_resumes(tmp_path: Path) -> None:
    runs = ingest.read(write(tmp_path, "f.csv", "step,loss\n30,3\n20,4\n10,5\n"))
    assert counting(runs, "loss") == [5, 4, 3]


def test_a_shuffled_curve_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "step,loss\n1,5\n5,4\n2,4\n6,3\n3,4\n7,3\n")
    with pytest.raises(DataError) as error:
        ingest.read(file)
    assert str(error.value) == (
        f"{file}, row 6, column 'step': step goes back again and again: this is neither one run "
        "nor a resumed log. Add a run_id column if there are several runs, or say --set rows=run "
        "if each row is a finished run."
    )


def test_equal_rows_without_ids_are_kept_and_named(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "params,tokens,loss\n7,9,3\n8,9,2\n7,9,3\n")
    runs = ingest.read(file)
    assert len(runs) == 3
    assert codes(runs)["equal-rows"] == (
        f"{file}, row 2: rows 2, 4 are equal to another row in every column; kept, as they may be "
        "seeds. If they are copies, delete them or add a run_id column."
    )


def test_the_last_line_of_a_curve_without_newline_is_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", CURVE[:-1])
    runs = ingest.read(file)
    assert column(runs, "step") == [10, 20]
    assert codes(runs)["partial-line"] == (
        f"{file}, row 4: left out: the last line has no newline and may be half written "
        "(keep_partial keeps it)."
    )
    assert column(ingest.read(file, keep_partial=True), "loss") == [5.5, 4.25, 4.0]


def test_the_last_line_of_a_table_of_runs_without_newline_is_kept(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", TABLE[:-1])
    runs = ingest.read(file)
    assert column(runs, "loss") == [3.5, 3.0, 2.75]
    assert codes(runs)["partial-line"] == (
        f"{file}, row 4: the last line has no newline but all its fields; kept."
    )


def test_a_line_cut_in_the_middle_is_left_out_and_named(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", TABLE.replace(",2.75\n", ""))
    runs = ingest.read(file)
    assert runs.runs["run_id"].to_pylist() == ["a", "b"]
    assert codes(runs)["short-row"] == (
        f"{file}, row 4: left out: the line has 3 of 4 fields; it was cut while written."
    )


def test_a_cut_last_line_of_json(tmp_path: Path) -> None:
    file = write(tmp_path, "f.jsonl", as_jsonl(CURVE)[:-5])
    runs = ingest.read(file)
    assert column(runs, "step") == [10, 20]
    assert codes(runs)["short-row"] == (
        f"{file}, row 3: left out: the line is not whole JSON; it looks cut while being written."
    )


def test_json_as_python_writes_it(tmp_path: Path) -> None:
    text = (
        '{"step": 1, "train": {"loss": 5}, "ok": true}\n{"step": 2, "train": {"loss": NaN}}\n'
        '{"step": 3, "train": {"loss": Infinity}}\n'
    )
    runs = ingest.read(write(tmp_path, "f.jsonl", text))
    np.testing.assert_array_equal(column(runs, "loss"), [5, np.nan, np.inf])
    assert column(runs, "ok") == ["True", None, None]


# --- properties --------------------------------------------------------------------------------

ROWS = [(10 * i, 1000.0 * i, round(7 - i**0.5, 6), None if i % 3 else 6.5) for i in range(1, 12)]
LONG_CURVE = "step,tokens,loss,val_loss\n" + "".join(
    f"{s},{t!r},{a!r},{'' if v is None else v}\n" for s, t, a, v in ROWS
)


@pytest.mark.parametrize("variant", ["plain", "crlf", "quoted", "tsv", "resumed", "jsonl"])
def test_a_curve_cut_at_any_byte(tmp_path: Path, variant: str) -> None:
    """What survives is a prefix of the original; what does not is refused as bad data."""
    header, first, *rest = LONG_CURVE.splitlines(keepends=True)
    text = {
        "plain": LONG_CURVE,
        "crlf": LONG_CURVE.replace("\n", "\r\n"),
        "quoted": LONG_CURVE.replace(first, '"' + first.replace(",", '","').strip() + '"\n'),
        "tsv": LONG_CURVE.replace(",", "\t"),
        "resumed": "".join([header, first, *rest[:4], header, *rest[4:]]),
        "jsonl": "".join(
            json.dumps({"step": s, "tokens": t, "loss": a, "val_loss": v}) + "\n"
            for s, t, a, v in ROWS
        ),
    }[variant]
    content = text.encode()
    survived = set()
    for cut in range(len(content) + 1):
        file = write(tmp_path, "f.jsonl" if variant == "jsonl" else "f.csv", content[:cut])
        try:
            runs = ingest.read(file)
        except DataError:
            continue
        names = ("step", "tokens", "loss", "val_loss")
        got = list(zip(*(counting(runs, name) for name in names), strict=True))
        assert got == ROWS[: len(got)], cut
        survived.add(len(got))
    assert survived == set(range(1, len(ROWS) + 1))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_float_survives_being_written(value: float) -> None:
    got = number(repr(value))
    assert got == value or (got != got and value != value)


@given(st.integers(-(10**15), 10**15))
def test_any_number_with_thousands_separators(value: int) -> None:
    assert number(f"{value:,}") == value


@given(st.integers(1, 999), st.sampled_from([("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)]))
def test_any_suffixed_count(value: int, suffix: tuple[str, float]) -> None:
    assert number(f"{value}{suffix[0]}", N) == value * suffix[1]


@given(st.text(max_size=12))
def test_no_text_is_read_as_another_number(text: str) -> None:
    """Whatever is accepted is what Python, after removing separators, says it is."""
    try:
        got = number(text)
    except ValueError:
        return
    if got is not None:
        expected = float(text.strip().replace(",", ""))
        assert got == expected or (got != got and expected != expected)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_runs_or_a_refusal(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name in ("f.csv", "f.jsonl", "f.parquet", "f.csv.gz"):
            try:
                ingest.read(write(Path(folder), name, content))
            except ScalingError as error:
                assert error.exit_code == 3
