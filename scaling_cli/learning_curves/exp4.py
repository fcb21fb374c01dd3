"""The exponential of a power: the same curves as `weibull`."""

import numpy as np

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import Floored, grid


class Exp4(Floored):
    """L(x) = E + A exp(-a x^alpha), A = e^b (Domhan et al. 2015, exp4).

    The same curves as weibull with a = kappa^delta, alpha = delta. Published priors ln a ~ N(-2, 1)
    and ln alpha ~ N(0, 1), widened to sd 3 and 1.5 (losses fall far more slowly than accuracies
    rose); E = c and A are only held at zero or above.
    """

    rising = "c - exp(-a x^alpha + b)"
    same_as = "weibull"
    bounds = {"a": (1e-9, 100.0), "alpha": (0.05, 5.0)}

    A: float = param("what is lost beyond the floor, e^b", unit="nats/token", linear=True)
    a: float = param("rate", starts=grid(1e-4, 10.0, 16), prior=Prior(0.135, 3.0))
    alpha: float = param("stretch", starts=grid(0.1, 3.0, 12), prior=Prior(1.0, 1.5))

    @classmethod
    def falling(cls, x: np.ndarray, a: Value, alpha: Value) -> np.ndarray:
        """Return what A is multiplied by."""
        return np.exp(-a * power(x, alpha))
