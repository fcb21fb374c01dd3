"""The batch of least loss, for a model size and a number of tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.laws._law import Absorbs, Domain, Law, param, power
from scaling_cli.laws._loglinear import plane
from scaling_cli.vocabulary.quantities import BatchTokens, Params, Tokens


class StepBatchNd(Law):
    """B(N, D) = c N^alpha D^beta, in tokens: Step Law's batch with a size (cf. arXiv:2503.04715).

    The authors give the batch of tokens alone (`step_batch`); their released runs ask for a size
    as well, and so do their scripts.
    """

    reference = "arXiv:2503.04715, with a power of N"
    bibtex = """@article{li2025predictable,
  title={Predictable Scale: Part I -- Optimal Hyperparameter Scaling Law in Large Language Model
    Pretraining},
  author={Li, Houyi and Zheng, Wenzhen and Hu, Jingcheng and others},
  journal={arXiv:2503.04715}, year={2025}}"""
    convention = {"N": "non_embedding"}

    c: float = param(
        "coefficient",
        unit="tokens/step",
        absorbs=(Absorbs("N", "alpha", -1.0), Absorbs("D", "beta", -1.0)),
    )
    alpha: float = param("exponent in parameters", domain=Domain.REAL)
    beta: float = param("exponent in tokens", domain=Domain.REAL)

    def __call__(self, N: Params, D: Tokens) -> BatchTokens:
        """Return the batch in tokens."""
        return self.c * power(N, self.alpha) * power(D, self.beta)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Return least squares on logarithms."""
        yield dict(zip(("c", "alpha", "beta"), plane(inputs, output), strict=True))
