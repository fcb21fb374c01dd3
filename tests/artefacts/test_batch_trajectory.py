"""The loss at any batch and what a loss costs: against root finders and numerical minima."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from refusals import refusal
from scipy.optimize import minimize, minimize_scalar, root_scalar

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.batch_fit import BatchTrajectory
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import FitError, UsageError

SIZED = BatchTrajectory(
    Sc=2.1e3, alpha_S=0.76, B_star=2e8, alpha_B=0.21, Nc=8.8e13, alpha_N=0.076
)  # Kaplan et al. 2020
ONE = BatchTrajectory(Sc=50.0, alpha_S=0.6, B_star=4e4, alpha_B=0.25, floor=1.5, N=26124.0)


def test_the_constants_are_those_of_the_certified_fits() -> None:
    loss = kinds.load("kaplan_ns/kaplan-2020-headline", Fit).parameters
    critical = kinds.load("critical_batch/kaplan-2020", Fit).parameters
    assert loss | critical == SIZED.values()


STEEP = BatchTrajectory(Sc=87.0, alpha_S=1.88, B_star=426766.0, alpha_B=0.1395, floor=1.696)


@pytest.mark.parametrize("t", [SIZED, ONE, STEEP], ids=["sizes", "one", "steep"])
def test_the_loss_solves_its_equation(t: BatchTrajectory) -> None:
    N = 1e8 if t.Nc else None
    floor = t.min_loss(N)
    for S, B in itertools.product(np.geomspace(1, 1e8, 13), np.geomspace(1e2, 1e9, 6)):

        def off(L: float, S: float = S, B: float = B) -> float:
            critical = t.B_star / L ** (1 / t.alpha_B)
            return floor + (t.Sc * (1 + critical / B) / S) ** t.alpha_S - L

        bracket = (floor * (1 + 1e-15), 1e15)
        root = root_scalar(off, bracket=bracket, method="brentq", xtol=1e-14, rtol=1e-14).root
        np.testing.assert_allclose(t.loss(S, B, N=N), root, rtol=1e-13)


def test_steps_and_tokens_to_a_loss_are_those_of_its_curve() -> None:
    cost = SIZED.cost([2.9, 3.5], [[1e4], [1e6], [1e8]], N=1e8)
    np.testing.assert_allclose(SIZED.loss(cost.S, cost.B, N=1e8), cost.L, rtol=1e-13)
    np.testing.assert_allclose((cost.S / cost.S_min - 1) * (cost.E / cost.E_min - 1), 1, rtol=1e-9)
    np.testing.assert_allclose(cost.B_crit, cost.E_min / cost.S_min, rtol=1e-14)
    ends = SIZED.cost(2.9, [1e-6, 1e20], N=1e8)
    np.testing.assert_allclose([ends.E[0], ends.S[1]], [ends.E_min[0], ends.S_min[1]], rtol=1e-9)


def test_at_the_critical_batch_both_are_twice_the_fewest() -> None:
    cost = ONE.cost(2.0)
    np.testing.assert_allclose([cost.S / cost.S_min, cost.E / cost.E_min], 2, rtol=1e-14)
    # Of all batches this one has the least product of excesses: both logarithms weigh the same.
    balanced: Any = minimize_scalar(
        lambda b: float(np.log(ONE.cost(2.0, math.exp(b)).S * ONE.cost(2.0, math.exp(b)).E)),
        bounds=(0, 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    np.testing.assert_allclose(math.exp(balanced.x), cost.B_crit, rtol=1e-6)


def test_the_loss_tends_to_the_least() -> None:
    np.testing.assert_allclose(SIZED.loss(1e30, 1e6, N=1e9), (8.8e13 / 1e9) ** 0.076, rtol=1e-12)
    assert SIZED.min_loss(1e9) == pytest.approx((8.8e13 / 1e9) ** 0.076, rel=1e-15)


@pytest.mark.parametrize("L", [1.8, 2.5, 4.0])
def test_the_best_size_is_a_numerical_minimum(L: float) -> None:
    def log_compute(x: np.ndarray) -> float:
        N = math.exp(x[0])
        if SIZED.min_loss(N) >= L:
            return math.inf
        return math.log(6 * N * float(SIZED.cost(L, N=N).E))

    best = SIZED.optimum(L)
    found = minimize(
        log_compute,
        [math.log(best.N * 1.5)],
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-15},
    )
    np.testing.assert_allclose(math.exp(found.x[0]), best.N, rtol=1e-6)
    np.testing.assert_allclose(math.exp(found.fun), best.C, rtol=1e-10)
    np.testing.assert_allclose(best.C, 2 * best.C_min, rtol=1e-12)
    assert SIZED.min_loss(best.N) * (1 + 0.076 / 0.76) == pytest.approx(L, rel=1e-12)


def test_exponents_are_the_slopes_of_the_optimum() -> None:
    low, high = SIZED.optimum(2.5), SIZED.optimum(2.5 * (1 - 1e-6))
    rise = math.log(high.C_min / low.C_min)
    slopes = {
        "alpha_C": -math.log(high.L / low.L) / rise,
        "N": math.log(high.N / low.N) / rise,
        "B": math.log(high.B / low.B) / rise,
        "S_min": math.log(high.S / low.S) / rise,
    }
    assert SIZED.exponents() == pytest.approx(slopes, rel=1e-6)
    assert round(SIZED.exponents()["alpha_C"], 3) == 0.052  # Kaplan et al. print 0.050 to 0.054


def test_a_change_of_batch_keeps_the_loss() -> None:
    S = np.arange(1, 2001)
    alone = ONE.loss(S, 512.0)
    changed = ONE.run(S, [(0, 512.0), (800, 4096.0)])
    np.testing.assert_allclose(changed[:800], alone[:800], rtol=1e-13)
    # From there it is the curve of the other batch, from where that has the same loss.
    ahead = root_scalar(
        lambda s: float(ONE.loss(s, 4096.0)) - alone[799], bracket=(1, 1e6), xtol=1e-10
    ).root
    np.testing.assert_allclose(changed[800:], ONE.loss(ahead + S[800:] - 800, 4096.0), rtol=1e-10)
    np.testing.assert_allclose(ONE.run(S, [(0, 512.0), (800, 512.0)]), alone, rtol=1e-12)


REFUSED = {
    "a loss of 1.4 is not above 1.5, the least that this size reaches with steps without end. Ask "
    "for a higher loss, or a larger model.": (FitError, lambda: ONE.cost([2.0, 1.4])),
    "these runs are of one size, N = 26124; what 1e+09 parameters reach they do not say. Leave "
    "--params out, or fit runs of several sizes.": (UsageError, lambda: ONE.loss(1, 1, N=1e9)),
    "the size of the model is not given. Say N (--params).": (
        UsageError,
        lambda: SIZED.loss(1.0, 1.0),
    ),
    "a step must be positive and finite, not 0.": (UsageError, lambda: ONE.loss([1, 0], 1.0)),
    "the batch must be positive and finite, not nan.": (UsageError, lambda: ONE.cost(2.0, np.nan)),
    "batches must begin at step 0 and their steps must increase.": (
        UsageError,
        lambda: ONE.run(1, [(5, 1.0)]),
    ),
    "runs of one size do not say which size is best. Fit runs of several sizes at several batch "
    "sizes.": (UsageError, lambda: ONE.optimum(2.0)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused_with_the_whole_message(message: str) -> None:
    error, work = REFUSED[message]
    assert refusal(error, work) == message
