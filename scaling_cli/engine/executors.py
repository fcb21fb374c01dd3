"""Where pieces of work run: in this process, or on a dask cluster. The numbers are the same.

What is mapped is a module-level function over (shared, piece): `shared` travels once, a piece is
small. An executor changes where a piece is computed, never what: pieces are cut before it sees
them, in the same way for every executor.
"""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from scaling_cli._version import __version__
from scaling_cli.vocabulary.errors import UsageError

if TYPE_CHECKING:
    from distributed import Client

SERIAL_NAME, DASK_PREFIX = "serial", "dask:"
CONNECT_WITHIN = 10.0  # seconds until a scheduler must have answered
WORKER_WITHIN = 60.0  # seconds until a first worker must have joined; queues of batch jobs move
# What computes the numbers: another release may round differently.
MUST_AGREE = ("jax", "jaxlib", "numpy")
S = TypeVar("S")  # what all pieces share
P = TypeVar("P")  # one piece
R = TypeVar("R")  # what comes of it


class Executor(Protocol):
    """Applies a function to pieces of work, somewhere."""

    def map(self, function: Callable[[S, P], R], shared: S, pieces: Sequence[P]) -> Iterator[R]:
        """Yield function(shared, piece) in the order of the pieces."""
        ...


@dataclass(frozen=True)
class Serial:
    """One piece after the other, in this process."""

    def map(self, function: Callable[[S, P], R], shared: S, pieces: Sequence[P]) -> Iterator[R]:
        """Yield function(shared, piece) in the order of the pieces."""
        return (function(shared, piece) for piece in pieces)


SERIAL = Serial()


@contextmanager
def opened(executor: str | Executor) -> Iterator[Executor]:
    """Connect to what a name stands for, and leave it afterwards.

    Parameters
    ----------
    executor : str or Executor
        `serial`; or `dask:` and the address of a scheduler (`dask:tcp://10.0.0.1:8786`), or its
        scheduler file (`dask:scheduler.json`). An executor is passed through.

    Raises
    ------
    UsageError
        If the name means nothing, distributed is not installed, or no scheduler or worker answers.
    """
    if not isinstance(executor, str):
        yield executor
    elif executor == SERIAL_NAME:
        yield SERIAL
    elif executor.startswith(DASK_PREFIX) and executor != DASK_PREFIX:
        with _client(executor.removeprefix(DASK_PREFIX)) as client:
            yield Dask(client)
    else:
        raise UsageError(
            f"unknown executor {executor!r}.",
            hint="Write serial, or dask: and a scheduler's address: dask:tcp://10.0.0.1:8786.",
        )


@contextmanager
def _client(address: str) -> "Iterator[Client]":
    """Connect to a scheduler that has a worker."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "running on a dask cluster needs the package distributed, which is not installed.",
            hint="pip install 'scaling-cli[dask]'",
        ) from error
    _refuse_nowhere(address)
    place: dict[str, Any] = {"scheduler_file" if _is_file(address) else "address": address}
    try:
        client = Client(**place, timeout=CONNECT_WITHIN, set_as_default=False)
    except OSError as error:
        raise UsageError(
            f"no dask scheduler answers at {address} ({str(error).rstrip('.')}).",
            hint="Start one with 'dask scheduler' and give the address that it prints.",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_WITHIN)
        except TimeoutError as error:
            raise UsageError(
                f"no worker has joined the dask scheduler at {address} in {WORKER_WITHIN:g} s.",
                hint=f"Start some: dask worker {address} --nthreads 1",
            ) from error
        yield client


def _is_file(address: str) -> bool:
    return address.endswith(".json")


def _refuse_nowhere(address: str) -> None:
    """Refuse what a client would wait for without end, or would leave half-made.

    Raises
    ------
    UsageError
        If there is no such file, or the address is none.
    """
    from distributed.comm.addressing import get_address_host_port

    if _is_file(address):
        if Path(address).is_file():
            return
        raise UsageError(
            f"there is no scheduler file {address}.",
            hint=f"dask scheduler writes one: dask scheduler --scheduler-file {address}",
        )
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise UsageError(
            f"{address} is no address of a dask scheduler: {error}.",
            hint="Write dask:tcp://HOST:PORT, as 'dask scheduler' prints it.",
        ) from error


@dataclass(frozen=True)
class Dask:
    """Pieces as tasks of a dask cluster; those of a lost worker are computed again by another."""

    client: "Client"

    def map(self, function: Callable[[S, P], R], shared: S, pieces: Sequence[P]) -> Iterator[R]:
        """Yield function(shared, piece) in the order of the pieces.

        Raises
        ------
        UsageError
            If workers have other versions, die again and again, or the scheduler is lost.
        """
        # As the result of a task it can be made again when the worker that holds it is lost;
        # data scattered to workers cannot.
        held = self.client.submit(_held, shared, pure=False)
        task = _Task(function, installed())
        waiting = [self.client.submit(task, held, piece, pure=False) for piece in pieces][::-1]
        while waiting:
            with _cluster_errors():
                result = waiting.pop().result()  # a future let go frees the worker's memory
            yield result


def _held(shared: S) -> S:
    return shared


@dataclass(frozen=True)
class _Task:
    """A function as a worker runs it: by the same software, or not at all."""

    function: Callable[[Any, Any], Any]
    versions: Mapping[str, str]

    def __call__(self, shared: Any, piece: Any) -> Any:
        for package, wanted in self.versions.items():
            if installed()[package] != wanted:
                raise UsageError(
                    f"a dask worker has {package} {installed()[package]}, this process {wanted}: "
                    "their results could differ.",
                    hint="Give the workers the environment of this process.",
                )
        return self.function(shared, piece)


@lru_cache(maxsize=1)
def installed() -> dict[str, str]:
    """Return the versions of what computes the numbers, in this process."""
    versions = {package: importlib.metadata.version(package) for package in MUST_AGREE}
    return {"scaling-cli": __version__, **versions}


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Say what happened to the cluster in this package's errors.

    Raises
    ------
    UsageError
        For a lost scheduler, a piece that kills every worker, a worker without this package.
    """
    from distributed import CancelledError, KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise UsageError(
            f"the dask cluster lost {error.allowed_failures + 1} workers on the same piece of "
            "work; they may be short of memory.",
            hint="Look at the workers' logs, and give them more memory.",
        ) from error
    except (CancelledError, OSError) as error:
        raise UsageError(
            f"the connection to the dask scheduler was lost ({type(error).__name__}).",
            hint="Look at the scheduler's log and run again.",
        ) from error
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a dask worker cannot import {error.name}.",
            hint="Give the workers the environment of this process: scaling-cli[dask].",
        ) from error
