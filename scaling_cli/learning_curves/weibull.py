"""Weibull's growth curve: a stretched exponential."""

import numpy as np

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import Floored, grid


class Weibull(Floored):
    """L(x) = E + A exp(-(kappa x)^delta) (Domhan et al. 2015, weibull).

    janoschek and exp4 are the same curves with other parameters. Published priors
    ln kappa ~ N(-2, 1) and ln delta ~ N(0, 0.5), widened threefold (losses fall far more slowly
    than accuracies rose); E = alpha and A = beta - alpha are only held
    at zero or above.
    """

    rising = "alpha - (alpha - beta) exp(-(kappa x)^delta)"
    bounds = {"kappa": (1e-6, 1e4), "delta": (0.05, 5.0)}

    kappa: float = param("rate", starts=grid(1e-3, 30.0, 16), prior=Prior(0.135, 3.0))
    delta: float = param("stretch", starts=grid(0.1, 3.0, 12), prior=Prior(1.0, 1.5))

    @classmethod
    def falling(cls, x: np.ndarray, kappa: Value, delta: Value) -> np.ndarray:
        """Return what A is multiplied by."""
        return np.exp(-power(kappa * x, delta))
