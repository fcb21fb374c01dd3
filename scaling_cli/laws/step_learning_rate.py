"""The learning rate of least loss, for a model size and a number of tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

from scaling_cli.laws._law import Absorbs, Domain, Law, param, power
from scaling_cli.laws._loglinear import plane
from scaling_cli.vocabulary.quantities import LearningRate, Params, Tokens


class StepLearningRate(Law):
    """lr(N, D) = c N^alpha D^beta (Step Law; Li et al. 2025, arXiv:2503.04715).

    The peak learning rate at which a run of N parameters on D tokens ends lowest, the batch being
    the best one too. c and the exponents are tied so closely that only together they say anything.
    """

    reference = "arXiv:2503.04715"
    bibtex = """@article{li2025predictable,
  title={Predictable Scale: Part I -- Optimal Hyperparameter Scaling Law in Large Language Model
    Pretraining},
  author={Li, Houyi and Zheng, Wenzhen and Hu, Jingcheng and others},
  journal={arXiv:2503.04715}, year={2025}}"""
    convention = {"N": "non_embedding"}

    c: float = param(
        "coefficient", absorbs=(Absorbs("N", "alpha", -1.0), Absorbs("D", "beta", -1.0))
    )
    alpha: float = param("exponent in parameters", domain=Domain.REAL)
    beta: float = param("exponent in tokens", domain=Domain.REAL)

    def __call__(self, N: Params, D: Tokens) -> LearningRate:
        """Return the learning rate."""
        return self.c * power(N, self.alpha) * power(D, self.beta)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Return least squares on logarithms."""
        yield dict(zip(("c", "alpha", "beta"), plane(inputs, output), strict=True))
