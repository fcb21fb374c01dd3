"""Kaplan's loss of a large model limited by data: a pure power law in tokens."""

from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import derived, param, power
from scaling_cli.vocabulary.quantities import Loss, Tokens


class KaplanD(Kaplan):
    """L(D) = (Dc/D)^alpha_D (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.2).

    D tokens with early stopping. There is no floor.
    """

    reference = "arXiv:2001.08361, eq. 1.2"

    Dc: float = param("tokens at which the loss would be 1", unit="tokens")
    alpha_D: float = param("data exponent")

    def __call__(self, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        return power(self.Dc / D, self.alpha_D)

    @derived
    def min_tokens_for_loss(self, L: Loss) -> Tokens:
        """Tokens that reach loss L with unlimited parameters: Dc / L^(1/alpha_D)."""
        return self.Dc / L ** (1 / self.alpha_D)
