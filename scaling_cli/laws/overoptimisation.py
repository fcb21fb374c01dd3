"""Gao's true reward of a policy by how far it was pushed from where it began."""

from typing import Annotated, Any

from scaling_cli.laws._law import Domain, Law, Value, namespace, param
from scaling_cli.vocabulary.quantities import Loss, Quantity

W = Quantity(
    "d",
    "kl_distance",
    "root of the KL divergence from the first policy",
    "nats^(1/2)",
    aliases=("sqrt_kl",),
)
Distance = Annotated[Any, W]


class Overoptimisation(Law):
    """R(d) = d (alpha - beta ln d) (Gao et al. 2022, arXiv:2210.10760: of policies by RL).

    d is the root of the KL divergence. Reward rises, is greatest at d = exp(alpha/beta - 1), and
    falls again.
    """

    question = "one variable"
    rises = frozenset({"d"})
    reference = "arXiv:2210.10760"
    bibtex = """@article{gao2022scaling,
  title={Scaling Laws for Reward Model Overoptimization},
  author={Gao, Leo and Schulman, John and Hilton, Jacob},
  journal={arXiv:2210.10760}, year={2022}}"""

    alpha: float = param("what the first steps gain", domain=Domain.REAL, linear=True)
    beta: float = param("how fast that is spent", domain=Domain.REAL, linear=True)

    def __call__(self, d: Distance) -> Loss:
        """Return the reward."""
        return d * (self.alpha - self.beta * namespace(d, self.alpha).log(d))

    def best_distance(self) -> Value:
        """Return the distance of the greatest reward: exp(alpha/beta - 1)."""
        return namespace(self.alpha, self.beta).exp(self.alpha / self.beta - 1)
