"""The best size for a compute: a power law in compute alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law, param, power
from scaling_cli.vocabulary.quantities import Flops, Params


class OptimalSize(Law):
    """N_opt(C) = (C/C0)^beta (Henighan et al. 2020, arXiv:2010.14701, table 1).

    N excludes embeddings. Of compute C = 6ND the best tokens then grow as C^(1 - beta).
    """

    question = "one variable"
    reference = "arXiv:2010.14701, table 1"
    bibtex = """@article{henighan2020scaling,
  title={Scaling Laws for Autoregressive Generative Modeling},
  author={Henighan, Tom and Kaplan, Jared and Katz, Mor and others},
  journal={arXiv:2010.14701}, year={2020}}"""
    convention = {"N": "non_embedding"}

    C0: float = param("compute at which one parameter is best", unit="FLOP", raised="beta")
    beta: float = param("exponent of compute")

    def __call__(self, C: Flops) -> Params:
        """Return the size in parameters."""
        return power(C / self.C0, self.beta)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield the straight line through (ln C, ln N)."""
        x, y = (np.log(np.asarray(v, float)) for v in (inputs["C"], output))
        slope = max(float(np.polyfit(x - x.mean(), y, 1)[0]), 1e-3)
        yield {"C0": float(np.exp(x.mean() - y.mean() / slope)), "beta": slope}
