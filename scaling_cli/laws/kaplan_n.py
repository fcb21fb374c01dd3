"""Kaplan's loss of a model trained to convergence: a pure power law in parameters."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.laws._law import Law, derived, param, power
from scaling_cli.laws._loglinear import line
from scaling_cli.vocabulary.quantities import Loss, Params


class KaplanN(Law):
    """L(N) = (Nc/N)^alpha_N (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.1).

    N excludes embeddings. There is no floor, so it falls below the entropy of text at some N.
    """

    reference = "arXiv:2001.08361, eq. 1.1"
    bibtex = """@article{kaplan2020scaling,
  title={Scaling Laws for Neural Language Models},
  author={Kaplan, Jared and McCandlish, Sam and Henighan, Tom and others},
  journal={arXiv:2001.08361}, year={2020}}"""
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

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield straight lines through (ln N, ln L): the law is linear there."""
        for scale, exponent in line(inputs["N"], output):
            yield {"Nc": scale, "alpha_N": exponent}
