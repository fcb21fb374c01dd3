"""Do the intervals cover where the truth is known? Designs, truths and noises, simulated.

Four designs: nine budgets of five sizes, four sizes at four ratios of tokens to parameters, four at
two, and five runs (fitted with alpha tied to beta). Four truths: Chinchilla's law; its sum to the
power 0.8; the smallest runs under-trained; every size with a random effect of its own. Every
replicate is fitted as `scaling fit` does; four targets lie 10, 30 (over-trained), 100 and 1000
times beyond the largest run.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts._prediction import band
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.point_fits.certainty.companion import beside, companions
from scaling_cli.point_fits.certainty.uncertainty import assemble
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise, refuse
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective

# Besiroglu et al. 2024 (arXiv:2404.10102), refitted Chinchilla.
LAW = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
LEVEL = 0.9
TARGETS = ((10.0, 1.0), (30.0, 10.0), (100.0, 1.0), (1000.0, 1.0))  # reach, over-training
Noise = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Design:
    """Sizes and tokens of a table, and which runs share a random effect: arrays of shape (n,)."""

    N: np.ndarray
    D: np.ndarray
    group: np.ndarray
    tie: bool = False


def _isoflop() -> Design:
    budgets = np.geomspace(6e18, 3e21, 9)
    around = np.geomspace(0.25, 4.0, 5)
    N = np.concatenate([LAW.optimal_params(C) * around for C in budgets])
    return Design(N, np.repeat(budgets, 5) / (6 * N), np.repeat(np.arange(9), 5))


def _ladder(ratios: tuple[float, ...]) -> Design:
    sizes = np.geomspace(1.9e8, 1.3e9, 4)
    N, ratio = (x.ravel() for x in np.meshgrid(sizes, ratios, indexing="ij"))
    return Design(N, ratio * N, np.repeat(np.arange(4), len(ratios)))


def _five() -> Design:
    sizes = np.geomspace(1.1e7, 4.1e8, 4)
    N, ratio = np.append(sizes, sizes[0]), np.array([20.0, 20.0, 20.0, 20.0, 320.0])
    return Design(N, ratio * N, np.array([0, 1, 2, 3, 0]), tie=True)


DESIGNS = {
    "iso45": _isoflop(),
    "lad16": _ladder((20.0, 40.0, 100.0, 200.0)),
    "eight": _ladder((20.0, 100.0)),
    "five": _five(),
}


def _white(sd: float) -> Noise:
    return lambda C, generator: sd * generator.standard_normal(len(C))


def _falling(C: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """1 % at the smallest run, falling as C^-0.25, at least 0.1 %."""
    sd = np.maximum(0.001, 0.01 * (C / np.min(C)) ** -0.25)
    return sd * generator.standard_normal(len(C))


def _outliers(C: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """0.5 %, and 2 % of the runs off by 5 % more."""
    hit = generator.random(len(C)) < 0.02
    return _white(0.005)(C, generator) + hit * _white(0.05)(C, generator)


COMMON: dict[str, Noise] = {"0.5 %": _white(0.005), "falling": _falling}
NOISES = COMMON | {"0.2 %": _white(0.002), "1 %": _white(0.01), "outliers": _outliers}
TRUTHS = ("law", "power 0.8", "under-trained", "random sizes")
CELLS = [
    (design, truth, noise)
    for design, truth in itertools.product(DESIGNS, TRUTHS)
    for noise in (NOISES if truth == "law" else COMMON)
]


def truth_at(kind: str, N: np.ndarray, D: np.ndarray, smallest: float) -> np.ndarray:
    """Return ln loss without noise; random effects are drawn apart."""
    if kind == "power 0.8":
        return np.log(LAW.E + (LAW(N=N, D=D) - LAW.E) ** 0.8)
    clean = np.log(LAW(N=N, D=D))
    if kind == "under-trained":
        return clean + 0.03 * np.exp(-np.log(6 * N * D / smallest) / 0.7)
    return clean


def table(
    design: Design, truth: str, noise: Noise, generator: np.random.Generator
) -> tuple[Points, float]:
    """Return one simulated table and its smallest compute."""
    C = 6 * design.N * design.D
    log_loss = truth_at(truth, design.N, design.D, float(np.min(C))) + noise(C, generator)
    if truth == "random sizes":
        log_loss = log_loss + _white(0.005)(np.arange(9), generator)[design.group]
    runs = [f"r{i}" for i in range(len(C))]
    return Points({"N": design.N, "D": design.D}, np.exp(log_loss), runs), float(np.min(C))


def replicate(design: Design, truth: str, noise: Noise, seed: int) -> list[dict] | None:
    """Simulate, fit and predict once; return one record per target, None if no fit was possible."""
    generator = np.random.default_rng(seed)
    points, smallest = table(design, truth, noise, generator)
    tie = {"beta": "alpha"} if design.tie else None
    problem = make_problem(points, laws.get("chinchilla"), Objective(), tie=tie)
    try:
        refuse(points, problem)
        optimum = optimise(problem)
    except FitError:
        return None
    fitted = Fitted(points, problem, optimum, Resampling(seed=seed))
    others = companions(problem, [np.ones(len(points))])
    made = assemble(fitted, beside(others, 0), tested=True)
    at, C = targets(6 * design.N * design.D)
    printed = band(optimum.law, made, at, LEVEL)
    mean, new_run = printed.mean, printed.new_run
    alone = replace(made, drift=0.0, widening=1.0, beside=())
    bare = band(optimum.law, alone, at, LEVEL).new_run
    curve = truth_at(truth, at["N"], at["D"], smallest)
    # A new run is one more run of the largest fitted compute's kind.
    largest = np.append(6 * design.N * design.D, C)
    run = curve + noise(largest, generator)[-len(C) :]
    if truth == "random sizes":
        run = run + _white(0.005)(C, generator)
    return [
        {
            "reach": TARGETS[i][0],
            "mean": bool(mean[0][i] <= np.exp(curve[i]) <= mean[1][i]),
            "run": bool(new_run[0][i] <= np.exp(run[i]) <= new_run[1][i]),
            "alone": bool(bare[0][i] <= np.exp(run[i]) <= bare[1][i]),
            "half_width": float(np.log(new_run[1][i] / new_run[0][i]) / 2),
        }
        for i in range(len(C))
    ]


def targets(C: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs and compute of the targets of a design whose runs have compute C."""
    at = np.array([reach for reach, _ in TARGETS]) * np.max(C)
    over = np.array([ratio for _, ratio in TARGETS])
    N = LAW.optimal_params(at) / np.sqrt(over)
    return {"N": N, "D": at / (6 * N)}, at


def report(replicates: int) -> None:
    """Print coverage and half-width by design, by truth and by reach."""
    records = []
    for design, truth, noise in CELLS:
        for seed in range(replicates):
            found = replicate(DESIGNS[design], truth, NOISES[noise], seed)
            records += [r | {"design": design, "truth": truth} for r in found or []]
    points = 50 / np.sqrt(len(CELLS) * replicates)
    print(
        f"{len(CELLS)} cells x {replicates} replicates, nominal {LEVEL:.0%}; a coverage of all "
        f"targets is known to {points:.1f} points at worst"
    )
    print(
        f"{'':>14} {'targets':>7} {'mean curve':>10} {'new run':>8} {'half-width':>10} "
        f"{'no drift':>9}"
    )
    _row("all", records)
    for key in ("truth", "design", "reach"):
        for value in dict.fromkeys(r[key] for r in records):
            name = f"{value:g}x" if key == "reach" else value
            _row(name, [r for r in records if r[key] == value])


def _row(name: str, records: list[dict]) -> None:
    mean, run, alone = (np.mean([r[key] for r in records]) for key in ("mean", "run", "alone"))
    width = 100 * np.median([r["half_width"] for r in records])
    print(f"{name:>14} {len(records):7d} {mean:10.2f} {run:8.2f} {width:9.1f}% {alone:9.2f}")
