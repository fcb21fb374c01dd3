"""Compiled executables, kept in memory and, where the process asked for it, on disk.

A second process then neither traces nor compiles: it loads what the first one left. Kept are
whole executables rather than exported programs, because loading one takes a third of the time
that lowering an exported program and looking it up in JAX's own cache does. A file is what the
runtime itself writes: nothing in it is unpickled.

The folder is named by the environment variable SCALING_EXECUTABLES; without it nothing is
written. Loading code runs it, so a folder or file that another user owns or may write is left
alone. A file is bound to the versions of JAX and of the sources, the law, the shapes, the device
and the processor; it carries a digest of its name and content. What cannot be read is compiled
again.

Running such a file takes the runtime, jaxlib, not JAX, whose import is most of what a warm fit
costs. That rests on names which jaxlib does not promise, so only versions that were tried are run
so; see `_Bare`. Any exception there, an executable that is not on disk, another device: JAX.
"""

import hashlib
import os
import platform
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.jsonfile import write_whole

FOLDER = "SCALING_EXECUTABLES"
DIGEST_BYTES = 32
# On processors these halve the time of compiling; what is made runs as fast.
QUICK = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 8}
WIDE = {"xla_cpu_prefer_vector_width": 512}  # where the processor has such: a seventh less
WITHOUT_JAX = {"0.10.2"}  # versions of jaxlib whose private names are those that `_Bare` calls
_loaded: dict[tuple, Future[Any]] = {}
_lock = threading.Lock()
_writing = threading.Lock()  # a program compiled for jaxlib's device and for JAX's is one file


def compiled(law: type[Law], key: tuple[Any, ...], jitted: Callable[..., Any], *args: Any) -> Any:
    """Return the executable of a jitted function for arguments of these shapes.

    Parameters
    ----------
    law : type[Law]
        Whose equation the function holds.
    key : tuple
        What else the program depends on, beside the law and the shapes.
    jitted : callable
        Returns a `jax.jit` function of one array as its result that keeps unused arguments;
        called only where that is not on disk.
    *args
        Arguments as it will be called with.
    """
    shapes = tuple((x.shape, str(x.dtype)) for x in _leaves(args))
    device = _device()
    # By its name: a program that is not on disk is asked for on jaxlib's device, made on JAX's.
    own = (law, key, shapes, device.platform, device.device_kind, device.id)
    with _lock:
        mine = own not in _loaded
        future = _loaded.setdefault(own, Future())
    if mine:  # another thread that wants the same waits for it; one that wants another does not
        try:
            future.set_result(_made(_file(law, key, shapes, device), jitted, args))
        except BaseException as error:
            future.set_exception(error)
            with _lock:
                del _loaded[own]
    return future.result()


def _leaves(tree: Any) -> Iterator[Any]:
    """Yield the arrays of tuples and dictionaries in the order in which JAX does."""
    if isinstance(tree, dict):
        tree = [tree[key] for key in sorted(tree)]
    if isinstance(tree, tuple | list):
        for branch in tree:
            yield from _leaves(branch)
    else:
        yield tree


def _device() -> Any:
    """Return the device that a call made now would run on."""
    if (bare := _bare()) is not None:
        return bare
    import jax

    return getattr(jax.config, "jax_default_device", None) or jax.devices()[0]


def _bare() -> Any:
    """Return the processor as jaxlib has it; None where JAX is there, or may choose another."""
    if "jax" in sys.modules or not os.environ.get(FOLDER):
        return None
    elsewhere = any(map(util.find_spec, ("jax_plugins", "libtpu")))
    chosen = os.environ.get("JAX_PLATFORMS", "cpu") != "cpu" or "JAX_DEFAULT_DEVICE" in os.environ
    if elsewhere or chosen:
        return None
    with _lock:  # one client for all threads
        return _processor_alone() if metadata.version("jaxlib") in WITHOUT_JAX else None


@lru_cache(maxsize=1)
def _processor_alone() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # as JAX does: no lines of the runtime's own
    with suppress(Exception):
        from jaxlib import xla_client

        return xla_client.make_cpu_client().local_devices()[0]
    return None


def _made(file: Path | None, jitted: Callable[[], Any], args: tuple) -> Any:
    def again() -> Any:
        import_module("jax")
        return _made(file, jitted, args)

    if file is not None and (stored := _read(file, again)) is not None:
        return stored
    import jax

    with jax.enable_x64(True):
        lowered = jitted().lower(*args)
    quick = QUICK | WIDE if _device().platform == "cpu" else None
    try:
        made = lowered.compile(compiler_options=quick)
    except jax.errors.JaxRuntimeError as error:
        if "compile option" not in str(error):
            raise
        made = lowered.compile()  # a compiler that no longer, or does not yet, have these
    if file is not None:
        _write(file, made)
    return _Loaded(made.runtime_executable(), _device())


def _file(law: type[Law], key: tuple, shapes: tuple, device: Any) -> Path | None:
    """Return where an executable is kept; None where it cannot be told apart from others."""
    folder, source = os.environ.get(FOLDER), _source(law)
    if not folder or source is None:
        return None
    software = sys.version, metadata.version("jax"), metadata.version("jaxlib"), _sources()
    machine = _processor(), device.platform, device.device_kind, device.id
    program = os.environ.get("XLA_FLAGS", ""), source, law.__qualname__, key, shapes
    parts = repr((software, machine, program)).encode()
    return Path(folder) / f"{hashlib.sha256(parts).hexdigest()[:40]}.xla"


@lru_cache(maxsize=1)
def _sources() -> str:
    """Return a digest of the sources that every program is made from."""
    root = Path(__file__).resolve().parents[1]
    beneath = root / "laws" / "_law.py", root / "schedules" / "_path.py"
    return _digest(*sorted((root / "engine").glob("*.py")), *beneath)


@lru_cache(maxsize=64)
def _source(law: type[Law]) -> str | None:
    """Return a digest of the files a law is written in; None if it was typed in somewhere."""
    modules = [sys.modules.get(kind.__module__) for kind in law.__mro__ if kind is not object]
    files = [Path(getattr(module, "__file__", None) or "") for module in modules]
    if not all(file.is_file() for file in files):
        return None
    beside = sorted(files[0].parent.glob("_*.py"))  # what laws of one folder share
    return _digest(*files, *beside)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@lru_cache(maxsize=1)
def _processor() -> str:
    """Return what the machine code was made for: a cache folder may be shared by machines."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return f"{platform.machine()} {platform.processor()} {platform.version()}"
    kinds = ("model name", "flags", "Features", "CPU part")
    lines = info.read_text(encoding="utf8", errors="replace").splitlines()
    return repr(sorted({line for line in lines if line.startswith(kinds)}))


@dataclass(frozen=True)
class _Loaded:
    """An executable as the runtime has it: called with arrays, it returns the one result."""

    executable: Any
    device: Any

    def __call__(self, *args: Any) -> Any:
        import jax

        # What is on a device is on this one: the caller put it where it was compiled for.
        leaves = [*_leaves(args)]
        new = [i for i, leaf in enumerate(leaves) if not isinstance(leaf, jax.Array)]
        with jax.enable_x64(True):
            put = jax.device_put([leaves[i] for i in new], self.device)
        for i, leaf in zip(new, put, strict=True):
            leaves[i] = leaf
        [result] = self.executable.execute(leaves)
        return result

    def bound(self, *rest: Any) -> Callable[[Any], Any]:
        """Return a function of the first argument, the others put on the device once."""
        import jax

        with jax.enable_x64(True):
            placed = jax.device_put(rest, self.device)
        return lambda first: self(first, *placed)


@dataclass(frozen=True)
class _Bare:
    """The same without JAX.

    jaxlib takes an array with its type and where it lies, of which it asks what is here; JAX's own
    classes for these are what an import of JAX is needed for.
    """

    executable: Any
    device: Any
    again: Callable[[], Any]  # returns it with JAX

    def __call__(self, *args: Any) -> Any:
        with suppress(Exception):
            return self._run(self._put(args))
        return self.again()(*args)

    def bound(self, *rest: Any) -> Callable[[Any], Any]:
        """Return a function of the first argument, the others put on the device once."""
        placed: list[Any] = []
        with suppress(Exception):
            placed = self._put(rest)

        def call(first: Any) -> Any:
            if placed:
                with suppress(Exception):
                    return self._run([*self._put(first), *placed])
            return self.again().bound(*rest)(first)

        return call

    @property
    def _here(self) -> Any:
        from jaxlib import xla_client as runtime

        class Here(runtime.SingleDeviceSharding):
            memory_kind = None

            def _to_xla_hlo_sharding(self, _: int) -> Any:
                return runtime.HloSharding.replicate()

        return Here(self.device)

    def _put(self, tree: Any) -> list[Any]:
        from jaxlib import xla_client as runtime

        here, devices = self._here, [self.device]
        return [
            runtime.batched_device_put(
                _Type(array.shape, array.dtype), here, [array], devices, True, enable_x64=True
            )
            for array in map(np.asarray, _leaves(tree))
        ]

    def _run(self, put: list[Any]) -> np.ndarray:
        from jaxlib import xla_client as runtime

        # The result's shape is that of its buffer, whatever is said here.
        handler = runtime.array_result_handler(_Type((), np.dtype(float)), self._here, True, True)
        [result] = self.executable.execute_sharded(put).consume_with_handlers([handler])
        return np.array(memoryview(result))


@dataclass(frozen=True)
class _Type:
    shape: tuple[int, ...]
    dtype: np.dtype
    weak_type: bool = False


def _read(file: Path, again: Callable[[], Any] = lambda: None) -> Any:
    """Return a stored executable, or None if it is not there, not ours, or no longer loads."""
    with suppress(Exception):  # whatever a runtime says to another's executable: compile instead
        if _ours(file.parent) and _ours(file):
            content, device = file.read_bytes(), _device()
            digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            if _sealed(file, body) == digest:
                loaded = device.client.deserialize_executable(body, [device])
                bare = "jax" not in sys.modules
                return _Bare(loaded, device, again) if bare else _Loaded(loaded, device)
    return None


def _write(file: Path, made: Any) -> None:
    """Store an executable; where the folder or the runtime does not allow it, it costs compiling.

    What JAX took from a cache of its own, the runtime may refuse to write.
    """
    with suppress(OSError, RuntimeError, ValueError):
        body = _device().client.serialize_executable(made.runtime_executable())
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _ours(file.parent):
            with _writing:
                write_whole(file, _sealed(file, body) + body, mode=0o600)


def _sealed(file: Path, body: bytes) -> bytes:
    """Return the digest of a file's name and content: a copy under another name is another."""
    return hashlib.sha256(file.name.encode() + body).digest()


def _ours(path: Path) -> bool:
    """Say whether nobody but this user may write a path."""
    if not hasattr(os, "geteuid"):  # not POSIX: the folder lies among the user's own
        return True
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
