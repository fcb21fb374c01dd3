"""How long the commands take in a fresh process, beside Python importing NumPy and JAX.

    python benchmarks/startup.py [repeats]

Prints a Markdown table of medians: wall time, processor time, which other work on the machine
moves less, and peak memory. `cold` empties the cache of compiled code before each process; `warm`
is a fresh process that finds it filled.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sample import real, synthetic

from scaling_cli.runs.points import Points

ROOT = Path(__file__).resolve().parents[1]
RUNS = str(ROOT / "data" / "ladder" / "runs.csv")
SCALING = (sys.executable, "-m", "scaling_cli")
FIT = (*SCALING, "fit", RUNS, "--where", 'role == "fit"', "--quiet", "-o", "fit.json")
CURVES = [
    f"data/ladder/runs/schedule-164k-2.1M-{kind}.csv" for kind in ("constant", "cosine", "wsd20")
]
AVERAGE = (*SCALING, "fit", *(str(ROOT / log) for log in CURVES), "--quiet", "-o", "curves.json")
ANNEALING = (*AVERAGE, "--law", "annealing")
LARGE = (*SCALING, "fit", "240.csv", "--bootstrap", "4000", "--quiet", "-o", "240.json")
PREDICT = ("predict", "--fit", "fit.json", "--params", "10M", "--tokens", "100M", "--quiet")


@dataclass(frozen=True)
class Case:
    """A command, and whether the compiled code of earlier processes is thrown away first."""

    name: str
    command: Sequence[str]
    cold: bool = False


CASES = (
    Case("`python -c pass`", (sys.executable, "-c", "pass")),
    Case("`python -c 'import numpy'`", (sys.executable, "-c", "import numpy")),
    Case("`python -c 'import jax'`", (sys.executable, "-c", "import jax")),
    Case("`scaling --help`", (*SCALING, "--help")),
    Case("`scaling predict`", (*SCALING, *PREDICT)),
    Case("`scaling fit`, the ladder's 24 runs, cold", FIT, cold=True),
    Case("the same, warm", FIT),
    Case("`scaling fit`, 240 points, 4,000 resamples, cold", LARGE, cold=True),
    Case("the same, warm", LARGE),
    Case("`scaling fit` of three loss curves, average of four laws, cold", AVERAGE, cold=True),
    Case("the same, warm", AVERAGE),
    Case("`scaling fit --law annealing` of them, cold", ANNEALING, cold=True),
    Case("the same, warm", ANNEALING),
)


def times(case: Case, folder: Path, repeats: int) -> Iterator[tuple[float, float, float]]:
    """Yield wall and processor seconds and peak MB of runs, in a folder with caches of its own."""
    cache = folder / "cache"
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        "XDG_CACHE_HOME": str(cache),
        "SCALING_CACHE": str(cache / "scaling"),
        "PYTHONPATH": str(ROOT),
    }
    for _ in range(repeats):
        if case.cold:
            shutil.rmtree(cache, ignore_errors=True)
        start = time.perf_counter()
        command = subprocess.Popen(
            case.command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(command.pid, 0)
        if status:
            raise RuntimeError(f"{case.name} ended with status {status}")
        spent, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / (1 << 10)
        yield time.perf_counter() - start, spent, megabytes


def write(points: Points, file: Path) -> None:
    """Write points as a table of runs."""
    columns = zip(points.runs, points.inputs["N"], points.inputs["D"], points.output, strict=True)
    lines = [f"{run},{float(N)!r},{float(D)!r},{float(L)!r}\n" for run, N, D, L in columns]
    file.write_text("run_id,params,tokens,loss\n" + "".join(lines), encoding="utf8")


def main() -> None:
    """Measure every case and print the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    medians: list[tuple[str, list[float]]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(real() or synthetic(240), folder / "240.csv")
        # Not measured: writes the bytecode of every module, and the fit that predict reads.
        list(times(Case("", FIT), folder, 1))
        for case in CASES:
            measured = zip(*times(case, folder, repeats), strict=True)
            medians.append((case.name, [statistics.median(column) for column in measured]))
    numpy, jax = medians[1][1][0], medians[2][1][0]
    print(f"Medians of {repeats} fresh processes; {os.cpu_count()} cores.\n")
    print("| command | seconds | of processor time | peak MB | / `import numpy` | / `import jax` |")
    print("|---|---|---|---|---|---|")
    for name, (wall, spent, peak) in medians:
        beside = f"{wall / numpy:.1f} | {wall / jax:.1f}"
        print(f"| {name} | {wall:.2f} | {spent:.2f} | {peak:.0f} | {beside} |")


if __name__ == "__main__":
    main()
