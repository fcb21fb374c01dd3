"""The power law with a floor: the learning curve behind most scaling laws."""

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import Floored, grid


class Pow3(Floored):
    """L(x) = E + A x^-alpha (Domhan et al. 2015, pow3; the power law with a floor).

    Published prior of alpha: ln alpha ~ N(0, 2), kept; those of c and a are for accuracies: E and A
    are only held at zero or above.
    """

    rising = "c - a x^-alpha"
    bounds = {"alpha": (0.02, 6.0)}

    A: float = param("what is lost beyond the floor at x = 1", unit="nats/token", linear=True)
    alpha: float = param("exponent", starts=grid(0.05, 3.0, 40), prior=Prior(1.0, 2.0))

    @classmethod
    def falling(cls, x: Value, alpha: Value) -> Value:
        """Return what A is multiplied by."""
        return power(x, -alpha)
