"""One over the logarithm: the slowest fall to a floor."""

import numpy as np

from scaling_cli.law import param
from scaling_cli.learning_curve import LearningCurve


class Ilog2(LearningCurve):
    """L(x) = E + A / ln(x + 1) (Domhan et al. 2015, ilog2).

    Not free of scale: x is in hundredths of what was seen. The published priors are uniform over
    accuracies: E and A are only held at zero or above.
    """

    reference = "Domhan, Springenberg and Hutter, IJCAI 2015; priors: arXiv:2310.20447"
    bibtex = """@inproceedings{domhan2015speeding,
  title={Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
    Extrapolation of Learning Curves},
  author={Domhan, Tobias and Springenberg, Jost Tobias and Hutter, Frank},
  booktitle={IJCAI}, year={2015}}"""
    rising = "c - a / ln(x + 1)"

    E: float = param("loss that no training removes", unit="nats/token", linear=True)
    A: float = param("what is lost beyond the floor at x = 1.72", unit="nats/token", linear=True)

    @classmethod
    def columns(cls, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what each coefficient is multiplied by."""
        return np.ones_like(x), 1.0 / np.log1p(x)
