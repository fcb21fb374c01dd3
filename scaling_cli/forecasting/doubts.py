"""What makes the forecast of a job doubtful: its log, its schedule, its losses, its data."""

from collections.abc import Iterator, Sequence

import numpy as np

from scaling_cli.artefacts.forecast import Past
from scaling_cli.forecasting.annealed import Alone
from scaling_cli.forecasting.despiking import jump, noise_of, spikes
from scaling_cli.forecasting.direction import Turn
from scaling_cli.forecasting.future import RatePlan
from scaling_cli.forecasting.job import FEW, FEWEST, Job, binned

MOST_EPOCHS = 4.0
OTHER_RATE = 0.05  # of the peak: a logged rate so far off is that of another schedule
FEW_ROWS = 0.05  # of the rows, may be off: those about a step of the rate, or of the warm-up
MOST_GAIN = 0.15  # in ln loss, of a fall of the rate by its peak: thrice what is usual
BEFORE_JUMP, JUMP_REACH = 0.1, 0.05  # of what is logged; of where a jump lies
# The last tenth of what is logged is held against these stretches of it. Of 313 prefixes of sound
# curves none rises so; of runs beyond four epochs a quarter does, and half of those that end more
# than 1 % above their forecast.
LAST, EARLIER = 0.9, ((0.8, 0.9), (0.6, 0.8))
SURE_RISE, LEAST_RISE = 3.0, 0.001  # standard errors; in ln loss
# A law is broken that missed from both of the last cuts: 3 % of the prefixes of sound curves, of
# whose ends it then misses seven times as many as elsewhere.
LATE_CUTS, MISSED, SURE_MISS = (0.65, 0.8), 0.003, 5.0


def of_rise(job: Job, past: Sequence[Past], turn: Turn) -> list[str]:
    """Say that the loss has been rising, and on which side backtests then missed."""
    x, loss = job.x, np.log(job.loss)
    noise, kept = noise_of(job.loss), ~spikes(np.maximum(x, x[-1] * 1e-6), job.loss)
    last = kept & (x > LAST * job.now)

    def above(first: float, end: float) -> bool:
        before = kept & (x > first * job.now) & (x <= end * job.now)
        if not before.any() or not last.any():
            return False
        parts = loss[last], loss[before]
        spread = [max(float(np.std(part)), noise) / np.sqrt(len(part)) for part in parts]
        rise = float(np.mean(parts[0]) - np.mean(parts[1]))
        return rise > max(SURE_RISE * float(np.hypot(*spread)), LEAST_RISE)

    if not any(above(*stretch) for stretch in EARLIER):
        return []
    bins = binned(job, 0.0)
    lowest = int(np.argmin(bins.loss))
    size = turn.relative(job.level(), float(bins.loss[lowest]))
    low = [b for b in past if b.error < 0]
    one = f" All {len(low)} backtests were too {turn.low}." if low and len(low) == len(past) else ""
    return [
        f"the {job.noun} has been {turn.worse} since {job.place(bins.x[lowest])} ({size:+.1%}): no "
        f"law here foresees that, and the interval does not hold.{one}"
    ]


def of_past(law: Alone) -> list[str]:
    """Say that the law has not foreseen the end of what is logged."""
    late = [
        abs(test.error) > max(MISSED, SURE_MISS * sd)
        for test, sd in zip(law.backtests, law.tested, strict=True)
        if test.cut in LATE_CUTS
    ]
    if len(late) < len(LATE_CUTS) or not all(late) or law.course.rises_after(law.job.now):
        return []
    errors = [f"{b.error:+.1%}" for b in law.backtests if b.cut in LATE_CUTS]
    return [
        f"the law has not foreseen the end of what is logged (off by {' and '.join(errors)} from "
        "its first 65 and 80 %): the interval is twice as wide as it would be."
    ]


def of_plan(job: Job, plan: RatePlan, end: float) -> Iterator[str]:
    """Say where a log is short, or the schedule ends before the run."""
    if len(job.x) < FEW:
        yield f"{len(job.x)} points are few: below {FEW} the forecast is uncertain."
    if end > plan.length * (1 + 1e-9):
        yield (
            f"the schedule ends at {job.place(plan.length)}; from there to {end:g} its last "
            "rate is taken to stay."
        )


def of_rates(job: Job, plan: RatePlan) -> Iterator[str]:
    """Say where the logged rate is not that of the schedule which was given, peaks made equal."""
    x, lr = job.rates()
    if plan.source not in ("given", "column") or len(lr) < FEWEST or lr.max() <= 0:
        return
    expected = plan.rate(x)
    off = np.abs(expected / expected.max() - lr / lr.max())
    worst = int(np.argmax(off))
    if np.quantile(off, 1 - FEW_ROWS) > OTHER_RATE:
        yield (
            f"the logged learning rate is not that of the schedule: at {job.place(x[worst])} "
            f"they are {100 * off[worst]:.0f} % of the peak apart. The schedule is believed; leave "
            "it out to believe the log."
        )


def of_course(law: Alone) -> Iterator[str]:
    """Say where the rate rose, or will rise, after it fell."""
    if law.course.start > law.since:
        yield (
            f"the learning rate rose again until {law.job.place(law.course.start)}; only what was "
            "logged since is fitted."
        )
    if law.course.rises_after(law.job.now):
        yield (
            "the learning rate rises again before the end: no decay is taken off, and the interval "
            "does not hold."
        )


def of_jumps(job: Job, plan: RatePlan) -> tuple[float, list[str]]:
    """Return where to fit from after a lasting jump of the loss that no jump of the rate explains.

    A jump with fewer than five points after it is left as it is.
    """
    first = int(np.searchsorted(job.x, BEFORE_JUMP * job.now, side="right"))
    moved = jump(job.x, job.loss, first, FEWEST)
    if moved is None:
        return 0.0, []
    around = moved.x * np.array([1 - JUMP_REACH, 1 + JUMP_REACH])
    fall = -float(np.diff(plan.rate(around))[0])
    if -MOST_GAIN * fall < moved.size < 0:
        return 0.0, []
    return moved.x, [
        f"the {job.noun} jumps by {100 * np.expm1(moved.size):+.1f} % at {job.place(moved.x)} and "
        "stays there: only what was logged since is fitted."
    ]


def of_epochs(job: Job, end: float, unique: float | None) -> tuple[float | None, list[str]]:
    """Return the passes over the data at the end, and a warning where they are too many."""
    tokens = job.tokens(end)
    if unique is not None and tokens is None:
        job.step_tokens(f"--unique-tokens is given, run {job.run!r} is logged over steps")
    unique = job.unique_tokens if unique is None else unique
    if unique is None or tokens is None:
        return None, []
    epochs = float(tokens / unique)
    worn = (
        f"{epochs:.1f} passes over the data are planned: after {MOST_EPOCHS:g} the loss stalls or "
        "rises as no law here foresees, and forecasts have been too low by up to 10 %. The "
        "interval does not hold."
    )
    return epochs, [worn] if epochs > MOST_EPOCHS else []
