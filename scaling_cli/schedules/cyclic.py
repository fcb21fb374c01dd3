"""Cycles: down and up again."""

import itertools

import numpy as np

from scaling_cli.schedules._schedule import Falling, Kind, Rates, falling, option, write

MOST_CYCLES = 10_000


class Cyclic(Falling):
    """From the peak to `min` within each period, then a restart (SGDR, arXiv:1608.03983).

    `shape=triangle` goes from `min` up to the peak and down again (arXiv:1506.01186). Each period
    is `growth` times as long as the one before, and its peak `shrink` times as high.
    """

    period: float = option("length of the first cycle", Kind.PLACE)
    shape: str = option("how the rate falls, or triangle", Kind.NAME, default="cosine")
    growth: float = option(
        "length of a cycle over that of the one before", Kind.NUMBER, default=1.0
    )
    shrink: float = option("peak of a cycle over that of the one before", Kind.NUMBER, default=1.0)

    def _check(self) -> None:
        super()._check()
        if not (self.period > 0 and self.growth > 0 and 0 < self.shrink <= 1):
            raise self.refused("period and growth must be positive, and shrink between 0 and 1.")
        if self._restarts()[-1] < self.length:
            short = f"period={write(self.period)} is too short."
            raise self.refused(f"more than {MOST_CYCLES} cycles: {short}")

    def _shape(self) -> str:
        return "linear" if self.shape == "triangle" else self.shape

    def _restarts(self) -> np.ndarray:
        """Return where cycles start, and where the last one would end."""
        starts, period = [self.warmup], self.period
        while starts[-1] < self.length and len(starts) <= MOST_CYCLES:
            starts.append(starts[-1] + period)
            period *= self.growth
        return np.array(starts)

    def _after(self, at: np.ndarray) -> Rates:
        starts = self._restarts()
        cycle = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(starts) - 2)
        way = (at - starts[cycle]) / (starts[cycle + 1] - starts[cycle])
        if self.shape == "triangle":
            way = np.abs(1 - 2 * way)
        top = np.maximum(self.peak * self.shrink**cycle, self.min)
        return falling(self._shape(), way, top, self.min)

    def _stretches(self) -> list[tuple[str, float]]:
        starts = self._restarts()
        stretches = []
        for i, (start, end) in enumerate(itertools.pairwise(starts)):
            if self.shape == "triangle":
                stretches.append((f"cycle {i + 1}, up", (start + end) / 2))
            stretches.append((f"cycle {i + 1}", end))
        return [(name, float(min(end, self.length))) for name, end in stretches]
