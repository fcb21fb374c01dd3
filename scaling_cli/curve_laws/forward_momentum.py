"""The forward-momentum law: drops of the rate, passed through an optimiser's moments."""

from dataclasses import replace

import numpy as np

from scaling_cli.curve_laws._curve_law import CurveLaw, decayed_sums
from scaling_cli.laws._law import Prior, Value, param
from scaling_cli.schedules._path import Path

FIRST, SECOND = 0.9, 0.999  # decay of the two moments
SCALE, EPSILON = 1e5, 1e-8  # of the second moment, and what keeps it from zero


class ForwardMomentum(CurveLaw):
    """L(t) = L0 + A S1^-alpha - C M, M the sum of Adam's steps along the drops of the rate.

    Wang 2026 (repository fm-annealing). With d_i the drop at step i in absolute rates,
    m_i = .9 m_(i-1) + .1 d_i and v_i = .999 v_(i-1) + .001 d_i^2, both over 1 - decay^(i + 1),
    M adds m/(sqrt(1e5 v + 1e-8) + 1e-8) at every step. M has no unit: drops large beside 3e-7 count
    by their direction, not by their size.

    The sign is that of the published code (- C M); its README writes + lambda M. The code counts
    rows of a log, whatever their spacing, and weighs each drop by it; here every step is a row, so
    that a prediction does not depend on what was logged. Its term B N^-beta is left out: fitted to
    one model it is part of L0.
    """

    reference = "Wang 2026, github.com/siqi-wang25/fm-annealing (code)"
    bibtex = """@misc{wang2026forward,
  title={Forward-Momentum Scaling Law},
  author={Wang, Siqi},
  howpublished={github.com/siqi-wang25/fm-annealing}, year={2026}}"""
    warmup = "at_peak"
    clock = "none"

    C: float = param(
        "coefficient of the momentum M",
        unit="nats/token",
        linear=True,
        prior=Prior(center=0.05, log_sd=1.0),
    )

    @classmethod
    def prepared(cls, path: Path) -> Path:
        """Return the path with M at its steps."""
        if path.functional is not None:
            return path
        if (path.drop_step != np.floor(path.drop_step)).any():
            raise ValueError("M is a sum over all drops: prepare the path before compressing it")
        drops = np.zeros(int(path.step.max()) + 1)
        drops[path.drop_step.astype(int)] = path.gap * path.unit
        count = np.arange(1, len(drops) + 1)
        mean, square = (
            decayed_sums((1 - keep) * moment, np.full(len(drops), -np.log(keep)))
            / -np.expm1(count * np.log(keep))
            for keep, moment in ((FIRST, drops), (SECOND, drops**2))
        )
        total = np.cumsum(mean / (np.sqrt(SCALE * square + EPSILON) + EPSILON))
        return replace(path, functional=total[path.step.astype(int)])

    def backbone(self, path: Path) -> Value:
        """Return L0 + A S1^-alpha - C M."""
        return super().backbone(path) - self.C * path.functional
