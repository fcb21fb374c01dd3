"""Weights of combined forecasts: closed forms, and SciPy's constrained minimum."""

import numpy as np
import pytest
from scipy.optimize import minimize

from scaling_cli.forecasting.families import bayes_weights, stacked_weights


def test_bayes_weights_are_the_closed_form_of_nested_linear_models() -> None:
    # y = a against y = a + b x with Zellner's prior of unit information (g = n): the Bayes factor
    # is (1 + n)^((n - 2)/2) (1 + n (1 - R^2))^(-(n - 1)/2) (Liang et al. 2008, eq. 6).
    generator, n = np.random.default_rng(0), 4000
    x = np.linspace(-1, 1, n)
    for slope in (0.0, 0.03, 0.1):
        y = 1.0 + slope * x + 0.5 * generator.standard_normal(n)
        total = float(np.sum((y - y.mean()) ** 2))
        fitted = np.polyfit(x, y, 1)
        left = float(np.sum((y - np.polyval(fitted, x)) ** 2))
        ln_factor = 0.5 * (n - 2) * np.log1p(n) - 0.5 * (n - 1) * np.log1p(n * left / total)
        weight = bayes_weights(np.array([total / n, left / n]), np.array([1, 2]), n)
        exact = 1.0 / (1.0 + np.exp(-ln_factor))
        assert weight[1] == pytest.approx(exact, rel=0.02)


def test_bayes_weights_by_hand() -> None:
    # Ten points: exp(-(10 ln 2 + ln 10)/2) = 1/(32 sqrt 10) for twice the misfit and one more.
    weight = bayes_weights(np.array([1.0, 2.0]), np.array([2, 3]), 10.0)
    assert weight[1] / weight[0] == pytest.approx(1 / (32 * np.sqrt(10)))
    assert bayes_weights(np.array([1.0, np.inf]), np.array([2, 2]), 10.0).tolist() == [1.0, 0.0]
    assert bayes_weights(np.array([0.0, 1.0, 0.0]), np.array([2, 2, 2]), 9.0).tolist() == [
        0.5,
        0.0,
        0.5,
    ]


def test_stacked_weights_are_the_constrained_minimum() -> None:
    generator = np.random.default_rng(2)
    actual, weight = generator.standard_normal(40), generator.uniform(0.1, 2.0, 40)
    predicted = actual[:, None] + generator.standard_normal((40, 5)) * [0.2, 0.5, 0.3, 1.0, 0.4]
    share = weight / weight.sum()
    typical = float(np.sum(share[:, None] * (predicted - actual[:, None]) ** 2)) / 5

    def objective(w: np.ndarray) -> float:
        error = float(np.sum(share * (predicted @ w - actual) ** 2))
        return error + 0.3 * typical * 5 * float(np.sum((w - 0.2) ** 2))

    found = minimize(
        objective,
        np.full(5, 0.2),
        method="SLSQP",
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14},
    )
    ours = stacked_weights(predicted, actual, weight, ridge=0.3)
    assert ours == pytest.approx(found.x, abs=1e-4)
    assert ours.sum() == pytest.approx(1.0)
    assert objective(ours) <= found.fun * (1 + 1e-9)


def test_a_member_that_is_right_takes_all_without_a_ridge_and_shares_with_one() -> None:
    actual = np.linspace(0, 1, 20)
    predicted = np.stack([actual, actual + 1.0, actual - 2.0], axis=1)
    ones = np.ones(20)
    # Members two and three cancel at 2 : 1 as well, so any mixture of the two solutions is exact.
    free = stacked_weights(predicted, actual, ones, ridge=0.0)
    assert predicted @ free == pytest.approx(actual, abs=1e-9)
    near = stacked_weights(predicted, actual, ones, ridge=1e6)
    assert near == pytest.approx(np.full(3, 1 / 3), abs=1e-3)


def test_opposite_biases_cancel_and_beat_both_members() -> None:
    generator = np.random.default_rng(3)
    actual = generator.standard_normal(30)
    predicted = np.stack([actual + 0.3, actual - 0.1], axis=1)
    weight = stacked_weights(predicted, actual, np.ones(30), ridge=0.0)
    assert weight == pytest.approx([0.25, 0.75], abs=1e-6)


def test_equal_members_weigh_the_same() -> None:
    predicted = np.full((5, 4), 1.0)
    assert stacked_weights(predicted, np.ones(5), np.ones(5)) == pytest.approx(np.full(4, 0.25))
