"""Kaplan's loss of compute: a pure power law, of compute spent as well as can be."""

from scaling_cli.laws._kaplan import Kaplan
from scaling_cli.laws._law import derived, param, power
from scaling_cli.vocabulary.quantities import Flops, Loss


class KaplanC(Kaplan):
    """L(C) = (Cc/C)^alpha_C (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.3).

    Of C_min, compute at a batch far below the critical one, the exponent is .050; at a fixed batch,
    which wastes some, .057: two laws, not two readings of one. There is no floor.
    """

    reference = "arXiv:2001.08361, eq. 1.3"

    Cc: float = param("compute at which the loss would be 1", unit="FLOP")
    alpha_C: float = param("exponent in compute")

    def __call__(self, C: Flops) -> Loss:
        """Return the loss in nats/token."""
        return power(self.Cc / C, self.alpha_C)

    @derived
    def compute_for_loss(self, L: Loss) -> Flops:
        """Compute that reaches loss L: Cc / L^(1/alpha_C)."""
        return self.Cc / L ** (1 / self.alpha_C)
