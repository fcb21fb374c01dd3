"""Jumps from one constant rate to the next."""

import numpy as np

from scaling_cli.schedules._schedule import Kind, Rates, Warmed, option


class Step(Warmed):
    """The peak, then from each place of `at` on the rate of `to`: `at=80%/90%,to=1e-4/3e-5`."""

    at: tuple[float, ...] = option("where the rate jumps", Kind.PLACES)
    to: tuple[float, ...] = option("the rate from there on", Kind.RATES)

    def _check(self) -> None:
        super()._check()
        if len(self.at) != len(self.to):
            raise self.refused(f"{len(self.at)} place(s) in at, but {len(self.to)} rate(s) in to.")
        if any(b <= a for a, b in zip((self.warmup, *self.at), self.at, strict=False)):
            raise self.refused("the places in at must increase, from the warm-up on.")

    def _after(self, at: np.ndarray) -> Rates:
        rates = np.array([self.peak, *self.to])
        return rates[np.searchsorted(np.array(self.at), at, side="right")]

    def _stretches(self) -> list[tuple[str, float]]:
        return [("constant", end) for end in (*self.at, self.length)]
