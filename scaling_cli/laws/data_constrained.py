"""Muennighoff's loss of repeated data: tokens seen again count for less and less."""

from typing import Any

import numpy as np

from scaling_cli.laws._law import (
    EXPONENT_PRIOR,
    FLOOR_PRIOR,
    Absorbs,
    Prior,
    Value,
    namespace,
    param,
    power,
)
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Loss, Params, Tokens, UniqueTokens

_EXPONENTS = (0.2, 0.3, 0.4, 0.55)
_REPEATS = (1.5, 6.0, 16.0, 60.0)


class DataConstrained(Planned):
    """L(N, D, U) = E + A/N'^alpha + B/D'^beta (Muennighoff et al. 2023, arXiv:2305.16264, eq. 5).

    D' = U + U R_D (1 - exp(-(D/U - 1)/R_D)): a token seen again is worth exp(-1) of a new one after
    R_D repetitions, and D' never passes U (1 + R_D). N' does the same of parameters beyond U_N, the
    best size for U tokens. The loss cannot rise with repetition: the law has no over-fitting.
    """

    question = "data: repeated, other words, other domains"
    reference = "arXiv:2305.16264, eq. 5 and 6"
    bibtex = """@article{muennighoff2023scaling,
  title={Scaling Data-Constrained Language Models},
  author={Muennighoff, Niklas and Rush, Alexander and Barak, Boaz and others},
  journal={arXiv:2305.16264}, year={2023}}"""
    convention = {"N": "total"}
    together = {"U": "D"}

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param(
        "capacity coefficient",
        unit="nats/token",
        absorbs=Absorbs("N", "alpha"),
        starts=(0.1, 0.4, 1.0),
    )
    B: float = param(
        "data coefficient", unit="nats/token", absorbs=Absorbs("D", "beta"), starts=(0.1, 0.4, 1.0)
    )
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    R_D: float = param(
        "repetitions after which a token is worth 1/e of a new one",
        starts=_REPEATS,
        prior=Prior(15.0, 1.0),
    )
    R_N: float = param(
        "the same of parameters beyond what the unique tokens ask for",
        starts=_REPEATS,
        prior=Prior(5.0, 1.0),
    )

    def __call__(self, N: Params, D: Tokens, U: UniqueTokens) -> Loss:
        """Return the loss in nats/token."""
        xp = namespace(N, D, U, self.R_D)
        size, data = self._effective(N, D, U, xp)
        return self.E + self.A * power(size, -self.alpha) + self.B * power(data, -self.beta)

    def _effective(self, N: Value, D: Value, U: Value, xp: Any) -> tuple[Value, Value]:
        """Return N' and D': what the parameters and the tokens are worth."""
        unique = xp.minimum(D, U)
        enough = xp.minimum(N, self.best_size(unique))
        return _worth(N, enough, self.R_N, xp), _worth(D, unique, self.R_D, xp)

    def best_size(self, D: Value) -> Value:
        """Return the size that is best for so many tokens, each seen once."""
        ratio = self.alpha * self.A / (self.beta * self.B)
        return power(ratio, 1 / self.alpha) * power(D, self.beta / self.alpha)

    def value_of_epoch(self, epoch: Value) -> Value:
        """Return what a token seen for the n-th time is worth, of a new one."""
        return np.exp(-(epoch - 1) / self.R_D)


def _worth(given: Value, unique: Value, repeats: Value, xp: Any) -> Value:
    again = given / unique - 1
    return unique + unique * repeats * (1 - xp.exp(-again / repeats))
