"""The exponential with a floor: what AutoLRS fits to short stretches."""

import numpy as np

from scaling_cli.laws._law import Value, param
from scaling_cli.learning_curves._family import Floored, grid


class Exponential(Floored):
    """L(x) = E + A exp(-rate x) (Jin et al. 2021, AutoLRS, arXiv:2105.10762).

    Their a exp(b t) + c with b = -rate. weibull with delta = 1. They state no prior.
    """

    reference = "arXiv:2105.10762"
    bibtex = """@inproceedings{jin2021autolrs,
  title={AutoLRS: Automatic Learning-Rate Schedule by Bayesian Optimization on the Fly},
  author={Jin, Yuchen and Zhou, Tianyi and Zhao, Liangyu and others},
  booktitle={ICLR}, year={2021}}"""
    rising = "c - a exp(-rate x)"
    bounds = {"rate": (1e-5, 100.0)}

    rate: float = param("rate", starts=grid(1e-3, 10.0, 40))

    @classmethod
    def falling(cls, x: np.ndarray, rate: Value) -> np.ndarray:
        """Return what A is multiplied by."""
        return np.exp(-rate * x)
