"""What a search reports of itself, on problems whose minima and bounds are known by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hard_tables import changed, fit_of, noise, scattered
from scipy_search import Search

from scaling_cli import laws
from scaling_cli.laws._law import Domain, Law, namespace, param
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status
from scaling_cli.vocabulary.quantities import Loss, Variable

HUBER, SQUARES = Objective(), Objective("l2")
CONSTANT = 0.3  # a residual that no parameter moves


class TwoBasins(Law):
    """ln L is a^2 - 1 at x = 1, (a - 1)/10 at x = 2 and constant at x = 3."""

    a: float = param("the only parameter", domain=Domain.REAL)

    def __call__(self, x: Variable) -> Loss:
        one, two, three = (x - 2) * (x - 3) / 2, (x - 1) * (3 - x), (x - 1) * (x - 2) / 2
        exponent = one * (self.a**2 - 1) + two * (self.a - 1) / 10 + three * CONSTANT
        return namespace(x).exp(exponent)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        yield from ({"a": a} for a in (1.2, -1.2, 0.8, -0.8))


def _fit(points: Points, law: str | type[Law], objective: Objective = SQUARES) -> Optimum:
    cls = laws.get(law) if isinstance(law, str) else law
    return optimise(make_problem(points, cls, objective))


def test_both_minima_of_two_are_reported() -> None:
    # Half of (a^2 - 1)^2 + (a - 1)^2/100 + CONSTANT^2; its slope is (a - 1)(2 a (a + 1) + 1/100).
    other = (-1 - np.sqrt(1 - 0.02)) / 2
    best = CONSTANT**2 / 2
    second = best + ((other**2 - 1) ** 2 + (other - 1) ** 2 / 100) / 2
    points = Points({"x": np.array([1.0, 2.0, 3.0])}, np.ones(3), ["one", "two", "three"])
    optimum = _fit(points, TwoBasins)
    assert optimum.law.values()["a"] == pytest.approx(1.0, rel=1e-7)
    assert optimum.value == pytest.approx(best, rel=1e-12)
    assert optimum.diagnostics["basins"] == pytest.approx([best, second], rel=1e-10)
    assert 0 < optimum.diagnostics["agree"] < 1


@pytest.mark.parametrize("objective", [HUBER, SQUARES], ids=lambda o: o.name)
def test_a_convex_problem_has_one_basin(objective: Objective) -> None:
    # A straight line in logarithms.
    points = noise(fit_of("kaplan_n"), np.random.default_rng(1)).points
    optimum = _fit(points, "kaplan_n", objective)
    assert optimum.diagnostics["basins"] == pytest.approx([optimum.value], rel=1e-10)
    assert optimum.diagnostics["agree"] == 1.0


@pytest.mark.parametrize("objective", [HUBER, SQUARES], ids=lambda o: o.name)
@pytest.mark.parametrize("law", [n for n in laws.names() if not laws.get(n).question])
def test_the_slope_is_zero(law: str, objective: Objective) -> None:
    points = noise(fit_of(law), np.random.default_rng(2)).points
    optimum = _fit(points, law, objective)
    search = Search(laws.get(law), points, objective)
    u = search.free(optimum.law.values())
    steep = np.max(np.abs(search.gradient(u + 1e-3)))
    assert np.max(np.abs(search.gradient(u))) < 1e-6 * steep
    assert optimum.diagnostics["gradient_norm"] < 1e-6 * steep


def test_the_condition_number_of_a_straight_line() -> None:
    # Residuals are alpha (ln Nc - ln N) - ln L; least squares make them sum to zero, also times
    # ln N, so the Hessian is J'J. Scaled to a unit diagonal it is [[1, c], [c, 1]].
    points = noise(fit_of("kaplan_n"), np.random.default_rng(3)).points
    optimum = _fit(points, "kaplan_n")
    t = np.log(optimum.law.values()["Nc"] / points.inputs["N"])
    c = np.mean(t) / np.sqrt(np.mean(t**2))
    assert optimum.diagnostics["condition"] == pytest.approx((1 + c) / (1 - c), rel=1e-6)
    assert optimum.status is Status.CONVERGED


def test_inputs_that_move_as_one_are_ill_conditioned() -> None:
    # D = 20 N leaves one power law in N, which a and b share in any proportion.
    fit = fit_of("overtraining")
    N = scattered(fit, np.random.default_rng(4))["N"]
    L = fit.law(N=N, D=20 * N) * np.exp(0.005 * np.random.default_rng(5).standard_normal(len(N)))
    runs = [f"run{i}" for i in range(len(N))]
    optimum = _fit(Points({"N": N, "D": 20 * N}, L, runs), "overtraining")
    alone = _fit(Points({"x": N}, L, runs), "power_law")
    assert optimum.value == pytest.approx(alone.value, rel=1e-9)
    assert optimum.diagnostics["condition"] > 1e10
    assert optimum.status is Status.ILL_CONDITIONED
    assert optimum.at_bound == ()
    a, b, eta = (optimum.law.values()[n] for n in ("a", "b", "eta"))
    assert 2 * eta == pytest.approx(alone.law.values()["alpha"], rel=1e-5)
    both = 6**-eta * (a + b * 20 ** (-2 * eta))
    assert both == pytest.approx(alone.law.values()["A"], rel=1e-4)


@pytest.mark.parametrize(
    ("law", "term", "gone"),
    [
        ("chinchilla", "B", ("B", "beta")),
        ("average_parameters", "A", ("A", "alpha")),
        ("overtraining", "a", ("a",)),
    ],
)
def test_a_term_that_the_data_deny_is_at_its_bound(
    law: str, term: str, gone: tuple[str, ...]
) -> None:
    # The loss rises with the input of this term: its coefficient would have to be negative.
    fit = fit_of(law)
    columns = scattered(fit, np.random.default_rng(6))
    without = changed(fit.law, **{term: 0.0})
    rising, other = list(columns) if term in ("A", "a") else list(columns)[::-1]
    tilt = 0.01 * np.log(columns[rising] / np.max(columns[rising]))
    L = without(**columns) * np.exp(tilt)
    points = Points(columns, L, [f"run{i}" for i in range(len(L))])
    optimum = _fit(points, law)
    alone = _fit(Points({"x": columns[other]}, L, points.runs), "power_law")
    assert optimum.value == pytest.approx(alone.value, rel=1e-8)
    assert optimum.status is Status.AT_BOUND
    assert set(optimum.at_bound) <= set(gone)
    assert (
        optimum.at_bound
    )  # by its coefficient, or by its exponent: then it is a part of the floor
