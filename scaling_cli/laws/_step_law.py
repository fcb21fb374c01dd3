"""What the recipes of Step Law share: the paper, and starts that are straight in logarithms."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law


class StepLaw(Law):
    """Base of Step Law's recipes: a constant times a power of every input, c first."""

    reference = "arXiv:2503.04715"
    bibtex = """@article{li2025predictable,
  title={Predictable Scale: Part I -- Optimal Hyperparameter Scaling Law in Large Language Model
    Pretraining},
  author={Li, Houyi and Zheng, Wenzhen and Hu, Jingcheng and others},
  journal={arXiv:2503.04715}, year={2025}}"""

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield least squares on logarithms."""
        log_x = np.stack([np.log(np.asarray(x, float)) for x in inputs.values()], axis=1)
        log_y = np.log(np.asarray(output, float))
        middle = log_x.mean(axis=0)  # about the middle the constant and the slopes do not mix
        exponents = np.linalg.lstsq(log_x - middle, log_y - log_y.mean(), rcond=None)[0]
        with np.errstate(over="ignore"):  # an infinite start is left out later
            constant = float(np.exp(log_y.mean() - middle @ exponents))
        yield dict(zip(cls.parameters(), (constant, *exponents.tolist()), strict=True))
