"""One variable and a floor: the plainest scaling law."""

from scaling_cli.laws._law import FLOOR_PRIOR, Law, Prior, amplitude, derived, param, power
from scaling_cli.vocabulary.quantities import Loss, Variable

_STEEP = (0.45, 0.6, 0.8, 1.1, 1.6, 2.2, 5.0, 15.0)
_STARTS = (*(0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.28, 0.36), *_STEEP)


class PowerLaw(Law):
    """L(x) = E + A/x^alpha (Henighan et al. 2020, arXiv:2010.14701, eq. 1.1).

    x is whatever varies: parameters, tokens, compute or steps; its unit is that of the data.
    """

    reference = "arXiv:2010.14701, eq. 1.1"
    bibtex = """@article{henighan2020scaling,
  title={Scaling Laws for Autoregressive Generative Modeling},
  author={Henighan, Tom and Kaplan, Jared and Katz, Mor and others},
  journal={arXiv:2010.14701}, year={2020}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = amplitude("coefficient", "x", "alpha")
    # x may be compute (exponents near 0.1), parameters or tokens (near 0.35): a wide prior.
    alpha: float = param("exponent", starts=_STARTS, prior=Prior(center=0.2, log_sd=0.8))

    def __call__(self, x: Variable) -> Loss:
        """Return the loss in nats/token."""
        return self.E + self.A * power(x, -self.alpha)

    @derived
    def value_for_loss(self, L: Loss) -> Variable:
        """The x at which the loss is L: (A/(L-E))^(1/alpha)."""
        return (self.A / (L - self.E)) ** (1 / self.alpha)
