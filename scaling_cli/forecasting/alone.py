"""The forecast of a run from its own losses and its schedule: law, backtests, spread."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from scaling_cli.forecasting import annealed
from scaling_cli.forecasting.annealed import Belief, Posterior
from scaling_cli.forecasting.course import Course, Plan
from scaling_cli.forecasting.job import FEWEST, Bins, Job, binned
from scaling_cli.vocabulary.errors import FitError

CUTS = (0.3, 0.4, 0.5, 0.65, 0.8)  # shares of the prefix at which its own end is forecast
PLACES = 50  # at which that end is forecast, at least
OWN_SHARE = 0.5  # of the root mean square of those errors that goes into the spread
DECAY_SHARE = 0.1  # of what the decay is still to take off: how it comes about is not the law's
SKIPPED, LONGEST_SKIPPED, AFTER_WARMUP = 0.2, 0.3, 1.2


@dataclass(frozen=True)
class Backtest:
    """The end of the prefix, forecast from a part of it."""

    cut: float
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True)
class Alone:
    """The law fitted to one run.

    Parameters
    ----------
    job : Job
    plan : Plan
    course : Course
    bins : Bins
    posterior : Posterior
    since : float
        Nothing before it was fitted.
    backtests : tuple of Backtest
    """

    job: Job
    plan: Plan
    course: Course
    bins: Bins
    posterior: Posterior
    since: float = 0.0
    backtests: tuple[Backtest, ...] = ()

    @property
    def own_error(self) -> float:
        """Root mean square error of the backtests, per unit of ln(horizon)."""
        scaled = [b.error / np.log(1 / b.cut) for b in self.backtests]
        return float(np.sqrt(np.mean(np.square(scaled)))) if scaled else 0.0

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected loss at places ahead, and its relative standard deviation."""
        value, sd = self.posterior.at(self.course, x)
        ahead = np.log(np.maximum(np.asarray(x) / self.job.now, 1.0))
        gone = self.posterior.drop_at(self.course, np.append(self.job.now, x))
        decay = DECAY_SHARE * (gone[1:] - gone[0])
        parts = np.stack([sd / value, OWN_SHARE * self.own_error * ahead, decay / value])
        return value, np.sqrt(np.sum(parts**2, axis=0))

    def constant(self, x: float) -> float:
        """Return the expected loss at a place if the rate stayed as it is now."""
        rate = float(self.plan.rate(np.array([self.job.now]))[0])
        held = _held(self.course, self.job.now, rate)
        return float(self.posterior.at(held, np.array([x]))[0][0])


def alone(
    job: Job,
    plan: Plan,
    belief: Belief = annealed.DEFAULT,
    *,
    since: float = 0.0,
    backtest: bool = True,
) -> Alone:
    """Fit the law to a run and its plan.

    Parameters
    ----------
    job : Job
    plan : Plan
    belief : Belief
    since : float
        Nothing before it is fitted.
    backtest : bool
        Whether to forecast the end of what is logged from parts of it.

    Raises
    ------
    FitError
        If the rate rose again and fewer than five points were logged since.
    """
    course = Course.of(plan, job.now)
    course = dataclasses.replace(course, start=max(course.start, since))
    points = int((job.x >= course.start).sum())
    if course.start > since and points < FEWEST:
        raise FitError(
            f"run {job.run!r}: the learning rate rose again until {job.unit[:-1]} "
            f"{course.start:.6g}, and {points} point(s) were logged since; a forecast needs "
            f"{FEWEST}.",
            hint="Ask again when more is logged.",
        )
    if course.rises_after(job.now):
        belief = belief.without_drop()
    found = dataclasses.replace(_fitted(job, plan, course, belief), since=since)
    if not backtest:
        return found
    tests = [_backtest(job, course, belief, cut) for cut in CUTS]
    return dataclasses.replace(found, backtests=tuple(t for t in tests if t is not None))


def _fitted(job: Job, plan: Plan, course: Course, belief: Belief) -> Alone:
    bins = binned(job, first_fitted(job.now, course))
    level = float(np.average(bins.loss[-2:], weights=bins.weight[-2:]))
    posterior = annealed.fit([annealed.Run(bins, course)], level, belief)
    return Alone(job, plan, course, bins, posterior)


def first_fitted(now: float, course: Course) -> float:
    """Return where the part of a run that is fitted starts: after a share, and the warm-up."""
    seen = now - course.start
    warm = min(AFTER_WARMUP * (course.warm - course.start), LONGEST_SKIPPED * seen)
    return course.start + max(SKIPPED * seen, warm)


def _backtest(job: Job, course: Course, belief: Belief, cut: float) -> Backtest | None:
    """Return how the end of the prefix is forecast from a share of it; None with few points."""
    at = course.start + cut * (job.now - course.start)
    seen = (job.x >= course.start) & (job.x <= at)
    if seen.sum() < FEWEST:
        return None
    earlier = job.until(at)
    bins = binned(earlier, first_fitted(at, course))
    level = float(np.average(bins.loss[-2:], weights=bins.weight[-2:]))
    posterior = annealed.fit([annealed.Run(bins, course)], level, belief)
    last = job.x[job.x > job.now * 0.95]
    last = last[:: max(1, len(last) // PLACES)]
    predicted, _ = posterior.at(course, last)
    return Backtest(cut, float(predicted.mean()), job.level(0.05))


def _held(course: Course, now: float, rate: float) -> Course:
    """Return the course whose rate stays what it is after `now`."""
    ahead = course.at > now
    area, fall = course.area.copy(), course.fall.copy()
    here = float(course.area_at(np.array([now]))[0])
    area[ahead] = here + rate * (course.at[ahead] - now)
    fallen = course.fall_at(np.array([now]))[:, 0]
    for i, lag in enumerate(course.lags):
        gone = np.exp(-(course.at[ahead] - now) / lag)
        fall[i, ahead] = (1 - rate) + (fallen[i] - (1 - rate)) * gone
    return dataclasses.replace(course, area=area, fall=fall)
