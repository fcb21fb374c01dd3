"""A loss of parameters, text and vocabulary, which moves the floor and both terms."""

from scaling_cli.laws._law import EXPONENT_PRIOR, Domain, Law, namespace, param
from scaling_cli.laws.vocabulary_size import Vocabulary
from scaling_cli.vocabulary.quantities import Loss, Params, Tokens

_SIZE, _TEXT, _WORDS = 3e8, 1e10, 2e4  # where the coefficients are read
_EXPONENTS = (0.1, 0.2, 0.35, 0.6, 1.0)


class VocabularyShift(Law):
    """L_u = E + e v + V^k (A n^-alpha + B d^-beta) (Tao 2024, arXiv:2407.13623).

    v = ln(V/2e4), V^k = e^(k v), n = N/3e8, d = D/1e10, D in characters where a vocabulary decides
    how many tokens they are. L_u is the loss less that of the unigrams, and lies below zero:
    --space linear --delta .01, which --law auto takes by itself.
    """

    question = "data: repeated, other words, other domains"
    reference = "arXiv:2407.13623, with a floor and terms that move with the vocabulary"
    bibtex = """@article{tao2024scaling,
  title={Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies},
  author={Tao, Chaofan and Liu, Qian and Dou, Longxu and others},
  journal={arXiv:2407.13623}, year={2024}}"""
    convention = {"N": "non_embedding"}

    E: float = param("floor at 2e4 entries", unit="nats/token", domain=Domain.REAL, linear=True)
    e: float = param("how it goes with ln V", unit="nats/token", domain=Domain.REAL, linear=True)
    A: float = param("what 3e8 parameters add to it", unit="nats/token", linear=True)
    B: float = param("what 1e10 tokens add to it", unit="nats/token", linear=True)
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    k: float = param(
        "exponent of the vocabulary in both terms", domain=Domain.REAL, starts=(-0.1, 0.0, 0.15)
    )

    def __call__(self, N: Params, V: Vocabulary, D: Tokens) -> Loss:
        """Return the loss less that of the unigrams, in nats/token."""
        xp = namespace(N, V, D, self.k)
        n, v, d = xp.log(N / _SIZE), xp.log(V / _WORDS), xp.log(D / _TEXT)
        terms = self.A * xp.exp(-self.alpha * n) + self.B * xp.exp(-self.beta * d)
        return self.E + self.e * v + xp.exp(self.k * v) * terms
