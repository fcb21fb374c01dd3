"""The batch of least loss, for a number of tokens alone."""

from scaling_cli.laws._law import Absorbs, Domain, param, power
from scaling_cli.laws._step_law import StepLaw
from scaling_cli.vocabulary.quantities import BatchTokens, Tokens


class StepBatch(StepLaw):
    """B(D) = c D^beta, in tokens (Step Law; Li et al. 2025, arXiv:2503.04715).

    The tokens of a step at which a run on D tokens ends lowest, whatever its size, the learning
    rate being the best one too.
    """

    c: float = param("coefficient", unit="tokens/step", absorbs=Absorbs("D", "beta", -1.0))
    beta: float = param("exponent in tokens", domain=Domain.REAL)

    def __call__(self, D: Tokens) -> BatchTokens:
        """Return the batch in tokens."""
        return self.c * power(D, self.beta)
