"""Commands under faults of the system: what is refused, what is left, what is swept."""

import errno
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import bad_inputs
import pytest
from command_line import run
from processes import python

from scaling_cli.cli import _cache
from scaling_cli.vocabulary.jsonfile import write_json

FAULTS = {
    errno.ENOSPC: "No space left on device",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
    errno.EIO: "Input/output error",
    errno.EDQUOT: "Disk quota exceeded",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text(bad_inputs.TABLE)
    return tmp_path


def failing(code: int) -> Any:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("code", FAULTS)
def test_an_ingest_that_fails_leaves_the_old_store(
    here: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    assert run("ingest", "runs.csv").exit_code == 0
    before = run("runs", "runs.store", "--json").stdout
    (here / "more.csv").write_text(bad_inputs.CURVE)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(code))
        result = run("ingest", "more.csv")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: runs.store: the store cannot be written: {FAULTS[code]}.\n"
        "hint: Name a new or an empty folder (--store DIR).\n",
    )
    assert run("runs", "runs.store", "--json").stdout == before
    assert run("ingest", "more.csv").exit_code == 0
    assert not (here / "runs.store/tmp").exists()


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_fit_that_cannot_be_written_leaves_the_old_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (here / "fit.json").write_text("old")
    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    result = run("fit", "runs.csv", "--bootstrap", "0", "-o", "fit.json", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: cannot write fit.json: No space left on device.\n",
    )
    assert (here / "fit.json").read_text() == "old"
    assert sorted(p.name for p in here.iterdir()) == ["fit.json", "runs.csv"]


KILLED = """
import os, signal
from scaling_cli.vocabulary.jsonfile import write_json
os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
write_json("fit.json", {"new": 1})
"""


def test_what_a_killed_process_left_is_swept_and_nothing_else(here: Path) -> None:
    write_json("fit.json", {"old": 1})
    others = [".fit.json.swp", ".fit.json.1.bak", f".fit.json.{os.getpid()}.scaling-partial"]
    for name in others:
        (here / name).write_text("another's")
    assert python("-c", KILLED, cwd=here).returncode == -signal.SIGKILL
    [left] = {p.name for p in here.iterdir()} - {"fit.json", "runs.csv", *others}
    assert left.startswith(".fit.json.")
    assert (here / "fit.json").read_text() == '{\n "old": 1\n}\n'
    (here / others.pop()).rename("kept")  # it is this process's own, and written next
    write_json("fit.json", {"new": 2})
    assert sorted(p.name for p in here.iterdir()) == [
        *sorted(others),
        "fit.json",
        "kept",
        "runs.csv",
    ]


def test_a_file_that_was_private_stays_so(here: Path) -> None:
    write_json("fit.json", {"old": 1})
    (here / "fit.json").chmod(0o600)
    write_json("fit.json", {"new": 1})
    assert (here / "fit.json").stat().st_mode & 0o777 == 0o600


def test_a_loop_of_links_is_not_replaced(here: Path) -> None:
    (here / "loop").symlink_to("loop")
    result = run("fit", "runs.csv", "--bootstrap", "0", "-o", "loop", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: cannot write loop: Too many levels of symbolic links.\n",
    )
    assert (here / "loop").is_symlink()


def test_file_names_that_are_no_text(here: Path) -> None:
    folder = os.fsencode(here)
    for name in (b"a\xff.csv", b"b\x1b[31m.csv"):
        Path(os.fsdecode(folder + b"/" + name)).write_text(bad_inputs.CURVE)
    (here / "runs.csv").unlink()
    result = run("runs", ".")
    assert result.exit_code == 0
    assert "a\\udcff" in result.stdout
    assert "b\\x1b[31m" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    assert run("ingest", ".").exit_code == 0
    assert run("runs", "runs.store").exit_code == 0


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (_cache.VARIABLE, "SCALING_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> NoReturn:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    _cache.enable()
    assert _cache.VARIABLE not in os.environ


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_under_the_output_is_no_defect(options: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = python("-m", "scaling_cli", "laws", *options, stdout=full, capture_output=False)
    assert done.returncode == 3
