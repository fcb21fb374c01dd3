"""Kumar's loss of a model trained at low precision: its bits are worth parameters."""

from typing import Annotated, Any

from scaling_cli.laws._law import (
    EXPONENT_PRIOR,
    FLOOR_PRIOR,
    Absorbs,
    amplitude,
    namespace,
    param,
    power,
)
from scaling_cli.laws._planned import Planned
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity, Tokens

_EXPONENTS = (0.1, 0.2, 0.3, 0.4, 0.55, 0.8)
P = Quantity("P_w", "weight_bits", "bits of a weight in training", "bits", aliases=("precision",))
Bits = Annotated[Any, P]


class Precision(Planned):
    """L(N, D, P_w) = E + A/(N (1 - e^(-P_w/g_w)))^alpha + B/D^beta (Kumar 2024, arXiv:2411.04330).

    Of weights trained at P_w bits, activations and attention as they were. The law of quantisation
    after training is not in it.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2411.04330"
    bibtex = """@article{kumar2024scaling,
  title={Scaling Laws for Precision},
  author={Kumar, Tanishq and Ankner, Zachary and Spector, Benjamin F. and others},
  journal={arXiv:2411.04330}, year={2024}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = amplitude("capacity coefficient", "N", "alpha")
    B: float = amplitude("data coefficient", "D", "beta")
    alpha: float = param("capacity exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR, twin="alpha")
    g_w: float = param(
        "bits within which a weight keeps 1 - 1/e of its worth",
        unit="bits",
        starts=(0.1, 0.3, 0.6, 1.2),
        absorbs=Absorbs("P_w"),
    )

    def __call__(self, N: Params, D: Tokens, P_w: Bits) -> Loss:
        """Return the loss in nats/token."""
        worth = 1 - namespace(N, P_w, self.g_w).exp(-P_w / self.g_w)
        return self.E + self.A * power(N * worth, -self.alpha) + self.B * power(D, -self.beta)
