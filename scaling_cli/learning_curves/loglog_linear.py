"""The logarithm of a logarithm: e^loss falls along a line in ln x."""

import numpy as np

from scaling_cli.laws._law import Domain, param
from scaling_cli.learning_curves._family import LearningCurve


class LoglogLinear(LearningCurve):
    """L(x) = ln(b - a ln x) (Domhan et al. 2015, loglog_linear).

    The published ln(a ln x + b) with the sign of a turned round. The only family that does not stay
    positive: beyond ln x = (b - 1)/a it has no loss to give, and is left out of a combination.
    e^L is linear in both; the published priors are for accuracies and are left out.
    """

    rising = "ln(a ln x + b)"
    scale = "exp"

    b: float = param("e^loss at x = 1", domain=Domain.REAL, linear=True)
    a: float = param("fall of e^loss per unit of ln x", linear=True)

    @classmethod
    def columns(cls, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return np.ones_like(x), -np.log(x)
