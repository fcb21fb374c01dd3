"""One over the logarithm: the slowest fall to a floor."""

import numpy as np

from scaling_cli.laws._law import param
from scaling_cli.learning_curves._family import Floored


class Ilog2(Floored):
    """L(x) = E + A / ln(x + 1) (Domhan et al. 2015, ilog2).

    Not free of scale: x is in hundredths of what was seen. The published priors are uniform over
    accuracies: E and A are only held at zero or above.
    """

    rising = "c - a / ln(x + 1)"

    A: float = param("what is lost beyond the floor at x = 1.72", unit="nats/token", linear=True)

    @classmethod
    def falling(cls, x: np.ndarray) -> np.ndarray:
        """Return what A is multiplied by."""
        return 1.0 / np.log1p(x)
