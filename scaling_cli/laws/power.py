"""A power of one variable, rising or falling, without a floor."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Absorbs, Domain, Law, param, power
from scaling_cli.vocabulary.quantities import Loss, Variable


class Power(Law):
    """y = c x^p (Cubuk et al. 2018, arXiv:1711.02846, of adversarial error).

    p may have either sign. A plain straight line in logarithms: where the points bend, they say so.
    """

    question = "one variable"
    rises = frozenset({"x"})
    reference = "arXiv:1711.02846"
    bibtex = """@article{cubuk2018intriguing,
  title={Intriguing Properties of Adversarial Examples},
  author={Cubuk, Ekin D. and Zoph, Barret and Schoenholz, Samuel S. and Le, Quoc V.},
  journal={arXiv:1711.02846}, year={2018}}"""

    c: float = param("value where x is 1", unit="nats/token", absorbs=Absorbs("x", "p", -1.0))
    p: float = param("exponent, of either sign", domain=Domain.REAL)

    def __call__(self, x: Variable) -> Loss:
        """Return the value."""
        return self.c * power(x, self.p)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield the straight line through (ln x, ln y)."""
        x, y = (np.log(np.asarray(v, float)) for v in (inputs["x"], output))
        slope, middle = np.polyfit(x - x.mean(), y, 1)
        yield {"c": float(np.exp(middle - slope * x.mean())), "p": float(slope)}
