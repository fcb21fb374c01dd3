"""The stored fit of loss curves: what is written is read back, and predicts with NumPy alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from curve_truths import TEXTS, made
from refusals import refusal, refused

import scaling_cli as sc
from scaling_cli import reference
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.artefacts.fit import Fit
from scaling_cli.curve_fits.fitting import fit_curves
from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.reference._result import Verdict
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules._path import Path as SchedulePath
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.outcomes import Level, Status


def few(law: str, name: str, noise: float = 1e-3) -> Curve:
    """Return a curve of a law in fifteen points."""
    return made(law, name, noise=noise).thinned(15)


CERTIFIED = kinds.fit_names(of_curves=True)


@pytest.fixture(scope="module")
def fit() -> CurveFit:
    """The annealing law fitted to three noisy curves of its own, with a few draws."""
    curves = [few("annealing", name) for name in ("constant", "cosine", "wsd")]
    return fit_curves(curves, law="annealing", bootstrap=12, command="scaling fit")


def test_a_file_read_back_is_the_fit_to_the_last_digit(fit: CurveFit, tmp_path: Path) -> None:
    fit.to_json(tmp_path / "fit.json")
    again = sc.load(tmp_path / "fit.json")
    assert isinstance(again, CurveFit)
    assert again.to_dict() == fit.to_dict()
    linear = made("annealing", "linear")
    one, two = (f.predict(linear.schedule, linear.step) for f in (fit, again))
    assert np.array_equal(one.value, two.value)
    assert one.mean is not None and two.mean is not None
    assert np.array_equal(one.mean, two.mean)
    assert [c.run for c in again.curves()] == ["constant", "cosine", "wsd"]


def test_the_contract_holds(fit: CurveFit) -> None:
    record = json.loads(json.dumps(fit.to_dict()))
    assert (record["schema_version"], record["kind"], record["law"]) == (
        1,
        "curve_fit",
        "annealing",
    )
    assert record["parameters"] == fit.laws["annealing"].law.values()
    assert record["objective"]["reduction"] == "sum"
    assert record["objective"]["value"] == pytest.approx(objective(fit), rel=1e-12)
    assert record["n_points"] == sum(run["points"] for run in record["runs"]) == 45
    assert {(i["level"], i["low"] < i["high"]) for i in record["intervals"].values()} == {
        (0.9, True)
    }
    assert {"code", "level", "message"} == set(record["checks"][0])
    assert set(record["data"]["ranges"]) == {"S", "lr", "L"}
    assert len(record["data"]["sha256"]) == 64
    assert record["command"] == "scaling fit"
    assert set(record["versions"]) >= {"scaling-cli", "jax", "numpy"}


def objective(fit: CurveFit) -> float:
    """Return the Huber sum (0.001) of ln prediction - ln loss, by the law's quadratic sum."""
    total = 0.0
    for c in fit.curves():
        path = SchedulePath.of(c.schedule, c.step, warmup="at_peak", unit=fit.unit)
        r = np.abs(np.log(fit.laws["annealing"].law(path)) - np.log(c.loss))
        total += np.where(r <= 1e-3, r**2 / 2, 1e-3 * (r - 5e-4)).sum()
    return float(total)


def test_predicting_loads_numpy_only(fit: CurveFit, tmp_path: Path) -> None:
    fit.to_json(tmp_path / "fit.json")
    code = (
        "import sys, scaling_cli as sc\n"
        f"p = sc.load({str(tmp_path / 'fit.json')!r}).predict({TEXTS['linear']!r})\n"
        "print(repr(float(p.value[-1])), float(p.mean[0][-1]) < p.value[-1])\n"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(sc.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    first, modules = done.stdout.splitlines()
    assert first == f"{float(fit.predict(TEXTS['linear']).value[-1])!r} True"
    assert (
        set(modules.split()) & {"jax", "pandas", "pyarrow", "scipy", "matplotlib", "typer"} == set()
    )


def changed(fit: CurveFit, **changes: object) -> dict:
    record = json.loads(json.dumps(fit.to_dict()))
    return record | changes


def test_broken_files_are_refused_with_the_whole_message(fit: CurveFit, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    without = {k: v for k, v in changed(fit).items() if k != "members"}
    member = changed(fit)["members"][0]
    cut = {**member, "parameters": {"L0": 1.0}}
    cases = {
        "the file is broken: the file lacks members.": without,
        "the file is broken: law annealing has parameters L0, A, alpha, C, forget, the file has "
        "L0.": changed(fit, members=[cut]),
        "not a file of schema version 1.": changed(fit, schema_version=2),
    }
    for message, record in cases.items():
        file.write_text(json.dumps(record))
        error = refused(DataError, sc.load, file)
        again = "Write it again with 'scaling fit ... --law average -o fit.json'."
        assert str(error) == f"{file}: {message} {again}"
    file.write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        sc.load(file)


def test_each_kind_is_refused_where_the_other_is_needed(fit: CurveFit, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    fit.to_json(file)
    assert refusal(UsageError, kinds.load, file, Fit) == (
        f"{file} is a fit of loss curves, not a fit of a law of points: use it with 'scaling "
        f"predict --fit {file} --schedule TEXT'."
    )
    assert refusal(UsageError, kinds.load, "kaplan_n/kaplan-2020", CurveFit) == (
        "kaplan_n/kaplan-2020 is a fit of a law of points, not a fit of loss curves: use it with "
        "'scaling predict --fit kaplan_n/kaplan-2020 --params 7B'."
    )
    assert isinstance(kinds.load("kaplan_n/kaplan-2020"), Fit)
    assert refusal(UsageError, fit.predict, "cosine:peak=1e-3,tokens=1B") == (
        "the schedule runs over tokens: cosine:peak=0.001,tokens=1000000000. Curves are fitted "
        "over steps: give steps= in place of tokens=."
    )


# --- leaving out, draws, bands ----------------------------------------------------------------


def test_each_schedule_left_out_is_predicted_by_an_independent_refit(fit: CurveFit) -> None:
    for fold in fit.held_out:
        rest = [c for c in fit.curves() if c.run not in fold.runs]
        (out,) = [c for c in fit.curves() if c.run in fold.runs]
        alone = fit_curves(rest, law="annealing", bootstrap=0, hold_out=False)
        # Rates over the peak of the runs that are left: the same here, all peaks are equal.
        errors = np.log(alone.predict(out.schedule, out.step).value) - np.log(out.loss)
        assert fold.error == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-3)
        last = errors[-round(0.1 * len(errors)) :]
        assert fold.end_error == pytest.approx(np.expm1(last.mean()), rel=1e-3)


def test_what_cannot_be_left_out_says_why() -> None:
    curves = [few("annealing", name) for name in ("constant", "cosine")]
    two = fit_curves(curves, law="annealing", bootstrap=0)
    notes = {fold.runs: (fold.error is None, fold.note) for fold in two.held_out}
    assert notes[("cosine",)] == (
        True,
        "the learning rate never falls in these runs: what a fall does is not in the data.",
    )
    assert notes[("constant",)] == (False, "")
    (warned,) = [c for c in two.checks if c.code == "curve.schedules"]
    assert (warned.level, warned.message) == (
        Level.WARN,
        "without cosine the others cannot be fitted (the learning rate never falls in these runs: "
        "what a fall does is not in the data): 1 of 2 schedules could be left out. Add a second "
        "run with a decay.",
    )


def test_one_schedule_is_untested() -> None:
    one = fit_curves([few("annealing", "wsd")], law="annealing", bootstrap=0)
    assert one.held_out == []
    predicted = one.predict(TEXTS["cosine"])
    assert not predicted.tested
    (warned,) = [c for c in one.checks if c.code == "curve.schedules"]
    assert warned.message == (
        "one curve cannot tell what a fall of the rate takes off from what more steps do: priors "
        "decide, and bands on other schedules are UNTESTED. Add a run with another schedule."
    )


def test_bands_are_the_quadrature_of_their_parts(fit: CurveFit) -> None:
    p = fit.predict(TEXTS["linear"], [500, 2000, 3900], level=0.9)
    assert p.mean is not None and p.new_run is not None
    assert set(p.parts) == {"parameters", "schedule", "noise"}
    curve_half = np.sqrt(p.parts["parameters"] ** 2 + p.parts["schedule"] ** 2)
    assert np.log(p.mean[1] / p.value) == pytest.approx(curve_half, rel=1e-12)
    one = np.hypot(curve_half, p.parts["noise"])
    assert np.log(p.value / p.new_run[0]) == pytest.approx(one, rel=1e-12)
    assert fit.uncertainty is not None and fit.uncertainty.schedule is not None
    t = 2.3533634348018264  # Student, 3 degrees of freedom, 95 %: from tables
    beyond = np.array([1.0, 1.0, 3900 / max(c.step[-1] for c in fit.curves())])
    assert p.parts["schedule"] == pytest.approx(t * fit.uncertainty.schedule * beyond, rel=1e-9)


def test_the_spread_of_draws_is_that_of_new_noise() -> None:
    """Independent noise: refits to blocks of one point, and to fresh noise, spread alike."""
    names = ("constant", "cosine", "wsd")
    fresh, half = [], np.nan
    for seed in range(25):
        rng = np.random.default_rng(seed)
        clean = [few("power_area", name, 0.0) for name in names]
        noisy = [
            replace(c, loss=c.loss * np.exp(2e-3 * rng.standard_normal(len(c.loss)))) for c in clean
        ]
        found = fit_curves(noisy, law="power_area", bootstrap=40 if not seed else 0, hold_out=False)
        fresh.append(float(np.log(found.predict(TEXTS["linear"], [3000]).value[0])))
        if not seed:
            half = found.predict(TEXTS["linear"], [3000]).parts["parameters"][0]
    assert half / 1.6448536 == pytest.approx(np.std(fresh), rel=0.5)


def test_draws_keep_blocks_together_where_residuals_do() -> None:
    from scaling_cli.curve_fits.fitting import MANY_RUNS, block_length, effective, weights

    # Carlstein's rule by hand: rho .5, n 1000: (sqrt 6 x .5/.75)^(2/3) x 10 = 13.87.
    assert block_length(1000, 0.5) == 14
    assert block_length(1000, -0.2) == block_length(1000, 0.0) == 1
    assert effective(100, 0.5) == pytest.approx(100 / 3)
    drawn, told = weights([1000, 400], 0.5, 7, seed=1)
    assert told == "bootstrap of blocks of 11-14 points within runs"
    assert (drawn[:, :1000].sum(1) == 1000).all() and (drawn[:, 1000:].sum(1) == 400).all()
    assert (np.diff(drawn[:, :1000]) != 0).sum(1).max() <= 2 * 72
    many, told = weights([5] * MANY_RUNS, 0.9, 7, seed=1)
    assert told == "bootstrap of 10 runs"
    assert (many.reshape(7, MANY_RUNS, 5).std(2) == 0).all()


def test_a_draw_is_the_fit_to_points_that_are_repeated() -> None:
    """Counting a point twice is fitting it twice."""
    from scaling_cli.curve_fits.fitting import CurveOptions, search
    from scaling_cli.engine.curves import solve_curves

    curves = [few("power_area", n, 2e-3) for n in ("constant", "cosine")]
    one = search("power_area", curves, CurveOptions(0.001, "as_trained", {}, 1.0))
    times = np.ones(sum(len(c.step) for c in curves))
    times[: len(curves[0].step)] = 2.0
    [ended] = solve_curves(one.line.problem, [one.fitted.law], times=times[None])
    twice = search(
        "power_area", [curves[0], *curves], CurveOptions(0.001, "as_trained", {}, 1.0)
    ).fitted.law
    assert ended.law.values() == pytest.approx(twice.values(), rel=1e-5)


def test_auto_takes_the_strength_that_predicts_schedules_left_out() -> None:
    curves = [few("annealing", n) for n in ("constant", "cosine", "wsd")]
    found = fit_curves(curves, law="annealing", prior="auto", bootstrap=0)
    tried = found.diagnostics["prior_strengths"]
    assert set(tried) == {"0", "1", "10"}
    best = min((k for k in tried if tried[k] is not None), key=lambda k: tried[k])
    assert found.selection["prior_strength"] == float(best)
    alone = fit_curves(curves, law="annealing", prior=1.0, bootstrap=0)
    assert alone.uncertainty is not None
    assert tried["1"] == pytest.approx(alone.uncertainty.schedule, rel=1e-3)
    assert refusal(UsageError, fit_curves, curves[:1], law="power_area", prior="auto") == (
        "prior strength auto: no schedule can be left out of these runs. Add a schedule with a "
        "decay, or give a strength: 0, 1 or 10."
    )


# --- the certified fits -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CERTIFIED)
def test_certified_fits_say_what_they_are(name: str, tmp_path: Path) -> None:
    fit = kinds.load(name, CurveFit)
    assert fit.name == name
    assert fit.name_of_law == name.partition("/")[0]
    assert fit.origin["source"].strip() and fit.origin["note"].strip()
    assert fit.origin["certainty"] in ("seen", "computed")
    absolute = fit.unit == 1.0
    assert fit.data["conventions"]["lr"] == ("absolute" if absolute else "over rate_unit")
    assert fit.origin["units"]["lr"].startswith("absolute" if absolute else "learning rate over")
    assert (fit.uncertainty is None) == absolute
    assert (fit.status is Status.PUBLISHED) == (fit.origin["kind"] == "published")
    assert not fit.data.get("points")
    assert 3 <= len(fit.origin["anchors"]) <= 5
    fit.to_json(tmp_path / "again.json")
    file = reference.folder("fits") / f"{name}.json"
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", CERTIFIED)
def test_anchors_are_what_the_law_gives_term_by_term(name: str) -> None:
    fit = kinds.load(name, CurveFit)
    for anchor in fit.origin["anchors"]:
        schedule = sc.parse_schedule(anchor["inputs"]["schedule"])
        each = []
        for fitted in fit.laws.values():
            at = [anchor["inputs"]["S"]]
            path = SchedulePath.of(schedule, at, warmup=fitted.warmup, unit=fit.unit)
            law: CurveLaw = fitted.law
            each.append(float(np.asarray(law(path))[0]))
        assert anchor["value"] == pytest.approx(np.mean(each), rel=1e-9)


def test_check_evaluates_published_curves_where_they_are(shared: Path) -> None:
    (found,) = reference.check(["multi_power/luo-2025-25m"], mirror=shared / "upstream")
    assert (found.status, found.message) == (
        Verdict.PASS,
        "evaluated on its data; mean relative error 0.0011 on 6 held-out runs.",
    )
    assert found.objective == pytest.approx(2.91e-4, abs=5e-7)  # as computed by others


def test_check_refits_what_carries_its_curves(fit: CurveFit, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    fit.to_json(file)
    (found,) = reference.check([file])
    assert found.status is Verdict.PASS
    record = changed(fit)
    record["members"][0]["value"] *= 0.9
    file.write_text(json.dumps(record))
    (low,) = reference.check([file])
    assert low.status is Verdict.FAIL
    record = changed(fit)
    record["data"]["points"]["wsd"]["loss"][3] *= 1.01
    file.write_text(json.dumps(record))
    (moved,) = reference.check([file])
    assert moved.status is Verdict.FAIL
    assert moved.message.startswith("the curves have changed since this fit: SHA-256 ")


def test_update_keeps_what_a_file_says_of_itself(fit: CurveFit, tmp_path: Path) -> None:
    record = changed(fit)
    run = record["runs"][0]
    last = {"schedule": run["schedule"], "S": run["last"]}
    record["members"][0]["value"] *= 1.1
    record["command"] = "scaling fit of old"
    end = float(fit.predict(last["schedule"], [last["S"]]).value[0])
    record["origin"] = {"source": "own", "anchors": [{"inputs": last, "value": end}]}
    run["known"] = "read in a diary."
    file = tmp_path / "fit.json"
    file.write_text(json.dumps(record))
    (found,) = reference.check([file], update=True)
    assert found.status is Verdict.PASS
    assert found.message.endswith(" Written.")
    after = json.loads(file.read_text())
    assert after["members"][0]["value"] == pytest.approx(fit.to_dict()["members"][0]["value"])
    for same in ("command", "data", "name"):
        assert after[same] == record[same]
    assert after["runs"][0]["known"] == "read in a diary."
    (anchor,) = after["origin"]["anchors"]
    assert anchor["inputs"] == last
    assert anchor["value"] == pytest.approx(end, rel=1e-6)


def test_check_sees_an_anchor_that_is_off(tmp_path: Path) -> None:
    record = kinds.load("annealing/tissue-2024", CurveFit).to_dict()
    record["origin"]["anchors"][0]["value"] *= 1 + 1e-9
    (tmp_path / "fit.json").write_text(json.dumps(record))
    (found,) = reference.check([tmp_path / "fit.json"])
    assert (found.status, found.message) == (
        Verdict.FAIL,
        "the laws no longer give the stored predictions: off by 1e-09 of the loss at an anchor "
        "point (allowed 1e-12).",
    )


def test_curves_of_several_models_are_warned_about() -> None:
    curves = [few("annealing", name) for name in ("constant", "wsd")]
    mixed = [replace(c, params=n) for c, n in zip(curves, (1e8, 2e8), strict=True)]
    found = fit_curves(mixed, law="annealing", bootstrap=0, hold_out=False)
    (warned,) = [c for c in found.checks if c.code == "curve.model"]
    assert warned.message == (
        "the runs are of 2 sizes (1e+08, 2e+08): one curve cannot fit them all. Choose one: "
        "--where 'params == 2e+08'."
    )
    assert isinstance(mixed[0], Curve)
