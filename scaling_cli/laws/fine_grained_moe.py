"""Krajewski's loss of mixtures of experts that are cut finer."""

from typing import Annotated, Any

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, Absorbs, amplitude, param, power
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity, Tokens

_EXPONENTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45)
G = Quantity("granularity", "granularity", "into how many an expert is cut", "1")
Granularity = Annotated[Any, G]


class FineGrainedMoE(Planned):
    """L = E + (g/G^gamma + a)/N^alpha + b/D^beta (Krajewski et al. 2024, arXiv:2402.07871).

    N counts all parameters of a mixture of a fixed number of experts, of which each is cut into G.
    What routing costs is not in it: the plan's compute is 6ND of all parameters.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2402.07871"
    bibtex = """@article{krajewski2024scaling,
  title={Scaling Laws for Fine-Grained Mixture of Experts},
  author={Krajewski, Jakub and Ludziejewski, Jan and Adamczewski, Kamil and others},
  journal={arXiv:2402.07871}, year={2024}}"""
    convention = {"N": "total"}

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    a: float = amplitude("capacity coefficient of the finest experts", "N", "alpha")
    b: float = amplitude("data coefficient", "D", "beta")
    g: float = param(
        "what coarse experts add to it",
        unit="nats/token",
        linear=True,
        absorbs=(Absorbs("N", "alpha"), Absorbs("granularity", "gamma")),
    )
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR, twin="alpha")
    gamma: float = param("exponent of granularity", starts=(0.2, 0.4, 0.6, 1.0, 1.6))

    def __call__(self, N: Params, D: Tokens, granularity: Granularity) -> Loss:
        """Return the loss in nats/token."""
        capacity = self.g * power(granularity, -self.gamma) + self.a
        return self.E + capacity * power(N, -self.alpha) + self.b * power(D, -self.beta)
