"""Running jobs whose curves are known in closed form, step by step and without the library."""

from functools import cache

import numpy as np

from scaling_cli.forecasting.job import Job
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._schedule import Schedule

STEPS = 4000
COSINE = f"cosine:peak=0.001,warmup=100,min=0.0001,steps={STEPS}"
CONSTANT = f"constant:peak=0.001,warmup=100,steps={STEPS}"
WSD = f"wsd:peak=0.001,warmup=100,stable=0.8,steps={STEPS}"
LAW = {"L0": 2.6, "A": 0.6, "B": 0.135, "alpha": 0.45}
LAG = 0.03  # of the run


@cache
def area_and_fall(schedule: Schedule, lag: float) -> tuple[np.ndarray, np.ndarray]:
    """Return S1 over the peak, and the lagged fall, after every step: by their recursions."""
    peak = schedule.highest
    rates = [float(schedule.lr(t)) / peak for t in range(int(schedule.length))]
    area, fall, warm = [0.0], [0.0], True
    for rate in rates:
        warm = warm and rate < 0.98
        kept = np.exp(-1 / lag)
        area.append(area[-1] + rate)
        fall.append(kept * fall[-1] + (1 - kept) * (0.0 if warm else 1 - rate))
    return np.array(area), np.array(fall)


def losses(text: str, pivot: int, **changes: float) -> np.ndarray:
    """Return the law's loss after every step, A the gain left after `pivot` steps at the peak."""
    law = LAW | changes
    schedule = parse_schedule(text)
    area, fall = area_and_fall(schedule, LAG * schedule.length)
    ratio = np.maximum(area, 1e-9) / pivot
    return law["L0"] + law["A"] * ratio ** -law["alpha"] - law["B"] * fall


def job(
    text: str = COSINE,
    *,
    seen: int = STEPS // 2,
    every: int = 20,
    known: bool = True,
    logged: bool = False,
    run: str = "run",
    noise: float = 0.0,
    **changes: float,
) -> tuple[Job, float]:
    """Return a job that has come so far, and the loss it will end at."""
    curve = losses(text, STEPS // 2, **changes)
    steps = np.arange(every, seen + 1, every)
    generator = np.random.default_rng(7)
    loss = curve[steps] * np.exp(noise * generator.standard_normal(len(steps)))
    schedule = parse_schedule(text)
    return Job(
        run,
        steps.astype(float),
        loss,
        schedule=schedule if known else None,
        lr=schedule.lr(steps) if logged else None,
        batch_tokens=1000.0,
    ), float(curve[-1])
