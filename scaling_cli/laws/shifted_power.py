"""A power law that levels off by an offset of the variable, not by a floor."""

from scaling_cli.laws._law import Absorbs, Law, Prior, amplitude, param, power
from scaling_cli.vocabulary.quantities import Loss, Variable


class ShiftedPower(Law):
    """L(x) = A (1/x + 1/x0)^p (Alabdulmohsin et al. 2022, arXiv:2209.06640, M3).

    Beyond x0 more does not help; the level A/x0^p is reached as 1/x. The same law with x of data is
    that of Bansal et al., arXiv:2202.01994.
    """

    question = "one variable"
    reference = "arXiv:2209.06640, M3"
    bibtex = """@article{alabdulmohsin2022revisiting,
  title={Revisiting Neural Scaling Laws in Language and Vision},
  author={Alabdulmohsin, Ibrahim and Neyshabur, Behnam and Zhai, Xiaohua},
  journal={arXiv:2209.06640}, year={2022}}"""

    A: float = amplitude("coefficient", "x", "p")
    x0: float = param(
        "x beyond which more does not help",
        unit="as given",
        absorbs=Absorbs("x"),
        starts=(0.1, 1.0, 10.0, 100.0, 1e4),
    )
    p: float = param(
        "exponent", starts=(0.03, 0.07, 0.15, 0.3, 0.6, 1.0), prior=Prior(center=0.2, log_sd=0.8)
    )

    def __call__(self, x: Variable) -> Loss:
        """Return the loss in nats/token."""
        return self.A * power(1 / x + 1 / self.x0, self.p)
