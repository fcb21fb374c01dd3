"""What lies under the rate before the first row of a log: one fact of all runs of one model.

A log that begins at its highest rate does not show how the rate came there. What is assumed is a
linear warm-up that ends somewhere before the first row: at once (none), where the log begins, or
where other runs of the model, or their losses, say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_cli.schedules._schedule import Falling, Schedule, Warmed
from scaling_cli.schedules.inverse_sqrt import InverseSqrt
from scaling_cli.schedules.knots import Knots
from scaling_cli.schedules.step import Step
from scaling_cli.schedules.wsd import Wsd

LATE = 1.5  # steps between rows
SEEN = 0.01  # of the log: what lies before a first row earlier than this is of no weight


@dataclass(frozen=True)
class Beginning:
    """The rate before the first row of a log, which that log does not show.

    Parameters
    ----------
    until : float
        The first step at which the rate is known to be at its peak: the first that is logged, or
        where a decay started that was under way there.
    warmup : float
        Where the warm-up is taken to end; 0 for none.
    stated : str
        By what, in words (`as run a says`); empty where it is assumed.
    decays : bool
        Whether the warm-up is taken to end where a decay starts, before the first row.
    """

    until: float
    warmup: float
    stated: str = ""
    decays: bool = False

    @property
    def source(self) -> str:
        """What the warm-up is taken from, in words."""
        return self.stated or (self.latest if self.warmup else "none")

    @property
    def latest(self) -> str:
        """What shows that no warm-up is longer, in words."""
        return "where a decay begins" if self.decays else "where the logs begin"


def shared(
    hidden: Sequence[Beginning], stated: Iterable[tuple[str, float]] = ()
) -> list[Beginning]:
    """Return the beginnings of logs with one warm-up for all of them.

    Parameters
    ----------
    hidden : sequence of Beginning
        As each log alone would have it.
    stated : iterable of (by what, where the warm-up ends)
        What is known from elsewhere, of runs of the same model. The first counts; a warm-up that
        ends where a log is at its peak already is that of another model.
    """
    first = min((each.until for each in hidden), default=0.0)
    own = [(each.stated, each.warmup) for each in hidden if each.stated]
    known = [(by, end) for by, end in (*stated, *own) if end <= first]
    # Of logs that begin late the earliest tells: at its peak there, none has a longer warm-up.
    by, end = known[0] if known else ("", min((each.warmup for each in hidden), default=0.0))
    decays = any(each.decays for each in hidden if each.until == first)
    return [replace(each, warmup=end, stated=by, decays=decays) for each in hidden]


def beginning_of(step: np.ndarray, rates: np.ndarray, slack: float = 0.0) -> Beginning | None:
    """Return what is assumed before the first row of a log; None where the log says all.

    A log that begins late has been cut, or begins after the warm-up: it is taken to end there.

    Parameters
    ----------
    step, rates : array, shape (n,)
    slack : float
        Rates that differ by less are the same: a log that begins below its peak shows its rise.
    """
    first = float(step[0])
    late = first > LATE * np.median(np.diff(step))
    if first <= 1 or not (late or first > SEEN * step[-1]) or rates[0] < rates.max() - slack:
        return None
    return Beginning(first, first if late else 0.0)


def beginning_in(schedule: Schedule) -> Beginning | None:
    """Return what is assumed before the first row of a table of rates; None of a schedule."""
    if not isinstance(schedule, Knots) or len(schedule.at) == 1:
        return None
    return beginning_of(np.array(schedule.at), np.array(schedule.rates))


def completed(schedule: Schedule, warmups: Sequence[float]) -> Schedule:
    """Return a table that begins late with the first warm-up before it that can be its own."""
    before = beginning_in(schedule)
    if before is None:
        return schedule
    return begun(schedule, shared([before], [("", end) for end in warmups])[0])


def known_from(beginning: Beginning | None, schedule: Schedule) -> Beginning | None:
    """Return the beginning of a log whose schedule is known: it may begin within the decay.

    The warm-up has ended where the decay starts; a decay from the first step on has none.
    """
    if beginning is None or not isinstance(schedule, Warmed):
        return beginning
    until = min(beginning.until, _leaves_its_peak(schedule))
    warmup, decays = min(beginning.warmup, until), until < beginning.until
    after = replace(beginning, until=until, warmup=warmup, decays=decays)
    return after if until > 1 else None


def warmup_of(schedule: Schedule) -> float:
    """Return where the warm-up of a schedule ends; 0 where it has none."""
    return next((p.end for p in schedule.phases() if p.name == "warm-up"), 0.0)


def begun(schedule: Schedule, beginning: Beginning) -> Schedule:
    """Return the schedule with a rise in a straight line from zero over its first steps."""
    warmup = beginning.warmup
    if isinstance(schedule, Knots):
        points = zip(schedule.at, schedule.rates, strict=True)
        known = {a: r for a, r in points if a >= beginning.until}
        rise = {0.0: 0.0, warmup: next(iter(known.values()))} if warmup else {}
        at, rates = zip(*(rise | known).items(), strict=True)
        return replace(schedule, at=at, rates=rates)
    if not isinstance(schedule, Warmed):
        return schedule
    start = _leaves_its_peak(schedule)
    if isinstance(schedule, Falling) and not isinstance(schedule, Wsd) and warmup < start:
        common = {n: getattr(schedule, n) for n in ("peak", "min", "length", "unit")}
        decay = {"decay": schedule.title, "power": getattr(schedule, "power", 1.0)}
        return Wsd(**common, **decay, warmup=warmup, stable=start)
    scale = {"scale": start} if isinstance(schedule, InverseSqrt) else {}
    return replace(schedule, warmup=warmup, init=0.0, first=0.0, **scale)


def _leaves_its_peak(schedule: Warmed) -> float:
    if isinstance(schedule, Wsd):
        return schedule.stable
    if isinstance(schedule, Step):
        return schedule.at[0]
    if isinstance(schedule, InverseSqrt):
        return schedule.warmup if schedule.scale is None else schedule.scale
    return schedule.warmup if isinstance(schedule, Falling) else schedule.length
