"""Forecasts of running jobs, scored on whole curves: error, coverage, width, siblings, time.

Usage: OPENBLAS_NUM_THREADS=1 SCALING_SHARED=../shared python benchmarks/forecasts.py [--held-out]

Other people's curves are not in this repository; the ladder's are. Every curve is cut at 25, 50,
75 and 90 % of its length; each cell is the median absolute error in %, the coverage of the 90 %
interval, and the median half-width in %. Runs planned for more than four epochs are told apart.
--held-out chooses the priors anew for every source from the others, and scores them on it.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from forecast_curves import Case, cases

from scaling_cli.forecasting import annealed
from scaling_cli.forecasting.alone import Alone, alone
from scaling_cli.forecasting.annealed import Belief
from scaling_cli.forecasting.course import Plan
from scaling_cli.forecasting.future import same_shape
from scaling_cli.forecasting.job import FEWEST, Job
from scaling_cli.forecasting.siblings import Family, Sibling, informed
from scaling_cli.schedules.constant import Constant

SHARES = (0.25, 0.5, 0.75, 0.9)
KINDS = ("cosine", "wsd-before", "wsd-begun", "constant")
LEVEL = 0.9
QUANTILE = NormalDist().inv_cdf((1 + LEVEL) / 2)
MOST_SIBLINGS = 3
# B under gradual decays, after a steady rate, and its sd: what --held-out chooses among.
DROPS = (
    (0.053, 0.042, 0.02),
    (0.05, 0.05, 0.02),
    (0.053, 0.053, 0.015),
    (0.045, 0.045, 0.018),
    (0.04, 0.04, 0.015),
)


@dataclass(frozen=True)
class Score:
    """One forecast beside what came."""

    case: Case
    share: float
    error: float
    half: float

    @property
    def kind(self) -> str:
        """The class of the curve at this share."""
        return self.case.kind(self.share)

    @property
    def inside(self) -> bool:
        """Whether the interval held it."""
        return abs(np.log1p(self.error)) <= self.half


Method = Callable[[Job, Case], tuple[float, float]]


def law(
    job: Job, case: Case, belief: Belief = annealed.DEFAULT, *, backtest: bool = True
) -> tuple[float, float]:
    """Return the default forecast and the half-width of its logarithm."""
    return _end(alone(job, case.plan, belief, backtest=backtest), case)


def power(job: Job, case: Case) -> tuple[float, float]:
    """Return the forecast of the power law in steps."""
    flat = Constant(peak=1.0, length=case.plan.length, unit=job.unit)
    plan = Plan(flat, case.plan.length, "none", "")
    return _end(alone(job, plan, annealed.VAGUE), case)


def last(job: Job, case: Case) -> tuple[float, float]:
    """Return the present loss."""
    del case
    return job.level(), 0.0


def _end(found: Alone, case: Case) -> tuple[float, float]:
    value, sd = found.at(np.array([case.end]))
    return float(value[0]), QUANTILE * float(sd[0])


def score(every: Iterable[Case], method: Method) -> list[Score]:
    """Return the scores of a method at every share of every curve that is long enough."""
    found = []
    for case in every:
        for share in SHARES:
            at = share * case.plan.length
            if (case.job.x <= at).sum() >= FEWEST:
                value, half = method(case.job.until(at), case)
                found.append(Score(case, share, value / case.final - 1, half))
    return found


def kin(case: Case, every: Sequence[Case], how: str) -> list[Sibling]:
    """Return finished runs of the same source: of one shape, or of one size and other schedules."""
    found = []
    for other in every:
        if other is case or other.source != case.source or other.overfit:
            continue
        apart = abs(np.log((other.job.params or 1.0) / (case.job.params or 1.0)))
        alike = same_shape(case.plan, other.plan)
        if (how == "transfer" and alike) or (how == "joint" and not alike and apart < 0.05):
            found.append((apart, Sibling(other.job, other.plan)))
    found.sort(key=lambda item: item[0])
    return [sibling for _, sibling in found[: MOST_SIBLINGS if how == "transfer" else 6]]


def with_kin(every: Sequence[Case], how: str) -> Method:
    """Return the forecast that siblings of the same source inform."""

    def method(job: Job, case: Case) -> tuple[float, float]:
        found = alone(job, case.plan)
        told = informed(found, Family(tuple(kin(case, every, how)), how, ()), case.end)
        return _end(found, case) if told is None else (told.value, told.half_width(LEVEL))

    return method


def row(scores: Iterable[Score]) -> str:
    """Return the cells of a table, one per share."""
    every, cells = list(scores), []
    for share in SHARES:
        some = [s for s in every if s.share == share]
        if not some:
            cells.append(f"{'-':>22}")
            continue
        error = 100 * float(np.median([abs(s.error) for s in some]))
        half = 100 * float(np.median([s.half for s in some]))
        covered = 100 * float(np.mean([s.inside for s in some]))
        cells.append(f"{error:6.2f} {covered:4.0f}% {half:5.2f} n{len(some):3d} ")
    return " |".join(cells)


def table(title: str, scores: Sequence[Score], *, total: bool = True) -> None:
    """Print one line per class."""
    print(f"\n{title}\n{'':12} " + " |".join(f"{f'at {100 * s:.0f} %':^22}" for s in SHARES))
    for kind in KINDS:
        of_kind = [s for s in scores if s.kind == kind]
        if of_kind:
            print(f"{kind:12} {row(of_kind)}")
    if total:
        print(f"{'all':12} {row(scores)}")


def candidates() -> dict[str, Belief]:
    """Return the beliefs among which --held-out chooses."""
    found = {}
    for effective in (8.0, 16.0):
        for gradual, cooled, sd in DROPS:
            for share in (0.0, 0.25, 0.5):
                young = [replace(annealed.YOUNG, share=share)] if share else []
                kinds, steady = (
                    [replace(annealed.MATURE, drop=(drop, sd), share=1 - share), *young]
                    for drop in (gradual, cooled)
                )
                name = (
                    f"{effective:g} points, B {gradual:g} and {cooled:g} +- {sd:g}, young {share:g}"
                )
                found[name] = Belief(kinds, effective, steady)
    return found


def held_out(every: Sequence[Case]) -> list[Score]:
    """Score each source under the belief that did best on the others."""
    beliefs = candidates()
    tried = {}
    for name, belief in beliefs.items():
        tried[name] = score(every, lambda job, case, b=belief: law(job, case, b, backtest=False))
    found: list[Score] = []
    for source in sorted({_family(case) for case in every}):
        best = min(tried, key=lambda name: _loss(tried[name], source))
        print(f"  without {source}: {best}", flush=True)
        own = [case for case in every if _family(case) == source]
        found += score(own, lambda job, case, b=beliefs[best]: law(job, case, b))
    return found


def _family(case: Case) -> str:
    """Return the source; all runs of the ladder are one."""
    return case.source.partition("-")[0]


def _loss(scores: Sequence[Score], without: str) -> float:
    """Return the mean over classes, shares and sources of ln(median error + .03 %)."""
    cells: dict[tuple[str, str, float], list[float]] = {}
    for s in scores:
        if _family(s.case) != without:
            cells.setdefault((_family(s.case), s.kind, s.share), []).append(abs(s.error))
    return float(np.mean([np.log(np.median(errors) + 3e-4) for errors in cells.values()]))


def main() -> None:
    """Print every table."""
    every = cases()
    theirs = [c for c in every if not c.source.startswith("ladder") and not c.overfit]
    own = [c for c in every if c.source.startswith("ladder")]
    if "--held-out" in sys.argv:
        print("chosen:")
        scores = held_out(theirs + own)
        table("priors chosen without the source, other people's curves",
              [s for s in scores if not s.case.source.startswith("ladder")])  # fmt: skip
        return
    start = time.process_time()
    scores = score(theirs, law)
    seconds = (time.process_time() - start) / max(1, len(scores))
    print(f"{1e3 * seconds:.1f} ms of processor time per forecast, backtests included")
    table("law, rate recorded", [s for s in scores if s.case.recorded])
    table("law, schedule assumed", [s for s in scores if not s.case.recorded])
    table("law, all", scores)
    table("power law in steps", score(theirs, power))
    table("last value", score(theirs, last))
    for how, title in (("transfer", "same shape, 3 siblings"), ("joint", "same size")):
        have = [c for c in theirs if kin(c, theirs, how)]
        table(f"{title}: the law alone", score(have, law))
        table(f"{title}: with siblings", score(have, with_kin(theirs, how)))
    table("more than four epochs planned", score([c for c in every if c.overfit], law))
    table("the ladder, held-out losses", score(own, law))


if __name__ == "__main__":
    main()
