"""The Journey Matters: Chinchilla's law on the parameter count averaged over training."""

from scaling_cli.laws._law import amplitude, derived, power
from scaling_cli.laws._two_terms import TwoTerms
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN as SIX
from scaling_cli.vocabulary.quantities import AverageParams, Flops, Loss, Tokens


class AverageParameters(TwoTerms):
    """L(N_avg, D) = E + A/N_avg^alpha + B/D^beta (Jin et al. 2025, arXiv:2501.12486, eq. 2).

    N_avg is the mean over training tokens of the non-zero parameter count of a model that is
    pruned while it trains; a dense run has N_avg = N. Training compute is 6 N_avg D.
    """

    reference = "arXiv:2501.12486, eq. 2"
    bibtex = """@article{jin2025journey,
  title={The Journey Matters: Average Parameter Count over Pre-training Unifies Sparse and
         Dense Scaling Laws},
  author={Jin, Tian and Humayun, Ahmed Imtiaz and Evci, Utku and others},
  journal={arXiv:2501.12486}, year={2025}}"""
    convention = {"N_avg": "active"}

    A: float = amplitude("capacity coefficient", "N_avg", "alpha")

    def __call__(self, N_avg: AverageParams, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        return self.E + self.A * power(N_avg, -self.alpha) + self.B * power(D, -self.beta)

    @derived
    def optimal_params(self, C: Flops) -> AverageParams:
        """Average size of least loss at compute C = 6 N_avg D."""
        return super().optimal_params(C)

    @derived
    def optimal_tokens(self, C: Flops) -> Tokens:
        """Tokens of least loss at compute C = 6 N_avg D."""
        return C / (SIX * self.optimal_params(C))
