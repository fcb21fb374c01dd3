"""The store: same answer as the files, idempotent, whole after a kill, readable by others."""

import errno
import json
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from log_files import CURVE, TABLE, write
from refusals import refusal, refused

from scaling_cli import ingest, laws
from scaling_cli.runs import store, stored
from scaling_cli.runs.selection import select
from scaling_cli.runs.table import Runs, stack
from scaling_cli.vocabulary.errors import DataError, UsageError

CHINCHILLA = laws.get("chinchilla")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Twenty curves and a table of runs, with what a store must not lose."""
    folder = tmp_path / "logs"
    for i in range(20):
        rows = "".join(f"{s},{s * 1000 * (i + 1)},{7 - i / 10 - s / 100},n{s}\n" for s in range(9))
        write(folder, f"run{i}.csv", "step,tokens,loss,host\n" + rows)
    write(folder, "run20.csv", "step,tokens,loss\n1,1000,5\n2,2000,nan\n1,1000,4.5\n2,2000,inf\n")
    header, *rows = TABLE.splitlines()
    table = "".join(f"{row},fit\n" for row in rows)
    write(folder, "table.csv", f"{header},role\n{table}")
    return folder


def read(folder: Path) -> Runs:
    return ingest.read(folder, set={"batch_tokens": "1k"})


def contents(path: Path) -> dict[str, bytes]:
    """Return every file that the manifest names, and the manifest."""
    manifest = json.loads((path / "manifest.json").read_text())
    tables = [manifest["runs"], manifest["sources"], manifest["last"]["path"]]
    names = [s["path"] for s in manifest["segments"]] + tables
    return {name: (path / name).read_bytes() for name in ["manifest.json", *names]}


def same(one: Runs, other: Runs) -> None:
    """Assert that two Runs hold the same, whatever the order of columns and rows."""
    for name in ("runs", "points"):
        tables = [getattr(runs, name) for runs in (one, other)]
        keys = [("run_id", "ascending")]
        if name == "points":
            keys.append(("line", "ascending"))
        first, second = (t.select(sorted(t.column_names)).sort_by(keys) for t in tables)
        assert first.schema.names == second.schema.names
        for column in first.schema.names:
            a, b = first[column].to_pylist(), second[column].to_pylist()
            assert repr(a) == repr(b), column


def test_a_store_gives_what_the_files_give(logs: Path, tmp_path: Path) -> None:
    runs = read(logs)
    report = store.append(tmp_path / "store", runs)
    again = ingest.read(tmp_path / "store")
    same(runs, again)
    assert [str(n) for n in again.notes] == [str(n) for n in runs.notes]
    assert sorted(map(str, again.columns)) == sorted(map(str, runs.columns))
    assert again.summary() == runs.summary()
    assert report.points == runs.points.num_rows
    assert set(report.added) == set(runs.runs["run_id"].to_pylist())


@pytest.mark.parametrize("at", ["final", "all", "last:3"])
def test_the_same_points_from_files_and_store(logs: Path, tmp_path: Path, at: str) -> None:
    runs = ingest.read(logs, set={"params": "7M"})
    store.append(tmp_path / "store", runs)
    one = select(runs, CHINCHILLA, at=at)
    other = select(ingest.read(tmp_path / "store"), CHINCHILLA, at=at)
    assert one.sha256() == other.sha256()
    assert list(one.runs) == list(other.runs)
    np.testing.assert_array_equal(one.output, other.output)
    assert list(one.left_out) == list(other.left_out)
    assert list(one.notes) == list(other.notes)


def test_one_by_one_or_all_at_once(logs: Path, tmp_path: Path) -> None:
    store.append(tmp_path / "once", ingest.read(logs))
    for file in sorted(logs.iterdir()):
        store.append(tmp_path / "many", ingest.read(file))
    same(store.read(tmp_path / "once"), store.read(tmp_path / "many"))


def test_twice_changes_nothing(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    first = store.append(path, read(logs))
    before = contents(path)
    second = store.append(path, read(logs))
    assert contents(path) == before
    assert (second.added, second.replaced, second.removed) == ((), (), ())
    assert second.unchanged == first.added
    assert second.points == first.points


def test_content_names_the_files(logs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        store.append(tmp_path / name, read(logs))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_log_that_grew_replaces_its_run(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, read(logs))
    with (logs / "run3.csv").open("a") as stream:
        stream.write("9,36000,3.5,n9\n")
    report = store.append(path, read(logs))
    assert report.replaced == ("run3",)
    assert len(report.unchanged) == 23
    same(ingest.read(path), read(logs))
    dataset = ds.dataset(path / "points", partitioning="hive")
    assert dataset.count_rows() == report.points == read(logs).points.num_rows


def test_another_mapping_is_another_reading(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, ingest.read(logs))
    report = store.append(path, read(logs))
    assert len(report.replaced) == 24
    assert ingest.read(path).runs["batch_tokens"].to_pylist() == [1000.0] * 24


def test_runs_that_a_source_no_longer_holds_are_removed(tmp_path: Path) -> None:
    file, path = write(tmp_path, "t.csv", TABLE), tmp_path / "store"
    store.append(path, ingest.read(file))
    write(tmp_path, "t.csv", TABLE.replace("b,4e6", "z,4e6"))
    report = store.append(path, ingest.read(file))
    assert (report.added, report.replaced, report.removed) == (("z",), ("a", "c"), ("b",))
    assert ingest.read(path).runs["run_id"].to_pylist() == ["a", "c", "z"]


def test_the_same_content_elsewhere_is_known(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, ingest.read(write(tmp_path, "here/log.csv", CURVE)))
    report = store.append(path, ingest.read(write(tmp_path, "there/log.csv", CURVE)))
    assert (report.added, report.unchanged) == ((), ("log",))


def test_another_run_of_the_same_name_is_refused(tmp_path: Path) -> None:
    path, here = tmp_path / "store", write(tmp_path, "here/log.csv", CURVE)
    there = write(tmp_path, "there/log.csv", CURVE + "40,4000,3\n")
    store.append(path, ingest.read(here))
    assert refusal(DataError, store.append, path, ingest.read(there)) == (
        f"{there}: run 'log' is in the store already, from {here}. If it is another run, name it "
        "with --set run_id=... or --name '{run_id}'; if the log has moved, ingest it into a new "
        "store."
    )
    store.append(path, ingest.read(there, set={"run_id": "other"}))
    assert ingest.read(path).runs["run_id"].to_pylist() == ["log", "other"]


def test_many_appends_are_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "BUCKETS", 1)
    path, segments = tmp_path / "store", []
    for i in range(10):
        store.append(path, ingest.read(write(tmp_path, f"{i}.csv", CURVE)))
        segments.append(len(json.loads((path / "manifest.json").read_text())["segments"]))
    assert segments == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]
    same(ingest.read(path), ingest.read(str(tmp_path / "*.csv")))


# --- killed while writing ----------------------------------------------------------------------


class KilledError(BaseException):
    """Stands for SIGKILL: nothing in the package may catch it."""


def killing(at: int, *, after: bool) -> Callable[..., None]:
    """Return an os.replace that dies at its n-th call, before or after it has its effect."""
    calls = 0
    replace = os.replace

    def dying(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise KilledError
        replace(source, target)
        if calls == at:
            raise KilledError

    return dying


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_append_leaves_the_old_store_or_the_new_one(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    old = read(logs)
    (logs / "run21.csv").write_text(CURVE)
    with (logs / "run3.csv").open("a") as stream:
        stream.write("9,36000,3.5,n9\n")
    new = read(logs)
    ends, step = set(), 0
    while "whole" not in ends:
        step += 1
        path = tmp_path / f"store{step}"
        store.append(path, old)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", killing(step, after=after))
            try:
                store.append(path, new)
                ends.add("whole")
            except KilledError:
                ends.add(_state(path, old, new))
        store.append(path, new)
        same(ingest.read(path), new)
        assert not (path / "tmp").exists()
        on_disk = {p.relative_to(path).as_posix() for p in path.glob("*/**/*.parquet")}
        assert on_disk == set(contents(path)) - {"manifest.json"}
    assert step > 5
    assert ends == {"old", "new", "whole"}


def _state(path: Path, old: Runs, new: Runs) -> str:
    found = ingest.read(path)
    state = "new" if "run21" in found.runs["run_id"].to_pylist() else "old"
    same(found, new if state == "new" else old)
    return state


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_first_append_leaves_nothing_or_the_whole(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    new, ends, step = read(logs), set(), 0
    while "whole" not in ends:
        step += 1
        path = tmp_path / f"store{step}"
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", killing(step, after=after))
            try:
                store.append(path, new)
                ends.add("whole")
            except KilledError:
                ends.add(_first_state(path, new))
        store.append(path, new)
        same(ingest.read(path), new)
        assert not (path / "tmp").exists()
    assert ends == {"unsigned", "empty", "new", "whole"} - ({"unsigned"} if after else set())


def _first_state(path: Path, new: Runs) -> str:
    if not stored.is_store(path):
        with pytest.raises(DataError, match="no logs found"):
            ingest.read(path)
        return "unsigned"
    if json.loads((path / "manifest.json").read_text())["version"]:
        same(ingest.read(path), new)
        return "new"
    said = refusal(DataError, ingest.read, path)
    assert said == (
        f"{path}: the store is empty: its first ingest did not finish. Fill it: scaling ingest."
    )
    return "empty"


def _append(path: Path, file: str) -> None:
    store.append(path, ingest.read(file))


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{i}.csv", CURVE) for i in range(2)]
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append, args=(tmp_path / "store", f)) for f in files]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 2
    assert len(ingest.read(tmp_path / "store")) == 2


# --- read by others, refused -------------------------------------------------------------------


def test_units_are_in_the_files(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, read(logs))
    segment = next(path.glob("points/bucket=*/seg-*.parquet"))
    schema = pq.read_schema(segment)
    assert schema.field("loss").metadata[b"unit"] == b"nats/token"
    assert schema.field("tokens").metadata[b"unit"] == b"tokens"
    assert schema.metadata[b"scaling.table"] == b"points"
    runs = pq.read_table(path / "runs.parquet")
    assert runs.schema.field("params").metadata[b"unit"] == b"parameters"
    assert runs.num_rows == 24
    sources = pq.read_table(path / "sources.parquet")
    assert sources["rows_read"].to_pylist() == [
        4 if "run20" in f else 3 if "table" in f else 9 for f in sources["file"].to_pylist()
    ]


def test_rows_are_in_the_order_that_arrow_sorts_them_in(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Whatever is missing or not a number, and for names that are no ASCII."""
    names, rows = ["b", "a10", "a9", "é", "z"], 200
    log = write(tmp_path, "log.csv", "run_id,tokens,loss\n" + "".join(f"{n},1,1\n" for n in names))
    runs, keys = ingest.read(log), ("run_id", "step", "tokens", "line")
    for share in (0.0, 0.3):
        tokens = rng.choice([1, 2, np.nan], rows)
        columns = {
            "run_id": pa.array([names[i] for i in rng.integers(0, 5, rows)]),
            "step": pa.array(np.arange(rows)[::-1], mask=rng.random(rows) < share),
            "tokens": pa.array(tokens, mask=rng.random(rows) < share),
            "line": pa.array(np.arange(rows)),
        }
        core = runs.points.take(pa.array(np.zeros(rows, int))).to_pydict()
        points = pa.table({**core, **columns}).cast(runs.points.schema)
        store.append(tmp_path / str(share), replace(runs, points=points))
        for path in (tmp_path / str(share)).glob("points/*/*.parquet"):
            table = pq.read_table(path)
            ordered = table.sort_by([(key, "ascending") for key in keys])
            assert repr(table.to_pylist()) == repr(ordered.to_pylist())


def test_tables_under_each_other_are_those_of_arrow(rng: np.random.Generator) -> None:
    """Columns that some lack, whole numbers under others, empty tables and columns."""
    kinds = {"a": pa.int64(), "b": pa.float64(), "c": pa.string(), "d": pa.float64()}
    for _ in range(50):
        tables = []
        for rows in rng.integers(0, 4, 5).tolist():
            own = [name for name in kinds if rng.random() < 0.6]
            kind = {"d": pa.int64()} if rng.random() < 0.5 else {}
            cells = {n: pa.array([None, 1, 2, 3][:rows]).cast((kinds | kind)[n]) for n in own}
            tables.append(pa.table({"at": pa.array(range(rows)), **cells}))
        whole = pa.concat_tables(tables, promote_options="permissive")
        assert stack(tables).equals(whole)


def test_many_columns_of_few_runs_each_are_stored_where_they_are(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for i in range(40):
        rows = "".join(
            f"{s},{5 - s / 9},{','.join(f'{s}.{k}' for k in range(8))}\n" for s in range(9)
        )
        write(logs, f"run{i}.csv", f"step,loss,{','.join(f'm{i}_{k}' for k in range(8))}\n{rows}")
    runs = ingest.read(logs)
    store.append(tmp_path / "store", runs)
    same(runs, ingest.read(tmp_path / "store"))
    held = [pq.read_schema(path).names for path in (tmp_path / "store").glob("points/*/*.parquet")]
    assert sum(len(names) for names in held) == 8 * 40 + 11 * len(held)


def test_wide_segments_are_in_order_too(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow, wide = tmp_path / "narrow", tmp_path / "wide"
    store.append(narrow, read(logs))
    monkeypatch.setattr(store, "MOST_COLUMNS", 2)
    store.append(wide, read(logs))
    same(ingest.read(wide), ingest.read(narrow))
    for path in wide.glob("points/*/*.parquet"):
        rows = pq.ParquetFile(path).read(["run_id", "step", "line"]).to_pylist()
        other = next((narrow / path.parent.relative_to(wide)).glob("*.parquet"))
        assert rows == pq.ParquetFile(other).read(["run_id", "step", "line"]).to_pylist()


def test_a_wide_store_is_read_as_a_narrow_one(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells that a run does not have take no room: they are slices of one array."""
    write(
        logs, "own.csv", "step,loss,own\n" + "".join(f"{s},{9 - s / 99},{s}\n" for s in range(600))
    )
    store.append(tmp_path / "store", read(logs))
    whole = store.read(tmp_path / "store")
    monkeypatch.setattr(stored, "MOST_COLUMNS", 2)
    sparse = store.read(tmp_path / "store")
    assert sparse.points.schema.equals(whole.points.schema, check_metadata=True)
    same(sparse, whole)
    assert sparse.points["own"].num_chunks > whole.points["own"].num_chunks
    assert sparse.to_dict() == whole.to_dict()


def test_segments_are_sorted_by_run_and_step(logs: Path, tmp_path: Path) -> None:
    store.append(tmp_path / "store", read(logs))
    for segment in (tmp_path / "store").glob("points/bucket=*/seg-*.parquet"):
        rows = pq.ParquetFile(segment).read(["run_id", "step"]).to_pylist()
        keys = [(row["run_id"], -1 if row["step"] is None else row["step"]) for row in rows]
        assert keys == sorted(keys)


def test_map_on_a_store(tmp_path: Path) -> None:
    text = "run_id,params_total,params_active,tokens,loss_c4,loss\na,8e6,1e6,2e7,3,2\n"
    path = tmp_path / "store"
    store.append(path, ingest.read(write(tmp_path, "t.csv", text)))
    runs = ingest.read(path, map={"params": "params_active", "loss": "loss_c4"})
    found = select(runs, CHINCHILLA)
    assert (found.inputs["N"].tolist(), found.output.tolist()) == ([1e6], [3])
    assert found.conventions["N"] == "active"
    assert refusal(UsageError, ingest.read, path, map={"loss": "los_c4"}) == (
        "--map loss=los_c4: the store has no column 'los_c4'. Did you mean loss_c4 or loss? "
        "Columns: run_id, tokens, loss, params_total, params_active, loss_c4."
    )
    assert refusal(UsageError, ingest.read, path, set={"params": "7B"}) == (
        "--set cannot change a store: facts are fixed when logs are ingested. Give it to 'scaling "
        "ingest', or read the logs themselves."
    )


def test_a_store_and_files_together(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, ingest.read(write(tmp_path, "t.csv", TABLE)))
    runs = ingest.read(path, write(tmp_path, "log.csv", CURVE))
    assert runs.runs["run_id"].to_pylist() == ["a", "b", "c", "log"]


def test_folders_that_are_no_store(tmp_path: Path) -> None:
    write(tmp_path, "other/manifest.json", "{}")
    assert refusal(DataError, store.read, tmp_path / "other") == (
        f"{tmp_path / 'other' / 'manifest.json'}: not the manifest of a store."
    )


# A lock, tables and partial files under the store's own names, but no signature of ours.
FOREIGN = {
    "a thesis": {"thesis.tex": b"text"},
    "a lock": {".lock": b"", "tables/results.parquet": b"PAR1", "tmp/deep/draft": b"x"},
    "names like ours": {
        ".lock": b"",
        "runs.parquet": b"mine",
        "tables/runs-0123456789abcdef.parquet": b"mine",
    },
    "a lock of another tool": {".lock": b"pid 17"},
    "work in tmp": {".lock": b"", "tmp/draft": b"x", "tmp/17-manifest.json": b"{}"},
    "another manifest": {"manifest.json": b'{"kind": "web app"}', ".lock": b""},
    "a manifest that is a list": {"manifest.json": b"[1]"},
    "a log": {"log.csv": CURVE.encode()},
}


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("case", FOREIGN)
def test_a_folder_without_our_manifest_is_refused_untouched(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "folder"
    for name, content in FOREIGN[case].items():
        write(folder, name, content)
    error = refused(DataError, store.append, folder, ingest.read(write(tmp_path, "t.csv", TABLE)))
    assert files(folder) == FOREIGN[case]
    assert (error.exit_code, error.file) == (3, str(folder))


def test_the_refusal_says_what_is_there_and_what_to_do(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt", "d.txt", "e.txt", ".lock"):
        write(tmp_path / "folder", name, "")
    runs = ingest.read(write(tmp_path, "t.csv", TABLE))
    assert refusal(DataError, store.append, tmp_path / "folder", runs) == (
        f"{tmp_path / 'folder'}: not a store: the folder holds other files (a.txt, b.txt, c.txt "
        "and 2 more). Nothing was written. Name a new or an empty folder (--store DIR)."
    )
    assert refusal(DataError, store.append, tmp_path / "t.csv", runs) == (
        f"{tmp_path / 't.csv'}: this is not a folder, so it cannot be a store. Name a new or an "
        "empty folder (--store DIR)."
    )


def test_a_manifest_that_cannot_be_read_stops_reading_and_writing(tmp_path: Path) -> None:
    path, runs = tmp_path / "store", ingest.read(write(tmp_path, "t.csv", TABLE))
    store.append(path, runs)
    (path / "manifest.json").write_text("{")
    before = files(path)
    for attempt in (lambda: ingest.read(path), lambda: store.append(path, runs)):
        assert refusal(DataError, attempt) == (
            f"{path / 'manifest.json'}: not a store: no readable manifest. Ingest the logs into a "
            "new store."
        )
    assert files(path) == before


def test_logs_beside_the_manifest_of_another_tool_are_read(tmp_path: Path) -> None:
    write(tmp_path, "manifest.json", '{\n "name": "web app"\n}')
    write(tmp_path, "log.csv", CURVE)
    assert ingest.read(tmp_path).runs["run_id"].to_pylist() == ["log"]


def test_files_of_others_in_a_store_are_left_alone(tmp_path: Path) -> None:
    path, log = tmp_path / "store", tmp_path / "log.csv"
    store.append(path, ingest.read(write(tmp_path, "log.csv", CURVE)))
    others = {
        "tables/results.parquet": b"a",
        "tmp/draft": b"b",
        "tmp/17-notes.txt": b"c",
        "points/bucket=00/seg-mine.parquet": b"d",
        "points/bucket=00/notes.txt": b"e",
    }
    for name, content in others.items():
        write(path, name, content)
    left = write(path, "tmp/17-seg-0123456789abcdef.parquet", b"half")
    write(tmp_path, "log.csv", CURVE + "40,4000,3\n")
    assert store.append(path, ingest.read(log)).replaced == ("log",)
    assert others.items() <= files(path).items()
    assert not Path(left).exists()
    assert set(files(path)) == {
        *others,
        *contents(path),
        ".lock",
        "runs.parquet",
        "sources.parquet",
    }


def test_the_signature_is_what_version_0_1_0_wrote(tmp_path: Path) -> None:
    store.append(tmp_path / "store", ingest.read(write(tmp_path, "t.csv", TABLE)))
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    names = ["kind", "format", "version", "buckets", "segments", "runs", "sources"]
    assert list(manifest) == [*names, "last"]
    assert [manifest[name] for name in names[:3]] == ["scaling store", 1, 1]


def test_damage_is_named(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, read(logs))
    segment = next(path.glob("points/bucket=*/seg-*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-7])
    assert refusal(DataError, ingest.read, path) == (
        f"{segment}: the store is damaged: this file is cut or changed. Ingest the logs into a new "
        "store."
    )


def test_a_store_of_a_later_version(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store.append(path, ingest.read(write(tmp_path, "t.csv", TABLE)))
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    assert refusal(DataError, ingest.read, path) == (
        f"{path / 'manifest.json'}: the store has format 99, this version reads up to 1. Upgrade "
        "scaling-cli."
    )


def test_types_that_differ_between_sources_are_kept_as_text(tmp_path: Path) -> None:
    one = write(tmp_path, "one.csv", "run_id,loss,seed\na,3,1\n")
    two = write(tmp_path, "two.csv", "run_id,loss,seed\nb,3,one\n")
    runs = ingest.read(one, two)
    assert runs.runs["seed"].to_pylist() == ["1", "one"]
    assert isinstance(runs.runs, pa.Table)


def test_a_place_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, place = ingest.read(write(tmp_path, "t.csv", TABLE)), tmp_path / "closed" / "store"

    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", denied)
    assert refusal(DataError, store.append, place, runs) == (
        f"{place}: the store cannot be written: Permission denied. "
        "Name a new or an empty folder (--store DIR)."
    )


def test_a_folder_that_may_not_be_read_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", denied)
    assert not stored.is_store("closed")
