"""How fast a fit and its bootstrap are, as ratios to scipy's routes, side by side in one process.

    SCALING_SHARED=../shared python benchmarks/speed.py [--quick] [--repeats 5] [--largest 100000]

Huber(1e-3) on ln loss, Chinchilla's law, float64. Processor time is that of all threads; on a busy
machine it moves less than wall time. Compilation happens before the clock starts and is printed.
OpenBLAS gets one thread: with more, they spin on problems of five parameters, and scipy's L-BFGS-B
takes 18 times the processor time.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import argparse
import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import peers
from sample import real, synthetic

from scaling_cli.artefact import Objective
from scaling_cli.fitting import refit_objective
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.optimum import make_problem
from scaling_cli.points import Points
from scaling_cli.resampling import bootstrap, resample_counts

STARTS, RESAMPLES, SCIPY_RESAMPLES = 500, 4000, 60
Clock = tuple[float, float]  # wall and processor seconds


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, Clock]:
    """Return the last result and the median wall and processor seconds."""
    clocks = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        result = work()
        clocks.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, spent = zip(*clocks, strict=True)
    return result, (statistics.median(wall), statistics.median(spent))


def row(name: str, clock: Clock, note: str = "", base: Clock | None = None) -> None:
    """Print one line: seconds, and the ratios to the line it is compared with."""
    ratio = "" if base is None else f"{clock[0] / base[0]:,.0f}x | {clock[1] / base[1]:,.0f}x"
    print(f"| {name} | {clock[0]:.4g} | {clock[1]:.4g} | {ratio or ' | '} | {note} |", flush=True)


def head(title: str) -> None:
    """Start a table."""
    print(f"\n{title}\n\n| route | wall s | processor s | wall ratio | processor ratio | |")
    print("|---|---|---|---|---|---|")


def one_fit(points: Points, repeats: int, share: int) -> np.ndarray:
    """Compare one fit; return its optimum in the papers' coordinates."""
    _, first = timed(lambda: refit_objective(points, "chinchilla"), 1)
    ours, clock = timed(lambda: refit_objective(points, "chinchilla"), repeats)
    found = {n: timed(lambda r=r: r(points, STARTS // share), 1) for n, r in peers.ROUTES.items()}
    best = min(ours.value, *(value for value, _ in found.values()))
    head(f"One Chinchilla fit of {len(points)} points")
    name = f"scaling, {ours.diagnostics['starts']} starts"
    row(f"{name}, first call", first, "with compilation")
    row(name, clock, distance(ours.value, best))
    said = f", from {STARTS // share}" if share > 1 else ""
    for name, (value, (wall, spent)) in found.items():
        whole = (share * wall, share * spent)
        row(f"{name} L-BFGS-B, {STARTS} starts{said}", whole, distance(value, best), clock)
    law = ours.law.values()
    return np.array([law["alpha"], law["beta"], *np.log([law["E"], law["A"], law["B"]])])


def distance(value: float, best: float) -> str:
    """Say how far above the best objective of all routes a route ended."""
    return f"objective {value:.12g}, {value / best - 1:.1e} above the best"


def refits(points: Points, theta: np.ndarray, repeats: int, share: int) -> None:
    """Compare bootstrap refits, and show how they grow with resamples."""
    optimum = refit_objective(points, "chinchilla")
    problem = make_problem(points, Chinchilla, Objective())
    few = SCIPY_RESAMPLES // share
    _, (wall, spent) = timed(lambda: peers.warm_refits(points, theta, few), min(repeats, 3))
    found = {}
    for count in (100, 1000, RESAMPLES):
        weights = resample_counts(points.runs, count, 0)
        found[count] = timed(lambda w=weights: bootstrap(problem, optimum, w), repeats)
    head(f"Bootstrap refits of {len(points)} points")
    for count, (draws, clock) in found.items():
        row(f"scaling, {count}", clock, f"{len(draws['E'])} of {count} converged")
    whole, name = (RESAMPLES / few * wall, RESAMPLES / few * spent), "scipy least_squares, warm"
    row(f"{name}, {RESAMPLES} from {few}", whole, "analytic Jacobian", found[RESAMPLES][1])


def growth(repeats: int, largest: int) -> None:
    """Show how one fit grows with points."""
    head("One fit by points (synthetic)")
    for n in (n for n in (10, 100, 1000, 10_000, 100_000) if n <= largest):
        points = synthetic(n)
        refit_objective(points, "chinchilla")  # compiles
        some = repeats if n <= 1000 else 1
        _, clock = timed(lambda p=points: refit_objective(p, "chinchilla"), some)
        row(f"{n} points", clock)


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of scipy's work, scaled up")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=10_000, help="up to 100000, in minutes")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    versions = " ".join(f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "scipy", "jax"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; Python {platform.python_version()} {versions}")
    print(f"Medians of {options.repeats}; scipy's starts are run once.")
    points = real()
    kind = "of the replication of Chinchilla's fit" if points else "SYNTHETIC, noise 0.6 %"
    print(f"240 points, {kind}")
    points = points or synthetic(240)
    theta = one_fit(points, options.repeats, share)
    refits(points, theta, options.repeats, share)
    growth(options.repeats, options.largest)


if __name__ == "__main__":
    main()
