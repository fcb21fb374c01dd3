"""Noise, draws, variances, backtests and drift against closed forms and quadrature."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from tables import TRUTHS, free, table

from scaling_cli import laws
from scaling_cli.engine.problem import Frame, Problem
from scaling_cli.laws._law import Law, Prior, param
from scaling_cli.point_fits.certainty.draws import noise, parameter_draws
from scaling_cli.point_fits.certainty.uncertainty import (
    NORMAL_90,
    Cut,
    assemble,
    backtest,
    cuts_by_share,
    learned,
    prediction_variance,
    prior,
    source,
)
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import Optimum, make_problem, optimise
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.quantities import Loss, Variable

SQUARES = Objective("l2")
LINE = table("kaplan_n", noise=0.02, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
DESIGN = np.stack([np.ones(15), -X], axis=1)


class Level(Law):
    """ln L = ln A: with a prior on A, a normal mean with a normal prior."""

    A: float = param("level", prior=Prior(center=2.0, log_sd=0.003))

    def __call__(self, x: Variable) -> Loss:
        return self.A * x**0


class RelativeLevel(Law):
    """The same with a prior that is a share of the smallest output."""

    A: float = param("level", prior=Prior(center=0.9, log_sd=0.003, of_output=True))

    def __call__(self, x: Variable) -> Loss:
        return self.A * x**0


def _line(objective: Objective = SQUARES) -> tuple[Problem, Optimum]:
    problem = make_problem(LINE, laws.get("kaplan_n"), objective)
    return problem, optimise(problem)


def _seeded(problem: Problem, optimum: Optimum, seed: int) -> Fitted:
    """Return a fit whose draws depend on its problem and on the seed alone."""
    return Fitted(LINE, problem, optimum, Resampling(seed=seed))


def _cut(rms: float) -> Cut:
    """Return a cut one decade far that missed by `rms` where the law allowed 1 % at 90 %."""
    return Cut(1.0, 9, 3, 10.0, 0.0, 0.0, 0.01, 1.0, rms, 1.0, ("a",))


def test_noise_of_least_squares() -> None:
    r = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02])
    by_hand = math.sqrt((3 * 0.005**2 + 0.0019) / (6 - 2 + 3))
    assert noise(r, 2, "l2") == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("objective", ["huber", "lad"])
def test_robust_noise_ignores_the_size_of_outliers(objective: str) -> None:
    # Eleven residuals: the 90 % quantile of |r| is the tenth smallest, 0.02.
    r = np.array([0.001, -0.003, 0.004, 0.005, -0.006, 0.007, 0.01, -0.012, 0.015, 0.02, -9.0])
    by_hand = math.sqrt((3 * 0.005**2 + 11 * (0.02 / 1.6448536269514722) ** 2) / (11 - 5 + 3))
    assert noise(r, 5, objective) == pytest.approx(by_hand, rel=1e-12)


def test_draws_of_a_line_are_students_t() -> None:
    problem, optimum = _line()
    draws, sigmas = parameter_draws(_seeded(problem, optimum, 5), 0.02, 2000)
    freedom = 15 - 2 + 3
    assert scipy.stats.kstest(freedom * (0.02 / sigmas) ** 2, "chi2", args=(freedom,)).pvalue > 0.01
    slope = -np.polyfit(X, Y, 1)[0]
    error = 0.02 / math.sqrt(np.sum((X - X.mean()) ** 2))
    standard = (draws["alpha_N"] - slope) / error
    assert scipy.stats.kstest(standard, "t", args=(freedom,)).pvalue > 0.01


@pytest.mark.parametrize("law", [Level, RelativeLevel])
def test_draws_with_a_prior_are_the_normal_posterior(law: type[Law]) -> None:
    y = 0.5 + 0.01 * np.random.default_rng(6).standard_normal(12)
    problem = Problem(
        law, {"x": np.ones(12)}, np.exp(y), np.ones(12), SQUARES, Frame.of(law, {}, {})
    )
    optimum = optimise(make_problem(LINE, laws.get("kaplan_n"), SQUARES))
    begin = Optimum(**{**vars(optimum), "u": np.array([y.mean()])})
    draws, sigmas = parameter_draws(_seeded(problem, begin, 7), 0.01, 2000)
    centre = np.log(2.0) if law is Level else np.log(0.9) + y.min()
    precision = 12 / sigmas**2 + 1 / 0.003**2
    mean = (y.sum() / sigmas**2 + centre / 0.003**2) / precision
    standard = (np.log(draws["A"]) - mean) * np.sqrt(precision)
    assert scipy.stats.kstest(standard, "norm").pvalue > 0.01


def test_held_parameters_do_not_vary() -> None:
    points = table("power_law", noise=0.01, seed=8)
    problem = make_problem(points, laws.get("power_law"), SQUARES, fix={"E": 1.5})
    draws, _ = parameter_draws(_seeded(problem, optimise(problem), 9), 0.01, 50)
    np.testing.assert_array_equal(draws["E"], 1.5)
    assert np.std(draws["alpha"]) > 0


@pytest.mark.parametrize("objective", [SQUARES, Objective("huber", delta=1.0)])
def test_prediction_variance_is_the_larger_of_hc3_and_classic(objective: Objective) -> None:
    # A corner beyond every residual makes Huber's loss least squares.
    problem, optimum = _line(objective)
    rows = np.arange(15) % 5 != 2
    A = DESIGN[rows]
    bread = np.linalg.inv(A.T @ A)
    values = optimum.law.values()
    fitted = values["alpha_N"] * (np.log(values["Nc"]) - X)
    r = (fitted - Y)[rows]
    leverage = np.einsum("ij,jk,ik->i", A, bread, A)
    hc3 = bread @ (A.T * (r / (1 - leverage)) ** 2) @ A @ bread
    classic = bread * np.sum(r**2) / (len(r) - 2)
    at = np.array([1e9, 3e10, 1e12])
    G = np.stack([np.ones(3), -np.log(at)], axis=1)
    expected = np.maximum(*(np.einsum("ij,jk,ik->i", G, V, G) for V in (hc3, classic)))
    found = prediction_variance(problem, optimum.u, rows, {"N": at}, sigma=0.02)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_prior_narrows_the_variance_of_a_prediction() -> None:
    """A prior on the exponent, one more observation of it beside the classic covariance."""
    sd = 0.01
    prior = {"alpha_N": (0.076, 0.076 * sd)}
    problem = make_problem(LINE, laws.get("kaplan_n"), SQUARES, prior=prior)
    optimum = optimise(replace(problem, penalty=None))
    at, rows = {"N": np.array([1e12])}, np.arange(15)
    J = problem.sensitivity(optimum.u)
    g = problem.sensitivity(optimum.u, at)[0]
    r = problem.log_predictions(optimum.u)[0] - Y
    variance = np.sum(r**2) / 13
    classic = np.linalg.inv(J.T @ J / variance + np.diag([0, sd**-2]))
    bread = variance**-1 * classic
    leverage = np.einsum("ij,jk,ik->i", J, bread, J)
    meat = (J.T * (r / (1 - leverage)) ** 2) @ J + variance**2 * np.diag([0, sd**-2])
    expected = max(g @ classic @ g, g @ bread @ meat @ bread @ g)
    found = prediction_variance(problem, optimum.u, rows, at, sigma=0.02)
    assert found[0] == pytest.approx(expected, rel=1e-6)


def _powers(exponents: list[float], searched: int) -> Problem:
    """Return a problem of so many free parameters over powers of ten."""
    N = 10.0 ** np.array(exponents)
    points = Points(
        {"N": N, "D": np.ones(len(N))}, np.ones(len(N)), [f"r{i}" for i in range(len(N))]
    )
    held = dict.fromkeys(list(laws.get("chinchilla_gamma").parameters())[searched:], 1.0)
    return make_problem(points, laws.get("chinchilla_gamma"), Objective(), held)


def test_cuts_hide_shares_of_the_range() -> None:
    # Decades 0, 1, ..., 13 and 14.03. Hidden beyond 12.63 (two runs: too few), 11.22, 9.82,
    # 8.42, 7.02 and 5.61, 4.21 (six and five left: too few to fit).
    exponents = [*range(14), 14.03]
    found = cuts_by_share(_powers(exponents, 3))
    assert [int(m.sum()) for m in found] == [12, 10, 9, 8]
    for mask, kept in zip(found, (12, 10, 9, 8), strict=True):
        assert mask.tolist() == [True] * kept + [False] * (15 - kept)
    # Four parameters need ten runs to train on, five need twelve, six fourteen.
    kept = {k: [int(m.sum()) for m in cuts_by_share(_powers(exponents, k))] for k in (4, 5, 6)}
    assert kept == {4: [12, 10], 5: [12], 6: []}


def test_cuts_that_hide_the_same_runs_count_once() -> None:
    problem = _powers([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 9.8, 9.9, 10], 3)
    assert [m.tolist() for m in cuts_by_share(problem)] == [[True] * 8 + [False] * 3]


def test_no_cut_of_a_small_table() -> None:
    assert cuts_by_share(_powers([*range(10)], 3)) == []


def test_backtests_of_noiseless_data_miss_nothing() -> None:
    points = table("chinchilla")
    problem = make_problem(points, laws.get("chinchilla"), Objective())
    masks = cuts_by_share(problem)
    cuts = backtest(Fitted(points, problem, optimise(problem)), masks)
    C = 6 * points.inputs["N"] * points.inputs["D"]
    assert len(cuts) == len(masks) >= 1
    for cut, mask in zip(cuts, masks, strict=True):
        assert cut.bias == pytest.approx(0, abs=1e-8)
        assert cut.mare == pytest.approx(0, abs=1e-8)
        assert (cut.coverage, cut.drift) == (1.0, 0.0)
        assert (cut.n_train, cut.n_test) == (mask.sum(), (~mask).sum())
        assert cut.train_max == C[mask].max()
        assert cut.factor == pytest.approx(C.max() / C[mask].max())
        assert cut.held_out == tuple(np.array(points.runs)[~mask])


def test_drift_is_what_a_bend_asks_for() -> None:
    N = np.geomspace(1e7, 1e10, 15)
    hidden = np.arange(15) >= 11
    decades = np.log10(N / N[10])
    bend = np.where(hidden, -0.03 * decades, 0.0)
    points = Points({"N": N}, (8.8e13 / N) ** 0.076 * np.exp(bend), [f"r{i}" for i in range(15)])
    problem = make_problem(points, laws.get("kaplan_n"), SQUARES)
    (cut,) = backtest(Fitted(points, problem, optimise(problem)), [~hidden])
    # Training points are exact: the noise is its prior's share, and the law has no spread.
    variance = 3 * 0.005**2 / (11 - 2 + 3)
    reach = np.maximum(decades[hidden], 0.3)
    error = 0.03 * decades[hidden]
    assert cut.bias == pytest.approx(error.mean(), rel=1e-6)
    assert cut.mare == pytest.approx(np.expm1(error).mean(), rel=1e-6)
    assert cut.allowed == pytest.approx(1.6448536269514722 * math.sqrt(variance), rel=1e-6)
    assert cut.coverage == np.mean(error <= 1.6448536269514722 * math.sqrt(variance))
    expected = math.sqrt(np.mean(error**2 - variance) / np.mean(reach**2))
    assert cut.drift == pytest.approx(expected, rel=1e-6)
    assert cut.rms == pytest.approx(math.sqrt(np.mean(error**2)), rel=1e-6)
    assert cut.decades == pytest.approx(math.sqrt(np.mean(reach**2)), rel=1e-9)


def test_a_cut_as_json() -> None:
    own = 0.01 / 1.6448536269514722
    assert _cut(0.5).to_dict() == {
        "train_max": 1.0,
        "n_train": 9,
        "n_test": 3,
        "factor": 10.0,
        "bias": 0.0,
        "mare": 0.0,
        "allowed": 0.01,
        "coverage": 1.0,
        "rms": 0.5,
        "decades": 1.0,
        "drift": pytest.approx(math.sqrt(0.5**2 - own**2), rel=1e-12),
        "held_out": ["a"],
    }
    assert _cut(own / 2).drift == 0.0


@pytest.mark.parametrize(
    ("misses", "why"),
    [
        ([], "that of other tables: no backtest was possible"),
        ([0.05], "3.2 % in other tables, updated by 1 backtest of this one"),
        ([0.05, 0.01, 0.0], "3.2 % in other tables, updated by 3 backtests of this one"),
    ],
)
def test_the_parts_of_an_interval(misses: list[float], why: str) -> None:
    problem, optimum = _line()
    parts = assemble(_seeded(problem, optimum, 1), [_cut(rms) for rms in misses])
    r = Y - np.polyval(np.polyfit(X, Y, 1), X)
    sigma = math.sqrt((3 * 0.005**2 + np.sum(r**2)) / (15 - 2 + 3))
    expected = learned([_cut(rms) for rms in misses])
    assert parts.drift == expected
    assert parts.tested is bool(misses)
    assert parts.companion is None
    assert (parts.axis, parts.axis_max) == ("N", 2e9)
    assert len(parts.sigma) == len(parts.draws["Nc"]) == 500
    assert parts.method == (
        f"weak-prior parametric bootstrap, 500 draws; noise {100 * sigma:.2g} %; "
        f"drift {100 * expected:.2g} % per decade ({why})"
    )


def test_draws_scatter_around_the_optimum_of_any_law() -> None:
    points = table("chinchilla", noise=0.005, seed=12)
    problem = make_problem(points, laws.get("chinchilla"), Objective())
    draws, _ = parameter_draws(_seeded(problem, optimise(problem), 1), 0.005)
    drawn = np.stack([np.log(draws[name]) for name in TRUTHS["chinchilla"]])
    truth = free(laws.get("chinchilla"), TRUTHS["chinchilla"])
    assert np.all((drawn.min(axis=1) < truth) & (truth < drawn.max(axis=1)))


# ---- drift


def miss(rms: float, own: float, decades: float) -> Cut:
    return Cut(1.0, 9, 3, 10.0, 0.0, 0.0, NORMAL_90 * own, 1.0, rms, decades, ("a",))


def by_quadrature(misses: list[Cut], median: float = 0.025, log_sd: float = 0.5) -> float:
    """Return the root mean square of the posterior, by adaptive quadrature in ln drift."""

    def density(x: float) -> float:
        total = -0.5 * (x / log_sd) ** 2
        for m in misses:
            variance = m.own**2 + (median * math.exp(x) * m.decades) ** 2
            total -= 0.25 * (math.log(variance) + m.rms**2 / variance)
        return math.exp(total)

    def integral(power: float) -> float:
        return scipy.integrate.quad(
            lambda x: (median * math.exp(x)) ** power * density(x), -5, 5, epsabs=0, epsrel=1e-10
        )[0]

    return math.sqrt(integral(2) / integral(0))


def test_without_backtests_it_is_the_prior_of_other_tables() -> None:
    # The root mean square of a log-normal: median x e^(sd^2).
    assert prior() == pytest.approx(0.025 * math.exp(0.25), rel=1e-12)
    assert learned([]) == pytest.approx(prior(), rel=1e-9)


@pytest.mark.parametrize(
    "misses",
    [
        [miss(0.03, 0.01, 1.0)],
        [miss(0.001, 0.01, 0.5), miss(0.002, 0.008, 0.9)],
        [miss(0.2, 0.01, 1.0), miss(0.02, 0.05, 0.3), miss(0.4, 0.02, 2.0)],
    ],
)
def test_it_is_the_root_mean_square_of_the_posterior(misses: list[Cut]) -> None:
    assert learned(misses) == pytest.approx(by_quadrature(misses), rel=1e-6)
    other = learned(misses, median=0.04, log_sd=0.8)
    assert other == pytest.approx(by_quadrature(misses, median=0.04, log_sd=0.8), rel=1e-6)


def test_enough_backtests_overrule_the_prior() -> None:
    # Misses of 6 % a decade, and nothing else to explain them.
    assert learned([miss(0.12, 1e-6, 2.0)] * 400) == pytest.approx(0.06, rel=0.01)
    # Five sds of the prior below its median: it takes more of them.
    assert learned([miss(0.002, 1e-6, 1.0)] * 4000) == pytest.approx(0.002, rel=0.01)


def test_a_backtest_that_allows_everything_teaches_nothing() -> None:
    assert learned([miss(0.5, 10.0, 1.0)]) == pytest.approx(prior(), rel=1e-4)


def test_larger_misses_mean_more_drift() -> None:
    found = [learned([miss(rms, 0.01, 1.0)] * 3) for rms in (0.0, 0.01, 0.03, 0.1)]
    assert found == sorted(found)
    assert found[0] < prior() < found[-1]


def test_what_it_came_from_in_words() -> None:
    one = miss(0.01, 0.01, 1.0)
    assert source([]) == "that of other tables: no backtest was possible"
    assert source([one]) == "3.2 % in other tables, updated by 1 backtest of this one"
    assert source([one] * 4) == "3.2 % in other tables, updated by 4 backtests of this one"
