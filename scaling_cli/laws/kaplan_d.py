"""Kaplan's loss of a large model limited by data: a pure power law in tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.laws._law import Law, derived, param, power
from scaling_cli.laws._loglinear import line
from scaling_cli.vocabulary.quantities import Loss, Tokens


class KaplanD(Law):
    """L(D) = (Dc/D)^alpha_D (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.2).

    D tokens with early stopping. There is no floor.
    """

    reference = "arXiv:2001.08361, eq. 1.2"
    bibtex = """@article{kaplan2020scaling,
  title={Scaling Laws for Neural Language Models},
  author={Kaplan, Jared and McCandlish, Sam and Henighan, Tom and others},
  journal={arXiv:2001.08361}, year={2020}}"""

    Dc: float = param("tokens at which the loss would be 1", unit="tokens")
    alpha_D: float = param("data exponent")

    def __call__(self, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        return power(self.Dc / D, self.alpha_D)

    @derived
    def min_tokens_for_loss(self, L: Loss) -> Tokens:
        """Tokens that reach loss L with unlimited parameters: Dc / L^(1/alpha_D)."""
        return self.Dc / L ** (1 / self.alpha_D)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield straight lines through (ln D, ln L): the law is linear there."""
        for scale, exponent in line(inputs["D"], output):
            yield {"Dc": scale, "alpha_D": exponent}
