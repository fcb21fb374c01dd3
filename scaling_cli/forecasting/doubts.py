"""What makes a forecast doubtful: short logs, schedules that end or rise, jumps, repeated data."""

import numpy as np

from scaling_cli.despiking import jump
from scaling_cli.forecasting.alone import Alone
from scaling_cli.forecasting.course import RISE, Plan
from scaling_cli.forecasting.job import FEW, FEWEST, Job

MOST_EPOCHS = 4.0
BEFORE_JUMP, JUMP_REACH = 0.1, 0.05  # of what is logged; of where a jump lies


def of_plan(job: Job, plan: Plan, end: float) -> list[str]:
    """Say where a log is short, or the schedule ends before the run."""
    found = []
    if len(job.x) < FEW:
        found.append(f"{len(job.x)} points are few: below {FEW} the forecast is uncertain.")
    if end > plan.length * (1 + 1e-9):
        found.append(
            f"the schedule ends at {job.unit[:-1]} {plan.length:g}; from there to {end:g} its last "
            "rate is taken to stay."
        )
    return found


def of_jumps(job: Job, plan: Plan) -> tuple[float, list[str]]:
    """Return where to fit from after a lasting jump of the loss that no jump of the rate explains.

    A jump with fewer than five points after it is left as it is.
    """
    late = np.flatnonzero(job.x > BEFORE_JUMP * job.now)
    moved = jump(job.x[late], job.loss[late])
    if moved is None or len(late) - moved.row < FEWEST:
        return 0.0, []
    around = moved.x * np.array([1 - JUMP_REACH, 1 + JUMP_REACH])
    if abs(np.diff(plan.rate(around))[0]) > RISE and moved.size < 0:
        return 0.0, []
    return moved.x, [
        f"the loss jumps by {100 * np.expm1(moved.size):+.1f} % at {job.unit[:-1]} {moved.x:g} and "
        "stays there: only what was logged since is fitted."
    ]


def of_course(found: Alone) -> list[str]:
    """Say where the rate rose, or will rise, after it fell."""
    course, job = found.course, found.job
    said = []
    if course.start > found.since:
        said.append(
            f"the learning rate rose again until {job.unit[:-1]} {course.start:.6g}; only what was "
            "logged since is fitted."
        )
    if course.rises_after(job.now):
        said.append(
            "the learning rate rises again before the end: no decay is taken off, and the interval "
            "does not hold."
        )
    return said


def of_epochs(job: Job, end: float, unique: float | None) -> tuple[float | None, list[str]]:
    """Return the passes over the data at the end, and a warning where they are too many."""
    unique = unique or job.unique_tokens
    tokens = end if job.unit == "tokens" else end * (job.batch_tokens or np.nan)
    if unique is None or not np.isfinite(tokens):
        return None, []
    epochs = float(tokens / unique)
    if epochs <= MOST_EPOCHS:
        return epochs, []
    return epochs, [
        f"{epochs:.1f} passes over the data are planned: after {MOST_EPOCHS:g} the loss stalls or "
        "rises as no law here foresees, and forecasts have been too low by up to 10 %. The "
        "interval does not hold."
    ]
