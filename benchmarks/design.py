"""Which runs to do: the choice of `scaling next` beside others, on pools of real runs.

    SCALING_SHARED=... python benchmarks/design.py [--seeds 6] [--pool farseer] [--method V]

The pools are those of ScaleBench (arXiv 2604.22753), of which the costliest tenth is held out here.
Runs are chosen among the rest for 1, 5 and 10 % of what the rest costs, a law is fitted to them
under weak priors, and R^2 (from -1 on) is told of the held-out runs, the mean over seeds. All but
the random and the cheapest choice start with two random runs more than there are parameters, and
are fitted again at 45 and 70 % of the budget.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from scaling_cli.artefacts._prediction import DRIFT, edges
from scaling_cli.engine.executors import SERIAL
from scaling_cli.engine.priors import Belief, Penalty
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.engine.solve import solve
from scaling_cli.laws._law import Domain, Law, namespace, param
from scaling_cli.planning.design import LEAST, Design, Reach
from scaling_cli.planning.known import Known
from scaling_cli.point_fits.certainty.draws import Draws, refitted
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity, Tokens, U

SHARES, STAGES = (0.01, 0.05, 0.10), (0.45, 0.70, 1.0)
WEAK = 0.1  # precision of the priors, in units of their sds
DRAWS, LANES = 48, 8
R = Quantity("R", "experts", "experts of a mixture", "experts", role=U.role)
Unique = Annotated[Any, U]
Experts = Annotated[Any, R]
real = Domain.REAL
Columns = Mapping[str, np.ndarray]


class Gamma(Law):
    """chinchilla_gamma about N = 1e9, D = 3e10: E + (A N^-alpha + B D^-beta)^gamma."""

    e: float = param("ln floor", domain=real)
    a: float = param("ln term of N", domain=real)
    b: float = param("ln term of D", domain=real)
    alpha: float = param("exponent of N", domain=real)
    beta: float = param("exponent of D", domain=real)
    g: float = param("ln outer exponent", domain=real)

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss."""
        xp = namespace(N, self.e)
        n, d = xp.log(N / 1e9), xp.log(D / 3e10)
        terms = xp.exp(self.a - self.alpha * n) + xp.exp(self.b - self.beta * d)
        return xp.exp(self.e) + terms ** xp.exp(self.g)


class Unlike(Law):
    """E + f(N) + B(N) D^-a(N): the exponent of D moves with ln N (F8)."""

    e: float = param("ln floor", domain=real)
    u0: float = param("ln term of N", domain=real)
    u1: float = param("exponent of N", domain=real)
    b0: float = param("ln term of D", domain=real)
    b1: float = param("its slope in ln N", domain=real)
    b2: float = param("its bend in ln N", domain=real)
    a0: float = param("ln exponent of D", domain=real)
    a1: float = param("its slope in ln N", domain=real)

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss."""
        xp = namespace(N, self.e)
        n, d = xp.log(N / 1e9), xp.log(D / 3e10)
        own = self.b0 + self.b1 * n + self.b2 * n**2 - d * xp.exp(self.a0 + self.a1 * n)
        return xp.exp(self.e) + xp.exp(self.u0 - self.u1 * n) + xp.exp(own)


class Repeated(Law):
    """E + A N^-alpha + B D_e^-beta, D_e the lesser of D and k U N^k1, with a soft corner q."""

    e: float = param("ln floor", domain=real)
    a: float = param("ln term of N", domain=real)
    b: float = param("ln term of D", domain=real)
    alpha: float = param("exponent of N", domain=real)
    beta: float = param("exponent of D", domain=real)
    k: float = param("ln epochs that count", domain=real)
    q: float = param("ln corner", domain=real)
    k1: float = param("their slope in ln N", domain=real)

    def __call__(self, N: Params, D: Tokens, U: Unique) -> Loss:
        """Return the loss."""
        xp = namespace(N, self.e)
        n, d = xp.log(N / 4e8), xp.log(D / 2e10)
        most, q = self.k + self.k1 * n + xp.log(U / 2e10), xp.exp(self.q)
        soft = -xp.logaddexp(-q * d, -q * most) / q
        return xp.exp(self.e) + xp.exp(self.a - self.alpha * n) + xp.exp(self.b - self.beta * soft)


class Experted(Law):
    """E + A N^-a R^-b, with a product of both logarithms: Clark's law with a floor."""

    e: float = param("ln floor", domain=real)
    a: float = param("ln term", domain=real)
    alpha: float = param("exponent of N", domain=real)
    beta: float = param("exponent of R", domain=real)
    c: float = param("of both", domain=real)

    def __call__(self, N: Params, R: Experts) -> Loss:
        """Return the loss."""
        xp = namespace(N, self.e)
        n, r = xp.log(N / 1e8), xp.log(R)
        return xp.exp(self.e) + xp.exp(self.a - self.alpha * n - self.beta * r + self.c * n * r)


@dataclass(frozen=True)
class Pool:
    """Runs to choose from, runs to forecast, and how the law of the pool is begun."""

    law: type[Law]
    inputs: Columns
    output: np.ndarray
    costs: np.ndarray
    sigma: float
    start: tuple[np.ndarray, np.ndarray]
    held: tuple[Columns, np.ndarray]

    def problem(self, rows: list[int]) -> Problem:
        """Return the fit of some runs under the weak priors."""
        names, (mean, sd) = tuple(self.law.parameters()), self.start
        wide = sd / np.sqrt(WEAK)
        beliefs = {n: Belief(m, s) for n, m, s in zip(names, mean, wide, strict=True)}
        weight, none = np.ones(len(rows)), np.zeros(len(rows))
        return Problem(
            self.law,
            {s: v[rows] for s, v in self.inputs.items()},
            self.output[rows],
            weight,
            Objective.of("l2"),
            Frame.of(self.law, {}, {}),
            Penalty(beliefs, mean, wide**-2, none, weight, len(names)),
        )

    def fitted(self, rows: list[int], random: np.random.Generator) -> tuple[Problem, np.ndarray]:
        """Return the problem of some runs and its best end from random starts."""
        problem, (mean, sd) = self.problem(rows), self.start
        begin = mean + sd * random.standard_normal((LANES, len(mean)))
        begin[0] = mean
        prior = WEAK / sd**2 * self.sigma**2
        ends = solve(
            problem,
            begin,
            prior_mean=np.repeat(mean[None], LANES, axis=0),
            prior_precision=np.repeat(prior[None], LANES, axis=0),
        )
        return problem, ends.u[int(np.argmin(ends.sums()))]

    def score(self, rows: list[int], random: np.random.Generator) -> float:
        """Return R^2 of the held-out runs, forecast from some runs."""
        problem, u = self.fitted(rows, random)
        inputs, truth = self.held
        misses = np.exp(problem.log_predictions(u, inputs)[0]) - truth
        r2 = 1 - np.sum(misses**2) / np.sum((truth - truth.mean()) ** 2)
        return float(np.clip(np.nan_to_num(r2, nan=-1.0), -1, 1))

    def design(
        self, rows: list[int], random: np.random.Generator, drift: float, least: float
    ) -> Design:
        """Return the criterion after some runs, which are no candidates any more."""
        problem, u = self.fitted(rows, random)
        seed, targets = int(random.integers(1 << 30)), self.held[0]
        (ends,) = refitted([Draws(problem, u, self.sigma, seed, DRAWS)], SERIAL, large=False)
        drawn = ends.u[ends.converged] if ends.converged.any() else u[None]
        known = Known(problem, drawn, np.full(len(drawn), self.sigma), True)
        few = known.few(targets)
        costs = np.where(np.isin(np.arange(len(self.costs)), rows), np.inf, self.costs)
        far = edges(self.law, problem.inputs)
        reach = Reach.of(self.law, targets, drift, self.inputs, far) if drift else None
        slopes = known.slopes(few, self.inputs), known.slopes(few, targets)
        return Design(known.covariance(few), *slopes, self.sigma, costs, reach, least)


Choice = Callable[[Design, float], list[int]]


def by_v(power: float | None) -> Choice:
    """Return the choice by the V-criterion over cost**power; None: the best of several powers."""

    def choose(design: Design, budget: float) -> list[int]:
        if power is None:
            return list(design.best(budget, most=400).rows)
        return list(design.chosen(budget, power, most=400).rows)

    return choose


def by_d(power: float) -> Choice:
    """Return the choice of most information on all parameters (D-optimal): its log determinant."""

    def choose(design: Design, budget: float) -> list[int]:
        covariance, left, rows = design.covariance, budget, list[int]()
        while True:
            own = np.einsum("smk,skl,sml->sm", design.slopes, covariance, design.slopes)
            gain = np.mean(np.log1p(own / design.sigma**2), axis=0) / design.costs**power
            free = design.costs <= left
            free[rows] = False
            if not free.any():
                return rows
            i = int(np.argmax(np.where(free, gain, -np.inf)))
            rows.append(i)
            left -= float(design.costs[i])
            along = np.einsum("skl,sl->sk", covariance, design.slopes[:, i])
            total = design.sigma**2 + np.einsum("sk,sk->s", design.slopes[:, i], along)
            covariance = covariance - along[:, :, None] * along[:, None] / total[:, None, None]

    return choose


METHODS: dict[str, tuple[Choice | None, float, float]] = {  # choice, drift, least gain
    "random": (None, 0.0, 0.0),
    "cheapest": (None, 0.0, 0.0),
    "D-optimal": (by_d(0.0), 0.0, 0.0),
    "D-optimal, k = .5": (by_d(0.5), 0.0, 0.0),
    "V, k = 0": (by_v(0.0), 0.0, 0.0),
    "V, k = .5": (by_v(0.5), 0.0, 0.0),
    "V, best k": (by_v(None), 0.0, 0.0),
    "V, drift": (by_v(None), DRIFT, 0.0),
    "V, drift, stops": (by_v(None), DRIFT, LEAST),
}


def bought(order: np.ndarray, costs: np.ndarray, budget: float) -> list[int]:
    """Return the first of an order that a budget buys, what is too dear left out."""
    rows, spent = list[int](), 0.0
    for i in order.tolist():
        if spent + costs[i] <= budget:
            rows.append(i)
            spent += float(costs[i])
    return rows


def selected(pool: Pool, name: str, budget: float, random: np.random.Generator) -> list[int]:
    """Return the runs that a method chooses for a budget."""
    choose, drift, least = METHODS[name]
    order = random.permutation(len(pool.costs))
    if choose is None:
        order = np.argsort(pool.costs) if name == "cheapest" else order
        return bought(order, pool.costs, budget)
    first = len(pool.law.parameters()) + 2
    cheap = order[pool.costs[order] <= budget / (3 * first)]
    rows = cheap[:first].tolist()
    for share in STAGES:
        left = share * budget - float(np.sum(pool.costs[rows]))
        rows += choose(pool.design(rows, random, drift, least), left)
    return rows


def farseer(table: Columns, law: type[Law]) -> Pool:
    """Return the pool of sizes and tokens, by one of two laws."""
    inputs = {"N": table["N"], "D": table["D"]}
    y, costs = table["loss"], 6 * table["N"] * table["D"]
    floor, terms = np.log(0.9 * y.min()), np.log(0.3 * np.ptp(y))
    chin = ([floor, terms, terms, 0.35, 0.35, 0.0], [0.2, 0.5, 0.5, 0.15, 0.15, 0.4])
    f8 = (
        [floor, terms, 0.35, terms, 0.0, 0.0, -1.0, 0.05],
        [0.2, 0.5, 0.15, 0.5, 0.1, 0.1, 0.3, 0.05],
    )
    return pooled(law, inputs, y, costs, sigma=0.003, start=chin if law is Gamma else f8)


def data_con(table: Columns) -> Pool:
    """Return the pool of repeated tokens."""
    N, D = table["params"], table["tokens"]
    y, unique = table["loss"], np.minimum(table["unique_tokens"], D)
    floor, terms = np.log(0.9 * y.min()), np.log(0.3 * np.ptp(y))
    start = (
        [floor, terms, terms, 0.35, 0.35, 2.5, 0.5, -0.2],
        [0.2, 0.5, 0.5, 0.15, 0.15, 1.0, 0.7, 0.3],
    )
    return pooled(Repeated, {"N": N, "D": D, "U": unique}, y, 6 * N * D, sigma=0.02, start=start)


def moe(table: Columns) -> Pool:
    """Return the pool of mixtures of experts."""
    N, experts = table["dense_parameter_count"], table["num_experts"]
    y = table["loss_validation"]
    floor, terms = np.log(0.9 * y.min()), np.log(0.3 * np.ptp(y))
    start = [floor, terms, 0.35, 0.1, 0.0], [0.2, 0.5, 0.15, 0.1, 0.05]
    return pooled(Experted, {"N": N, "R": experts}, y, N * experts, sigma=0.02, start=start)


def pooled(
    law: type[Law],
    inputs: Columns,
    output: np.ndarray,
    costs: np.ndarray,
    *,
    sigma: float,
    start: tuple[list[float], list[float]],
) -> Pool:
    """Return a pool without its costliest tenth, and that."""
    order = np.argsort(costs, kind="stable")
    cut = len(order) - round(len(order) / 10)
    rest, dear = order[:cut], order[cut:]
    held = {s: v[dear] for s, v in inputs.items()}, output[dear]
    kept = {s: v[rest] for s, v in inputs.items()}
    begin = np.array(start[0]), np.array(start[1])
    return Pool(law, kept, output[rest], costs[rest], sigma, begin, held)


POOLS: dict[str, tuple[str, Callable[[Columns], Pool]]] = {
    "farseer, chinchilla_gamma": ("farseer", lambda t: farseer(t, Gamma)),
    "farseer, F8": ("farseer", lambda t: farseer(t, Unlike)),
    "data_con, repeated": ("data_con", data_con),
    "moe, bilinear": ("moe", moe),
}


def read(name: str) -> Columns:
    """Return the columns of a pool's table."""
    import csv

    path = Path(os.environ["SCALING_SHARED"]) / "data" / "scalebench" / f"{name}.csv"
    with path.open(encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    return {c: np.array([float(r[c]) for r in rows]) for c in rows[0] if c != "group"}


def main() -> None:
    """Print R^2 on the held-out runs by method and budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--pool", default="")
    parser.add_argument("--method", default="", help="what its name begins with")
    asked = parser.parse_args()
    for name, (table, make) in POOLS.items():
        if asked.pool not in name:
            continue
        pool = make(read(table))
        everything = pool.score(list(range(len(pool.costs))), np.random.default_rng(0))
        print(f"{name}: {len(pool.costs)} runs to choose from; all of them {everything:.2f}")
        for method in (m for m in METHODS if m.startswith(asked.method)):
            told = [tried(pool, method, share, asked.seeds) for share in SHARES]
            print(
                f"  {method:20} " + "   ".join(f"{r2:5.2f} ({n:3.0f})" for r2, n in told),
                flush=True,
            )


def tried(pool: Pool, method: str, share: float, seeds: int) -> tuple[float, float]:
    """Return the mean R^2, and how many runs were chosen, over seeds."""
    found = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        rows = selected(pool, method, share * float(pool.costs.sum()), random)
        found.append((pool.score(rows, np.random.default_rng(0)), len(rows)))
    r2, count = np.mean(found, axis=0)
    return float(r2), float(count)


if __name__ == "__main__":
    main()
