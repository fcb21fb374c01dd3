"""Clark's bilinear loss of routed models above a floor."""

from scaling_cli.laws._law import FLOOR_PRIOR, Domain, Law, namespace, param
from scaling_cli.laws.routing import Experts
from scaling_cli.vocabulary.quantities import Loss, Params

_MIDDLE = 1e8  # parameters, where the coefficients are read


class RoutingFloor(Law):
    """L = E + A n^-a R^(c ln n - b), n = N/1e8 (Clark 2022, arXiv:2202.01169, above a floor).

    R is the number of experts, without the ends that `routing` gives it; what is left above the
    floor is bilinear in ln N and ln R. With c positive experts help larger models less.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2202.01169, eq. 5, above a floor"
    bibtex = """@article{clark2022unified,
  title={Unified Scaling Laws for Routed Language Models},
  author={Clark, Aidan and de las Casas, Diego and Guy, Aurelia and others},
  journal={arXiv:2202.01169}, year={2022}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param(
        "what a dense model of 1e8 parameters adds to it", unit="nats/token", linear=True
    )
    a: float = param("capacity exponent of dense models", starts=(0.1, 0.2, 0.3, 0.45, 0.7))
    b: float = param(
        "exponent of experts at 1e8 parameters", domain=Domain.REAL, starts=(0.02, 0.07, 0.15, 0.3)
    )
    c: float = param("how it falls with ln N", domain=Domain.REAL, starts=(-0.02, 0.0, 0.02, 0.05))

    def __call__(self, N: Params, experts: Experts) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, experts, self.a)
        n, e = xp.log(N / _MIDDLE), xp.log(experts)
        return self.E + self.A * xp.exp(self.c * n * e - self.a * n - self.b * e)
