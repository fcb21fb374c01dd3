"""The curve of Morgan, Mercer and Flodin: a sigmoid in ln x with a floor."""

import numpy as np

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import LearningCurve, grid


class Mmf(LearningCurve):
    """L(x) = E + A / (1 + (kappa x)^delta) (Domhan et al. 2015, mmf).

    Published priors ln kappa ~ N(0, 2) and ln delta ~ N(0, 1), kept; E = alpha and A = beta - alpha
    are only held at zero or above.
    """

    rising = "alpha - (alpha - beta) / (1 + (kappa x)^delta)"
    bounds = {"kappa": (1e-6, 1e6), "delta": (0.05, 6.0)}

    E: float = param("loss that no training removes", unit="nats/token", linear=True)
    A: float = param("what is lost beyond the floor", unit="nats/token", linear=True)
    kappa: float = param(
        "one over the place of the middle", starts=grid(1e-3, 30.0, 16), prior=Prior(1.0, 2.0)
    )
    delta: float = param("steepness", starts=grid(0.1, 3.0, 12), prior=Prior(1.0, 1.0))

    @classmethod
    def columns(cls, x: np.ndarray, kappa: Value, delta: Value) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return np.ones_like(x), 1.0 / (1.0 + power(kappa * x, delta))
