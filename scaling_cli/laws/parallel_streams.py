"""Chen's loss of a model run over several streams of one input at once."""

from typing import Annotated, Any

from scaling_cli.laws._law import (
    EXPONENT_PRIOR,
    FLOOR_PRIOR,
    Law,
    amplitude,
    derived,
    namespace,
    param,
    power,
)
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity

P = Quantity(
    "streams",
    "streams",
    "copies of the input that the model reads at once",
    "streams",
    aliases=("parallel_size",),
)
Streams = Annotated[Any, P]


class ParallelStreams(Law):
    """L(N, P) = E + A/(N (k ln P + 1))^alpha (Chen et al. 2025, arXiv:2505.10475).

    P streams are worth k ln P + 1 times the parameters.
    """

    question = "model: experts, sparsity, precision, shape"
    reference = "arXiv:2505.10475"
    bibtex = """@article{chen2025parallel,
  title={Parallel Scaling Law for Language Models},
  author={Chen, Mouxiang and Hui, Binyuan and Cui, Zeyu and others},
  journal={arXiv:2505.10475}, year={2025}}"""

    E: float = param("irreducible loss", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = amplitude("capacity coefficient", "N", "alpha")
    alpha: float = param(
        "capacity exponent", starts=(0.05, 0.1, 0.2, 0.3, 0.45, 0.7), prior=EXPONENT_PRIOR
    )
    k: float = param("what a stream is worth", starts=(0.03, 0.1, 0.3, 0.8, 2.0))

    def __call__(self, N: Params, streams: Streams) -> Loss:
        """Return the loss in nats/token."""
        worth = self.k * namespace(N, streams, self.k).log(streams) + 1
        return self.E + self.A * power(N * worth, -self.alpha)

    @derived
    def worth_of_streams(self, N: Params, streams: Streams) -> Params:
        """Size of the one-stream model of the same loss: N (k ln P + 1)."""
        return N * (self.k * namespace(N, streams, self.k).log(streams) + 1)
