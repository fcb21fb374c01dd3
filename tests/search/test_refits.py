"""Refits that slide: a term that one size alone shows, with a coefficient that no double holds."""

import numpy as np

from scaling_cli.laws._law import Law
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise, refits
from scaling_cli.vocabulary.objective import Objective


def steep() -> Points:
    """Return four sizes by four ratios; the smallest size alone is worse, by 0.3."""
    N, ratio = np.meshgrid(np.geomspace(3e7, 3e9, 4), [5.0, 20.0, 80.0, 320.0], indexing="ij")
    N, D = N.ravel(), (ratio * N).ravel()
    rise = 0.003 * np.log(N / N.min())  # the wrong way for a term in N: it is to be steep
    output = 1.8 + 0.3 * (N.min() == N) + rise + 2000 / D**0.37
    return Points({"N": N, "D": D}, output, [f"r{i:02d}" for i in range(16)])


def free(law: Law) -> np.ndarray:
    return np.log(list(law.values().values()))


def test_parameters_beyond_doubles_are_out_of_range() -> None:
    problem = make_problem(steep(), Chinchilla, Objective())
    u = np.repeat(free(Chinchilla(E=1.8, A=0.3, B=2000.0, alpha=0.3, beta=0.37))[None], 3, axis=0)
    u[1, 1], u[2, 1] = 709.0, 710.0  # the largest double is e^709.78
    assert problem.in_range(u).tolist() == [True, True, False]


def test_a_refit_that_leaves_the_range_of_doubles_is_brought_back() -> None:
    points = steep()
    problem = make_problem(points, Chinchilla, Objective())
    best = optimise(problem)
    # 0.3 = A / N^alpha at the smallest size, with ln A = 800.
    alpha = (800 - np.log(0.3)) / np.log(3e7)
    begin = free(best.law)
    begin[1], begin[3] = 800.0, np.log(alpha)
    u, value = refits(problem, begin[None], [np.ones(16)])
    assert problem.in_range(u).tolist() == [True]
    np.testing.assert_allclose(value, best.value, rtol=1e-5)
    predicted = Chinchilla(**dict(zip(Chinchilla.parameters(), np.exp(u[0]), strict=True)))
    np.testing.assert_allclose(predicted(**points.inputs), best.law(**points.inputs), rtol=1e-6)
