"""A straight line in the logarithm of one variable."""

from scaling_cli.laws._law import Domain, Law, namespace, param
from scaling_cli.vocabulary.quantities import Loss, Variable


class Logarithm(Law):
    """y = a + b ln x (Kang et al. 2023, arXiv:2307.02460).

    Through two points it is the projection V(x) = [ln(x/x0) V(x1) - ln(x/x1) V(x0)] / ln(x1/x0). It
    has no end on either side.
    """

    question = "one variable"
    rises = frozenset({"x"})
    reference = "arXiv:2307.02460"
    bibtex = """@article{kang2023performance,
  title={Performance Scaling via Optimal Transport: Enabling Data Selection from Partially Revealed
    Sources},
  author={Kang, Feiyang and Just, Hoang Anh and Sahu, Anit Kumar and Jia, Ruoxi},
  journal={arXiv:2307.02460}, year={2023}}"""

    a: float = param("value where x is 1", unit="nats/token", domain=Domain.REAL, linear=True)
    b: float = param("gain an e-fold of x", unit="nats/token", domain=Domain.REAL, linear=True)

    def __call__(self, x: Variable) -> Loss:
        """Return the value."""
        return self.a + self.b * namespace(x, self.a).log(x)
