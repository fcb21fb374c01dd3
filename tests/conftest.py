"""What every test gets: no network, no screen, no cache or setting of the user, fixed seeds.

The environment is set when this file is imported, before any test imports JAX or matplotlib,
and is inherited by the processes that tests start. What one of them compiles, or finds out about
fonts, all others of the session load: the processes of pytest-xdist inherit the folder too.
"""

import os

# Before NumPy and SciPy load it: its threads wait for one another by spinning, on matrices too
# small to share, beside as many test processes as there are cores.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
_SCRATCH = tempfile.TemporaryDirectory(prefix="scaling-tests-", ignore_cleanup_errors=True)

_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_SHARED = os.environ["SCALING_TESTS_SHARED"] if _IS_WORKER else f"{_SCRATCH.name}/shared"

os.environ |= {
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": f"{_SHARED}/matplotlib",
    "XDG_CACHE_HOME": f"{_SCRATCH.name}/cache",
    "SCALING_CACHE": f"{_SCRATCH.name}/cache/scaling",
    "SCALING_EXECUTABLES": f"{_SHARED}/executables",
    "SCALING_TESTS_SHARED": _SHARED,
    "JAX_PLATFORMS": "cpu",
    "COLUMNS": "100",
    "LANG": "C.UTF-8",
    "NO_COLOR": "1",
}
# A user's settings, and the CI variables that make terminals and annotations behave differently.
for _name in (
    "SCALING_MIRROR",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "PY_COLORS",
    "CI",
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "PYTHONWARNINGS",
):
    os.environ.pop(_name, None)

settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of other people's data, which is not in this repository; skips without it."""
    folder = Path(os.environ.get("SCALING_SHARED") or ROOT.parent / "shared").resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder} (set SCALING_SHARED)")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives every test the same numbers."""
    return np.random.default_rng(20240101)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        if host not in ("local", "localhost", "127.0.0.1", "::1"):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
