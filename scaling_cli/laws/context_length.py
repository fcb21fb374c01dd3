"""Xiong's loss of a token by how much text stands before it."""

from typing import Annotated, Any

from scaling_cli.laws._law import FLOOR_PRIOR, Law, Prior, amplitude, derived, param, power
from scaling_cli.vocabulary.quantities import Loss, Quantity

K = Quantity(
    "context",
    "context_length",
    "tokens that stand before the one that is told",
    "tokens",
    aliases=("seq_len", "sequence_length"),
)
Context = Annotated[Any, K]


class ContextLength(Law):
    """L(c) = E + A/c^beta (Xiong et al. 2023, arXiv:2309.16039: (alpha/c)^beta + gamma).

    c is the length of the context; A = alpha^beta.
    """

    question = "one variable"
    reference = "arXiv:2309.16039"
    bibtex = """@article{xiong2023effective,
  title={Effective Long-Context Scaling of Foundation Models},
  author={Xiong, Wenhan and Liu, Jingyu and Molybog, Igor and others},
  journal={arXiv:2309.16039}, year={2023}}"""

    E: float = param(
        "loss of a context without end", unit="nats/token", linear=True, prior=FLOOR_PRIOR
    )
    A: float = amplitude("coefficient", "context", "beta")
    beta: float = param(
        "exponent",
        starts=(0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.5),
        prior=Prior(center=0.4, log_sd=0.6),
    )

    def __call__(self, context: Context) -> Loss:
        """Return the loss in nats/token."""
        return self.E + self.A * power(context, -self.beta)

    @derived
    def context_for_loss(self, L: Loss) -> Context:
        """Context at which the loss is L: (A/(L - E))^(1/beta)."""
        return (self.A / (L - self.E)) ** (1 / self.beta)
