"""How long the commands take in a fresh process, beside Python importing NumPy and JAX.

    python benchmarks/startup.py [repeats]

Prints a Markdown table of medians. `cold` empties the cache of compiled code before each
process; `warm` is a fresh process that finds it filled.
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

ROOT = Path(__file__).resolve().parents[1]
RUNS = str(ROOT / "data" / "ladder" / "runs.csv")
SCALING = (sys.executable, "-m", "scaling_cli")
FIT = (*SCALING, "fit", RUNS, "--where", 'role == "fit"', "--quiet", "-o", "fit.json")
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
    Case("`scaling fit`, cold", FIT, cold=True),
    Case("`scaling fit`, warm", FIT),
)


def seconds(case: Case, folder: Path, repeats: int) -> Iterator[float]:
    """Yield the wall time of each run of a case, in a folder with caches of its own."""
    cache = folder / "cache"
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "SCALING_CACHE": str(cache / "scaling"),
        "PYTHONPATH": str(ROOT),
    }
    for _ in range(repeats):
        if case.cold:
            shutil.rmtree(cache, ignore_errors=True)
        start = time.perf_counter()
        subprocess.run(
            case.command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        yield time.perf_counter() - start


def main() -> None:
    """Measure every case and print the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    medians: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Not measured: writes the bytecode of every module, and the fit that predict reads.
        list(seconds(Case("", FIT), folder, 1))
        for case in CASES:
            medians[case.name] = statistics.median(seconds(case, folder, repeats))
    numpy, jax = medians[CASES[1].name], medians[CASES[2].name]
    print(f"Medians of {repeats} fresh processes; {os.cpu_count()} cores.\n")
    print("| command | seconds | against importing NumPy | against importing JAX |")
    print("|---|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / numpy:.1f}x | {median / jax:.1f}x |")


if __name__ == "__main__":
    main()
