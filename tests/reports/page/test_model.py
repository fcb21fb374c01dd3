"""The page computes what Python computes: the same JavaScript, run by Node beside `Fit.predict`."""

import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cli_fits
import numpy as np
import pytest

import scaling_cli as sc
from scaling_cli import laws
from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit
from scaling_cli.laws.power_law import PowerLaw
from scaling_cli.reports.page import _model, _tracing
from scaling_cli.vocabulary.outcomes import Status

ROOT = Path(__file__).resolve().parents[3]
STORED = ROOT / "tests" / "artefacts" / "v0.1.0" / "fit.json"
FORECAST = (Path(_model.__file__).parent / "assets" / "forecast.js").read_text("utf8")
SAME = 1e-9
POINTS = 40
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(script: str) -> Any:
    """Return what a script prints, as JSON."""
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asked(model: _model.Model, expression: str, points: list[Mapping[str, float]]) -> list[Any]:
    """Return what an expression of `ask` and a point `x` is at each point."""
    return run(
        f"{FORECAST}\n{model.script}\nconst ask = forecaster(model);\n"
        f"console.log(JSON.stringify({json.dumps(points)}.map((x) => ({expression}))));"
    )


def points_of(model: _model.Model) -> list[Mapping[str, float]]:
    """Return points all over the sliders."""
    generator = np.random.default_rng(3)
    ends = {
        s.symbol: np.log([s.low, s.high]) if s.logarithmic else np.array([s.low, s.high])
        for s in model.sliders
    }
    shapes = {s.symbol: np.exp if s.logarithmic else float for s in model.sliders}
    return [
        {
            symbol: float(shapes[symbol](generator.uniform(pair[0], pair[1])))
            for symbol, pair in ends.items()
        }
        for _ in range(POINTS)
    ]


def turned() -> Fit:
    """Return a fit of 1 - accuracy, which falls as the loss does."""
    fit = cli_fits.fit()
    stored = {"target": "accuracy", "sign": -1.0, "offset": 1.0}
    ranges = {**fit.data["ranges"], "L": [0.2, 0.6]}
    law = type(fit.law)(**{**cli_fits.TRUTH, "E": 0.1})
    drawn = {"E": 0.1 + 0.01 * np.linspace(-1, 1, 201)}
    return Fit(
        law,
        status=Status.CONVERGED,
        n_points=20,
        uncertainty=cli_fits.certain(law, drawn, drift=0.002),
        data={**fit.data, "ranges": ranges, "fitted_as": stored},
    )


def of_one_input() -> Fit:
    law = PowerLaw(E=1.0, A=8.0, alpha=0.5)
    drawn = {"alpha": 0.5 + 0.02 * np.linspace(-1, 1, 201)}
    sure = cli_fits.certain(law, drawn, drift=0.01)
    data = {"ranges": {"x": [1.0, 100.0], "L": [1.8, 9.0]}}
    return Fit(law, status=Status.CONVERGED, n_points=9, uncertainty=sure, data=data)


FITS = {
    "stored": lambda: kinds.load(STORED, Fit),
    "by hand": cli_fits.fit,
    "turned": turned,
    "one input": of_one_input,
    "published": lambda: kinds.load("kaplan_nd/kaplan-2020", Fit),
    "computed": lambda: kinds.load("chinchilla_gamma/ladder", Fit),
}


@needs_node
@pytest.mark.parametrize("name", FITS)
def test_every_number_of_a_forecast_is_that_of_python(name: str) -> None:
    fit = FITS[name]()
    model = _model.of(fit)
    if model is None:
        assert not fit.data.get("ranges")
        return
    points = points_of(model)
    told = asked(model, "ask.predict(x)", points)
    for x, own in zip(points, told, strict=True):
        expected = fit.predict(level=model.level, **x)
        pairs = [(own["value"], expected.value), (own["forecast"], expected.forecast)]
        for kind in ("mean", "new_run"):
            ends = getattr(expected, kind)
            assert (own[kind] is None) == (ends is None)
            pairs += zip(own[kind] or (), ends or (), strict=True)
        pairs += [(own["extrapolation"][s], f) for s, f in expected.extrapolation.items()]
        for number, wanted in pairs:
            assert number == pytest.approx(float(wanted[0]), rel=SAME)


@needs_node
@pytest.mark.parametrize("name", ["stored", "by hand", "computed"])
def test_the_best_split_and_its_ranges_are_those_of_python(name: str) -> None:
    fit = FITS[name]()
    model = _model.of(fit)
    assert model is not None
    points = points_of(model)[:12]
    told = asked(model, "ask.optimum(ask.along(x), 0, {})", points)
    for x, own in zip(points, told, strict=True):
        prediction = fit.predict(level=model.level, C=float(fit.law.compute(**x)))
        (split,) = prediction.splits
        wanted = [
            *split.best.values(),
            *(split.interval or {}).get("N", ()),
            *split.near[0.001]["N"],
        ]
        found = [own["inputs"]["N"], own["inputs"]["D"], *own["interval"], *own["near"]]
        # JSON has no infinity: an end of the valley that is none is null, and zero below.
        known = [np.inf if value is None else value for value in found]
        assert known == pytest.approx(wanted, rel=SAME)
        assert own["loss"]["forecast"] == pytest.approx(float(prediction.forecast[0]), rel=SAME)


@needs_node
def test_use_after_training_is_planned_as_plan_plans_it() -> None:
    fit = cli_fits.fit()
    model = _model.of(fit)
    assert model is not None
    answer = sc.plan(fit, C=1e23, inference_tokens=1e13)["allocations"][0]
    (own,) = asked(model, "ask.optimum(1e23, 1e13, {})", [{}])
    # Golden section tells places apart to the square root of rounding; losses to rounding.
    assert own["inputs"]["N"] == pytest.approx(answer["N"], rel=1e-6)
    assert own["interval"] == pytest.approx(answer["N_interval"], rel=1e-6)
    assert own["near"] == pytest.approx(answer["near_optimal"]["N"], rel=1e-6)
    assert own["loss"]["forecast"] == pytest.approx(answer["loss"], rel=SAME)


@needs_node
def test_a_law_without_a_closed_optimum_is_searched() -> None:
    law = laws.get("E + A/N**alpha + B/D**beta")
    values = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.36}
    ranges = {"N": [1e7, 1e9], "D": [1e9, 1e11], "C": [6e16, 6e20], "L": [2.0, 4.0]}
    fit = Fit(law(**values), status=Status.CONVERGED, n_points=9, data={"ranges": ranges})
    model = _model.of(fit)
    assert model is not None and "model.best = null" in model.script
    (own,) = asked(model, "ask.optimum(1e22, 0, {})", [{}])
    built_in = laws.get("chinchilla")(**values)
    best = built_in.optimum(1e22)
    assert best is not None
    assert own["inputs"]["N"] == pytest.approx(best["N"], rel=1e-6)
    assert own["loss"]["forecast"] == pytest.approx(float(built_in(**best)), rel=SAME)


@needs_node
@pytest.mark.parametrize("name", laws.names())
def test_every_law_is_written_down_as_it_computes(name: str) -> None:
    law = laws.get(name)
    generator = np.random.default_rng(5)
    inputs = law.example()
    values = {n: float(generator.uniform(0.3, 0.9)) for n in law.parameters()}
    text = _tracing.javascript(lambda p, x, law=law: law(**p)(**x), values, inputs)
    told = run(f"console.log(({text})({json.dumps(values)}, {json.dumps(inputs)}));")
    assert told == pytest.approx(float(law(**values)(**inputs)), rel=1e-12)


def test_what_looks_at_its_numbers_is_not_written_down() -> None:
    with pytest.raises(_tracing.Untraceable):
        _tracing.javascript(lambda _, x: x["N"] if x["N"] > 1 else 0.0, (), ["N"])
    with pytest.raises(_tracing.Untraceable):
        _tracing.javascript(lambda _, x: x["N"].__array_namespace__().cumsum(x["N"]), (), ["N"])


def test_without_ranges_there_is_nothing_to_move() -> None:
    assert _model.of(cli_fits.published()) is None


def test_draws_travel_bit_by_bit() -> None:
    values = np.array([1 / 3, 1e-300, 1.7976931348623157e308])
    assert np.frombuffer(b64decode(_model._packed(values))).tolist() == values.tolist()
