"""The learning-rate annealing law: drops of the rate carry momentum."""

import numpy as np

from scaling_cli.curve_laws._curve_law import TISSUE_BIBTEX, CurveLaw
from scaling_cli.laws._law import Prior, Value, namespace, param
from scaling_cli.schedules._path import Path


class Annealing(CurveLaw):
    """L(t) = L0 + A S1^-alpha - C S2, with the momentum sum S2 of Tissue et al. 2024.

    arXiv:2408.11029. m_t = lambda m_(t-1) + (eta_(t-1) - eta_t), S2 the sum of m over steps.
    The authors fix lambda at 0.999 and count the warm-up as if it were at the peak.
    """

    reference = "arXiv:2408.11029, eq. 1"
    bibtex = TISSUE_BIBTEX
    warmup = "at_peak"
    clock = "steps"

    C: float = param("coefficient of the annealing area S2", unit="nats/token", linear=True)
    forget: float = param(
        "1 - lambda, the share of momentum lost per step",
        starts=(5e-4, 3e-3),
        prior=Prior(center=1e-3, log_sd=0.5),
    )

    def effect(self, path: Path) -> Value:
        """Return C/(1 - lambda): S2 of a unit drop, in the end."""
        return self.C / self.forget + 0.0 * path.gap

    def relaxed(self, elapsed: Value, rate: Value) -> Value:
        """Return 1 - lambda^elapsed."""
        del rate
        xp = namespace(elapsed)
        return -xp.expm1(elapsed * xp.log1p(-self.forget))

    def spectrum(self, path: Path, longest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the one rate, -ln lambda."""
        del path, longest
        return np.array([-np.log1p(-self.forget)]), np.ones((1, 1))
