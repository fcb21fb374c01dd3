"""IsoFLOP slices: detection, parabolas and lines with closed forms, the bias that they have."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress, t
from tables import TRUTHS, truth

from scaling_cli import laws
from scaling_cli.laws._law import Law
from scaling_cli.laws._optimum import near_optimal, optimal_range
from scaling_cli.point_fits.diagnosis.isoflop import (
    DRIFT,
    Counting,
    isoflop,
    line_through,
    parabola,
    planned,
    slices_of,
)
from scaling_cli.runs.points import Points

BUDGETS = np.geomspace(1e18, 1e21, 4)
STEPS = np.linspace(-0.9, 0.9, 7)  # of ln N around the optimum: symmetric, inside the window


def grid(law: Law, *, steps: np.ndarray = STEPS, budgets: np.ndarray = BUDGETS) -> Points:
    """Return noiseless isoFLOP slices around the optima of a law."""
    best = np.array([float(law.derive("optimal_params", C=C)) for C in budgets])
    N = (best[:, None] * np.exp(steps)).ravel()
    D = np.repeat(budgets, len(steps)) / (6 * N)
    return Points({"N": N, "D": D}, np.asarray(law(N=N, D=D)), [f"r{i}" for i in range(len(N))])


def slices(points: Points, law: Law, headline: float = 1e22, **changes):
    return isoflop(
        points, law, changes.pop("draws", {}), [1e21, 1e22, 1e23], headline=headline, **changes
    )


# --- finding slices -------------------------------------------------------------------------


def test_budgets_are_found_among_other_runs(rng: np.random.Generator) -> None:
    points = grid(truth("chinchilla"))
    N = np.concatenate([points.inputs["N"], [1e8, 3e8, 9e8]])
    C = np.concatenate([np.repeat(BUDGETS, 7), [3e18, 4e19, 2e20]])
    C = C * np.exp(0.05 * rng.uniform(-1, 1, len(C)))  # budgets are never met exactly
    order = rng.permutation(len(N))
    found = slices_of(N[order], C[order])
    assert [sorted(order[rows].tolist()) for rows in found] == [
        list(range(7 * i, 7 * i + 7)) for i in range(4)
    ]


def test_repeats_of_one_size_are_no_slice() -> None:
    assert slices_of(np.full(30, 1e8), np.full(30, 1e19)) == []


def test_tables_without_slices() -> None:
    law = truth("chinchilla")
    assert slices(grid(law, budgets=BUDGETS[:2]), law) is None
    assert slices(grid(law, steps=STEPS[:2]), law) is None
    noisy = grid(law, steps=STEPS[:4])  # four sizes are enough only where budgets are met exactly
    moved = noisy.inputs["D"] * np.exp(0.08 * np.sin(np.arange(len(noisy))))
    assert slices(replace(noisy, inputs={"N": noisy.inputs["N"], "D": moved}), law) is None
    one = Points({"x": np.geomspace(1, 9, 9)}, np.ones(9), list("abcdefghi"))
    assert slices(one, truth("power_law")) is None


@pytest.mark.parametrize("sizes", [3, 4, 7])
def test_budgets_that_are_logged_are_slices_from_three_sizes_on(sizes: int) -> None:
    law = truth("chinchilla")
    steps = np.linspace(-0.6, 0.6, sizes)
    points = grid(law, steps=steps)
    # The same runs with compute counted at 1.5 x 6ND: budgets in that count, and N* in it.
    found = slices(replace(points, compute=1.5 * law.along(points.inputs)), law)
    assert found is not None and found.logged
    assert [b.compute for b in found.budgets] == pytest.approx(1.5 * BUDGETS)
    assert [b.n for b in found.budgets] == [sizes] * 4
    at = found.allocations[0]  # asked at 1e21 of the law, which is 1.5e21 as it was counted
    assert at.compute == pytest.approx(1.5e21)
    assert at.law_size == pytest.approx(float(law.derive("optimal_params", C=1e21)), rel=0.005)
    assert at.size == pytest.approx(at.law_size, rel=0.02)
    assert "logged" in str(found.to_dict()["compute"])


def test_compute_that_depends_on_the_size() -> None:
    law, s = truth("chinchilla"), 0.1
    sizes = np.geomspace(1e7, 1e11, 200)
    counting = Counting.of(law, sizes, (sizes / 1e12) ** -s)  # 6ND of a size that counts as N^(1-s)
    p, x = law.values(), 1 - s
    # L = E + A/N^alpha + B (6 N^x 1e12^s / C)^beta has its minimum where its derivative is zero.
    C = 1e20
    K = p["B"] * (6 * 1e12**s / C) ** p["beta"]
    power = p["alpha"] + x * p["beta"]
    best = (p["alpha"] * p["A"] / (x * p["beta"] * K)) ** (1 / power)
    assert counting.optimum(C) == pytest.approx(best, rel=0.01)  # the grid's step is 0.5 %


def test_a_grid_is_no_design_of_budgets() -> None:
    # Powers of two meet budgets by accident: 3 to 5 sizes on nine antidiagonals, 16 of 25 points.
    N, D = np.meshgrid(1e7 * 2.0 ** np.arange(5), 1e9 * 2.0 ** np.arange(5))
    assert planned(N.ravel(), (6 * N * D).ravel()) == []
    some = np.abs(np.log2(N * D / 1e16) - 4) <= 1  # three antidiagonals alone are one
    rows = planned(N[some], (6 * N * D)[some])
    assert [len(r) for r in rows] == [4, 5, 4]


# --- parabolas ------------------------------------------------------------------------------


def test_an_exact_parabola_is_found_exactly() -> None:
    x = np.array([18.0, 18.3, 18.7, 19.0, 19.4])
    near, curvature, best, least = parabola(x, 2.5 + 0.07 * (x - 18.6) ** 2)
    assert near.all()
    assert (curvature, best, least) == pytest.approx((0.07, 18.6, 2.5), rel=1e-9)


def test_only_points_near_the_minimum_count() -> None:
    x = np.linspace(16, 22, 25)
    y = 2.5 + 0.07 * (x - 18.6) ** 2 + np.where(np.abs(x - 18.6) > 1.2, 0.5, 0.0)
    near, curvature, best, _ = parabola(x, y)
    assert np.max(np.abs(x[near] - 18.6)) <= 1.0
    assert (curvature, best) == pytest.approx((0.07, 18.6), rel=1e-9)


def test_a_hill_has_no_minimum() -> None:
    x = np.linspace(18, 20, 7)
    _, curvature, *_ = parabola(x, 2.5 - 0.07 * (x - 19) ** 2)
    assert curvature == pytest.approx(-0.07)
    flat = parabola(x, np.full(7, 2.5))
    assert flat[1] == pytest.approx(0, abs=1e-12)


# --- the line -------------------------------------------------------------------------------


def test_the_line_and_its_interval_are_those_of_least_squares() -> None:
    C, sizes = [1e18, 1e19, 1e20, 1e21], [1e8, 3.3e8, 0.9e9, 3.1e9]
    line = line_through(C, sizes)
    assert line is not None
    oracle: Any = linregress(np.log(C), np.log(sizes))
    assert line.slope == pytest.approx(oracle.slope, rel=1e-12)
    x = np.log(C)
    r = np.log(sizes) - oracle.intercept - oracle.slope * x
    at = np.log(1e20)
    sd = np.sqrt(
        np.sum(r**2) / 2 * (1 + 1 / 4 + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    )
    assert line.half_width(1e20, 0.9) == pytest.approx(t.ppf(0.95, 2) * sd, rel=1e-10)
    # Two decades beyond the budgets the drift is added in quadrature.
    far = np.sqrt(np.sum(r**2) / 2) * np.sqrt(
        1 + 1 / 4 + (np.log(1e23) - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    )
    assert line.half_width(1e23, 0.9) == pytest.approx(
        np.hypot(t.ppf(0.95, 2) * far, 2 * DRIFT), rel=1e-10
    )
    assert line_through(C[:2], sizes[:2]) is None


# --- the whole ------------------------------------------------------------------------------


def test_equal_exponents_on_a_centred_grid_have_no_bias() -> None:
    # L is then a hyperbolic cosine of ln N around N*: even, so its parabola is centred on N*.
    law = truth("overtraining")
    found = slices(grid(law), law)
    assert found is not None
    assert found.line is not None
    for budget, C in zip(found.budgets, BUDGETS, strict=True):
        assert budget.compute == pytest.approx(C, rel=1e-12)
        assert budget.optimum == pytest.approx(float(law.derive("optimal_params", C=C)), rel=1e-6)
        assert budget.simulated == pytest.approx(0, abs=1e-6)
        assert budget.centring == pytest.approx(0, abs=1e-6)
    assert found.line.slope == pytest.approx(0.5, rel=1e-6)
    assert found.bias == pytest.approx(0, abs=1e-5)
    (_, far, _) = found.allocations
    assert far.size == pytest.approx(float(law.derive("optimal_params", C=1e22)), rel=1e-5)
    assert far.agree


def test_a_lopsided_grid_is_biased_and_the_bias_is_simulated() -> None:
    law = truth("chinchilla")
    found = slices(grid(law, steps=np.linspace(-0.2, 1.6, 7)), law)
    assert found is not None
    # On noiseless losses of the law itself the simulation is the whole error.
    for budget in found.budgets:
        best = float(law.derive("optimal_params", C=budget.compute))
        assert budget.optimum is not None
        assert budget.simulated == pytest.approx(np.log(budget.optimum / best), abs=1e-9)
        assert abs(budget.simulated or 0.0) > 1e-3
        assert (budget.centring or 0.0) < -0.3
    far = found.nearest(1e22)
    assert found.bias == pytest.approx(np.log(far.size / (far.law_size or np.nan)), abs=1e-9)


def test_points_are_moved_along_the_law_to_their_budget() -> None:
    law = truth("overtraining")
    exact = grid(law)
    D = exact.inputs["D"] * np.exp(0.04 * np.tile([1, -1], 14))  # the budget is met within 4 %
    moved = replace(
        exact,
        inputs={"N": exact.inputs["N"], "D": D},
        output=np.asarray(law(N=exact.inputs["N"], D=D)),
    )
    found = slices(moved, law)
    assert found is not None
    for budget in found.budgets:
        best = float(law.derive("optimal_params", C=budget.compute))
        assert budget.optimum == pytest.approx(best, rel=2e-4)


def test_minima_outside_the_sizes_are_not_used() -> None:
    law = truth("chinchilla")
    above = slices(grid(law, steps=np.linspace(-2.5, -0.7, 7)), law)
    assert above is not None
    assert {b.reason for b in above.budgets} == {"the minimum lies above the sizes that were run"}
    assert (above.line, above.allocations, above.bias) == (None, [], None)
    below = slices(grid(law, steps=np.linspace(0.7, 2.5, 7)), law)
    assert below is not None
    assert {b.reason for b in below.budgets} == {"the minimum lies below the sizes that were run"}
    assert above.to_dict()["exponent"] is None


def test_the_hull_holds_both_intervals() -> None:
    law = truth("overtraining")
    draws = {n: v * np.ones(201) for n, v in TRUTHS["overtraining"].items()}
    draws["a"] = draws["a"] * np.linspace(0.5, 1.5, 201)
    found = slices(grid(law), law, draws=draws)
    assert found is not None
    far = found.nearest(1e22)
    own = optimal_range(law, draws, 1e22, 0.9)
    assert own is not None
    assert far.law_interval == own
    # N* grows with (a/b)^(1/(4 eta)): its quantiles are those of a.
    best, eta = float(law.derive("optimal_params", C=1e22)), TRUTHS["overtraining"]["eta"]
    ends = [best * a ** (1 / (4 * eta)) for a in (0.55, 1.45)]
    assert own == pytest.approx(tuple(ends), rel=1e-9)
    assert far.hull == (min(own[0], far.interval[0]), max(own[1], far.interval[1]))


def test_the_range_of_the_best_size_holds_that_of_the_law() -> None:
    law, eta = truth("overtraining"), TRUTHS["overtraining"]["eta"]
    draws = {n: v * np.ones(201) for n, v in TRUTHS["overtraining"].items()}
    above = draws | {"a": draws["a"] * 2}
    best = float(law.derive("optimal_params", C=1e22))
    assert optimal_range(law, above, 1e22, 0.9) == (
        pytest.approx(best, rel=1e-12),
        pytest.approx(best * 2 ** (1 / (4 * eta)), rel=1e-12),
    )
    assert optimal_range(law, {}, 1e22, 0.9) is None
    assert optimal_range(law, None, 1e22, 0.9) is None
    none = draws | {"a": np.zeros(201)}
    assert (
        optimal_range(laws.get("overtraining")(**TRUTHS["overtraining"]), none, 1e22, 0.9) is None
    )


def test_draws_to_one_side_of_the_law_are_laid_about_it_too() -> None:
    """N* grows with a^(1 / (4 eta)): draws of 1.1 to 1.9 a have the median 1.5 a."""
    law, eta = truth("overtraining"), TRUTHS["overtraining"]["eta"]
    draws = {n: v * np.ones(201) for n, v in TRUTHS["overtraining"].items()}
    draws["a"] = draws["a"] * np.linspace(1.1, 1.9, 201)
    best = float(law.derive("optimal_params", C=1e22))
    low, high = (best * a ** (1 / (4 * eta)) for a in (1.14 / 1.5, 1.86))
    assert optimal_range(law, draws, 1e22, 0.9) == pytest.approx((low, high), rel=1e-12)
    draws["a"][0] = 0.0  # one without an optimum: nothing holds all of them
    assert optimal_range(law, draws, 1e22, 0.9) is None


# --- how flat the optimum is -----------------------------------------------------------------

FAR = 1e22  # FLOP


def test_equal_exponents_have_a_closed_form() -> None:
    # At one compute the over-training law is E + K cosh(2 eta ln(N/N*)).
    law = truth("overtraining")
    best, eta = float(law.derive("optimal_params", C=FAR)), TRUTHS["overtraining"]["eta"]
    least = float(law.derive("optimal_loss", C=FAR))
    rise = 1 + 0.005 * least / (least - TRUTHS["overtraining"]["E"])
    away = np.exp(np.arccosh(rise) / (2 * eta))
    (ends,) = near_optimal(law, FAR, {}, [0.005]).values()
    assert ends == pytest.approx((best / away, best * away), rel=1e-9)


def test_ends_have_the_loss_they_promise() -> None:
    law = truth("chinchilla")
    least = float(law.derive("optimal_loss", C=FAR))
    found = near_optimal(law, FAR, {})
    assert list(found) == [0.001, 0.005]
    for share, ends in found.items():
        for N in ends:
            assert float(law(N=N, D=FAR / (6 * N))) == pytest.approx(least * (1 + share), rel=1e-12)
    assert found[0.005][0] < found[0.001][0] < found[0.001][1] < found[0.005][1]


def test_a_surface_without_an_end_says_so() -> None:
    values = {"E": 2.0, "A": 1e-3, "B": 1e-3, "alpha": 0.3, "beta": 0.3}
    law = laws.get("chinchilla")(**values)
    assert near_optimal(law, FAR, {}, [0.001]) == {0.001: (0.0, np.inf)}
