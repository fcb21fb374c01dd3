"""How long the commands take in a fresh process, beside Python importing NumPy and JAX.

    python benchmarks/startup.py [--repeats 7] [--only PATTERN] [--beside CHECKOUT]

Prints a Markdown table of medians: wall time, processor time, which other work on the machine
moves less, and the peak memory of the process. `cold` empties the cache of compiled code before
each process; `warm` is a fresh process that finds it filled. `--beside` runs each command also with
the package of another checkout (an earlier commit), in turn.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sample import along_runs, real, synthetic

from scaling_cli.runs.points import Points

ROOT = Path(__file__).resolve().parents[1]
RUNS = str(ROOT / "data" / "ladder" / "runs.csv")
SCALING = (sys.executable, "-m", "scaling_cli")
FIT = (*SCALING, "fit", RUNS, "--where", 'role == "fit"', "--quiet", "-o", "fit.json")
LOGS = [
    str(ROOT / "data" / "ladder" / "runs" / f"schedule-164k-2.1M-{kind}.csv")
    for kind in ("constant", "cosine", "wsd20")
]
AVERAGE = (*SCALING, "fit", *LOGS, "--quiet", "-o", "curves.json")
ANNEALING = (*AVERAGE, "--law", "annealing")
LARGE = (*SCALING, "fit", "240.csv", "--bootstrap", "4000", "--quiet", "-o", "240.json")
ALONG = (10_000, 30_000, 100_000)  # rows along runs
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
    Case("`scaling fit`, the ladder's 24 runs, warm", FIT),
    Case("`scaling fit`, 240 points, 4,000 resamples, cold", LARGE, cold=True),
    Case("`scaling fit`, 240 points, 4,000 resamples, warm", LARGE),
    *(
        Case(
            f"`scaling fit --at all`, {rows:,} rows of 250 runs, warm",
            (*SCALING, "fit", f"{rows}.csv", "--at", "all", "--quiet", "-o", f"{rows}.json"),
        )
        for rows in ALONG
    ),
    Case("`scaling fit` of three loss curves, cold", AVERAGE, cold=True),
    Case("`scaling fit` of three loss curves, warm", AVERAGE),
    Case("`scaling fit --law annealing` of three loss curves, cold", ANNEALING, cold=True),
    Case("`scaling fit --law annealing` of three loss curves, warm", ANNEALING),
)


def times(
    case: Case, folder: Path, repeats: int, root: Path = ROOT
) -> Iterator[tuple[float, float, float]]:
    """Yield wall and processor seconds and peak MB of each run, in a folder with its own caches."""
    cache = folder / f"cache of {root.name}"
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        "XDG_CACHE_HOME": str(cache),
        "SCALING_CACHE": str(cache / "scaling"),
        "PYTHONPATH": str(root),
    }
    for _ in range(repeats):
        if case.cold:
            shutil.rmtree(cache, ignore_errors=True)
        start = time.perf_counter()
        running = subprocess.Popen(
            case.command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
        )
        _, code, usage = os.wait4(running.pid, 0)
        wall, running.returncode = time.perf_counter() - start, os.waitstatus_to_exitcode(code)
        if running.returncode:
            raise SystemExit(f"{case.command} ended with exit code {running.returncode}")
        yield wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / (1 << 10)


def write(points: Points, file: Path) -> None:
    """Write points as a table of runs."""
    columns = zip(points.runs, points.inputs["N"], points.inputs["D"], points.output, strict=True)
    lines = [f"{run},{float(N)!r},{float(D)!r},{float(L)!r}\n" for run, N, D, L in columns]
    file.write_text("run_id,params,tokens,loss\n" + "".join(lines), encoding="utf8")


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose names match, beside the imports")
    parser.add_argument("--beside", type=Path, help="another checkout")
    given = parser.parse_args()
    roots = [ROOT, *([given.beside.resolve()] if given.beside else [])]
    cases = [c for c in CASES if "import" in c.name or re.search(given.only, c.name)]
    known: dict[str, float] = {}  # wall seconds of the imports
    print(f"Medians of {given.repeats} fresh processes; {os.cpu_count()} cores.\n")
    print("| command | seconds | of processor time | MB | / `import numpy` | / `import jax` |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(real() or synthetic(240), folder / "240.csv")
        for count in ALONG:
            write(along_runs(count, 250), folder / f"{count}.csv")
        for case in cases:
            scaling = case.command[: len(SCALING)] == SCALING
            for root in roots if scaling else roots[:1]:
                # Not measured: bytecode, compiled code where it is warm, the fit predict reads.
                for own in (Case("", FIT), case):
                    list(times(own, folder, int(scaling), root))
                measured = zip(*times(case, folder, given.repeats, root), strict=True)
                wall, spent, peak = (statistics.median(column) for column in measured)
                known.setdefault(case.command[-1], wall)
                imports = (known.get(f"import {module}", wall) for module in ("numpy", "jax"))
                ratios = [f"{wall / seconds:.1f}" for seconds in imports]
                told = " | ".join([f"{wall:.2f}", f"{spent:.2f}", f"{peak:.0f}", *ratios])
                print(f"| {case.name}{f' ({root.name})' * (root != ROOT)} | {told} |", flush=True)


if __name__ == "__main__":
    main()
