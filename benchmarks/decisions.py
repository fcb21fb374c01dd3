"""Do the ranges of decisions hold? Plans, comparisons and next runs whose truth is known.

    python benchmarks/decisions.py [--trials 200]

Every trial draws two recipes' runs (six sizes, four tokens per parameter, .4 % of noise), fits
them as `scaling compare runs.csv --by recipe` does, and asks for what is known: the best size at
ten times the largest compute, the difference at a point, the factor of compute and of data, and
where two power laws of hours cross. Then `next` chooses runs for a target at thirty times the
largest compute (`--next`); they are run by the truth, all is fitted again, its range is compared
with that announced: of truths that are the fitted law, which its own range and noise
should hold, and of truths by other laws, for which the rest of the range is there. A nominal 90 %
should hold the truth in 85 to 95 %.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import scaling_cli as sc
from scaling_cli.laws.chinchilla import Chinchilla

TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
GAIN = 1.35  # of data: the second recipe's runs are worth so many times their tokens
NOISE = 0.004
ONE = Chinchilla(**TRUTH)
TWO = Chinchilla(**{**TRUTH, "B": TRUTH["B"] * GAIN ** -TRUTH["beta"]})
RECIPES = {"one": ONE, "two": TWO}
OTHERS = ("chinchilla_gamma/epoch-240", "kaplan_nd/kaplan-2020-headline", "farseer/simulated")
POINT = {"N": 3e9, "D": 6e10}
FAR: dict[str, Any] = {"N": 1e10, "D": 4.5e11}  # thirty times the largest compute
HOURS = {"slow": (4.2, 0.05), "fast": (4.2 * 5e4**0.03, 0.08)}  # they cross at 5e4


def runs(random: np.random.Generator, recipes: Mapping[str, Any] = RECIPES) -> list[dict[str, Any]]:
    """Return the runs of recipes."""
    return [
        {"recipe": name, "params": N, "tokens": N * ratio, "loss": float(loss)}
        for name, law in recipes.items()
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


def next_trial(seed: int, law: Any = ONE, what: str = "") -> Iterator[tuple[str, bool, float]]:
    """Yield whether the ranges after proposed runs hold the truth, and announced over came out."""
    random = np.random.default_rng(1_000_000 + seed)
    table = [row for row in runs(random, {"one": law}) if row.pop("recipe") == "one"]
    budget = 3 * 6 * 1e9 * 150e9
    told = sc.next_runs(sc.fit(named(table), bootstrap=0), budget=budget, **FAR)
    more = [
        {"params": r["params"], "tokens": r["tokens"], "loss": float(law(**r["inputs"]) * error)}
        for r in told["runs"]
        for error in [np.exp(NOISE * random.standard_normal())]
    ]
    after = sc.fit(named([*table, *more]), bootstrap=0)
    forecast, drawn = after.predict(**FAR), Chinchilla(**after.uncertainty.draws)(**FAR)
    truth = float(law(**FAR))
    run = truth * np.exp(NOISE * random.standard_normal())
    low, high = np.log(np.quantile(drawn, [0.05, 0.95]))
    own, whole = float(high - low) / 2, float(forecast.half_widths()[1][0])
    alone = float(np.hypot(own, forecast.parts["noise"][0]))
    value, said = after.law(**FAR), told["if_law_holds"]["after"]
    missed, missed_run = (abs(float(np.log(value / x))) for x in (truth, run))
    yield f"next: law's own range{what}", missed <= own, own / told["simulated"]["after"]
    yield f"next: run, law holds{what}", missed_run <= alone, alone / said
    yield f"next: that, as announced{what}", missed_run <= said, 1.0
    yield (
        f"next: run, any law{what}",
        forecast.is_inside(0, run),
        whole / told["half_width"]["after"],
    )


def wrong(seed: int) -> Iterator[tuple[str, bool, float]]:
    """Yield the same where chinchilla is the truth, and where another law is."""
    yield from next_trial(seed)
    name = OTHERS[seed % len(OTHERS)]
    yield from next_trial(seed, sc.load(name).law, ", other truth")


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
    parser.add_argument("--next", action="store_true", help="of next alone, and of other laws")
    asked = parser.parse_args()
    count = asked.trials
    told: dict[str, list[tuple[bool, float]]] = {}
    for seed in range(count):
        for name, inside, width in wrong(seed) if asked.next else trial(seed):
            told.setdefault(name, []).append((inside, width))
    print(f"{count} trials\n{'':36} held  median width; of next, came out over announced")
    for name, found in told.items():
        inside, widths = zip(*found, strict=True)
        print(f"{name:36} {np.mean(inside):5.1%} {np.median(widths):8.3f}")


if __name__ == "__main__":
    main()
