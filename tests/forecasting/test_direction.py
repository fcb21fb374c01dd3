"""What rises: recognised, refused without --rising, and forecast with it as what is left."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jobs import CONSTANT, COSINE, STEPS, WSD, job
from refusals import refusal

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.direction import direction
from scaling_cli.forecasting.families import extrapolate
from scaling_cli.forecasting.job import Job
from scaling_cli.vocabulary.errors import FitError, UsageError

# Accuracies as what is left to 1: their shares of the drop, and how fast they fall, differ widely.
LEFT = (
    {"L0": 0.30, "A": 0.12, "B": 0.03, "alpha": 0.45},
    {"L0": 0.38, "A": 0.10, "B": 0.08, "alpha": 0.6},
    {"L0": 0.10, "A": 0.20, "B": 0.02, "alpha": 0.3},
)


def rising(text: str, *, scale: float = 1.0, noise: float = 0.0, **law: Any) -> tuple[Job, float]:
    running, left = job(text, seen=STEPS // 2, noise=noise, **law)
    seen = running.loss < 1  # an accuracy is positive
    values = scale * (1 - running.loss[seen])
    return replace(running, x=running.x[seen], loss=values, target="accuracy"), scale * (1 - left)


def of(running: Job, **options: Any) -> Forecast:
    return forecast(running, **options)[0]


@pytest.mark.parametrize("text", [COSINE, CONSTANT, WSD])
@pytest.mark.parametrize("law", LEFT)
@pytest.mark.parametrize(("scale", "noise"), [(1.0, 0.0), (100.0, 0.005)])
def test_an_accuracy_is_forecast(
    text: str, law: dict[str, float], scale: float, noise: float
) -> None:
    """Within 1 % of the truth at half of the run, and in its interval.

    But for what an accuracy gains in a cool-down to come, which nothing logged can tell.
    """
    running, ends = rising(text, scale=scale, noise=noise, **law)
    found = of(running, rising=True, limit=scale)
    unseen = text == WSD and law["B"] > 0.05
    assert found.value == pytest.approx(ends, rel=0.1 if unseen else 0.01)
    assert found.interval[0] < ends < found.interval[1] < scale
    assert found.one_value[0] <= found.interval[0] < found.interval[1] <= found.one_value[1]
    assert found.seen.loss == pytest.approx(running.loss[-3:].mean(), rel=0.01)
    assert (found.path.low < found.path.loss).all()
    assert (found.path.loss < found.path.high).all()
    for past in found.backtests:
        assert past.error == pytest.approx(past.predicted / past.measured - 1, rel=1e-9)


def test_what_is_left_is_forecast_like_a_loss() -> None:
    running, _ = rising(COSINE, **LEFT[0])
    turned, mirror = (
        of(running, rising=True, limit=1),
        of(replace(running, loss=1 - running.loss), limit=0),
    )
    assert turned.value == pytest.approx(1 - mirror.value, rel=1e-12)
    assert turned.interval == pytest.approx((1 - mirror.interval[1], 1 - mirror.interval[0]))


def test_what_rises_is_refused_as_a_loss() -> None:
    running, _ = rising(COSINE, **LEFT[0])
    first, last = running.loss[0], running.loss[running.x > 1900].mean()
    assert refusal(FitError, of, running) == (
        f"run 'run': accuracy rises along the run, from {first:.4g} to {last:.4g}; the law falls. "
        "What should rise is forecast with --rising, and --limit where its best is known "
        "(--limit 1, or 100 for percentages)."
    )
    loss = refusal(FitError, of, replace(running, target="val_loss"))
    assert "run 'run': loss rises along the run, from " in loss
    assert loss.endswith("A loss that rises all along is followed by no law here.")


def test_several_runs_that_rise_are_refused_with_the_remedy() -> None:
    both = [replace(rising(COSINE, **LEFT[0])[0], run=run) for run in ("a", "b")]
    first, last = both[0].loss[0], both[0].loss[both[0].x > 1900].mean()
    assert refusal(FitError, forecast, both) == (
        f"no run can be forecast: a, b: accuracy rises along the run, from {first:.4g} to "
        f"{last:.4g}; the law falls. What should rise is forecast with --rising, and --limit where "
        "its best is known (--limit 1, or 100 for percentages)."
    )


def test_what_falls_is_not_forecast_as_rising() -> None:
    assert refusal(FitError, of, job(COSINE)[0], rising=True).endswith(
        "; --rising is for what rises. Leave --rising out."
    )


@pytest.mark.parametrize(
    ("scale", "target", "limit", "said"),
    [
        (1.0, "accuracy", 1.0, "accuracy is taken to have 1 as its limit (--limit)."),
        (100.0, "bleu", 100.0, "bleu is taken to have 100 as its limit (--limit)."),
        (50.0, "reward", None, "reward is forecast without knowing its limit (--limit)."),
    ],
)
def test_a_limit_is_read_off_the_values(
    scale: float, target: str, limit: float | None, said: str
) -> None:
    running, ends = rising(COSINE, scale=scale, **LEFT[0])
    running = replace(running, target=target)
    found = of(running, rising=True)
    assert said in found.notes
    assert found.value == pytest.approx(ends, rel=0.02)
    if limit is not None:
        assert found.value == of(running, rising=True, limit=limit).value


def test_a_reward_below_zero_is_forecast() -> None:
    running, ends = rising(COSINE, scale=50.0, **LEFT[0])
    lower = replace(running, loss=running.loss - 60.0, target="reward")
    found = of(lower, rising=True)
    assert found.value == pytest.approx(ends - 60.0, rel=0.02)
    assert found.interval[0] < ends - 60.0 < found.interval[1] < 0


def test_a_limit_below_what_falls_makes_room_for_negative_values() -> None:
    running, ends = job(COSINE)
    lower = replace(running, loss=running.loss - 4.0, target="log_error")
    found = of(lower, limit=-4)
    assert found.value == pytest.approx(ends - 4.0, rel=0.02)
    assert found.interval[0] < ends - 4.0 < found.interval[1]


def test_families_extrapolate_what_rises_as_what_is_left() -> None:
    x = np.arange(20.0, 2001.0, 20.0)
    accuracy = 0.7 - 2.0 * x**-0.5
    found, mirror = (
        extrapolate(x, accuracy, 4000, rising=True, limit=1),
        extrapolate(x, 1 - accuracy, 4000),
    )
    assert found.value == pytest.approx(0.7 - 2.0 * 4000**-0.5, rel=0.01)
    assert found.value == pytest.approx(1 - mirror.value, rel=1e-12)
    assert found.interval == pytest.approx((1 - mirror.interval[1], 1 - mirror.interval[0]))
    middle, low, high = found.curve([3000, 4000])
    assert (middle[-1], low[-1], high[-1]) == pytest.approx((found.value, *found.interval))
    assert refusal(FitError, extrapolate, x, accuracy, 4000).startswith(
        "run 'curve': loss rises along the run, from "
    )


def test_a_limit_that_is_passed_is_refused() -> None:
    running, _ = rising(COSINE, scale=100.0, **LEFT[0])
    past = int(np.argmax(running.loss >= 1))
    assert refusal(UsageError, of, running, rising=True, limit=1) == (
        f"run 'run': the accuracy at step {running.x[past]:g} is {running.loss[past]:g}; --limit "
        "is 1. Nothing logged may lie at the limit or above it; that of percentages is 100."
    )


def test_a_direction_is_that_of_most_of_the_run() -> None:
    steps = np.arange(1.0, 101.0)
    generator = np.random.default_rng(0)
    assert direction(Job("flat", steps, 2 + 0.01 * generator.standard_normal(100))) == 0
    assert direction(Job("up", steps, 1 - steps**-0.3 + 0.01 * generator.standard_normal(100))) == 1
    turned = 2 + 3 / steps + np.maximum(steps / 60 - 1, 0)
    assert direction(Job("down and up again", steps, turned)) == 0
