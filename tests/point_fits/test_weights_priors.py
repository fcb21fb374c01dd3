"""Weights and priors against closed forms of linear regression and an independent solver."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from numpy.typing import ArrayLike
from refusals import refusal
from tables import free, jacobian, objective_sum, residuals, table

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.engine import priors
from scaling_cli.ingest._points import weighted
from scaling_cli.laws._law import Prior
from scaling_cli.numerics import mestimate
from scaling_cli.point_fits.backtesting import backtest
from scaling_cli.point_fits.certainty.draws import parameter_draws
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.fitting import fit, refit_objective
from scaling_cli.point_fits.recompute import recompute
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, refuse, settle
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import LeftOut

KAPLAN, CHINCHILLA = laws.get("kaplan_n"), laws.get("chinchilla")
SQUARES = Objective("l2")
LINE = table("kaplan_n", noise=0.02, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
WEIGHTS = np.array([1.0, 2.0, 0.5] * 5)
PRIOR = {"alpha_N": "0.06+-0.003"}


def _slope(weight: np.ndarray) -> tuple[float, float, float]:
    """Return the weighted regression's slope, its residual variance and sum of squares of x."""
    mean = np.average(X, weights=weight)
    square = np.sum(weight * (X - mean) ** 2)
    slope = -np.sum(weight * (X - mean) * Y) / square
    rest = Y + slope * X
    rss = np.sum(weight * (rest - np.average(rest, weights=weight)) ** 2)
    return float(slope), float(rss / (len(X) - 2)), float(square)


def test_weighted_least_squares_is_weighted_regression() -> None:
    points = weighted(LINE, WEIGHTS)
    law = refit_objective(points, "kaplan_n", SQUARES).law
    assert law.values()["alpha_N"] == pytest.approx(_slope(WEIGHTS)[0], rel=1e-9)


@pytest.mark.parametrize("objective", [Objective(), SQUARES, Objective("huber", 0.01, "linear")])
def test_only_ratios_of_weights_matter(objective: Objective) -> None:
    one, other = (
        refit_objective(weighted(LINE, scale * WEIGHTS), "kaplan_n", objective, prior=PRIOR)
        for scale in (1.0, 1e4)
    )
    assert other.law.values() == pytest.approx(one.law.values(), rel=1e-8)
    assert other.value == pytest.approx(1e4 * one.value, rel=1e-9)


def test_an_integer_weight_is_a_repeated_run() -> None:
    points = table("chinchilla", noise=0.01, seed=3)
    twice = points.take(np.repeat(np.arange(15), np.arange(15) % 3 + 1))
    counted = refit_objective(weighted(points, np.arange(15) % 3 + 1), "chinchilla")
    repeated = refit_objective(twice, "chinchilla")
    assert counted.value == pytest.approx(repeated.value, rel=1e-10)
    assert counted.law.values() == pytest.approx(repeated.law.values(), rel=1e-6)


def test_runs_at_equal_inputs_are_points_of_their_own() -> None:
    seeds = Points({"N": np.repeat(LINE.inputs["N"][::3], 3)}, LINE.output, LINE.runs)
    x = np.log(seeds.inputs["N"])
    law = refit_objective(seeds, "kaplan_n", SQUARES).law
    assert law.values()["alpha_N"] == pytest.approx(-np.polyfit(x, Y, 1)[0], rel=1e-9)


def test_a_prior_and_a_line_combine_as_normals_do() -> None:
    slope, variance, square = _slope(np.ones(15))

    # In ln alpha the line is not linear: the sum is minimised over alpha itself by hand.
    def total(alpha: float) -> float:
        rise = (alpha - slope) ** 2 * square / 2  # of half the squares, the level refitted
        return rise + variance * (math.log(alpha) - math.log(0.06)) ** 2 / (2 * 0.05**2)

    def pull(alpha: float) -> float:
        return (alpha - slope) * square + variance * math.log(alpha / 0.06) / (alpha * 0.05**2)

    by_hand = scipy.optimize.root_scalar(pull, bracket=(0.05, 0.09), xtol=1e-15).root
    found = refit_objective(LINE, "kaplan_n", SQUARES, prior=PRIOR)
    assert found.law.values()["alpha_N"] == pytest.approx(by_hand, rel=1e-7)
    flat = 13 / 2 * variance
    assert found.value == pytest.approx(flat + total(by_hand), rel=1e-9)


@pytest.mark.parametrize("objective", [SQUARES, Objective(), Objective("huber", 0.02, "linear")])
def test_weights_and_priors_against_an_independent_solver(objective: Objective) -> None:
    points = weighted(table("chinchilla", noise=0.01, seed=3), WEIGHTS)
    prior = {"alpha": "0.3+-0.02", "E": (1.9, 0.05)}
    problem, optimum = settle(make_problem(points, CHINCHILLA, objective, prior=prior))
    assert problem.penalty is not None
    corner = math.inf if objective.name == "l2" else objective.delta
    tau = problem.penalty.tau(corner)

    def total(u: np.ndarray) -> tuple[float, np.ndarray]:
        r = residuals(CHINCHILLA, u, points, objective.space)
        data = sum(
            w * objective_sum(objective, np.array([x])) for w, x in zip(WEIGHTS, r, strict=True)
        )
        away = [(u[3] - math.log(0.3)) / (0.02 / 0.3), (u[0] - math.log(1.9)) / (0.05 / 1.9)]
        psi = WEIGHTS * np.clip(r, -corner, corner)
        slope = jacobian(CHINCHILLA, u, points, objective.space).T @ psi
        slope[3] += tau * away[0] / (0.02 / 0.3)
        slope[0] += tau * away[1] / (0.05 / 1.9)
        scale = 1 / optimum.value
        return scale * (data + tau * (away[0] ** 2 + away[1] ** 2) / 2), scale * slope

    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    ends = [
        scipy.optimize.minimize(
            total,
            free(CHINCHILLA, truth) + shift,
            jac=True,
            method="BFGS",
            options={"gtol": 1e-10, "maxiter": 2000},
        )
        for shift in (0.0, 0.05, -0.05)
    ]
    assert min(end.fun for end in ends) == pytest.approx(1.0, abs=1e-8)


def test_tau_of_least_squares_is_the_variance() -> None:
    r = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02])
    assert mestimate.tau(r, np.ones(6), 2, math.inf) == pytest.approx(0.0019 / 4, rel=1e-12)
    weight = np.array([1.0, 2.0, 0.0, 1.0, 1.0, 1.0])
    by_hand = (0.0001 + 2 * 0.0004 + 0.0001 + 0.0004) / 3  # five points that count, two searched
    assert mestimate.tau(r, weight, 2, math.inf) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("corner", [1e-4, 1e-3, 1e-2, 0.1])
def test_tau_of_hubers_loss_under_normal_noise(corner: float) -> None:
    """E psi^2 / E psi' of N(0, 0.01^2), by its closed form, within the error of 20,000 points."""
    sd, n = 0.01, 20_000
    normal = scipy.stats.norm
    r = sd * normal.ppf((np.arange(n) + 0.5) / n)
    c = corner / sd
    inside = 2 * normal.cdf(c) - 1
    square = sd**2 * (inside - 2 * c * normal.pdf(c) + c**2 * (1 - inside))
    assert mestimate.tau(r, np.ones(n), 0, corner) == pytest.approx(square / inside, rel=0.02)


def test_a_prior_weighs_the_same_under_every_objective() -> None:
    """With normal noise, squares and a Huber corner beyond all residuals agree; LAD is near."""
    found = {
        name: refit_objective(LINE, "kaplan_n", objective, prior=PRIOR).law.values()["alpha_N"]
        for name, objective in (
            ("l2", SQUARES),
            ("wide", Objective(delta=1.0)),
            ("huber", Objective(delta=1e-5)),
            ("lad", Objective("lad")),
        )
    }
    data = _slope(np.ones(15))[0]
    assert found["wide"] == pytest.approx(found["l2"], rel=1e-9)
    assert found["lad"] == pytest.approx(found["huber"], rel=1e-3)
    for value in found.values():
        assert 0.06 < value < data


def test_draws_have_the_users_prior() -> None:
    problem, optimum = settle(make_problem(LINE, KAPLAN, SQUARES, prior={"alpha_N": "0.06+-1e-7"}))
    draws, _ = parameter_draws(Fitted(LINE, problem, optimum, Resampling(seed=1)), 0.02, 200)
    assert np.std(np.log(draws["alpha_N"])) == pytest.approx(1e-7 / 0.06, rel=0.2)


def test_draws_of_weighted_points_are_weighted_regression() -> None:
    problem, optimum = settle(make_problem(weighted(LINE, 100 * WEIGHTS), KAPLAN, SQUARES))
    draws, sigmas = parameter_draws(Fitted(LINE, problem, optimum, Resampling(seed=1)), 0.02, 2000)
    slope, _, square = _slope(WEIGHTS / WEIGHTS.mean())
    standard = (draws["alpha_N"] - slope) / (sigmas / math.sqrt(square))
    assert scipy.stats.kstest(standard, "norm").pvalue > 0.01


def test_a_weighted_fit_repeats_itself() -> None:
    made = fit(
        LINE,
        law="kaplan_n",
        weights=WEIGHTS.tolist(),
        prior=PRIOR,
        bootstrap=40,
        bootstrap_kind="wild",
        cluster="config",
    )
    stored = Fit.from_dict(made.to_dict())
    points = stored.points()
    np.testing.assert_array_equal(points.weights(), WEIGHTS)
    assert points.sha256() == stored.data["sha256"] != LINE.sha256()
    again = recompute(stored, points)
    assert again.value == made.value
    assert again.intervals == made.intervals
    assert again.law == made.law


def test_zero_weights_are_left_out_and_said() -> None:
    weight = np.where(np.arange(15) == 4, 0.0, 1.0)
    made = fit(LINE, law="kaplan_n", weights=weight, bootstrap=0)
    assert made.n_points == 14
    assert made.left_out == [LeftOut("run04", "weight is 0")]
    rest = refit_objective(LINE.take(weight > 0), "kaplan_n")
    assert made.value == pytest.approx(rest.value, rel=1e-12)


def test_a_backtest_takes_weights_and_priors() -> None:
    points = table("kaplan_n", noise=0.005, seed=2)
    plain, light = (
        backtest(points, law="kaplan_n", cuts=1, weights=weights, prior={"alpha_N": "0.07+-0.02"})
        for weights in (None, np.full(15, 3.0))
    )
    assert light.cuts[0].parameters == pytest.approx(plain.cuts[0].parameters, rel=1e-7)
    pulled = backtest(points, law="kaplan_n", cuts=1, prior={"alpha_N": "0.05+-1e-9"})
    assert pulled.cuts[0].parameters["alpha_N"] == pytest.approx(0.05, rel=1e-6)
    assert pulled.selection["prior"] == {"alpha_N": "0.05+-1e-9"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            "precision",
            "these points have no column 'precision': they are already selected. Give "
            "one number per point.",
        ),
        ([1.0, 2.0], "15 points need as many weights, not (2,)."),
        ([-1.0, *[1.0] * 14], "the weight of run run00 is -1; it must be a number, not negative."),
        (
            [*[1.0] * 14, math.nan],
            "the weight of run run14 is nan; it must be a number, not negative.",
        ),
        ([0.0] * 15, "all weights are zero: nothing is left to fit."),
    ],
)
def test_weights_that_are_refused(weights: ArrayLike, message: str) -> None:
    assert refusal(UsageError, weighted, LINE, weights) == message


HOW = (
    "Write CENTER+-SD, such as alpha=0.35+-0.05 or A=400+-50%: a positive parameter then has the "
    "median CENTER, and its logarithm the standard deviation SD/CENTER."
)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (
            {"gamma": "1+-1"},
            "law chinchilla has no parameter 'gamma'. Its parameters: E, A, B, alpha, beta.",
        ),
        (
            {"beta": "1+-1"},
            "beta is held by --fix or --tie, so a prior on it says nothing. Put the "
            "prior on the parameter that is searched, or leave one of them out.",
        ),
        ({"alpha": "0.35"}, f"cannot read '0.35' as a prior on alpha. {HOW}"),
        ({"alpha": "0.35+-"}, f"cannot read '0.35+-' as a prior on alpha. {HOW}"),
        (
            {"alpha": "0.35+-0"},
            "the prior on alpha needs a positive center and sd, not 0.35 and 0. " + HOW,
        ),
        (
            {"E": (-1.0, 0.1)},
            "the prior on E needs a positive center and sd, not -1 and 0.1. " + HOW,
        ),
        (
            {"E": Prior(0.6, 0.3, of_output=True)},
            f"the prior on E must be given as (center, sd). {HOW}",
        ),
    ],
)
def test_priors_that_are_refused(prior: dict[str, priors.Given], message: str) -> None:
    points = table("chinchilla")
    said = refusal(
        UsageError,
        make_problem,
        points,
        CHINCHILLA,
        Objective(),
        tie={"beta": "alpha"},
        prior=prior,
    )
    assert said == message


@pytest.mark.parametrize("text", ["0.35+-0.07", "0.35 +/- 0.07", "0.35±0.07", "0.35+-20%"])
def test_ways_to_write_a_prior(text: str) -> None:
    found = priors.read(CHINCHILLA, {"alpha": text}, {})["alpha"]
    assert (found.center, found.sd) == pytest.approx((math.log(0.35), 0.2), rel=1e-12)


@pytest.mark.parametrize("given", ["3e2+-40", (300.0, 40.0), Prior(300.0, 40 / 300)])
def test_what_a_fit_file_holds_of_a_prior_reads_back(given: priors.Given) -> None:
    (text,) = priors.as_text({"A": given}).values()
    found = priors.read(CHINCHILLA, {"A": text}, {})["A"]
    assert (found.center, found.sd) == pytest.approx((math.log(300.0), 40 / 300), rel=1e-15)


def test_a_prior_does_not_make_too_few_points_enough() -> None:
    points = table("chinchilla").take(np.arange(4))
    problem = make_problem(points, CHINCHILLA, Objective(), prior={"alpha": "0.35+-0.01"})
    with pytest.raises(Exception, match="4 distinct configurations cannot determine"):
        refuse(points, problem)
