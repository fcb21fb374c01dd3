"""A constant learning rate."""

import numpy as np

from scaling_cli.schedules._schedule import Rates, Warmed, write


class Constant(Warmed):
    """The peak, from the end of the warm-up to the end of the run."""

    @classmethod
    def spelled(cls, given: dict[str, str]) -> dict[str, str]:
        """Accept the `min` that logs of constant runs carry, where it says the same as `peak`."""
        low = given.pop("min", None)
        if low is not None and "peak" in given:
            rates = [cls.read({"peak": r, "steps": "1"}).peak for r in (low, given["peak"])]
            if rates[0] != rates[1]:
                raise cls.refused(f"min={write(rates[0])} contradicts peak={write(rates[1])}.")
        return given

    def _after(self, at: np.ndarray) -> Rates:
        return np.full_like(at, self.peak)

    def _stretches(self) -> list[tuple[str, float]]:
        return [("constant", self.length)]
