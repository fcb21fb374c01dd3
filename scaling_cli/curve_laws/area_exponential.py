"""Drops of the rate that take effect exponentially in the area since."""

import numpy as np

from scaling_cli.curve_laws._curve_law import DROP_PRIOR, CurveLaw
from scaling_cli.laws._law import Value, namespace, param
from scaling_cli.schedules._path import Path


class AreaExponential(CurveLaw):
    """L(t) = L0 + A S1^-alpha - B sum_k gap_k (1 - exp(-C S_k(t))).

    The annealing law with momentum that fades with area in place of steps; the multi-power law for
    gamma = 0 and beta, 1/C to infinity together.
    """

    reference = "limit of arXiv:2503.12811, eq. 3"
    bibtex = """@inproceedings{luo2025multipower,
  title={A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules},
  author={Luo, Kairong and Wen, Haodong and Hu, Shengding and others},
  booktitle={ICLR}, year={2025}, note={arXiv:2503.12811}}"""

    B: float = param(
        "what a drop of one unit of rate takes off",
        unit="nats/token",
        linear=True,
        prior=DROP_PRIOR,
    )
    C: float = param("speed at which a drop takes effect", unit="1/area", starts=(1e-3, 1e-2))

    def effect(self, path: Path) -> Value:
        """Return B for every drop."""
        return self.B + 0.0 * path.gap

    def relaxed(self, elapsed: Value, rate: Value) -> Value:
        """Return 1 - exp(-C S)."""
        del rate
        return -namespace(elapsed).expm1(-self.C * elapsed)

    def spectrum(self, path: Path, longest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the one rate, C."""
        del path, longest
        return np.array([self.C]), np.ones((1, 1))
