"""The learning rate of least loss, for a model size and a number of tokens."""

from scaling_cli.laws._law import Absorbs, Domain, param, power
from scaling_cli.laws._step_law import StepLaw
from scaling_cli.vocabulary.quantities import LearningRate, Params, Tokens


class StepLearningRate(StepLaw):
    """lr(N, D) = c N^alpha D^beta (Step Law; Li et al. 2025, arXiv:2503.04715).

    The peak learning rate at which a run of N parameters on D tokens ends lowest, the batch being
    the best one too. c and the exponents are tied so closely that only together they say anything.
    """

    convention = {"N": "non_embedding"}

    c: float = param(
        "coefficient", absorbs=(Absorbs("N", "alpha", -1.0), Absorbs("D", "beta", -1.0))
    )
    alpha: float = param("exponent in parameters", domain=Domain.REAL)
    beta: float = param("exponent in tokens", domain=Domain.REAL)

    def __call__(self, N: Params, D: Tokens) -> LearningRate:
        """Return the learning rate."""
        return self.c * power(N, self.alpha) * power(D, self.beta)
