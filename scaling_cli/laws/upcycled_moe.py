"""A loss of dense models that go on as sparse ones."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np

from scaling_cli.laws._drawn import Drawn
from scaling_cli.laws._law import FLOOR_PRIOR, Domain, namespace, param
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, Loss, Params, Quantity, Tokens

RATIO = Quantity("P", "sparsity_ratio", "all parameters over those that a token uses", "1")
DENSE = Quantity("N_dense", "dense_params", "parameters of the dense model before", "parameters")
Ratio = Annotated[Any, RATIO]
Dense = Annotated[Any, DENSE]


class UpcycledMoE(Drawn):
    """L = E + (A n^-a P^-p m^-(q + r ln P) + B d^-b)^g (Liew 2025, arXiv:2502.03009).

    n = N/8e7, m = (N/N_dense)/1.6, d = D/2.3e10: N counts the parameters that a token uses, N_dense
    those of the dense model that it was made of, D the tokens of the sparse model alone. P is what
    all parameters are of the used ones.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2502.03009, its terms in an outer power as in arXiv:2502.08606"
    bibtex = """@article{liew2025upcycling,
  title={Scaling Laws for Upcycling Mixture-of-Experts Language Models},
  author={Liew, Seng Pei and Kato, Takuya and Takase, Sho},
  journal={arXiv:2502.03009}, year={2025}}"""
    convention: ClassVar[Mapping[str, str]] = {"N": "active"}

    E: float = param("irreducible loss", unit="nats/token", prior=FLOOR_PRIOR)
    A: float = param("capacity term at 8e7 parameters, before the power")
    B: float = param("data term at 2.3e10 tokens, before the power")
    a: float = param("capacity exponent")
    b: float = param("data exponent")
    g: float = param("power of the sum")
    p: float = param("exponent of sparsity", domain=Domain.REAL)
    q: float = param("exponent of growth over the dense model", domain=Domain.REAL)
    r: float = param("how that goes with ln P", domain=Domain.REAL)

    middles: ClassVar[Mapping[str, float]] = {"N": 8e7, "D": 2.3e10}
    about: ClassVar[Mapping[str, tuple[float, float]]] = {
        "E": (np.log(0.8), 0.2),
        **dict.fromkeys(("A", "B"), (np.log(0.4), 0.5)),
        **dict.fromkeys(("a", "b"), (np.log(0.35), 0.4)),
        "g": (0.0, 0.4),
        **dict.fromkeys(("p", "q", "r"), (0.0, 0.1)),
    }

    def __call__(self, N: Params, D: Tokens, P: Ratio, N_dense: Dense) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, D, P, N_dense, self.E)
        n, d = xp.log(N / self.middles["N"]), xp.log(D / self.middles["D"])
        ratio, grown = xp.log(P), xp.log(N / N_dense / 1.6)
        used = -self.a * n - self.p * ratio - (self.q + self.r * ratio) * grown
        inner = self.A * xp.exp(used) + self.B * xp.exp(-self.b * d)
        return self.E + xp.exp(self.g * xp.log(inner))

    @classmethod
    def compute(cls, **inputs: Any) -> Any:
        """Return the compute of the sparse model: what the dense one took is spent."""
        return FLOPS_PER_PARAM_TOKEN * inputs["N"] * inputs["D"]

    @classmethod
    def moved(
        cls, place: dict[str, float], away: Mapping[str, float], scale: Mapping[str, float]
    ) -> dict[str, float]:
        """Return a place about the data as one about the levels where the law is read."""
        s, A, B = place, *((scale["range"] * place[t]) ** (1 / place["g"]) for t in ("A", "B"))
        moved = {
            "E": scale["floor"] * s["E"],
            "A": A * np.exp(s["a"] * away["N"]),
            "B": B * np.exp(s["b"] * away["D"]),
        }
        return {name: float(value) for name, value in {**s, **moved}.items()}
