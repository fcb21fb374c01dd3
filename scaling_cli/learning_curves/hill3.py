"""Hill's dose response without background: the same curves as `log_power`."""

import numpy as np

from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.learning_curves._family import LearningCurve, grid


class Hill3(LearningCurve):
    """L(x) = A kappa^eta / (kappa^eta + x^eta) (Domhan et al. 2015, dr_hill_zero_background).

    The same curves as log_power with kappa = e^b and eta = c: the published formula with the sign
    of eta turned round. Published priors ln eta ~ N(1, 1) and ln kappa ~ N(1, 2), kept; A
    is only held at zero or above.
    """

    rising = "theta x^eta / (kappa^eta + x^eta)"
    same_as = "log_power"
    bounds = {"kappa": (1e-13, 1e9), "eta": (0.01, 6.0)}

    A: float = param("loss at x = 0", unit="nats/token", linear=True)
    kappa: float = param("place of the middle", starts=grid(1e-3, 1e3, 9), prior=Prior(2.72, 2.0))
    eta: float = param("steepness", starts=grid(0.03, 3.0, 14), prior=Prior(2.72, 1.0))

    @classmethod
    def columns(cls, x: np.ndarray, kappa: Value, eta: Value) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return (1.0 / (1.0 + power(x / kappa, eta)),)
