"""The text that any machine has: the source of Python's own standard library, as bytes.

Another Python version has another standard library, hence another corpus: its digest is kept
beside the runs, and losses are comparable only where the digest is the same.
"""

from __future__ import annotations

import hashlib
import platform
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Folders that are not the standard library, or that differ from machine to machine.
SKIPPED = {"site-packages", "dist-packages", "__pycache__"}
VALIDATION_PER_MILLE = 30


@dataclass(frozen=True)
class Corpus:
    """Training and held-out bytes; whole files fall on one side or the other."""

    train: np.ndarray
    valid: np.ndarray
    files: int

    def starts(self, seed: int, context: int) -> np.ndarray:
        """Where each training window begins, in this seed's order; no window comes twice."""
        windows = (len(self.train) - 1) // context
        return np.random.default_rng(seed).permutation(windows).astype(np.int32) * context

    def valid_starts(self, context: int, windows: int) -> np.ndarray:
        """The fixed held-out windows: spread evenly over the held-out text."""
        there = (len(self.valid) - 1) // context
        spread = np.linspace(0, there - 1, min(windows, there))
        return spread.astype(np.int32) * context

    def describe(self) -> dict[str, str | int]:
        """What has to be recorded for a loss on this corpus to mean something."""
        return {
            "python": platform.python_version(),
            "files": self.files,
            "train_bytes": len(self.train),
            "valid_bytes": len(self.valid),
            "train_sha256": hashlib.sha256(self.train.tobytes()).hexdigest(),
            "valid_sha256": hashlib.sha256(self.valid.tobytes()).hexdigest(),
        }


def _is_source(path: Path, root: Path) -> bool:
    if SKIPPED & set(path.relative_to(root).parts):
        return False
    # This one holds the paths and compiler flags of the machine that built Python.
    return not path.name.startswith("_sysconfigdata")


def _is_held_out(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 1000 < VALIDATION_PER_MILLE


def _join(texts: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"\0".join(texts), dtype=np.uint8)


def load(limit: int | None = None) -> Corpus:
    """Read the standard library's source; `limit` keeps that many files (for a smoke test)."""
    root = Path(sysconfig.get_paths()["stdlib"])
    seen: set[bytes] = set()
    sides: dict[bool, list[bytes]] = {False: [], True: []}
    paths = sorted(path for path in root.rglob("*.py") if _is_source(path, root))
    for path in paths[:limit]:
        text = path.read_bytes()
        digest = hashlib.sha256(text).digest()
        if text and digest not in seen:
            seen.add(digest)
            sides[_is_held_out(path.relative_to(root).as_posix())].append(text)
    return Corpus(_join(sides[False]), _join(sides[True]), len(seen))
