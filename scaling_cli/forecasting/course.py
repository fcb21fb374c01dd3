"""A learning rate along a whole run as the law of running jobs sees it: area and lagged fall."""

from dataclasses import dataclass

import numpy as np

from scaling_cli.schedules._schedule import Schedule

CELLS = 4096
# Time constants of the response to the rate, as shares of the run: it scales with the length of
# a run, not with a number of steps.
LAGS = (0.003, 0.01, 0.03, 0.1, 0.2)
STEADY, HELD = 0.97, 0.3  # of the peak; of the run, for which a rate is held that is steady
AT_PEAK = 0.98  # of the peak: the warm-up has ended
RISE = 0.02  # of the peak: a rate that rises by more after it fell is a new start


@dataclass(frozen=True)
class RatePlan:
    """The learning rate of a run from its start to its end, and how it is known.

    Parameters
    ----------
    schedule : Schedule
    length : float
        Where the run ends, in the unit of its axis (steps or tokens).
    source : str
        How the schedule is known: given, column, logged, siblings or assumed.
    why : str
        The same in words.
    verdict : str, optional
        Of the identification, where it was read off a logged rate.
    stretch, shift : float
        The rate at x is that of the schedule at (x - shift) / stretch.
    notes : tuple of str
    known_from : float
        Where the rate is first logged; before it, a linear warm-up is assumed.
    """

    schedule: Schedule
    length: float
    source: str
    why: str
    verdict: str | None = None
    stretch: float = 1.0
    shift: float = 0.0
    notes: tuple[str, ...] = ()
    known_from: float = 0.0

    def rate(self, x: np.ndarray) -> np.ndarray:
        """Return the learning rate at places along the run, as a share of its peak."""
        at = np.maximum(np.asarray(x, float) - self.shift, 0.0) / self.stretch
        return self.schedule.lr(at) / self.schedule.highest

    def shape(self, points: int = 400) -> np.ndarray:
        """Return the rate over its peak at even shares of the run, shape (points,)."""
        return self.rate(np.linspace(0.0, 1.0, points, endpoint=False) * self.length)


@dataclass(frozen=True)
class Course:
    """Area and lagged fall of the rate at the edges of equal cells of a run.

    Parameters
    ----------
    at : array, shape (n,)
        Places, from 0 to the end.
    rate, area : array, shape (n,)
        The rate over its peak, and its integral from 0.
    fall : array, shape (lags, n)
        The moving average of 1 - rate, with each time constant; the warm-up counts as the peak.
    steady : bool
        Whether the rate is held at its peak for long before it falls.
    lags : tuple of float
        The time constants.
    warm : float
        Where the warm-up ends.
    start : float
        Where the stretch that can be fitted starts: after the last rise of the rate before `now`.
    """

    at: np.ndarray
    rate: np.ndarray
    area: np.ndarray
    fall: np.ndarray
    warm: float
    start: float
    steady: bool
    lags: tuple[float, ...]

    @classmethod
    def of(cls, plan: RatePlan, now: float, lags: tuple[float, ...] = LAGS) -> "Course":
        """Return the course of a plan, seen from `now`."""
        end = max(plan.length, now)
        at = np.linspace(0.0, end, CELLS + 1)
        width = end / CELLS
        middle = plan.rate(at[:-1] + width / 2)
        rate = plan.rate(at)
        seen = int(np.searchsorted(at, now, side="right"))
        start = _last_rise(rate[:seen])
        # The peak that counts is that of the stretch which is fitted.
        peak = float(rate[start:].max()) or 1.0
        top = start + int(np.argmax(rate[start:] >= AT_PEAK * peak))
        fallen = np.clip(1 - middle / peak, 0.0, None)
        fallen[:top] = 0.0
        area = np.append(0.0, np.cumsum(middle / peak) * width)
        fall = np.stack([_averaged(fallen, lag * CELLS) for lag in lags])
        steady = bool(np.mean(rate[top:] > STEADY * peak) > HELD)
        warm, since, slow = float(at[top]), float(at[start]), tuple(lag * end for lag in lags)
        return cls(at, rate / peak, area, fall, warm, since, steady, slow)

    def rises_after(self, now: float) -> bool:
        """Say whether the rate rises again after `now`."""
        ahead = self.rate[self.at >= now]
        return bool(len(ahead) and (ahead - np.minimum.accumulate(ahead)).max() > RISE)

    def area_at(self, x: np.ndarray) -> np.ndarray:
        """Return the area at places, shape (n,)."""
        return np.interp(x, self.at, self.area)

    def fall_at(self, x: np.ndarray) -> np.ndarray:
        """Return the lagged fall at places, shape (lags, n)."""
        return np.stack([np.interp(x, self.at, lagged) for lagged in self.fall])


def _last_rise(rate: np.ndarray) -> int:
    """Return the cell in which the rate, having fallen, last stopped rising; 0 if it never did."""
    fallen = np.maximum.accumulate(rate) - rate > RISE
    if not fallen.any():
        return 0
    first = int(np.argmax(fallen))
    up = np.flatnonzero(np.diff(rate[first:]) > 0) + first + 1
    end = 0
    for stretch in np.split(up, np.flatnonzero(np.diff(up) > 1) + 1):
        if len(stretch) and rate[stretch[-1]] - rate[stretch[0] - 1] > RISE:
            end = int(stretch[-1])
    return end


def _averaged(values: np.ndarray, lag: float) -> np.ndarray:
    """Return the exponential moving average of cell values, at the edges of the cells.

    Written as one cumulative sum: values are not negative, so that nothing cancels, and the
    exponent stays below 1 / (smallest lag) = 333.
    """
    growth = np.arange(1, len(values) + 1) / lag
    kept = np.cumsum(values * np.exp(growth)) * np.exp(-growth) * -np.expm1(-1 / lag)
    return np.append(0.0, kept)
