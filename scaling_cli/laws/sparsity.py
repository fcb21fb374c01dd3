"""Frantar's loss of models of which a share of the weights is zero."""

from typing import Annotated, Any

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, amplitude, param, power
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Domain, Loss, Params, Quantity, Tokens

_EXPONENTS = (0.1, 0.2, 0.3, 0.45, 0.7, 1.0)
Q = Quantity(
    "sparsity", "sparsity", "share of the weights that is zero in the end", "1", domain=Domain.UNIT
)
Sparsity = Annotated[Any, Q]


class Sparse(Planned):
    """L(N, D, S) = E + (a (1 - S)^b + c)/N^alpha + (B/D)^beta (Frantar 2023, arXiv:2309.08520).

    N counts the weights that are not zero, S is their final sparsity, reached by gradual pruning.
    (B/D)^beta is written as a coefficient over D^beta.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2309.08520"
    bibtex = """@article{frantar2023scaling,
  title={Scaling Laws for Sparsely-Connected Foundation Models},
  author={Frantar, Elias and Riquelme, Carlos and Houlsby, Neil and others},
  journal={arXiv:2309.08520}, year={2023}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    a: float = amplitude("what a dense model adds to the capacity term", "N", "alpha")
    c: float = amplitude("capacity coefficient of the sparsest", "N", "alpha")
    B: float = amplitude("data coefficient", "D", "beta")
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR, twin="alpha")
    b: float = param("exponent of the share that is left", starts=(0.3, 0.6, 1.0, 2.0))

    def __call__(self, N: Params, D: Tokens, sparsity: Sparsity) -> Loss:
        """Return the loss in nats/token."""
        capacity = self.a * power(1 - sparsity, self.b) + self.c
        return self.E + capacity * power(N, -self.alpha) + self.B * power(D, -self.beta)
