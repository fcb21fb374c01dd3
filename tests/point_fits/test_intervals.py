"""Intervals of every method side by side: each equals the method asked for on its own."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
from refusals import refusal, refused
from tables import table

import scaling_cli
from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits import intervals as methods
from scaling_cli.point_fits.certainty import profiles
from scaling_cli.point_fits.certainty.draws import noise_at
from scaling_cli.point_fits.certainty.posterior import Posterior
from scaling_cli.point_fits.certainty.resampling import resample
from scaling_cli.point_fits.fitted import Fitted, Resampling
from scaling_cli.point_fits.intervals import Comparison, intervals
from scaling_cli.search.optimum import make_problem, optimise
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.objective import Objective

LINE = table("kaplan_n", noise=0.01, seed=11)
X, Y = np.log(LINE.inputs["N"]), np.log(LINE.output)
DESIGN = np.stack([np.ones(15), -X], axis=1)
BREAD = np.linalg.inv(DESIGN.T @ DESIGN)
COEFFICIENTS = BREAD @ DESIGN.T @ Y
VARIANCE = float(np.sum((Y - DESIGN @ COEFFICIENTS) ** 2) / 13)
T = float(scipy.stats.t(13).ppf(0.95))


@pytest.fixture(scope="module")
def line() -> Fit:
    made = scaling_cli.fit(LINE, law="kaplan_n", objective=Objective("l2"), bootstrap=200, seed=3)
    return Fit.from_dict(made.to_dict())  # as a file holds it


@pytest.fixture(scope="module")
def compared(line: Fit) -> Comparison:
    return intervals(line, N=1e12)


def _ends(found: Comparison, method: str, kind: str) -> tuple[float, float]:
    (one,) = [i for i in found.intervals if (i.method, i.kind) == (method, kind)]
    assert one.low is not None
    assert one.high is not None
    return one.low, one.high


def test_what_is_compared_at_a_point(compared: Comparison) -> None:
    assert [(i.method, i.kind) for i in compared.intervals] == [
        (method, kind)
        for method in ("delta", "profile", "bootstrap", "backtested")
        for kind in ("mean curve", "new run")
    ]
    for one in compared.intervals:
        assert (one.of, one.inputs, one.level) == ("L", {"N": 1e12}, 0.9)
        assert one.value == pytest.approx(float(np.exp(COEFFICIENTS @ [1, -math.log(1e12)])))


def test_mean_curve_and_new_run_of_a_line(compared: Comparison) -> None:
    """The textbook: t sd of the mean; for a run, its noise in quadrature."""
    g = np.array([1.0, -math.log(1e12)])
    half = T * math.sqrt(VARIANCE * (g @ BREAD @ g))
    sigma = math.sqrt((3 * 0.005**2 + 13 * VARIANCE) / 16)
    centre = g @ COEFFICIENTS
    ends = tuple(np.exp([centre - half, centre + half]))
    assert _ends(compared, "profile", "mean curve") == pytest.approx(ends, rel=1e-9)
    wide = math.hypot(half, T * sigma)
    ends = tuple(np.exp([centre - wide, centre + wide]))
    assert _ends(compared, "profile", "new run") == pytest.approx(ends, rel=1e-9)


def test_the_backtested_range_is_that_of_predict(line: Fit, compared: Comparison) -> None:
    (point,) = line.predict(N=1e12).to_dicts()
    assert _ends(compared, "backtested", "mean curve") == tuple(point["mean"])
    assert _ends(compared, "backtested", "new run") == tuple(point["new_run"])


def test_the_bootstrap_is_the_fits_own(line: Fit, compared: Comparison) -> None:
    problem = make_problem(LINE, laws.get("kaplan_n"), Objective("l2"))
    optimum = optimise(problem)
    draws = resample(Fitted(LINE, problem, optimum, Resampling(200, seed=3))).draws
    logs = draws["alpha_N"] * (np.log(draws["Nc"]) - math.log(1e12))
    ends = tuple(np.exp(np.quantile(logs, [0.05, 0.95])))
    assert _ends(compared, "bootstrap", "mean curve") == pytest.approx(ends, rel=1e-9)
    low, high = _ends(compared, "bootstrap", "new run")
    # Percentiles of the draws plus normal noise, by a hundred random noises for each draw.
    noise = noise_at(problem, optimum.u) * np.random.default_rng(1).standard_normal((100, 200))
    random = np.quantile(logs + noise, [0.05, 0.95])
    assert np.log([low, high]) == pytest.approx(random, abs=4e-4)
    found = intervals(line, "alpha_N", methods=["bootstrap"])
    stored = line.intervals["alpha_N"]
    assert _ends(found, "bootstrap", "parameter") == pytest.approx((stored["low"], stored["high"]))


def test_parameters_by_default(line: Fit) -> None:
    found = intervals(line, methods=["delta", "profile", "backtested"])
    assert [(i.of, i.method) for i in found.intervals] == [
        ("Nc", "delta"),
        ("Nc", "profile"),
        ("alpha_N", "delta"),
        ("alpha_N", "profile"),
    ]
    half = T * math.sqrt(VARIANCE * BREAD[1, 1])
    (curve,) = [p for p in found.profiles if p.of == "alpha_N"]
    assert (curve.low, curve.high) == pytest.approx(
        (COEFFICIENTS[1] - half, COEFFICIENTS[1] + half), rel=1e-8
    )
    record = found.to_dict()["profiles"][1]
    assert record["of"] == "alpha_N"
    assert record["threshold"] == pytest.approx(T**2)
    np.testing.assert_array_equal(record["value"], curve.value)


def test_notes_say_how_and_what_is_assumed(compared: Comparison) -> None:
    assert list(compared.notes) == [
        "delta: delta method (larger of HC3 and classic variance, Student's t)",
        "profile: profile of the objective (likelihood ratio scaled to the residuals' "
        "scatter, Student's t); rows "
        "taken as independent",
        "bootstrap: bootstrap by run, 200 resamples of 15",
        "backtested: the range of 'scaling predict', drift included",
        "delta, profile, bootstrap and nuts measure noise and take the law as true; on held-out "
        "larger runs such intervals hold about half of what they promise.",
    ]


def test_derived_quantities_have_no_profile() -> None:
    points = table("chinchilla", noise=0.005, seed=4)
    made = scaling_cli.fit(points, bootstrap=100)
    found = intervals(made, "optimal_params", methods=["delta", "profile", "bootstrap"], C=1e22)
    assert [(i.method, i.kind) for i in found.intervals] == [
        ("delta", "derived"),
        ("bootstrap", "derived"),
    ]
    value = float(made.law.derive("optimal_params", C=1e22))
    for one in found.intervals:
        assert one.value == value
        assert one.low is not None
        assert one.high is not None
        assert one.low < value < one.high


def test_several_points(line: Fit) -> None:
    found = intervals(line, "loss", methods=["delta"], N=[1e11, 1e12])
    assert [i.inputs["N"] for i in found.intervals] == [1e11, 1e11, 1e12, 1e12]


def _posterior(r_hat: float) -> Posterior:
    draws = {"Nc": np.full(400, 1e13), "alpha_N": np.linspace(0.07, 0.08, 400)}
    return Posterior(
        draws, np.full(400, 1e-9), math.inf, {"Nc": 1.0, "sigma": r_hat}, {"Nc": 300.0}, 0, 4, 100
    )


def test_draws_of_the_posterior(line: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    def sample(fitted: Fitted) -> Posterior:
        assert fitted.resampling.seed == 3
        return _posterior(1.0)

    monkeypatch.setattr(methods, "sample", sample)
    found = intervals(line, "alpha_N", methods=["nuts"], level=0.8)
    assert _ends(found, "nuts", "parameter") == pytest.approx((0.071, 0.079))
    at = intervals(line, methods=["nuts"], level=0.8, N=1e12)
    ends = ((1e13 / 1e12) ** 0.071, (1e13 / 1e12) ** 0.079)
    assert _ends(at, "nuts", "mean curve") == pytest.approx(ends)
    assert _ends(at, "nuts", "new run") == pytest.approx(ends, rel=1e-4)


def test_a_posterior_that_did_not_converge_gives_no_interval(
    line: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "sample", lambda *_, **__: _posterior(1.2))
    found = intervals(line, "alpha_N", methods=["nuts"])
    assert [(i.low, i.high) for i in found.intervals] == [(None, None)]
    assert found.notes[0] == (
        "nuts: NOT CONVERGED, no interval is given: 4 chains of 100 draws, R-hat at most 1.2000, "
        "effective sample size at least 300, 0 divergences"
    )


def test_a_lower_objective_is_said(line: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    real = profiles.of_parameter

    def lower(*args: Any) -> profiles.Profile:
        return replace(real(*args), lower=0.1)

    monkeypatch.setattr(profiles, "of_parameter", lower)
    found = intervals(line, "alpha_N", methods=["profile"])
    assert found.notes[-1] == "a profile found a lower objective than the fit: fit again."


@pytest.mark.parametrize(
    ("of", "options", "message"),
    [
        ("gamma", {}, "law kaplan_n has no 'gamma'. It has Nc, alpha_N, loss"),
        ("loss", {}, "law kaplan_n takes N: missing N."),
        (
            "alpha_N",
            {"methods": ["guess"]},
            "there is no method 'guess'. Methods: delta, profile, bootstrap, nuts, backtested.",
        ),
        ("alpha_N", {"level": 1.0}, "level must lie between 0 and 1, not 1.0."),
    ],
)
def test_what_is_refused(line: Fit, of: str, options: dict[str, Any], message: str) -> None:
    assert refusal(UsageError, intervals, line, of, **options).startswith(message)


def test_fits_without_an_objective_or_points(line: Fit) -> None:
    published = replace(line, origin={"kind": "published"})
    error = refused(DataError, intervals, published, "alpha_N")
    assert str(error) == (
        "this fit holds published numbers: they are not the minimum of an objective here. Fit the "
        "points yourself with 'scaling fit'."
    )
    bare = replace(line, data={})
    assert refusal(DataError, intervals, bare, "alpha_N") == (
        "the points of this fit are not at hand. Fit again where they are: 'scaling fit ... -o "
        "fit.json'."
    )


def _mirrored(interval: methods.Interval) -> methods.Interval:
    """Return the same interval of minus the output."""
    ends = {"low": interval.high, "high": interval.low}
    signed = {name: None if end is None else -end for name, end in ends.items()}
    return replace(interval, value=-interval.value, **signed)


def test_what_rises_is_told_in_its_own_numbers() -> None:
    told: dict[str, Any] = {"bootstrap": 40, "objective": Objective("l2")}
    table_ = table("chinchilla", noise=0.01, seed=4)
    loss = scaling_cli.fit(table_, **told)
    reward = replace(table_, output=-table_.output, target="reward")
    rising = scaling_cli.fit(reward, rising=True, limit=0.0, **told)
    ways = ("delta", "profile", "bootstrap", "backtested")
    for of, at in (("loss", {"N": 3e9, "D": 6e10}), ("optimal_loss", {"C": 1e21})):
        fell, rose = (intervals(fit, of, methods=ways, **at) for fit in (loss, rising))
        for before, after in zip(fell.intervals, rose.intervals, strict=True):
            expected = _mirrored(before)
            assert replace(after, value=0.0, low=0.0, high=0.0) == replace(
                expected, value=0.0, low=0.0, high=0.0
            )
            ends = (expected.value, expected.low, expected.high)
            assert (after.value, after.low, after.high) == pytest.approx(ends)
        for before, after in zip(fell.profiles, rose.profiles, strict=True):
            assert after.value == pytest.approx(-before.value[::-1])
            assert after.rise == pytest.approx(before.rise[::-1])
            assert (after.low, after.high) == pytest.approx((-before.high, -before.low))
    asked: dict[str, Any] = {"of": "compute_for_loss", "methods": "delta"}
    ((fell,), (rose,)) = (
        intervals(fit, L=L, **asked).intervals for fit, L in ((loss, 2.5), (rising, -2.5))
    )
    assert (rose.value, rose.low, rose.high) == pytest.approx((fell.value, fell.low, fell.high))
    assert (rose.inputs, rose.of) == ({"L": -2.5}, "compute_for_loss")
    assert fell.value == pytest.approx(loss.law.compute_for_loss(L=2.5))
    assert refusal(UsageError, intervals, rising, L=2.5, **asked) == (
        "by this law there is no compute_for_loss at reward = 2.5."
    )
    assert rising.predict(C=loss.law.compute_for_loss(L=2.5)).value == pytest.approx(-2.5)
