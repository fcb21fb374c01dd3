"""How fast logs of other tools are read, as ratios to their own readers run beside them.

    python benchmarks/binary_logs.py [--scalars 1000000] [--python PATH]...

An event file of TensorBoard with four tags, written here; `tensorboard` and `tbparse` run in turn
from this Python or the first of those given by `--python` that has them, and are skipped by name
where none has. Wall time, imports left out, the file in the page cache; every reader returns every
point, and the values must be the same.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TAGS = ("train/loss", "lr", "grad_norm", "tokens_per_second")
NAME = "events.out.tfevents.1700000000.host"
PEERS = {
    "tensorboard": """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
begun = time.perf_counter()
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
points = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
seconds = time.perf_counter() - begun
last = [points[tag][-1].value for tag in sys.argv[2:]]
""",
    "tbparse": """
from tbparse import SummaryReader
begun = time.perf_counter()
table = SummaryReader(sys.argv[1]).scalars
seconds = time.perf_counter() - begun
last = [float(table[table["tag"] == tag]["value"].iloc[-1]) for tag in sys.argv[2:]]
""",
}


def _own(folder: Path) -> tuple[float, list[float]]:
    """Return the seconds that reading takes here, and the last value of each tag."""
    from scaling_cli.ingest import tensorboard

    begun = time.perf_counter()
    path = folder / NAME
    raw = tensorboard.join(str(folder), tensorboard.read(str(path), path.read_bytes()))
    seconds = time.perf_counter() - begun
    return seconds, [raw.columns[tag][-1].as_py() for tag in TAGS]


def _theirs(name: str, folder: Path, pythons: list[str]) -> tuple[float, list[float]] | None:
    """Return the same of a peer, from the first Python that has it."""
    code = f"import sys, time\n{PEERS[name]}\nprint(seconds, *last)"
    for python in pythons:
        command = [python, "-W", "ignore", "-c", code, str(folder), *TAGS]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            seconds, *last = map(float, done.stdout.split()[-1 - len(TAGS) :])
            return seconds, last
    return None


def _wandb(rows: int) -> None:
    """Print how long the history of an offline run takes."""
    import wandb_files

    from scaling_cli.ingest import wandb

    lists = (
        {"train/loss": 9 / (i + 1), "lr": 3e-4, "global_step": i, "_step": i} for i in range(rows)
    )
    content = wandb_files.log(
        r for row in lists for r in (wandb_files.history(row), wandb_files.summary(row))
    )
    begun = time.perf_counter()
    raw = wandb.join("x", wandb.read("x/run-x.wandb", content))
    seconds = time.perf_counter() - begun
    assert len(raw) == rows
    print(f"| `scaling`, {rows:,} rows of W&B, {len(content) / 1e6:.0f} MB | {seconds:.2f} | |")


def main() -> None:
    """Write a file, read it with each, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scalars", type=int, default=1_000_000)
    parser.add_argument("--python", action="append", default=[])
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import event_files

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        folder.mkdir()
        content = event_files.scalars(TAGS, range(asked.scalars // len(TAGS)))
        (folder / NAME).write_bytes(content)
        own, values = _own(folder)
        print("| reader | seconds | ratio |\n|---|---|---|")
        print(
            f"| `scaling`, {asked.scalars:,} scalars, {len(content) / 1e6:.0f} MB | {own:.2f} | |"
        )
        for name in PEERS:
            other = _theirs(name, folder, [sys.executable, *asked.python])
            if other is None:
                print(f"| {name} | not installed: skipped | |")
                continue
            np.testing.assert_array_equal(other[1], values)
            print(f"| {name} | {other[0]:.1f} | {other[0] / own:.1f}x |")
    _wandb(asked.scalars // 10)


if __name__ == "__main__":
    main()
