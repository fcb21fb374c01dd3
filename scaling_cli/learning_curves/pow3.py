"""The power law with a floor: the learning curve behind most scaling laws."""

import numpy as np

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import LearningCurve, grid


class Pow3(LearningCurve):
    """L(x) = E + A x^-alpha (Domhan et al. 2015, pow3; the power law with a floor).

    Published prior of alpha: ln alpha ~ N(0, 2), kept; those of c and a are for accuracies: E and A
    are only held at zero or above.
    """

    rising = "c - a x^-alpha"
    bounds = {"alpha": (0.02, 6.0)}

    E: float = param("loss that no training removes", unit="nats/token", linear=True)
    A: float = param("what is lost beyond the floor at x = 1", unit="nats/token", linear=True)
    alpha: float = param("exponent", starts=grid(0.05, 3.0, 40), prior=Prior(1.0, 2.0))

    @classmethod
    def columns(cls, x: np.ndarray, alpha: Value) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return np.ones_like(x), power(x, -alpha)
