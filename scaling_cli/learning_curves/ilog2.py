"""One over the logarithm: the slowest fall to a floor."""

import numpy as np

from scaling_cli.laws._law import param
from scaling_cli.learning_curves._family import LearningCurve


class Ilog2(LearningCurve):
    """L(x) = E + A / ln(x + 1) (Domhan et al. 2015, ilog2).

    Not free of scale: x is in hundredths of what was seen. The published priors are uniform over
    accuracies: E and A are only held at zero or above.
    """

    rising = "c - a / ln(x + 1)"

    E: float = param("loss that no training removes", unit="nats/token", linear=True)
    A: float = param("what is lost beyond the floor at x = 1.72", unit="nats/token", linear=True)

    @classmethod
    def columns(cls, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return np.ones_like(x), 1.0 / np.log1p(x)
