"""`fit_curves`: recovers its own laws, reaches minima, predicts schedules that it did not see."""

import re
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from curve_truths import TEXTS, TRUTHS, made
from loss_curves import BRANCHES, FITTED, HELD_OUT, curve
from refusals import refusal

import scaling_cli as sc
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.curve_fits.fitting import fit_curves
from scaling_cli.curve_laws.area_exponential import AreaExponential
from scaling_cli.runs.curve import Curve
from scaling_cli.runs.curves import curves_of
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import DataError, FitError, UsageError

LAW = AreaExponential(**TRUTHS["area_exponential"])
BARE = {"bootstrap": 0, "hold_out": False}  # the minimum alone


@pytest.fixture(scope="module")
def cheap() -> CurveFit:
    """A fit of the annealing law to three curves of its own."""
    curves = [made("annealing", name) for name in ("constant", "cosine", "wsd")]
    return fit_curves(curves, law="annealing", prior=0, **BARE)


def test_a_law_recovers_itself(cheap: CurveFit) -> None:
    fitted = cheap.laws["annealing"]
    assert fitted.law.values() == pytest.approx(TRUTHS["annealing"], rel=2e-3)
    assert fitted.agree == (4, 4)
    assert fitted.misfit is not None and fitted.misfit < 1e-6
    assert (cheap.unit, cheap.longest, cheap.n_points) == (0.001, 2950, 174)
    unseen = made("annealing", "linear")
    predicted = cheap.predict(unseen.schedule, unseen.step)
    assert predicted.value == pytest.approx(unseen.loss, rel=1e-5)
    assert (predicted.low == predicted.value).all()
    assert predicted.notes == ()


def test_parameters_can_be_held() -> None:
    curves = [made("power_area", n, noise=1e-3) for n in ("constant", "cosine")]
    free = fit_curves(curves, law="power_area", **BARE)
    held = fit_curves(curves, law="power_area", fix={"L0": 2.9, "alpha": 0.45}, **BARE)
    assert held.laws["power_area"].law.values() | {"A": 0} == {"L0": 2.9, "alpha": 0.45, "A": 0}
    values = [one.laws["power_area"].value for one in (free, held)]
    assert values[0] is not None and values[1] is not None
    assert values[1] > values[0]


def test_the_minimum_is_a_minimum() -> None:
    """SciPy, started at the fit, finds nothing lower in the objective written out here."""
    from scipy.optimize import minimize

    curves = [made("power_area", n, noise=2e-3) for n in ("constant", "cosine")]
    fitted = fit_curves(curves, law="power_area", warmup="as_trained", **BARE).laws["power_area"]
    area = np.concatenate([np.cumsum(c.schedule.per_step() / 0.001)[c.step] for c in curves])
    loss = np.concatenate([c.loss for c in curves])

    def objective(p: np.ndarray) -> float:
        r = np.abs(np.log(p[0] + p[1] * (area / 1000) ** -p[2]) - np.log(loss))
        return float(np.where(r <= 1e-3, r**2 / 2, 1e-3 * (r - 5e-4)).sum())

    law = fitted.law
    start = np.array([law.L0, law.A * 1000**-law.alpha, law.alpha])
    assert objective(start) == pytest.approx(fitted.value, rel=1e-9)
    best = minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-16})
    assert best.fun == pytest.approx(fitted.value, rel=1e-7)


def test_a_start_without_a_loss_is_passed_over() -> None:
    """Starts whose curve turns negative end nowhere; the others are taken, or the fit refused."""
    from scaling_cli.curve_fits.fitting import CurveOptions, search
    from scaling_cli.curve_laws.annealing import Annealing
    from scaling_cli.engine.curves import solve_curves

    curves = [made("annealing", n) for n in ("constant", "cosine")]
    options = CurveOptions(0.001, None, {}, 1.0)
    negative = Annealing(**{**TRUTHS["annealing"], "C": 1.0})
    [ended] = solve_curves(search("annealing", curves, options).line.problem, [negative])
    assert (ended.value, ended.decrement, ended.converged) == (np.inf, np.inf, False)
    with pytest.raises(FitError, match="annealing: no start converged"):
        search("annealing", curves, options, start=negative)


def test_what_lies_outside_is_said(cheap: CurveFit) -> None:
    far = cheap.predict(
        parse_schedule("linear:peak=0.002,steps=9000 + constant:peak=0.001,steps=9")
    )
    assert far.notes == (
        "step 9008 is 3.1 times the longest fitted run: decays after long runs have taken off less "
        "than such fits say.",
        "the peak 0.002 lies above 0.001, the highest rate that was fitted.",
        "the rate rises again after it fell, which no fitted run need have shown.",
    )
    assert (far.step[0], far.step[-1], len(far.step)) == (1, 9008, 500)


def test_the_ladders_unseen_schedules(root: File) -> None:
    """Eight schedules of one model: three are fitted, five predicted, at the end of each run."""
    runs = sc.read(
        str(root / "data/ladder/runs/schedule-164k-2.1M-*.csv"),
        meta=str(root / "data/ladder/runs.csv"),
    )
    curves, left = curves_of(runs)
    assert left == []
    kind = {c.run.rpartition("-")[2]: c for c in curves}
    fitted = [kind.pop(name) for name in ("constant", "cosine", "wsd20")]
    off = {}
    for law in ("average", "power_steps"):
        fit = fit_curves(fitted, law=law, **BARE)
        ends = [
            fit.predict(c.schedule, c.step[-1]).value[0] / c.loss[-1] - 1 for c in kind.values()
        ]
        off[law] = float(np.mean(np.abs(ends)))
    assert off["average"] < 0.012
    assert off["power_steps"] > 3 * off["average"]


def test_the_schedule_of_a_curve_is_stated_identified_or_given(tmp_path: File) -> None:
    schedule = parse_schedule("cosine:peak=0.001,warmup=50,min=0.0001,steps=1000")
    table = [f"{s},{schedule.lr(s):.6f},{3 + 9 / (s + 1):.4f}" for s in range(0, 1000, 10)]
    (tmp_path / "a.csv").write_text("\n".join(["step,lr,loss", *table]) + "\n")
    bare = [line.rpartition(",")[0].rpartition(",")[0] + line[line.rfind(",") :] for line in table]
    (tmp_path / "b.csv").write_text("\n".join(["step,loss", *bare]) + "\n")
    runs = sc.read(str(tmp_path / "*.csv"))
    (found,), left = curves_of(runs)
    assert found.schedule == schedule
    assert found.step.tolist() == list(range(50, 1000, 10))
    assert found.notes == ("schedule: certain, from its learning rate.",)
    assert [(item.run, item.reason) for item in left] == [
        ("b", "neither a schedule nor a learning rate is logged.")
    ]
    other = "linear:peak=0.001,steps=1000"
    (_, second), left = curves_of(runs, schedules={"b": other}, start=500)
    assert (second.schedule.text(), second.step[0], left) == (other, 500, [])
    stated = sc.read(str(tmp_path / "b.csv"), set={"schedule": other})
    (third,), _ = curves_of(stated)
    assert (third.schedule.text(), third.notes) == (other, ("schedule: as its column states.",))
    wrong = sc.read(str(tmp_path / "b.csv"), set={"schedule": "cosin:peak=1"})
    assert refusal(DataError, curves_of, wrong) == (
        "no run has a loss curve and a schedule. Left out: b: its schedule 'cosin:peak=1': there "
        "is no schedule 'cosin'."
    )
    said = refusal(UsageError, curves_of, runs, schedules={"c": other})
    assert said == "a schedule is given for 'c', which is no run. Runs: a, b."
    assert refusal(DataError, curves_of, sc.read(str(tmp_path / "b.csv"))) == (
        "no run has a loss curve and a schedule. Left out: b: neither a schedule nor a learning "
        "rate is logged."
    )


def test_long_curves_are_averaged() -> None:
    step = np.arange(1000)
    long = Curve("a", parse_schedule(TEXTS["constant"]), step, np.exp(step / 1000))
    short = long.thinned(100)
    assert short.step.tolist() == [round(10 * i + 4.5) for i in range(100)]
    assert short.loss == pytest.approx(np.exp((10 * np.arange(100) + 4.5) / 1000))
    assert long.thinned(1000) is long


BAD_CURVES = [
    ([1, 2, 3], [1, 1, 1], "run 'a': a curve needs 5 or more steps, each with a loss."),
    ([1, 2, 3, 3, 4], [1] * 5, "run 'a': steps must be whole numbers that increase."),
    (
        [1, 2, 3, 4, 5],
        [1, 1, np.nan, 1, 1],
        "run 'a': the loss at step 3 is not a positive number.",
    ),
]


@pytest.mark.parametrize(("step", "loss", "message"), BAD_CURVES)
def test_what_is_no_curve(step: list, loss: list, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Curve("a", parse_schedule(TEXTS["constant"]), np.array(step), np.array(loss, float))


REFUSED = [
    ({}, UsageError, "there are no curves to fit."),
    (
        {"law": "anneal"},
        UsageError,
        "there is no curve law 'anneal'. Did you mean annealing or annealing_size? Known curve ",
    ),
    (
        {"law": "annealing", "fix": {"lambda": 0.9}},
        UsageError,
        "annealing has no parameter 'lambda'. Parameters: L0, A, alpha, C, forget.",
    ),
    (
        {"fix": {"C": 1.0}},
        UsageError,
        "parameters are held in one law, not in the average of several.",
    ),
    (
        {"law": "annealing"},
        FitError,
        "the learning rate never falls in these runs: what a fall does is not in the data. Add a "
        "run with a decay, or fit power_area or power_steps.",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSED)
def test_refused_with_a_reason(options: dict, error: type[Exception], message: str) -> None:
    curves = [made("power_area", "constant")] if options else []
    assert refusal(error, fit_curves, curves, **options).startswith(message)


# --- published curves -----------------------------------------------------------------------


def error(fit: CurveFit, shared: File, *, novel: bool = False) -> float:
    """Return the mean over held-out curves of the mean relative error, maybe of new shapes only."""
    found = []
    for name in BRANCHES if novel else HELD_OUT:
        held = curve(shared, name)
        off = np.abs(fit.predict(held.schedule, held.step).value / held.loss - 1)
        found.append(off[held.step > BRANCHES[name]].mean() if novel else off.mean())
    return float(np.mean(found))


def test_published_curves_under_schedules_that_were_not_fitted(shared: File) -> None:
    curves = [curve(shared, name) for name in FITTED]
    average = fit_curves(curves, **BARE)
    assert error(average, shared) <= 0.00130
    assert error(average, shared, novel=True) <= 0.00160
    assert all(fitted.agree == (4, 4) for fitted in average.laws.values())
    steps = error(fit_curves(curves, law="power_steps", **BARE), shared)
    assert steps == pytest.approx(0.0044, abs=5e-5)
    assert steps > 3 * error(average, shared)


def test_the_annealing_law_reaches_one_minimum_from_every_start(shared: File) -> None:
    """The lowest of 24 starts of SciPy's L-BFGS-B (benchmarks/curves.py) is 3.758792126e-04."""
    curves = [curve(shared, name) for name in FITTED]
    fitted = fit_curves(curves, law="annealing", prior=0, **BARE).laws["annealing"]
    assert fitted.agree == (4, 4)
    assert fitted.value == pytest.approx(3.758792126e-04, rel=1e-6)


def test_the_annealing_law_with_lambda_fixed_is_the_published_baseline(shared: File) -> None:
    """L0, A, C, alpha and the error of the fit with linear warm-up area and lambda .999."""
    fit = fit_curves(
        [curve(shared, name) for name in FITTED],
        law="annealing",
        warmup="area",
        fix={"forget": 1e-3},
        prior=0,
        **BARE,
    )
    law = fit.laws["annealing"].law
    C = law.values()["C"]
    absolute = [law.L0, law.A * fit.unit**law.alpha, C / fit.unit, law.alpha]
    assert absolute == pytest.approx([3.1583, 0.5136, 0.4019, 0.5134], abs=6e-5)
    assert f"{error(fit, shared):.5f}" == "0.00141"


def test_draws_see_the_width_of_a_valley() -> None:
    """Each draw minimised by SciPy's trust region to the last digit: B and c lie along a valley."""
    from scipy.optimize import least_squares

    from scaling_cli.curve_fits.fitting import DELTA, CurveOptions, draws, search, weights
    from scaling_cli.engine.curve_coordinates import coordinates, law_at

    curves = [made("functional", n, noise=1e-3) for n in ("constant", "cosine", "wsd")]
    options = CurveOptions(0.001, "as_trained", {}, 1.0)
    searched = search("functional", curves, options)
    problem, law = searched.line.problem, searched.fitted.law
    counts, _ = weights([len(c.step) for c in curves], 0.0, 12, 0)
    ours = draws(searched, counts).values
    loss = np.log(np.concatenate([*problem.losses]))

    def residuals(u: np.ndarray, times: np.ndarray) -> np.ndarray:
        there = law_at(problem.law, u, problem.scales)
        off = np.log(np.concatenate([np.asarray(there(p)) for p in problem.paths])) - loss
        size = np.abs(off)
        robust = np.where(size <= DELTA, size, np.sqrt(DELTA * np.maximum(2 * size - DELTA, 0)))
        mean, precision = problem.prior.T
        parts = [np.sqrt(times) * np.sign(off) * robust, np.sqrt(precision) * (u - mean)]
        return np.concatenate(parts) / DELTA

    start, tight = coordinates(law, problem.scales), 1e-12
    ends = [
        least_squares(residuals, start, args=(times,), xtol=tight, ftol=tight, gtol=tight).x
        for times in counts
    ]
    theirs = [law_at(problem.law, u, problem.scales).values() for u in ends]
    for name in ("B", "c"):
        exact = np.array([values[name] for values in theirs])
        assert ours[name] == pytest.approx(exact, abs=0.02 * np.ptp(exact))


def test_draws_that_ran_away_set_no_bound() -> None:
    """Of an area exponential no point feels C above about 1e3: rows lie 50 steps apart."""
    from scaling_cli.curve_fits.checks import dead
    from scaling_cli.curve_fits.fitting import CurveOptions, Draws, percentiles, search
    from scaling_cli.engine.curves import linearise

    curves = [made("area_exponential", n) for n in ("constant", "cosine", "wsd")]
    held = CurveOptions(0.001, None, {}, 0.0)
    problem = search("area_exponential", curves, held, start=LAW).line.problem
    speed = LAW.C * np.linspace(0.5, 1.5, 201)

    def ends(C: np.ndarray) -> dict[str, tuple[float | None, float | None]]:
        values = {n: np.full(201, v) for n, v in LAW.values().items()} | {"C": C}
        gone = [dead(linearise(problem, replace(LAW, C=c))) for c in C.tolist()]
        return percentiles(LAW, Draws(values, gone), 0.9)

    away = np.geomspace(1e9, 1e200, 201)
    assert ends(speed)["C"] == pytest.approx((0.55 * LAW.C, 1.45 * LAW.C), rel=1e-12)
    # The 95 % quantile is the 191st of 201.
    for count, high in ((9, 1.45 * LAW.C), (11, None)):
        some = ends(np.where(np.arange(201) < 201 - count, speed, away))
        assert some["C"] == (pytest.approx(0.55 * LAW.C, rel=1e-12), high and pytest.approx(high))
        assert some["B"] == (LAW.B, LAW.B)
    assert ends(away)["C"] == (None, None)
