"""Kaplan's loss of compute well spent: a pure power law in the least compute that reaches it."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.law import Law, param, power
from scaling_cli.laws._loglinear import line
from scaling_cli.quantities import Flops, Loss


class KaplanC(Law):
    """L(C) = (Cc/C)^alpha_C (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.3).

    C is C_min: at the best model size and at a batch far below the critical one. Compute at one
    batch for all runs follows another law (alpha_C 0.057 in place of 0.050).
    """

    reference = "arXiv:2001.08361, eq. 1.3"
    bibtex = """@article{kaplan2020scaling,
  title={Scaling Laws for Neural Language Models},
  author={Kaplan, Jared and McCandlish, Sam and Henighan, Tom and others},
  journal={arXiv:2001.08361}, year={2020}}"""

    Cc: float = param("compute at which the loss would be 1", unit="FLOP")
    alpha_C: float = param("compute exponent")

    def __call__(self, C: Flops) -> Loss:
        """Return the loss in nats/token."""
        return power(self.Cc, self.alpha_C) * power(C, -self.alpha_C)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield straight lines through (ln C, ln L): the law is linear there."""
        for scale, exponent in line(inputs["C"], output):
            yield {"Cc": scale, "alpha_C": exponent}
