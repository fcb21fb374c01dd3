"""Best splits under limits, against closed forms and SciPy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.planning.allocation import Limits, at, best, total
from scaling_cli.planning.architecture import architecture
from scaling_cli.planning.hardware import Accelerator

LAW = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
C = 1e24
NOTHING: Mapping[str, float] = {}
EVEN_A_CEILING = Limits(most_size=1e30)  # which never holds, but makes a search of it


def least(function: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """Where a function is least between two logarithms, and how low, by SciPy."""
    found: Any = minimize_scalar(function, bounds=(np.log(low), np.log(high)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def split(limits: Limits, budget: float = C) -> tuple[float, float]:
    N, D = best(LAW, budget, limits, NOTHING)
    return float(N), float(D)


def test_a_free_split_is_the_closed_form_and_the_search_finds_it() -> None:
    a, b = LAW.alpha, LAW.beta
    G = (a * LAW.A / (b * LAW.B)) ** (1 / (a + b))
    N = G * (C / 6) ** (b / (a + b))
    assert split(Limits()) == pytest.approx((N, C / 6 / N), rel=1e-12)
    assert split(EVEN_A_CEILING) == pytest.approx((N, C / 6 / N), rel=1e-6)
    found = LAW(**dict(zip("ND", split(EVEN_A_CEILING), strict=True)))
    assert found == pytest.approx(LAW(N=N, D=C / 6 / N), rel=1e-14)


def test_what_is_decided_leaves_the_rest_to_the_budget() -> None:
    assert split(Limits(size=7e9)) == pytest.approx((7e9, C / (6 * 7e9)))
    assert split(Limits(ratio=100)) == pytest.approx((np.sqrt(C / 600), 100 * np.sqrt(C / 600)))
    assert split(Limits(most_size=7e9)) == pytest.approx((7e9, C / (6 * 7e9)), rel=1e-15)
    N, D = split(Limits(ratio=100, most_size=7e9))  # the budget is not used up
    assert pytest.approx((7e9, 7e11)) == (N, D)


@pytest.mark.parametrize("answers", [1e11, 5e12, 1e14])
def test_answers_are_paid_from_the_same_budget(answers: float) -> None:
    def loss(log: float) -> float:
        N = np.exp(log)
        left = C - 2 * N * answers
        return float(LAW(N=N, D=left / (6 * N))) if left > 0 else np.inf

    best_size, lowest = least(loss, 1e6, min(1e12, 0.4999 * C / answers))
    N, D = split(Limits(answers=answers))
    assert pytest.approx(lowest, rel=1e-12) == LAW(N=N, D=D)
    assert pytest.approx(best_size, rel=1e-4) == N
    assert total(LAW, at(LAW, np.array(N), np.array(D), NOTHING), Limits(answers=answers)) == (
        pytest.approx(C)
    )


def test_a_limit_on_tokens_holds() -> None:
    N, D = split(Limits(most_data=1e12))
    assert pytest.approx(1e12, rel=1e-9) == D
    assert pytest.approx(C / 6e12, rel=1e-6) == N  # all that is left buys parameters


def test_a_budget_that_does_not_pay_for_answers_buys_nothing() -> None:
    assert np.isnan(split(Limits(size=7e9, answers=1e15))).any()


def test_every_draw_has_its_own_split() -> None:
    random = np.random.default_rng(0)
    draws: dict[str, Any] = {
        name: value * np.exp(0.05 * random.standard_normal(40))
        for name, value in LAW.values().items()
    }
    for limits in (Limits(), EVEN_A_CEILING, Limits(answers=1e12)):
        sizes, data = best(Chinchilla(**draws), C, limits, NOTHING)
        for i in range(0, 40, 13):
            one = Chinchilla(**{name: float(values[i]) for name, values in draws.items()})
            assert (sizes[i], data[i]) == pytest.approx(
                tuple(float(v) for v in best(one, C, limits, NOTHING)), rel=1e-6
            )


def test_the_published_example_of_a_lifetime_of_answers() -> None:
    # arXiv 2401.00448: the quality of a 30B model with 5T tokens of answers is cheapest at about
    # 16B parameters and 3.3T tokens. With the constants of arXiv 2203.15556 in full: by SciPy.
    hoffmann = Chinchilla(E=1.693367, A=406.401018, B=410.722827, alpha=0.33917, beta=0.28491)
    goal = float(hoffmann(N=30e9, D=1.56e12))

    def tokens(N: float) -> float:
        left = goal - hoffmann.E - hoffmann.A * N**-hoffmann.alpha
        return (hoffmann.B / left) ** (1 / hoffmann.beta)

    def cost(log: float) -> float:
        N = np.exp(log)
        return 6 * N * tokens(N) + 2 * N * 5e12

    _, cheapest = least(cost, 1.2e10, 1e11)

    def missing(log: float) -> float:
        N, D = best(hoffmann, np.exp(log), Limits(answers=5e12), NOTHING)
        return float(hoffmann(N=N, D=D)) - goal

    root: Any = brentq(missing, np.log(1e23), np.log(1e25), xtol=1e-12)
    budget = float(np.exp(root))
    assert budget == pytest.approx(cheapest, rel=1e-9)
    N, D = best(hoffmann, budget, Limits(answers=5e12), NOTHING)
    assert float(N) == pytest.approx(16.1e9, rel=0.02)
    assert float(D) == pytest.approx(3.32e12, rel=0.02)


def test_hours_energy_and_money() -> None:
    h100 = Accelerator.get("H100", price=2.0)
    cost = h100.cost(1e21, 0.4, 8)
    hours = 1e21 / (989e12 * 0.4) / 3600
    assert cost == {
        "hours": pytest.approx(hours),
        "days": pytest.approx(hours / 8 / 24),
        "energy_kwh": pytest.approx(hours * 0.7),
        "dollars": pytest.approx(2 * hours),
    }


@pytest.mark.parametrize("vocabulary", [0, 50304])
@pytest.mark.parametrize("params", [3e7, 1.24e8, 1.3e9, 7e9, 7e10, 4e11])
def test_a_model_has_about_the_size_that_was_asked(params: float, vocabulary: int) -> None:
    shape = architecture(params, vocabulary)
    L, d = shape["layers"], shape["width"]
    assert shape["params"] == 12 * L * d * d + vocabulary * d
    assert shape["params"] == pytest.approx(params, rel=0.15)
    assert d == shape["heads"] * (64 if params < 1e9 else 128)
    assert params < 1e8 or 60 <= d / L <= 250
