"""What laws of a floor, a term in parameters and a term in tokens share: the best split of C."""

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, Law, amplitude, derived, param
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN, Flops, Params, Tokens

_EXPONENTS = (0.02, 0.05, 0.12, 0.2, 0.28, 0.36, 0.45, 0.6, 0.8, 1.1, 1.6, 4.0, 12.0)


class TwoTerms(Law):
    """Base of the laws that are least where A/N^alpha + B/D^beta is, N before D."""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = amplitude("capacity coefficient", "N", "alpha")
    B: float = amplitude("data coefficient", "D", "beta")
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR, twin="alpha")

    def _balance(self) -> float:
        """Return G = (alpha A / (beta B))^(1/(alpha+beta)) (arXiv:2203.15556, eq. 4)."""
        ratio = self.alpha * self.A / (self.beta * self.B)
        return ratio ** (1 / (self.alpha + self.beta))

    def _least_compute(self, terms: float) -> float:
        """Return the least compute at which A/N^alpha + B/D^beta falls to `terms`."""
        gain = self.A * self._balance() ** -self.alpha * (1 + self.alpha / self.beta)
        exponent = (self.alpha + self.beta) / (self.alpha * self.beta)
        return FLOPS_PER_PARAM_TOKEN * (gain / terms) ** exponent

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
