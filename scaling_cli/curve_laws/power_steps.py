"""The plain power law in steps: the baseline that sees no schedule at all."""

from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import Value, power
from scaling_cli.schedules._path import Path


class PowerSteps(CurveLaw):
    """L(t) = L0 + A t^-alpha (Kaplan et al. 2020, arXiv:2001.08361, with a floor).

    t counts steps; the schedule does not enter.
    """

    reference = "arXiv:2001.08361, eq. 5.6, with a floor"
    bibtex = Kaplan.bibtex
    clock = "none"
    decays = False

    def backbone(self, path: Path) -> Value:
        """Return L0 + A t^-alpha."""
        return self.L0 + self.A * power(path.step, -self.alpha)
