"""A damped local slope: where a curve goes if it goes on as of late, ever less so.

A law of the whole curve ends too high or too low where the curve bends otherwise than the law; a
straight line in logarithms through the last octave and a half ends too low. The mean of both misses
by less than either (benchmarks/one_variable.py).
"""

from typing import NamedTuple

import numpy as np

from scaling_cli.forecasting.job import Bins

OCTAVES = 1.5  # that the slope is of
DAMPED = 0.75  # each octave further, of the slope of the one before
FEWEST = 3  # points that tell a slope
DRIFT = 0.007  # of ln loss per unit of ln x: what neither law nor slope foresees
# Rows that hardly ever rise are a running minimum, or smoothed: those to come are noisier.
FALLING, ROWS, WIDER = 0.98, 8, 2.0
TOLD = "the rows never rise, as of a running minimum: the interval is twice as wide."


class Slope(NamedTuple):
    """ln loss at the last x, and its slope there by ln x, which never rises."""

    last: float
    level: float
    slope: float

    @classmethod
    def of(cls, bins: Bins) -> "Slope":
        """Return that of the last points, by weighted least squares on logarithms."""
        last, recent = bins.x[-1], bins.x >= bins.x[-1] / 2**OCTAVES
        recent[-FEWEST:] = True
        x, y, weight = np.log(bins.x[recent]), np.log(bins.loss[recent]), bins.weight[recent]
        middle, level = np.average(x, weights=weight), np.average(y, weights=weight)
        away = x - middle
        slope = min(float(weight @ (away * (y - level)) / (weight @ away**2)), 0.0)
        return cls(float(last), float(level + slope * (np.log(last) - middle)), slope)

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return ln loss at places beyond the last, shape (n,): slopes add up as far as they go."""
        octaves = np.log2(x / self.last)
        gone = DAMPED / (1 - DAMPED) * (1 - DAMPED**octaves)
        return self.level + self.slope * np.log(2) * gone


def smoothed(loss: np.ndarray) -> bool:
    """Say whether rows fall as only a running minimum or a smoothed curve does."""
    return len(loss) >= ROWS and bool(np.mean(np.diff(loss) <= 0) >= FALLING)
