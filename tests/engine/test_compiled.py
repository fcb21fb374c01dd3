"""Executables on disk: a second process loads them, a damaged or foreign one is made again."""

import hashlib
import os
import pickle
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import jax
import numpy as np
import pytest
from tables import TRUTHS, free, table

from scaling_cli import laws
from scaling_cli.engine import compiled
from scaling_cli.engine.solve import Solution, solve
from scaling_cli.laws._law import Law, param
from scaling_cli.search.optimum import make_problem
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Variable

POINTS = table("power_law", noise=0.01, seed=3)
PROBLEM = make_problem(POINTS, laws.get("power_law"), Objective())
START = free(laws.get("power_law"), TRUTHS["power_law"])[None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(compiled.FOLDER, str(tmp_path / "executables"))
    forget(monkeypatch)
    return tmp_path / "executables"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the memory, as a new process would find it."""
    monkeypatch.setattr(compiled, "_loaded", {})


def refuse(*_: Any) -> NoReturn:
    raise AssertionError("compiled again")


def fitted() -> Solution:
    return solve(PROBLEM, START)


@pytest.fixture
def stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Solution]:
    """An executable on disk that this process has forgotten, and what it found."""
    found = fitted()
    [file] = folder.iterdir()
    forget(monkeypatch)
    return file, found


def test_what_one_process_compiled_the_next_one_loads(
    stored: tuple[Path, Solution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_write", refuse)
    np.testing.assert_array_equal(fitted().u, stored[1].u)


def _cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _one_bit(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def _nothing(content: bytes) -> bytes:
    return content[:0]


@pytest.mark.parametrize("damage", [_cut_short, _one_bit, _nothing], ids=lambda f: f.__name__)
def test_a_damaged_file_is_made_again(
    stored: tuple[Path, Solution], damage: Callable[[bytes], bytes]
) -> None:
    file, found = stored
    content = file.read_bytes()
    file.write_bytes(damage(content))
    np.testing.assert_array_equal(fitted().u, found.u)
    assert compiled._read(file) is not None


def test_a_file_that_no_longer_loads_is_made_again(
    stored: tuple[Path, Solution], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = compiled._Loaded

    def changed(*_: Any) -> NoReturn:
        monkeypatch.setattr(compiled, "_Loaded", loaded)
        raise RuntimeError("made by another runtime")

    monkeypatch.setattr(compiled, "_Loaded", changed)
    np.testing.assert_array_equal(fitted().u, stored[1].u)


class Trap:
    """A pickle that leaves a file behind when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.file, "executed")


def test_nothing_is_unpickled(stored: tuple[Path, Solution], tmp_path: Path) -> None:
    file, found = stored
    body = pickle.dumps(Trap(tmp_path / "trapped"))
    for digest in (hashlib.sha256(body).digest(), compiled._sealed(file, body)):
        file.write_bytes(digest + body)
        assert compiled._read(file) is None
    np.testing.assert_array_equal(fitted().u, found.u)
    assert not (tmp_path / "trapped").exists()


def test_a_copy_under_another_name_is_not_loaded(stored: tuple[Path, Solution]) -> None:
    file, _ = stored
    other = file.with_name("0" * 40 + ".xla")
    other.write_bytes(file.read_bytes())
    assert compiled._read(file) is not None
    assert compiled._read(other) is None


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_what_others_may_write_is_left_alone(
    stored: tuple[Path, Solution], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = stored
    for path, mode in ((file, 0o620), (file, 0o602), (file.parent, 0o770), (file.parent, 0o777)):
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        assert compiled._read(file) is None
        path.chmod(before)
    assert compiled._read(file) is not None
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert compiled._read(file) is None
    file.unlink()
    compiled._write(file, jax.jit(lambda x: x + 1).lower(1.0).compile())
    assert not file.exists()


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv(compiled.FOLDER, str(blocked / "executables"))
    forget(monkeypatch)
    assert fitted().converged.all()


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_files_are_the_users_alone(stored: tuple[Path, Solution]) -> None:
    # Loading one runs it: nobody else may put one there.
    assert stat.S_IMODE(stored[0].stat().st_mode) & 0o077 == 0


def test_without_a_folder_nothing_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(compiled.FOLDER)
    assert fitted().converged.all()
    assert not folder.exists()


def test_other_versions_shapes_and_sources_have_other_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = jax.devices()[0]
    power, other = laws.get("power_law"), laws.get("chinchilla")

    def file(law: type[Law] = power, shapes: tuple = ((8,),)) -> Path | None:
        return compiled._file(law, ("log", 8), shapes, device)

    names = [file(), file(other), file(shapes=((16,),))]
    monkeypatch.setattr(compiled.metadata, "version", lambda name: f"{name} 99")
    names.append(file())
    monkeypatch.setattr(compiled, "_processor", lambda: "another machine")
    names.append(file())
    monkeypatch.setattr(compiled, "_sources", lambda: "changed")
    names.append(file())
    assert None not in names
    assert len(set(names)) == len(names)
    assert all(name is not None and name.parent == folder for name in names)


def test_a_law_that_was_typed_in_is_not_stored(folder: Path) -> None:
    class Typed(Law):
        """L = a x."""

        a: float = param("slope", linear=True)

        def __call__(self, x: Variable) -> Loss:
            return self.a * x

    Typed.__module__ = "a module without a file"
    assert compiled._file(Typed, (), (), jax.devices()[0]) is None
    assert not folder.exists()


def test_a_compiler_without_these_options_still_compiles(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fitted()
    forget(monkeypatch)
    [file] = folder.iterdir()
    file.unlink()
    monkeypatch.setattr(compiled, "QUICK", {"xla_cpu_no_such_option": False})
    np.testing.assert_allclose(fitted().value, expected.value, rtol=1e-12)
    assert len(list(folder.iterdir())) == 1


def test_threads_that_write_one_file_leave_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    inside, most = [0], [0]

    def write(*_: Any, **__: Any) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        inside[0] -= 1

    client = SimpleNamespace(serialize_executable=lambda _: b"program")
    monkeypatch.setattr(compiled, "_device", lambda: SimpleNamespace(client=client))
    monkeypatch.setattr(compiled, "write_whole", write)
    made = SimpleNamespace(runtime_executable=lambda: None)
    threads = [
        threading.Thread(target=compiled._write, args=(tmp_path / "a.xla", made)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
