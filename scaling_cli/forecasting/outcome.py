"""The expected loss along the rest of a run: by the law, with siblings, or by families."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from scaling_cli.forecasting.annealed import DECAY_SHARE, Alone
from scaling_cli.forecasting.families import Extrapolation, extrapolate
from scaling_cli.forecasting.job import Job
from scaling_cli.forecasting.siblings import Informed

PLACES = 61  # of the path


@dataclass(frozen=True)
class Outcome:
    """An expected loss along the rest of a run, with the logarithm's half-width."""

    x: np.ndarray
    loss: np.ndarray
    half: np.ndarray


def of_law(found: Alone, end: float, level: float, told: Informed | None) -> Outcome:
    """Return the path to the end; siblings move it in proportion to the logarithm of the way."""
    now = found.job.now
    x = np.linspace(now, end, PLACES)
    loss, sd = found.at(x)
    if told is None:
        return Outcome(x, loss, NormalDist().inv_cdf((1 + level) / 2) * sd)
    way = np.log(x / now) / np.log(end / now)
    loss = loss * (told.value / loss[-1]) ** way
    return Outcome(x, loss, np.maximum(told.half_width(level) * way, told.half_width(level) / 10))


def of_families(
    job: Job, end: float, level: float, combine: str, seeing: Alone | None
) -> tuple[Outcome, Extrapolation]:
    """Return what families of learning curves expect: blind to the learning rate, or seeing it.

    Seeing it, they run over the area under the rate, and what its fall takes off by the law is
    put back before they are fitted, and taken off what they expect.
    """
    if seeing is None:
        ahead = job.x > 0
        found = extrapolate(job.x[ahead], job.loss[ahead], end, combine=combine, level=level)
        x = np.linspace(job.now, end, PLACES)
        loss, low, high = found.curve(x)
        return Outcome(x, loss, np.log(high / low) / 2), found
    return _annealed_families(job, end, level, combine, seeing)


def _annealed_families(
    job: Job, end: float, level: float, combine: str, seeing: Alone
) -> tuple[Outcome, Extrapolation]:
    course, posterior = seeing.course, seeing.posterior
    first = np.unique(course.area_at(job.x), return_index=True)[1]
    kept = first[(job.x[first] >= course.start) & (course.area_at(job.x[first]) > 0)]
    steady = job.loss[kept] + posterior.drop_at(course, job.x[kept])
    reach = float(course.area_at(np.array([end]))[0])
    found = extrapolate(course.area_at(job.x[kept]), steady, reach, combine=combine, level=level)
    x = np.linspace(job.now, end, PLACES)
    loss, low, high = found.curve(course.area_at(x))
    gone = posterior.drop_at(course, x)
    normal = NormalDist().inv_cdf((1 + level) / 2)
    mean, sd = posterior.drop_between(course, job.now, x)
    unsure = np.hypot(sd, DECAY_SHARE * mean)
    half = np.hypot(np.log(high / low) / 2, normal * unsure / (loss - gone))
    return Outcome(x, loss - gone, half), found
