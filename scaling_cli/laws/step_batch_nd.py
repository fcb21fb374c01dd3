"""The batch of least loss, for a model size and a number of tokens."""

from scaling_cli.laws._law import Absorbs, Domain, param, power
from scaling_cli.laws._step_law import StepLaw
from scaling_cli.vocabulary.quantities import BatchTokens, Params, Tokens


class StepBatchNd(StepLaw):
    """B(N, D) = c N^alpha D^beta, in tokens: Step Law's batch with a size (cf. arXiv:2503.04715).

    The authors give the batch of tokens alone (`step_batch`); their released runs ask for a size
    as well, and so do their scripts.
    """

    reference = "arXiv:2503.04715, with a power of N"
    convention = {"N": "non_embedding"}

    c: float = param(
        "coefficient",
        unit="tokens/step",
        absorbs=(Absorbs("N", "alpha", -1.0), Absorbs("D", "beta", -1.0)),
    )
    alpha: float = param("exponent in parameters", domain=Domain.REAL)
    beta: float = param("exponent in tokens", domain=Domain.REAL)

    def __call__(self, N: Params, D: Tokens) -> BatchTokens:
        """Return the batch in tokens."""
        return self.c * power(N, self.alpha) * power(D, self.beta)
