"""Choosing runs: the criterion against information matrices and brute force, the candidates."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal
from toy_laws import TOYS, dropped_in

from scaling_cli import laws
from scaling_cli.artefacts._prediction import decades
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.planning import candidates
from scaling_cli.planning.design import Design, Reach
from scaling_cli.vocabulary.errors import UsageError

SIGMA, COUNT = 0.1, 12
TARGET = {"N": 1e9, "D": 2e10}


def made(seed: int = 0, draws: int = 3, k: int = 4, **changes: object) -> Design:
    """A design of random slopes, whose costs grow with what a run tells."""
    random = np.random.default_rng(seed)
    roots = random.standard_normal((draws, k, k))
    slopes = random.standard_normal((draws, COUNT, k))
    target = 3 * random.standard_normal((draws, 2, k))
    costs = np.exp(np.sum(slopes[0] ** 2, axis=1) / 2)
    return Design(roots @ roots.transpose(0, 2, 1), slopes, target, SIGMA, costs)


def information(design: Design, rows: tuple[int, ...], s: int) -> float:
    """The variance at the targets by adding up information, which the code never does."""
    told = sum(
        (np.outer(design.slopes[s, i], design.slopes[s, i]) / SIGMA**2 for i in rows),
        np.linalg.inv(design.covariance[s]),
    )
    return float(np.trace(design.target[s] @ np.linalg.inv(told) @ design.target[s].T))


def test_the_variance_after_runs_is_that_of_the_information_added_up() -> None:
    design = made()
    chosen = design.chosen(np.inf, 0.0, most=4)
    assert len(chosen.rows) == len(set(chosen.rows)) == 4
    for count, left in enumerate(chosen.left, 1):
        rows = tuple(chosen.rows[:count])
        shares = [information(design, rows, s) / information(design, (), s) for s in range(3)]
        assert left == pytest.approx(np.mean(shares), rel=1e-9)
    assert design.variance(chosen.rows) == pytest.approx(
        [information(design, tuple(chosen.rows), s) for s in range(3)], rel=1e-9
    )


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_the_first_run_is_the_best_of_all(power: float) -> None:
    design = made(1, draws=1)
    gains = [1 - information(design, (i,), 0) / information(design, (), 0) for i in range(COUNT)]
    best = int(np.argmax(np.array(gains) / design.costs**power))
    assert design.chosen(np.inf, power, most=1).rows == [best]


def test_runs_bought_one_by_one_are_nearly_the_best_pair() -> None:
    for seed in range(5):
        design = made(seed, draws=1)
        pairs = itertools.combinations(range(COUNT), 2)
        best = min(information(design, pair, 0) for pair in pairs)
        own = information(design, tuple(design.chosen(np.inf, 0.0, most=2).rows), 0)
        none = information(design, (), 0)
        assert none - own >= (1 - 1 / np.e) * (none - best)


def test_what_the_budget_buys() -> None:
    design = made(2)
    budget = float(np.sort(design.costs)[:6].sum())
    for power in (0.0, 0.5, 1.0):
        rows = list(design.chosen(budget, power).rows)
        assert 0 < design.costs[rows].sum() <= budget * (1 + 1e-9)
    best = design.best(budget)
    ends = [design.chosen(budget, p).end for p in (0.0, 0.25, 0.5)]
    assert best.end == pytest.approx(min(ends), rel=1e-9)
    alone = [np.mean(design.variance((i,)) / design.variance(())) for i in best.rows]
    assert min(alone) == alone[0] == pytest.approx(best.left[0])  # what tells most is first
    assert len(design.best(budget, fewest=6).rows) >= 6  # the six cheapest, if nothing else


def test_larger_runs_lower_the_drift() -> None:
    at = {s: np.array([v]) for s, v in TARGET.items()}
    may = {"N": np.array([1e7, 1e8, 4e8]), "D": np.array([2e8, 2e9, 8e9])}
    largest = {"C": 6 * 5e7 * 1e9, "D": 1e9, "D/N": 20.0}
    reach = Reach.of(Chinchilla, at, 0.02, may, largest)
    now = reach.variance(reach.after(()))
    assert now == pytest.approx((0.02 * decades(Chinchilla, at, largest)[0]) ** 2)
    saved = reach.saved(largest)
    assert saved[0] == 0
    far = np.log10(6 * 1e9 * 2e10 / (6 * 4e8 * 8e9))
    assert saved[2] == pytest.approx(now - (0.02 * far) ** 2)
    slopes = np.ones((1, 3, 1))  # all runs tell as much of the law
    design = Design(np.eye(1)[None] * 1e-8, slopes, slopes[:, :1], SIGMA, np.ones(3), reach)
    assert design.chosen(np.inf, 0.0, most=1).rows == [2]


def test_the_grid_lies_about_the_runs_and_towards_the_target() -> None:
    sizes = np.geomspace(1e7, 2e8, 5)
    runs = {"N": np.repeat(sizes, 2), "D": np.repeat(sizes, 2) * np.tile([5.0, 80.0], 5)}
    may = candidates.about(Chinchilla, runs, TARGET, 1e21)
    N, D = may.inputs["N"], may.inputs["D"]
    assert may.costs == pytest.approx(6 * N * D)
    assert may.costs.max() <= 1e21
    assert (N.max(), D.max()) == (TARGET["N"], TARGET["D"])
    assert N.min() < 1e7
    assert (2.49 <= (D / N).min() <= 5) and (80 <= (D / N).max() <= 161)
    assert len({*zip(N.tolist(), D.tolist(), strict=True)}) == len(may) > 50


def test_what_does_not_grow_is_that_of_runs_or_of_the_target(tmp_path: Path) -> None:
    with dropped_in(tmp_path):
        toy = TOYS["toy_experts"]
        may = candidates.about(laws.get(toy.name), toy.design, toy.point, np.inf)
    assert 0 < len(may) <= candidates.MOST
    assert {*may.inputs["R"].tolist()} == {1.0, 4.0, 16.0, toy.point["R"]}
    assert may.costs == pytest.approx(6 * may.inputs["N"] * may.inputs["D"])


def test_first_runs_cost_shares_of_the_budget() -> None:
    may = candidates.first(Chinchilla, TARGET, 1e18)
    shares = may.costs / 1e18
    assert shares.min() >= candidates.CHEAPEST and shares.max() <= candidates.DEAREST
    ratios = may.inputs["D"] / may.inputs["N"]
    assert ratios.min() >= 2.4 and ratios.max() <= 162
    told = refusal(UsageError, candidates.first, laws.get("kaplan_n"), {"N": 1e9}, 1e18)
    assert told == (
        "without runs, this law does not say where the first may lie. Give --candidates FILE, or a "
        "fit of runs."
    )


def test_no_first_run_has_less_than_a_parameter() -> None:
    may = candidates.first(Chinchilla, TARGET, 1e5)
    assert min(may.inputs["N"].min(), may.inputs["D"].min()) >= 1
