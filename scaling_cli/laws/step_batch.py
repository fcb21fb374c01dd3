"""The batch of least loss, for a number of tokens alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.laws._law import Absorbs, Domain, Law, param, power
from scaling_cli.laws._loglinear import plane
from scaling_cli.vocabulary.quantities import BatchTokens, Tokens


class StepBatch(Law):
    """B(D) = c D^beta, in tokens (Step Law; Li et al. 2025, arXiv:2503.04715).

    The tokens of a step at which a run on D tokens ends lowest, whatever its size, the learning
    rate being the best one too.
    """

    reference = "arXiv:2503.04715"
    bibtex = """@article{li2025predictable,
  title={Predictable Scale: Part I -- Optimal Hyperparameter Scaling Law in Large Language Model
    Pretraining},
  author={Li, Houyi and Zheng, Wenzhen and Hu, Jingcheng and others},
  journal={arXiv:2503.04715}, year={2025}}"""

    c: float = param("coefficient", unit="tokens/step", absorbs=Absorbs("D", "beta", -1.0))
    beta: float = param("exponent in tokens", domain=Domain.REAL)

    def __call__(self, D: Tokens) -> BatchTokens:
        """Return the batch in tokens."""
        return self.c * power(D, self.beta)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Return least squares on logarithms."""
        yield dict(zip(("c", "beta"), plane(inputs, output), strict=True))
