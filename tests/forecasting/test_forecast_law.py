"""The law of running jobs: its parts against recursions, its posterior against other solvers."""

import numpy as np
import pytest
from jobs import CONSTANT, COSINE, LAG, LAW, STEPS, WSD, area_and_fall, job
from refusals import refusal
from scipy import stats

from scaling_cli.forecasting import annealed
from scaling_cli.forecasting.annealed import Belief, Kind, Run, alone, first_fitted, fit
from scaling_cli.forecasting.future import LAGS, Course, RatePlan
from scaling_cli.forecasting.job import Bins, Job, binned
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules.knots import Knots
from scaling_cli.vocabulary.errors import FitError


def plan(text: str) -> RatePlan:
    schedule = parse_schedule(text)
    return RatePlan(schedule, schedule.length, "given", "as given")


@pytest.mark.parametrize("text", [COSINE, CONSTANT, WSD])
@pytest.mark.parametrize("share", LAGS)
def test_area_and_fall_are_their_recursions(text: str, share: float) -> None:
    course = Course.of(plan(text), STEPS / 2)
    area, fall = area_and_fall(parse_schedule(text), share * STEPS)
    at = np.arange(200, STEPS + 1)
    np.testing.assert_allclose(course.area_at(at), area[at], atol=0.6)  # half a step
    np.testing.assert_allclose(course.lagged_at(at)[LAGS.index(share)], fall[at], atol=2e-3)


def test_responses_are_five_lags_and_two_means_of_three() -> None:
    course, at = Course.of(plan(WSD), STEPS / 2), np.array([3000.0, 3500.0, 4000.0])
    fall = {lag: area_and_fall(parse_schedule(WSD), lag * STEPS)[1][at.astype(int)] for lag in LAGS}
    fast = (fall[0.003] + fall[0.03] + fall[0.2]) / 3
    slow = (fall[0.01] + fall[0.1] + fall[0.4]) / 3
    expected = [*(fall[lag] for lag in (0.003, 0.01, 0.03, 0.1, 0.2)), fast, slow]
    np.testing.assert_allclose(course.fall_at(at), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("text", "now", "phase"),
    [
        (COSINE, 50.0, "warm-up"),
        (COSINE, 1000.0, "early decay"),
        (COSINE, 3000.0, "late decay"),
        (CONSTANT, 1000.0, "constant"),
        (WSD, 3000.0, "before a cool-down"),
        (WSD, 3300.0, "inside a cool-down"),
        ("step:peak=0.001,warmup=100,at=1600,to=0.0001,steps=4000", 3000.0, "inside a cool-down"),
    ],
)
def test_phases(text: str, now: float, phase: str) -> None:
    assert Course.of(plan(text), now).phase(now) == phase


def test_a_warm_up_under_way_is_no_second_rise() -> None:
    course = Course.of(plan(COSINE.replace("warmup=100", "warmup=1500")), 800.0)
    assert not course.rises_after(800.0)


def test_three_windows_weigh_the_same_and_are_about_one_loss() -> None:
    running, _ = job(COSINE, seen=2000)
    whole = alone(running, plan(COSINE), backtest=False)
    runs = [Run.of(running, whole.course, skipped=skipped) for skipped in (0.1, 0.25, 0.4)]
    assert [round(run.bins.x[0]) for run in runs] == [200, 500, 800]
    each = [fit([run], about=runs[1]) for run in runs]
    end = np.array([float(STEPS)])
    middles, sds = np.array([p.at(whole.course, end) for p in each])[:, :, 0].T
    value, sd = whole.posterior.at(whole.course, end)
    assert value[0] == pytest.approx(middles.mean(), rel=1e-12)
    spread = np.sqrt(np.mean(sds**2) + np.mean((middles - middles.mean()) ** 2))
    assert sd[0] == pytest.approx(spread, rel=1e-9)


def test_a_schedule_over_its_own_clock_is_stretched_and_shifted() -> None:
    half = RatePlan(parse_schedule(COSINE), STEPS / 2 + 10, "given", "", stretch=0.5, shift=10.0)
    x = np.array([10.0, 500.0, 1000.0])
    np.testing.assert_allclose(half.rate(x), plan(COSINE).rate(2 * (x - 10)), rtol=1e-12)


def test_a_ridge_solve_is_least_squares_with_three_more_rows() -> None:
    generator = np.random.default_rng(1)
    design = generator.standard_normal((2, 12, 3))
    loss, precision = generator.standard_normal(12), generator.uniform(0.5, 2, 12)
    centre, spread = np.array([0.1, -0.2, 0.3]), np.array([0.5, 1.0, 2.0])
    mean, covariance, _ = annealed._ridge(
        design, loss, precision, 100.0, np.array((centre, spread))
    )
    for k in range(2):
        rows = np.vstack([design[k] * np.sqrt(precision)[:, None], np.diag(1 / spread)])
        right = np.append(loss * np.sqrt(precision), centre / spread)
        np.testing.assert_allclose(mean[k], np.linalg.lstsq(rows, right)[0], rtol=1e-10)
        np.testing.assert_allclose(covariance[k], np.linalg.inv(rows.T @ rows), rtol=1e-9)


def test_the_evidence_is_that_of_a_normal_model() -> None:
    """For residuals inside the Huber corner, against the density of the data given the prior."""
    generator = np.random.default_rng(2)
    design = generator.standard_normal((3, 9, 3))
    loss, scale = generator.standard_normal(9), 50.0
    precision = np.full(9, 1 / 0.7**2)
    prior = np.array([[0.1, -0.2, 0.3], [0.5, 1.0, 2.0]])
    evidence = annealed._ridge(design, loss, precision, scale, prior)[2]
    exact = [
        stats.multivariate_normal.logpdf(
            loss, d @ prior[0], d @ np.diag(prior[1] ** 2) @ d.T + 0.7**2 * np.eye(9)
        )
        for d in design
    ]
    np.testing.assert_allclose(np.diff(evidence), np.diff(exact), rtol=1e-9)


def test_spread_is_that_of_draws_from_the_posterior() -> None:
    running, _ = job(seen=1200)
    found = alone(running, plan(COSINE), backtest=False)
    p, end = found.posterior, np.array([float(STEPS)])
    value, sd = p.at(found.course, end)
    design = annealed._design(found.course, end, p.pivot)[:, 0]
    generator = np.random.default_rng(3)
    which = generator.choice(p.weight.size, 40_000, p=p.weight.ravel())
    kind, k = np.unravel_index(which, p.weight.shape)
    normal = generator.standard_normal((len(k), 3))
    root = np.linalg.cholesky(p.covariance[kind, k])
    draws = p.mean[kind, k] + np.einsum("nij,nj->ni", root, normal)
    drawn = np.einsum("ni,ni->n", draws, design[k])
    assert drawn.mean() == pytest.approx(value[0], abs=4 * sd[0] / 200)
    assert drawn.std() == pytest.approx(sd[0], rel=0.03)


@pytest.mark.parametrize(
    ("text", "seen", "within"),
    [
        (COSINE, 2000, 6e-3),
        (COSINE, 3000, 2e-3),
        (COSINE, 3600, 5e-4),
        (CONSTANT, 1000, 2e-3),
        (CONSTANT, 2000, 8e-4),
        (WSD, 2000, 9e-3),
        (WSD, 3600, 25e-4),
    ],
)
def test_a_curve_of_the_law_is_forecast(text: str, seen: int, within: float) -> None:
    running, ends = job(text, seen=seen)
    found = alone(running, plan(text))
    value, sd = found.at(np.array([float(STEPS)]))
    assert value[0] == pytest.approx(ends, rel=within)
    assert abs(value[0] / ends - 1) < 1.645 * sd[0]


@pytest.mark.parametrize(("seen", "within"), [(3000, 6e-4), (3600, 2e-4)])
def test_without_priors_the_parameters_are_recovered(seen: int, within: float) -> None:
    """Nothing but the grid of alpha and the residual scale stands between law and curve."""
    flat = Kind(1.0, floor=(0.8, 3.0), gain=(0.3, 3.0), drop=(0.05, 3.0), exponent=(0.45, 3.0))
    running, ends = job(COSINE, seen=seen)
    found = alone(running, plan(COSINE), Belief((flat,), 1e6), backtest=False)
    assert found.at(np.array([float(STEPS)]))[0][0] == pytest.approx(ends, rel=within)
    typical = found.posterior.typical()
    assert typical["B"] == pytest.approx(LAW["B"], rel=0.02)
    assert typical["L0"] == pytest.approx(LAW["L0"], rel=0.01)
    assert typical["alpha"] == pytest.approx(LAW["alpha"], rel=0.05)  # a step of the grid: 10 %


def test_a_young_run_is_told_from_a_mature_one() -> None:
    """Still in its first fall: a floor at 40 % of the loss, a small exponent, a large drop."""
    running, ends = job(COSINE, seen=3000, L0=1.2, A=2.0, alpha=0.25, B=0.26)
    found = alone(running, plan(COSINE), backtest=False)
    assert found.posterior.weight[1::2].sum() > 0.9  # of every window
    assert found.at(np.array([float(STEPS)]))[0][0] == pytest.approx(ends, rel=5e-3)
    mature, _ = job(COSINE, seen=3000)
    weight = alone(mature, plan(COSINE), backtest=False).posterior.weight
    assert weight[::2].sum() > 0.5


def test_a_rate_held_constant_is_the_law_under_that_schedule() -> None:
    running, _ = job(COSINE, seen=2000)
    found = alone(running, plan(COSINE), backtest=False)
    rate = float(parse_schedule(COSINE).lr(2000))
    steps = np.arange(STEPS)
    rates = np.where(steps < 2000, parse_schedule(COSINE).lr(steps), rate)
    other = RatePlan(Knots.of(steps, rates), float(STEPS), "given", "")
    held = Course.of(other, 2000.0)
    expected = found.posterior.at(held, np.array([float(STEPS)]))[0][0]
    assert found.constant(float(STEPS)) == pytest.approx(expected, rel=1e-4)


def test_backtests_forecast_the_end_of_the_prefix() -> None:
    running, _ = job(COSINE, seen=3000)
    found = alone(running, plan(COSINE))
    assert [b.cut for b in found.backtests] == [0.3, 0.4, 0.5, 0.65, 0.8]
    last = running.loss[running.x > 0.95 * 3000]
    for test in found.backtests:
        assert test.measured == pytest.approx(last.mean(), rel=1e-12)
        earlier = fit([Run.of(running.until(test.cut * 3000), found.course)])
        places = running.x[running.x > 0.95 * 3000]
        expected = earlier.at(found.course, places)[0].mean()
        assert test.predicted == pytest.approx(expected, rel=1e-6)
    scaled = [b.error / np.log(1 / b.cut) for b in found.backtests]
    assert found.own_error == pytest.approx(np.sqrt(np.mean(np.square(scaled))))


def test_what_is_fitted_starts_after_the_warm_up() -> None:
    course = Course.of(plan(COSINE), 1000.0)
    assert course.warm == pytest.approx(98, abs=2)
    assert first_fitted(1000.0, course) == 200.0
    assert first_fitted(300.0, course) == 90.0  # not more than 30 % of what is logged
    assert first_fitted(450.0, course) == pytest.approx(1.2 * course.warm)


def test_after_a_new_rise_of_the_rate_only_what_follows_is_fitted() -> None:
    text = "cosine:peak=0.001,warmup=100,steps=2000 + cosine:peak=0.001,warmup=100,steps=2000"
    schedule = parse_schedule(text)
    cycles = RatePlan(schedule, 4000.0, "given", "")
    assert Course.of(cycles, 3000.0).start == pytest.approx(2100, abs=2)
    assert Course.of(cycles, 1500.0).start == 0
    assert Course.of(cycles, 1500.0).rises_after(1500.0)
    assert not Course.of(cycles, 3000.0).rises_after(3000.0)
    steps = np.arange(20.0, 2141.0, 20.0)
    assert refusal(FitError, alone, Job("cyclic", steps, 3 + 10 / steps), cycles) == (
        f"run 'cyclic': the learning rate rose again until step "
        f"{Course.of(cycles, 2120.0).start:.6g}, and 2 point(s) were logged since; a forecast "
        "needs 5. Ask again when more is logged."
    )


def test_bins_weigh_late_points_more() -> None:
    bins = binned(Job("run", np.arange(1.0, 11.0), np.linspace(4, 3, 10)), 1.0)
    assert isinstance(bins, Bins)
    np.testing.assert_allclose(bins.weight, np.arange(1.0, 11.0) / 55)


def test_the_lag_is_on_the_grid() -> None:
    assert LAG in LAGS
