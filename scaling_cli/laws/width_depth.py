"""McLeish's loss of width, depth and tokens: the shape of a model, not its size alone."""

from typing import Annotated, Any

from scaling_cli.laws._law import EXPONENT_PRIOR, FLOOR_PRIOR, Law, amplitude, param, power
from scaling_cli.vocabulary.quantities import Loss, Quantity, Tokens

_EXPONENTS = (0.1, 0.2, 0.35, 0.6, 1.0, 1.6)
W_ = Quantity("width", "width", "width of the model", "1", aliases=("d_model", "hidden_size"))
Z_ = Quantity("depth", "depth", "layers of the model", "layers", aliases=("num_blocks", "n_layers"))
Width = Annotated[Any, W_]
Depth = Annotated[Any, Z_]


class WidthDepth(Law):
    """L = E + A/width^alpha + F/depth^gamma + B/D^beta (McLeish et al. 2025, arXiv:2502.06857).

    Exponents move a lot with which runs are chosen; without size itself as a term the floor may run
    to zero.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2502.06857"
    bibtex = """@article{mcleish2025gemstones,
  title={Gemstones: A Model Suite for Multi-Faceted Scaling Laws},
  author={McLeish, Sean and Kirchenbauer, John and Miller, David Yu and others},
  journal={arXiv:2502.06857}, year={2025}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = amplitude("width coefficient", "width", "alpha")
    F: float = amplitude("depth coefficient", "depth", "gamma")
    B: float = amplitude("data coefficient", "D", "beta")
    alpha: float = param("width exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    gamma: float = param("depth exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)
    beta: float = param("data exponent", starts=_EXPONENTS, prior=EXPONENT_PRIOR)

    def __call__(self, width: Width, depth: Depth, D: Tokens) -> Loss:
        """Return the loss in nats/token."""
        shape = self.A * power(width, -self.alpha) + self.F * power(depth, -self.gamma)
        return self.E + shape + self.B * power(D, -self.beta)
