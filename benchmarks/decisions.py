"""Do the ranges of decisions hold? Plans, comparisons and next runs whose truth is known.

    python benchmarks/decisions.py [--trials 200]

Every trial draws two recipes' runs (six sizes, four tokens per parameter, .4 % of noise), fits
them as `scaling compare runs.csv --by recipe` does, and asks for what is known: the best size at
ten times the largest compute, the difference at a point, the factor of compute and of data, and
where two power laws of hours cross. Then `next` chooses runs for a target at thirty times the
largest compute; they are run by the truth, all is fitted again, and its range is compared with the
one that was announced. A nominal 90 % should hold the truth in 85 to 95 %.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import scaling_cli as sc
from scaling_cli.laws.chinchilla import Chinchilla

TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
GAIN = 1.35  # of data: the second recipe's runs are worth so many times their tokens
NOISE = 0.004
ONE = Chinchilla(**TRUTH)
TWO = Chinchilla(**{**TRUTH, "B": TRUTH["B"] * GAIN ** -TRUTH["beta"]})
POINT = {"N": 3e9, "D": 6e10}
FAR: dict[str, Any] = {"N": 1e10, "D": 4.5e11}  # thirty times the largest compute
HOURS = {"slow": (4.2, 0.05), "fast": (4.2 * 5e4**0.03, 0.08)}  # they cross at 5e4


def runs(random: np.random.Generator) -> list[dict[str, Any]]:
    """Return the runs of both recipes."""
    return [
        {"recipe": name, "params": N, "tokens": N * ratio, "loss": float(loss)}
        for name, law in (("one", ONE), ("two", TWO))
        for N in np.geomspace(2e7, 1e9, 6).tolist()
        for ratio in (5, 20, 60, 150)
        for loss in [law(N=N, D=N * ratio) * np.exp(NOISE * random.standard_normal())]
    ]


def clocked(random: np.random.Generator) -> list[dict[str, Any]]:
    """Return the losses of two models over hours."""
    return [
        {"model": name, "hours": h, "loss": A * h**-a * np.exp(NOISE * random.standard_normal())}
        for name, (A, a) in HOURS.items()
        for h in np.geomspace(20, 3000, 10).tolist()
    ]


def trial(seed: int) -> Iterator[tuple[str, bool, float]]:
    """Yield what was asked, whether its range holds the truth, and how wide it is, in ln."""
    random = np.random.default_rng(seed)
    table = [{"run_id": f"r{i}", **row} for i, row in enumerate(runs(random))]
    compared = sc.compare(table, by="recipe", N=POINT["N"], D=POINT["D"])
    far = 10 * 6 * 1e9 * 150e9
    (plan,) = sc.plan(compared.made["one"], C=far)["allocations"]
    yield "best size", *held(plan["N_interval"], ONE.optimal_params(far))
    (at,) = compared["at"]
    yield "difference", *held(at["interval"], TWO(**POINT) - ONE(**POINT), log=False)
    yield "factor of compute", *held(compared["multiplier"][0]["interval"], GAIN)
    yield "factor of data", *held(compared["data_multiplier"][0]["interval"], GAIN)
    hours = [{"run_id": f"r{i}", **row} for i, row in enumerate(clocked(random))]
    crossing = sc.compare(hours, by="model", axis="hours")["crossing"]
    yield "crossing", *held(crossing["interval"], 5e4)


def next_trial(seed: int) -> Iterator[tuple[str, bool, float]]:
    """Yield whether the ranges after proposed runs hold the truth, and announced over came out."""
    random = np.random.default_rng(1_000_000 + seed)
    table = [row for row in runs(random) if row.pop("recipe") == "one"]
    budget = 3 * 6 * 1e9 * 150e9
    told = sc.next_runs(sc.fit(named(table), bootstrap=0), budget=budget, **FAR)
    more = [
        {"params": r["params"], "tokens": r["tokens"], "loss": float(ONE(**r["inputs"]) * error)}
        for r in told["runs"]
        for error in [np.exp(NOISE * random.standard_normal())]
    ]
    after = sc.fit(named([*table, *more]), bootstrap=0)
    forecast, drawn = after.predict(**FAR), Chinchilla(**after.uncertainty.draws)(**FAR)
    truth = float(ONE(**FAR))
    run = truth * np.exp(NOISE * random.standard_normal())
    halves = np.log(np.quantile(drawn, [0.05, 0.95])), forecast.half_widths()[1][0]
    own = float(halves[0][1] - halves[0][0]) / 2
    ratios = own / told["simulated"]["after"], float(halves[1]) / told["half_width"]["after"]
    yield "next: law's own range", bool(abs(np.log(after.law(**FAR) / truth)) <= own), ratios[0]
    yield "next: range of a run", bool(forecast.is_inside(0, run)), ratios[1]


def named(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with names of runs."""
    return [{"run_id": f"r{i}", **row} for i, row in enumerate(table)]


def held(ends: Any, truth: float, *, log: bool = True) -> tuple[bool, float]:
    """Return whether a range holds the truth, and its width; an end that is none is endless."""
    low = -np.inf if ends[0] is None else ends[0]
    high = np.inf if ends[1] is None else ends[1]
    width = np.log(high / low) if log else high - low
    return bool(low <= truth <= high), float(width)


def main() -> None:
    """Print the share of ranges that hold the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    count = parser.parse_args().trials
    told: dict[str, list[tuple[bool, float]]] = {}
    for seed in range(count):
        for name, inside, width in [*trial(seed), *next_trial(seed)]:
            told.setdefault(name, []).append((inside, width))
    print(f"{count} trials\n{'':22} held  median width; of next, came out over announced")
    for name, found in told.items():
        inside, widths = zip(*found, strict=True)
        print(f"{name:22} {np.mean(inside):5.1%} {np.median(widths):8.3f}")


if __name__ == "__main__":
    main()
