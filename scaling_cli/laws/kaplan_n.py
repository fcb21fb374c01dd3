"""Kaplan's loss of a model trained to convergence: a pure power law in parameters."""

from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import derived, param, power
from scaling_cli.vocabulary.quantities import Loss, Params


class KaplanN(Kaplan):
    """L(N) = (Nc/N)^alpha_N (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.1).

    N excludes embeddings. There is no floor, so it falls below the entropy of text at some N.
    """

    reference = "arXiv:2001.08361, eq. 1.1"
    convention = {"N": "non_embedding"}

    Nc: float = param("parameters at which the loss would be 1", unit="parameters")
    alpha_N: float = param("capacity exponent")

    def __call__(self, N: Params) -> Loss:
        """Return the loss in nats/token."""
        return power(self.Nc / N, self.alpha_N)

    @derived
    def min_params_for_loss(self, L: Loss) -> Params:
        """Size that reaches loss L with unlimited data: Nc / L^(1/alpha_N)."""
        return self.Nc / L ** (1 / self.alpha_N)
