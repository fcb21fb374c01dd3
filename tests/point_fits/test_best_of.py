"""The best run of each configuration: which it is, what is said of the rest."""

import numpy as np
import pytest
from refusals import refusal

import scaling_cli as sc
from scaling_cli.ingest._points import best
from scaling_cli.laws.chinchilla import Chinchilla
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
    chosen = best(points, "config")
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
    assert refusal(UsageError, best, points, "seed") == (
        "the best can be taken of config, not of 'seed'."
    )
