"""The share of problems solved by at least one of many attempts."""

from typing import Annotated, Any

from scaling_cli.laws._law import Law, derived, namespace, param, power
from scaling_cli.vocabulary.quantities import Loss, Quantity

KS = Quantity("k", "attempts", "attempts at each problem", "attempts", aliases=("samples",))
Attempts = Annotated[Any, KS]


class Coverage(Law):
    """c(k) = exp(-a k^-b) (Brown et al. 2024, arXiv:2407.21787: coverage of pass@k).

    The share of problems that one of k attempts solves; -ln c falls as a power of k.
    """

    question = "one variable"
    rises = frozenset({"k"})
    reference = "arXiv:2407.21787"
    bibtex = """@article{brown2024large,
  title={Large Language Monkeys: Scaling Inference Compute with Repeated Sampling},
  author={Brown, Bradley and Juravsky, Jordan and Ehrlich, Ryan and others},
  journal={arXiv:2407.21787}, year={2024}}"""

    a: float = param("-ln of the share that one attempt solves", starts=(0.3, 1.0, 3.0, 8.0))
    b: float = param("exponent of attempts", starts=(0.1, 0.25, 0.5, 0.9))

    def __call__(self, k: Attempts) -> Loss:
        """Return the share of problems."""
        return namespace(k, self.a).exp(-self.a * power(k, -self.b))

    @derived
    def attempts_for_coverage(self, L: Loss) -> Attempts:
        """Attempts that cover a share L of the problems: (a/-ln L)^(1/b)."""
        return (self.a / -namespace(L, self.a).log(L)) ** (1 / self.b)
