"""Janoschek's growth curve: a stretched exponential, the same curves as `weibull`."""

import numpy as np

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import Floored, grid


class Janoschek(Floored):
    """L(x) = E + A exp(-k x^delta) (Domhan et al. 2015, janoschek).

    The same curves as weibull with k = kappa^delta. Published priors ln k ~ N(-2, 1) and
    ln delta ~ N(0, 0.5), widened threefold (losses fall far more slowly than accuracies rose);
    E = a and A = beta - a are only held at zero or above.
    """

    rising = "a - (a - beta) exp(-k x^delta)"
    same_as = "weibull"
    bounds = {"k": (1e-9, 100.0), "delta": (0.05, 5.0)}

    k: float = param("rate", starts=grid(1e-4, 10.0, 16), prior=Prior(0.135, 3.0))
    delta: float = param("stretch", starts=grid(0.1, 3.0, 12), prior=Prior(1.0, 1.5))

    @classmethod
    def falling(cls, x: np.ndarray, k: Value, delta: Value) -> np.ndarray:
        """Return what A is multiplied by."""
        return np.exp(-k * power(x, delta))
