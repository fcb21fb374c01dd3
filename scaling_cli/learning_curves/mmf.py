"""The curve of Morgan, Mercer and Flodin: a sigmoid in ln x with a floor."""

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import Floored, grid


class Mmf(Floored):
    """L(x) = E + A / (1 + (kappa x)^delta) (Domhan et al. 2015, mmf).

    Published priors ln kappa ~ N(0, 2) and ln delta ~ N(0, 1), kept; E = alpha and A = beta - alpha
    are only held at zero or above.
    """

    rising = "alpha - (alpha - beta) / (1 + (kappa x)^delta)"
    bounds = {"kappa": (1e-6, 1e6), "delta": (0.05, 6.0)}

    kappa: float = param(
        "one over the place of the middle", starts=grid(1e-3, 30.0, 16), prior=Prior(1.0, 2.0)
    )
    delta: float = param("steepness", starts=grid(0.1, 3.0, 12), prior=Prior(1.0, 1.0))

    @classmethod
    def falling(cls, x: Value, kappa: Value, delta: Value) -> Value:
        """Return what A is multiplied by."""
        return 1.0 / (1.0 + power(kappa * x, delta))
