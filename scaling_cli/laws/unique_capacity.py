"""A loss of repeated data whose worth ends sooner for larger models."""

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, Domain, Value, namespace, param
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Loss, Params, Tokens, UniqueTokens

_SIZE, _TOKENS = 4e8, 2e10  # where the coefficients are read
_EXPONENTS = (0.2, 0.35, 0.55)


class UniqueCapacity(Planned):
    """L = E + A n^-alpha + B d^-beta, d^-q = D^-q + (R n^k U)^-q (Muennighoff 2023).

    n = N/4e8, d in 2e10 tokens. However often U unique tokens are seen, they are worth R n^k of
    themselves at most: k is negative where larger models have used them up sooner. q says how
    abruptly that sets in. The loss cannot rise with repetition.
    """

    question = "data: repeated, other words, other domains"
    reference = "arXiv:2305.16264, eq. 5, the worth of unique tokens bounded by N"
    bibtex = """@article{muennighoff2023scaling,
  title={Scaling Data-Constrained Language Models},
  author={Muennighoff, Niklas and Rush, Alexander and Barak, Boaz and others},
  journal={arXiv:2305.16264}, year={2023}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param("what 4e8 parameters add to it", unit="nats/token", linear=True)
    B: float = param("what 2e10 new tokens add to it", unit="nats/token", linear=True)
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    R: float = param("unique tokens are worth so many times themselves", starts=(4.0, 12.0, 40.0))
    k: float = param("how that goes with ln N", domain=Domain.REAL, starts=(-0.7, -0.3, 0.0))
    q: float = param("how abruptly it sets in", starts=(1.0, 3.0, 9.0))

    def __call__(self, N: Params, D: Tokens, U: UniqueTokens) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, D, U, self.R)
        n = xp.log(N / _SIZE)
        capacity = xp.exp(-self.alpha * n)
        return self.E + self.A * capacity + self.B * xp.exp(-self.beta * self._worth(n, D, U))

    def _worth(self, n: Value, D: Value, U: Value) -> Value:
        """Return ln of what tokens are worth, in 2e10 of them."""
        xp = namespace(n, D, U, self.R)
        most = xp.log(self.R) + self.k * n + xp.log(xp.minimum(U, D) / _TOKENS)
        seen = xp.log(D / _TOKENS)
        less, more = xp.minimum(seen, most), xp.maximum(seen, most)
        return less - xp.log1p(xp.exp(self.q * (less - more))) / self.q
