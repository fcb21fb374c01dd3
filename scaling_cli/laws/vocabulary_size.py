"""Tao's loss of parameters, characters and the size of the vocabulary."""

from typing import Annotated, Any

from scaling_cli.laws._law import EXPONENT_PRIOR, Domain, Law, amplitude, param, power
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity, Tokens

_EXPONENTS = (0.1, 0.2, 0.3, 0.45, 0.7, 1.0)
V = Quantity(
    "V", "vocab_size", "entries of the vocabulary", "entries", aliases=("vocabulary_size",)
)
Vocabulary = Annotated[Any, V]


class VocabularySize(Law):
    """L_u = -E + A/N^alpha + F/V^gamma + B/D^beta (Tao et al. 2024, arXiv:2407.13623).

    L_u is the loss less that of the unigrams, so it lies below zero: --objective l2 --space linear,
    or huber with a corner of .01. N leaves the embedding out, which has V rows of its own.
    """

    question = "data: repeated, other words, other domains"
    reference = "arXiv:2407.13623"
    bibtex = """@article{tao2024scaling,
  title={Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies},
  author={Tao, Chaofan and Liu, Qian and Dou, Longxu and others},
  journal={arXiv:2407.13623}, year={2024}}"""
    convention = {"N": "non_embedding"}

    E: float = param(
        "how far below the unigrams the loss can fall",
        unit="nats/token",
        domain=Domain.REAL,
        linear=True,
    )
    A: float = amplitude("capacity coefficient", "N", "alpha")
    F: float = amplitude("vocabulary coefficient", "V", "gamma")
    B: float = amplitude("data coefficient", "D", "beta")
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    gamma: float = param("vocabulary exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)

    def __call__(self, N: Params, V: Vocabulary, D: Tokens) -> Loss:
        """Return the loss less that of the unigrams, in nats/token."""
        words = self.F * power(V, -self.gamma)
        return self.A * power(N, -self.alpha) + words + self.B * power(D, -self.beta) - self.E
