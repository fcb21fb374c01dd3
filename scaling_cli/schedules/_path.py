"""A schedule as laws of loss curves see it: area under the rate, and every drop of the rate.

Step t has learning rate eta_t; S1(t) is the sum of eta_0 ... eta_t; the drop at step k is
eta_(k-1) - eta_k, negative where the rate rises.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_cli.schedules._schedule import Schedule
from scaling_cli.vocabulary.errors import UsageError, near

# How the warm-up is seen; each law declares its authors' choice.
CONVENTIONS = {
    "as_trained": "the warm-up counts as it was: its area, and its rises as negative drops",
    "area": "the warm-up counts with its area; its rises are no drops",
    "at_peak": "the warm-up counts as if the rate had been at its peak",
}
ZERO_RATE = 1e-8  # of the highest: a rate of zero counts as this where it is raised to a power
WIDEST, WIDEST_RISE = 256, 64  # steps of drops, and of rises, that are taken together


@dataclass(frozen=True)
class Path:
    """What a law of loss curves needs of a schedule, to be evaluated at some steps.

    Parameters
    ----------
    step, area : array, shape (n,)
        The steps t asked for, and S1(t).
    gap : array, shape (m,)
        Drops of the rate.
    rate : array, shape (m,)
        The rate after each drop.
    drop_step, drop_area : array, shape (m,)
        The step k of each drop, and S1(k - 1), the area before it.
    unit : float
        What rates were divided by.
    params : array, shape (n,), optional
        Model size at each step, for laws of several sizes.
    functional : array, shape (n,), optional
        What a law computes of the whole path before it is fitted; see `CurveLaw.prepared`.
    """

    step: Any
    area: Any
    gap: Any
    rate: Any
    drop_step: Any
    drop_area: Any
    unit: float = 1.0
    params: Any = None
    functional: Any = None

    @classmethod
    def of(
        cls,
        schedule: Schedule,
        step: ArrayLike,
        *,
        warmup: str = "as_trained",
        unit: float = 1.0,
        params: float | None = None,
    ) -> "Path":
        """Return the path of a schedule over steps, up to the last step asked for.

        Parameters
        ----------
        schedule : Schedule
            Over steps (`in_steps` makes one).
        step : array-like of int, shape (n,)
        warmup : str
            One of CONVENTIONS.
        unit : float
            Rates are divided by it, and so are areas.
        params : float, optional
            Model size N, one for the whole path.

        Raises
        ------
        UsageError
            If a step is not whole or negative, or there is no such convention.
        """
        at = np.asarray(step, float)
        if warmup not in CONVENTIONS:
            hint = near(warmup, [*CONVENTIONS], "conventions")
            raise UsageError(f"there is no warm-up convention {warmup!r}.", hint=hint)
        if at.ndim != 1 or not len(at) or (at != np.floor(at)).any() or at.min() < 0:
            raise UsageError("a loss is asked for at steps that are not whole numbers from 0 on.")
        rates = schedule.over(int(at.max()) + 1) / unit
        peak = schedule.highest / unit
        at_top = np.flatnonzero(rates >= peak * (1 - 1e-9))
        top = int(at_top[0]) if len(at_top) else len(rates)
        if warmup == "at_peak":
            rates[:top] = peak
        gaps = -np.diff(rates, prepend=rates[0])
        if warmup == "area":
            gaps[: top + 1] = 0.0
        area = np.cumsum(rates)
        k = np.flatnonzero(gaps)
        index = at.astype(int)
        rate = np.maximum(rates[k], ZERO_RATE * peak)
        size = None if params is None else np.full(len(at), float(params))
        before = area[k] - rates[k]
        return cls(at, area[index], gaps[k], rate, k.astype(float), before, unit, size)

    def compressed(self) -> "Path":
        """Return a path of few drops with the same effect: two in place of those of a stretch.

        Stretches end at the steps asked for, at changes of sign, where the rate has halved (powers
        of it are not straight), and WIDEST steps after they began. The two stand at the nodes of
        the Gauss rule of their stretch, which keeps its first four moments: losses change by less
        than 1e-4 nats/token, a tenth of what the laws leave unexplained; by 5e-4 within a few steps
        after a steep stretch.
        """
        if not len(self.gap):
            return self
        steps = np.unique(self.step)
        seen_by = np.searchsorted(steps, self.drop_step)
        width = np.where(self.gap < 0, WIDEST_RISE, WIDEST)
        octave = np.floor(np.log2(self.rate))
        kinds = [seen_by, np.sign(self.gap), octave]
        new = np.append(True, np.any([np.diff(kind) != 0 for kind in kinds], axis=0))
        since = self.drop_step - self.drop_step[np.flatnonzero(new)][np.cumsum(new) - 1]
        new[1:] |= np.diff(since // width) != 0
        return self.merged(new)

    def merged(self, new: np.ndarray) -> "Path":
        """Return a path of two drops in place of those of each stretch; `new` where one begins."""
        first = np.flatnonzero(new)
        total = np.add.reduceat(self.gap, first)
        size = np.diff(np.append(first, len(self.gap)))
        mean = np.add.reduceat(self.gap * self.drop_step, first) / total
        off = self.drop_step - np.repeat(mean, size)
        second, third = (np.add.reduceat(self.gap * off**p, first) / total for p in (2, 3))
        spread = np.sqrt(np.maximum(second, 0.0))
        lone = spread < 1e-6  # one step alone
        skew = np.where(lone, 0.0, third / np.where(lone, 1.0, spread**3))
        root = np.sqrt(1 + skew**2 / 4)
        nodes = np.stack([skew / 2 - root, skew / 2 + root])
        weights = total / (1 + nodes**2)
        weights = np.where(lone, np.stack([total, 0 * total]), weights).ravel()
        # Nodes lie inside their stretch; rounding must not carry one past a step asked for.
        ends = self.drop_step[first], self.drop_step[first + size - 1]
        at = np.clip(mean + np.where(lone, 0.0, nodes * spread), *ends).ravel()
        kept = weights != 0
        order = np.argsort(at[kept], kind="stable")
        at, weights = at[kept][order], weights[kept][order]
        rate = np.interp(at, self.drop_step, self.rate)
        area = np.interp(at, self.drop_step, self.drop_area)
        return replace(self, gap=weights, rate=rate, drop_step=at, drop_area=area)
