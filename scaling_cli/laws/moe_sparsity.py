"""Abnar's loss of mixtures by the share of experts that sleep."""

from typing import Annotated, Any

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, amplitude, param, power
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Domain, Loss, Params, Quantity, Tokens

_EXPONENTS = (0.1, 0.2, 0.35, 0.55, 0.8)
Q = Quantity(
    "idle",
    "idle_share",
    "share of the experts that a token does not reach",
    "1",
    domain=Domain.UNIT,
)
Idle = Annotated[Any, Q]


class MoeSparsity(Planned):
    """L = E + a/N^alpha + b/D^beta + c/(1-S)^s + d/((1-S)^m N^g) (Abnar 2025, arXiv:2501.12370).

    N counts all parameters, S the share of experts that a token does not reach. s is negative where
    more active experts help at equal N.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2501.12370"
    bibtex = """@article{abnar2025parameters,
  title={Parameters vs FLOPs: Scaling Laws for Optimal Sparsity for Mixture-of-Experts Language
    Models},
  author={Abnar, Samira and Shah, Harshay and Busbridge, Dan and others},
  journal={arXiv:2501.12370}, year={2025}}"""
    convention = {"N": "total"}

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    a: float = amplitude("capacity coefficient", "N", "alpha")
    b: float = amplitude("data coefficient", "D", "beta")
    c: float = param("coefficient of sparsity", unit="nats/token", linear=True)
    d: float = amplitude("coefficient of sparsity and size", "N", "g")
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR, twin="alpha")
    s: float = param("exponent of the active share", domain=Domain.REAL, starts=(-0.5, -0.15, 0.3))
    m: float = param("the same beside size", starts=(0.1, 0.3, 0.8))
    g: float = param("exponent of size beside sparsity", starts=(0.1, 0.3))

    def __call__(self, N: Params, D: Tokens, idle: Idle) -> Loss:
        """Return the loss in nats/token."""
        awake = 1 - idle
        dense = self.E + self.a * power(N, -self.alpha) + self.b * power(D, -self.beta)
        beside = self.d * power(awake, -self.m) * power(N, -self.g)
        return dense + self.c * power(awake, -self.s) + beside
