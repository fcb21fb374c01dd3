"""Chinchilla's parametric loss: a floor plus a power law in each of parameters and tokens."""

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, Absorbs, Law, derived, param, power
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, Flops, Loss, Params, Tokens


class Chinchilla(Law):
    """L(N, D) = E + A/N^alpha + B/D^beta (Hoffmann et al. 2022, arXiv:2203.15556, eq. 2).

    N counts all parameters, D the tokens of a single epoch under a schedule matched to D.
    A and B are nearly unidentified (they move with alpha and beta): compare predictions.
    """

    reference = "arXiv:2203.15556, eq. 2; fit: approach 3, arXiv:2404.10102"
    bibtex = """@article{hoffmann2022training,
  title={Training Compute-Optimal Large Language Models},
  author={Hoffmann, Jordan and Borgeaud, Sebastian and Mensch, Arthur and others},
  journal={arXiv:2203.15556}, year={2022}}"""
    companion = "chinchilla_gamma"
    convention = {"N": "total"}

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param(
        "capacity coefficient", unit="nats/token", linear=True, absorbs=Absorbs("N", "alpha")
    )
    B: float = param(
        "data coefficient", unit="nats/token", linear=True, absorbs=Absorbs("D", "beta")
    )
    alpha: float = param(
        "capacity exponent",
        starts=(0.02, 0.05, 0.12, 0.2, 0.28, 0.36, 0.45, 0.6, 0.8, 1.1, 1.6, 4.0, 12.0),
        prior=EXPONENT_PRIOR,
    )
    beta: float = param(
        "data exponent",
        starts=(0.02, 0.05, 0.12, 0.2, 0.28, 0.36, 0.45, 0.6, 0.8, 1.1, 1.6, 4.0, 12.0),
        prior=EXPONENT_PRIOR,
        twin="alpha",
    )

    def __call__(self, N: Params, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        return self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)

    def _balance(self) -> float:
        """Return G = (alpha A / (beta B))^(1/(alpha+beta)) (arXiv:2203.15556, eq. 4)."""
        ratio = self.alpha * self.A / (self.beta * self.B)
        return ratio ** (1 / (self.alpha + self.beta))

    @derived
    def optimal_params(self, C: Flops) -> Params:
        """Model size of least loss at compute C = 6ND: N* = G (C/6)^(beta/(alpha+beta))."""
        exponent = self.beta / (self.alpha + self.beta)
        return self._balance() * (C / FLOPS_PER_PARAM_TOKEN) ** exponent

    @derived
    def optimal_tokens(self, C: Flops) -> Tokens:
        """Tokens of least loss at compute C = 6ND: D* = (C/6)^(alpha/(alpha+beta)) / G."""
        exponent = self.alpha / (self.alpha + self.beta)
        return (C / FLOPS_PER_PARAM_TOKEN) ** exponent / self._balance()

    @derived
    def optimal_loss(self, C: Flops) -> Loss:
        """Least loss at compute C = 6ND."""
        return self(N=self.optimal_params(C), D=self.optimal_tokens(C))

    @derived
    def compute_for_loss(self, L: Loss) -> Flops:
        """Least compute that reaches loss L: C = 6 (K/(L-E))^((alpha+beta)/(alpha beta))."""
        gain = self.A * self._balance() ** -self.alpha * (1 + self.alpha / self.beta)
        exponent = (self.alpha + self.beta) / (self.alpha * self.beta)
        return FLOPS_PER_PARAM_TOKEN * (gain / (L - self.E)) ** exponent

    @derived
    def min_params_for_loss(self, L: Loss) -> Params:
        """Size below which no number of tokens reaches loss L: (A/(L-E))^(1/alpha)."""
        return (self.A / (L - self.E)) ** (1 / self.alpha)
