"""Forecasts of running jobs, scored on whole curves: error, coverage, width, siblings, time.

Usage: OPENBLAS_NUM_THREADS=1 SCALING_SHARED=../shared python benchmarks/forecasts.py [--held-out]

Other people's curves are not in this repository; the ladder's are. Every log is cut at 25, 50, 75
and 90 % of its length, read anew and given to `forecast` with its schedule (forecast_curves.py says
whence), then as `scaling forecast LOG --until END` takes it, with what rate it logs, then without
that rate. Each cell is the median and the mean absolute error in %,
the coverage of the 90 % interval, the median half-width in %, and the number of curves. Runs
planned for more than four epochs are told apart: `forecast` calls their intervals invalid.

--held-out estimates and chooses the priors anew for every source, from the others alone: B over
the final loss as the median over sources of their median, in fits to whole runs; how many points
the data count as, and how many runs are young, by the mean logarithm of the predicted density.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from forecast_curves import SHARES, Case, cases

from scaling_cli.artefacts.forecast import Forecast
from scaling_cli.forecasting import annealed, forecast
from scaling_cli.forecasting.annealed import Alone, Belief, Kind, alone
from scaling_cli.forecasting.future import RatePlan, same_shape
from scaling_cli.forecasting.job import Job
from scaling_cli.schedules.constant import Constant

KINDS = ("cosine", "wsd-before", "wsd-begun", "constant")
LEVEL = 0.9
QUANTILE = NormalDist().inv_cdf((1 + LEVEL) / 2)
SIBLINGS = {"transfer": 3, "joint": 6}
SMALLER = 0.95  # of the run's size
POINTS, YOUNG = (8.0, 16.0), (0.0, 0.25, 0.5)  # what --held-out chooses among
DROP_SD = 0.02
OPEN_DROP = Kind(1.0, floor=(0.8, 0.3), gain=(0.3, 1.0), drop=(0.05, 0.1), exponent=(0.45, 0.5))


@dataclass(frozen=True)
class Score:
    """One forecast beside what came."""

    case: Case
    share: float
    error: float
    low: float
    high: float

    @property
    def kind(self) -> str:
        """The class of the curve at this share."""
        return self.case.kind(self.share)

    @property
    def inside(self) -> bool:
        """Whether the interval held it."""
        return self.low <= -np.log1p(self.error) <= self.high

    @property
    def half(self) -> float:
        """Half of the interval, in ln loss."""
        return (self.high - self.low) / 2

    @property
    def density(self) -> float:
        """Logarithm of the density that the interval, taken as normal, gives what came."""
        sd = self.half / QUANTILE
        return float(-((np.log1p(self.error) / sd) ** 2) / 2 - np.log(sd))


Method = Callable[[Job, Case], tuple[float, float, float]]


def law(job: Job, case: Case) -> tuple[float, float, float]:
    """Return the default forecast and the half-width of its logarithm."""
    return _told(_given(job, case))


def families(combine: str) -> Method:
    """Return the forecast of families of learning curves under the known rate."""

    def method(job: Job, case: Case) -> tuple[float, float, float]:
        return _told(_given(job, case, method="families", combine=combine))

    return method


def _given(job: Job, case: Case, **options: Any) -> Forecast:
    """Return what `scaling forecast LOG --until END --schedule TEXT` gives."""
    place = _place(case)
    return forecast(job, until=place, schedule=case.schedule, level=LEVEL, **options)[0]


def _place(case: Case) -> str:
    return f"{case.end!r} {case.job.unit}"


def _told(found: Forecast) -> tuple[float, float, float]:
    low, high = np.log(found.interval) - np.log(found.value)
    return found.value, float(low), float(high)


def bare(job: Job, case: Case) -> tuple[float, float, float]:
    """Return what `scaling forecast LOG --until END` gives: it sees what rate the log has."""
    return _told(forecast(replace(job, schedule=None), until=_place(case), level=LEVEL)[0])


def unscheduled(job: Job, case: Case) -> tuple[float, float, float]:
    """Return the forecast of a log without the column of its learning rate."""
    return bare(replace(job, lr=None), case)


def believing(belief: Belief) -> Method:
    """Return the law under other priors."""

    def method(job: Job, case: Case) -> tuple[float, float, float]:
        return _end(alone(job, case.plan, belief), case)

    return method


def power(job: Job, case: Case) -> tuple[float, float, float]:
    """Return the forecast of the power law in steps."""
    flat = Constant(peak=1.0, length=case.end, unit=job.unit)
    plan = RatePlan(flat, case.end, "none", "")
    return _end(alone(job, plan, annealed.VAGUE), case)


def last(job: Job, case: Case) -> tuple[float, float, float]:
    """Return the present loss."""
    del case
    return job.level(), 0.0, 0.0


def _end(found: Alone, case: Case) -> tuple[float, float, float]:
    value, sd = found.at(np.array([case.end]))
    half = QUANTILE * float(sd[0])
    return float(value[0]), -half, half


def score(every: Iterable[Case], method: Method) -> list[Score]:
    """Return the scores of a method at every share of every curve that is long enough."""
    found = []
    for case in every:
        for share, job in case.prefixes.items():
            value, low, high = method(job, case)
            found.append(Score(case, share, value / case.final - 1, low, high))
    return found


def told(every: Iterable[Case]) -> str:
    """Return how many forecasts say that the loss rises, or that the law broke."""
    given = [_given(job, case) for case in every for job in case.prefixes.values()]
    rising, broken = (
        sum(any(words in warning for warning in f.warnings) for f in given)
        for words in ("no law here foresees that", "the law has not foreseen")
    )
    return f"of {len(given)} forecasts {rising} tell a loss that rises, {broken} a law that broke"


def kin(case: Case, every: Sequence[Case], how: str) -> list[Job]:
    """Return finished runs of the same source: of one shape, or of one size and other schedules.

    `smaller` are those of one shape that are smaller: what one has before a large run.
    """
    found = []
    for other in every:
        if other is case or other.source != case.source or other.overfit:
            continue
        ratio = (other.params or 1.0) / (case.params or 1.0)
        alike = same_shape(case.plan, other.plan)
        apart = abs(np.log(ratio))
        if (
            (how == "transfer" and alike)
            or (how == "smaller" and alike and ratio < SMALLER)
            or (how == "joint" and not alike and apart < 0.05)
        ):
            found.append((apart, other.job))
    found.sort(key=lambda item: item[0])
    return [job for _, job in found[: SIBLINGS.get(how, 3)]]


def with_kin(every: Sequence[Case], how: str) -> Method:
    """Return the forecast that siblings of the same source inform."""

    def method(job: Job, case: Case) -> tuple[float, float, float]:
        siblings = kin(case, every, how)
        return _told(_given(job, case, siblings=siblings))

    return method


def row(scores: Iterable[Score]) -> str:
    """Return the cells of a table, one per share."""
    every, cells = list(scores), []
    for share in SHARES:
        some = [s for s in every if s.share == share]
        if not some:
            cells.append(f"{'-':>27}")
            continue
        off = [100 * abs(s.error) for s in some]
        error = f"{np.median(off):5.2f}/{np.mean(off):5.2f}"
        half = 100 * float(np.median([s.half for s in some]))
        covered = 100 * float(np.mean([s.inside for s in some]))
        cells.append(f"{error} {covered:4.0f}% {half:5.2f} n{len(some):3d} ")
    return " |".join(cells)


def table(title: str, scores: Sequence[Score], *, total: bool = True) -> None:
    """Print one line per class."""
    print(f"\n{title}\n{'':12} " + " |".join(f"{f'at {100 * s:.0f} %':^27}" for s in SHARES))
    for kind in KINDS:
        of_kind = [s for s in scores if s.kind == kind]
        if of_kind:
            print(f"{kind:12} {row(of_kind)}")
    if total:
        print(f"{'all':12} {row(scores)}")


def measured_drop(case: Case) -> float | None:
    """Return B over the final loss in a fit to the whole run; None where the rate did not fall."""
    if case.kind(0.25) == "constant" or case.overfit:
        return None
    belief = Belief((OPEN_DROP,))
    return alone(case.job, case.plan, belief, backtest=False).posterior.typical()["B"] / case.final


def candidates(every: Sequence[Case], source: str) -> dict[str, Belief]:
    """Return the beliefs among which --held-out chooses for a source, made from the others."""
    drops: dict[bool, dict[str, list[float]]] = {True: {}, False: {}}
    for case in every:
        drop = None if _family(case) in (source, "ladder") else measured_drop(case)
        if drop is not None:
            cooled = case.kind(0.25) != "cosine"
            drops[cooled].setdefault(_family(case), []).append(drop)
    gradual, cooled = (
        float(np.median([np.median(some) for some in drops[which].values()]))
        for which in (False, True)
    )
    return {
        f"B {gradual:.3f} and {cooled:.3f}, {points:g} points, young {share:g}": _belief(
            gradual, cooled, points, share
        )
        for points in POINTS
        for share in YOUNG
    }


def _belief(gradual: float, cooled: float, points: float, share: float) -> Belief:
    young = [replace(annealed.YOUNG, share=share)] if share else []
    kinds, steady = (
        [replace(annealed.MATURE, drop=(drop, DROP_SD), share=1 - share), *young]
        for drop in (gradual, cooled)
    )
    return Belief(kinds, points, steady)


def held_out(every: Sequence[Case]) -> list[Score]:
    """Score each source under the belief that did best on the others."""
    found: list[Score] = []
    for source in sorted({_family(case) for case in every}):
        others = [case for case in every if _family(case) != source]
        beliefs = candidates(others, source)
        best = max(beliefs, key=lambda name: _density(score(others, believing(beliefs[name]))))
        print(f"  without {source}: {best}", flush=True)
        own = [case for case in every if _family(case) == source]
        found += score(own, believing(beliefs[best]))
    return found


def _family(case: Case) -> str:
    """Return the source; all runs of the ladder are one."""
    return case.source.partition("-")[0]


def _density(scores: Sequence[Score]) -> float:
    """Return the mean over sources of the mean logarithm of the predicted density."""
    sources: dict[str, list[float]] = {}
    for s in scores:
        sources.setdefault(_family(s.case), []).append(s.density)
    return float(np.mean([np.mean(some) for some in sources.values()]))


def main() -> None:
    """Print every table."""
    every = cases()
    theirs = [c for c in every if not c.source.startswith("ladder") and not c.overfit]
    own = [c for c in every if c.source.startswith("ladder")]
    if "--held-out" in sys.argv:
        print("chosen:")
        scores = held_out(theirs + own)
        table(
            "priors chosen without the source, other people's curves",
            [s for s in scores if not s.case.source.startswith("ladder")],
        )
        return
    start = time.process_time()
    scores = score(theirs, law)
    seconds = (time.process_time() - start) / max(1, len(scores))
    print(f"{1e3 * seconds:.1f} ms of processor time per forecast, backtests included")
    table("law, rate recorded", [s for s in scores if s.case.recorded])
    table("law, schedule assumed", [s for s in scores if not s.case.recorded])
    table("law, all", scores)
    both = theirs + own
    scores = score(both, law)
    table("law, the ladder included", scores)
    print(told(both))
    scores = score([c for c in both if c.job.lr is not None], bare)
    table("the log alone, with the rate that it logs", scores)
    table("of these, constant so far", [s for s in scores if s.kind in ("constant", "wsd-before")])
    table("the log alone, without a rate", score(both, unscheduled))
    for combine in ("stack", "average"):
        table(f"families over the area under the rate, {combine}", score(theirs, families(combine)))
    table("power law in steps", score(theirs, power))
    table("last value", score(theirs, last))
    for how, title in (
        ("transfer", "same shape, 3 siblings"),
        ("smaller", "same shape, 3 siblings, all smaller"),
        ("joint", "same size, other schedules"),
    ):
        have = [c for c in theirs if kin(c, theirs, how)]
        table(f"{title}: the law alone", score(have, law))
        table(f"{title}: with siblings", score(have, with_kin(theirs, how)))
    table("more than four epochs planned", score([c for c in every if c.overfit], law))
    table("the ladder, held-out losses", score(own, law))
    schedules = [c for c in own if c.source == "ladder-schedule"]
    for how, title in (("transfer", "the other size"), ("joint", "the other schedules")):
        table(f"the ladder's schedules, with {title}", score(schedules, with_kin(own, how)))


if __name__ == "__main__":
    main()
