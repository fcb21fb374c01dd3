"""Refits that begin near the fit against refits that begin at it, and against regression."""

from typing import Any

import numpy as np
import pytest

from scaling_cli.engine import nearby, tasks
from scaling_cli.engine.nearby import Nearby
from scaling_cli.engine.problem import Problem, Solution
from scaling_cli.engine.solve import solve
from scaling_cli.engine.units import Units
from scaling_cli.laws._law import Domain, Law, namespace, param
from scaling_cli.laws.chinchilla import Chinchilla
from scaling_cli.point_fits.certainty.resampling import resample_counts
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Variable

COUNT, N = 60, 120


class Line(Law):
    """ln L = a + b x: linear, so that weighted regression is the exact answer."""

    a: float = param("level", domain=Domain.REAL)
    b: float = param("slope", domain=Domain.REAL)

    def __call__(self, x: Variable) -> Loss:
        return namespace(x).exp(self.a + self.b * x)


def _grid(**held: Any) -> Problem:
    """Return a fit of 120 points of Chinchilla's law, noise 0.6 %, many beyond Huber's corner."""
    generator = np.random.default_rng(5)
    inputs = {"N": np.exp(generator.uniform(17, 22, N)), "D": np.exp(generator.uniform(21, 26, N))}
    truth = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
    output = truth(**inputs) * np.exp(0.006 * generator.standard_normal(N))
    points = Points(inputs, output, [str(i) for i in range(N)])
    return make_problem(points, Chinchilla, Objective(), **held)


def _lanes(problem: Problem, kind: str) -> dict[str, Any]:
    if kind == "outputs":
        noise = 0.006 * np.random.default_rng(7).standard_normal((COUNT, N))
        return {"output": problem.output * np.exp(noise)}
    return {"weight": resample_counts(np.arange(N), COUNT, 7)}


def _ends(problem: Problem, begin: np.ndarray, kind: str, *, near: bool) -> Solution:
    starts = np.tile(begin, (COUNT, 1))
    return solve(problem, starts, **_lanes(problem, kind), near=near)


@pytest.mark.parametrize("kind", ["weights", "outputs", "fixed"])
def test_refits_end_where_they_do_from_the_fit_in_fewer_iterations(kind: str) -> None:
    problem = _grid(fix={"E": 1.8}) if kind == "fixed" else _grid()
    begin = optimise(problem).u
    near, far = (_ends(problem, begin, kind, near=one) for one in (True, False))
    assert near.converged.all()
    sd = np.std(far.u, axis=0)
    np.testing.assert_allclose((near.u - far.u) / sd, 0, atol=2e-4)
    np.testing.assert_allclose(near.value, far.value, rtol=nearby.STOP)
    assert np.mean(near.iterations) < 0.7 * np.mean(far.iterations)


def test_lanes_that_the_steps_lead_astray_are_solved_from_the_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = _grid()
    begin = optimise(problem).u
    far = _ends(problem, begin, "weights", near=False)

    def astray(self: Nearby, pool: tasks.Work) -> tasks.Work:
        """Every other lane begins where the law has left the doubles, or far up the sum."""
        away = np.resize([0.0, 900.0, 0.0, 9.0], len(pool.weight))
        start = pool.start + away[:, None] * np.array([1.0, 0, 0, 0, 0])
        return pool._replace(start=start)

    monkeypatch.setattr(Nearby, "begun", astray)
    near = _ends(problem, begin, "weights", near=True)
    np.testing.assert_allclose((near.u - far.u) / np.std(far.u, axis=0), 0, atol=1e-6)


def _pool(units: Units, u: np.ndarray, weight: np.ndarray) -> tasks.Work:
    none = np.zeros((1, len(u)))
    return tasks.Work(
        start=units.inward(u[None]),
        moves=none + 1,
        target=units.target(units.problem.output)[None],
        weight=weight,
        corner=np.array([np.inf]),
        prior_mean=none,
        prior_precision=none,
        total=np.sum(weight, axis=1),
        damping=np.array([0.3]),
        stop=np.array([tasks.STOP]),
    )


def test_steps_are_those_of_weighted_regression() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.uniform(0, 1, 40), 0.1 * generator.standard_normal(40)
    problem = make_problem(
        Points({"x": x}, np.exp(y), [str(i) for i in range(40)]), Line, Objective("l2")
    )
    u, weight = np.array([0.05, -0.02]), generator.uniform(0.5, 2, (3, 40))
    units = Units.of(problem)
    begun = Nearby.of(units, u).begun(_pool(units, u, weight)).start
    ends = np.array([np.polyfit(x, y, 1, w=np.sqrt(w))[::-1] for w in weight])
    # Each damped step leaves d / (1 + d) of the way.
    left = np.prod([d / (1 + d) for d in (0.1, 0.03, 0.03)])
    np.testing.assert_allclose(begun - ends, left * (units.inward(u[None]) - ends), rtol=1e-6)


def test_lanes_without_a_step_begin_at_the_fit() -> None:
    """One point's weight alone, or none: no matrix to solve with."""
    x = np.linspace(0.1, 1, 40)
    problem = make_problem(
        Points({"x": x}, np.exp(x), [str(i) for i in range(40)]), Line, Objective("l2")
    )
    u, weight = np.array([0.05, 0.9]), np.zeros((3, 40))
    weight[1, 4], weight[2] = 1.0, 1.0
    units = Units.of(problem)
    given = _pool(units, u, weight)
    begun = Nearby.of(units, u).begun(given)
    np.testing.assert_array_equal(begun.start[0], given.start[0])
    assert begun.damping.tolist()[0] == 0.3
    assert begun.damping.tolist()[2] == nearby.FIRST_DAMPING
    assert np.all(np.isfinite(begun.start))
