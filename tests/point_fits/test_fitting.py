"""`fit` from end to end on a table with a known truth, and the JSON it promises."""

import json
import math
from typing import Any

import numpy as np
import pytest
from refusals import refusal
from tables import RATIOS, TRUTHS, inputs, objective_sum, table, truth

from scaling_cli import laws
from scaling_cli.artefacts.fit import Fit
from scaling_cli.point_fits.fitting import backtest_dict, derived, describe, fit, refit_objective
from scaling_cli.point_fits.held_out import HeldOut
from scaling_cli.runs.points import Points
from scaling_cli.vocabulary.errors import FitError, UsageError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import LeftOut, Level, Status

NOISE = 0.003
CONTRACT = {
    "law",
    "parameters",
    "objective",
    "status",
    "n_points",
    "intervals",
    "derived",
    "backtest",
    "checks",
    "left_out",
    "data",
    "command",
    "schema_version",
}


def _points() -> Points:
    """Fifteen runs of five sizes at three token ratios; 0.3 % noise on a known Chinchilla law."""
    noisy = table("chinchilla", noise=NOISE, seed=41)
    return Points(
        noisy.inputs,
        noisy.output,
        noisy.runs,
        {"N": "total"},
        [LeftOut("run99", "no loss")],
        ["last row"],
    )


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(_points(), bootstrap=200, seed=7, command="scaling fit runs.csv")


def _comparable(one: Fit) -> dict[str, Any]:
    return {k: v for k, v in one.to_dict().items() if k not in ("versions", "command")}


def test_the_truth_lies_inside(fitted: Fit) -> None:
    for name, value in TRUTHS["chinchilla"].items():
        assert fitted.intervals[name]["low"] < value < fitted.intervals[name]["high"]
        assert fitted.intervals[name]["low"] < fitted.parameters[name]
        assert fitted.parameters[name] < fitted.intervals[name]["high"]
    for factor in (1, 10, 100):
        N = 2e9 * math.sqrt(factor)
        (point,) = fitted.predict(N=N, D=20 * N).to_dicts()
        actual = float(truth("chinchilla")(N=N, D=20 * N))
        assert point["mean"][0] < actual < point["mean"][1]
        assert point["new_run"][0] < point["mean"][0]


def test_the_objective_is_the_sum_over_points(fitted: Fit) -> None:
    points = _points()
    r = np.log(np.asarray(fitted.law(**points.inputs))) - np.log(points.output)
    assert fitted.value == pytest.approx(objective_sum(Objective(), r), rel=1e-12)
    assert fitted.status is Status.CONVERGED


def test_the_json_has_what_the_contract_names(fitted: Fit) -> None:
    record = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    assert set(record) >= CONTRACT
    assert record["schema_version"] == 1
    assert record["law"] == "chinchilla"
    assert set(record["parameters"]) == set(TRUTHS["chinchilla"])
    assert set(record["objective"]) == {"name", "delta", "space", "reduction", "value"}
    assert record["objective"]["reduction"] == "sum"
    for interval in record["intervals"].values():
        assert set(interval) == {"level", "low", "high", "method"}
        assert interval["level"] == 0.9
        assert interval["method"] == "bootstrap by run, 200 resamples of 15"
    for cut in record["backtest"]["cuts"]:
        assert set(cut) >= {"train_max", "n_train", "n_test", "bias", "mare", "coverage"}
    for check in record["checks"]:
        assert set(check) == {"code", "level", "message"}
        assert check["level"] in {"pass", "warn", "fail"}
    assert record["left_out"] == [{"run": "run99", "reason": "no loss"}]
    assert set(record["data"]) >= {"sha256", "ranges", "conventions"}
    assert (record["n_points"], record["command"]) == (15, "scaling fit runs.csv")


def test_the_data_record_repeats_the_fit(fitted: Fit) -> None:
    points = _points()
    assert fitted.data["sha256"] == points.sha256()
    assert fitted.data["conventions"] == {"N": "total"}
    assert fitted.data["ranges"] == points.ranges(fitted.law)
    kept = fitted.data["points"]
    again = Points(
        {s: np.array(v) for s, v in kept["inputs"].items()}, np.array(kept["output"]), kept["runs"]
    )
    optimum = refit_objective(again, "chinchilla", seed=7)
    assert optimum.value == fitted.value
    assert optimum.law == fitted.law


def test_derived_optima_are_on_the_budget(fitted: Fit) -> None:
    C = 6 * 2e9 * 1.6e11
    for index, factor in enumerate((1, 10, 100)):
        N, D, L = (
            fitted.derived[name][index]
            for name in ("optimal_params", "optimal_tokens", "optimal_loss")
        )
        assert N["C"] == pytest.approx(factor * C)
        assert 6 * N["N"] * D["D"] == pytest.approx(factor * C, rel=1e-12)
        sizes = N["N"] * np.geomspace(0.5, 2, 4001)
        losses = np.asarray(fitted.law(N=sizes, D=factor * C / (6 * sizes)))
        assert L["L"] == pytest.approx(losses.min(), rel=1e-9)
        assert N["N"] == pytest.approx(sizes[np.argmin(losses)], rel=1e-3)


def test_the_same_seed_gives_the_same_file(fitted: Fit) -> None:
    again = fit(_points(), bootstrap=200, seed=7, command="scaling fit runs.csv")
    assert json.dumps(_comparable(again)) == json.dumps(_comparable(fitted))


def test_another_seed_gives_the_same_law_and_other_draws(fitted: Fit) -> None:
    other = fit(_points(), bootstrap=200, seed=8)
    assert other.value == pytest.approx(fitted.value, rel=1e-12)
    assert other.parameters == pytest.approx(fitted.parameters, rel=1e-9)
    assert other.uncertainty is not None
    assert fitted.uncertainty is not None
    assert not np.array_equal(other.uncertainty.draws["E"], fitted.uncertainty.draws["E"])
    assert other.intervals != fitted.intervals


def test_the_order_of_rows_does_not_matter(fitted: Fit) -> None:
    shuffled = _points().take(np.random.default_rng(0).permutation(15))
    other = fit(shuffled, bootstrap=0, seed=7)
    assert other.data["sha256"] == fitted.data["sha256"]
    assert other.value == pytest.approx(fitted.value, rel=1e-12)
    assert other.parameters == pytest.approx(fitted.parameters, rel=1e-6)


def test_without_bootstrap() -> None:
    bare = fit(_points(), bootstrap=0, level=0.5)
    for name, interval in bare.intervals.items():
        assert interval["method"] == "delta"
        assert interval["low"] < bare.parameters[name] < interval["high"]
    assert bare.predict(N=7e9, D=1e12).new_run is not None
    (check,) = [c for c in bare.checks if c.code == "ci.method"]
    assert check.level is Level.PASS


def test_tied_and_held_parameters() -> None:
    tied = fit(_points(), bootstrap=20, tie={"beta": "alpha"}, fix={"E": 1.75})
    assert tied.parameters["alpha"] == tied.parameters["beta"]
    assert tied.parameters["E"] == 1.75
    assert tied.intervals["E"] == {
        "level": 0.9,
        "low": 1.75,
        "high": 1.75,
        "method": "bootstrap by run, 20 resamples of 15",
    }
    assert tied.selection["fix"] == {"E": 1.75}
    assert tied.selection["tie"] == {"beta": "alpha"}


def test_a_term_held_at_zero_is_absent() -> None:
    flat = fit(_points(), bootstrap=20, fix={"A": 0.0, "alpha": 1.0})
    assert flat.parameters["A"] == 0.0
    record = json.loads(json.dumps(flat.to_dict(), allow_nan=False))
    # Without a gain from size the best size is none at all, and its tokens are no number.
    assert [p["N"] for p in record["derived"]["optimal_params"]] == [0.0] * 3
    assert [p["D"] for p in record["derived"]["optimal_tokens"]] == [None] * 3
    assert flat.predict(N=7e9, D=1e12).new_run is not None


def test_points_that_cannot_be_fitted() -> None:
    with pytest.raises(FitError, match=r"^3 distinct configurations cannot determine"):
        fit(_points().take(np.array([0, 4, 8])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "level must lie between 0 and 1, not 1.0."),
        ({"level": 90}, "level must lie between 0 and 1, not 90. Write 0.9 for 90 %."),
        ({"level": "a"}, "level must lie between 0 and 1, not 'a'."),
        ({"level": math.nan}, "level must lie between 0 and 1, not nan."),
        ({"bootstrap": -1}, "bootstrap must not be negative, got -1."),
        ({"bootstrap": 2.5}, "bootstrap must be a whole number, not 2.5."),
        ({"seed": -1}, "seed must not be negative, got -1."),
        ({"seed": None}, "seed must be a whole number, not None."),
        (
            {"target": "loss_c4"},
            "target, where and at select from runs; these points are already selected.",
        ),
        (
            {"where": "params > 1e8"},
            "target, where and at select from runs; these points are already selected.",
        ),
        (
            {"at": "all"},
            "target, where and at select from runs; these points are already selected.",
        ),
        (
            {"law": "chincila"},
            "there is no law 'chincila'. Did you mean chinchilla or "
            "chinchilla_gamma? 'scaling laws' lists them.",
        ),
    ],
)
def test_requests_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    assert refusal(UsageError, fit, _points(), **options) == message


def test_large_tables_are_not_embedded() -> None:
    many = Points({"x": np.arange(1.0, 20_002.0)}, np.ones(20_001), ["r"] * 20_001)
    assert "points" not in describe(many, laws.get("power_law"))
    assert describe(many, laws.get("power_law"))["sha256"] == many.sha256()
    assert "points" in describe(many.take(np.arange(20_000)), laws.get("power_law"))


def test_laws_without_compute_have_no_derived_optimum() -> None:
    assert derived(truth("power_law"), table("power_law")) == {}


def test_a_backtest_says_when_there_is_none() -> None:
    assert backtest_dict(HeldOut((), (), (), ()), "C") == {
        "axis": "C",
        "cuts": [],
        "note": "no backtest is possible with these points: intervals are UNTESTED",
    }


def test_the_design_is_what_the_tests_say() -> None:
    columns = inputs("chinchilla")
    assert sorted(set((columns["D"] / columns["N"]).round(6))) == RATIOS.tolist()
