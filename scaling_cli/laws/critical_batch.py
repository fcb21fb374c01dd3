"""The critical batch: the size beyond which more tokens a step hardly save steps."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import Absorbs, param, power
from scaling_cli.vocabulary.quantities import BatchTokens, Loss


class CriticalBatch(Kaplan):
    """B_crit(L) = B_star / L^(1/alpha_B) (Kaplan et al. 2020, arXiv:2001.08361, eq. 5.3).

    In tokens. At this batch a loss L takes twice the fewest steps and twice the fewest tokens. It
    depends on the loss alone: not on the size of the model.
    """

    reference = "arXiv:2001.08361, eq. 5.3"

    B_star: float = param(
        "critical batch at a loss of 1",
        unit="tokens/step",
        absorbs=Absorbs("L", "alpha_B", inverse=True),
    )
    alpha_B: float = param("exponent of the loss in the batch")

    def __call__(self, L: Loss) -> BatchTokens:
        """Return the batch in tokens."""
        return self.B_star * power(L, -1 / self.alpha_B)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield the straight line through (ln L, ln B), and two others about its middle."""
        x, y = (np.log(np.asarray(values, float)) for values in (inputs["L"], output))
        slope = float(np.polyfit(x, y, 1)[0])
        for steep in (max(-slope, 0.1), 1.0, 5.0):
            yield {"B_star": float(np.exp(y.mean() + steep * x.mean())), "alpha_B": 1 / steep}
