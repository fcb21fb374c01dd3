"""Ghorbani's loss of translation models: encoder and decoder, a product of powers."""

from typing import Annotated, Any

from scaling_cli.laws._law import FLOOR_PRIOR, Absorbs, Law, derived, param, power
from scaling_cli.vocabulary.quantities import Loss, Quantity

_EXPONENTS = (0.05, 0.12, 0.2, 0.3, 0.45, 0.7)
N_E = Quantity("N_e", "encoder_params", "parameters of the encoder", "parameters")
N_D = Quantity("N_d", "decoder_params", "parameters of the decoder", "parameters")
Encoder = Annotated[Any, N_E]
Decoder = Annotated[Any, N_D]


class Translation(Law):
    """L = E + A/(N_e^p_e N_d^p_d) (Ghorbani et al. 2021, arXiv:2109.07740).

    Neither count includes embeddings. The best split of a size is p_e to p_d.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2109.07740"
    bibtex = """@article{ghorbani2021scaling,
  title={Scaling Laws for Neural Machine Translation},
  author={Ghorbani, Behrooz and Firat, Orhan and Freitag, Markus and others},
  journal={arXiv:2109.07740}, year={2021}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param(
        "coefficient",
        unit="nats/token",
        linear=True,
        absorbs=(Absorbs("N_e", "p_e"), Absorbs("N_d", "p_d")),
    )
    p_e: float = param("exponent of the encoder", starts=_EXPONENTS)
    p_d: float = param("exponent of the decoder", starts=_EXPONENTS)

    def __call__(self, N_e: Encoder, N_d: Decoder) -> Loss:
        """Return the loss in nats/token."""
        return self.E + self.A * power(N_e, -self.p_e) * power(N_d, -self.p_d)

    @derived
    def best_encoder(self, N_d: Decoder) -> Encoder:
        """Encoder that goes best with a decoder, at their sum: N_d p_e/p_d."""
        return N_d * self.p_e / self.p_d
