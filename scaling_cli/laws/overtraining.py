"""Gadre's over-training law: loss against compute at any ratio of tokens to parameters."""

from dataclasses import replace

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, Law, amplitude, derived, param, power
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN as SIX
from scaling_cli.vocabulary.quantities import Flops, Loss, Multiplier, Params, Tokens


class Overtraining(Law):
    """L = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6ND (Gadre et al. 2024, arXiv:2403.08540).

    It is Chinchilla's law with alpha = beta = 2 eta. The authors' code fits p1 N^q + p2
    (6 N^2 M)^(q/2) + E with q = -2 eta, p1 = a 6^-eta, p2 = b: the same surface. Their five
    points do not identify the optimal M; do not read the derived optimum off such a fit.
    """

    reference = "arXiv:2403.08540, eq. 4"
    bibtex = """@article{gadre2024language,
  title={Language models scale reliably with over-training and on downstream tasks},
  author={Gadre, Samir Yitzhak and Smyrnis, Georgios and Shankar, Vaishaal and others},
  journal={arXiv:2403.08540}, year={2024}}"""
    convention = {"N": "total", "C": "6ND"}

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    a: float = amplitude("capacity coefficient", "N", "eta", 2.0)
    b: float = amplitude("data coefficient", "D", "eta", 2.0)
    eta: float = param(
        "exponent in compute",
        starts=(0.01, 0.02, 0.05, 0.08, 0.11, 0.14, 0.18, 0.22, 0.28, 0.36, 0.5, 0.7, 2.0, 6.0),
        prior=replace(EXPONENT_PRIOR, center=EXPONENT_PRIOR.center / 2),
    )

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token.

        a M^eta C^-eta = a 6^-eta N^-2eta and b M^-eta C^-eta = b 6^-eta D^-2eta.
        """
        slope = 2 * self.eta
        scale = power(SIX, -self.eta)
        return self.E + scale * (self.a * power(N, -slope) + self.b * power(D, -slope))

    @derived
    def optimal_multiplier(self, C: Flops) -> Multiplier:
        """Tokens per parameter of least loss, the same at every C: (b/a)^(1/(2 eta))."""
        return (self.b / self.a) ** (1 / (2 * self.eta)) * C**0

    @derived
    def optimal_params(self, C: Flops) -> Params:
        """Model size of least loss at compute C = 6ND."""
        return (C / (SIX * self.optimal_multiplier(C))) ** 0.5

    @derived
    def optimal_tokens(self, C: Flops) -> Tokens:
        """Tokens of least loss at compute C = 6ND."""
        return C / (SIX * self.optimal_params(C))

    @derived
    def optimal_loss(self, C: Flops) -> Loss:
        """Least loss at compute C = 6ND."""
        return self(N=self.optimal_params(C), D=self.optimal_tokens(C))
