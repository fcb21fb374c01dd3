"""Whether the alarm of runs laid over one another fires where it should, and only there.

    SCALING_SHARED=../shared python benchmarks/collapse.py

Whole curves (forecast_curves.py) that have three finished ones of the same source and schedule are
cut at 25, 50, 75 and 90 % and laid over the six nearest in size: sound ones, runs of more than four
epochs, which no law here foresees, and sound ones whose loss drifts upwards over the last fifth of
what is logged.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from forecast_curves import Case, cases

from scaling_cli.forecasting.collapse import collapse
from scaling_cli.forecasting.future import same_shape
from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.siblings import MOST, Sibling

DRIFTS, DRIFTING = (0.005, 0.01, 0.02), 0.8


def siblings(case: Case, every: Sequence[Case]) -> list[Sibling]:
    """Return the nearest in size of a source's sound runs of one schedule."""
    kin = [
        (abs(np.log((other.params or 1.0) / (case.params or 1.0))), Sibling(other.job, other.plan))
        for other in every
        if other is not case and other.source == case.source and not other.overfit
        if same_shape(case.plan, other.plan)
    ]
    return [sibling for _, sibling in sorted(kin, key=lambda item: item[0])[:MOST]]


def drifting(job: Job, size: float) -> Job:
    """Return a run whose loss leaves its way over the last fifth of what is logged."""
    gone = np.clip((job.x / job.now - DRIFTING) / (1 - DRIFTING), 0, 1)
    return replace(job, loss=job.loss * np.exp(size * gone))


def main() -> None:
    """Print how often the alarm fires."""
    fired = defaultdict[str, list[bool]](list)
    every = cases()
    for case in every:
        kin = siblings(case, every)
        for job in case.prefixes.values():
            runs = {"more than four epochs" if case.overfit else "sound": job}
            if not case.overfit:
                runs |= {f"drift of {100 * size:g} %": drifting(job, size) for size in DRIFTS}
            for name, run in runs.items():
                told = collapse(run, case.plan.length, kin)
                if told is not None:
                    fired[name].append(told.left)
    for name, each in fired.items():
        print(f"{name:24} {sum(each):3} of {len(each)}")


if __name__ == "__main__":
    main()
