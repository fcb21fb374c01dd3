"""The store under what may befall it: flipped bits, other processes, pipes, its own folder."""

import fcntl
import json
import os
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from command_line import run
from log_files import CURVE, TABLE, write
from processes import python
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.runs import store
from scaling_cli.runs.table import Runs
from scaling_cli.vocabulary.bounds import allowing
from scaling_cli.vocabulary.errors import DataError

FLIPS = 200


def curve(last: float) -> str:
    return f"step,tokens,loss\n10,1000,5\n20,2000,{last!r}\n"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store of seven runs of two files."""
    for i in range(4):
        write(tmp_path, f"logs/run{i}.csv", curve(4 - i / 8))
    write(tmp_path, "logs/table.csv", TABLE)
    store.append(tmp_path / "store", ingest.read(tmp_path / "logs"))
    return tmp_path / "store"


def facts(path: Path) -> str:
    """Return all that a reader sees of a store."""
    runs = ingest.read(path)
    tables = [table.to_pylist() for table in (runs.runs, runs.points, runs.sources)]
    return repr([tables, runs.columns, runs.notes])


def test_no_flipped_bit_is_read_as_another_number(filled: Path) -> None:
    whole, noticed = facts(filled), 0
    manifest = json.loads((filled / "manifest.json").read_text())
    segments = [segment["path"] for segment in manifest["segments"]]
    names = ["manifest.json", manifest["runs"], manifest["sources"], *segments]
    chance = random.Random(1)
    for number in range(FLIPS):
        file = filled / names[number % len(names)]
        content = bytearray(file.read_bytes())
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        before = file.read_bytes()
        file.write_bytes(content)
        try:
            assert facts(filled) == whole
        except DataError:
            noticed += 1
        file.write_bytes(before)
    assert noticed > FLIPS / 2


@pytest.mark.parametrize("part", ["format", "buckets", "segments", "runs", "version"])
def test_a_manifest_without_a_part_is_damaged(filled: Path, part: str) -> None:
    file = filled / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest[part]
    file.write_text(json.dumps(manifest))
    assert refusal(DataError, ingest.read, filled) == (
        f"{file}: the store is damaged: it lacks what a manifest says. Ingest the logs into a new "
        "store."
    )


def test_a_manifest_that_names_files_elsewhere_is_damaged(filled: Path, tmp_path: Path) -> None:
    file = filled / "manifest.json"
    manifest = json.loads(file.read_text())
    (tmp_path / "outside.parquet").write_bytes((filled / manifest["runs"]).read_bytes())
    file.write_text(json.dumps(manifest | {"runs": "../outside.parquet"}))
    assert "it lacks what a manifest says" in refusal(DataError, ingest.read, filled)


def test_segments_without_a_manifest_are_no_logs(filled: Path) -> None:
    (filled / "manifest.json").unlink()
    told = f"{filled / 'manifest.json'}: not a store: parts of a store without its manifest. "
    for attempt in (
        ingest.read,
        lambda path: store.append(path, ingest.read(path.parent / "logs")),
    ):
        assert refusal(DataError, attempt, filled) == f"{told}Ingest the logs into a new store."


READER = """
import sys
from scaling_cli import ingest

while sys.stdin.readline():
    runs = ingest.read(sys.argv[1])
    losses = runs.points["loss"].to_pylist()
    assert losses[0::2] == [5.0] * 6 and len(set(losses[1::2])) == 1, losses
    print(losses[1], flush=True)
"""


def test_a_reader_beside_a_writer_sees_one_state_or_the_other(tmp_path: Path) -> None:
    logs, path = tmp_path / "logs", tmp_path / "store"
    versions = []
    for version in range(2):
        for i in range(6):
            write(logs, f"run{i}.csv", curve(4 - version))
        versions.append(ingest.read(logs))
    store.append(path, versions[0])
    stop = threading.Event()

    def writing() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            store.append(path, versions[turn % 2])

    # What was read first would be left out as older.
    versions = [_undated(runs) for runs in versions]
    writer = threading.Thread(target=writing)
    writer.start()
    try:
        done = python("-c", READER, str(path), input="go\n" * 60)
    finally:
        stop.set()
        writer.join()
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == {"3.0", "4.0"}


def _undated(runs: Runs) -> Runs:
    place = runs.sources.schema.get_field_index("modified")
    nothing = pa.nulls(runs.sources.num_rows, pa.int64())
    return replace(runs, sources=runs.sources.set_column(place, "modified", nothing))


def test_an_older_reading_that_comes_last_is_left_out(tmp_path: Path) -> None:
    path, log = tmp_path / "store", write(tmp_path, "log.csv", CURVE)
    os.utime(log, ns=(1, 10**18))
    older = ingest.read(log)
    write(tmp_path, "log.csv", CURVE + "40,4000,3\n")
    os.utime(log, ns=(1, 2 * 10**18))
    store.append(path, ingest.read(log))
    report = store.append(path, older)
    assert (report.added, report.replaced, report.removed) == ((), (), ())
    assert [str(note) for note in report.notes] == [
        f"{log}: the store holds this file as it was later; what was read before is left out."
    ]
    assert ingest.read(path).points["loss"].to_pylist()[-1] == 3
    # A file that was put back as it was is what its owner wants.
    write(tmp_path, "log.csv", CURVE)
    os.utime(log, ns=(1, 10**18))
    assert store.append(path, ingest.read(log)).replaced == ("log",)


def test_one_pipe_never_replaces_what_another_gave(tmp_path: Path) -> None:
    path = tmp_path / "store"
    first = run("ingest", "-", "--store", path, input=TABLE)
    assert first.exit_code == 0, first.stderr
    second = run("ingest", "-", "--store", path, input=TABLE.replace("\na,", "\nz,"))
    assert second.exit_code == 3
    assert second.stderr.startswith(
        "error: <stdin>: run 'b' is in the store already, from <stdin>.\n"
    )
    third = run("ingest", "-", "--store", path, input="run_id,params,tokens,loss\nnew,1e6,1e7,4\n")
    assert third.exit_code == 0
    assert ingest.read(path).runs["run_id"].to_pylist() == ["a", "b", "c", "new"]
    assert run("ingest", "-", "--store", path, input=TABLE).exit_code == 0  # the same again


def test_what_comes_through_a_pipe_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "store"
    result = run("ingest", "-", "--store", path, input=CURVE)
    assert (result.exit_code, result.stderr) == (
        3,
        "error: <stdin>: what is read from here gives its run no name, and a store keeps runs by "
        "name.\nhint: Name it with --set run_id=NAME, or in a column run_id; a file is named by "
        "its name.\n",
    )
    assert run("ingest", "-", "--set", "run_id=mine", "--store", path, input=CURVE).exit_code == 0
    assert ingest.read(path).runs["run_id"].to_pylist() == ["mine"]


@pytest.mark.parametrize("typed", [["."], ["log.csv", "runs.store"]])
def test_the_store_in_the_folder_is_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "log.csv", CURVE)
    once, again = (run("ingest", *typed, "--json") for _ in range(2))
    assert (once.exit_code, again.exit_code) == (0, 0)
    record = json.loads(again.stdout)
    assert (record["added"], record["unchanged"]) == ([], ["log"])
    assert ingest.read(".").runs["run_id"].to_pylist() == ["log"]
    told = "1 store(s) lie here and were passed over (name one to read it): runs.store."
    assert [n.message for n in ingest.read(".").notes if n.code == "ignored-store"] == [told]
    alone = run("ingest", "runs.store")
    assert (alone.exit_code, alone.stderr) == (
        2,
        "error: runs.store is the store itself: there is nothing to read into it.\n"
        "hint: Give the logs; --store DIR names another store.\n",
    )


def test_a_held_lock_is_waited_for_with_a_word_and_a_limit(filled: Path) -> None:
    told: list[str] = []
    runs = ingest.read(write(filled.parent, "more.csv", CURVE))
    with (filled / ".lock").open("a+b") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with allowing(told.append, wait=1.2):
            assert refusal(DataError, store.append, filled, runs) == (
                f"waited 1.2 s: another process writes into {filled}. If that is meant, raise the "
                "limit: --allow wait=12"
            )
    assert told == [f"waiting up to 1.2 s: another process writes into {filled}"]
    assert store.append(filled, runs).added == ("more",)


def test_a_pipe_that_nobody_writes_is_waited_for_with_a_limit(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    result = run("runs", pipe, "--allow", "wait=0.1")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: waited 0.1 s: nothing is written into {pipe} yet.\n"
        "hint: If that is meant, raise the limit: --allow wait=1\n",
    )
    writer = threading.Thread(target=pipe.write_text, args=(CURVE,))
    writer.start()
    assert run("runs", pipe).exit_code == 0
    writer.join()


KILLED = """
import os, signal, sys
from scaling_cli.runs import store
from scaling_cli import ingest
replace, left = os.replace, [int(sys.argv[3])]
def last(*names):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)
os.replace = last
store.append(sys.argv[2], ingest.read(sys.argv[1]))
"""


def test_a_killed_ingest_leaves_the_old_or_the_new(filled: Path) -> None:
    logs, old = filled.parent / "logs", facts(filled)
    write(logs, "run0.csv", curve(2.5))
    for step in range(4):
        done = python("-c", KILLED, str(logs), str(filled), str(step))
        assert done.returncode == -signal.SIGKILL
        assert facts(filled) == old
    report = store.append(filled, ingest.read(logs))
    assert report.replaced == ("run0",)
    assert not (filled / "tmp").exists()
