"""Scores of forecasts, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from scaling_cli.artefacts.backtest import Backtest, Forecasts, ScoredCut, joined
from scaling_cli.vocabulary.objective import Objective


def forecasts(reach: Any, error: Any, *, half: float = 0.02, law: float = 0.01) -> Forecasts:
    """Return forecasts whose ln errors, half-widths and reach are given; measured is 2."""
    errors = np.asarray(error, float)
    predicted = 2.0 * np.exp(errors)
    return Forecasts(
        runs=[f"r{i}" for i in range(len(errors))],
        reach=np.asarray(reach, float),
        measured=np.full(len(errors), 2.0),
        predicted=predicted,
        low=predicted * math.exp(-half),
        high=predicted * math.exp(half),
        value=predicted,
        law_low=predicted * math.exp(-law),
        law_high=predicted * math.exp(law),
    )


def backtest(*parts: Forecasts) -> Backtest:
    cuts = tuple(
        ScoredCut(
            train_max=1e20,
            n_train=8,
            n_test=len(part),
            factor=float(part.reach.max()),
            parameters={"alpha": 0.3},
            held_out=tuple(part.runs),
            forecasts=part,
            **part.score(),
        )
        for part in parts
    )
    return Backtest("chinchilla", "compute", "C", 0.9, Objective(), 20, cuts)


def test_scores_of_a_cut() -> None:
    score = forecasts([2, 3, 4, 5], [0.005, -0.015, 0.015, 0.03]).score()
    assert score == pytest.approx(
        {
            "bias": 0.035 / 4,
            "mare": (math.expm1(0.005) - math.expm1(-0.015) + math.expm1(0.015) + math.expm1(0.03))
            / 4,
            "half_width": 0.02,
            "coverage": 3 / 4,
            "allowed": 0.01,
            "coverage_law": 1 / 4,
        },
        rel=1e-12,
    )


def test_forecasts_are_binned_by_reach() -> None:
    first = forecasts([1.2, 1.5, 4.9], [0.0, 0.01, 0.03])
    second = forecasts([5.0, 250.0], [0.01, -0.05])
    found = backtest(first, second).by_reach()
    assert [(r.low, r.high, r.n) for r in found] == [
        (1.0, 1.5, 1),
        (1.5, 5.0, 2),
        (5.0, 20.0, 1),
        (100.0, np.inf, 1),
    ]
    assert [r.bias for r in found] == pytest.approx([0.0, 0.02, 0.01, -0.05], abs=1e-12)
    assert [r.coverage for r in found] == [1.0, 0.5, 1.0, 0.0]


def test_joining_keeps_the_order() -> None:
    both = joined([forecasts([1, 2], [0, 0]), forecasts([3], [0])])
    assert (both.runs, both.reach.tolist()) == (["r0", "r1", "r0"], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("error", "warning"),
    [
        # Three misses of twelve, all forecast too high.
        (
            [0.03] * 3 + [0.001] * 9,
            "3 of 3 runs outside their range lie on one side of it: expect the loss below the "
            "forecast.",
        ),
        (
            [-0.03] * 10 + [0.03],
            "10 of 11 runs outside their range lie on one side of it: expect the loss above the "
            "forecast.",
        ),
        ([0.03, 0.03, 0.0], None),  # two misses are no pattern
        ([0.03] * 3 + [0.001] * 20, None),  # about what a right law misses
        ([0.03] * 4 + [-0.03] * 4, None),
    ],
)
def test_misses_on_one_side_are_a_warning(error: list[float], warning: str | None) -> None:
    assert backtest(forecasts(np.full(len(error), 2.0), error)).one_sided() == warning


def test_the_record_is_that_of_the_contract() -> None:
    record = backtest(forecasts([2.0, 3.0], [0.005, 0.015])).to_dict()
    assert (record["schema_version"], record["kind"], record["axis"]) == (1, "backtest", "C")
    assert record["objective"] == {"name": "huber", "delta": 1e-3, "space": "log"}
    (cut,) = record["cuts"]
    assert set(cut) == {
        "train_max",
        "n_train",
        "n_test",
        "factor",
        "bias",
        "mare",
        "half_width",
        "coverage",
        "allowed",
        "coverage_law",
        "parameters",
        "held_out",
        "forecasts",
    }
    assert (cut["n_train"], cut["n_test"], cut["held_out"]) == (8, 2, ["r0", "r1"])
    assert cut["forecasts"][1] == {
        "run": "r1",
        "reach": 3.0,
        "measured": 2.0,
        "predicted": pytest.approx(2 * math.exp(0.015)),
        "low": pytest.approx(2 * math.exp(-0.005)),
        "high": pytest.approx(2 * math.exp(0.035)),
        "value": pytest.approx(2 * math.exp(0.015)),
        "law_low": pytest.approx(2 * math.exp(0.005)),
        "law_high": pytest.approx(2 * math.exp(0.025)),
        "error": pytest.approx(0.015),
        "inside": True,
        "inside_law": False,
    }


def test_the_last_bin_has_no_upper_end_in_json() -> None:
    (reach,) = backtest(forecasts([200.0], [0.0])).to_dict()["by_reach"]
    assert (reach["low"], reach["high"], reach["n"]) == (100.0, None, 1)


def test_one_line_and_one_row_per_forecast() -> None:
    found = backtest(forecasts([2.0, 3.0], [0.01, 0.03]))
    assert repr(found) == (
        "<Backtest chinchilla on C; 1 cuts, 2 forecasts; bias +2.02 %; 50 % inside>"
    )
    frame = found.to_frame()
    assert frame["run"].tolist() == ["r0", "r1"]
    assert frame["train_max"].tolist() == [1e20, 1e20]
    assert frame["inside"].tolist() == [True, False]
