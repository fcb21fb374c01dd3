"""A power of the way that is left."""

import numpy as np

from scaling_cli.schedules._schedule import Falling, Kind, Rates, falling, option


class Polynomial(Falling):
    """lr = min + (peak - min) (1 - x)^power, x the share of the way to the end of the run."""

    power: float = option("exponent", Kind.NUMBER)

    def _check(self) -> None:
        super()._check()
        if not self.power > 0:
            raise self.refused(f"power must be positive, not {self.power:g}.")

    def _after(self, at: np.ndarray) -> Rates:
        way = self._way(at, self.warmup)
        return falling("polynomial", way, self.peak, self.min, self.power)
