"""How fast logs are read and stored, beside pyarrow, polars, duckdb and pandas, at three sizes.

    python benchmarks/reading.py [--quick] [--python PATH]...

Made-up logs lie in a temporary folder; every figure is of a process of its own, imports included:
wall seconds, processor seconds (all threads, user and system) and peak memory. A peer reads the
same CSV files into one table with the name of the file of each row and writes Parquet (zstd): with
the rows by file and step, as a store has them, and as they come. It checks, names and notes
nothing, and knows nothing of it the next time. It is run by the first Python that has it, and left
out by name if none has. Ratios are to the fastest peer that puts the rows in order.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCALING = ("-m", "scaling_cli")
SIZES = ((200, 500), (2000, 500), (5000, 2000))  # files and rows in each
FEW_FILES = (200, 2000, 20_000)  # of ten rows
LONG = (20_000, 200_000, 2_000_000)  # rows of a long table
OWN = (60, 200, 600)  # files with twenty columns of their own
FIELDS = (2, 6, 12)  # of --name
ALONE = (100, 400, 1600)  # logs of 500 rows of a kind that is read file by file
GROWING = (10_000, 100_000, 1_000_000)  # rows of one log
OTHER = 50  # different contents of the files
# Each reads the folder, has the rows in order if that was asked for, and writes a file.
PEERS = {
    "pyarrow dataset": """
import sys, pyarrow.dataset as ds, pyarrow.parquet as pq
folder, out, ordered = sys.argv[1:]
data = ds.dataset(folder, format="csv")
table = data.to_table(columns=[*data.schema.names, "__filename"])
if ordered == "in order":
    table = table.sort_by([("__filename", "ascending"), ("step", "ascending")])
pq.write_table(table, out, compression="zstd")
""",
    "polars": """
import sys, polars as pl
folder, out, ordered = sys.argv[1:]
rows = pl.scan_csv(folder + "/*.csv", include_file_paths="file")
(rows.sort("file", "step") if ordered == "in order" else rows).sink_parquet(out)
""",
    "duckdb": """
import sys, duckdb
folder, out, ordered = sys.argv[1:]
rows = f"SELECT * FROM read_csv('{folder}/*.csv', filename=true)"
rows += " ORDER BY filename, step" if ordered == "in order" else ""
duckdb.sql(f"COPY ({rows}) TO '{out}' (FORMAT parquet, CODEC zstd)")
""",
    "pandas": """
import sys, pathlib, pandas as pd
folder, out, ordered = sys.argv[1:]
files = sorted(pathlib.Path(folder).iterdir())
table = pd.concat([pd.read_csv(file).assign(file=file.name) for file in files])
if ordered == "in order":
    table = table.sort_values(["file", "step"])
table.to_parquet(out, compression="zstd")
""",
}
ORDERS = ("as they come", "in order")


GROWN = 3  # times that a file grows


@dataclass(frozen=True)
class Spent:
    """What a process took."""

    wall: float
    processor: float
    megabytes: float


# The peak of a process counts what it was forked from: this one is large, so a small one forks.
STARTER = """
import resource, subprocess, sys, time
start, quiet = time.perf_counter(), subprocess.DEVNULL
code = subprocess.call(sys.argv[1:], stdout=quiet, stderr=quiet)
wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / (1 << 10))
sys.exit(code)
"""


def spent(command: Sequence[str]) -> Spent | None:
    """Run a command and return what it took; None if it failed."""
    started = [sys.executable, "-S", "-c", STARTER, *command]
    told = subprocess.run(started, capture_output=True, text=True, check=False)
    return None if told.returncode else Spent(*map(float, told.stdout.split()))


def row(what: str, size: str, found: Spent | None, least: float | None = None) -> None:
    """Print one line; against the least processor time of the peers where there is one."""
    if found is None:
        print(f"| {what} | {size} | not run | | | |", flush=True)
        return
    ratio = "" if least is None else f"{found.processor / least:.2g}x"
    told = f"{found.wall:.2f} | {found.processor:.2f} | {ratio} | {found.megabytes:.0f}"
    print(f"| {what} | {size} | {told} |", flush=True)


def scaling(*arguments: str) -> Spent | None:
    """Run a command of ours."""
    return spent([sys.executable, *SCALING, *arguments])


def curves(folder: Path, files: int, rows: int) -> Path:
    """Write logs of one header."""
    folder.mkdir()
    step, rng = np.arange(1, rows + 1) * 10, np.random.default_rng(0)
    texts = []
    for _ in range(min(files, OTHER)):
        loss = 2 + 30 / np.sqrt(step + 50) + 0.01 * rng.standard_normal(rows)
        rate = 3e-4 * (1 + np.cos(np.pi * step / step[-1])) / 2
        cells = zip(step.tolist(), loss.tolist(), rate.tolist(), strict=True)
        lines = (f"{s},{s * 1024},{value:.5f},{lr:.6e}\n" for s, value, lr in cells)
        texts.append("step,tokens,loss,lr\n" + "".join(lines))
    for i in range(files):
        (folder / f"run_{i:05d}.csv").write_text(texts[i % len(texts)])
    return folder


def own_columns(folder: Path, files: int) -> Path:
    """Write logs of which each has twenty columns that no other has."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(files):
        names = ",".join(f"m{i}_{k}" for k in range(20))
        cells = rng.random((500, 20)).tolist()
        lines = (
            f"{s},{2 + 1 / s:.4f}," + ",".join(f"{x:.4f}" for x in row)
            for s, row in enumerate(cells, start=1)
        )
        (folder / f"run_{i:05d}.csv").write_text(f"step,loss,{names}\n" + "\n".join(lines) + "\n")
    return folder


def consoles(folder: Path, files: int) -> Path:
    """Write what a trainer prints."""
    folder.mkdir()
    for i in range(files):
        losses = (2 + 30 / (s + 50 + i) for s in range(500))
        lines = (f"iter {10 * s}: loss {x:.4f}, time 12.00ms\n" for s, x in enumerate(losses))
        (folder / f"run_{i:05d}.log").write_text("".join(lines))
    return folder


def long_table(path: Path, rows: int) -> Path:
    """Write a table with one value in each row."""
    rng, names = np.random.default_rng(0), ("loss", "val_loss", "lr", "grad_norm")
    values = (2 + rng.random(rows)).tolist()
    lines = (
        f"r{i // 2000},{i // 4 % 500 + 1},{names[i % 4]},{value:.4f}\n"
        for i, value in enumerate(values)
    )
    path.write_text("run,step,metric,value\n" + "".join(lines))
    return path


def peer(name: str, order: str, folder: Path, pythons: Sequence[str]) -> Spent | None:
    """Run a peer by the first Python that has it."""
    out = str(folder.parent / "peer.parquet")
    runs = (spent([python, "-c", PEERS[name], str(folder), out, order]) for python in pythons)
    return next((run for run in runs if run is not None), None)


def ingest(folder: Path, pythons: Sequence[str], files: int, rows: int) -> None:
    """Print the lines of one size: peers, a new store, the same again, one file grown."""
    size = f"{files * rows:,} rows in {files:,} files"
    logs = curves(folder / "logs", files, rows)
    peers = {(n, order): peer(n, order, logs, pythons) for order in ORDERS for n in PEERS}
    ordered = [found for (_, order), found in peers.items() if found and order == ORDERS[-1]]
    least = min((found.processor for found in ordered), default=None)
    for (name, order), found in peers.items():
        row(f"{name}, {order}", size, found, least)
    into = ("ingest", str(logs), "--store", str(folder / "store"))
    row("`scaling ingest`", size, scaling(*into), least)
    row("the same again, unchanged", size, scaling(*into))
    grown = []
    for more in range(1, GROWN + 1):
        with (logs / "run_00007.csv").open("a") as file:
            file.write(f"{10 * (rows + more)},1,2.5,1e-6\n")
        grown.append(scaling(*into))
    told = sorted((one for one in grown if one), key=lambda one: one.processor)
    row("one file grown, the median of three", size, told[len(told) // 2] if told else None)


def growing(folder: Path, rows: int) -> None:
    """Print the lines of one log of each kind: read whole, and with a row more."""
    loss = (2 + 30 / np.sqrt(np.arange(rows + 1) + 50)).tolist()
    kinds = {
        "csv": ("step,loss\n", [f"{s},{x:.5f}\n" for s, x in enumerate(loss)]),
        "jsonl": ("", [f'{{"step": {s}, "loss": {x:.5f}}}\n' for s, x in enumerate(loss)]),
        "log": ("", [f"iter {s}: loss {x:.4f}, time 2.00ms\n" for s, x in enumerate(loss)]),
    }
    for kind, (head, lines) in kinds.items():
        path = folder / kind / f"run.{kind}"
        path.parent.mkdir()
        path.write_text(head + "".join(lines[:-1]))
        into = ("ingest", str(path), "--store", str(folder / f"{kind}.store"))
        row(f"one {kind} log", f"{rows:,} rows", scaling(*into))
        with path.open("a") as file:
            file.write(lines[-1])
        row(f"one {kind} log, a row more", f"{rows:,} rows", scaling(*into))


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the two smaller sizes only")
    parser.add_argument("--only", choices=["alone", "growing"], help="nothing but these logs")
    parser.add_argument("--python", action="append", default=[], help="that has other packages")
    options = parser.parse_args()
    pythons, most = [sys.executable, *options.python], 2 if options.quick else 3
    print("| what | size | wall s | processor s | of the fastest peer | peak MB |")
    print("|" + "---|" * 6)

    def sized(sizes: Sequence[int], measure: Callable[[Path, int], None]) -> None:
        for size in sizes[:most]:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder), size)

    def few(folder: Path, files: int) -> None:
        logs = curves(folder / "logs", files, 10)
        row("`scaling runs`, small files", f"{files:,} files", scaling("runs", str(logs)))

    def long(folder: Path, rows: int) -> None:
        table = long_table(folder / "long.csv", rows)
        row("`scaling runs`, a long table", f"{rows:,} rows", scaling("runs", str(table)))

    def own(folder: Path, files: int) -> None:
        logs = own_columns(folder / "logs", files)
        size = f"{files} files of 20 own columns"
        row("`scaling runs`", size, scaling("runs", str(logs)))
        store = str(folder / "store")
        row("`scaling ingest`", size, scaling("ingest", str(logs), "--store", store))

    def alone(folder: Path, files: int) -> None:
        logs, size = consoles(folder / "logs", files), f"{files:,} consoles of 500 lines"
        into = (*SCALING, "ingest", str(logs), "--store")
        pinned = ("taskset", "-c", str(min(os.sched_getaffinity(0))), sys.executable)
        row("`scaling ingest`, one core", size, spent([*pinned, *into, str(folder / "one")]))
        found = spent([sys.executable, *into, str(folder / "all")])
        row("the same, all cores (processor s: of the first process)", size, found)
        logs = curves(folder / "quoted", files, 500)
        for path in logs.iterdir():
            names, rows = path.read_text().split("\n", 1)
            path.write_text('"' + names.replace(",", '","') + '"\n' + rows)
        store = str(folder / "store")
        size = f"{files:,} CSV files of 500 rows, the header quoted"
        row("`scaling ingest`", size, scaling("ingest", str(logs), "--store", store))

    def named(folder: Path, fields: int) -> None:
        logs = curves(folder / "logs", 1000, 10)
        for i, path in enumerate(sorted(logs.iterdir())):
            path.rename(logs / ("_".join([f"{i}"] * (fields if i == 0 else 60)) + ".csv"))
        pattern = "_".join(f"{{f{i}}}" for i in range(fields)) + "{}"
        found = scaling("runs", str(logs), "--name", pattern)
        row("`scaling runs --name`", f"{fields} fields, 1,000 names of 60 parts", found)

    if options.only:
        sized(*{"alone": (ALONE, alone), "growing": (GROWING, growing)}[options.only])
        return
    with tempfile.TemporaryDirectory() as folder:
        for i, (files, rows) in enumerate(SIZES[:most]):
            (Path(folder) / str(i)).mkdir()
            ingest(Path(folder) / str(i), pythons, files, rows)
    for sizes, measure in (
        (FEW_FILES, few),
        (LONG, long),
        (OWN, own),
        (FIELDS, named),
        (ALONE, alone),
        (GROWING, growing),
    ):
        sized(sizes, measure)


if __name__ == "__main__":
    main()
