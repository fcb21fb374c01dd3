"""What Kaplan's laws share: the paper, and starts that are straight in logarithms."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scaling_cli.laws._law import Law

SMALLEST_EXPONENT = 1e-3  # a rising or flat cloud still needs a start with a falling line


class Kaplan(Law):
    """Base of the laws of Kaplan et al. 2020."""

    bibtex = """@article{kaplan2020scaling,
  title={Scaling Laws for Neural Language Models},
  author={Kaplan, Jared and McCandlish, Sam and Henighan, Tom and others},
  journal={arXiv:2001.08361}, year={2020}}"""

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield straight lines through (ln x, ln L): a law (xc/x)^exponent is linear there.

        Least squares, then the median slope. A law of several terms has starts of its own.
        """
        (x,) = inputs.values()
        log_x, log_y = np.log(np.asarray(x, float)), np.log(np.asarray(output, float))
        slope = np.polyfit(log_x - log_x.mean(), log_y, 1)[0]
        steps, rises = np.subtract.outer(log_x, log_x), np.subtract.outer(log_y, log_y)
        robust = np.median(rises[steps > 0] / steps[steps > 0])
        for exponent in (max(-slope, SMALLEST_EXPONENT), max(-robust, SMALLEST_EXPONENT)):
            with np.errstate(over="ignore"):  # of a flat cloud: an infinite start is left out later
                middle = float(np.exp(np.median(log_x + log_y / exponent)))
            yield dict(zip(cls.parameters(), (middle, float(exponent)), strict=True))
