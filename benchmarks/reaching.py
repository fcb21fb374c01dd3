"""How often the range of a step at which a level is reached holds, on whole curves of others.

Every curve is cut at 25, 50 and 75 % of the run and asked when it reaches the level at which it
was, smoothed over a fiftieth of the run, a third and two thirds of the way to its end; and the
level a thousandth below its lowest, which it never reaches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from forecast_curves import Case, cases

import scaling_cli as sc
from scaling_cli.artefacts.forecast import Reaching
from scaling_cli.forecasting.job import Job
from scaling_cli.vocabulary.errors import ScalingError

CUTS = (0.25, 0.5, 0.75)
AHEAD = (1 / 3, 2 / 3)
WINDOW = 0.02  # of the run
NEVER = 0.001


@dataclass(frozen=True)
class Asked:
    """One question of one curve: what was said, and what came."""

    kind: str
    cut: float
    never: float
    held: bool
    error: float | None
    width: float | None
    reached: bool


def smoothed(job: Job, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return places, and the median loss about each, over a fiftieth of the run."""
    x = np.linspace(0.05 * end, end, 400)
    return x, np.array(
        [
            float(np.median(near))
            if len(near := job.loss[np.abs(job.x - at) <= WINDOW * end / 2])
            else float(np.interp(at, job.x, job.loss))
            for at in x
        ]
    )


def asked(case: Case, *, known: bool) -> Iterator[Asked]:
    """Yield every question of a curve."""
    x, loss = smoothed(case.job, case.end)
    for cut in CUTS:
        if cut not in case.prefixes:
            continue
        part = case.prefixes[cut]
        told = case.schedule if known else None
        ahead = x > part.now
        levels = [float(np.interp(part.now + s * (case.end - part.now), x, loss)) for s in AHEAD]
        for level in (*levels, float(loss.min()) * (1 - NEVER)):
            try:
                reaches = sc.forecast(
                    [part], until=f"{case.end} {part.unit}", target_loss=level, schedule=told
                )[0].reaches
            except ScalingError:
                continue
            if reaches is None or reaches.already is not None:
                continue
            yield _judged(case, cut, reaches, x[ahead], loss[ahead] <= level)


def _judged(case: Case, cut: float, reaches: Reaching, x: np.ndarray, below: np.ndarray) -> Asked:
    at = reaches.step or reaches.tokens
    assert at is not None
    low, high = at.interval
    true = float(x[np.argmax(below)]) if below.any() else np.inf
    held = (np.inf if low is None else low) <= true <= (np.inf if high is None else high)
    return Asked(
        case.kind(cut),
        cut,
        reaches.never,
        held,
        None if at.value is None or not below.any() else abs(at.value - true) / case.end,
        None if low is None or high is None else (high - low) / case.end,
        bool(below.any()),
    )


def row(told: list[Asked]) -> str:
    """Return how many there are, how often ranges held, errors and widths in shares of the run."""
    errors = [a.error for a in told if a.error is not None]
    widths = [a.width for a in told if a.width is not None]
    never = [a.never for a in told if not a.reached]
    coming = [a.never for a in told if a.reached]
    return (
        f"{len(told):4d}  held {100 * np.mean([a.held for a in told]):3.0f} %  median error "
        f"{100 * np.median(errors):4.1f} %  width {100 * np.median(widths):4.1f} % of the run  "
        f"never: {np.mean(never) if never else np.nan:.2f} where it never was, "
        f"{np.mean(coming) if coming else np.nan:.2f} where it was"
    )


def main() -> None:
    """Print a row by kind and cut, with the schedule and from the log alone."""
    every = [case for case in cases() if not case.overfit]
    for known in (True, False):
        print("with the schedule" if known else "from the log alone")
        told = [a for case in every for a in asked(case, known=known)]
        for kind in sorted({a.kind for a in told}):
            print(f"  {kind:12s}", row([a for a in told if a.kind == kind]))
        for cut in CUTS:
            print(f"  {cut:12g}", row([a for a in told if a.cut == cut]))
        print("  all         ", row(told))


if __name__ == "__main__":
    main()
