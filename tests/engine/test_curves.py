"""Residuals of laws of loss curves and their derivatives, against the laws called under NumPy."""

from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from curve_descent import descended
from curve_truths import LOSS, SCALES, TRUTHS, made, problem

from scaling_cli import curve_laws
from scaling_cli.curve_fits.fitting import AVERAGED, CurveOptions, search, weights
from scaling_cli.engine import compiled, curves
from scaling_cli.engine.curve_coordinates import coordinates, law_at
from scaling_cli.engine.curves import CurveProblem, linearise, solve_curves
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._path import Path

STEP = 1e-5


@pytest.mark.parametrize("name", curve_laws.names())
def test_derivatives_are_those_of_the_law(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "NEAR", 1e-9)  # every drop stands for itself
    law = curve_laws.get(name)
    work, truth = problem(law), law(**TRUTHS[name])
    line, u = linearise(work, truth), coordinates(truth, work.scales)

    def residuals(u: np.ndarray) -> np.ndarray:
        there = law_at(law, u, work.scales)
        return np.log(np.concatenate([np.asarray(there(path)) for path in work.paths]) / LOSS)

    assert line.residuals == pytest.approx(residuals(u), abs=1e-13)
    for i, step in enumerate(STEP * np.eye(len(u))):
        slope = (residuals(u + step) - residuals(u - step)) / (2 * STEP)
        assert line.jacobian[:, i] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", AVERAGED)
def test_drops_far_away_are_taken_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside every drop for itself: within 1e-6 nats/token, and few of them in a long run."""
    law = curve_laws.get(name)
    truth = law(**TRUTHS[name])
    schedule = parse_schedule("cosine:peak=0.001,warmup=2000,min=0,steps=60000")
    step = np.arange(2000, 60000, 300)
    path = law.prepared(Path.of(schedule, step, unit=0.001)).compressed()
    k, losses = len(law.parameters()), [np.full(len(step), LOSS)]
    prior, free = np.zeros((k, 2)), np.ones(k, bool)
    work = CurveProblem(law, [path], losses, 1e-3, prior, free, {"area": SCALES["area"]})
    last, few = np.array([len(step) - 1]), linearise(work, truth)
    together = len(curves._seen(law, path, last).gap)
    exact = np.log(np.asarray(truth(path)) / LOSS)
    assert few.residuals == pytest.approx(exact, abs=1e-6 / LOSS)
    monkeypatch.setattr(curves, "NEAR", 1e-9)
    whole = linearise(replace(work, free=free), truth)
    assert few.jacobian == pytest.approx(whole.jacobian, abs=1e-6)
    assert together < 0.35 * len(curves._seen(law, path, last).gap)


def test_a_second_process_loads_what_the_first_compiled(
    tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compiled.FOLDER, str(tmp_path / "executables"))
    law = curve_laws.get("multi_power")
    lines = []
    for _ in range(2):
        monkeypatch.setattr(compiled, "_loaded", {})
        lines.append(linearise(problem(law), law(**TRUTHS["multi_power"])))
        assert len(list((tmp_path / "executables").iterdir())) == 1
        monkeypatch.setattr(compiled, "_write", None)  # to compile again would fail
    np.testing.assert_array_equal(lines[0].jacobian, lines[1].jacobian)


def test_a_law_that_its_base_changes_is_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    law = curve_laws.get("multi_power")
    read: list[File] = []
    monkeypatch.setattr(compiled, "_digest", lambda *files: read.extend(files))
    compiled._source.__wrapped__(law)
    assert {"multi_power.py", "area_exponential.py", "_curve_law.py"} <= {f.name for f in read}


@pytest.mark.parametrize("name", AVERAGED)
def test_the_minimum_is_that_of_the_solver_before(name: str) -> None:
    """From the law that made the runs: all of them, resamples of them, and two of the three."""
    runs = [made(name, n, noise=2e-3) for n in ("constant", "cosine", "wsd")]
    options, truth = CurveOptions(0.001, None, {}, 1.0), curve_laws.get(name)(**TRUTHS[name])
    work = search(name, runs, options, start=truth).line.problem
    sizes = [len(c.step) for c in runs]
    drawn, _ = weights(sizes, 0.5, 4, seed=0)
    kept = np.repeat([1.0, 0.0, 1.0], sizes)
    times = np.array([np.ones(sum(sizes)), kept, *drawn])
    ours = solve_curves(work, [truth] * len(times), times=times)
    for end, counted in zip(ours, times, strict=True):
        law, value = descended(work, truth, counted)
        assert end.value == pytest.approx(value, rel=1e-9)
        assert end.value <= value * (1 + 1e-12)
        assert end.law.curve(work.paths[2]) == pytest.approx(law.curve(work.paths[2]), rel=1e-6)


def test_held_coordinates_stay_and_lanes_do_not_feel_each_other() -> None:
    runs = [made("multi_power", n, noise=2e-3) for n in ("constant", "cosine", "wsd")]
    held = CurveOptions(0.001, None, {"gamma": 0.7}, 1.0)
    truth = curve_laws.get("multi_power")(**(TRUTHS["multi_power"] | {"gamma": 0.7}))
    work = search("multi_power", runs, held, start=truth).line.problem
    drawn, _ = weights([len(c.step) for c in runs], 0.5, 3, seed=0)
    known = linearise(work, truth)
    together = solve_curves(work, [truth] * 3, times=drawn, known=known)
    for end, times in zip(together, drawn, strict=True):
        [alone] = solve_curves(work, [truth], times=times[None], known=known)
        assert end.law.values()["gamma"] == pytest.approx(0.7, rel=1e-15)
        assert end.law.values() == pytest.approx(alone.law.values(), rel=1e-6)


def test_parts_of_a_table_run_what_was_compiled_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Folds, and the same runs with another warm-up, have the shapes of all runs."""
    law = curve_laws.get("functional")
    runs = [made("functional", n) for n in ("constant", "cosine", "wsd")]
    monkeypatch.setattr(compiled, "_loaded", {})
    for warmup in ("as_trained", "area"):
        for some in (runs, runs[:2], runs[1:]):
            options = CurveOptions(0.001, warmup, {}, 1.0)
            linearise(search("functional", some, options).line.problem, law(**TRUTHS["functional"]))
    assert len(compiled._loaded) == 1
