"""How fast a fit and its bootstrap are, as ratios to other routes run beside them.

    SCALING_SHARED=../shared python benchmarks/speed.py [--quick] [--repeats 5] [--python PATH]...

Huber(1e-3) on ln loss, Chinchilla's law, float64. scipy's route to 4,000 refits runs in this
process; packages that fit one table run in turn, in processes of their own, from this Python or
the first of those given by `--python` that has them: `chinchilla` and `lmfit` may share one,
`simple-scaling-laws` needs Python 3.12.

Refits of 100, 1,000 and 4,000 resamples show that the time is linear. Processor time is that of all
threads and child processes; on a busy machine it moves less than wall time. Compilation and imports
happen before the clock starts; the first is printed. OpenBLAS gets one thread: with more, they spin
on problems of five parameters, and scipy's L-BFGS-B takes 18 times the processor time.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported
os.environ["MPLBACKEND"] = "Agg"

import argparse
import importlib.metadata
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
from sample import real, synthetic

from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.point_fits.certainty.resampling import resample, resample_counts
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.fitting import refit_objective
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem
from scaling_cli.vocabulary.objective import Objective

RESAMPLES, SCIPY_RESAMPLES = 4000, 60
PEERS = Path(__file__).with_name("peers.py")
Clock = tuple[float, float]  # wall and processor seconds


@dataclass(frozen=True)
class Found:
    """What a package found, or why it was not run."""

    version: str
    theta: np.ndarray | None = None
    clock: Clock = (0.0, 0.0)


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, Clock]:
    """Return the last result and the median wall and processor seconds."""
    result, clocks = None, []
    for _ in range(repeats):
        start = time.perf_counter(), peers.processor()
        result = work()
        clocks.append((time.perf_counter() - start[0], peers.processor() - start[1]))
    wall, spent = zip(*clocks, strict=True)
    return result, (statistics.median(wall), statistics.median(spent))


def row(name: str, clock: Clock | None, note: str = "", base: Clock | None = None) -> None:
    """Print one line: seconds, and the ratios to the line it is compared with."""
    times = "|" if clock is None else f"{clock[0]:.4g} | {clock[1]:.4g}"
    ratios = "|"
    if clock and base:
        ratios = " | ".join(f"{a / b:,.3g}x" for a, b in zip(clock, base, strict=True))
    print(f"| {name} | {times} | {ratios} | {note} |", flush=True)


def head(title: str) -> None:
    """Start a table."""
    print(f"\n{title}\n\n| route | wall s | processor s | wall ratio | processor ratio | |")
    print("|---|---|---|---|---|---|")


def logs(points: Points) -> peers.Logs:
    """Return ln N, ln D and ln loss."""
    return np.log(points.inputs["N"]), np.log(points.inputs["D"]), np.log(points.output)


def theta_of(values: dict[str, Any]) -> np.ndarray:
    """Return parameters in the papers' coordinates, shape (5,) or (5, m)."""
    amplitudes = np.log([values["E"], values["A"], values["B"]])
    return np.array([values["alpha"], values["beta"], *amplitudes])


def run_peer(package: str, points: Points, starts: int, pythons: Sequence[str]) -> Found:
    """Run a package's route in the first Python that has it."""
    reason = "no Python"
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "points.npz"
            np.savez(file, logs=logs(points))
            done = subprocess.run(
                [python, str(PEERS), package, str(file), str(starts)],
                check=False,
                capture_output=True,
                text=True,
            )
        if done.returncode == 0:
            found = json.loads(done.stdout.splitlines()[-1])
            return Found(found["version"], np.array(found["theta"]), tuple(found["clock"]))
        reason = done.stderr.strip().splitlines()[-1]
    return Found(f"not run: {reason}")


def one_fit(points: Points, repeats: int, share: int, pythons: Sequence[str]) -> Optimum:
    """Compare one fit with every package's; return it."""
    _, first = timed(lambda: refit_objective(points, "chinchilla"), 1)
    ours, clock = timed(lambda: refit_objective(points, "chinchilla"), repeats)
    found = {
        name: run_peer(name, points, (route.starts or share) // share, pythons)
        for name, route in peers.ROUTES.items()
    }
    data = logs(points)
    values = {n: peers.huber(f.theta, *data) for n, f in found.items() if f.theta is not None}
    best = min(ours.value, *values.values())
    head(f"One Chinchilla fit of {len(points)} points")
    name = f"scaling, {ours.diagnostics['starts']} starts"
    row(f"{name}, first call", first, "with compilation")
    row(name, clock, distance(ours.value, best))
    for name, one in found.items():
        route = peers.ROUTES[name]
        if one.theta is None:
            row(name, None, one.version)
            continue
        times = share if route.starts else 1
        starts = f"{route.starts} starts" if route.starts else ""
        said = f", from {route.starts // share}" if route.starts and share > 1 else ""
        note = distance(values[name], best) if route.starts else squares(points, one.theta)
        whole = (times * one.clock[0], times * one.clock[1])
        row(f"{name} {one.version}: {route.how} {starts}{said}", whole, note, clock)
    return ours


def distance(value: float, best: float) -> str:
    """Say how far above the best objective of all routes a route ended."""
    return f"objective {value:.12g}, {value / best - 1:.1e} above the best"


def squares(points: Points, theta: np.ndarray) -> str:
    """Say how far a least-squares fit of the loss ended above ours, at that objective."""
    ours = refit_objective(points, "chinchilla", Objective("l2", space="linear"))
    data = logs(points)
    r = np.exp(data[2]) * np.expm1(peers.residual(theta, *data))
    return f"its own objective {r @ r / 2:.12g}, {r @ r / 2 / ours.value - 1:.1e} above ours"


def refits(points: Points, optimum: Optimum, repeats: int, share: int) -> None:
    """Compare bootstrap refits with scipy's strongest route, at speed and at minima reached."""
    problem = make_problem(points, Chinchilla, Objective())
    theta, few = theta_of(optimum.law.values()), SCIPY_RESAMPLES // share
    counts = resample_counts(points.runs, few, 1)
    theirs, (wall, spent) = timed(
        lambda: peers.warm_refits(logs(points), theta, counts), min(repeats, 3)
    )
    ours = resample(Fitted(points, problem, optimum, Resampling(few, seed=1)))
    drawn = theta_of(dict(ours.draws)).T
    found = {}
    for count in (100, 1000, RESAMPLES):
        fitted = Fitted(points, problem, optimum, Resampling(count))
        found[count] = timed(lambda given=fitted: resample(given), repeats)
    head(f"Bootstrap refits of {len(points)} points")
    for count, (resampled, clock) in found.items():
        note = f"{len(resampled.draws['E'])} of {count} converged"
        row(f"scaling, {count}", clock, note)
    whole = (RESAMPLES / few * wall, RESAMPLES / few * spent)
    name = f"scipy least_squares, warm, analytic Jacobian, {RESAMPLES} from {few}"
    row(name, whole, "", found[RESAMPLES][1])
    print(f"\nOf {few} resamples: {compared(points, counts, drawn, theirs)}.")


def compared(points: Points, counts: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> str:
    """Say how much higher the refits of either end, at worst and in the median."""
    if len(ours) < len(counts):
        return f"only {len(ours)} converged"
    both = np.array(
        [
            [
                peers.huber(theta, *(np.repeat(c, count.astype(int)) for c in logs(points)))
                for theta in pair
            ]
            for count, *pair in zip(counts, ours, theirs, strict=True)
        ]
    )
    above = both / both.min(axis=1, keepdims=True) - 1
    return " and ".join(
        f"{name}'s minima lie {np.median(column):.1e} (at most {np.max(column):.1e}) above the "
        "lower of the two"
        for name, column in zip(("scaling", "scipy"), above.T, strict=True)
    )


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of their work, scaled up")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--python", action="append", default=[], help="that has other packages")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    versions = " ".join(f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "scipy", "jax"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; Python {platform.python_version()} {versions}")
    print(f"Medians of {options.repeats}; routes of more than a second are run once.")
    points = real()
    kind = "of the replication of Chinchilla's fit" if points else "SYNTHETIC, noise 0.6 %"
    print(f"240 points, {kind}")
    points = points or synthetic(240)
    pythons = [sys.executable, *options.python]
    for module in ("numpy", "jax"):
        command = [sys.executable, "-c", f"import {module}"]
        _, (wall, spent) = timed(lambda given=command: subprocess.run(given, check=True), 3)
        print(f"A process that imports {module}: {wall:.2f} s, {spent:.2f} s of processor time")
    optimum = one_fit(points, options.repeats, share, pythons)
    refits(points, optimum, options.repeats, share)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"\nPeak memory of this process, SciPy's refits included: {peak} MB")


if __name__ == "__main__":
    main()
