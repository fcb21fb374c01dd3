"""What makes a forecast doubtful: short logs, schedules that end or rise, jumps, repeated data."""

import numpy as np

from scaling_cli.forecasting.annealed import Alone
from scaling_cli.forecasting.course import Plan
from scaling_cli.forecasting.despiking import jump
from scaling_cli.forecasting.job import FEW, FEWEST, Job
from scaling_cli.vocabulary.errors import UsageError

MOST_EPOCHS = 4.0
OTHER_RATE = 0.05  # of the peak: a logged rate so far off is that of another schedule
FEW_ROWS = 0.05  # of the rows, may be off: those about a step of the rate, or of the warm-up
MOST_GAIN = 0.15  # in ln loss, of a fall of the rate by its peak: thrice what is usual
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


def of_rates(job: Job, plan: Plan) -> list[str]:
    """Say where the logged rate is not that of the schedule which was given, peaks made equal."""
    x, lr = job.rates()
    if plan.source not in ("given", "column") or len(lr) < FEWEST or lr.max() <= 0:
        return []
    expected = plan.rate(x)
    off = np.abs(expected / expected.max() - lr / lr.max())
    if np.quantile(off, 1 - FEW_ROWS) <= OTHER_RATE:
        return []
    worst = int(np.argmax(off))
    return [
        f"the logged learning rate is not that of the schedule: at {job.unit[:-1]} {x[worst]:g} "
        f"they are {100 * off[worst]:.0f} % of the peak apart. The schedule is believed; leave it "
        "out to believe the log."
    ]


def of_jumps(job: Job, plan: Plan) -> tuple[float, list[str]]:
    """Return where to fit from after a lasting jump of the loss that no jump of the rate explains.

    A jump with fewer than five points after it is left as it is.
    """
    late = np.flatnonzero(job.x > BEFORE_JUMP * job.now)
    moved = jump(job.x[late], job.loss[late])
    if moved is None or len(late) - moved.row < FEWEST:
        return 0.0, []
    around = moved.x * np.array([1 - JUMP_REACH, 1 + JUMP_REACH])
    fall = -float(np.diff(plan.rate(around))[0])
    if -MOST_GAIN * fall < moved.size < 0:
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
    tokens = end if job.unit == "tokens" else end * (job.batch_tokens or np.nan)
    if unique is not None and not np.isfinite(tokens):
        raise UsageError(
            f"--unique-tokens is given, run {job.run!r} is logged over steps, and the tokens of a "
            "step are not known.",
            hint="Say how many tokens a step takes: --set batch_tokens=512k.",
        )
    unique = job.unique_tokens if unique is None else unique
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
