"""A loss of parameters, text and vocabulary with its terms coupled in a power of their own."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from scaling_cli.laws._drawn import Drawn
from scaling_cli.laws._law import Domain, namespace, param
from scaling_cli.laws.vocabulary_size import Vocabulary
from scaling_cli.vocabulary.quantities import Loss, Params, Tokens


class VocabularyPower(Drawn):
    """L_u = E + (A n^-alpha v^i + B d^-beta v^j)^gamma (Tao 2024, arXiv:2407.13623).

    n = N/3e8, d = D/1e10, v = V/2e4, D in characters where a vocabulary decides how many tokens
    they are. L_u is the loss less that of the unigrams, and lies below zero: --space linear
    --delta .01, which --law auto takes by itself.
    """

    question = "data: repeated, other words, other domains"
    reference = "arXiv:2407.13623, its terms in an outer power as in arXiv:2502.08606"
    bibtex = """@article{tao2024scaling,
  title={Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies},
  author={Tao, Chaofan and Liu, Qian and Dou, Longxu and others},
  journal={arXiv:2407.13623}, year={2024}}"""
    convention: ClassVar[Mapping[str, str]] = {"N": "non_embedding"}

    E: float = param("floor", unit="nats/token", domain=Domain.REAL)
    A: float = param("capacity term at 3e8 parameters, before the power")
    B: float = param("data term at 1e10 tokens, before the power")
    alpha: float = param("capacity exponent")
    beta: float = param("data exponent")
    i: float = param("exponent of the vocabulary in the first", domain=Domain.REAL)
    j: float = param("exponent of the vocabulary in the second", domain=Domain.REAL)
    gamma: float = param("power of the sum")

    middles: ClassVar[Mapping[str, float]] = {"N": 3e8, "V": 2e4, "D": 1e10}
    about: ClassVar[Mapping[str, tuple[float, float]]] = {
        "E": (-0.2, 0.3),
        **dict.fromkeys(("A", "B"), (np.log(0.3), 0.5)),
        **dict.fromkeys(("alpha", "beta"), (np.log(0.4), 0.4)),
        **dict.fromkeys(("i", "j"), (0.0, 0.15)),
        "gamma": (0.0, 0.4),
    }

    def __call__(self, N: Params, V: Vocabulary, D: Tokens) -> Loss:
        """Return the loss less that of the unigrams, in nats/token."""
        xp = namespace(N, V, D, self.alpha)
        own = (N, V, D)
        n, v, d = (xp.log(x / m) for x, m in zip(own, self.middles.values(), strict=True))
        capacity = self.A * xp.exp(self.i * v - self.alpha * n)
        data = self.B * xp.exp(self.j * v - self.beta * d)
        return self.E + xp.exp(self.gamma * xp.log(capacity + data))

    @classmethod
    def moved(
        cls, place: dict[str, float], away: Mapping[str, float], scale: Mapping[str, float]
    ) -> dict[str, float]:
        """Return a place about the data as one about the levels where the law is read."""
        p, n, v, d = place, *(away[s] for s in ("N", "V", "D"))
        A, B = ((scale["range"] * p[term]) ** (1 / p["gamma"]) for term in ("A", "B"))
        moved = {
            "E": scale["floor"] + p["E"] * scale["range"],
            "A": A * np.exp(p["alpha"] * n - p["i"] * v),
            "B": B * np.exp(p["beta"] * d - p["j"] * v),
        }
        return {name: float(value) for name, value in {**p, **moved}.items()}
