"""The inverse square root of the step."""

import numpy as np

from scaling_cli.schedules._schedule import Kind, Rates, Warmed, option
from scaling_cli.vocabulary.errors import UsageError


class InverseSqrt(Warmed):
    """lr = peak sqrt(scale/step) beyond `scale` steps, the peak before (Vaswani et al. 2017)."""

    scale: float | None = option(
        "step from which the rate falls; the end of the warm-up if not given",
        Kind.PLACE,
        default=None,
    )
    min: float = option("lowest rate", Kind.RATE, default=0.0)

    def _check(self) -> None:
        super()._check()
        self._check_way("linear", self.min)
        if not self._from() > 0:
            hint = "The rate is peak sqrt(scale/step)."
            raise UsageError("inverse_sqrt needs scale or warmup.", hint=hint)

    def _from(self) -> float:
        return self.warmup if self.scale is None else self.scale

    def _after(self, at: np.ndarray) -> Rates:
        falls = self.peak * np.sqrt(self._from() / np.maximum(at, self._from()))
        return np.maximum(falls, self.min)

    def _stretches(self) -> list[tuple[str, float]]:
        return [("constant", self._from()), ("inverse square root decay", self.length)]
