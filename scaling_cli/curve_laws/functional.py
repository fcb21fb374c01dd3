"""The functional scaling law: what a drop takes off depends on when it comes."""

import numpy as np

from scaling_cli.curve_laws._curve_law import APPROACH_PRIOR, SPEED_PRIOR, CurveLaw, gamma_spectrum
from scaling_cli.laws._law import Prior, Value, namespace, param, power
from scaling_cli.schedules._path import Path


class Functional(CurveLaw):
    """L(t) = L0 + A S1^-alpha - B sum_k (gap_k)+ (c + S1(k)^-alpha) (1 - (1 + C S_k(t))^-beta).

    Li et al. 2025, arXiv:2509.19189, in the practical form for one model size: S1 is its
    intrinsic time. Rises of the rate have no term: only drops count, (gap)+.
    """

    reference = "arXiv:2509.19189"
    bibtex = """@article{li2025functional,
  title={Functional Scaling Laws in Kernel Regression: Loss Dynamics and Learning Rate Schedules},
  author={Li, Binghui and others},
  journal={arXiv:2509.19189}, year={2025}}"""

    B: float = param("coefficient of the drops", unit="nats/token", linear=True)
    c: float = param(
        "noise that does not fade with training",
        unit="area^-alpha",
        starts=(1.0,),
        prior=Prior(center=1.0, log_sd=3.0),
    )
    C: float = param(
        "speed at which a drop takes effect", unit="1/area", starts=(0.01, 0.1), prior=SPEED_PRIOR
    )
    beta: float = param("exponent of the approach", starts=(0.5,), prior=APPROACH_PRIOR)

    def effect(self, path: Path) -> Value:
        """Return B (c + S1(k)^-alpha) for drops, nothing for rises."""
        falls = namespace(path.gap).where(path.gap > 0, self.B, 0.0)
        return falls * (self.c + power(path.drop_area + path.rate, -self.alpha))

    def relaxed(self, elapsed: Value, rate: Value) -> Value:
        """Return 1 - (1 + C S)^-beta."""
        del rate
        return 1.0 - power(1.0 + self.C * elapsed, -self.beta)

    def spectrum(self, path: Path, longest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the gamma distribution of rates behind the power law."""
        del path
        return gamma_spectrum(self.beta, np.array([self.C]), longest)
