"""Finished runs that inform a forecast: transfer, joint fit, who can be used, and how sure."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import CONSTANT, COSINE, STEPS, WSD, job, losses
from refusals import refusal
from scipy import stats

import scaling_cli as sc
from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.annealed import alone
from scaling_cli.forecasting.future import RatePlan
from scaling_cli.forecasting.siblings import (
    LARGER,
    Family,
    Informed,
    Sibling,
    _joint,
    _shrunk,
    affine,
    family,
    informed,
)
from scaling_cli.schedules import parse_schedule
from scaling_cli.vocabulary.errors import DataError, UsageError

LONGER = COSINE.replace(f"steps={STEPS}", "steps=6000").replace("warmup=100", "warmup=150")


def plan(text: str) -> RatePlan:
    schedule = parse_schedule(text)
    return RatePlan(schedule, schedule.length, "given", "as given")


def sibling(text: str, run: str, params: float | None = None, **changes: Any) -> Sibling:
    length = int(parse_schedule(text).length)
    whole, _ = job(text, seen=length, run=run, **changes)
    return Sibling(replace(whole, params=params), plan(text))


def of(running: Any, *siblings: Sibling) -> Forecast:
    return forecast(running, siblings=[s.job for s in siblings])[0]


def test_a_run_that_is_an_affine_function_of_a_sibling() -> None:
    other = np.linspace(1.3, 1.1, 25)
    for first, slope, most in ((0.2, 0.9, 2e-3), (0.0, 1.0, 1e-9)):
        told = affine(first + slope * other, other, np.full(25, 1 / 25))
        assert told[0] + told[1] * 1.05 == pytest.approx(first + slope * 1.05, abs=most)


def test_the_decay_is_learned_from_a_sibling() -> None:
    """A drop 1.5 times the usual, before the cool-down: only the sibling can know it."""
    running, ends = job(WSD, seen=2400, B=0.2)
    blind = of(running)
    told = of(running, sibling(WSD, "smaller", B=0.2, L0=2.7))
    assert abs(told.value / ends - 1) < 0.3 * abs(blind.value / ends - 1)
    assert told.method == "law + transfer"
    assert told.siblings == ["smaller"]


def test_a_joint_law_learns_from_another_schedule() -> None:
    running, ends = job(WSD, seen=2400, B=0.2)
    told = of(running, sibling(COSINE, "cosine", B=0.2), sibling(CONSTANT, "constant", B=0.2))
    assert told.method == "law + joint"
    assert abs(told.value / ends - 1) < 0.5 * abs(of(running).value / ends - 1)


def test_a_sibling_of_another_length_has_its_own_clock() -> None:
    """The same shape over 1.5 times the steps."""
    whole, ends = job(LONGER, seen=3000)
    told = of(whole, sibling(COSINE, "short"))
    assert told.method == "law + transfer"
    assert told.value == pytest.approx(ends, rel=4e-3)


def test_who_can_be_used_and_why_not() -> None:
    running = replace(job(COSINE)[0], params=1e8)
    unfinished = Sibling(replace(job(COSINE, seen=3000, run="half")[0], params=2e8), plan(COSINE))
    kin = family(
        running,
        plan(COSINE),
        [
            sibling(COSINE, "run"),
            unfinished,
            sibling(WSD, "wsd", 1e8),
            sibling(WSD, "big", 3e8),
            sibling(COSINE, "far", 1e10),
            sibling(COSINE, "near", 2e8),
        ],
    )
    assert kin.how == "transfer"
    assert [s.job.run for s in kin.members] == ["near", "far"]
    assert {left.run: left.reason for left in kin.left_out} == {
        "run": "it is the run itself",
        "half": "not finished (75 % of its schedule is logged) and of another size",
        "big": "another schedule and another size",
        "wsd": "another schedule, or not finished; others have the same and are",
    }


def test_a_name_makes_no_run_the_same() -> None:
    running, _ = job(COSINE, seen=2000)
    itself = sibling(COSINE, "run")
    namesake = sibling(COSINE, "run", L0=2.7)
    kin = family(running, plan(COSINE), [itself, namesake])
    assert kin.members == (namesake,)
    assert [left.reason for left in kin.left_out] == ["it is the run itself"]


def test_another_model_is_told_by_its_losses() -> None:
    """Sizes are not known; under the same rate its loss is 10 % above that of the run."""
    running, _ = job(WSD, seen=2400)
    other = sibling(CONSTANT, "other")
    larger = replace(other, job=replace(other.job, run="larger", loss=1.1 * other.job.loss))
    kin = family(running, plan(WSD), [other, larger])
    assert kin.members == (other,)
    (left,) = kin.left_out
    assert left.run == "larger"
    assert "where both have had the same learning rate its loss is 10.0 % higher" in left.reason


def test_a_sibling_whose_log_starts_late_had_a_warm_up() -> None:
    running, ends = job(COSINE, seen=2000)
    finished, _ = job(COSINE, seen=STEPS, run="late", known=False, logged=True, L0=2.7)
    late = finished.x >= 400
    assert finished.lr is not None
    cut = replace(finished, x=finished.x[late], loss=finished.loss[late], lr=finished.lr[late])
    told = forecast(running, siblings=[cut])[0]
    assert (told.method, told.siblings) == ("law + transfer", ["late"])
    assert told.value == pytest.approx(ends, rel=2e-3)


def test_the_joint_spread_is_that_of_the_pool_of_both() -> None:
    """Variance of a mixture of two normals: the mean variance and the variance of the means."""
    running, _ = job(WSD, seen=2400, B=0.2)
    found = alone(running, plan(WSD))
    kin = Family((sibling(COSINE, "cosine", B=0.2),), "joint", ())
    end = float(STEPS)
    told = informed(found, kin, end)
    assert told is not None
    law, sd = (float(part[0]) for part in found.at(np.array([end])))
    joint = _joint(running, plan(WSD), kin.members, end)
    spread = _shrunk([], end / running.now, 1, sd)
    trust = spread**-2 / (spread**-2 + sd**-2)
    mean = trust * np.log(joint) + (1 - trust) * np.log(law)
    second = trust * (spread**2 + np.log(joint) ** 2) + (1 - trust) * (sd**2 + np.log(law) ** 2)
    assert np.log(told.value) == pytest.approx(mean, rel=1e-9)
    assert told.spread == pytest.approx(np.sqrt(second - mean**2), rel=1e-6)


def test_only_the_nearest_in_size_are_used() -> None:
    running = replace(job(COSINE)[0], params=1e8)
    sizes = [1e8 * 2**i for i in range(1, 9)]
    kin = family(running, plan(COSINE), [sibling(COSINE, f"{s:g}", s) for s in sizes])
    assert [s.job.params for s in kin.members] == sizes[:6]
    assert [left.reason for left in kin.left_out] == ["only the 6 nearest in size are used"] * 2


def test_the_spread_is_the_shrunk_root_mean_square() -> None:
    """s^2 = (3 s0^2 + n s_loo^2) / (3 + n), times sqrt(1 + 1/n)."""
    usual = np.hypot(0.003 * np.log(2) + 0.0003, 0.25 * 0.004)
    errors = [0.002, -0.004, 0.003]
    expected = np.sqrt((3 * usual**2 + np.sum(np.square(errors))) / 6) * np.sqrt(4 / 3)
    assert _shrunk(errors, 2.0, 3, 0.004) == pytest.approx(expected)
    told = Informed(3.0, expected, tuple(errors))
    assert told.half_width(0.9) == pytest.approx(expected * stats.t.ppf(0.95, 6))


def test_errors_are_those_of_siblings_forecast_from_the_others() -> None:
    running, _ = job(COSINE, seen=2000)
    members = [sibling(COSINE, f"s{i}", B=0.12 + 0.02 * i, L0=2.5 + 0.1 * i) for i in range(3)]
    found = alone(running, plan(COSINE))
    told = informed(found, Family(tuple(members), "transfer", ()), float(STEPS))
    assert told is not None
    assert told.freedom == 6
    for i, error in enumerate(told.errors):
        one, others = members[i], [m for m in members if m is not members[i]]
        law = alone(one.job.until(2000), one.plan, backtest=False)
        kin = Family(tuple(others), "transfer", ())
        again = informed(law, kin, float(STEPS))
        assert again is not None
        assert error == pytest.approx(np.log(again.value / one.final), abs=1e-12)


def test_from_smaller_siblings_only_the_interval_is_wider() -> None:
    running, _ = job(COSINE, seen=2000)
    found = alone(replace(running, params=1e8), plan(COSINE))
    widths = []
    for size in (0.5e8, 2e8):
        kin = Family((sibling(COSINE, "other", size),), "transfer", ())
        told = informed(found, kin, float(STEPS))
        assert told is not None
        widths.append(told.half_width(0.9))
    assert widths[0] == pytest.approx(LARGER * widths[1])


@dataclass(frozen=True)
class Predicted:
    """A fit of loss curves that knows the law, off by a constant factor."""

    factor: float

    def predict(self, schedule: Any, step: Any = None) -> Any:
        curve = losses(schedule.text(), STEPS // 2)

        @dataclass(frozen=True)
        class Found:
            value: np.ndarray

        return Found(self.factor * curve[np.asarray(step)])


def test_the_curve_of_a_fit_is_a_sibling() -> None:
    running, ends = job(WSD, seen=2400)
    told = forecast(running, fit=Predicted(1.05))[0]
    assert told.siblings == ["the fit's curve"]
    assert told.value == pytest.approx(ends, rel=1e-3)
    tokens = replace(running, unit="tokens", schedule=None)
    assert refusal(
        DataError, forecast, tokens, schedule=WSD.replace("steps=", "tokens="), fit=Predicted(1.0)
    ) == (
        "run 'run' is logged over tokens; a fit of loss curves predicts over steps. Give the run a "
        "step column, and its schedule over steps."
    )


def _log(path: Path, last: int, every: int) -> None:
    """Write a log of the training loss, and every so many rows the held-out one, 0.3 higher."""
    curve = losses(COSINE, STEPS // 2)
    rows = [
        f"{step},{curve[step]},{curve[step] + 0.3 if row % every == 0 else ''}"
        for row, step in enumerate(range(20, last + 1, 20))
    ]
    path.write_text("\n".join(["step,loss,val_loss", *rows]) + "\n")


def test_siblings_are_read_by_the_loss_that_is_forecast(tmp_path: Path) -> None:
    """The run has three held-out losses, the sibling a hundred."""
    _log(tmp_path / "run.csv", STEPS // 2, 40)
    _log(tmp_path / "done.csv", STEPS, 2)
    running, done = sc.read(str(tmp_path / "run.csv")), sc.read(str(tmp_path / "done.csv"))
    found = forecast(running, until=STEPS, schedule=COSINE, siblings=done)[0]
    assert (found.target, found.siblings) == ("loss", ["done"])
    assert found.value == pytest.approx(losses(COSINE, STEPS // 2)[STEPS], rel=2e-3)
    asked = forecast(running, until=STEPS, schedule=COSINE, siblings=done, target="loss")[0]
    assert asked.value == found.value


def test_runs_of_different_losses_have_no_common_sibling(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    _log(tmp_path / "runs" / "few.csv", STEPS // 2, 40)
    _log(tmp_path / "runs" / "many.csv", STEPS // 2, 2)
    runs = sc.read(str(tmp_path / "runs"))
    alone_each = forecast(runs, until=STEPS, schedule=COSINE)
    assert {f.run: f.target for f in alone_each} == {"few": "loss", "many": "val_loss"}
    assert refusal(UsageError, forecast, runs, until=STEPS, schedule=COSINE, siblings=runs) == (
        "the runs log different losses (loss, val_loss): siblings cannot be compared with all of "
        "them. Name one: --target COLUMN."
    )
