"""The log power curve: a sigmoid in ln x that falls to zero."""

import numpy as np

from scaling_cli.laws._law import Domain, Prior, Value, param, power
from scaling_cli.learning_curves._family import LearningCurve, grid

MIDDLE = "ln of the place of the middle"
PLACES = (-6.0, -3.0, -1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0)


class LogPower(LearningCurve):
    """L(x) = A / (1 + (x / e^b)^c) (Domhan et al. 2015, log_power).

    hill3 is the same curves. The published c ~ U(-3, 0) rises; c > 0 falls, to zero: this is mmf
    without its floor. Published prior b ~ N(1, 1), widened to the N(1, 2) of the same place in
    hill3 (stated here for e^b); c got ln c ~ N(0, 1); A is only held at zero or above.
    """

    rising = "a / (1 + (x / e^b)^c)"
    bounds = {"b": (-30.0, 20.0), "c": (0.01, 6.0)}

    A: float = param("loss at x = 0", unit="nats/token", linear=True)
    b: float = param(MIDDLE, domain=Domain.REAL, starts=PLACES, prior=Prior(np.e, 2.0))
    c: float = param("steepness", starts=grid(0.03, 3.0, 14), prior=Prior(1.0, 1.0))

    @classmethod
    def columns(cls, x: np.ndarray, b: Value, c: Value) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return (1.0 / (1.0 + power(x * np.exp(-b), c)),)
