"""The vapour pressure curve: a power law without floor, bent at the start."""

import numpy as np

from scaling_cli.laws._law import Domain, param
from scaling_cli.learning_curves._family import LearningCurve


class Vap(LearningCurve):
    """L(x) = exp(a + b/x - c ln x) (Domhan et al. 2015, vap).

    The published b < 0 and c > 0 rise; with both signs turned round the loss falls and stays
    positive. ln L is linear in all three; the published priors are
    for accuracies and are left out.
    """

    rising = "exp(a + b/x + c ln x)"
    scale = "log"

    a: float = param("ln loss at x = 1 but for b", domain=Domain.REAL, linear=True)
    b: float = param("bend at the start", linear=True)
    c: float = param("exponent", linear=True)

    @classmethod
    def columns(cls, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return np.ones_like(x), 1.0 / x, -np.log(x)
