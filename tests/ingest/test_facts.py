"""Facts that a file lacks: --set, --meta, --name, constant columns; order and contradictions."""

import random
import re
from pathlib import Path

import pytest
from log_files import CURVE, TABLE, codes, column, write
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.runs.table import Runs
from scaling_cli.verbs.ingest import put
from scaling_cli.vocabulary.errors import DataError, UsageError

WITH_SIZE = "step,loss,params\n1,5,124439808\n2,4,124439808\n"


def fact(runs: Runs, name: str) -> list[object]:
    return runs.runs[name].to_pylist()


def test_set_is_for_every_run(tmp_path: Path) -> None:
    files = [write(tmp_path, name, CURVE) for name in ("a.csv", "b.csv")]
    runs = ingest.read(*files, set={"N": "124M", "batch_tokens": "2**19", "role": "fit"})
    assert fact(runs, "params") == [124e6] * 2
    assert fact(runs, "batch_tokens") == [524288.0] * 2
    assert fact(runs, "role") == ["fit"] * 2
    assert ("--set params", "params", "--set params=1.24e+08") in [
        (c.column, c.canonical, c.why) for c in runs.columns
    ]


def test_set_scales_a_column(tmp_path: Path) -> None:
    file = write(tmp_path, "f.csv", "params,tokens,loss\n1e9,20,3\n2e9,40,2.9\n")
    runs = ingest.read(file, set={"tokens_scale": "1e9"})
    assert column(runs, "tokens") == [20e9, 40e9]
    assert fact(runs, "params") == [1e9, 2e9]


def test_set_wins_over_everything(tmp_path: Path) -> None:
    file = write(tmp_path, "9M.csv", WITH_SIZE)
    meta = write(tmp_path, "meta.csv", "run_id,params\n9M,8e6\n")
    runs = ingest.read(file, set={"params": "7M"}, meta=meta, name="{params}")
    assert fact(runs, "params") == [7e6]


def test_meta_by_run_id_and_by_stem(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{name}.csv", CURVE) for name in ("a", "b")]
    head = "run_id,params_non_embedding,role,tokens,final_loss\n"
    table = head + "a,1e6,fit,3000,3.9\nb,2e6,held,3000,3\n"
    by_id = ingest.read(*files, meta=write(tmp_path, "m.csv", table))
    assert fact(by_id, "params") == [1e6, 2e6]
    assert fact(by_id, "params_convention") == ["non_embedding"] * 2
    assert fact(by_id, "role") == ["fit", "held"]
    assert fact(by_id, "tokens") == [3000.0] * 2
    assert fact(by_id, "final_loss") == [3.9, 3.0]
    assert column(by_id, "tokens") == [1000, 2000, 3000] * 2
    by_stem = ingest.read(
        *files, meta=write(tmp_path, "s.csv", "log,params\nx/a.csv,1e6\nb.csv,2e6\n")
    )
    assert fact(by_stem, "params") == [1e6, 2e6]


def test_meta_in_the_same_folder_is_not_a_log(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", CURVE)
    meta = write(tmp_path, "runs.csv", "run_id,params\na,1e6\n")
    assert fact(ingest.read(tmp_path, meta=meta), "run_id") == ["a"]


def test_meta_rows_without_a_run_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", CURVE)
    meta = write(tmp_path, "m.csv", "run_id,params\na,1e6\nb,2e6\nc,3e6\n")
    runs = ingest.read(file, meta=meta)
    assert codes(runs)["meta-unmatched-row"] == (
        f"{meta}, row 3: 2 row(s) belong to no run that was read (b, c)."
    )
    level = {note.code: note.level for note in runs.notes}["meta-unmatched-row"]
    assert level == "info"  # one run of three was asked for, and its row was there
    other = write(tmp_path, "d.csv", CURVE)
    missed = {note.code: note.level for note in ingest.read(file, other, meta=meta).notes}
    assert missed["meta-unmatched-row"] == missed["meta-unmatched-run"] == "warn"


def test_runs_without_a_meta_row_are_named(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{name}.csv", CURVE) for name in ("a", "b")]
    meta = write(tmp_path, "m.csv", "run_id,params\na,1e6\n")
    runs = ingest.read(*files, meta=meta)
    assert fact(runs, "params") == [1e6, None]
    assert codes(runs)["meta-unmatched-run"] == f"{meta}: no row for 1 run(s): b."


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "size,role\n1e6,fit\n",
            "{}: no column names the runs. Add a run_id column that holds the "
            "run ids or file stems (a). Columns found: size, role.",
        ),
        (
            "run_id,params\na,1\na,2\n",
            "{}, row 3, column 'run_id': run 'a' stands twice, first in row 2.",
        ),
        ("run_id,params\n,1\n", "{}, row 2, column 'run_id': the name of the run is missing."),
    ],
)
def test_meta_that_cannot_be_used(tmp_path: Path, table: str, message: str) -> None:
    file, meta = write(tmp_path, "a.csv", CURVE), write(tmp_path, "m.csv", table)
    assert refusal(DataError, ingest.read, file, meta=meta) == message.format(meta)


def test_names_of_files_state_facts(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{n}.csv", "step,loss\n1,5\n2,4\n") for n in ("7B_1T_x", "13B_2T_y")]
    runs = ingest.read(*files, name="{params}_{tokens}_{}")
    assert fact(runs, "params") == [7e9, 13e9]
    assert fact(runs, "tokens") == [1e12, 2e12]
    assert fact(ingest.read(*files, name="{}_{}_{run_id}"), "run_id") == ["x", "y"]


def test_fields_take_as_little_as_they_can(tmp_path: Path) -> None:
    """As the lazy groups of a regular expression do, but in linear time."""
    pattern, lazy = "a{first}-{}-{second}{}-{third}x", r"a(.+?)-.+?-(.+?).+?-(.+?)x"
    letters = ["a", "-", "--", "x", "y", "q"]
    stems = {"".join(random.choices(letters, k=9)) for _ in range(2000)}
    matches = {f"a{stem}": re.fullmatch(lazy, f"a{stem}") for stem in stems}
    fitting = {stem: match.groups() for stem, match in matches.items() if match}
    assert len(fitting) > 20
    files = [write(tmp_path, f"{stem}.csv", CURVE) for stem in fitting]
    runs = ingest.read(*files, name=pattern)
    read = {
        row["run_id"]: tuple(row[k] for k in ("first", "second", "third"))
        for row in runs.runs.to_pylist()
    }
    assert read == fitting
    other = [stem for stem, match in matches.items() if not match][:50]
    files = [files[0], *(write(tmp_path, f"{stem}.csv", CURVE) for stem in other)]
    noted = [n.file for n in ingest.read(*files, name=pattern).notes if n.code == "name-unmatched"]
    assert sorted(map(str, noted)) == sorted(files[1:])
    hopeless = write(tmp_path, f"{'_' * 180}.csv", CURVE)
    many = "_".join(f"{{f{i}}}" for i in range(12)) + "x"
    assert refusal(UsageError, ingest.read, hopeless, name=many).endswith(f"{'_' * 180}.")


def test_a_file_whose_name_does_not_fit_is_named(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{n}.csv", CURVE) for n in ("7B_1T", "other")]
    runs = ingest.read(*files, name="{params}_{tokens}")
    assert codes(runs)["name-unmatched"] == (
        f"{files[1]}: --name '{{params}}_{{tokens}}' does not fit this file name."
    )


def test_names_that_cannot_be_used(tmp_path: Path) -> None:
    file = write(tmp_path, "small_1T.csv", CURVE)
    assert refusal(DataError, ingest.read, file, name="{params}_{tokens}") == (
        f"{file}: --name reads 'small' as params: cannot read 'small' as model parameters (N). "
        "Write 7B, 7e9, 124M, 1T, 2**20 or 1.5e24; a mixture such as 8x7B needs one number (say "
        "which count: total or active)."
    )
    assert refusal(UsageError, ingest.read, file, name="{params}-{tokens}") == (
        "--name '{params}-{tokens}' fits no file name. File stems: small_1T."
    )
    assert refusal(UsageError, ingest.read, file, name="run") == (
        "--name 'run' must name each field once. Such as '{params}_{tokens}'; {} skips a part."
    )


def test_a_rounded_number_in_a_name_yields_to_the_exact_one(tmp_path: Path) -> None:
    file = write(tmp_path, "124M.csv", WITH_SIZE)
    assert fact(ingest.read(file, name="{params}"), "params") == [124439808.0]


CONTRADICTIONS = {
    "meta and column": (
        "run_id,params\nf,1e8\n",
        None,
        "{meta} says params = 100000000, {file} says 124439808.",
    ),
    "name and column": (
        None,
        "{params}",
        "the file name says params = 9000000, {file} says 124439808.",
    ),
    "meta and name": (
        "run_id,params\n9M,1e8\n",
        "{params}",
        "{meta} says params = 100000000, the file name says 9000000.",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_refused(tmp_path: Path, case: str) -> None:
    table, pattern, message = CONTRADICTIONS[case]
    file = write(tmp_path, "9M.csv" if pattern else "f.csv", WITH_SIZE)
    meta = write(tmp_path, "m.csv", table) if table else None
    run = Path(file).stem
    assert refusal(DataError, ingest.read, file, meta=meta, name=pattern) == (
        f"column 'params': run {run!r}: {message.format(meta=meta, file=file)} Mend one of them, "
        "or settle it with --set params=..."
    )


def test_a_table_of_runs_takes_totals_from_meta(tmp_path: Path) -> None:
    file = write(tmp_path, "t.csv", "run_id,loss\na,3\nb,2\n")
    meta = write(tmp_path, "m.csv", "run_id,params,tokens,note\na,1e6,2e7,x\nb,2e6,4e7,y\n")
    runs = ingest.read(file, meta=meta)
    assert column(runs, "tokens") == [2e7, 4e7]
    assert fact(runs, "params") == [1e6, 2e6]
    clash = write(tmp_path, "c.csv", "run_id,tokens\na,2e7\nb,9e7\nc,3e8\n")
    table = write(tmp_path, "full.csv", TABLE)
    assert refusal(DataError, ingest.read, table, meta=clash) == (
        f"column 'tokens': run 'b': {clash} says tokens = 90000000, {table} says 80000000. Mend "
        "one of them, or settle it with --set tokens=..."
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"params": "8x7B"},
            "cannot read '8x7B' as model parameters (N). Write 7B, 7e9, 124M, 1T, 2**20 or 1.5e24; "
            "a mixture such as 8x7B needs one number (say which count: total or active).",
        ),
        ({"params": "-1"}, "params must be positive, not -1."),
        (
            {"params_convention": "all"},
            "--set params_convention=all: must be one of total, non_embedding, active.",
        ),
    ],
)
def test_set_that_cannot_be_used(tmp_path: Path, given: dict[str, str], message: str) -> None:
    assert refusal(UsageError, ingest.read, write(tmp_path, "f.csv", CURVE), set=given) == message


def test_the_same_run_in_two_files(tmp_path: Path) -> None:
    one, other = write(tmp_path, "one.csv", TABLE), write(tmp_path, "two.csv", TABLE)
    assert refusal(DataError, ingest.read, one, other) == (
        f"{other}: run 'a' is in {one} already. Give only one of them, or tell the runs apart with "
        "a run_id column or --name '{run_id}'."
    )


@pytest.mark.parametrize("again", [False, True])
def test_one_name_of_two_runs_does_not_stop_a_folder(tmp_path: Path, again: bool) -> None:
    names = "run_id,step,loss\nr,1,5\nr,2,4\n"
    files = {"a.csv": CURVE, "b.csv": names, "d.csv": CURVE.replace("10,", "5,")}
    more = {"a.jsonl": '{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.5}\n', "c.csv": names}
    logs, root = tmp_path / "logs", tmp_path / "store"
    for name, text in (files if again else files | more).items():
        write(logs, name, text)
    put([logs], root)
    for name, text in more.items():
        write(logs, name, text)
    put([logs], root)
    for runs in (ingest.read(logs), ingest.read(root)):
        ends = {run["run_id"]: (run["last_step"], run["loss"]) for run in runs.summary()}
        assert ends == {"a": (30, 4), "r": (2, 4), "d": (30, 4)}
    remedy = "Give only one of them, or tell the runs apart with a run_id column or --name "
    told = (
        f"{logs}/{{}}: passed over: run {{}} is in {logs}/{{}} already. {remedy}'{{{{run_id}}}}'."
    )
    for report in (ingest.read(logs), put([logs], root)[1]):
        assert [str(note) for note in report.notes if note.code == "unreadable-file"] == [
            told.format("a.jsonl", "'a'", "a.csv"),
            told.format("c.csv", "'r'", "b.csv"),
        ]


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path, "one.csv", TABLE)
    assert len(ingest.read(file, str(tmp_path / "*.csv"), tmp_path)) == 3
