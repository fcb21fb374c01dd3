"""The Journey Matters: Chinchilla's law on the parameter count averaged over training."""

from scaling_cli.laws._law import amplitude, derived, power
from scaling_cli.laws._two_terms import TwoTerms
from scaling_cli.vocabulary.errors import UsageError
from scaling_cli.vocabulary.quantities import FLOPS_PER_PARAM_TOKEN as SIX
from scaling_cli.vocabulary.quantities import AverageParams, Flops, Loss, Tokens

CUBIC_MEAN = 0.75  # mean of 1 - (1 - u)^3 on [0, 1]: a cubic ramp is 3/4 pruned on average


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


def average_of_pruning(
    dense: float, sparsity: float, *, start: float, end: float, unit: str = "compute"
) -> float:
    """Average the parameter count of a cubic gradual-pruning schedule.

    Sparsity is 0 before `start`, `sparsity` after `end` and
    sparsity (1 - (1 - u)^3) in between, u the fraction of the window in tokens (Zhu & Gupta
    2017, arXiv:1710.01878, eq. 1).

    Parameters
    ----------
    dense : float
        Parameters before pruning.
    sparsity : float
        Final fraction pruned, in [0, 1).
    start, end : float
        The window, as fractions of the whole run in `unit`.
    unit : {"tokens", "steps", "compute"}
        What the fractions are of. The paper's 25 % and 75 % are of training *compute*. Steps
        equal tokens at a constant batch size.

    Returns
    -------
    float
        dense * (1 - sparsity (1 - end/4 - 3 start/4)) with the window in tokens. A window in
        compute is converted first: spending is proportional to the parameters in force, so with
        m = N_avg/dense, start_tokens = start m and the window lasts
        (end - start) m / (1 - 3/4 sparsity), which is linear in m.
    """
    if not (0 <= sparsity < 1 and 0 <= start <= end <= 1):
        raise UsageError(
            "a pruning schedule needs 0 <= sparsity < 1 and 0 <= start <= end <= 1, got "
            f"sparsity {sparsity:g}, start {start:g}, end {end:g}."
        )
    if unit in ("tokens", "steps"):
        return dense * (1 - sparsity * (1 - end / 4 - 3 * start / 4))
    if unit != "compute":
        raise UsageError(f"unit must be tokens, steps or compute, not {unit!r}.")
    end_per_m = start + (end - start) / (1 - CUBIC_MEAN * sparsity)
    return dense * (1 - sparsity) / (1 - sparsity * (end_per_m / 4 + CUBIC_MEAN * start))
