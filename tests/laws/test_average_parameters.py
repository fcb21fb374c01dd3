"""The average parameter count of a pruned run, against integrals of the schedule itself."""

import itertools
from typing import Any

import numpy as np
import pytest
from refusals import refusal
from scipy.optimize import root_scalar

from scaling_cli.laws.average_parameters import average_of_pruning
from scaling_cli.vocabulary.errors import UsageError

SPARSITIES = (0.0, 0.3, 0.5, 0.8, 0.99)
WINDOWS = ((0.0, 0.0), (0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.1, 0.2), (0.9, 1.0), (1.0, 1.0))
each_schedule = pytest.mark.parametrize(
    ("sparsity", "start", "end"), [(s, *w) for s in SPARSITIES for w in WINDOWS]
)


def close(value: Any, oracle: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(value, float), oracle, rtol=tolerance, atol=0)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)  # exact for the cubic pieces below


def spent(until: float, start: float, end: float, sparsity: float) -> float:
    """Return the integral of the share of parameters in force, piece by piece."""

    def share(u: float) -> float:
        if u <= start:
            return 1.0
        if u >= end:
            return 1 - sparsity
        return 1 - sparsity * (1 - (1 - (u - start) / (end - start)) ** 3)

    breaks = sorted({0.0, until, *(x for x in (start, end) if x < until)})
    return sum(
        (b - a) / 2 * float(WEIGHTS @ [share((a + b) / 2 + (b - a) / 2 * x) for x in NODES])
        for a, b in itertools.pairwise(breaks)
    )


@each_schedule
@pytest.mark.parametrize("unit", ["tokens", "steps"])
def test_average_of_a_window_in_tokens(
    sparsity: float, start: float, end: float, unit: str
) -> None:
    value = average_of_pruning(138e6, sparsity, start=start, end=end, unit=unit)
    close(value, 138e6 * spent(1.0, start, end, sparsity), 1e-12)


@each_schedule
def test_average_of_a_window_in_compute(sparsity: float, start: float, end: float) -> None:
    """Find the window in tokens at whose ends those shares of all compute are spent."""

    def window_end(first: float) -> float:
        def gap(last: float) -> float:
            return spent(last, first, last, sparsity) - end * spent(1.0, first, last, sparsity)

        if gap(first) >= 0:
            return first
        return 1.0 if gap(1.0) <= 0 else root_scalar(gap, bracket=(first, 1.0), xtol=1e-15).root

    def early(first: float) -> float:
        total = spent(1.0, first, window_end(first), sparsity)
        return spent(first, first, window_end(first), sparsity) - start * total

    first = 0.0 if start == 0 else root_scalar(early, bracket=(0.0, 1.0), xtol=1e-15).root
    oracle = spent(1.0, first, window_end(first), sparsity)
    close(average_of_pruning(1.0, sparsity, start=start, end=end), oracle, 1e-10)


def test_average_of_the_paper_s_schedule() -> None:
    """25 % to 75 % of tokens prunes .625 of the final sparsity on average; of compute, less."""
    close(average_of_pruning(1.0, 0.8, start=0.25, end=0.75, unit="tokens"), 1 - 0.625 * 0.8, 1e-15)
    close(average_of_pruning(1.0, 0.8, start=0.25, end=0.75), 0.2 / 0.55, 1e-15)


@pytest.mark.parametrize(
    ("sparsity", "start", "end"),
    [(1.0, 0.2, 0.4), (-0.1, 0.2, 0.4), (0.5, 0.6, 0.4), (0.5, -0.1, 0.4), (0.5, 0.2, 1.1)],
)
def test_impossible_pruning_schedule(sparsity: float, start: float, end: float) -> None:
    assert refusal(UsageError, average_of_pruning, 1e8, sparsity, start=start, end=end) == (
        "a pruning schedule needs 0 <= sparsity < 1 and 0 <= start <= end <= 1, got "
        f"sparsity {sparsity:g}, start {start:g}, end {end:g}."
    )


def test_unknown_pruning_unit() -> None:
    said = refusal(UsageError, average_of_pruning, 1e8, 0.5, start=0.2, end=0.4, unit="epochs")
    assert said == "unit must be tokens, steps or compute, not 'epochs'."
