"""Clark's loss of routed models: size and experts, bilinear in logarithms."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np

from scaling_cli.laws._law import Domain, Law, namespace, param
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity

R = Quantity(
    "experts",
    "experts",
    "experts of a routed layer; 1 is a dense model",
    "experts",
    aliases=("num_experts", "n_experts"),
)
Experts = Annotated[Any, R]
_FEWEST, _MOST = (1.0, 2.0, 5.0), (100.0, 400.0, 2000.0)


class Routing(Law):
    """log10 L = a log10 N + b log10 R + c log10 N log10 R + d (Clark 2022, arXiv:2202.01169).

    R is the number of experts as it counts, between r_least and r_most:
    1/R = 1/(experts - 1 + 1/(1/r_least - 1/r_most)) + 1/r_most. N counts the dense model. Routing
    stops helping at log10 N = -b/c. The two ends of R are weakly determined.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2202.01169"
    bibtex = """@article{clark2022unified,
  title={Unified Scaling Laws for Routed Language Models},
  author={Clark, Aidan and de las Casas, Diego and Guy, Aurelia and others},
  journal={arXiv:2202.01169}, year={2022}}"""

    a: float = param("slope in log10 N", domain=Domain.REAL)
    b: float = param("slope in log10 of experts", domain=Domain.REAL)
    c: float = param("how the one moves with the other", domain=Domain.REAL)
    d: float = param("log10 of the loss where both are 1", domain=Domain.REAL)
    r_least: float = param("experts that a dense model counts as", unit="experts")
    r_most: float = param("experts beyond which more do not count", unit="experts")

    def __call__(self, N: Params, experts: Experts) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, experts, self.a)
        n, e = xp.log10(N), xp.log10(self.counted(experts))
        return 10 ** (self.a * n + self.b * e + self.c * n * e + self.d)

    def counted(self, experts: Any) -> Any:
        """Return the number of experts as it counts."""
        first = 1 / (1 / self.r_least - 1 / self.r_most)
        return 1 / (1 / (experts - 1 + first) + 1 / self.r_most)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield least squares on logarithms, for every pair of ends."""
        N, E, L = (np.asarray(v, float) for v in (inputs["N"], inputs["experts"], output))
        for least in _FEWEST:
            for most in _MOST:
                ends = {"r_least": least, "r_most": most}
                e = np.log10(cls(a=0, b=0, c=0, d=0, **ends).counted(E))
                n = np.log10(N)
                columns = np.stack([n, e, n * e, np.ones_like(n)], axis=1)
                slopes = np.linalg.lstsq(columns, np.log10(L), rcond=None)[0]
                yield dict(zip("abcd", slopes.tolist(), strict=True)) | ends
