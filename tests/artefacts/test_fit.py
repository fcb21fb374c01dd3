"""The fit file and its predictions: exact round trips, whole messages, intervals by brute force."""

import json
import math
import os
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from refusals import refusal, refused
from tables import TRUTHS, truth

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts._prediction import Uncertainty, read_inputs
from scaling_cli.artefacts.fit import Fit
from scaling_cli.vocabulary.errors import DataError, UsageError
from scaling_cli.vocabulary.jsonfile import to_json, write_json
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Level, Status

AXIS_MAX = 1e20


def _uncertainty(drift: float = 0.02, shift: float = 0.0) -> Uncertainty:
    generator = np.random.default_rng(31)
    draws = {
        name: value * np.exp(0.01 * generator.standard_normal(500) + (shift if name == "E" else 0))
        for name, value in TRUTHS["chinchilla"].items()
    }
    sigma = 0.004 * np.exp(0.2 * generator.standard_normal(500))
    return Uncertainty(
        draws=draws,
        sigma=sigma,
        drift=drift,
        largest={"C": AXIS_MAX},
        tested=True,
        method="by hand",
    )


def _fit(**changes: Any) -> Fit:
    given = {
        "law": truth("chinchilla"),
        "status": Status.CONVERGED,
        "objective": Objective(),
        "value": 1.2345678901234567e-3,
        "n_points": 15,
        "uncertainty": _uncertainty(),
        "intervals": {"E": {"level": 0.9, "low": 1.7, "high": 1.9}},
        "backtest": {"axis": "C", "cuts": [], "note": "none"},
        "checks": [Check("data.range", Level.WARN, "thin")],
        "left_out": [LeftOut("r9", "no loss")],
        "data": {"ranges": {"N": [1e8, 1e9], "D": [1e9, 1e11], "C": [1e18, AXIS_MAX]}},
        "derived": {"optimal_params": [{"C": 1e20, "N": 7e8}]},
        "diagnostics": {"starts": 64},
        "selection": {"seed": 0},
        "origin": {"kind": "computed"},
        "versions": {"numpy": "2"},
        "command": "scaling fit runs.csv",
        "name": "mine",
    }
    return Fit(**given | changes)


def _brute_force(fit: Fit, N: float, D: float, level: float) -> dict[str, list[float]]:
    """Return mean by sorting every draw; new_run adds the exact quantiles of a run's noise."""
    u = fit.uncertainty
    assert u is not None
    z = NormalDist()
    value = math.log(float(fit.law(N=N, D=D)))
    curve = []
    for i in range(len(u.sigma)):
        law = type(fit.law)(**{name: float(v[i]) for name, v in u.draws.items()})
        curve.append(math.log(float(law(N=N, D=D))))
    drift = z.inv_cdf((1 + level) / 2) * u.drift * max(0.0, math.log10(6 * N * D / u.largest["C"]))

    def scatter(p: float) -> float:
        low, high = -1.0, 1.0
        for _ in range(60):
            x = (low + high) / 2
            below = sum(z.cdf(x / float(s)) for s in u.sigma) / len(u.sigma)
            low, high = (x, high) if below < p else (low, x)
        return low

    share = ((1 - level) / 2, (1 + level) / 2)
    low, high = (_quantile(curve, p) for p in share)
    sides = [math.hypot(max(0.0, side), drift) for side in (value - low, high - value)]
    wider = [math.hypot(side, scatter(p)) for side, p in zip(sides, share, strict=True)]
    return {
        name: [math.exp(value - below), math.exp(value + above)]
        for name, (below, above) in (("mean", sides), ("new_run", wider))
    }


def _quantile(values: list[float], p: float) -> float:
    """Return the linearly interpolated quantile."""
    ordered = sorted(values)
    place = p * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _without_arrays(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)


def test_round_trip_is_exact(tmp_path: Path) -> None:
    fit = _fit()
    again = Fit.from_dict(fit.to_dict())
    assert _without_arrays(again.to_dict()) == _without_arrays(fit.to_dict())
    fit.to_json(tmp_path / "fit.json")
    loaded = kinds.load(tmp_path / "fit.json", Fit)
    assert loaded.law == fit.law
    assert loaded.checks == fit.checks
    assert loaded.left_out == fit.left_out
    assert loaded.objective == fit.objective
    at = {"N": np.geomspace(1e8, 1e12, 7), "D": 3e11}
    before, after = fit.predict(**at), loaded.predict(**at)
    np.testing.assert_array_equal(after.value, before.value)
    for one, other in ((before.mean, after.mean), (before.new_run, after.new_run)):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one, other)


def test_a_published_fit_has_neither_value_nor_intervals(tmp_path: Path) -> None:
    fit = _fit(status=Status.PUBLISHED, value=None, uncertainty=None, intervals={}, backtest=None)
    fit.to_json(tmp_path / "fit.json")
    loaded = kinds.load(tmp_path / "fit.json", Fit)
    prediction = loaded.predict(N=7e9, D=1e12)
    assert (loaded.value, prediction.mean, prediction.new_run) == (None, None, None)
    assert prediction.parts == {}
    (point,) = prediction.to_dicts()
    assert (point["mean"], point["new_run"]) == (None, None)
    E, A, B, alpha, beta = TRUTHS["chinchilla"].values()
    assert point["value"] == pytest.approx(E + A / 7e9**alpha + B / 1e12**beta, rel=1e-14)


def test_what_is_not_a_number_is_null() -> None:
    record = {
        "a": math.nan,
        "b": [math.inf, np.float64(-math.inf), np.int64(3)],
        1: (np.nan, 2.5),
        "c": np.array([1.0, np.nan]),
    }
    assert json.loads(to_json(record)) == {
        "a": None,
        "b": [None, None, 3],
        "1": [None, 2.5],
        "c": [1.0, None],
    }
    assert _fit(value=math.nan).to_dict()["objective"]["value"] is None


def test_floats_keep_every_digit() -> None:
    for value in (0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308):
        assert json.loads(to_json({"x": value}))["x"] == value


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "fit.json"
    write_json(target, {"old": 1})

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_json(target, {"new": 2})
    assert json.loads(target.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["fit.json"]
    monkeypatch.undo()
    write_json(target, {"new": 2})
    assert json.loads(target.read_text()) == {"new": 2}
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_link_is_written_through_and_the_umask_holds(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "fit.json"
    target.write_text("old")
    link.symlink_to(target)
    before = os.umask(0o077)
    try:
        write_json(link, {"new": 1})
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"new": 1}
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.json", "link.json"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_device_or_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for name in ("pipe", "link"):
            write_json(tmp_path / name, {"new": name})
            assert json.loads(os.read(reader, 4096)) == {"new": name}
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    error = refused(UsageError, kinds.load, path, Fit)
    assert error.message == f"'{path}' is neither a file nor a certified fit or recipe."
    assert error.exit_code == 2


COMPLETE = _fit().to_dict()
AGAIN = "Write it again with 'scaling fit ... -o fit.json'."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{\n 'law': 1}",
            "{file}, row 2: not JSON: Expecting property name enclosed in double quotes. The file "
            "breaks off or was changed: write it again with the command that wrote it.",
        ),
        ("[1, 2]", f"{{file}}: not a file of schema version 1. {AGAIN}"),
        ('{"schema_version": 2}', f"{{file}}: not a file of schema version 1. {AGAIN}"),
        (
            '{"schema_version": 1, "law": "chinchilla", "status": "converged"}',
            "{file}: the file is broken: the file lacks parameters, objective, n_points. "
            f"{AGAIN}",
        ),
        (
            json.dumps(COMPLETE | {"parameters": {"E": 1.0, "A": 2.0}}),
            "{file}: the file is broken: law chinchilla has parameters E, A, B, alpha, beta, the "
            f"file has E, A. {AGAIN}",
        ),
    ],
)
def test_files_that_are_not_fits(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "fit.json"
    path.write_text(text, encoding="utf8")
    assert refusal(DataError, kinds.load, path, Fit) == message.replace("{file}", str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"status": "fine"},
            "status must be one of converged, at_bound, ill_conditioned, not_converged, published, "
            'not "fine"',
        ),
        ({"objective": {"name": "huber"}}, "objective lacks delta, space"),
        ({"objective": 3}, "objective must be an object, not 3"),
        (
            {"parameters": TRUTHS["chinchilla"] | {"E": None}},
            "parameters.E must be a finite number, not null",
        ),
        ({"parameters": 7}, "parameters must be an object, not 7"),
        (
            {"uncertainty": {"draws": {}}},
            "uncertainty lacks method, tested, drift, sigma",
        ),
        (
            {"checks": [{"code": "a", "level": "odd", "message": ""}]},
            'checks[0].level must be one of pass, warn, fail, not "odd"',
        ),
    ],
)
def test_broken_fit_files_are_data_errors(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(COMPLETE | change), encoding="utf8")
    assert refusal(DataError, kinds.load, path, Fit) == (
        f"{path}: the file is broken: {message}. {AGAIN}"
    )


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(("N", "D"), [(5e8, 1e10), (7e9, 1e12), (2e11, 4e12)])
def test_intervals_by_brute_force(N: float, D: float, level: float) -> None:
    fit = _fit()
    prediction = fit.predict(N=N, D=D, level=level)
    (point,) = prediction.to_dicts()
    expected = _brute_force(fit, N, D, level)
    assert point["mean"] == pytest.approx(expected["mean"], rel=1e-12)
    # Sixteen strata of noise in each of 500 draws come within a tenth of the noise's sd (0.4 %).
    assert point["new_run"] == pytest.approx(expected["new_run"], rel=4e-4)
    assert point["level"] == level


def test_parts_are_half_widths_in_log_loss() -> None:
    fit = _fit()
    (point,) = fit.predict(N=7e9, D=1e12, level=0.8).to_dicts()
    u, z = fit.uncertainty, NormalDist().inv_cdf(0.9)
    assert u is not None
    drawn = [
        math.log(float(type(fit.law)(**{k: v[i] for k, v in u.draws.items()})(N=7e9, D=1e12)))
        for i in range(500)
    ]
    assert point["parts"] == {
        "parameters": pytest.approx((_quantile(drawn, 0.9) - _quantile(drawn, 0.1)) / 2),
        "laws": 0.0,
        "noise": pytest.approx(z * math.sqrt(sum(s * s for s in u.sigma) / 500)),
        "drift": pytest.approx(z * 0.02 * math.log10(6 * 7e9 * 1e12 / AXIS_MAX)),
    }


def test_intervals_widen_with_level_and_distance() -> None:
    fit = _fit()
    N = np.geomspace(1e9, 1e13, 9)
    widths = []
    for level in (0.8, 0.9, 0.99):
        prediction = fit.predict(N=N, D=20 * N, level=level)
        assert prediction.mean is not None
        assert prediction.new_run is not None
        widths.append(np.log(prediction.new_run[1] / prediction.new_run[0]))
        assert np.all(prediction.new_run[0] < prediction.mean[0])
        assert np.all(prediction.new_run[1] > prediction.mean[1])
    assert np.all(np.diff(widths, axis=0) > 0)
    beyond = 120 * N**2 > AXIS_MAX
    assert np.all(np.diff(np.array(widths)[:, beyond], axis=1) > 0)


@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_a_new_run_scatters_to_both_sides_wherever_the_draws_lie(shift: float) -> None:
    # Draws that lie wholly to one side of the law, inside the data: no drift.
    fit = _fit(uncertainty=_uncertainty(shift=shift))
    prediction = fit.predict(N=5e8, D=1e10)
    assert prediction.mean is not None
    assert prediction.new_run is not None
    expected = _brute_force(fit, 5e8, 1e10, 0.9)
    empty = int(shift < 0)  # which side of the curve has no draw
    assert prediction.mean[empty][0] == pytest.approx(prediction.value[0], rel=1e-12)
    away = [abs(math.log(prediction.new_run[i][0] / prediction.value[0])) for i in (0, 1)]
    told = [abs(math.log(expected["new_run"][i] / prediction.value[0])) for i in (0, 1)]
    assert away == pytest.approx(told, rel=0.01)
    assert away[empty] > 0


def test_extrapolation_is_the_factor_outside_the_data() -> None:
    inside = _fit().predict(N=5e8, D=1e10).extrapolation
    assert {s: v.tolist() for s, v in inside.items()} == {"N": [1.0], "D": [1.0], "C": [1.0]}
    outside = _fit().predict(N=[1e7, 4e9], D=2e11).extrapolation
    assert outside["N"].tolist() == [10.0, 4.0]
    assert outside["D"].tolist() == [2.0, 2.0]
    assert outside["C"].tolist() == pytest.approx([1.0, 48.0])
    assert _fit(data={}).predict(N=7e9, D=1e12).extrapolation == {}


def test_quantities_may_be_strings() -> None:
    fit = _fit()
    written, plain = fit.predict(N="7B", D="1T"), fit.predict(N=7e9, D=1e12)
    np.testing.assert_array_equal(written.value, plain.value)
    assert {s: v.tolist() for s, v in written.inputs.items()} == {"N": [7e9], "D": [1e12]}


def test_inputs_broadcast() -> None:
    columns = read_inputs(truth("chinchilla"), {"N": np.array([[1e8], [1e9]]), "D": [1e9, 1e10]})
    assert columns["N"].tolist() == [1e8, 1e8, 1e9, 1e9]
    assert columns["D"].tolist() == [1e9, 1e10, 1e9, 1e10]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"N": 1e9}, "law chinchilla takes N, D: missing D."),
        ({}, "law chinchilla takes N, D: missing N, D."),
        ({"N": 1e9, "D": 1e9, "x": 1, "y": 2}, "law chinchilla takes N, D: unknown x, y."),
        ({"n": 1e9, "D": 1e9}, "law chinchilla takes N, D: missing N; unknown n."),
        ({"N": 0.0, "D": 1e9}, "N (model parameters) must be positive and finite, got 0.0."),
        ({"N": 1e9, "D": -1.0}, "D (training tokens) must be positive and finite, got -1.0."),
        ({"N": math.nan, "D": 1e9}, "N (model parameters) must be positive and finite, got nan."),
        (
            {"N": [1e9, math.inf], "D": 1e9},
            "N (model parameters) must be positive and finite, got [1000000000.0, inf].",
        ),
    ],
)
def test_inputs_that_cannot_be_used(inputs: dict[str, Any], message: str) -> None:
    error = refused(UsageError, _fit().predict, **inputs)
    assert str(error) == message
    assert error.exit_code == 2


@pytest.mark.parametrize("level", [0.0, 1.0, 90, -0.5])
def test_levels_outside_zero_and_one(level: float) -> None:
    said = refusal(UsageError, _fit().predict, N=1e9, D=1e10, level=level)
    advice = " Write 0.9 for 90 %." if level == 90 else ""
    assert said == f"level must lie between 0 and 1, not {level!r}.{advice}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "l1"}, "objective must be huber, l2 or lad, not 'l1'."),
        ({"space": "sqrt"}, "space must be log or linear, not 'sqrt'."),
        ({"delta": 0.0}, "delta must be positive, not 0.0."),
        ({"delta": math.inf}, "delta must be positive, not inf."),
    ],
)
def test_objectives_that_do_not_exist(arguments: dict[str, Any], message: str) -> None:
    assert refusal(UsageError, Objective, **arguments) == message
