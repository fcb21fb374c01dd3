"""The multi-power law: every drop of the rate relaxes as a power law of the area since."""

import numpy as np

from scaling_cli.curve_laws._curve_law import APPROACH_PRIOR, SPEED_PRIOR, gamma_spectrum
from scaling_cli.curve_laws.area_exponential import AreaExponential
from scaling_cli.laws._law import Prior, Value, param, power
from scaling_cli.schedules._path import Path


class MultiPower(AreaExponential):
    """L(t) = L0 + A S1^-alpha - B sum_k gap_k (1 - (1 + C eta_k^-gamma S_k(t))^-beta).

    Luo et al. 2025, arXiv:2503.12811, eq. 3. S_k(t) is the area from step k to t.
    """

    reference = "arXiv:2503.12811, eq. 3"

    C: float = param(
        "speed at which a drop takes effect", unit="1/area", starts=(0.01, 0.1), prior=SPEED_PRIOR
    )
    beta: float = param("exponent of the approach", starts=(0.5,), prior=APPROACH_PRIOR)
    gamma: float = param(
        "how the speed depends on the rate after the drop",
        starts=(0.5,),
        prior=Prior(center=0.5, log_sd=0.5),
    )

    def relaxed(self, elapsed: Value, rate: Value) -> Value:
        """Return 1 - (1 + C eta^-gamma S)^-beta."""
        speed = self.C * power(rate, -self.gamma)
        return 1.0 - power(1.0 + speed * elapsed, -self.beta)

    def spectrum(self, path: Path, longest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the gamma distribution of rates behind the power law."""
        return gamma_spectrum(self.beta, self.C * path.rate**-self.gamma, longest)
