"""The best run of each configuration: which it is, what is said of the rest."""

import numpy as np
import pytest
from refusals import refusal

import scaling_cli as sc
from scaling_cli.ingest._points import best
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.laws.kaplan_c import KaplanC
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import UsageError

TRUE = Chinchilla(E=1.7, A=400.0, B=410.0, alpha=0.34, beta=0.28)
N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 3e10, 4)))
TRIES = 5


def search() -> tuple[Points, np.ndarray]:
    """Sixteen cells of five tries whose loss is the law's and more; which try is best."""
    generator = np.random.default_rng(0)
    above = generator.uniform(0.01, 0.3, (len(N), TRIES))
    least = generator.integers(TRIES, size=len(N))
    above[np.arange(len(N)), least] = 0
    loss = (TRUE(N=N, D=D)[:, None] * (1 + above)).ravel()
    runs = [f"c{i}t{j}" for i in range(len(N)) for j in range(TRIES)]
    return Points({"N": np.repeat(N, TRIES), "D": np.repeat(D, TRIES)}, loss, runs), least


def test_the_best_of_each_cell_is_fitted() -> None:
    points, least = search()
    chosen = best(points, "config", Chinchilla)
    assert list(chosen.runs) == [f"c{i}t{j}" for i, j in enumerate(least.tolist())]
    assert len(chosen.left_out) == len(N) * (TRIES - 1)
    assert {item.reason for item in chosen.left_out} == {"not the best of 5 runs of its inputs"}
    assert chosen.notes[-1] == (
        "the best of each of 16 configurations is fitted, of 5 to 5 runs (median 5): what is "
        "predicted is the best of as many tries, not one run."
    )


def test_the_fit_of_the_best_is_the_law_below_the_tries() -> None:
    points, _ = search()
    fit = sc.fit(points, law="chinchilla", best_of="config", bootstrap=0, alone=True)
    assert fit.selection["best_of"] == "config"
    assert float(fit.law(N=1e10, D=3e11)) == pytest.approx(float(TRUE(N=1e10, D=3e11)), rel=1e-6)


def test_the_best_of_what_there_is_not() -> None:
    points, _ = search()
    assert refusal(UsageError, best, points, "seed", Chinchilla) == (
        "the best can be taken of config, frontier, not of 'seed'."
    )


def test_the_frontier_is_the_lower_hull_of_steps() -> None:
    """By hand: of six runs three are undercut, each by the lowest that cost no more."""
    compute = np.array([1.0, 2.0, 2.0, 4.0, 8.0, 8.0])
    loss = np.array([4.0, 3.5, 3.8, 3.6, 3.0, 3.0])
    points = Points({"C": compute}, loss, list("abcdef"))
    chosen = best(points, "frontier", KaplanC)
    assert list(chosen.runs) == ["a", "b", "e", "f"]  # e and f are one point: neither undercuts
    assert [(item.run, item.reason) for item in chosen.left_out] == [
        ("c", "dominated by b: lower, with as little C"),
        ("d", "dominated by b: lower, with as little C"),
    ]
    assert chosen.notes[-1] == (
        "the frontier is fitted: 4 of 6 points, of which none has another as low with as little C. "
        "What is predicted is the best of many, not one run."
    )


def test_the_fit_of_the_frontier_is_the_law_of_best_splits() -> None:
    """Sizes at every budget: the frontier's L(C) is the optimum's, its exponent in closed form."""
    compute = np.geomspace(1e18, 1e22, 9)
    best_size = np.array([TRUE.optimal_params(C=c) for c in compute])
    size = (best_size[:, None] * np.geomspace(0.1, 10, 21)).ravel()
    spent = np.repeat(compute, 21)
    loss = TRUE(N=size, D=spent / (6 * size)) - TRUE.E
    points = Points({"x": spent}, loss, [f"r{i}" for i in range(len(loss))])
    law = sc.fit(points, law="power", best_of="frontier", bootstrap=0, alone=True)
    exponent = TRUE.alpha * TRUE.beta / (TRUE.alpha + TRUE.beta)
    assert law.n_points == len(compute)
    assert abs(law.parameters["p"]) == pytest.approx(exponent, rel=1e-6)
