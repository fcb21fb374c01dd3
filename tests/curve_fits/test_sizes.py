"""The annealing law across model sizes: recovers itself, predicts sizes, says what it cannot."""

import json
import math
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from command_line import run
from curve_truths import BACKBONE, made
from refusals import refusal

import scaling_cli as sc
from scaling_cli.artefacts.curve_fit import CurveFit
from scaling_cli.curve_laws.annealing_size import AnnealingSize
from scaling_cli.runs.curve import Curve
from scaling_cli.runs.curves import curves_of
from scaling_cli.vocabulary.errors import FitError, UsageError

QUICK = {"law": "annealing_size", "bootstrap": 0, "hold_out": False}
TRUTH = AnnealingSize(**BACKBONE, C=1e-4, forget=3e-3, B=40.0, beta=0.4, gamma=0.1)


def of_size(size: float, name: str) -> Curve:
    """Return a curve of TRUTH for one model size."""
    bare = replace(made("annealing", name), params=size)
    loss = TRUTH.curve(bare.path("at_peak", 0.001))
    return replace(bare, run=f"{name}-{size:g}", loss=loss)


@pytest.fixture(scope="module")
def three() -> CurveFit:
    curves = [of_size(n, name) for n in (1e5, 1e6, 1e7) for name in ("constant", "cosine")]
    return sc.fit_curves(curves, prior=0.0, **QUICK)


def test_three_sizes_recover_the_law(three: CurveFit) -> None:
    fitted = three.laws["annealing_size"]
    assert fitted.law.values() == pytest.approx(TRUTH.values(), rel=2e-3)
    unseen = of_size(1e8, "cosine")
    predicted = three.predict(unseen.schedule, unseen.step, N=1e8)
    assert predicted.value == pytest.approx(unseen.loss, rel=1e-4)
    assert predicted.extrapolation["N"] == pytest.approx(10)
    assert predicted.notes == (
        "N = 1e+08 lies outside the fitted sizes, 100000 to 1e+07: where its curve ends rests on "
        "B N^-beta, which few sizes tell from L0.",
    )
    assert predicted.to_dict()["inputs"]["N"] == 1e8
    assert three.along(of_size(1e6, "cosine")).value == pytest.approx(
        of_size(1e6, "cosine").loss, rel=1e-5
    )


def test_a_stored_fit_predicts_the_same(three: CurveFit, tmp_path: File) -> None:
    three.to_json(tmp_path / "fit.json")
    again = sc.load(tmp_path / "fit.json")
    assert isinstance(again, CurveFit)
    text = "cosine:peak=0.001,warmup=100,steps=3000"
    ends = [fit.predict(text, [2999], N=3e6).value[0] for fit in (three, again)]
    assert ends[0] == ends[1]
    assert [c.params for c in again.curves()] == [1e5, 1e5, 1e6, 1e6, 1e7, 1e7]
    best = sc.best_schedule(again, 3000, params=1e6).best
    assert best.loss <= again.predict(text, [2999], N=1e6).value[0]


def test_two_sizes_leave_beta_to_its_prior() -> None:
    curves = [of_size(n, name) for n in (1e5, 1e6) for name in ("constant", "cosine")]
    fit = sc.fit_curves(curves, **QUICK)
    law = fit.laws["annealing_size"].law
    assert math.isclose(law.values()["beta"], 0.34, rel_tol=1e-3)
    (check,) = [c for c in fit.checks if c.code == "curve.model"]
    assert str(check.level) == "warn"
    assert check.message == (
        "two model sizes do not tell B N^-beta from L0: beta is its prior's. A third size ends one "
        "or two percent off, of unknown sign. Add runs of a third size."
    )
    assert refusal(FitError, sc.fit_curves, curves, prior=0.0, **QUICK) == (
        "two sizes do not tell B N^-beta from L0: without priors nothing does. Keep the priors, or "
        "hold beta: --fix beta=0.34."
    )


def test_one_size_or_none_is_refused() -> None:
    one = [of_size(1e5, name) for name in ("constant", "cosine")]
    assert refusal(FitError, sc.fit_curves, one, **QUICK) == (
        "annealing_size is fitted to runs of several model sizes; these are all of N = 100000. Add "
        "runs of another size, or fit annealing."
    )
    assert refusal(FitError, sc.fit_curves, [replace(one[0], params=None), one[1]], **QUICK) == (
        "run 'constant-100000': the size of its model is not known, and annealing_size needs it. "
        "Give a column params, --set params=... or --meta."
    )


def test_the_command_takes_one_size(three: CurveFit, tmp_path: File) -> None:
    path = str(tmp_path / "fit.json")
    three.to_json(path)
    text = "cosine:peak=0.001,warmup=100,min=0.0001,steps=3000"
    command = ["predict", "--fit", path, "--schedule", text, "--json", "--params"]
    done = run(*command, "1M")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["predictions"]
    assert found["inputs"]["N"] == 1e6
    last = three.predict(text, [found["inputs"]["S"]], N=1e6).value[0]
    assert found["value"] == pytest.approx(last, rel=1e-12)
    wrong = run(*command, "1M,2M")
    assert json.loads(wrong.stdout)["error"]["message"] == (
        "--params takes one model size with --schedule."
    )


def test_a_size_is_asked_for_where_it_has_a_place(three: CurveFit) -> None:
    text = "cosine:peak=0.001,warmup=100,steps=3000"
    assert refusal(UsageError, three.predict, text) == (
        "the law was fitted to models of 100000 to 1e+07 parameters: of which size? Give N "
        "(--params)."
    )
    single = sc.fit_curves(
        [made("annealing", n) for n in ("constant", "cosine")],
        law="annealing",
        bootstrap=0,
        hold_out=False,
    )
    assert refusal(UsageError, single.predict, text, N=1e6) == (
        "the fit is one of a single model: its size cannot be chosen. Fit runs of several sizes "
        "with --law annealing_size."
    )


def test_the_ladders_larger_model_from_one_of_its_runs(root: File) -> None:
    """All curves of 68k and one constant rate of 164k say how the seven others of 164k end."""
    runs = sc.read(
        str(root / "data/ladder/runs/schedule-*.csv"), meta=str(root / "data/ladder/runs.csv")
    )
    curves, _ = curves_of(runs)
    small = [c for c in curves if "68k" in c.run]
    large = {c.run.rpartition("-")[2]: c for c in curves if "164k" in c.run}
    constant = large.pop("constant")
    fit = sc.fit_curves([*small, constant], **QUICK)
    off = {name: np.abs(fit.along(c).value / c.loss - 1).mean() for name, c in large.items()}
    assert np.mean(list(off.values())) < 0.0125
    best = sc.best_schedule(fit, 2048, params=160e3)
    assert (best.regime.peak, sc.best_schedule(fit, 2048, params=7e4).regime.peak) == (4.7e-3, 7e-3)
    with pytest.raises(FitError, match="never falls"):
        sc.fit_curves([constant], law="annealing", bootstrap=0, hold_out=False)
