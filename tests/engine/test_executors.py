"""Executors: the same numbers on a dask cluster as in this process, also when a worker dies."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import run
from tables import table

from scaling_cli.engine import chunks, executors
from scaling_cli.engine.executors import SERIAL, Dask, Executor, installed, opened
from scaling_cli.point_fits import backtesting, fitting
from scaling_cli.vocabulary.errors import FitError, ScalingError, UsageError

if TYPE_CHECKING:
    from distributed import LocalCluster

TABLE = table("chinchilla", noise=0.005, seed=21)


@pytest.fixture(scope="module")
def cluster() -> "Iterator[LocalCluster]":
    """Two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as started:
        yield started


@pytest.fixture
def dask(cluster: "LocalCluster") -> Iterator[Dask]:
    with opened(f"dask:{cluster.scheduler_address}") as executor:
        assert isinstance(executor, Dask)
        yield executor


@dataclass(frozen=True)
class Deadly:
    """A function that kills its process at a piece, the first time that piece is reached."""

    function: Callable[[Any, Any], Any]
    flag: Path
    at: Callable[[Any], bool]

    def __call__(self, shared: Any, piece: Any) -> Any:
        if self.at(piece) and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.function(shared, piece)


@dataclass(frozen=True)
class Losing:
    """A cluster that loses a worker at the third chunk of a plan."""

    dask: Dask
    flag: Path

    def map(
        self, function: Callable[[Any, Any], Any], shared: Any, pieces: Sequence[Any]
    ) -> Iterator[Any]:
        return self.dask.map(Deadly(function, self.flag, _is_third_chunk), shared, pieces)


def _is_third_chunk(piece: tuple[int, chunks.Chunk]) -> bool:
    return piece[1].index == 2


def _sum(shared: int, piece: int) -> int:
    return shared + piece


def _dying(shared: None, piece: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _refusing(shared: None, piece: int) -> None:
    raise FitError("nothing to fit.", hint="Add runs.")


def _disconnected(shared: None, piece: int) -> None:
    raise ConnectionResetError


def _importing(shared: None, piece: int) -> None:
    raise ModuleNotFoundError("No module named 'scaling_cli'", name="scaling_cli")


def _fit(executor: Executor) -> dict[str, Any]:
    return fitting.fit(TABLE, bootstrap=100, executor=executor).to_dict()


def _backtest(executor: Executor) -> dict[str, Any]:
    compute = np.sort(6 * TABLE.inputs["N"] * TABLE.inputs["D"])
    return backtesting.backtest(TABLE, cuts=[compute[11]], executor=executor).to_dict()


@pytest.fixture
def many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut plans finely: pieces enough for two workers, who are sent chunks, not their size."""
    monkeypatch.setattr(chunks, "MOST_LANES", 16)


def _complaint(error: pytest.ExceptionInfo[ScalingError]) -> tuple[str, str | None]:
    return error.value.message, error.value.hint


def test_serial_is_this_process() -> None:
    with opened("serial") as executor:
        assert list(executor.map(_sum, 10, [3, 1, 2])) == [13, 11, 12]
    with opened(executor) as same:
        assert same is executor


@pytest.mark.parametrize("name", ["", "parallel", "dask", "dask:", "tcp://127.0.0.1:8786"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError) as error, opened(name):
        pass
    assert _complaint(error) == (
        f"unknown executor {name!r}.",
        "Write serial, or dask: and a scheduler's address: dask:tcp://10.0.0.1:8786.",
    )


def test_without_distributed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as error, opened("dask:tcp://127.0.0.1:1"):
        pass
    assert _complaint(error) == (
        "running on a dask cluster needs the package distributed, which is not installed.",
        "pip install 'scaling-cli[dask]'",
    )


def test_a_scheduler_that_does_not_answer_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr(executors, "CONNECT_WITHIN", 0.1)
    rows = zip(TABLE.inputs["N"], TABLE.inputs["D"], TABLE.output, strict=True)
    lines = ["params,tokens,loss", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    arguments = ["backtest", str(tmp_path / "runs.csv"), "--executor", "dask:tcp://127.0.0.1:1"]
    done = run(*arguments, "--quiet")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: no dask scheduler answers at tcp://127.0.0.1:1 (Timed out trying to connect to "
        "tcp://127.0.0.1:1 after 0.1 s).",
        "hint: Start one with 'dask scheduler' and give the address that it prints.",
    ]


def test_an_address_needs_a_port() -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    with pytest.raises(UsageError) as error, opened("dask:tcp://127.0.0.1"):
        pass
    assert _complaint(error) == (
        "tcp://127.0.0.1 is no address of a dask scheduler: missing port number in address "
        "'127.0.0.1'.",
        "Write dask:tcp://HOST:PORT, as 'dask scheduler' prints it.",
    )


def test_a_scheduler_file_must_exist(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    file = tmp_path / "scheduler.json"
    with pytest.raises(UsageError) as error, opened(f"dask:{file}"):
        pass
    assert _complaint(error) == (
        f"there is no scheduler file {file}.",
        f"dask scheduler writes one: dask scheduler --scheduler-file {file}",
    )


def test_a_scheduler_without_workers_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr(executors, "WORKER_WITHIN", 0.1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.raises(UsageError) as error,
        opened(f"dask:{empty.scheduler_address}"),
    ):
        pass
    assert _complaint(error) == (
        f"no worker has joined the dask scheduler at {empty.scheduler_address} in 0.1 s.",
        f"Start some: dask worker {empty.scheduler_address} --nthreads 1",
    )


def test_pieces_come_back_in_order(dask: Dask) -> None:
    pieces = list(range(40))[::-1]
    assert list(dask.map(_sum, 10, pieces)) == list(SERIAL.map(_sum, 10, pieces))
    assert list(dask.map(_sum, 10, [])) == []


@pytest.mark.usefixtures("many_chunks")
@pytest.mark.parametrize("job", [_fit, _backtest])
def test_a_cluster_gives_the_numbers_of_one_process(
    job: Callable[[Executor], dict[str, Any]], dask: Dask
) -> None:
    assert job(dask) == job(SERIAL)


@pytest.mark.usefixtures("many_chunks")
def test_a_worker_killed_midway_costs_nothing_but_time(dask: Dask, tmp_path: Path) -> None:
    assert _fit(Losing(dask, tmp_path / "killed")) == _fit(SERIAL)
    assert (tmp_path / "killed").exists()


def test_what_kills_every_worker_is_said(
    cluster: "LocalCluster", dask: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(UsageError) as error:
        list(dask.map(_dying, None, [0]))
    assert _complaint(error) == (
        "the dask cluster lost 1 workers on the same piece of work; they may be short of memory.",
        "Look at the workers' logs, and give them more memory.",
    )


def test_refusals_of_a_worker_are_refusals_here(dask: Dask) -> None:
    with pytest.raises(FitError) as error:
        list(dask.map(_refusing, None, [0]))
    assert _complaint(error) == ("nothing to fit.", "Add runs.")


def test_workers_must_have_the_same_versions(dask: Dask, monkeypatch: pytest.MonkeyPatch) -> None:
    here = installed() | {"jax": "0.0.1"}
    there = installed()["jax"]
    monkeypatch.setattr(executors, "installed", lambda: here)
    with pytest.raises(UsageError) as error:
        list(dask.map(_sum, 1, [0]))
    assert _complaint(error) == (
        f"a dask worker has jax {there}, this process 0.0.1: their results could differ.",
        "Give the workers the environment of this process.",
    )


def test_a_lost_scheduler_is_said(dask: Dask) -> None:
    with pytest.raises(UsageError) as error:
        list(dask.map(_disconnected, None, [0]))
    assert _complaint(error) == (
        "the connection to the dask scheduler was lost (ConnectionResetError).",
        "Look at the scheduler's log and run again.",
    )


def test_workers_without_the_package_are_refused(dask: Dask) -> None:
    with pytest.raises(UsageError) as error:
        list(dask.map(_importing, None, [0]))
    assert _complaint(error) == (
        "a dask worker cannot import scaling_cli.",
        "Give the workers the environment of this process: scaling-cli[dask].",
    )
