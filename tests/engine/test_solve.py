"""The engine against NumPy: values, derivatives, padding, lanes, weights, priors, starts."""

import numpy as np
import pytest
import scipy.optimize
from tables import TRUTHS, free, inputs, jacobian, objective_sum, residuals, table

from scaling_cli import laws
from scaling_cli.engine import nearby
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.engine.solve import solve
from scaling_cli.engine.starts import around, exchanged, starts
from scaling_cli.engine.tasks import padded
from scaling_cli.laws._law import Domain, Law, namespace, param
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Variable

CHINCHILLA = laws.get("chinchilla")
NOISY = table("chinchilla", noise=0.01, seed=3, outliers=2)


class Line(Law):
    """ln L = a + b x: linear in real parameters, so that ridge regression is the exact answer."""

    a: float = param("level", domain=Domain.REAL)
    b: float = param("slope", domain=Domain.REAL)

    def __call__(self, x: Variable) -> Loss:
        return namespace(x).exp(self.a + self.b * x)


def _near_truth(count: int, spread: float, seed: int) -> np.ndarray:
    centre = free(CHINCHILLA, TRUTHS["chinchilla"])
    return centre + spread * np.random.default_rng(seed).standard_normal((count, 5))


def _chinchilla_jacobian(u: np.ndarray, points: Points, space: str) -> np.ndarray:
    """Return d residual / d (ln E, ln A, ln B, ln alpha, ln beta) in closed form, complex u."""
    E, A, B, alpha, beta = np.exp(u)
    N, D = points.inputs["N"], points.inputs["D"]
    size, data = A * N**-alpha, B * D**-beta
    columns = [E + 0 * size, size, data, -alpha * np.log(N) * size, -beta * np.log(D) * data]
    J = np.stack(columns, axis=1)
    return J / (E + size + data)[:, None] if space == "log" else J


def _gradient(u: np.ndarray, objective: Objective, weight: np.ndarray) -> np.ndarray:
    """Return sum w psi(r) J in closed form; complex steps through it give the exact Hessian."""
    r = residuals(CHINCHILLA, u, NOISY, objective.space)
    corner = np.inf if objective.name == "l2" else objective.delta
    psi = np.where(np.abs(np.real(r)) <= corner, r, corner * np.sign(np.real(r)))
    return _chinchilla_jacobian(u, NOISY, objective.space).T @ (weight * psi)


OBJECTIVES = [
    Objective("huber", 0.008, "log"),
    Objective("l2", 1e-3, "log"),
    Objective("huber", 0.02, "linear"),
    Objective("l2", 1e-3, "linear"),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{o.name}-{o.space}")
def test_value_gradient_and_hessians_are_those_of_the_objective(objective: Objective) -> None:
    problem = make_problem(NOISY, CHINCHILLA, objective)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, len(NOISY))
    mean = np.array([0.1, 5.0, 7.0, -1.0, -1.2])
    precision = np.array([0.3, 0.0, 0.01, 0.2, 1.5]) * 1e-2
    # One call of the executable: lanes that begin far away stop before the optimum.
    begin = np.concatenate([_near_truth(1, spread, 1) for spread in (0.02, 0.1, 0.3)])
    found = solve(
        problem,
        begin,
        weight=np.tile(weight, (3, 1)),
        prior_mean=np.tile(mean, (3, 1)),
        prior_precision=np.tile(precision, (3, 1)),
        max_iterations=4,
    )
    corner = np.inf if objective.name == "l2" else objective.delta
    outside = []
    for lane, u in enumerate(found.u):
        r = residuals(CHINCHILLA, u, NOISY, objective.space)
        outside.append(np.abs(r) > corner)
        single = [objective_sum(objective, r[[i]]) for i in range(len(r))]
        value = weight @ single + 0.5 * precision @ (u - mean) ** 2
        gradient = _gradient(u, objective, weight) + precision * (u - mean)
        np.testing.assert_allclose(found.value[lane], value, rtol=1e-12)
        np.testing.assert_allclose(found.gradient[lane], gradient, rtol=1e-9, atol=1e-13)
        J = jacobian(CHINCHILLA, u, NOISY, objective.space)
        slope = weight * np.minimum(1.0, corner / np.abs(r))
        irls = (J * slope[:, None]).T @ J + np.diag(precision)
        np.testing.assert_allclose(found.irls[lane], irls, rtol=1e-9, atol=1e-13)
        exact = np.stack(
            [np.imag(_gradient(u + 1e-30j * e, objective, weight)) / 1e-30 for e in np.eye(5)]
        ) + np.diag(precision)
        np.testing.assert_allclose(found.hessian[lane], exact, rtol=1e-9, atol=1e-12)
    assert np.max(np.abs(found.gradient)) > 1e-4
    assert np.any(outside) == (objective.name == "huber")
    assert not np.all(outside)


def test_points_of_no_weight_change_nothing() -> None:
    few = NOISY.take(np.arange(13))
    generator = np.random.default_rng(0)
    padding = {s: generator.uniform(1e6, 1e12, 227) for s in few.inputs}
    many = Points(
        {s: np.concatenate([v, padding[s]]) for s, v in few.inputs.items()},
        np.concatenate([few.output, generator.uniform(0.1, 50.0, 227)]),
        [str(i) for i in range(240)],
    )
    begin = _near_truth(2, 0.02, 2)
    alone = solve(make_problem(few, CHINCHILLA, Objective()), begin)
    weight = np.where(np.arange(240) < 13, 1.0, 0.0)
    padded = solve(
        make_problem(many, CHINCHILLA, Objective()), begin, weight=np.tile(weight, (2, 1))
    )
    assert alone.converged.all()
    np.testing.assert_allclose(padded.u, alone.u, rtol=1e-9)
    np.testing.assert_allclose(padded.value, alone.value, rtol=1e-12)


def test_more_starts_than_lanes_end_where_each_ends_alone() -> None:
    problem = make_problem(NOISY, CHINCHILLA, Objective())
    begin = _near_truth(150, 0.3, 4)
    together = solve(problem, begin)
    for i in (0, 1, 63, 64, 65, 100, 127, 128, 149):
        alone = solve(problem, begin[i : i + 1])
        np.testing.assert_allclose(together.u[i], alone.u[0], rtol=1e-7)
        assert together.value[i] == pytest.approx(alone.value[0], rel=1e-10)
        assert together.converged[i] == alone.converged[0]


def test_outputs_weights_and_corners_belong_to_their_lane() -> None:
    problem = make_problem(NOISY, CHINCHILLA, Objective())
    begin = np.repeat(_near_truth(1, 0.05, 6), 2, axis=0)
    scaled = np.stack([NOISY.output, 1.5 * NOISY.output])
    both = solve(problem, begin, output=scaled, corner=np.array([1e-3, np.inf]))
    huber, least_squares = (
        objective_sum(o, residuals(CHINCHILLA, u, p, "log"))
        for o, u, p in (
            (Objective(), both.u[0], NOISY),
            (Objective("l2"), both.u[1], Points(NOISY.inputs, scaled[1], NOISY.runs)),
        )
    )
    np.testing.assert_allclose(both.value, [huber, least_squares], rtol=1e-12)
    l2 = solve(make_problem(NOISY, CHINCHILLA, Objective("l2")), begin[:1])
    # Scaling the outputs scales E, A and B and leaves the exponents.
    np.testing.assert_allclose(both.u[1] - l2.u[0], [np.log(1.5)] * 3 + [0, 0], atol=1e-7)


def test_counts_are_repeated_rows() -> None:
    counts = np.array([2, 0, 1, 1, 3, 1, 0, 1, 1, 1, 0, 2, 1, 1, 1])
    repeated = NOISY.take(np.repeat(np.arange(15), counts))
    begin = _near_truth(1, 0.05, 7)
    weighted = solve(
        make_problem(NOISY, CHINCHILLA, Objective()), begin, weight=counts[None].astype(float)
    )
    physical = solve(make_problem(repeated, CHINCHILLA, Objective()), begin)
    np.testing.assert_allclose(weighted.u, physical.u, rtol=1e-6)
    np.testing.assert_allclose(weighted.value, physical.value, rtol=1e-12)


def test_priors_are_ridge_regression() -> None:
    generator = np.random.default_rng(8)
    x, y = generator.uniform(-1, 1, 12), generator.normal(0.5, 1.0, 12)
    problem = Problem(
        Line, {"x": x}, np.exp(y), np.ones(12), Objective("l2"), Frame.of(Line, {}, {})
    )
    mean, precision = np.array([[0.3, -2.0]]), np.array([[4.0, 9.0]])
    found = solve(problem, np.zeros((1, 2)), prior_mean=mean, prior_precision=precision)
    X = np.stack([np.ones(12), x], axis=1)
    normal = X.T @ X + np.diag(precision[0])
    ridge = np.linalg.solve(normal, X.T @ y + precision[0] * mean[0])
    np.testing.assert_allclose(found.u[0], ridge, rtol=1e-12)
    np.testing.assert_allclose(found.hessian[0], normal, rtol=1e-12)
    assert found.converged[0]


def test_a_prior_on_one_parameter_of_a_law() -> None:
    # With its exponent held, kaplan_n is linear in ln Nc: the answer is a weighted mean.
    points = table("kaplan_n", noise=0.02, seed=1)
    problem = make_problem(points, laws.get("kaplan_n"), Objective("l2"), fix={"alpha_N": 0.1})
    x, y = np.log(points.inputs["N"]), np.log(points.output)
    found = solve(
        problem,
        np.array([[30.0]]),
        prior_mean=np.array([[29.0, 5.0]]),
        prior_precision=np.array([[2.0, 0.0]]),
    )
    mean = (0.1 * np.sum(y + 0.1 * x) + 2.0 * 29.0) / (0.1**2 * len(y) + 2.0)
    assert found.u[0, 0] == pytest.approx(mean, rel=1e-12)


def test_frames_hold_and_tie() -> None:
    held = Frame.of(CHINCHILLA, {"E": 1.7, "alpha": 0.3}, {"beta": "alpha", "B": "A"})
    assert held.names == ("A",)
    problem = make_problem(NOISY, CHINCHILLA, Objective())
    problem = Problem(**{**vars(problem), "frame": held})
    values = problem.parameters(np.log([[400.0], [500.0]]))
    expected = {
        "E": [1.7] * 2,
        "A": [400, 500],
        "B": [400, 500],
        "alpha": [0.3] * 2,
        "beta": [0.3] * 2,
    }
    assert set(values) == set(expected)
    for name, numbers in expected.items():
        np.testing.assert_allclose(values[name], numbers, rtol=1e-14)


def test_a_lane_that_starts_outside_the_numbers_is_not_finite() -> None:
    problem = make_problem(NOISY, CHINCHILLA, Objective())
    begin = np.array([[900.0, 5.0, 7.0, -1.0, -1.0], _near_truth(1, 0.05, 2)[0]])
    found = solve(problem, begin)
    assert not np.isfinite(found.value[0])
    assert np.isfinite(found.value[1])
    assert found.converged.tolist() == [False, True]


def test_starts_of_noiseless_data_hold_the_truth() -> None:
    # alpha and beta on the declared grid: the linear parameters must come out exactly.
    law = CHINCHILLA(**TRUTHS["chinchilla"] | {"B": 300.0, "alpha": 0.36, "beta": 0.28})
    points = Points(inputs("chinchilla"), law(**inputs("chinchilla")), [""] * 15)
    first = starts(make_problem(points, CHINCHILLA, Objective()))[0]
    np.testing.assert_allclose(np.exp(first), list(law.values().values()), rtol=1e-7)


def test_starts_are_non_negative_least_squares_best_first() -> None:
    problem = make_problem(NOISY, CHINCHILLA, Objective())
    found = starts(problem)
    N, D, L = NOISY.inputs["N"], NOISY.inputs["D"], NOISY.output
    costs = {}
    for alpha in CHINCHILLA.parameters()["alpha"].starts:
        for beta in CHINCHILLA.parameters()["beta"].starts:
            columns = np.stack([np.ones(15), N**-alpha, D**-beta], axis=1) / L[:, None]
            norm = np.linalg.norm(columns, axis=0)
            costs[alpha, beta] = scipy.optimize.nnls(columns / norm, np.ones(15))[1]
    expected = sorted(costs, key=lambda pair: costs[pair])[:20]
    np.testing.assert_allclose(np.exp(found[:20, 3:]), expected, rtol=1e-12)
    assert len(found) == len(costs)


def test_random_starts_are_normal_around_their_centres() -> None:
    """In units of the smallest N and D: A and B are the sizes of their terms there."""
    problem, centre = make_problem(NOISY, CHINCHILLA, Objective()), _near_truth(1, 0.0, 0)
    found = around(problem, centre, [0.5] * 4000, seed=1)

    def sizes(u: np.ndarray) -> np.ndarray:
        out = np.array(u)
        for coefficient, exponent, symbol in ((1, 3, "N"), (2, 4, "D")):
            out[:, coefficient] -= np.exp(u[:, exponent]) * np.log(np.min(NOISY.inputs[symbol]))
        return out

    moved = sizes(found) - sizes(centre)
    np.testing.assert_allclose(moved.mean(axis=0), 0.0, atol=4 * 0.5 / np.sqrt(4000))
    np.testing.assert_allclose(moved.std(axis=0), 0.5, rtol=4 / np.sqrt(8000))
    np.testing.assert_array_equal(found, around(problem, centre, [0.5] * 4000, seed=1))
    assert not np.array_equal(found, around(problem, centre, [0.5] * 4000, seed=2))


def test_the_process_keeps_its_own_precision() -> None:
    import jax.numpy as jnp

    solve(make_problem(NOISY, CHINCHILLA, Objective()), _near_truth(1, 0.05, 2))
    assert jnp.ones(1).dtype == np.float32


def test_terms_that_are_exchanged_and_spread_alike_predict_what_they_did() -> None:
    """Two inputs that are powers of one another: which term is whose makes no difference then."""
    N = np.geomspace(1e7, 1e10, 12)
    D = 1e9 * (N / 1e7) ** 0.7
    truth = {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.35, "beta": 0.25}
    law = CHINCHILLA(**truth)
    inputs_ = {"N": N, "D": D}
    points = Points({**inputs_, "x": N}, law(**inputs_), [str(i) for i in range(12)])
    problem = make_problem(points, CHINCHILLA, Objective())
    u = free(CHINCHILLA, law.values())[None]
    other = exchanged(problem, u)
    assert other[0, 3] == pytest.approx(np.log(0.25 * 0.7))
    values = {n: float(v[0]) for n, v in problem.parameters(other).items()}
    np.testing.assert_allclose(CHINCHILLA(**values)(**inputs_), points.output, rtol=1e-12)
    assert len(exchanged(make_problem(points, laws.get("power_law"), Objective()), u[:, :3])) == 0


def test_kaplans_joint_loss_is_a_kink_where_its_terms_leave_the_doubles() -> None:
    """(Nc/N)^(alpha_N/alpha_D) is 1e600 and 1e-600 here, and one of the terms is the loss."""
    N, D = np.array([1e4, 1e8]), np.array([1e9, 1e9])
    values = {"Nc": 1e6, "Dc": 1e9 * 3.0**500, "alpha_N": 0.6, "alpha_D": 0.002}
    law = laws.get("kaplan_nd")(**values)
    np.testing.assert_allclose(law(N=N, D=D), [(1e6 / 1e4) ** 0.6, 3.0], rtol=1e-12)


def test_coefficients_beyond_every_number_are_infinite_without_a_word() -> None:
    # ln A = 800 is finite, exp(800) is not; N^-alpha vanishes at alpha = 800, and inf * 0 is NaN.
    problem = make_problem(NOISY, CHINCHILLA, Objective())
    u = free(CHINCHILLA, TRUTHS["chinchilla"]) + np.zeros((2, 1))
    u[0, 1], u[1, [1, 3]] = 800.0, (800.0, np.log(800.0))
    values = problem.parameters(u)
    assert values["A"].tolist() == [np.inf, np.inf]
    found = problem.predictions(values)
    assert np.all(found[0] == np.inf)
    assert np.all(np.isnan(found[1]))


def test_refits_of_many_points_from_the_fit_end_there_sooner() -> None:
    generator = np.random.default_rng(5)
    columns = {s: 10 ** generator.uniform(low, low + 3, 2000) for s, low in (("N", 7), ("D", 9))}
    truth = CHINCHILLA(**TRUTHS["chinchilla"])
    output = truth(**columns) * np.exp(0.005 * generator.standard_normal(2000))
    points = Points(columns, output, [str(i) for i in range(2000)])
    problem = make_problem(points, CHINCHILLA, Objective())
    begin = solve(problem, free(CHINCHILLA, TRUTHS["chinchilla"])[None]).u
    weight = generator.multinomial(2000, np.full(2000, 1 / 2000), 50).astype(float)
    many = np.repeat(begin, len(weight), axis=0)
    damped, near = (solve(problem, many, weight=weight, near=near) for near in (False, True))
    assert np.all(damped.converged & near.converged)
    np.testing.assert_allclose(near.value, damped.value, rtol=nearby.STOP)
    sd = np.std(damped.u, axis=0)
    assert np.max(np.abs(near.u - damped.u) / sd) < 2e-4
    assert np.mean(near.iterations) < np.mean(damped.iterations) - 1


@pytest.mark.parametrize(
    ("points", "places"), [(1, 8), (9, 16), (600, 1024), (1025, 1152), (1153, 1280), (2048, 2048)]
)
def test_points_are_padded_to_powers_of_two_and_many_to_sixteenths(
    points: int, places: int
) -> None:
    assert padded(points) == places
