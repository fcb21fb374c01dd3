"""Runs laid over one another: affine families by construction, a drift of known size, the words."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from jobs import COSINE, STEPS, job, losses

from scaling_cli.artefacts.forecast import Forecasts
from scaling_cli.forecasting import forecast
from scaling_cli.forecasting.collapse import HELD, USUAL, collapse
from scaling_cli.forecasting.future import RatePlan
from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.siblings import Sibling
from scaling_cli.numerics.quantiles import quantile
from scaling_cli.schedules import parse_schedule

NOW, NOISE = STEPS // 2, 0.003
SIZES = (2.9, 2.75, 2.65, 2.5)  # L0 of the siblings
PLAN = RatePlan(parse_schedule(COSINE), STEPS, "given", "as given")


def made(seed: int, L0: float, seen: int = STEPS, drift: float = 0.0, name: str = "") -> Job:
    """A run with noise whose loss leaves its way over the last fifth of what is logged."""
    whole, _ = job(seen=seen, L0=L0, run=name or f"s{L0}")
    away = drift * np.clip((whole.x / seen - 0.8) / 0.2, 0, 1)
    noise = NOISE * np.random.default_rng(seed).standard_normal(len(whole.x))
    return replace(whole, loss=whole.loss * np.exp(away + noise))


def siblings(seed: int) -> list[Sibling]:
    return [Sibling(made(100 * seed + i, L0), PLAN) for i, L0 in enumerate(SIZES)]


def test_a_run_that_is_an_affine_function_of_all_lies_on_them() -> None:
    """Without noise: a deviation of nought, and the band that is usual with no distance at all."""
    base = np.log(losses(COSINE, NOW))[np.arange(20, STEPS + 1, 20)]
    steps = np.arange(20.0, STEPS + 1, 20)
    each = [Job(f"s{i}", steps, np.exp(0.1 * i + base)) for i in range(4)]
    run = Job("run", steps[steps <= NOW], np.exp(0.3 + base[steps <= NOW]))
    told = collapse(run, STEPS, [Sibling(one, PLAN) for one in each])
    assert told is not None
    assert (told.deviation, told.left, told.siblings) == (pytest.approx(0, abs=1e-12), False, 4)
    assert told.band == pytest.approx(
        USUAL * np.sqrt(3 / 7) * np.sqrt(5 / 4) * quantile(0.99, 7), rel=1e-4
    )
    assert collapse(run, STEPS, [Sibling(one, PLAN) for one in each[:2]]) is None


def test_how_far_a_run_lies_off_is_its_drift() -> None:
    """Over its last tenth a drift of 2 % is half to all of it: 1.5 % in the mean."""
    for seed in range(5):
        told = collapse(made(seed, 2.6, NOW, drift=0.02), STEPS, siblings(seed))
        assert told is not None and told.left
        assert told.deviation == pytest.approx(0.02 * (HELD + 0.05 - 0.8) / 0.2, abs=0.004)


def test_false_alarms_are_as_rare_as_the_band_says() -> None:
    """Of 40 sound runs at 99 %, three alarms or more come once in 140 times (binomial)."""
    each = [collapse(made(1000 + s, 2.6, NOW), STEPS, siblings(s)) for s in range(40)]
    assert sum(told.left for told in each if told) <= 2


def told(running: Job, seed: int = 1) -> Forecasts:
    return forecast(running, siblings=[s.job for s in siblings(seed)])


def test_the_alarm_comes_before_the_loss_rises() -> None:
    """The loss falls by more than it drifts: nothing else tells it."""
    sound, ill = (told(made(5, 2.6, NOW, drift=d))[0] for d in (0.0, 0.02))
    assert sound.collapse is not None and not sound.collapse.left and not sound.warnings
    assert ill.collapse is not None and ill.collapse.left
    assert len(ill.warnings) == 1
    off, band = (f"{np.expm1(v):+.1%}" for v in (ill.collapse.deviation, ill.collapse.band))
    assert ill.warnings[0] == (
        "the loss has left the way of its 4 siblings: laid over them up to step 1400, it lies "
        f"{off} off since step 1800, where they keep within {band[1:]} of one another. Look at the "
        "run before it goes on."
    )
    alone = forecast(made(5, 2.6, NOW, drift=0.02))[0]
    assert alone.collapse is None and "collapse" not in alone.to_dict()


def test_what_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every = [*(s.job for s in siblings(2)), made(7, 2.6, NOW, drift=0.03, name="running")]
    for one in every:
        with Path(f"{one.run}.csv").open("w", newline="") as file:
            rates = parse_schedule(COSINE).lr(one.x.astype(int))
            rows = zip(one.x.tolist(), one.loss.tolist(), rates.tolist(), strict=True)
            csv.writer(file).writerows([("step", "loss", "lr"), *rows])
    typed = [part for one in every[:-1] for part in ("--siblings", f"{one.run}.csv")]
    result = run("forecast", "running.csv", "--until", str(STEPS), *typed)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "! the loss has left the way of its 4 siblings" in " ".join(result.stdout.split())
