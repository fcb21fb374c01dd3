"""A disk that is full: the store stays as it was, whoever reads it, and one message says so."""

import errno
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_files import CURVE, write
from processes import python
from refusals import refusal

from scaling_cli import ingest
from scaling_cli.ingest import _alone
from scaling_cli.verbs import ingest as verb
from scaling_cli.vocabulary import jsonfile
from scaling_cli.vocabulary.errors import DataError

FULL = "the store cannot be written: No space left on device."


def _filled(tmp_path: Path) -> tuple[Path, Path]:
    logs, root = tmp_path / "logs", tmp_path / "store"
    write(logs, "run0.csv", CURVE)
    verb.put([logs], root)
    for i in range(1, 4):
        write(logs, f"run{i}.csv", CURVE)
    return logs, root


def _full_after(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full from that many whole files on."""
    whole: Callable[..., Any] = jsonfile.write_whole
    left = [writes]

    def written(target: Path, *rest: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return whole(target, *rest, **named)

    monkeypatch.setattr("scaling_cli.runs.stored.write_whole", written)


@pytest.mark.parametrize("writes", range(8))
def test_full_at_any_file(writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, root = _filled(tmp_path)
    before = ingest.read(root).summary()
    whole = ingest.read(logs).summary()
    with monkeypatch.context() as full:
        _full_after(writes, full)
        told = refusal(DataError, verb.put, [logs], root)
        assert FULL in told
    assert ingest.read(root).summary() in (before, whole)
    verb.put([logs], root)
    assert ingest.read(root).summary() == whole
    assert not (root / "tmp").exists()


def test_full_where_points_are_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, root = _filled(tmp_path)
    write(logs, "log.txt", "iter 1: loss 5.1, time 2.0ms\niter 2: loss 4.9, time 2.0ms\n")

    class Full:
        def seek(self, *_: int) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None: ...

    monkeypatch.setattr(_alone, "SpooledTemporaryFile", lambda *_, **__: Full())
    assert refusal(DataError, verb.put, [logs], root) == (
        "points cannot be put aside until they are stored: No space left on device. "
        "Make room on the disk of the store."
    )
    assert len(ingest.read(root)) == 1


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv[1:] = sys.argv[2:]
from scaling_cli.__main__ import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("size", [200, 3000])
def test_the_command_says_it_in_one_message(size: int, tmp_path: Path) -> None:
    """No file may grow beyond some bytes: the kernel itself refuses to write."""
    assert resource.RLIMIT_FSIZE >= 0
    logs, root = _filled(tmp_path)
    before = ingest.read(root).summary()
    done = python("-c", LIMITED, str(size), "ingest", str(logs), "--store", str(root))
    assert done.returncode == 3
    assert done.stdout == ""
    first, hint = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert first.endswith("the store cannot be written: File too large.")
    assert hint.startswith("hint: ")
    assert ingest.read(root).summary() == before
