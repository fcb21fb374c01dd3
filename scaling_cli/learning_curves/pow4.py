"""The power law with a floor and a shift along x."""

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import Floored, grid


class Pow4(Floored):
    """L(x) = E + A (x + b)^-alpha (Domhan et al. 2015, pow4).

    Domhan writes (a x + b)^-alpha with the amplitude inside: A = a^-alpha, and b here is his b/a,
    in hundredths of what was seen. Published prior of alpha: ln alpha ~ N(0, 1), kept; his
    ln b ~ U(0, 1) became ln b ~ N(0.5, 2).
    """

    rising = "c - (a x + b)^-alpha"
    bounds = {"alpha": (0.02, 6.0), "b": (1e-4, 1e3)}

    A: float = param("what is lost beyond the floor at x + b = 1", unit="nats/token", linear=True)
    alpha: float = param("exponent", starts=grid(0.05, 3.0, 14), prior=Prior(1.0, 1.0))
    b: float = param("shift", starts=grid(0.01, 100.0, 9), prior=Prior(1.65, 2.0))

    @classmethod
    def falling(cls, x: Value, alpha: Value, b: Value) -> Value:
        """Return what A is multiplied by."""
        return power(x + b, -alpha)
