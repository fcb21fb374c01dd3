"""Files that are read alone: by several processes as by one, their points on disk as in memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import write
from odd_logs import answer, files, folder_of
from refusals import refusal

from scaling_cli.cli import _process
from scaling_cli.ingest import _alone
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary import workers
from scaling_cli.vocabulary.errors import DataError

HURRIED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
from scaling_cli.ingest import _alone
from scaling_cli.vocabulary import workers
_alone._WORTH, workers.processors = 0, lambda: 2
from scaling_cli.__main__ import main
main()
"""


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let two processes read whatever there is; how many files they were given each time."""
    given: list[int] = []
    read = _alone._read

    def submitted(self: Any, function: Any, part: Any) -> Any:
        given.append(len(part))
        return submit(self, function, part)

    submit = _alone.ProcessPoolExecutor.submit
    monkeypatch.setattr(_alone.ProcessPoolExecutor, "submit", submitted)
    monkeypatch.setattr(_alone, "_WORTH", 0)
    monkeypatch.setattr(_alone, "_TOGETHER", 1)
    monkeypatch.setattr(workers, "processors", lambda: 2)
    assert read is _alone._read
    return given


def mixed(folder: Path, rng: np.random.Generator) -> Path:
    """Write odd tables, and logs of other kinds among them."""
    folder_of(folder, rng, 0.5)
    for i in range(4):
        lines = [f"iter {s}: loss {9 - s + i / 8}, time 2.0ms" for s in range(6)]
        write(folder, f"c{i}.log", "\n".join(lines) + "\n")
        rows = [f'{{"step": {s}, "loss": {9 - s + i / 8}}}' for s in range(6)]
        write(folder, f"j{i}.jsonl", "\n".join(rows) + "\n" * (i % 2))
    write(folder, "bad.jsonl", '{"step": 1, "loss": -3}\n{"step": 2, "loss": 4}\n')
    write(folder, "twice.csv", "run_id,step,loss\nc1,1,3\nc1,2,2.5\n")
    write(folder, "meta.csv", "run_id,params\nc0,1e6\nc2,4e6\nnobody,2e6\n")
    return folder


def test_by_processes_as_here(
    tmp_path: Path, rng: np.random.Generator, pools: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mixed(tmp_path / "logs", rng)
    for n, options in enumerate(({}, {"meta": str(folder / "meta.csv")})):
        here = answer(folder, tmp_path / f"here{n}", **options)
        assert not pools

        def elsewhere(n: int = n, options: dict[str, Any] = options) -> Any:
            workers.allow(_process.begin)
            told = answer(folder, tmp_path / f"there{n}", **options)
            verb.put([folder], tmp_path / f"aside{n}", **options)
            return told

        assert copy_context().run(elsewhere) == here
        assert sum(pools) > 20
        assert files(tmp_path / f"aside{n}") == files(tmp_path / f"here{n}")
        pools.clear()


def test_read_here_where_no_process_starts(
    tmp_path: Path, rng: np.random.Generator, pools: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mixed(tmp_path / "logs", rng)
    here = answer(folder, tmp_path / "here")

    def none(*_: Any) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(_alone, "ProcessPoolExecutor", none)
    monkeypatch.setattr(workers, "beginning", lambda: _process.begin)
    assert answer(folder, tmp_path / "there") == here


def test_points_aside_on_disk(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mixed(tmp_path / "logs", rng)
    here = answer(folder, tmp_path / "here")
    monkeypatch.setattr(_alone, "_IN_MEMORY", 1)
    runs, _ = verb.put([folder], tmp_path / "aside")
    assert runs.points.num_rows < here[0]["cells"]["points"].count("'run_id'") / 2
    assert files(tmp_path / "aside") == here[1]


def test_no_room_to_put_points_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def seek(self, *_: int) -> int:
            return 0

        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(_alone, "SpooledTemporaryFile", Full)
    log = write(tmp_path, "a.jsonl", '{"step": 1, "loss": 3}\n')
    assert refusal(DataError, verb.put, [log], tmp_path / "store") == (
        "points cannot be put aside until they are stored: No space left on device. "
        "Make room on the disk of the store."
    )
    assert not (tmp_path / "store").exists()


def members(session: int) -> Iterator[int]:
    """Yield the processes of a session that run."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, fields = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            yield int(number)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are told by /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_who_asked(how: signal.Signals, tmp_path: Path) -> None:
    line = "iter {}: loss {:.4f}, time 2.0ms\n"
    log = "".join(line.format(s, 9 - s / 4000) for s in range(30_000))
    for i in range(4):
        write(tmp_path, f"logs/{i}.log", log)
    asked = [sys.executable, "-c", HURRIED, "ingest", "logs", "--store", "store"]
    quiet: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    where = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(asked, cwd=tmp_path, start_new_session=True, env=where, **quiet)
    while process.poll() is None and len([*members(process.pid)]) < 5:
        time.sleep(0.02)
    assert process.poll() is None
    os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
    process.communicate()
    assert process.returncode in (-how, 130)
    for _ in range(500):
        if not [*members(process.pid)]:
            break
        time.sleep(0.02)
    assert not [*members(process.pid)]
    assert not (tmp_path / "store").exists()
