"""Chinchilla's parametric loss: a floor plus a power law in each of parameters and tokens."""

from collections.abc import Mapping
from typing import ClassVar

from scaling_cli.laws._law import derived, power
from scaling_cli.laws._two_terms import TwoTerms
from scaling_cli.vocabulary.quantities import Flops, Loss, Params, Tokens


class Chinchilla(TwoTerms):
    """L(N, D) = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022, arXiv:2203.15556, eq. 2).

    N counts all parameters, D the tokens of a single epoch under a schedule matched to D.
    A and B are nearly unidentified (they move with alpha and beta): compare predictions.
    """

    reference = "arXiv:2203.15556, eq. 2; fit: approach 3, arXiv:2404.10102"
    bibtex = """@article{hoffmann2022training,
  title={Training Compute-Optimal Large Language Models},
  author={Hoffmann, Jordan and Borgeaud, Sebastian and Mensch, Arthur and others},
  journal={arXiv:2203.15556}, year={2022}}"""
    beside: ClassVar[Mapping[str, float]] = {"chinchilla_gamma": 1.0, "kaplan_nd": 0.25}
    convention = {"N": "total"}

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        return self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)

    @derived
    def optimal_loss(self, C: Flops) -> Loss:
        """Least loss at compute C = 6ND."""
        return self(N=self.optimal_params(C), D=self.optimal_tokens(C))

    @derived
    def compute_for_loss(self, L: Loss) -> Flops:
        """Least compute that reaches loss L: C = 6 (K/(L-E))^((alpha+beta)/(alpha beta))."""
        return self._least_compute(L - self.E)

    @derived
    def min_params_for_loss(self, L: Loss) -> Params:
        """Size below which no number of tokens reaches loss L: (A/(L-E))^(1/alpha)."""
        return (self.A / (L - self.E)) ** (1 / self.alpha)
