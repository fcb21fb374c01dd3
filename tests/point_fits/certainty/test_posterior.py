"""The posterior: its density by hand; where the extra is installed, a closed form."""

import importlib.util
import math
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
import scipy.stats
from refusals import refusal
from tables import TRUTHS, table

from scaling_cli import laws
from scaling_cli.engine.nuts import Model, log_density
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.laws._law import Law, param
from scaling_cli.point_fits.certainty import posterior
from scaling_cli.point_fits.certainty.posterior import Posterior, sample
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Status
from scaling_cli.vocabulary.quantities import Loss, Variable

SQUARES = Objective("l2")
WEIGHT = np.arange(15) % 3 + 1.0
needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("numpyro") is None,
    reason="numpyro is not installed: pip install 'scaling-cli[posterior]'",
)


class Level(Law):
    """ln L = ln A: a normal mean."""

    A: float = param("level")

    def __call__(self, x: Variable) -> Loss:
        return self.A * x**0


def _model(problem: Problem, freedom: float) -> Model:
    k = len(problem.frame.names)
    return Model(problem, freedom, np.linspace(-1, 1, k), np.linspace(0, 2, k), 0.005, 3)


@pytest.mark.parametrize("freedom", [4.0, math.inf])
@pytest.mark.parametrize("fix", [{}, {"E": 1.8}, {"A": 0.0, "alpha": 1.0}], ids=["none", "E", "A"])
def test_the_density_is_that_of_the_model(freedom: float, fix: dict[str, float]) -> None:
    points = replace(table("chinchilla", noise=0.01, seed=3), weight=WEIGHT)
    problem = make_problem(points, laws.get("chinchilla"), SQUARES, fix)
    model = _model(problem, freedom)

    def by_hand(at: np.ndarray) -> float:
        values = dict(zip(problem.frame.names, np.exp(at[:-1]), strict=True)) | fix
        r = np.log(problem.law(**values)(**points.inputs) / points.output)
        sd = np.exp(at[-1]) / np.sqrt(WEIGHT / WEIGHT.mean())
        if math.isinf(freedom):
            noise = scipy.stats.norm.logpdf(r, scale=sd)
        else:
            noise = scipy.stats.t.logpdf(r, freedom, scale=sd)
        variance = np.exp(2 * at[-1])
        # Scaled inverse chi squared of 3 degrees, times d sigma^2 / d ln sigma.
        own = scipy.stats.invgamma.logpdf(variance, 1.5, scale=1.5 * 0.005**2) + 2 * at[-1]
        prior = -0.5 * np.sum(model.precision * (at[:-1] - model.center) ** 2)
        return float(np.sum(noise) + own + prior)

    truth = [math.log(TRUTHS["chinchilla"][name]) for name in problem.frame.names]
    one = np.append(truth, math.log(0.01))
    two = one + 0.01 * np.arange(len(one))
    with jax.enable_x64(True):
        density = log_density(model)
        found = float(density(two)) - float(density(one))
        slopes = np.asarray(jax.grad(density)(one))
    assert found == pytest.approx(by_hand(two) - by_hand(one), rel=1e-9)
    assert np.all(np.isfinite(slopes))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpyro", None)
    points = table("kaplan_n", noise=0.01)
    problem = make_problem(points, laws.get("kaplan_n"), SQUARES)
    assert refusal(UsageError, sample, Fitted(points, problem, optimise(problem))) == (
        "sampling the posterior needs the package numpyro, which is not installed. "
        "pip install 'scaling-cli[posterior]'"
    )


def _made(r_hat: float, divergences: int) -> Posterior:
    return Posterior(
        {},
        np.zeros(0),
        4.0,
        {"E": 1.001, "sigma": r_hat},
        {"E": 900.4, "sigma": 40},
        divergences,
        4,
        1000,
    )


@pytest.mark.parametrize(
    ("r_hat", "divergences", "converged"),
    [(1.0099, 0, True), (1.0101, 0, False), (math.nan, 0, False), (1.0, 3, False)],
)
def test_what_counts_as_converged(r_hat: float, divergences: int, converged: bool) -> None:
    assert _made(r_hat, divergences).converged is converged


def test_the_summary() -> None:
    assert _made(1.02, 3).summary() == (
        "4 chains of 1000 draws, R-hat at most 1.0200, effective sample size at least 40, "
        "3 divergences"
    )


@needs_extra
def test_the_posterior_of_a_normal_mean_is_students_t() -> None:
    n, own = 12, 3
    y = 0.5 + 0.01 * np.random.default_rng(6).standard_normal(n)
    problem = Problem(
        Level, {"x": np.ones(n)}, np.exp(y), np.ones(n), SQUARES, Frame.of(Level, {}, {})
    )
    optimum = Optimum(
        np.array([y.mean()]), Level(A=math.exp(y.mean())), 0.0, Status.CONVERGED, (), {}
    )
    points = Points(problem.inputs, problem.output, [f"r{i}" for i in range(n)])
    given = Fitted(points, problem, optimum, Resampling(seed=3))
    found = sample(given, freedom=math.inf, warmup=400, draws=1000)
    assert found.converged
    assert set(found.r_hat) == set(found.ess) == {"A", "sigma"}
    # Normal, scaled inverse chi squared: mu is t with own + n - 1 degrees, s^2 pooled.
    freedom = own + n - 1
    pooled = (own * 0.005**2 + np.sum((y - y.mean()) ** 2)) / freedom
    standard = (np.log(found.draws["A"]) - y.mean()) / math.sqrt(pooled / n)
    thinned = slice(None, None, 4)  # draws of a chain are not independent
    assert scipy.stats.kstest(standard[thinned], "t", args=(freedom,)).pvalue > 0.01
    scaled = freedom * pooled / found.sigma[thinned] ** 2
    assert scipy.stats.kstest(scaled, "chi2", args=(freedom,)).pvalue > 0.01


def test_chains_begin_apart() -> None:
    assert posterior.CHAINS == 4
    assert posterior.DISPERSED > 1
