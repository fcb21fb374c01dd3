"""What a run leaves: its curve, its line of the table of runs, and how it is kept under way."""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import model
from plan import Run

DENSE = Path(__file__).resolve().parents[2] / "data" / "ladder" / "runs.csv"
State = tuple[model.Params, Any]  # parameters, the optimizer's moments


@dataclass(frozen=True)
class Places:
    """Where things go: `out` is for the repository, `work` for checkpoints and locks."""

    out: Path
    work: Path

    def make(self) -> None:
        """Create the folders."""
        for folder in (self.out / "runs", self.work / "done", self.work / "locks"):
            folder.mkdir(parents=True, exist_ok=True)


@dataclass
class Progress:
    """Everything a run needs to go on as if it had never stopped."""

    state: State
    step: int = 0
    seconds: float = 0.0
    counted: int = 0  # the sum over steps of the parameters in force
    pending: list[float] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def summary(run: Run, progress: Progress) -> dict[str, Any]:
    """A run's line in runs.csv."""
    shape = run.shape
    return {
        "run_id": run.run_id,
        "role": run.role,
        "params_total": shape.params_total,
        "params_non_embedding": shape.params_non_embedding,
        "width": shape.width,
        "depth": shape.depth,
        "heads": shape.heads,
        "context": shape.context,
        "batch_tokens": run.batch_tokens,
        "steps": run.steps,
        "tokens": run.tokens,
        "flops": run.flops,
        "flops_counted": shape.flops_per_token * run.tokens,
        "schedule": str(run.schedule),
        "peak_lr": f"{run.schedule.peak:g}",
        "seed": run.seed,
        "final_loss": progress.rows[-1][4],
        "final_train_loss": progress.rows[-1][3],
        "wall_seconds": f"{progress.seconds:.1f}",
    } | _pruned(run, progress)


def companions() -> list[dict[str, Any]]:
    """Return the dense runs of the ladder: every count of theirs is the same."""
    if not DENSE.exists():
        return []
    with DENSE.open(encoding="utf-8", newline="") as stream:
        runs = [row for row in csv.DictReader(stream) if row["role"] == "fit"]
    counts = ("params_average", "params_final")
    dense = {"role": "dense", "sparsity": "0", "prune_start": "0", "prune_end": "0"}
    return [row | dict.fromkeys(counts, row["params_total"]) | dense for row in runs]


def _pruned(run: Run, progress: Progress) -> dict[str, Any]:
    """What a pruned run adds to its line: the counts in force, and what they cost."""
    if run.pruning is None:
        return {}
    average = progress.counted / run.steps
    return {
        "params_average": f"{average:.10g}",
        "params_final": model.nonzero(progress.state[0]),
        "sparsity": f"{run.pruning.final:g}",
        "prune_start": f"{run.pruning.start:g}",
        "prune_end": f"{run.pruning.end:g}",
        "flops": f"{6 * average * run.tokens:.10g}",
    }


def write_text(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + f".{os.getpid()}.part")
    part.write_text(content, encoding="utf-8")
    part.replace(path)


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table whole or not at all."""
    part = path.with_name(path.name + f".{os.getpid()}.part")
    with part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    part.replace(path)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold a lock that the system drops when the process ends, however it ends."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def collate(places: Places, runs: list[Run]) -> None:
    """Write runs.csv from the finished runs, in the order of the queue."""
    with locked(places.work / "locks" / "collate", wait=True):
        paths = [places.work / "done" / f"{run.run_id}.json" for run in runs]
        lines = [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]
        lines += companions() if any("params_average" in line for line in lines) else []
        if lines:
            columns = list(dict.fromkeys(key for line in lines for key in line))
            rows = [[line.get(key, "") for key in columns] for line in lines]
            write_csv(places.out / "runs.csv", columns, rows)
