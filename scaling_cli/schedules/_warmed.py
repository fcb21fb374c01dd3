"""What families share: the linear warm-up, the way down, and the shapes that it may take."""

from collections.abc import Callable

import numpy as np

from scaling_cli.schedules._schedule import Kind, Rates, Schedule, option, write
from scaling_cli.vocabulary.errors import UsageError, near

Share = Callable[[np.ndarray], np.ndarray]


def _cosine(way: np.ndarray) -> np.ndarray:
    return (1 + np.cos(np.pi * way)) / 2


# The share of (peak - min) that is left after a share of the way down. Names and forms as
# compared by Haegele et al. 2024 (arXiv:2405.18392).
SHARES: dict[str, Share] = {
    "linear": lambda way: 1 - way,
    "cosine": _cosine,
    "mirror_cosine": lambda way: 2 * (1 - way) - _cosine(way),
    "sqrt": lambda way: 1 - np.sqrt(way),
    "square": lambda way: 1 - way**2,
}
SHAPES = (*SHARES, "polynomial", "exponential")


class Warmed(Schedule):
    """A linear warm-up to a peak, then what the family does from there."""

    peak: float = option("highest learning rate", Kind.RATE)
    warmup: float = option("end of the linear rise to the peak", Kind.PLACE, default=0.0)
    init: float = option("rate from which the rise starts", Kind.RATE, default=0.0)
    first: float = option(
        "count of the first step in the rise: 0 for step/warmup, 1 for (step + 1)/warmup",
        Kind.NUMBER,
        default=0.0,
    )

    def _check(self) -> None:
        if not self.peak > 0:
            raise UsageError(f"{self.title}: peak must be positive, not {self.peak:g}.")
        if self.first not in (0, 1):
            raise UsageError(f"{self.title}: first is 0 or 1, not {self.first:g}.")
        if self.init > self.peak:
            raise UsageError(
                f"{self.title}: init={write(self.init)} lies above peak={write(self.peak)}."
            )

    def _rate(self, at: np.ndarray) -> Rates:
        after = self._after(np.maximum(at, self.warmup))
        if self.warmup == 0:
            return after
        risen = np.minimum(1.0, (at + self.first) / self.warmup)
        return np.where(at < self.warmup, self.init + (self.peak - self.init) * risen, after)

    def _after(self, at: np.ndarray) -> Rates:
        """Return the rates from the end of the warm-up on."""
        raise NotImplementedError

    def _edges(self) -> list[tuple[str, float]]:
        return [("warm-up", self.warmup), *self._stretches()]

    def _stretches(self) -> list[tuple[str, float]]:
        return [(f"{self.title} decay", self.length)]


class Falling(Warmed):
    """A warm-up, then one way down from the peak to `min` at the end of the run."""

    min: float = option("rate at the end", Kind.RATE, default=0.0)

    def _check(self) -> None:
        super()._check()
        check_min(self, self._shape(), self.min)

    def _shape(self) -> str:
        return self.title

    def _after(self, at: np.ndarray) -> Rates:
        return falling(self._shape(), self._way(at, self.warmup), self.peak, self.min)

    def _way(self, at: np.ndarray, start: float) -> np.ndarray:
        """Return the share of the way from `start` to the end of the run."""
        if start >= self.length:
            return np.zeros_like(at)  # the way down would start where the run is over
        return np.clip((at - start) / (self.length - start), 0, 1)


def falling(
    shape: str, way: np.ndarray, peak: np.ndarray | float, low: float, power: float = 1.0
) -> np.ndarray:
    """Return the rate after a share of the way from `peak` down to `low`."""
    if shape == "exponential":
        return np.asarray(peak ** (1 - way) * low**way)
    share = (1 - way) ** power if shape == "polynomial" else SHARES[shape](way)
    return np.asarray(peak * share + low * (1 - share))


def check_min(schedule: Warmed, shape: str, low: float) -> None:
    """Refuse an unknown shape, a lowest rate above the peak, a geometric decay to zero."""
    if shape not in SHAPES:
        raise UsageError(
            f"{schedule.title}: there is no decay {shape!r}.", hint=near(shape, SHAPES, "decays")
        )
    if low > schedule.peak:
        raise UsageError(
            f"{schedule.title}: min={write(low)} lies above peak={write(schedule.peak)}."
        )
    if shape == "exponential" and low == 0:
        raise UsageError(
            f"{schedule.title}: an exponential decay never reaches 0.",
            hint="Give min=..., the rate at the end.",
        )
