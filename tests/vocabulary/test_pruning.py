"""The average parameter count of a pruned run, against integrals of the schedule itself."""

import itertools
from typing import Any

import numpy as np
import pytest
from refusals import refusal
from scipy.optimize import root_scalar

from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.pruning import Pruning, parse_pruning

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
    value = Pruning(sparsity, start, end, unit).average(138e6)
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
    close(Pruning(sparsity, start, end).average(1.0), oracle, 1e-10)


def test_average_of_the_paper_s_schedule() -> None:
    """25 % to 75 % of tokens prunes .625 of the final sparsity on average; of compute, less."""
    window = "final=.8,start=25%,end=75%"
    close(parse_pruning(f"{window},unit=tokens").average(1.0), 1 - 0.625 * 0.8, 1e-15)
    close(parse_pruning(window).average(1.0), 0.2 / 0.55, 1e-15)


@each_schedule
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_average_so_far(sparsity: float, start: float, end: float, share: float) -> None:
    value = Pruning(sparsity, start, end, "tokens").average_at(7e6, np.array([share]))
    close(value, [7e6 * spent(share, start, end, sparsity) / share], 1e-12)


def test_window_in_steps_and_prunable_part() -> None:
    """Of 164 288 parameters 147 456 can be pruned; 512 to 1536 of 2048 steps is 25 to 75 %."""
    said = parse_pruning("final=.8,start=512,end=1536,unit=steps,prunable=147456")
    close(said.average(164288, 2048), 164288 - 147456 * 0.625 * 0.8, 1e-15)
    assert refusal(UsageError, said.average, 164288, 1024) == (
        "the window ends at 1536 steps, and the run's length is 1024."
    )
    assert refusal(UsageError, said.average, 164288) == (
        "the window ends at 1536 steps, and the run's length is not known."
    )
    assert refusal(UsageError, said.average, 1e5, 2048) == "prunable=147456 of 100000 parameters."


@pytest.mark.parametrize(
    ("sparsity", "start", "end"),
    [(1.0, 0.2, 0.4), (-0.1, 0.2, 0.4), (0.5, 0.6, 0.4), (0.5, -0.1, 0.4)],
)
def test_impossible_pruning_schedule(sparsity: float, start: float, end: float) -> None:
    assert refusal(UsageError, Pruning, sparsity, start, end) == (
        "a pruning schedule needs 0 <= final < 1 and 0 <= start <= end, got "
        f"final {sparsity:g}, start {start:g}, end {end:g}."
    )


HINT = "Write final=.8,start=25%,end=75%; unit=tokens (or steps, compute) says of what, "
HINT += "prunable=N of how many."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("final=.5,unit=epochs", "unit must be compute, tokens, steps, not 'epochs'."),
        ("final=.5,end=110%", "a window of compute is in shares: start and end are at most 1."),
        ("final=.5,begin=25%", f"cannot read 'begin=25%' of a pruning schedule. {HINT}"),
        ("final=.5,final=.6", f"cannot read 'final=.6' of a pruning schedule. {HINT}"),
        ("start=25%", f"the final sparsity is missing in 'start=25%'. {HINT}"),
    ],
)
def test_unreadable_pruning_schedule(text: str, message: str) -> None:
    assert refusal(UsageError, parse_pruning, text) == message
