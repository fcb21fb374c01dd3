"""The cache of compiled code in processes of their own: shared, corrupt or read-only."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from curve_truths import sensed
from tables import table

from scaling_cli.point_fits.fitting import refit_objective

HERE = Path(__file__).resolve().parents[1]
LAW, NOISE, SEED = "power_law", 0.005, 1
CURVES = "annealing"  # a law of loss curves
OTHER_CACHES = ("JAX_COMPILATION_CACHE_DIR", "SCALING_EXECUTABLES")
PROGRAM = f"""
import os, sys

from scaling_cli.cli import _cache
from scaling_cli.engine import compiled

_cache.enable()

from tables import table
from scaling_cli.point_fits.fitting import refit_objective

points = table({LAW!r}, noise={NOISE}, seed={SEED})
u = refit_objective(points, {LAW!r}).u

from curve_truths import sensed

print(u.tobytes().hex() + sensed({CURVES!r}).tobytes().hex(), "jax" in sys.modules)
"""
# What is said before the fit: each makes a process that finds executables import JAX after all.
WITH_JAX = {
    "an untried version of jaxlib": "compiled.WITHOUT_JAX.clear()",
    "an exception while running": "compiled._Bare._run = None",
    "an exception while loading": "compiled._Bare = None",
    "an accelerator": "compiled.util.find_spec = lambda name: name == 'jax_plugins'",
    "another platform": "os.environ['JAX_PLATFORMS'] = 'cpu,cuda'",
    "JAX is there": "import jax",
}


def _started(cache: Path, first: str = "") -> "subprocess.Popen[str]":
    """Start a fit in a process of its own; it prints every bit of its optimum, and if JAX came."""
    environment = {n: v for n, v in os.environ.items() if n not in OTHER_CACHES}
    environment |= {"SCALING_CACHE": str(cache), "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("_cache.enable()", f"_cache.enable(); {first}")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _answer(process: "subprocess.Popen[str]") -> str:
    answer, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, "")
    return answer.split()[0]


def _files(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def uncached() -> str:
    """The answer of this process, which keeps nothing."""
    points = table(LAW, noise=NOISE, seed=SEED)
    return refit_objective(points, LAW).u.tobytes().hex() + sensed(CURVES).tobytes().hex()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A cache that two processes filled at the same time, and their answers."""
    cache = tmp_path_factory.mktemp("cache")
    both = [_started(cache) for _ in range(2)]
    return cache, [_answer(one) for one in both]


def test_two_processes_fill_a_cache_at_once(filled: tuple[Path, list[str]], uncached: str) -> None:
    cache, answers = filled
    assert answers == [uncached, uncached]
    assert _files(cache)


def test_what_is_on_disk_runs_without_jax_to_the_same_bits(
    filled: tuple[Path, list[str]], uncached: str
) -> None:
    answer, complaints = _started(filled[0]).communicate()
    assert (answer.split(), complaints) == ([uncached, "False"], "")


@pytest.mark.parametrize("first", WITH_JAX.values(), ids=list(WITH_JAX))
def test_whatever_is_in_the_way_is_left_to_jax(
    filled: tuple[Path, list[str]], uncached: str, first: str
) -> None:
    answer, complaints = _started(filled[0], first).communicate()
    assert (answer.split(), complaints) == ([uncached, "True"], "")


def test_a_corrupt_cache_is_mended(filled: tuple[Path, list[str]], uncached: str) -> None:
    cache, _ = filled
    broken = {}
    for number, path in enumerate(_files(cache)):
        whole = path.read_bytes()
        broken[path] = (whole[: len(whole) // 2], whole[:-64] + bytes(64), b"")[number % 3]
        path.write_bytes(broken[path])
    assert _answer(_started(cache)) == uncached
    assert [path for path, content in broken.items() if path.read_bytes() == content] == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that nobody but the superuser may write to."""
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only to the superuser")
    cache = tmp_path / "read-only"
    cache.mkdir(mode=0o555)
    yield cache
    cache.chmod(0o755)


def test_a_read_only_cache_costs_compilation(read_only: Path, uncached: str) -> None:
    assert _answer(_started(read_only)) == uncached
    assert _files(read_only) == []
